"""What forecasts are made from: an office's spending of the last weeks, and of its current cycle."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, case, func, select

from domain.access import Scope
from domain.catalogue import COMMITMENT_OF, WalletKind
from domain.forecasts import MAX_DAYS, Spending
from domain.money import Micros
from persistence.database import Database
from persistence.offices import current_cycle_of, visible
from persistence.tables.charging import USAGE_BY_CYCLE, USAGE_BY_DAY
from persistence.tables.company import COMPANY, OFFICE
from persistence.tables.funds import BILLING_CYCLE

_LOOK_BACK = timedelta(days=MAX_DAYS + 1)
"""A local day is never further from UTC's than one."""


async def read_spending(
    database: Database, scope: Scope, *, office_ids: Collection[UUID], now: datetime
) -> dict[UUID, Spending]:
    """By office, in two statements however many there are; the caller has due renewals run first (R9)."""
    async with database.reading() as connection:
        cycles = (await connection.execute(_cycles(scope, office_ids, now))).all()
        rows = (await connection.execute(_days(scope, office_ids, now))).all()
    days: defaultdict[UUID, dict[date, Mapping[WalletKind, Micros]]] = defaultdict(dict)
    for row in rows:
        days[row.office_id][row.local_day] = {kind: int(row._mapping[kind.value]) for kind in WalletKind}
    return {
        row.id: Spending(
            now=now,
            currency=row.currency,
            time_zone=row.time_zone,
            cycle_ends_at=row.ends_at,
            cycle_micros=int(row.cycle_micros),
            first_day=row.first_day,
            days=days[row.id],
        )
        for row in cycles
    }


def _cycles(scope: Scope, office_ids: Collection[UUID], now: datetime) -> Any:
    """Each office's current cycle, what it cost so far, and the day of the first usage."""
    by_cycle, by_day = USAGE_BY_CYCLE.c, USAGE_BY_DAY.c
    cost = (
        select(func.coalesce(func.sum(by_cycle.commitment_micros + by_cycle.universal_micros), 0))
        .where(
            by_cycle.company_id == scope.company_id,
            by_cycle.office_id == BILLING_CYCLE.c.office_id,
            by_cycle.month == BILLING_CYCLE.c.month,
        )
        .correlate(BILLING_CYCLE)
        .scalar_subquery()
    )
    first_day = (
        select(func.min(by_day.local_day))
        .where(by_day.company_id == scope.company_id, by_day.office_id == OFFICE.c.id)
        .correlate(OFFICE)
        .scalar_subquery()
    )
    return (
        select(
            OFFICE.c.id,
            COMPANY.c.currency,
            BILLING_CYCLE.c.time_zone,
            BILLING_CYCLE.c.ends_at,
            cost.label("cycle_micros"),
            first_day.label("first_day"),
        )
        .select_from(OFFICE)
        .join(COMPANY, COMPANY.c.company_id == OFFICE.c.company_id)
        .join(BILLING_CYCLE, current_cycle_of(scope, OFFICE.c.id, now))
        .where(visible(scope, OFFICE.c.id, OFFICE.c.company_id), OFFICE.c.id.in_(sorted(office_ids)))
    )


def _days(scope: Scope, office_ids: Collection[UUID], now: datetime) -> Any:
    """What each kind of wallet paid on each local day of late; one column a kind, named after it."""
    sums = USAGE_BY_DAY.c
    families = {kind: [service.value for service, of in COMMITMENT_OF.items() if of is kind] for kind in WalletKind}
    columns = [
        func.sum(case((sums.service.in_(families[kind]), sums.commitment_micros), else_=0)).label(kind.value)
        for kind in (WalletKind.CALLING, WalletKind.AI_AGENT)
    ]
    universal = func.sum(sums.universal_micros).label(WalletKind.UNIVERSAL.value)
    mine = and_(visible(scope, sums.office_id, sums.company_id), sums.office_id.in_(sorted(office_ids)))
    return (
        select(sums.office_id, sums.local_day, *columns, universal)
        .where(mine, sums.local_day >= (now - _LOOK_BACK).date())
        .group_by(sums.office_id, sums.local_day)
    )
