"""Refunds as rows, and what of a top-up could be given back: refunds, disputes, paid invoices (R30, R31)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Row,
    and_,
    func,
    insert,
    literal_column,
    or_,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.access import Scope
from domain.catalogue import WalletKind
from domain.ledger import ADJUSTMENT, UNIVERSAL
from domain.money import Currency, Micros
from domain.payments import ProcessorKind
from domain.provisioning import PaymentTerms
from domain.refunds import Refund, RefundKind, RefundState, refundable_micros
from domain.top_ups import TopUp, TopUpState
from persistence.database import Database
from persistence.offices import visible
from persistence.tables.charging import CHARGE
from persistence.tables.company import COMPANY
from persistence.tables.funds import POSTING, WALLET
from persistence.tables.payments import REFUND, TOP_UP
from persistence.top_ups import top_up_of

_INTO_UNIVERSAL = POSTING.c.destination == literal_column(f"'{UNIVERSAL}'")
_TAKEN_BY_HAND = POSTING.c.destination == literal_column(f"'{ADJUSTMENT}'")
"""Spelled out as in the indexes of these postings, which neither engine would use for a parameter."""


def refund_of(row: Any) -> Refund:
    return Refund(
        id=row.id,
        company_id=row.company_id,
        office_id=row.office_id,
        top_up_id=row.top_up_id,
        kind=RefundKind(row.kind),
        state=RefundState(row.state),
        credits_micros=row.credits_micros,
        tax_micros=row.tax_micros,
        told_micros=row.told_micros,
        reason=row.reason,
        author=row.author,
        created_at=row.created_at,
        processor_refund_id=row.processor_refund_id,
        settled_at=row.settled_at,
        due_at=row.due_at,
        attempt_count=row.attempt_count,
    )


def _mine(refund: Refund) -> ColumnElement[bool]:
    return and_(REFUND.c.company_id == refund.company_id, REFUND.c.id == refund.id)


async def find_refund(connection: AsyncConnection, company_id: UUID, refund_id: UUID) -> Refund | None:
    mine = and_(REFUND.c.company_id == company_id, REFUND.c.id == refund_id)
    row = (await connection.execute(select(REFUND).where(mine))).one_or_none()
    return refund_of(row) if row else None


async def refunds_of(connection: AsyncConnection, company_id: UUID, top_up_ids: Sequence[UUID]) -> list[Refund]:
    mine = and_(REFUND.c.company_id == company_id, REFUND.c.top_up_id.in_(top_up_ids))
    rows = await connection.execute(select(REFUND).where(mine).order_by(REFUND.c.created_at, REFUND.c.id))
    return [refund_of(row) for row in rows.all()]


async def insert_refund(connection: AsyncConnection, refund: Refund) -> None:
    await connection.execute(
        insert(REFUND).values(
            company_id=refund.company_id,
            id=refund.id,
            office_id=refund.office_id,
            top_up_id=refund.top_up_id,
            kind=refund.kind.value,
            told_micros=refund.told_micros,
            reason=refund.reason,
            author=refund.author,
            created_at=refund.created_at,
            attempt_count=refund.attempt_count,
            **_movable(refund),
        )
    )


async def change_refund(connection: AsyncConnection, refund: Refund, before: RefundState) -> bool:
    """False when it is no longer in the state it was in before."""
    statement = update(REFUND).where(_mine(refund), REFUND.c.state == before.value).values(_movable(refund))
    return (await connection.execute(statement)).rowcount == 1


def _movable(refund: Refund) -> dict[str, Any]:
    return {
        "state": refund.state.value,
        "credits_micros": refund.credits_micros,
        "tax_micros": refund.tax_micros,
        "total_micros": refund.total_micros,
        "processor_refund_id": refund.processor_refund_id,
        "settled_at": refund.settled_at,
        "due_at": refund.due_at,
    }


async def count_returned(connection: AsyncConnection, company_id: UUID, top_up_id: UUID) -> None:
    """Writes into a top-up what its refunds come to."""
    mine = and_(REFUND.c.company_id == company_id, REFUND.c.top_up_id == top_up_id)
    standing = and_(mine, REFUND.c.state != RefundState.FAILED.value)
    returned = select(func.coalesce(func.sum(REFUND.c.credits_micros), 0)).where(standing).scalar_subquery()
    one = and_(TOP_UP.c.company_id == company_id, TOP_UP.c.id == top_up_id)
    await connection.execute(update(TOP_UP).where(one).values(refunded_micros=returned))


# ---------- what is unspent ----------


def _settled_sequence(company_id: UUID | None) -> ColumnElement[int]:
    """The number of the posting that brought a top-up's credits; what was put back later has a higher one."""
    first = select(func.min(POSTING.c.sequence)).where(
        POSTING.c.company_id == company_id, POSTING.c.top_up_id == TOP_UP.c.id, _INTO_UNIVERSAL
    )
    return first.correlate(TOP_UP).scalar_subquery()


