"""Reads of what an office has: wallets, their cycles, and what the plan includes.

A commitment wallet shows its current cycle; one that has none yet shows nothing granted. Universal credits show what
they paid in the office's current billing cycle. The caller has due renewals run first (R9).
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Row,
    Select,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    select,
    union_all,
)

from domain.access import Scope
from domain.catalogue import Cadence, WalletKind
from persistence.database import Database
from persistence.offices import current_cycle_of, visible
from persistence.samples import read_alike
from persistence.tables.charging import USAGE_BY_CYCLE
from persistence.tables.company import COMPANY, OFFICE
from persistence.tables.funds import ALLOWANCE_CYCLE, BILLING_CYCLE, POSTING, WALLET, WALLET_CYCLE


def _spent_universal(scope: Scope) -> ColumnElement[Any]:
    spent = select(cast(func.coalesce(func.sum(USAGE_BY_CYCLE.c.universal_micros), 0), BigInteger)).where(
        USAGE_BY_CYCLE.c.company_id == scope.company_id,
        USAGE_BY_CYCLE.c.office_id == BILLING_CYCLE.c.office_id,
        USAGE_BY_CYCLE.c.month == BILLING_CYCLE.c.month,
    )
    return spent.correlate(BILLING_CYCLE).scalar_subquery()


def _in_commitment(own: ColumnElement[Any], otherwise: Any) -> ColumnElement[Any]:
    """What the wallet's current cycle says; `otherwise` where it has none."""
    return case((WALLET_CYCLE.c.wallet_id.is_not(None), own), else_=otherwise)


def _wallets(scope: Scope, now: datetime) -> Select[Any]:
    is_universal = WALLET.c.kind == WalletKind.UNIVERSAL.value
    in_cycle = and_(
        WALLET_CYCLE.c.company_id == WALLET.c.company_id,
        WALLET_CYCLE.c.wallet_id == WALLET.c.id,
        WALLET_CYCLE.c.starts_at <= now,
        WALLET_CYCLE.c.ends_at > now,
    )
    return (
        select(
            WALLET.c.id,
            WALLET.c.company_id,
            WALLET.c.office_id,
            WALLET.c.kind,
            COMPANY.c.currency,
            case((is_universal, WALLET.c.balance_micros), else_=_in_commitment(WALLET_CYCLE.c.balance_micros, 0)).label(
                "balance_micros"
            ),
            WALLET.c.reserved_micros,
            case((is_universal, null()), else_=_in_commitment(WALLET_CYCLE.c.committed_micros, 0)).label(
                "committed_micros"
            ),
            case((is_universal, _spent_universal(scope)), else_=_in_commitment(WALLET_CYCLE.c.spent_micros, 0)).label(
                "spent_micros"
            ),
            WALLET_CYCLE.c.ends_at.label("expires_at"),
            _in_commitment(
                WALLET_CYCLE.c.cadence, func.coalesce(WALLET.c.cadence, literal(Cadence.MONTHLY.value))
            ).label("cadence"),
            _in_commitment(WALLET_CYCLE.c.month, BILLING_CYCLE.c.month).label("month"),
            _in_commitment(WALLET_CYCLE.c.starts_at, BILLING_CYCLE.c.starts_at).label("starts_at"),
            _in_commitment(WALLET_CYCLE.c.ends_at, BILLING_CYCLE.c.ends_at).label("ends_at"),
            _in_commitment(WALLET_CYCLE.c.closes_at, BILLING_CYCLE.c.closes_at).label("closes_at"),
            _in_commitment(WALLET_CYCLE.c.closed_at, BILLING_CYCLE.c.closed_at).label("closed_at"),
        )
        .select_from(WALLET)
        .join(COMPANY, COMPANY.c.company_id == WALLET.c.company_id)
        .join(BILLING_CYCLE, current_cycle_of(scope, WALLET.c.office_id, now))
        .outerjoin(WALLET_CYCLE, in_cycle)
        .where(visible(scope, WALLET.c.office_id, WALLET.c.company_id))
    )


async def read_wallets(
    database: Database,
    scope: Scope,
    *,
    now: datetime,
    office_ids: Collection[UUID] | None = None,
    ids: Collection[UUID] | None = None,
) -> Sequence[Row[Any]]:
    """Wallets of these offices, or with these ids, or all; amounts in micros; by office name and kind."""
    return await read_alike(
        database,
        _wallets_shown,
        scope,
        now=now,
        office_ids=None if office_ids is None else tuple(sorted(office_ids)),
        ids=None if ids is None else tuple(sorted(ids)),
    )


