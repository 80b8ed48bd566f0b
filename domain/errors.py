"""Every failure a caller can anticipate, one sentence each. `schema.errors` says how each looks on the wire."""


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

    def __init__(self, message: str, *, differing_fields: tuple[str, ...]) -> None:
        super().__init__(message, field=("idempotencyKey",))
        self.differing_fields = differing_fields


class AlreadyReversed(FareboxError):
    """The usage was reversed before, or is itself a reversal (R36)."""


class RateConflict(FareboxError):
    """A deck would change what was in force, or leaves a tie (R19, R20)."""