def _newer(wallets: Mapping[UUID, int], company_id: UUID) -> CompoundSelect[Any]:
    """(wallet, sequence, micros, is_adjusted) of what came into wallets after a number of their offices' postings.

    Later top-ups without what was returned of them, adjustments, commitment money that a reversal turned into
    universal credits. What a reversal gave back to universal credits is none of it, nor a refund that was put back.
    Adjustments that took something are below zero: `_sum_newer` takes them from those that gave.
    """
    reversal, original, earlier = CHARGE.alias("reversal"), CHARGE.alias("original"), POSTING.alias("earlier")
    was_paid = func.coalesce(original.c.universal_micros, 0)
    is_put_back = (
        select(earlier.c.id)
        .where(
            earlier.c.company_id == company_id,
            earlier.c.top_up_id == POSTING.c.top_up_id,
            earlier.c.destination == POSTING.c.destination,
            earlier.c.sequence < POSTING.c.sequence,
        )
        .exists()
    )
    of_top_up = and_(TOP_UP.c.company_id == POSTING.c.company_id, TOP_UP.c.id == POSTING.c.top_up_id)
    of_charge = and_(reversal.c.company_id == POSTING.c.company_id, reversal.c.id == POSTING.c.charge_id)
    of_original = and_(original.c.company_id == reversal.c.company_id, original.c.id == reversal.c.reverses_id)
    micros = POSTING.c.amount_micros - func.coalesce(TOP_UP.c.refunded_micros, 0) - was_paid
    joined = POSTING.outerjoin(TOP_UP, of_top_up).outerjoin(reversal, of_charge).outerjoin(original, of_original)
    is_newer = and_(
        POSTING.c.company_id == company_id,
        or_(*(and_(POSTING.c.wallet_id == wallet, POSTING.c.sequence > at) for wallet, at in wallets.items())),
    )
    given = (POSTING.c.source == ADJUSTMENT).label("is_adjusted")
    came = select(POSTING.c.wallet_id, POSTING.c.sequence, micros.label("micros"), given).select_from(joined)
    taken = select(POSTING.c.wallet_id, POSTING.c.sequence, -POSTING.c.amount_micros, true())
    return union_all(came.where(is_newer, _INTO_UNIVERSAL, ~is_put_back), taken.where(is_newer, _TAKEN_BY_HAND))


def _sum_newer(rows: Iterable[Row[Any]]) -> Micros:
    """An adjustment that was taken back came never; one that takes more than was given spends, and adds nothing."""
    adjusted = came = 0
    for row in rows:
        if row.is_adjusted:
            adjusted += row.micros
        else:
            came += row.micros
    return came + max(0, adjusted)


async def read_newer_micros(connection: AsyncConnection, wallet_id: UUID, top_up: TopUp) -> Micros:
    """What came into the wallet after a settled top-up."""
    mine = and_(TOP_UP.c.company_id == top_up.company_id, TOP_UP.c.id == top_up.id)
    settled_at = (await connection.execute(select(_settled_sequence(top_up.company_id)).where(mine))).scalar_one()
    rows = await connection.execute(_newer({wallet_id: settled_at}, top_up.company_id))
    return _sum_newer(rows.all())