def _wallets_shown(
    scope: Scope, *, now: datetime, office_ids: Sequence[UUID] | None, ids: Sequence[UUID] | None
) -> Select[Any]:
    statement = _wallets(scope, now).join(
        OFFICE, and_(OFFICE.c.company_id == WALLET.c.company_id, OFFICE.c.id == WALLET.c.office_id)
    )
    if office_ids is not None:
        statement = statement.where(WALLET.c.office_id.in_(office_ids))
    if ids is not None:
        statement = statement.where(WALLET.c.id.in_(ids))
    place = case({kind.value: place for place, kind in enumerate(WalletKind)}, value=WALLET.c.kind)
    return statement.order_by(func.lower(OFFICE.c.name), OFFICE.c.id, place)


async def read_wallet_totals(database: Database, scope: Scope, *, now: datetime) -> Sequence[Row[Any]]:
    """One row a kind, with the sums of the wallets over the offices and `office_count`."""
    wallets = _wallets(scope, now).subquery()
    return await database.rows(
        select(
            wallets.c.kind,
            wallets.c.currency,
            func.sum(wallets.c.balance_micros).label("balance_micros"),
            func.sum(wallets.c.reserved_micros).label("reserved_micros"),
            func.sum(wallets.c.committed_micros).label("committed_micros"),
            func.sum(wallets.c.spent_micros).label("spent_micros"),
            func.count().label("office_count"),
        ).group_by(wallets.c.kind, wallets.c.currency)
    )


async def read_wallet_cycles(
    database: Database, scope: Scope, *, wallet_ids: Collection[UUID], now: datetime, limit: int
) -> Sequence[Row[Any]]:
    """The newest `limit` cycles of each wallet, newest first: a commitment's own, for universal credits the office's.

    What universal credits held at a cycle's end is the balance after the last posting made before it.
    """
    cycles = union_all(_commitment_cycles(scope, wallet_ids, now), _universal_cycles(scope, wallet_ids, now)).subquery()
    return await database.rows(select(cycles).where(cycles.c.rank <= limit).order_by(cycles.c.wallet_id, cycles.c.rank))


def _commitment_cycles(scope: Scope, wallet_ids: Collection[UUID], now: datetime) -> Select[Any]:
    rank = func.row_number().over(partition_by=WALLET_CYCLE.c.wallet_id, order_by=WALLET_CYCLE.c.starts_at.desc())
    return (
        select(
            WALLET_CYCLE.c.wallet_id,
            COMPANY.c.currency,
            WALLET_CYCLE.c.month,
            WALLET_CYCLE.c.starts_at,
            WALLET_CYCLE.c.ends_at,
            WALLET_CYCLE.c.closes_at,
            WALLET_CYCLE.c.closed_at,
            WALLET_CYCLE.c.cadence,
            WALLET_CYCLE.c.committed_micros,
            WALLET_CYCLE.c.spent_micros,
            WALLET_CYCLE.c.expired_micros,
            WALLET_CYCLE.c.balance_micros,
            rank.label("rank"),
        )
        .select_from(WALLET_CYCLE)
        .join(COMPANY, COMPANY.c.company_id == WALLET_CYCLE.c.company_id)
        .where(
            visible(scope, WALLET_CYCLE.c.office_id, WALLET_CYCLE.c.company_id),
            WALLET_CYCLE.c.wallet_id.in_(sorted(wallet_ids)),
            WALLET_CYCLE.c.starts_at <= now,
        )
    )


