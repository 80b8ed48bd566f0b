"""Top-ups and what buying needs to know, as rows."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import LABEL_STYLE_TABLENAME_PLUS_COL, Select, and_, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import NotFound
from domain.money import Currency
from domain.payments import NextAction, ProcessorKind
from domain.periods import YearMonth, first_instant, local_day
from domain.provisioning import PaymentTerms
from domain.top_ups import Billing, Card, TopUp, TopUpOrigin, TopUpReason, TopUpState
from persistence.tables.company import COMPANY, OFFICE
from persistence.tables.payments import PAYMENT_METHOD, REFUND, TOP_UP


def top_up_of(row: Any) -> TopUp:
    return TopUp(
        id=row.id,
        company_id=row.company_id,
        office_id=row.office_id,
        origin=TopUpOrigin(row.origin),
        state=TopUpState(row.state),
        reason=TopUpReason(row.reason) if row.reason else None,
        payment_terms=PaymentTerms(row.payment_terms),
        credits_micros=row.credits_micros,
        tax_micros=row.tax_micros,
        refunded_micros=row.refunded_micros,
        month=YearMonth.from_number(row.month),
        payment_method_id=row.payment_method_id,
        processor=ProcessorKind(row.processor) if row.processor else None,
        processor_payment_id=row.processor_payment_id,
        next_action=NextAction(**row.next_action) if row.next_action else None,
        action_expires_at=row.action_expires_at,
        return_url=row.return_url,
        requested_by=row.requested_by,
        created_at=row.created_at,
        settled_at=row.settled_at,
        paid_at=row.paid_at,
        due_at=row.due_at,
        attempt_count=row.attempt_count,
    )


def top_up_row(top_up: TopUp) -> dict[str, Any]:
    return {
        "company_id": top_up.company_id,
        "id": top_up.id,
        "office_id": top_up.office_id,
        "origin": top_up.origin.value,
        "state": top_up.state.value,
        "reason": top_up.reason.value if top_up.reason else None,
        "payment_terms": top_up.payment_terms.value,
        "credits_micros": top_up.credits_micros,
        "tax_micros": top_up.tax_micros,
        "total_micros": top_up.total_micros,
        "refunded_micros": top_up.refunded_micros,
        "month": top_up.month.number,
        "payment_method_id": top_up.payment_method_id,
        "processor": top_up.processor.value if top_up.processor else None,
        "processor_payment_id": top_up.processor_payment_id,
        "next_action": top_up.next_action._asdict() if top_up.next_action else None,
        "action_expires_at": top_up.action_expires_at,
        "return_url": top_up.return_url,
        "requested_by": top_up.requested_by,
        "created_at": top_up.created_at,
        "settled_at": top_up.settled_at,
        "paid_at": top_up.paid_at,
        "due_at": top_up.due_at,
        "attempt_count": top_up.attempt_count,
    }


async def insert_top_ups(connection: AsyncConnection, top_ups: list[TopUp]) -> None:
    if top_ups:
        await connection.execute(insert(TOP_UP), [top_up_row(top_up) for top_up in top_ups])


def card_of(row: Any) -> Card:
    return Card(
        id=row.id,
        processor=ProcessorKind(row.processor),
        customer_id=row.processor_customer_id,
        method_id=row.processor_method_id,
        brand=row.brand,
        last_four=row.last_four,
        expires_month=row.expires_month,
    )


async def read_billing(connection: AsyncConnection, company_id: UUID, office_id: UUID, now: datetime) -> Billing:
    """Raises NotFound. Within a transaction that locked the office, nothing of it can move meanwhile."""
    mine = and_(OFFICE.c.company_id == company_id, OFFICE.c.id == office_id)
    joined = select(OFFICE, COMPANY).join(COMPANY, COMPANY.c.company_id == OFFICE.c.company_id).where(mine)
    row = (await connection.execute(joined.set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL))).one_or_none()
    if row is None:
        raise NotFound("There is no such office.")
    limit = row.office_invoice_limit_micros
    return Billing(
        currency=Currency(row.company_currency),
        payment_terms=PaymentTerms(row.office_payment_terms),
        tax_name=row.office_tax_name,
        tax_rate_micros=row.office_tax_rate_micros,
        minimum_micros=row.company_purchase_minimum_micros,
        maximum_micros=row.company_purchase_maximum_micros,
        daily_micros=row.company_purchase_daily_micros,
        presets=tuple(row.company_purchase_presets),
        invoice_limit_micros=row.company_invoice_limit_micros if limit is None else limit,
        card=await current_card(connection, company_id, office_id),
        bought_today_micros=await _bought_today(connection, company_id, office_id, row.office_time_zone, now),
        owed_micros=await read_owed(connection, company_id, office_id),
    )


async def current_card(connection: AsyncConnection, company_id: UUID, office_id: UUID) -> Card | None:
    table = PAYMENT_METHOD
    mine = and_(table.c.company_id == company_id, table.c.office_id == office_id, table.c.replaced_at.is_(None))
    row = (await connection.execute(select(table).where(mine))).one_or_none()
    return card_of(row) if row else None


async def _bought_today(
    connection: AsyncConnection, company_id: UUID, office_id: UUID, time_zone: str, now: datetime
) -> int:
    day = local_day(now, time_zone)
    table = TOP_UP
    today = and_(
        table.c.company_id == company_id,
        table.c.office_id == office_id,
        table.c.created_at >= first_instant(day, time_zone),
        table.c.created_at < first_instant(day + timedelta(days=1), time_zone),
        table.c.origin == TopUpOrigin.PURCHASE.value,
        table.c.state.not_in([TopUpState.FAILED.value, TopUpState.SKIPPED.value]),
    )
    return await _sum(connection, select(func.sum(table.c.credits_micros)).where(today))


async def read_owed(connection: AsyncConnection, company_id: UUID, office_id: UUID) -> int:
    """What invoiced top-ups still have to be paid with, in micros, tax included, refunds taken off."""
    unpaid = and_(
        TOP_UP.c.company_id == company_id,
        TOP_UP.c.office_id == office_id,
        TOP_UP.c.payment_terms == PaymentTerms.INVOICE.value,
        TOP_UP.c.state == TopUpState.SETTLED.value,
        TOP_UP.c.paid_at.is_(None),
    )
    gross = await _sum(connection, select(func.sum(TOP_UP.c.total_micros)).where(unpaid))
    joined = and_(REFUND.c.company_id == TOP_UP.c.company_id, REFUND.c.top_up_id == TOP_UP.c.id)
    refunds = select(func.sum(REFUND.c.total_micros)).select_from(TOP_UP.join(REFUND, joined))
    return gross - await _sum(connection, refunds.where(unpaid, REFUND.c.state != "FAILED"))


async def _sum(connection: AsyncConnection, statement: Select[Any]) -> int:
    """0 where there is nothing to add up."""
    return int((await connection.execute(statement)).scalar_one() or 0)