async def read_refundable(database: Database, scope: Scope, *, ids: Collection[UUID]) -> dict[UUID, Micros]:
    """Of each of these top-ups, the credits that a refund could give back now (R30): 0 for one that is not settled.

    The rule of `domain.stories.give_back.refund_top_up`, over all of them in two statements of one snapshot. Holds must
    have been expired, which `renew_due` does.
    """
    statement = (
        select(
            TOP_UP,
            COMPANY.c.currency,
            WALLET.c.id.label("wallet_id"),
            (WALLET.c.balance_micros - WALLET.c.reserved_micros).label("available_micros"),
            _settled_sequence(scope.company_id).label("settled_sequence"),
        )
        .join(COMPANY, COMPANY.c.company_id == TOP_UP.c.company_id)
        .join(WALLET, and_(WALLET.c.company_id == TOP_UP.c.company_id, WALLET.c.office_id == TOP_UP.c.office_id))
        .where(
            visible(scope, TOP_UP.c.office_id, TOP_UP.c.company_id),
            TOP_UP.c.id.in_(sorted(ids)),
            WALLET.c.kind == WalletKind.UNIVERSAL.value,
        )
    )
    async with database.reading() as connection:
        rows = (await connection.execute(statement)).all()
        settled = [row for row in rows if row.state == TopUpState.SETTLED.value]
        oldest: dict[UUID, int] = {}
        for row in settled:
            oldest[row.wallet_id] = min(row.settled_sequence, oldest.get(row.wallet_id, row.settled_sequence))
        newer = (await connection.execute(_newer(oldest, scope.company))).all() if oldest else []
    return {row.id: 0 for row in rows} | {row.id: _refundable(row, newer) for row in settled}


def _refundable(row: Any, newer: Sequence[Row[Any]]) -> Micros:
    later = (one for one in newer if one.wallet_id == row.wallet_id and one.sequence > row.settled_sequence)
    return refundable_micros(
        left_micros=row.credits_micros - row.refunded_micros,
        available_micros=row.available_micros,
        newer_micros=_sum_newer(later),
        currency=Currency(row.currency),
    )


# ---------- invoices ----------


async def owed_top_ups(connection: AsyncConnection, company_id: UUID, office_id: UUID) -> list[TopUp]:
    unpaid = and_(
        TOP_UP.c.company_id == company_id,
        TOP_UP.c.office_id == office_id,
        TOP_UP.c.payment_terms == PaymentTerms.INVOICE.value,
        TOP_UP.c.state == TopUpState.SETTLED.value,
        TOP_UP.c.paid_at.is_(None),
    )
    rows = await connection.execute(select(TOP_UP).where(unpaid).order_by(TOP_UP.c.created_at, TOP_UP.c.id))
    return [top_up_of(row) for row in rows.all()]


async def mark_paid(connection: AsyncConnection, top_up: TopUp) -> bool:
    """False when it was paid already."""
    unpaid = and_(TOP_UP.c.company_id == top_up.company_id, TOP_UP.c.id == top_up.id, TOP_UP.c.paid_at.is_(None))
    return (await connection.execute(update(TOP_UP).where(unpaid).values(paid_at=top_up.paid_at))).rowcount == 1


# ---------- outside a transaction on an office's books ----------


async def find_payment(database: Database, kind: ProcessorKind, payment_id: str) -> tuple[UUID, UUID] | None:
    """(company, top-up). Over all companies: news of a dispute name nothing but the payment."""
    mine = and_(TOP_UP.c.processor == kind.value, TOP_UP.c.processor_payment_id == payment_id)
    rows = await database.rows(select(TOP_UP.c.company_id, TOP_UP.c.id).where(mine))
    return (rows[0].company_id, rows[0].id) if rows else None


async def claim_refunds(database: Database, now: datetime, until: datetime, *, limit: int) -> list[Refund]:
    """Looked for without a lock, then claimed one by one: see `persistence.top_up_claims`."""
    is_due = and_(REFUND.c.due_at <= now, REFUND.c.state == RefundState.PENDING.value)
    found = await database.rows(
        select(REFUND.c.company_id, REFUND.c.id).where(is_due).order_by(REFUND.c.due_at).limit(limit)
    )
    claimed: list[Refund] = []
    for due in found:
        claim = (
            update(REFUND)
            .where(REFUND.c.company_id == due.company_id, REFUND.c.id == due.id, is_due)
            .values(due_at=until, attempt_count=REFUND.c.attempt_count + 1)
            .returning(REFUND)
        )
        async with database.of(due.company_id).writing() as connection:
            claimed += [refund_of(row) for row in (await connection.execute(claim)).all()]
    return claimed
