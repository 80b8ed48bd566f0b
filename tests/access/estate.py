"""Two companies in one database, planted with marks that nobody else may ever read, and callers with real tokens.

`acme` has the offices hq, berlin and lone; `globex` has one, vault. Both use the same source, event ids and external
ids, so that a query that forgets the company finds the wrong thing. Everything of berlin says so, and so does
everything of globex; the amounts 66666.666666 and 77777.777777 occur nowhere else.
"""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from secrets import token_bytes
from typing import Any
from uuid import UUID, uuid4

import httpx2
import orjson
from sqlalchemy import select

from api.auth import Claims, issue_token
from api.payments.sandbox import SandboxProcessor
from api.payments.sandbox_links import SandboxLinks
from api.settings import Settings
from api.wiring import serve_app
from domain.access import PartnerScope, Role
from domain.api_keys import SECRET_BYTES, make_secret
from domain.catalogue import Direction, Service, UsageType, WalletKind
from domain.money import Amount, parse_micros
from domain.payments import Processors
from domain.provisioning import CommitmentPlan, DirectoryContact, DirectoryGroup, DirectoryMember, OfficePlan
from domain.stories.buy import purchase_credits, save_card, start_card_setup
from domain.stories.charge import reverse_usage
from domain.stories.keys import create_api_key
from domain.stories.watch import watch_on_demand
from domain.usage import DirectoryReference, Fax, Session, UsageEvent
from persistence.database import Database
from persistence.metadata import METADATA
from persistence.sandbox_store import SandboxStore
from persistence.tables.activity import ACTIVITY
from persistence.tables.alerts import SPENDING_ALERT
from persistence.tables.charging import CHARGE, REJECTED_USAGE
from persistence.tables.company import CONTACT, GROUP, MEMBER, OFFICE
from persistence.tables.funds import ALLOWANCE_CYCLE, POSTING, WALLET
from persistence.tables.holds import HOLD
from persistence.tables.partners import API_KEY, WEBHOOK_DELIVERY, WEBHOOK_ENDPOINT
from persistence.tables.payments import CARD_SETUP, PAYMENT_METHOD, TOP_UP
from persistence.tables.rates import RATE, RATE_CARD
from persistence.webhook_claims import claim, find_due, note_delivered
from schema.ids import IdKind
from tests.conftest import IS_SECURED, TENANT_ROLE
from tests.partners import Partner
from tests.persistence.holding import held, request
from tests.world import World, allowance, call, commitment, office, rate, usage_event

SECRET = "a secret key for tests, longer than thirty-two bytes"
MARKS = re.compile(r"berlin|globex|vault|66666\.666666|77777\.777777", re.IGNORECASE)
MARKS_OF_GLOBEX = re.compile(r"globex|vault|77777\.777777", re.IGNORECASE)
MARKS_OF_ACME = re.compile(r"acme|berlin|lone|66666\.666666|Hq", re.IGNORECASE)
NUMBERS = {"hq": "+14155550100", "berlin": "+493012345678", "lone": "+12065550100", "vault": "+442071234567"}
BARRED = "+900123456789"

OPEN_HANDED: dict[str, Any] = {"max_cost": 100_000, "throttle_points": 10**9, "document_points": 10**9}
"""What is read here is everything at once, again and again: another matter than who may."""

Ids = dict[str, list[str]]
"""By place (`hq`, `berlin`, `lone`, `vault`; `acme`, `globex` for what belongs to a whole company)."""


def settings_for(url: str = "sqlite:///nowhere.db") -> Settings:
    role = TENANT_ROLE if IS_SECURED and url.startswith("postgresql") else None
    return Settings(_env_file=None, secret_key=SECRET, database_url=url, tenant_role=role, **OPEN_HANDED)


