"""Reads of how offices pay: saved cards, and what may be bought at this moment."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, false, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.access import Scope
from domain.money import Currency, Micros
from domain.periods import first_instant, local_day
from domain.provisioning import PaymentTerms
from domain.top_ups import Billing, Card, TopUpOrigin, TopUpState
from persistence.database import Database
from persistence.offices import visible
from persistence.tables.company import COMPANY, OFFICE
from persistence.tables.payments import PAYMENT_METHOD, REFUND, TOP_UP
from persistence.top_ups import card_of

_FAILED_REFUND = "FAILED"


def _cards(scope: Scope) -> Select[Any]:
    return select(PAYMENT_METHOD).where(visible(scope, PAYMENT_METHOD.c.office_id, PAYMENT_METHOD.c.company_id))


async def read_payment_methods(database: Database, scope: Scope, *, ids: Collection[UUID]) -> Sequence[Row[Any]]:
    """The cards with these ids, replaced ones too, in no order; each with its office's time zone."""
    of_office = and_(OFFICE.c.company_id == PAYMENT_METHOD.c.company_id, OFFICE.c.id == PAYMENT_METHOD.c.office_id)
    statement = _cards(scope).add_columns(OFFICE.c.time_zone).join(OFFICE, of_office)
    return await database.rows(statement.where(PAYMENT_METHOD.c.id.in_(sorted(ids))))


async def read_billings(
    database: Database, scope: Scope, *, office_ids: Collection[UUID], now: datetime
) -> Mapping[UUID, Billing]:
    """How each of these offices buys and what it bought lately: `persistence.top_ups.read_billing` for many."""
    statement: Select[Any] = (
        select(OFFICE, *_OF_COMPANY)
        .join(COMPANY, COMPANY.c.company_id == OFFICE.c.company_id)
        .where(visible(scope, OFFICE.c.id, OFFICE.c.company_id), OFFICE.c.id.in_(sorted(office_ids)))
    )
    async with database.reading() as connection:
        offices = (await connection.execute(statement)).all()
        cards = await _current_cards(connection, scope, office_ids)
        bought = await _bought_today(connection, scope, offices, now)
        owed = await _owed(connection, scope, office_ids)
    return {row.id: _billing(row, cards.get(row.id), bought[row.id], owed[row.id]) for row in offices}


_OF_COMPANY = (
    COMPANY.c.currency,
    COMPANY.c.purchase_minimum_micros,
    COMPANY.c.purchase_maximum_micros,
    COMPANY.c.purchase_daily_micros,
    COMPANY.c.purchase_presets,
    COMPANY.c.invoice_limit_micros.label("company_invoice_limit_micros"),
)


def _billing(row: Row[Any], card: Card | None, bought: Micros, owed: Micros) -> Billing:
    own_limit = row.invoice_limit_micros
    return Billing(
        currency=Currency(row.currency),
        payment_terms=PaymentTerms(row.payment_terms),
        tax_name=row.tax_name,
        tax_rate_micros=row.tax_rate_micros,
        minimum_micros=row.purchase_minimum_micros,
        maximum_micros=row.purchase_maximum_micros,
        daily_micros=row.purchase_daily_micros,
        presets=tuple(row.purchase_presets),
        invoice_limit_micros=row.company_invoice_limit_micros if own_limit is None else own_limit,
        card=card,
        bought_today_micros=bought,
        owed_micros=owed,
    )


async def _current_cards(connection: AsyncConnection, scope: Scope, office_ids: Collection[UUID]) -> dict[UUID, Card]:
    current = and_(PAYMENT_METHOD.c.office_id.in_(sorted(office_ids)), PAYMENT_METHOD.c.replaced_at.is_(None))
    rows = (await connection.execute(_cards(scope).where(current))).all()
    return {row.office_id: card_of(row) for row in rows}


async def _bought_today(
    connection: AsyncConnection, scope: Scope, offices: Sequence[Row[Any]], now: datetime
) -> dict[UUID, Micros]:
    """Credits of purchases of each office's own local day, failed ones left out."""
    alike: defaultdict[tuple[date, str], list[UUID]] = defaultdict(list)
    for row in offices:
        alike[local_day(now, row.time_zone), row.time_zone].append(row.id)
    table = TOP_UP
    days = (
        and_(
            table.c.office_id.in_(sorted(ids)),
            table.c.created_at >= first_instant(day, time_zone),
            table.c.created_at < first_instant(day + timedelta(days=1), time_zone),
        )
        for (day, time_zone), ids in alike.items()
    )
    return await _sums(
        connection,
        scope,
        func.sum(table.c.credits_micros),
        or_(false(), *days),
        table.c.origin == TopUpOrigin.PURCHASE.value,
        table.c.state.not_in([TopUpState.FAILED.value, TopUpState.SKIPPED.value]),
    )


async def _owed(connection: AsyncConnection, scope: Scope, office_ids: Collection[UUID]) -> dict[UUID, Micros]:
    """Gross, of invoiced top-ups that are not paid yet, refunds taken off (R31)."""
    given_back = (
        select(func.coalesce(func.sum(REFUND.c.total_micros), 0))
        .where(
            REFUND.c.company_id == scope.company_id,
            REFUND.c.top_up_id == TOP_UP.c.id,
            REFUND.c.state != _FAILED_REFUND,
        )
        .correlate(TOP_UP)
        .scalar_subquery()
    )
    return await _sums(
        connection,
        scope,
        func.sum(TOP_UP.c.total_micros - given_back),
        TOP_UP.c.office_id.in_(sorted(office_ids)),
        TOP_UP.c.payment_terms == PaymentTerms.INVOICE.value,
        TOP_UP.c.state == TopUpState.SETTLED.value,
        TOP_UP.c.paid_at.is_(None),
    )


async def _sums(
    connection: AsyncConnection, scope: Scope, total: ColumnElement[Any], *conditions: ColumnElement[bool]
) -> dict[UUID, Micros]:
    """A sum over the top-ups of each office; 0 where there are none."""
    mine = visible(scope, TOP_UP.c.office_id, TOP_UP.c.company_id)
    statement = select(TOP_UP.c.office_id, total.label("micros")).where(mine, *conditions).group_by(TOP_UP.c.office_id)
    sums: defaultdict[UUID, Micros] = defaultdict(int)
    sums.update({row.office_id: int(row.micros) for row in (await connection.execute(statement)).all()})
    return sums
