"""Auto-recharge as rows: what an office's has done lately, whose is due to be judged, and what a reader is shown."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Row, and_, case, cast, false, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.access import Scope
from domain.auto_recharge import (
    AutoRecharge,
    RechargeFacts,
    Standing,
    card_trouble,
    multiples_owable,
    standing_of,
)
from domain.ledger import Books
from domain.periods import first_instant, local_day
from domain.recharge_settings import begin_within
from domain.top_ups import Billing, TopUpOrigin, TopUpReason, TopUpState
from persistence.books import auto_recharge_of
from persistence.database import Database
from persistence.offices import current_cycle_of, visible
from persistence.payment_methods import read_billings
from persistence.tables.company import OFFICE
from persistence.tables.funds import BILLING_CYCLE
from persistence.tables.payments import AUTO_RECHARGE, TOP_UP

MOST_AT_ONCE = 100
"""Offices that one round of the worker judges; the rest waits for the next."""
_DAY = timedelta(days=1)
_IN_FLIGHT = text("top_up.origin = 'AUTO_RECHARGE' AND top_up.state IN ('PENDING', 'REQUIRES_ACTION')")
"""Word for word the condition of its partial index, which with parameters would not be used."""
_COUNTS_AGAINST_CAP = (TopUpState.PENDING.value, TopUpState.REQUIRES_ACTION.value, TopUpState.SETTLED.value)


class OfficeRecharge(NamedTuple):
    """One office's auto-recharge as a reader is shown it; with the defaults where nobody ever set it."""

    office_id: UUID
    recharge: AutoRecharge
    """Settings: `is_enabled`, `threshold_micros`, `amount_micros`, `cap_micros`, `updated_at`."""
    facts: RechargeFacts
    """`spent_of_cap_micros` of the current billing cycle."""
    standing: Standing
    """`state` and `next_attempt_at`."""
    billing: Billing
    """Bounds and presets of an amount."""
    last_top_up_id: UUID | None
    """The last attempt, or the skip that followed it; skips because one was in flight are left out."""


def _sum_of(condition: ColumnElement[bool]) -> Any:
    return cast(func.coalesce(func.sum(case((condition, TOP_UP.c.credits_micros), else_=0)), 0), BigInteger)


def _count_of(condition: ColumnElement[bool]) -> Any:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _measures(month: Any, today: ColumnElement[bool]) -> tuple[Any, Any]:
    """What counts against the cap of a cycle, and the attempts of a day, of recharges that are selected or joined."""
    against_cap = and_(TOP_UP.c.month == month, TOP_UP.c.state.in_(_COUNTS_AGAINST_CAP))
    attempts = and_(today, TOP_UP.c.state != TopUpState.SKIPPED.value)
    return _sum_of(against_cap).label("spent_micros"), _count_of(attempts).label("attempt_count")


async def read_recharge_facts(connection: AsyncConnection, books: Books) -> RechargeFacts:
    """See `domain.fund_work.FundWork.recharge_facts`."""
    office, cycle = books.funds.office, books.funds.current
    day_starts_at = first_instant(local_day(books.now, office.terms.time_zone), office.terms.time_zone)
    mine = and_(TOP_UP.c.company_id == office.company_id, TOP_UP.c.office_id == office.id)
    in_flight = select(TOP_UP.c.id).where(mine, _IN_FLIGHT).exists()
    lately = and_(
        mine,
        TOP_UP.c.origin == TopUpOrigin.AUTO_RECHARGE.value,
        TOP_UP.c.created_at >= min(cycle.starts_at, day_starts_at) - _DAY,
    )
    measures = _measures(cycle.month.number, TOP_UP.c.created_at >= day_starts_at)
    row = (await connection.execute(select(*measures, select(in_flight).scalar_subquery()).where(lately))).one()
    return RechargeFacts(bool(row[2]), int(row.attempt_count), int(row.spent_micros))


async def find_due_recharges(database: Database, now: datetime) -> Sequence[tuple[UUID, UUID]]:
    """(company, office) of those that have to be judged again by now, whoever has waited longest first."""
    table = AUTO_RECHARGE
    due = select(table.c.company_id, table.c.office_id).where(table.c.judge_at <= now)
    rows = await database.rows(due.order_by(table.c.judge_at).limit(MOST_AT_ONCE))
    return [(row.company_id, row.office_id) for row in rows]


async def read_auto_recharges(
    database: Database, scope: Scope, *, office_ids: Collection[UUID], now: datetime
) -> Sequence[OfficeRecharge]:
    """One for each of these offices, in no order. The caller has due renewals run first (R9)."""
    billings = await read_billings(database, scope, office_ids=office_ids, now=now)
    async with database.reading() as connection:
        offices = await _offices(connection, scope, office_ids, now)
        facts = await _facts(connection, scope, offices, now)
    return [_shown(row, facts[row.office_id], billings[row.office_id], now) for row in offices]