def token(now: datetime | None = None, **changes: Any) -> str:
    now = now or datetime.now(UTC)
    claims: dict[str, Any] = {
        "subject": "u-1",
        "name": "Somebody",
        "company": "acme",
        "role": Role.COMPANY_ADMIN,
        "offices": None,
        "has_billing": False,
        "scopes": frozenset(),
        "expires_at": now + timedelta(hours=1),
    }
    return issue_token(settings_for(), Claims(**(claims | changes)), now=now)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def data(self) -> Any:
        """Of a request without errors."""
        assert "errors" not in self.json, self.body
        return self.json["data"]

    @property
    def error(self) -> Any:
        """The only error."""
        [error] = self.json["errors"]
        return error


def _without_the_purse(body: bytes) -> bytes:
    """What is left of the caller's points differs from answer to answer; all else, the price too, must not."""
    told = orjson.loads(body)
    told.get("extensions", {}).get("cost", {}).pop("throttleStatus", None)
    return orjson.dumps(told)


@dataclass
class Estate:
    """The served application over the planted database."""

    database: Database
    client: httpx2.AsyncClient
    ids: Mapping[IdKind, Ids] = field(default_factory=dict)

    async def ask(self, bearer: str | None, query: str, **variables: Any) -> Answer:
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        body = {"query": query, "variables": variables}
        response = await self.client.post("/graphql", json=body, headers=headers)
        return Answer(response.status_code, _without_the_purse(response.content))

    def one(self, kind: IdKind, place: str) -> str:
        return self.ids[kind][place][0]

    def all_of(self, *places: str) -> set[str]:
        """Every id that belongs to these places."""
        return {found for ids in self.ids.values() for place in places for found in ids.get(place, ())}

    async def everything_stored(self) -> dict[str, list[str]]:
        """All rows of all tables, as text."""
        return {
            table.name: sorted(str(tuple(row)) for row in await self.database.rows(table.select()))
            for table in METADATA.sorted_tables
        }


def unknown(kind: IdKind) -> str:
    return f"{kind.value}_{uuid4().hex}"


async def plant(database: Database) -> None:
    now = datetime.now(UTC)
    acme = World(database, now=now)
    await acme.apply(
        _office("hq", commitments=(commitment("9"), commitment("12", WalletKind.AI_AGENT))),
        _office("berlin", name="BERLIN office", credits="66666.666666", commitments=(commitment("3"),)),
        _office("lone"),
        **_directory("hq", "berlin"),
    )
    await acme.deck((rate("0.02"), rate("0.50", service=Service.FAX), *_BARRED, *_SESSIONS), at=_long_ago(now))
    await _tell_partner(acme)
    for place in ("hq", "berlin", "lone"):
        await _use(acme, place)
        await _buy(acme, place)
    globex = World(database, now=now, slug="globex")
    await globex.apply(
        _office("vault", name="GLOBEX vault", credits="77777.777777", commitments=(commitment("5"),)),
        name="GLOBEX",
        **_directory("vault"),
    )
    secret = (rate("0", fee="77777.777777"), rate("0.50", service=Service.FAX), *_BARRED, *_SESSIONS)
    await globex.deck(secret, card="GLOBEX deck", at=_long_ago(now))
    await _tell_partner(globex)
    await _use(globex, "vault")
    await _buy(globex, "vault")
    await _give_key(acme, "hq")
    await _give_key(globex, "vault")
    for world in (acme, globex):
        await watch_on_demand(world.begin, world.company_id, now)
    await _partner_heard(database, now)


_BARRED = (rate("0", prefix="900", is_blocked=True),)
_SESSIONS = (rate("0.05", service=Service.SPEECH_IVR),)


def _long_ago(now: datetime) -> datetime:
    return now - timedelta(days=400)


def _office(slug: str, *, credits: str = "5", commitments: tuple[CommitmentPlan, ...] = (), **given: str) -> OfficePlan:
    return office(
        slug,
        name=given.get("name", slug.capitalize()),
        opened_on=(datetime.now(UTC) - timedelta(days=40)).date(),
        phone_numbers=(NUMBERS[slug],),
        opening_credits_micros=parse_micros(credits),
        commitments=commitments,
        allowances=(allowance(30), allowance(3, Service.FAX, UsageType.FAX_SENT)),
    )


