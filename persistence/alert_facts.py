"""What an office's alerts are judged by: the cycle before, what usage cost, what the company has set (R38, R39)."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, and_, case, cast, func, literal_column, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.alerts import Alert, AlertKind, Cause, Dimension
from domain.catalogue import Service
from domain.funds import Funds
from domain.ledger import UNIVERSAL, Books
from domain.money import Currency, Micros
from domain.spending_rise import Comparison, Days, EarlierCycle, Spending, Thresholds
from domain.watch_work import AlertSettings
from domain.watching import WatchFacts, is_universal_low
from persistence.alerts import find_open_alerts
from persistence.tables.charging import CHARGE, USAGE_BY_CYCLE, USAGE_BY_DAY
from persistence.tables.company import COMPANY, GROUP, MEMBER, OFFICE
from persistence.tables.funds import BILLING_CYCLE, POSTING

_A_DAY = timedelta(days=1)
_INTO_UNIVERSAL = POSTING.c.destination == literal_column(f"'{UNIVERSAL}'")
"""Written out, or PostgreSQL would not see that the partial index holds these."""


async def read_watch_facts(connection: AsyncConnection, books: Books) -> WatchFacts:
    office = books.funds.office
    settings = await read_alert_settings(connection, office.company_id)
    open_alerts = await find_open_alerts(connection, office.company_id, office.id)
    return WatchFacts(
        thresholds=settings.thresholds,
        earlier=await _earlier_cycle(connection, books.funds),
        open_alerts=open_alerts,
        plan_micros=await _plan_micros(connection, books.funds),
        had_universal=await _had_universal(connection, books.funds, open_alerts),
    )


async def read_alert_settings(connection: AsyncConnection, company_id: UUID) -> AlertSettings:
    table = COMPANY
    columns = table.c.currency, table.c.spending_alert_rise_percent, table.c.spending_alert_minimum_micros
    row = (await connection.execute(select(*columns).where(table.c.company_id == company_id))).one()
    thresholds = Thresholds(row.spending_alert_rise_percent, row.spending_alert_minimum_micros)
    return AlertSettings(thresholds, Currency(row.currency))


async def save_alert_thresholds(connection: AsyncConnection, company_id: UUID, thresholds: Thresholds) -> None:
    values = {
        "spending_alert_rise_percent": thresholds.rise_percent,
        "spending_alert_minimum_micros": thresholds.minimum_micros,
    }
    await connection.execute(update(COMPANY).where(COMPANY.c.company_id == company_id).values(**values))


async def watch_offices(connection: AsyncConnection, company_id: UUID, now: Any) -> None:
    mine = and_(OFFICE.c.company_id == company_id, OFFICE.c.watch_due_at > now)
    await connection.execute(update(OFFICE).where(mine).values(watch_due_at=now))


async def _had_universal(connection: AsyncConnection, funds: Funds, open_alerts: Sequence[Alert]) -> bool:
    """Looked up only of a balance of nothing that would be low and is not told yet."""
    is_told = any(alert.kind is AlertKind.UNIVERSAL_LOW for alert in open_alerts)
    if funds.universal_micros != 0 or is_told or not is_universal_low(funds):
        return True
    mine = and_(POSTING.c.company_id == funds.office.company_id, POSTING.c.wallet_id == funds.universal_wallet_id)
    statement = select(POSTING.c.sequence).where(mine, _INTO_UNIVERSAL).limit(1)
    return (await connection.execute(statement)).one_or_none() is not None


async def _earlier_cycle(connection: AsyncConnection, funds: Funds) -> EarlierCycle | None:
    """The one that ended when the current one began; nothing is compared across a gap."""
    table = BILLING_CYCLE
    before = and_(
        table.c.company_id == funds.office.company_id,
        table.c.office_id == funds.office.id,
        table.c.starts_at < funds.current.starts_at,
        table.c.ends_at == funds.current.starts_at,
    )
    row = (await connection.execute(select(table.c.starts_at, table.c.time_zone).where(before))).one_or_none()
    return EarlierCycle(row.starts_at, row.time_zone) if row else None


async def _plan_micros(connection: AsyncConnection, funds: Funds) -> dict[Service, Micros]:
    table = USAGE_BY_CYCLE
    mine = and_(
        table.c.company_id == funds.office.company_id,
        table.c.office_id == funds.office.id,
        table.c.month == funds.current.month.number,
    )
    total = _total(table.c.plan_micros).label("micros")
    rows = await connection.execute(select(table.c.service, total).where(mine).group_by(table.c.service))
    return {Service(row.service): row.micros for row in rows}


async def read_spending(connection: AsyncConnection, funds: Funds, compared: Comparison) -> list[Spending]:
    table = USAGE_BY_DAY
    cost = table.c.commitment_micros + table.c.universal_micros
    is_current, is_previous = _within(table, compared.current), _within(table, compared.previous)
    keys = (table.c.service, table.c.usage_type, table.c.region_code)
    statement = (
        select(
            *keys,
            _total(case((is_current, cost), else_=0)).label("current_micros"),
            _total(case((is_previous, cost), else_=0)).label("previous_micros"),
        )
        .where(
            table.c.company_id == funds.office.company_id,
            table.c.office_id == funds.office.id,
            or_(is_current, is_previous),
        )
        .group_by(*keys)
    )
    return [Spending(*row) for row in await connection.execute(statement)]


async def read_spending_by_party(
    connection: AsyncConnection, company_id: UUID, office_id: UUID, compared: Comparison
) -> list[Cause]:
    sums: defaultdict[tuple[Dimension, UUID, str], list[Micros]] = defaultdict(lambda: [0, 0])
    for place, days in enumerate((compared.current, compared.previous)):
        for row in await _charges_by_party(connection, company_id, office_id, days):
            if row.member_id is not None:
                sums[Dimension.MEMBER, row.member_id, row.member_name][place] += row.micros
            if row.group_id is not None:
                sums[Dimension.GROUP, row.group_id, row.group_name][place] += row.micros
    return [Cause(kind, key.hex, current, previous, name) for (kind, key, name), (current, previous) in sums.items()]


async def _charges_by_party(
    connection: AsyncConnection, company_id: UUID, office_id: UUID, days: Days
) -> Sequence[Any]:
    """By the index on (office, moment), wider than any zone needs: the local day decides."""
    table = CHARGE
    keys = (table.c.member_id, MEMBER.c.name.label("member_name"), table.c.group_id, GROUP.c.name.label("group_name"))
    statement = (
        select(*keys, _total(table.c.cost_micros).label("micros"))
        .outerjoin(MEMBER, and_(MEMBER.c.company_id == table.c.company_id, MEMBER.c.id == table.c.member_id))
        .outerjoin(GROUP, and_(GROUP.c.company_id == table.c.company_id, GROUP.c.id == table.c.group_id))
        .where(
            table.c.company_id == company_id,
            table.c.office_id == office_id,
            table.c.occurred_at >= datetime.combine(days.first, time(), UTC) - _A_DAY,
            table.c.occurred_at < datetime.combine(days.end, time(), UTC) + _A_DAY,
            _within(table, days),
            or_(table.c.member_id.is_not(None), table.c.group_id.is_not(None)),
        )
        .group_by(table.c.member_id, MEMBER.c.name, table.c.group_id, GROUP.c.name)
    )
    return (await connection.execute(statement)).all()


def _within(table: Any, days: Days) -> ColumnElement[bool]:
    return and_(table.c.local_day >= days.first, table.c.local_day < days.end)


def _total(column: ColumnElement[Any]) -> ColumnElement[int]:
    """PostgreSQL's sum of 64-bit integers is a decimal."""
    return cast(func.sum(column), BigInteger)
