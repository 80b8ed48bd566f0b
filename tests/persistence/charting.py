"""Four months of an odd company to draw charts of, and what a plain look at its charges finds.

Offices in zones a day apart, one with an anchor on the 31st, one that moves to another zone; usage that comes late,
that is taken back, that costs nothing, of members and groups and of nobody.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from domain.access import Scope
from domain.catalogue import COMMITMENT_OF, USAGE_UNITS, Direction, Service, UsageUnit, WalletKind
from domain.charts import UsageDimension
from domain.stories.charge import reverse_usage
from domain.usage import DirectoryReference, Fax, Session, UsageEvent
from persistence.chart_facts import Question
from persistence.database import Database
from persistence.summary import SummaryRow
from persistence.tables.charging import CHARGE
from persistence.tables.company import MEMBER, OFFICE
from persistence.tables.funds import BILLING_CYCLE
from tests.world import World, allowance, call, commitment, office, rate, usage_event

FIRST = datetime(2026, 1, 20, tzinfo=UTC)
MOVES = datetime(2026, 3, 10, tzinfo=UTC)
LAST = datetime(2026, 5, 12, tzinfo=UTC)
ZONES = {"hq": "America/New_York", "far": "Pacific/Kiritimati", "near": "Pacific/Honolulu", "mover": "Europe/Berlin"}
ANCHORS = {"hq": 1, "far": 31, "near": 15, "mover": 1}
NUMBERS = ("+12125550123", "+442071234567", "+4930123456", "1002")
MEMBERS = (None, None, DirectoryReference("u1", "Ann"), DirectoryReference("u2", "Bob"), DirectoryReference("u3", "Cy"))


def _offices(**zones: str) -> list[Any]:
    return [
        office(
            slug,
            time_zone=zone,
            anchor_day=ANCHORS[slug],
            opened_on=FIRST.date() - timedelta(days=2),
            phone_numbers=("+14155550100",) if slug == "hq" else (),
            allowances=(allowance(600),) if slug != "near" else (),
            commitments=(commitment("0.4"), commitment("2", WalletKind.AI_AGENT)) if slug in ("hq", "far") else (),
        )
        for slug, zone in (ZONES | zones).items()
    ]


def _event(chance: random.Random, name: str, at: datetime) -> UsageEvent:
    branch = chance.choice(tuple(ZONES))
    number = chance.choice(NUMBERS)
    match chance.randrange(5):
        case 0:
            fax = Fax(direction=Direction.OUTBOUND, from_="+14155550100", to=number, page_count=chance.randrange(4))
            event = usage_event(name, at, fax, office=branch)
        case 1:
            event = usage_event(name, at, Session(service=Service.SPEECH_IVR), office=branch)
        case 2:
            event = call(name, at, from_=number, to="1002", direction=Direction.INBOUND, office=branch)
        case _:
            event = call(name, at, to=number, seconds=chance.randrange(0, 300), office=branch)
    group = chance.choice((None, DirectoryReference("g1", "Desk"), DirectoryReference("g2", "Lab")))
    return replace(event, member=chance.choice(MEMBERS), group=group)


async def tell(database: Database) -> World:
    world = World(database, now=FIRST - timedelta(days=1))
    await world.apply(*_offices())
    await world.deck((rate("0.02"), rate("0.10", prefix="44"), *_SERVICES), at=datetime(2020, 1, 1, tzinfo=UTC))
    chance = random.Random(5)
    at, number = FIRST, 0
    while at < LAST:
        at += timedelta(days=4)
        if at - timedelta(days=4) < MOVES <= at:
            world.now = MOVES
            await world.apply(*_offices(mover="America/Chicago"))
        world.now = at
        events = []
        for _ in range(14):
            number += 1
            back = timedelta(days=chance.randrange(4)) if chance.random() < 0.9 else timedelta(days=40)
            on_midnight = chance.random() < 0.2
            minutes = chance.randrange(1440) if not on_midnight else chance.choice((0, 300, 600, 1439))
            events.append(_event(chance, f"e{number}", max(at - back - timedelta(minutes=minutes), FIRST)))
        decisions = await world.record(*events)
        taken_back = chance.choice([decision.charge_id for decision in decisions if decision.charge_id])
        assert taken_back is not None
        await reverse_usage(world.begin, world.viewer(), taken_back, key=f"k{number}", reason="test", now=world.now)
    return world


_SERVICES = (rate("0.03", service=Service.FAX), rate("0.05", service=Service.SPEECH_IVR))


# ---------- a plain look ----------

Point = tuple[date | None, Any, bool]


class Look(NamedTuple):
    """Everything that a plain look goes by."""

    charges: Sequence[Any]
    cycles: Sequence[Any]
    names: Mapping[UUID, str]


async def look(database: Database) -> Look:
    named = [(row.id, row.name) for table in (OFFICE, MEMBER) for row in await database.rows(table.select())]
    return Look(await database.rows(CHARGE.select()), await database.rows(BILLING_CYCLE.select()), dict(named))


def _keys(row: Any, other: UsageDimension | None) -> list[Any]:
    if other is UsageDimension.WALLET_SOURCE:
        family = COMMITMENT_OF.get(Service(row.service))
        paid = {"PLAN": row.sources & 1, str(family): row.sources & 2, "UNIVERSAL": row.sources & 4}
        return [name for name, is_payer in paid.items() if is_payer] or [None]
    columns = {"DESTINATION_REGION": "region_code", "OFFICE": "office_id", "MEMBER": "member_id", "GROUP": "group_id"}
    return [None if other is None else row._mapping[columns.get(other, other.lower())]]


def _period(row: Any, period: UsageDimension | None) -> date | None:
    if period is None:
        return None
    if period is UsageDimension.MONTH:
        return date(row.month // 100, row.month % 100, 1)
    day: date = row.local_day
    return day - timedelta(days=day.weekday()) if period is UsageDimension.WEEK else day


class Plain(NamedTuple):
    count: int = 0
    plan: int = 0
    cost: int = 0
    quantities: Mapping[UsageUnit, int] = {}

    def plus(self, row: Any, other: UsageDimension | None, key: Any) -> "Plain":
        unit = USAGE_UNITS[Service(row.service)]
        plan, cost = row.plan_micros, row.cost_micros
        if other is UsageDimension.WALLET_SOURCE and key is not None:
            plan = plan if key == "PLAN" else 0
            cost = {"PLAN": 0, "UNIVERSAL": row.universal_micros}.get(key, row.commitment_micros)
        quantities = {**self.quantities, unit: self.quantities.get(unit, 0) + row.quantity}
        return Plain(self.count + 1, self.plan + plan, self.cost + cost, quantities)


def plainly(found: Iterable[Any], question: Question, names: Mapping[UUID, str]) -> dict[Point, Plain]:
    """The rows of a summary, from charges that fit its filter."""
    found = list(found)
    period, other = question.grouping
    of_key: defaultdict[Any, Plain] = defaultdict(Plain)
    for row in found:
        for key in _keys(row, other):
            of_key[key] = of_key[key].plus(row, other, key)

    def rank(key: Any) -> tuple[Any, ...]:
        sums = of_key[key]
        name = names.get(key, "").lower() if isinstance(key, UUID) else str(key or "")
        return (-sums.cost, -sums.cost - sums.plan, -sums.count, name)

    leading = sorted(of_key, key=rank)[: question.top]
    points: defaultdict[Point, Plain] = defaultdict(Plain)
    for row in found:
        for key in _keys(row, other):
            is_other = key not in leading
            point = (_period(row, period), None if is_other else key, is_other)
            points[point] = points[point].plus(row, other, key)
    return dict(points)


def as_plain(rows: Sequence[SummaryRow]) -> dict[Point, Plain]:
    return {
        (row.period, row.key, row.is_other): Plain(
            row.usage.count, row.usage.plan_micros, row.usage.cost_micros, row.usage.quantities
        )
        for row in rows
        if row.usage.count
    }


def local_midnight(day: date, slug: str) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(ZONES[slug])).astimezone(UTC)


def everything(world: World) -> Scope:
    return Scope(world.company_id, None)