def _directory(*offices: str) -> dict[str, Any]:
    """People of each office; one member and one group that are of none; a contact for each office."""
    own = offices[0]
    members = [
        DirectoryMember(external_id=f"u-{n}", name=f"Desk of {place}", email=f"desk@{place}.example", office=place)
        for n, place in enumerate(offices)
    ]
    groups = [
        DirectoryGroup(external_id=f"g-{n}", name=f"Desk of {place}", office=place) for n, place in enumerate(offices)
    ]
    free = f"{'GLOBEX ' if own == 'vault' else ''}night line"
    return {
        "members": (*members, DirectoryMember(external_id="u-free", name=free)),
        "groups": (*groups, DirectoryGroup(external_id="g-free", name=free)),
        "contacts": tuple(
            DirectoryContact(external_id=f"c-{n}", name=f"{'GLOBEX ' if own == 'vault' else ''}supplier {n}")
            for n, _ in enumerate(offices)
        ),
    }


async def _use(world: World, place: str) -> None:
    """Two calls, a fax taken back, a menu, a call that is refused, a fax authorized. Event ids are every company's."""
    number = {"hq": 0, "berlin": 1, "lone": 2, "vault": 0}[place]
    start = world.now - timedelta(hours=3)
    people: dict[str, Any] = {
        "member": DirectoryReference(f"u-{number}"),
        "group": DirectoryReference(f"g-{number}"),
        "contact": DirectoryReference(f"c-{number}"),
    }
    known: dict[str, Any] = people if place != "lone" else {}
    mark = f"-{place}" if place == "berlin" else f"-{number}"

    def named(event: UsageEvent) -> UsageEvent:
        return replace(event, **known)

    ends: dict[str, Any] = {"office": place, "from_": NUMBERS[place]}
    other_side = f"+1212555010{number}"
    fax = Fax(direction=Direction.OUTBOUND, from_=NUMBERS[place], to=other_side, page_count=7)
    menu = Session(service=Service.SPEECH_IVR, session_count=2)
    decisions = await world.record(
        named(call(f"call{mark}", start, seconds=600, to=other_side, **ends)),
        named(call(f"later{mark}", start + timedelta(hours=1), seconds=60, to=other_side, **ends)),
        named(usage_event(f"fax{mark}", start, fax, office=place)),
        usage_event(f"menu{mark}", start, menu, office=place),
        call(f"barred{mark}", start, to=BARRED, **ends),
    )
    fax_id = decisions[2].charge_id
    assert fax_id is not None
    reason = f"Wrong number, {place}."
    await reverse_usage(world.begin, world.viewer(), fax_id, key=f"key-{number}", reason=reason, now=world.now)
    await held(world, request("probe", service=Service.FAX, quantity=1, office=place, source=f"phones of {place}"))


async def _buy(world: World, place: str) -> None:
    """A card is saved and credits are bought with it; another card is about to be saved. By whom says where."""
    links = SandboxLinks("https://farebox.test", SECRET)
    processors = Processors(SandboxProcessor(SandboxStore(world.database), links))
    buyer = world.viewer(Role.COMPANY_ADMIN, name=f"Buyer of {place}")
    office_id, now = await world.office_id(place), world.now
    setup = await start_card_setup(world.begin, processors, buyer, office_id, return_url=None, now=now)
    await save_card(world.begin, processors, buyer, office_id, setup.setup_id, now=now)
    await start_card_setup(world.begin, processors, buyer, office_id, return_url=None, now=now)
    amount = Amount(parse_micros("20"), "USD")
    bought = await purchase_credits(
        world.begin,
        processors,
        buyer,
        office_id,
        credits=amount,
        expected_total=amount,
        key=f"buy-{place}",
        return_url=None,
        now=now,
    )
    assert bought.top_up.settled_at == now