def _universal_cycles(scope: Scope, wallet_ids: Collection[UUID], now: datetime) -> Select[Any]:
    rank = func.row_number().over(partition_by=BILLING_CYCLE.c.office_id, order_by=BILLING_CYCLE.c.starts_at.desc())
    held = (
        select(POSTING.c.balance_after_micros)
        .where(
            POSTING.c.company_id == scope.company_id,
            POSTING.c.wallet_id == WALLET.c.id,
            POSTING.c.posted_at < BILLING_CYCLE.c.ends_at,
        )
        .order_by(POSTING.c.sequence.desc())
        .limit(1)
        .correlate(WALLET, BILLING_CYCLE)
        .scalar_subquery()
    )
    return (
        select(
            WALLET.c.id.label("wallet_id"),
            COMPANY.c.currency,
            BILLING_CYCLE.c.month,
            BILLING_CYCLE.c.starts_at,
            BILLING_CYCLE.c.ends_at,
            BILLING_CYCLE.c.closes_at,
            BILLING_CYCLE.c.closed_at,
            literal(Cadence.MONTHLY.value).label("cadence"),
            WALLET.c.committed_micros,
            _spent_universal(scope).label("spent_micros"),
            literal(0).label("expired_micros"),
            func.coalesce(held, 0).label("balance_micros"),
            rank.label("rank"),
        )
        .select_from(WALLET)
        .join(COMPANY, COMPANY.c.company_id == WALLET.c.company_id)
        .join(
            BILLING_CYCLE,
            and_(
                BILLING_CYCLE.c.company_id == WALLET.c.company_id,
                BILLING_CYCLE.c.office_id == WALLET.c.office_id,
            ),
        )
        .where(
            visible(scope, WALLET.c.office_id, WALLET.c.company_id),
            WALLET.c.kind == WalletKind.UNIVERSAL.value,
            WALLET.c.id.in_(sorted(wallet_ids)),
            BILLING_CYCLE.c.starts_at <= now,
        )
    )


def _plan_usage(scope: Scope, in_cycle: ColumnElement[bool]) -> Select[Any]:
    return (
        select(
            ALLOWANCE_CYCLE,
            BILLING_CYCLE.c.starts_at,
            BILLING_CYCLE.c.ends_at,
            BILLING_CYCLE.c.closes_at,
            BILLING_CYCLE.c.closed_at,
            literal(Cadence.MONTHLY.value).label("cadence"),
        )
        .select_from(ALLOWANCE_CYCLE)
        .join(BILLING_CYCLE, and_(in_cycle, BILLING_CYCLE.c.month == ALLOWANCE_CYCLE.c.month))
        .where(visible(scope, ALLOWANCE_CYCLE.c.office_id, ALLOWANCE_CYCLE.c.company_id))
    )


def _own_cycle() -> ColumnElement[bool]:
    return and_(
        BILLING_CYCLE.c.company_id == ALLOWANCE_CYCLE.c.company_id,
        BILLING_CYCLE.c.office_id == ALLOWANCE_CYCLE.c.office_id,
    )


def _plan_usage_in(scope: Scope, now: datetime, month: int | None) -> Select[Any]:
    if month is not None:
        return _plan_usage(scope, _own_cycle()).where(ALLOWANCE_CYCLE.c.month == month)
    return _plan_usage(scope, current_cycle_of(scope, ALLOWANCE_CYCLE.c.office_id, now))


async def read_plan_usage(
    database: Database, scope: Scope, *, office_ids: Collection[UUID], now: datetime, month: int | None = None
) -> Sequence[Row[Any]]:
    """What the plan of these offices included in a month's cycle (202603), None: in the current one; in no order."""
    offices = tuple(sorted(office_ids))
    if month is None:
        return await read_alike(database, _current_plan_usage, scope, now=now, office_ids=offices)
    return await read_alike(database, _plan_usage_of_month, scope, month=month, office_ids=offices)


def _current_plan_usage(scope: Scope, *, now: datetime, office_ids: Sequence[UUID]) -> Select[Any]:
    return _plan_usage_in(scope, now, None).where(ALLOWANCE_CYCLE.c.office_id.in_(office_ids))


def _plan_usage_of_month(scope: Scope, *, month: int, office_ids: Sequence[UUID]) -> Select[Any]:
    in_month = ALLOWANCE_CYCLE.c.month == month
    return _plan_usage(scope, _own_cycle()).where(in_month, ALLOWANCE_CYCLE.c.office_id.in_(office_ids))


async def read_plan_usage_by_id(database: Database, scope: Scope, *, ids: Collection[UUID]) -> Sequence[Row[Any]]:
    return await database.rows(_plan_usage(scope, _own_cycle()).where(ALLOWANCE_CYCLE.c.id.in_(sorted(ids))))


async def read_plan_usage_totals(
    database: Database, scope: Scope, *, now: datetime, month: int | None = None
) -> Sequence[Row[Any]]:
    """(`service`, `committed_quantity`, `spent_quantity`, `reserved_quantity`) summed over the visible offices."""
    usage = _plan_usage_in(scope, now, month).subquery()
    return await database.rows(
        select(
            usage.c.service,
            func.sum(usage.c.committed_quantity).label("committed_quantity"),
            func.sum(usage.c.spent_quantity).label("spent_quantity"),
            func.sum(usage.c.reserved_quantity).label("reserved_quantity"),
        ).group_by(usage.c.service)
    )
