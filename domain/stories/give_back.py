"""Money goes back: refunds, disputes, refunds made at the processor (R30); invoices are paid (R31)."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from domain.access import Viewer
from domain.money import Amount
from domain.payments import DisputeNews, OutsideRefundNews, ProcessorKind, Processors
from domain.ports import Door
from domain.top_ups import TopUp


class Refunded(NamedTuple):
    top_up: TopUp
    is_replayed: bool


class InvoicesPaid(NamedTuple):
    top_up_ids: tuple[UUID, ...]
    total_micros: int
    is_replayed: bool


async def refund_top_up(
    door: Door,
    processors: Processors,
    viewer: Viewer,
    top_up_id: UUID,
    *,
    amount: Amount | None,
    reason: str,
    key: str,
    now: datetime,
) -> Refunded:
    """Give credits back for money, pro rata with tax; None: all that can be. Idempotent by key.

    Raises NotPermitted, NotFound, InvalidInput, WrongCurrency, NotRefundable, AboveMaximum, IdempotencyConflict,
    PaymentUnavailable when the processor refused and the credits were put back.
    """
    raise NotImplementedError


async def refund_due(door: Door, processors: Processors, *, now: datetime) -> int:
    """Takes up every refund whose processor has not answered; the number of them."""
    raise NotImplementedError


async def hear_of_dispute(door: Door, kind: ProcessorKind, news: DisputeNews, *, now: datetime) -> bool:
    """The cardholder's bank took money back, or returned it. False when there is no such payment here."""
    raise NotImplementedError


async def hear_of_refund(door: Door, kind: ProcessorKind, news: OutsideRefundNews, *, now: datetime) -> bool:
    """Somebody refunded at the processor itself. False when there is no such payment here."""
    raise NotImplementedError


async def settle_invoice(
    door: Door, viewer: Viewer, office_id: UUID, *, top_up_ids: tuple[UUID, ...] | None, key: str, now: datetime
) -> InvoicesPaid:
    """The office paid: the top-ups named, or all that are owed, no longer count against its limit. Idempotent by key.

    Raises NotPermitted, NotFound, InvalidInput, IdempotencyConflict.
    """
    raise NotImplementedError
