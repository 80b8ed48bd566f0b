"""An administrator saves a card and buys universal credits (R29–R32)."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from domain.access import Viewer
from domain.errors import FareboxError
from domain.money import Amount, Micros
from domain.payments import NextAction, ProcessorKind, Processors
from domain.ports import Door
from domain.top_ups import Billing, Card, TopUp


class Quote(NamedTuple):
    """What a purchase would come to; nothing is promised, and `purchase_credits` compares the total."""

    office_id: UUID
    credits_micros: Micros
    tax_micros: Micros
    total_micros: Micros
    balance_after_micros: Micros
    billing: Billing
    problems: tuple[FareboxError, ...]
    """What stops the purchase, before anyone confirms."""


class Bought(NamedTuple):
    top_up: TopUp
    """As it now is: SETTLED, FAILED with a reason, REQUIRES_ACTION, or PENDING while the processor has not answered."""
    is_replayed: bool


class SetupBegun(NamedTuple):
    setup_id: UUID
    processor: ProcessorKind
    next_action: NextAction
    expires_at: datetime


async def quote_purchase(door: Door, viewer: Viewer, office_id: UUID, credits: Amount, *, now: datetime) -> Quote:
    """Raises NotPermitted, NotFound. Whatever else would stop the purchase is told in `problems`."""
    raise NotImplementedError


async def purchase_credits(
    door: Door,
    processors: Processors,
    viewer: Viewer,
    office_id: UUID,
    *,
    credits: Amount,
    expected_total: Amount,
    key: str,
    return_url: str | None,
    now: datetime,
) -> Bought:
    """Buy universal credits. Idempotent by key (R32): the same key and facts answer the top-up as it now is.

    Raises NotPermitted, NotFound, InvalidInput, WrongCurrency, BelowMinimum, AboveMaximum, LimitReached, QuoteChanged,
    NoPaymentMethod, IdempotencyConflict: then there is no top-up. A decline is a top-up that FAILED.
    """
    raise NotImplementedError


async def complete_purchase(
    door: Door, processors: Processors, viewer: Viewer, top_up_id: UUID, *, now: datetime
) -> TopUp:
    """After the cardholder confirmed, or to look once more: asks the processor, and settles what it says.

    Raises NotPermitted, NotFound.
    """
    raise NotImplementedError


async def start_card_setup(
    door: Door, processors: Processors, viewer: Viewer, office_id: UUID, *, return_url: str | None, now: datetime
) -> SetupBegun:
    """Raises NotPermitted, NotFound, InvalidInput, PaymentUnavailable."""
    raise NotImplementedError


async def save_card(
    door: Door, processors: Processors, viewer: Viewer, office_id: UUID, setup_id: UUID, *, now: datetime
) -> Card:
    """The card entered at the processor becomes the office's; saving it again changes nothing.

    Raises NotPermitted, NotFound, InvalidInput while the cardholder has not finished, PaymentUnavailable.
    """
    raise NotImplementedError
