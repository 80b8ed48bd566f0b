"""What a person can cause, as a mutation tells it: `userErrors` in the payload, not errors of the request.

A story raises one of `domain.errors`; the payload then holds the error and nothing else. What is no such error is a
fault of ours and goes its own way.
"""

import re
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any
from uuid import UUID

import strawberry
from strawberry.extensions import FieldExtension

from domain import errors
from domain.money import Micros
from domain.top_ups import TopUp as DomainTopUp
from schema.context import Info
from schema.cost import VALUE
from schema.payment_words import REASON_TEXTS, TopUpReason, TopUpState
from schema.scalars import Money, money
from schema.top_ups import TopUp, load_top_up
from schema.words import describe


class UserErrorCode(StrEnum):
    INVALID = "INVALID"
    REQUIRED = "REQUIRED"
    NOT_FOUND = "NOT_FOUND"
    NOT_PERMITTED = "NOT_PERMITTED"
    TOO_LOW = "TOO_LOW"
    TOO_HIGH = "TOO_HIGH"
    WRONG_CURRENCY = "WRONG_CURRENCY"
    QUOTE_CHANGED = "QUOTE_CHANGED"
    LIMIT_REACHED = "LIMIT_REACHED"
    PAYMENT_DECLINED = "PAYMENT_DECLINED"
    NO_PAYMENT_METHOD = "NO_PAYMENT_METHOD"
    PROCESSOR_UNAVAILABLE = "PROCESSOR_UNAVAILABLE"
    IDEMPOTENCY_CONFLICT = "IDEMPOTENCY_CONFLICT"
    HOLD_RESOLVED = "HOLD_RESOLVED"
    HOLD_EXPIRED = "HOLD_EXPIRED"
    ALREADY_REVERSED = "ALREADY_REVERSED"
    NOT_REFUNDABLE = "NOT_REFUNDABLE"


describe(
    UserErrorCode,
    "What kind of mistake it is. More codes may come: treat an unknown one by its message.",
    {
        "INVALID": "A value is malformed or out of bounds.",
        "REQUIRED": "Something has to be said that was left out.",
        "NOT_FOUND": "There is no such thing, or it is not the caller's: which of the two is not told.",
        "NOT_PERMITTED": "The token does not allow this at all, whatever it is done to.",
        "TOO_LOW": "An amount or count is below what is allowed.",
        "TOO_HIGH": "An amount or count is above what is allowed.",
        "WRONG_CURRENCY": "An amount is in another currency than the company's.",
        "QUOTE_CHANGED": "The total is another than the person confirmed: show the new quote.",
        "LIMIT_REACHED": "It is more than is left of a day's limit, or of what the office may owe.",
        "PAYMENT_DECLINED": "The card was refused, or the cardholder did not confirm the payment.",
        "NO_PAYMENT_METHOD": "The office has no card that could be charged: save one first.",
        "PROCESSOR_UNAVAILABLE": "The card processor could not be reached, and no money was moved.",
        "IDEMPOTENCY_CONFLICT": "The idempotency key was used before, for something else.",
        "HOLD_RESOLVED": "The hold was captured or released before, or its usage was recorded already.",
        "HOLD_EXPIRED": "The hold's time is over. Usage that has happened is charged all the same.",
        "ALREADY_REVERSED": "The usage was taken back before, or is itself what takes another one back.",
        "NOT_REFUNDABLE": "The top-up is not settled, or nothing of it is left to give back.",
    },
)

CODES: dict[type[errors.FareboxError], UserErrorCode] = {
    errors.InvalidInput: UserErrorCode.INVALID,
    errors.Required: UserErrorCode.REQUIRED,
    errors.NotFound: UserErrorCode.NOT_FOUND,
    errors.NotPermitted: UserErrorCode.NOT_PERMITTED,
    errors.TooLow: UserErrorCode.TOO_LOW,
    errors.TooHigh: UserErrorCode.TOO_HIGH,
    errors.WrongCurrency: UserErrorCode.WRONG_CURRENCY,
    errors.BelowMinimum: UserErrorCode.TOO_LOW,
    errors.AboveMaximum: UserErrorCode.TOO_HIGH,
    errors.LimitReached: UserErrorCode.LIMIT_REACHED,
    errors.QuoteChanged: UserErrorCode.QUOTE_CHANGED,
    errors.NoPaymentMethod: UserErrorCode.NO_PAYMENT_METHOD,
    errors.PaymentDeclined: UserErrorCode.PAYMENT_DECLINED,
    errors.PaymentUnavailable: UserErrorCode.PROCESSOR_UNAVAILABLE,
    errors.IdempotencyConflict: UserErrorCode.IDEMPOTENCY_CONFLICT,
    errors.HoldResolved: UserErrorCode.HOLD_RESOLVED,
    errors.HoldExpired: UserErrorCode.HOLD_EXPIRED,
    errors.AlreadyReversed: UserErrorCode.ALREADY_REVERSED,
    errors.NotRefundable: UserErrorCode.NOT_REFUNDABLE,
}
"""Every failure that a mutation can meet. Those of decks are met on the command line alone."""