async def _offices(
    connection: AsyncConnection, scope: Scope, office_ids: Collection[UUID], now: datetime
) -> Sequence[Row[Any]]:
    """Settings where there are any, current cycle and last top-up of each office."""
    table = AUTO_RECHARGE
    last = (
        select(TOP_UP.c.id)
        .where(
            TOP_UP.c.company_id == scope.company_id,
            TOP_UP.c.office_id == OFFICE.c.id,
            TOP_UP.c.origin == TopUpOrigin.AUTO_RECHARGE.value,
            func.coalesce(TOP_UP.c.reason, "") != TopUpReason.ALREADY_IN_FLIGHT.value,
        )
        .order_by(TOP_UP.c.created_at.desc(), TOP_UP.c.id.desc())
        .limit(1)
        .correlate(OFFICE)
        .scalar_subquery()
    )
    settings = [column for column in table.c if column.name not in ("company_id", "office_id")]
    zone, ends_at = OFFICE.c.time_zone.label("office_zone"), BILLING_CYCLE.c.ends_at.label("cycle_ends_at")
    statement = (
        select(
            OFFICE.c.id.label("office_id"),
            OFFICE.c.is_suspended,
            zone,
            BILLING_CYCLE.c.starts_at,
            ends_at,
            last.label("last_id"),
            *settings,
        )
        .select_from(OFFICE)
        .join(BILLING_CYCLE, current_cycle_of(scope, OFFICE.c.id, now))
        .outerjoin(table, and_(table.c.company_id == OFFICE.c.company_id, table.c.office_id == OFFICE.c.id))
        .where(visible(scope, OFFICE.c.id, OFFICE.c.company_id), OFFICE.c.id.in_(sorted(office_ids)))
    )
    return (await connection.execute(statement)).all()


async def _facts(
    connection: AsyncConnection, scope: Scope, offices: Sequence[Row[Any]], now: datetime
) -> Mapping[UUID, RechargeFacts]:
    """The same as `read_recharge_facts`, of many offices, each in its own zone and cycle."""
    if not offices:
        return {}
    zones = {row.office_zone: first_instant(local_day(now, row.office_zone), row.office_zone) for row in offices}
    days = [and_(OFFICE.c.time_zone == zone, TOP_UP.c.created_at >= start) for zone, start in zones.items()]
    since = min([*zones.values(), *(row.starts_at for row in offices)]) - _DAY
    lately = and_(
        TOP_UP.c.company_id == OFFICE.c.company_id,
        TOP_UP.c.office_id == OFFICE.c.id,
        TOP_UP.c.origin == TopUpOrigin.AUTO_RECHARGE.value,
        or_(TOP_UP.c.created_at >= since, _IN_FLIGHT),
    )
    in_flight = TOP_UP.c.state.in_([TopUpState.PENDING.value, TopUpState.REQUIRES_ACTION.value])
    statement = (
        select(OFFICE.c.id, *_measures(BILLING_CYCLE.c.month, or_(false(), *days)), _count_of(in_flight))
        .select_from(OFFICE)
        .join(BILLING_CYCLE, current_cycle_of(scope, OFFICE.c.id, now))
        .outerjoin(TOP_UP, lately)
        .where(visible(scope, OFFICE.c.id, OFFICE.c.company_id), OFFICE.c.id.in_([row.office_id for row in offices]))
        .group_by(OFFICE.c.id)
    )
    rows = (await connection.execute(statement)).all()
    return {row.id: RechargeFacts(bool(row[3]), int(row.attempt_count), int(row.spent_micros)) for row in rows}


def _shown(row: Row[Any], facts: RechargeFacts, billing: Billing, now: datetime) -> OfficeRecharge:
    recharge = auto_recharge_of(row) if row.is_enabled is not None else AutoRecharge()
    begin_within(recharge, billing)
    today = local_day(now, row.office_zone)
    standing = standing_of(
        recharge,
        facts,
        now=now,
        trouble=card_trouble(billing.payment_terms, billing.card, today.year * 100 + today.month)
        or _limit_trouble(recharge, billing),
        next_day_at=first_instant(today + _DAY, row.office_zone),
        cycle_ends_at=row.cycle_ends_at,
        is_suspended=row.is_suspended,
    )
    return OfficeRecharge(row.office_id, recharge, facts, standing, billing, row.last_id)


def _limit_trouble(recharge: AutoRecharge, billing: Billing) -> TopUpReason | None:
    """That an invoiced office may not owe even one amount more (R31)."""
    return TopUpReason.INVOICE_LIMIT if multiples_owable(recharge, billing, 1) == 0 else None
