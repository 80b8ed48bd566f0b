"""Top-ups and what buying needs to know, as rows."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import LABEL_STYLE_TABLENAME_PLUS_COL, ColumnElement, Select, and_, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.catalogue import WalletKind
from domain.collection import Payer
from domain.errors import NotFound
from domain.money import Currency
from domain.payments import NextAction, ProcessorKind
from domain.periods import YearMonth, first_instant, local_day
from domain.provisioning import PaymentTerms
from domain.purchases import Buyer
from domain.top_ups import IN_FLIGHT, Billing, Card, TopUp, TopUpOrigin, TopUpReason, TopUpState
from persistence.tables.company import COMPANY, OFFICE
from persistence.tables.funds import WALLET
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


async def find_top_up(connection: AsyncConnection, company_id: UUID, top_up_id: UUID) -> TopUp | None:
    mine = and_(TOP_UP.c.company_id == company_id, TOP_UP.c.id == top_up_id)
    row = (await connection.execute(select(TOP_UP).where(mine))).one_or_none()
    return top_up_of(row) if row else None


async def change_top_up(connection: AsyncConnection, before: TopUp, after: TopUp) -> bool:
    """See `domain.fund_work.FundWork`: conditional on the state and on the payment it was decided with."""
    as_before = and_(
        TOP_UP.c.company_id == before.company_id,
        TOP_UP.c.id == before.id,
        TOP_UP.c.state == before.state.value,
        TOP_UP.c.processor_payment_id.is_not_distinct_from(before.processor_payment_id),
    )
    row = top_up_row(after)
    moved = ("state", "reason", "next_action", "action_expires_at", "settled_at", "due_at")
    done = await connection.execute(update(TOP_UP).where(as_before).values({name: row[name] for name in moved}))
    return done.rowcount == 1


async def save_payment(connection: AsyncConnection, top_up: TopUp, payment_id: str) -> bool:
    """See `domain.fund_work.FundWork`: of several at once, one writes; nobody writes over it."""
    unprepared = and_(
        TOP_UP.c.company_id == top_up.company_id,
        TOP_UP.c.id == top_up.id,
        TOP_UP.c.processor_payment_id.is_(None),
        is_in_flight(),
    )
    done = await connection.execute(update(TOP_UP).where(unprepared).values(processor_payment_id=payment_id))
    return done.rowcount == 1


def is_in_flight() -> ColumnElement[bool]:
    states: ColumnElement[bool] = TOP_UP.c.state.in_(sorted(state.value for state in IN_FLIGHT))
    return states


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
        raise NotFound("There is no such office.", field=("officeId",))
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


async def read_buyer(connection: AsyncConnection, company_id: UUID, office_id: UUID, now: datetime) -> Buyer:
    """Raises NotFound. Universal credits need no renewal to be right (R11)."""
    billing = await read_billing(connection, company_id, office_id, now)
    joined = select(OFFICE.c.time_zone, WALLET.c.balance_micros).join(
        WALLET, and_(WALLET.c.company_id == OFFICE.c.company_id, WALLET.c.office_id == OFFICE.c.id)
    )
    universal = and_(
        OFFICE.c.company_id == company_id, OFFICE.c.id == office_id, WALLET.c.kind == WalletKind.UNIVERSAL.value
    )
    row = (await connection.execute(joined.where(universal))).one()
    return Buyer(billing, row.balance_micros, local_day(now, row.time_zone))


async def read_payer(connection: AsyncConnection, top_up: TopUp) -> Payer:
    """Of a top-up that is paid by card."""
    within = and_(OFFICE.c.company_id == PAYMENT_METHOD.c.company_id, OFFICE.c.id == PAYMENT_METHOD.c.office_id)
    statement = (
        select(PAYMENT_METHOD, OFFICE.c.name.label("office_name"), COMPANY.c.currency)
        .join(OFFICE, within)
        .join(COMPANY, COMPANY.c.company_id == OFFICE.c.company_id)
        .where(PAYMENT_METHOD.c.company_id == top_up.company_id, PAYMENT_METHOD.c.id == top_up.payment_method_id)
    )
    row = (await connection.execute(statement)).one()
    return Payer(row.office_name, Currency(row.currency), card_of(row))


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
