"""A small company to tell stories about, and the words to tell them with.

Everything goes in by the project's own doors: `apply`, a deck, reported usage. Nothing is written past the rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from domain.access import PartnerScope, Role, Viewer
from domain.catalogue import Cadence, Direction, Service, UsageType, WalletKind
from domain.charging import Decision
from domain.money import Currency, parse_micros, parse_nanos
from domain.provisioning import AllowancePlan, CommitmentPlan, CompanyPlan, OfficePlan
from domain.rates import PER_SECOND, Increment, NewRate
from domain.stories.charge import record_usage
from domain.stories.provision import apply_company, load_deck
from domain.usage import Call, OfficeReference, UsageEvent, UsageFacts
from persistence.begin import Begin
from persistence.database import Database
from persistence.tables.company import COMPANY, OFFICE

START = datetime(2026, 3, 1, tzinfo=UTC)


def rate(
    price: str,
    *,
    service: Service = Service.CALLING,
    prefix: str = "",
    usage_type: UsageType | None = None,
    direction: Direction | None = None,
    increment: Increment = PER_SECOND,
    fee: str = "0",
    priority: int = 0,
    is_blocked: bool = False,
) -> NewRate:
    return NewRate(
        service,
        usage_type,
        direction,
        prefix,
        None,
        parse_nanos(price),
        increment,
        parse_micros(fee),
        priority,
        is_blocked,
    )


DECK = (
    rate("0.02"),
    rate("0.10", prefix="44"),
    rate("0", prefix="900", is_blocked=True),
    rate("0.01", service=Service.MESSAGING),
    rate("0.03", service=Service.FAX),
    rate("0.50", service=Service.AI_AGENT),
    rate("0.05", service=Service.SPEECH_IVR),
    rate("0.07", service=Service.OMNICHANNEL),
)


def call(
    event_id: str,
    at: datetime,
    *,
    seconds: int = 60,
    to: str = "+12125550123",
    from_: str = "+14155550100",
    direction: Direction = Direction.OUTBOUND,
    office: str = "hq",
) -> UsageEvent:
    usage = Call(direction=direction, from_=from_, to=to, duration_seconds=seconds)
    return usage_event(event_id, at, usage, office=office)


def usage_event(event_id: str, at: datetime, usage: UsageFacts, *, office: str = "hq") -> UsageEvent:
    return UsageEvent(
        source="test", event_id=event_id, occurred_at=at, usage=usage, office=OfficeReference(slug=office)
    )


def office(slug: str = "hq", **changes: object) -> OfficePlan:
    plan = OfficePlan(
        slug=slug,
        name=slug.upper(),
        time_zone="UTC",
        region="US",
        opened_on=START.date(),
        phone_numbers=("+14155550100",) if slug == "hq" else (),
    )
    return replace(plan, **changes)  # type: ignore[arg-type]


def commitment(
    amount: str, kind: WalletKind = WalletKind.CALLING, cadence: Cadence = Cadence.MONTHLY
) -> CommitmentPlan:
    return CommitmentPlan(kind=kind, amount_micros=parse_micros(amount), cadence=cadence)


def allowance(quantity: int, service: Service = Service.CALLING, *types: UsageType) -> AllowancePlan:
    covered = types or (UsageType.LOCAL, UsageType.DOMESTIC)
    return AllowancePlan(service=service, quantity=quantity, usage_types=covered)


@dataclass
class World:
    """A company in a database, and a clock that moves only when told to."""

    database: Database
    now: datetime = START + timedelta(hours=1)
    slug: str = "acme"
    begin: Begin = field(init=False)
    company_id: UUID = field(init=False)

    def __post_init__(self) -> None:
        self.begin = Begin(self.database)

    async def apply(self, *offices: OfficePlan, is_dry_run: bool = False, **changes: object) -> list[str]:
        plan = CompanyPlan(
            slug=self.slug,
            name="Acme",
            currency=Currency.USD,
            domestic_regions=("US",),
            offices=offices or (office(),),
        )
        plan = replace(plan, **changes)  # type: ignore[arg-type]
        told = await apply_company(self.begin, plan, now=self.now, is_dry_run=is_dry_run)
        rows = await self.database.rows(COMPANY.select().where(COMPANY.c.slug == self.slug))
        if rows:
            self.company_id = rows[0].company_id
        return told

    async def deck(self, rates: Sequence[NewRate] = DECK, *, card: str = "standard", at: datetime = START) -> None:
        await load_deck(self.begin, self.company_id, card=card, rates=rates, effective_from=at, now=self.now)

    async def set_up(self, *offices: OfficePlan) -> "World":
        await self.apply(*offices)
        await self.deck(at=datetime(2020, 1, 1, tzinfo=UTC))
        return self

    async def office_id(self, slug: str = "hq") -> UUID:
        mine = (OFFICE.c.company_id == self.company_id) & (OFFICE.c.slug == slug)
        found: UUID = (await self.database.rows(OFFICE.select().where(mine)))[0].id
        return found

    def viewer(self, role: Role = Role.OPERATOR, **changes: object) -> Viewer:
        viewer = Viewer(
            subject=f"{role.lower()}@{self.slug}",
            name=role.replace("_", " ").capitalize(),
            role=role,
            company_id=self.company_id,
            office_ids=None,
            has_billing=False,
            scopes=frozenset(PartnerScope) if role is Role.PARTNER else frozenset(),
            expires_at=self.now + timedelta(days=365),
        )
        return replace(viewer, **changes)  # type: ignore[arg-type]

    async def record(self, *events: UsageEvent, is_backfill: bool = False) -> list[Decision]:
        return await record_usage(self.begin, self.viewer(), events, now=self.now, is_backfill=is_backfill)
