"""Tells the stories of docs/charging.md, line by line, to a real database, and compares the books after every line.

What a line can say: a usage (`call of 400 s to +12065550177`, `SMS, 3 segments`, `fax, 6 pages`, `received fax,
1 page`, `voice AI, 2 sessions`; behind it `, backfilled`), `row 2 sent again`, `row 1 reversed`, or `none`: somebody
only looks.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from api.company_file import parse_company_file
from domain.catalogue import Direction
from domain.charging import Outcome
from domain.money import decimal_text
from domain.periods import YearMonth
from domain.rates import NewRate
from domain.stories.charge import reverse_usage
from domain.stories.provision import apply_company
from domain.stories.renew import renew_due
from domain.usage import AiAgentMode, AiAgentSession, Fax, Message, Traffic, UsageEvent, UsageFacts
from persistence.database import Database
from persistence.tables.charging import CHARGE
from persistence.tables.company import COMPANY
from persistence.tables.funds import WALLET, WALLET_CYCLE
from tests.world import World, call, usage_event

OFFICE = "pier"
OFFICE_NUMBER = "+12065550100"
NOTHING = "–"

Cells = dict[str, str]


def number(text: str) -> int:
    return int(text.replace(",", ""))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC)


class Story:
    """The company of the page, and what its lines can say."""

    def __init__(self, database: Database) -> None:
        self.world = World(database)
        self.events: dict[str, UsageEvent] = {}
        self.charges: dict[str, UUID] = {}

    async def begin(self, company: str, deck: Sequence[NewRate]) -> None:
        """The company is a file as `farebox apply` reads it; the clock starts when its first office opens."""
        plan = parse_company_file(company, name="charging.md")
        opened_on = plan.offices[0].opened_on
        assert opened_on is not None
        world = self.world
        world.slug, world.now = plan.slug, moment(opened_on.isoformat())
        await apply_company(world.begin, plan, now=world.now)
        [company_row] = await world.database.rows(COMPANY.select())
        world.company_id = company_row.company_id
        await world.deck(deck, at=world.now)

    async def tell(self, row: Cells) -> None:
        """One line: the clock moves, something is reported, and the books are compared."""
        self.world.now = moment(row["reported"])
        usage = row["usage"]
        if usage == "none":
            await renew_due(self.world.begin, self.world.company_id, self.world.now)
            self._nothing_moved(row, NOTHING)
        elif reversed_row := re.fullmatch(r"row (\d+) reversed", usage):
            original = self.charges[reversed_row[1]]
            done = await reverse_usage(
                self.world.begin, self.world.viewer(), original, key=row["row"], reason="Wrong.", now=self.world.now
            )
            await self._compare_charge(row, done.reversal_id)
        else:
            await self._report(row, usage)
        await self._compare_balances(row)

    async def _report(self, row: Cells, usage: str) -> None:
        is_backfill = usage.endswith(", backfilled")
        usage = usage.removesuffix(", backfilled")
        again = re.fullmatch(r"row (\d+) sent again", usage)
        event = self.events[again[1]] if again else _event(row["row"], moment(row["occurred"]), usage)
        self.events[row["row"]] = event
        [decision] = await self.world.record(event, is_backfill=is_backfill)
        if again or decision.outcome is not Outcome.CHARGED:
            self._nothing_moved(row, decision.rejection.code if decision.rejection else decision.outcome)
        else:
            assert decision.charge_id is not None
            self.charges[row["row"]] = decision.charge_id
            await self._compare_charge(row, decision.charge_id)

    def _nothing_moved(self, row: Cells, told: str) -> None:
        assert [row[name] for name in ("booked in", "plan", "calling", "universal")] == [told, *[NOTHING] * 3]

    async def _compare_charge(self, row: Cells, charge_id: UUID) -> None:
        [charge] = await self.world.database.rows(CHARGE.select().where(CHARGE.c.id == charge_id))
        late = ", late" if charge.is_booked_late else ""
        assert row["booked in"] == YearMonth.from_number(charge.month).text + late
        plan = f"{charge.plan_quantity} = {decimal_text(charge.plan_micros)}"
        assert row["plan"] == (plan if charge.plan_quantity or charge.plan_micros else NOTHING)
        wallets = {"calling": charge.commitment_micros, "universal": charge.universal_micros}
        for name, micros in wallets.items():
            assert row[name] == (decimal_text(micros) if micros else NOTHING), (row["row"], name)

    async def _compare_balances(self, row: Cells) -> None:
        cycles = await self.world.database.rows(WALLET_CYCLE.select())
        wallets = await self.world.database.rows(WALLET.select())
        found = {"universal holds": next(wallet.balance_micros for wallet in wallets if wallet.kind == "UNIVERSAL")}
        for cycle in cycles:
            month = YearMonth.from_number(cycle.month).text
            found |= {f"{month} holds": cycle.balance_micros, f"{month} expired": cycle.expired_micros}
        for name in row:
            if name.endswith((" holds", " expired")):
                assert row[name] == (decimal_text(found[name]) if name in found else NOTHING), (row["row"], name)


def _event(name: str, at: datetime, usage: str) -> UsageEvent:
    called = re.fullmatch(r"call of ([\d,]+) s to (\S+)", usage)
    if called:
        return call(name, at, seconds=number(called[1]), to=called[2], from_=OFFICE_NUMBER, office=OFFICE)
    return usage_event(name, at, _facts(usage), office=OFFICE)


def _facts(usage: str) -> UsageFacts:
    found = re.fullmatch(r"(SMS|fax|received fax|voice AI), (\d+) (?:segment|page|session)s?", usage)
    assert found, usage
    count, out, other = int(found[2]), Direction.OUTBOUND, "+13125550123"
    match found[1]:
        case "SMS":
            return Message(direction=out, traffic=Traffic.P2P, from_=OFFICE_NUMBER, to=other, segment_count=count)
        case "fax":
            return Fax(direction=out, from_=OFFICE_NUMBER, to=other, page_count=count)
        case "received fax":
            return Fax(direction=Direction.INBOUND, from_=other, to=OFFICE_NUMBER, page_count=count)
        case _:
            return AiAgentSession(mode=AiAgentMode.VOICE, session_count=count)
