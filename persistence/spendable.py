"""Whether an office has anything that usage to come could be granted from (R27)."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, exists, not_, or_, select

from domain.access import Scope
from domain.catalogue import WalletKind
from persistence.database import Database
from persistence.offices import visible
from persistence.tables.company import OFFICE
from persistence.tables.funds import ALLOWANCE_CYCLE, BILLING_CYCLE, WALLET, WALLET_CYCLE


async def read_spendable(
    database: Database, scope: Scope, *, office_ids: Collection[UUID], now: datetime
) -> Sequence[Row[Any]]:
    """(`office_id`, `can_spend`): not suspended, and something is left above what holds keep of it.

    The caller has due renewals run first (R9).
    """
    has_funds = or_(_universal(scope), _commitment(scope, now), _allowance(scope, now))
    can_spend = and_(not_(OFFICE.c.is_suspended), has_funds).label("can_spend")
    mine = and_(visible(scope, OFFICE.c.id, OFFICE.c.company_id), OFFICE.c.id.in_(sorted(office_ids)))
    return await database.rows(select(OFFICE.c.id.label("office_id"), can_spend).where(mine))


def _universal(scope: Scope) -> Any:
    is_universal = WALLET.c.kind == WalletKind.UNIVERSAL.value
    return exists().where(_of_office(scope, WALLET), is_universal, WALLET.c.balance_micros > WALLET.c.reserved_micros)


def _commitment(scope: Scope, now: datetime) -> Any:
    same = and_(WALLET.c.company_id == WALLET_CYCLE.c.company_id, WALLET.c.id == WALLET_CYCLE.c.wallet_id)
    is_current = and_(WALLET_CYCLE.c.starts_at <= now, WALLET_CYCLE.c.ends_at > now)
    has_left = WALLET_CYCLE.c.balance_micros > WALLET.c.reserved_micros
    return exists().where(_of_office(scope, WALLET_CYCLE), same, is_current, has_left)


def _allowance(scope: Scope, now: datetime) -> Any:
    same = and_(
        BILLING_CYCLE.c.company_id == ALLOWANCE_CYCLE.c.company_id,
        BILLING_CYCLE.c.office_id == ALLOWANCE_CYCLE.c.office_id,
        BILLING_CYCLE.c.month == ALLOWANCE_CYCLE.c.month,
    )
    is_current = and_(BILLING_CYCLE.c.starts_at <= now, BILLING_CYCLE.c.ends_at > now)
    used = ALLOWANCE_CYCLE.c.spent_quantity + ALLOWANCE_CYCLE.c.reserved_quantity
    return exists().where(
        _of_office(scope, ALLOWANCE_CYCLE), same, is_current, ALLOWANCE_CYCLE.c.committed_quantity > used
    )


def _of_office(scope: Scope, table: Any) -> Any:
    return and_(table.c.company_id == scope.company_id, table.c.office_id == OFFICE.c.id)