@strawberry.interface(
    description="A mistake a person can correct. When there is one, nothing was changed; only a payment that was"
    " refused leaves a top-up that says so."
)
class UserError:
    message: str = strawberry.field(description="What is wrong and what to do about it, in one sentence for a person.")
    code: UserErrorCode = strawberry.field(description="What kind of mistake it is, for a program.")
    field: list[str] | None = strawberry.field(
        description="Path into `input` of the value to blame, list positions as numbers from 0: `events`, `17`,"
        " `eventId`. Null when no single value is."
    )


@strawberry.type(directives=[VALUE], description="Something is wrong with the input.")
class InputUserError(UserError):
    pass


@strawberry.type(
    directives=[VALUE],
    description="An idempotency key was used before for something else: take a new one for a new request.",
)
class IdempotencyUserError(UserError):
    differing_fields: list[str] = strawberry.field(description="Which fields of the input were different then.")


@strawberry.type(
    directives=[VALUE], description="An amount is beyond a limit. The limits that matter are told, the others are null."
)
class LimitUserError(UserError):
    minimum: Money | None = strawberry.field(description="The least it may be.")
    maximum: Money | None = strawberry.field(description="The most it may be; of a limit, all of it.")
    remaining: Money | None = strawberry.field(description="What is left of the limit now.")


async def _failed_top_up(root: "PaymentUserError", info: Info) -> TopUp | None:
    return await load_top_up(info.context, root.top_up_id)


@strawberry.type(directives=[VALUE], description="There is no card to charge, or no money came from it.")
class PaymentUserError(UserError):
    top_up_id: strawberry.Private[UUID | None]
    reason: TopUpReason = strawberry.field(description="Why.")
    top_up: TopUp | None = strawberry.field(
        resolver=_failed_top_up, description="The top-up that FAILED; null when nothing was tried."
    )


_MISSING_FIELD = re.compile(
    r"(Variable '\$\w+' has invalid value)(?: at )?([^:]*): Expected .* required field '(\w+)'", re.DOTALL
)
_VALUE_FOUND = re.compile(r"(, found|(?<!invalid) value): .*", re.DOTALL)

USER_ERRORS = (InputUserError, LimitUserError, PaymentUserError, IdempotencyUserError)
"""For the schema object: nothing refers to these but through their interface."""


def user_error(error: errors.FareboxError) -> UserError:
    """Raises the error itself when no mutation can meet it: then the fault is ours."""
    code = CODES.get(type(error))
    if code is None:
        raise error
    path = [str(part) for part in error.field] or None
    if isinstance(error, errors.IdempotencyConflict):
        return IdempotencyUserError(
            message=error.message, code=code, field=path, differing_fields=list(error.differing_fields)
        )
    if isinstance(error, errors.OutOfBounds):
        return _limit_error(error, code, path)
    if isinstance(error, errors.PaymentFailed):
        return PaymentUserError(
            message=error.message, code=code, field=path, reason=error.reason, top_up_id=error.top_up_id
        )
    return InputUserError(message=error.message, code=code, field=path)


def _limit_error(error: errors.OutOfBounds, code: UserErrorCode, path: list[str] | None) -> LimitUserError:
    def told(micros: Micros | None) -> Money | None:
        return None if micros is None else money(micros, error.currency)

    return LimitUserError(
        message=error.message,
        code=code,
        field=path,
        minimum=told(error.minimum_micros),
        maximum=told(error.maximum_micros),
        remaining=told(error.remaining_micros),
    )


def payment_errors(top_up: DomainTopUp) -> list[UserError]:
    """What to say of a top-up that FAILED; nothing of any other."""
    if top_up.state is not TopUpState.FAILED or top_up.reason is None:
        return []
    is_unavailable = top_up.reason is TopUpReason.PROCESSOR_UNAVAILABLE
    kind = errors.PaymentUnavailable if is_unavailable else errors.PaymentDeclined
    return [user_error(kind(REASON_TEXTS[top_up.reason], reason=top_up.reason, top_up_id=top_up.id))]


def bad_input_message(message: str) -> str:
    """What graphql-core says of an input it cannot read, with the whole path and without the input itself.

    `events[17].occurredAt` is named even when it is missing. The value found is left out: it may be a message's body.
    """
    missing = _MISSING_FIELD.match(message)
    if missing:
        return f"{missing[1]} at {missing[2]}.{missing[3]}: this field is required."
    return _VALUE_FOUND.sub(".", message)


class TellUserErrors(FieldExtension):
    """Around a mutation: an anticipated failure becomes a payload that holds `userErrors` and nothing else.

    The payload is made without arguments but `user_errors`, so all its other fields need a default.
    """

    def __init__(self, payload: Callable[..., Any]) -> None:
        self._payload = payload

    async def resolve_async(
        self, next_: Callable[..., Awaitable[Any]], source: Any, info: Info, **arguments: Any
    ) -> Any:
        info.context.forget()
        try:
            return await next_(source, info, **arguments)
        except errors.FareboxError as error:
            return self._payload(user_errors=[user_error(error)])