async def _give_key(world: World, place: str) -> None:
    """To a partner of one office, with every scope that works for one."""
    await create_api_key(
        world.begin,
        world.viewer(Role.COMPANY_ADMIN),
        secret=make_secret(token_bytes(SECRET_BYTES)),
        name=f"Phones of {place}",
        scopes=[scope for scope in PartnerScope if scope is not PartnerScope.DIRECTORY_WRITE],
        office_ids=[await world.office_id(place)],
        now=world.now,
    )


async def _tell_partner(world: World) -> None:
    """Of all that happens from now on, where the server connects to nothing."""
    await Partner(world).endpoint(f"https://127.0.0.1:9/{world.slug}")


async def _partner_heard(database: Database, now: datetime) -> None:
    """Nothing waits for the server's worker, which would change it in the middle of a test."""
    for due in await find_due(database, now, but_of=(), limit=100):
        claimed = await claim(database, due, now, now + timedelta(minutes=1))
        assert claimed is not None
        await note_delivered(database, claimed, 204, now)


async def read_ids(database: Database) -> dict[IdKind, Ids]:
    """Every id there is, by the place it belongs to: read from the tables, past every rule of access."""
    offices = {row.id: row.slug for row in await database.rows(select(OFFICE.c.id, OFFICE.c.slug))}
    companies = {
        row.company_id: "globex" if row.slug == "vault" else "acme" for row in await database.rows(OFFICE.select())
    }
    found: dict[IdKind, Ids] = {kind: {} for kind in IdKind}

    def note(kind: IdKind, place: str, value: UUID) -> None:
        found[kind].setdefault(place, []).append(f"{kind.value}_{value.hex}")

    for office_id, slug in offices.items():
        note(IdKind.OFFICE, slug, office_id)
        note(IdKind.AUTO_RECHARGE, slug, office_id)
    for company_id, slug in companies.items():
        note(IdKind.COMPANY, slug, company_id)
    for kind, table in _OF_OFFICE.items():
        for row in await database.rows(table.select().order_by(table.c.id)):
            if kind is not IdKind.POSTING or row.wallet_id is not None:
                note(kind, offices.get(row.office_id, companies[row.company_id]), row.id)
    for kind, table in _OF_COMPANY.items():
        for row in await database.rows(table.select().order_by(table.c.id)):
            note(kind, companies[row.company_id], row.id)
    return found


_OF_OFFICE = {
    IdKind.MEMBER: MEMBER,
    IdKind.GROUP: GROUP,
    IdKind.WALLET: WALLET,
    IdKind.PLAN_USAGE: ALLOWANCE_CYCLE,
    IdKind.USAGE_RECORD: CHARGE,
    IdKind.REJECTED_USAGE: REJECTED_USAGE,
    IdKind.POSTING: POSTING,
    IdKind.ACTIVITY: ACTIVITY,
    IdKind.HOLD: HOLD,
    IdKind.TOP_UP: TOP_UP,
    IdKind.PAYMENT_METHOD: PAYMENT_METHOD,
    IdKind.CARD_SETUP: CARD_SETUP,
    IdKind.SPENDING_ALERT: SPENDING_ALERT,
}
_OF_COMPANY = {
    IdKind.CONTACT: CONTACT,
    IdKind.RATE: RATE,
    IdKind.RATE_CARD: RATE_CARD,
    IdKind.API_KEY: API_KEY,
    IdKind.WEBHOOK_ENDPOINT: WEBHOOK_ENDPOINT,
    IdKind.WEBHOOK_DELIVERY: WEBHOOK_DELIVERY,
}


@asynccontextmanager
async def served(url: str, settings: Settings | None = None) -> AsyncIterator[Estate]:
    """The application on a planted database, answering over ASGI."""
    app = serve_app(settings or settings_for(url))
    database = Database(url)
    transport = httpx2.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://farebox.test") as client,
    ):
        yield Estate(database, client, await read_ids(database))
    await database.close()
