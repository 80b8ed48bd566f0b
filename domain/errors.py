"""Every failure a caller can anticipate, one sentence each. `schema.errors` says how each looks on the wire."""

from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from domain.top_ups import TopUpReason


class FareboxError(Exception):
    """Something a caller did or asked for cannot be. The text tells the reader what to do about it."""

    def __init__(self, message: str, *, field: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        """Path into the caller's input, outermost first; empty when no single part is to blame."""


class InvalidInput(FareboxError):
    """A value is malformed or out of bounds."""


class Required(FareboxError):
    """Something that has to be said was left out."""


class NotFound(FareboxError):
    """There is no such thing, or it is not the caller's to see: the two are told apart by nobody (R40)."""


class NotPermitted(FareboxError):
    """The caller's role or scopes do not include this at all."""


class WrongCurrency(FareboxError):
    """An amount or a deck is in another currency than the company's (R1, R18)."""


class TooLow(FareboxError):
    """An amount or count is below what is allowed."""


class TooHigh(FareboxError):
    """An amount or count is above what is allowed."""


class IdempotencyConflict(FareboxError):
    """The key was used before with other facts (R12, R32)."""

    def __init__(
        self,
        message: str,
        *,
        differing_fields: tuple[str, ...],
        field: tuple[str | int, ...] = ("idempotencyKey",),
    ) -> None:
        super().__init__(message, field=field)
        self.differing_fields = differing_fields


class AlreadyReversed(FareboxError):
    """The usage was reversed before, or is itself a reversal (R36)."""


class RateConflict(FareboxError):
    """A deck would change what was in force, or leaves a tie (R19, R20)."""


class OutOfBounds(FareboxError):
    """An amount is beyond what may be bought or given back; the bounds are told, in micros (R29)."""

    def __init__(
        self,
        message: str,
        *,
        currency: str,
        field: tuple[str | int, ...] = (),
        minimum_micros: int | None = None,
        maximum_micros: int | None = None,
        remaining_micros: int | None = None,
    ) -> None:
        super().__init__(message, field=field)
        self.currency = currency
        self.minimum_micros = minimum_micros
        self.maximum_micros = maximum_micros
        self.remaining_micros = remaining_micros


class BelowMinimum(OutOfBounds):
    """Less than one purchase must be."""


class AboveMaximum(OutOfBounds):
    """More than one purchase, or one refund, may be."""


class LimitReached(OutOfBounds):
    """More than is left of today's limit, or of what may be owed."""


class QuoteChanged(FareboxError):
    """The total is another than the person confirmed."""


class PaymentFailed(FareboxError):
    """No money came, or could; the top-up says so too, where there is one."""

    def __init__(self, message: str, *, reason: "TopUpReason", top_up_id: UUID | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.top_up_id = top_up_id


class NoPaymentMethod(PaymentFailed):
    """The office has no card that could be charged."""


class PaymentDeclined(PaymentFailed):
    """The card was refused, or the cardholder did not confirm."""


class PaymentUnavailable(PaymentFailed):
    """The processor could not be reached, and nothing was charged."""


class NotRefundable(FareboxError):
    """The top-up is not settled, or nothing of it is left unspent (R30)."""


class HoldResolved(FareboxError):
    """The hold was captured or released before, or its usage recorded (R28)."""


class HoldExpired(FareboxError):
    """The hold's time is over; usage that happened is charged all the same (R28)."""
