"""What a person can cause, as a mutation tells it: `userErrors` in the payload, not errors of the request.

A story raises one of `domain.errors`; the payload then holds the error and nothing else. What is no such error is a
fault of ours and goes its own way.
"""

import re
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any

import strawberry
from strawberry.extensions import FieldExtension

from domain import errors
from schema.context import Info
from schema.words import describe


class UserErrorCode(StrEnum):
    INVALID = "INVALID"
    REQUIRED = "REQUIRED"
    NOT_FOUND = "NOT_FOUND"
    NOT_PERMITTED = "NOT_PERMITTED"
    TOO_LOW = "TOO_LOW"
    TOO_HIGH = "TOO_HIGH"
    WRONG_CURRENCY = "WRONG_CURRENCY"
    IDEMPOTENCY_CONFLICT = "IDEMPOTENCY_CONFLICT"
    ALREADY_REVERSED = "ALREADY_REVERSED"


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
        "IDEMPOTENCY_CONFLICT": "The idempotency key was used before, for something else.",
        "ALREADY_REVERSED": "The usage was taken back before, or is itself what takes another one back.",
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
    errors.IdempotencyConflict: UserErrorCode.IDEMPOTENCY_CONFLICT,
    errors.AlreadyReversed: UserErrorCode.ALREADY_REVERSED,
}
"""Every failure that a mutation can meet. Those of decks are met on the command line alone."""


@strawberry.interface(description="A mistake a person can correct. When there is one, nothing was changed.")
class UserError:
    message: str = strawberry.field(description="What is wrong and what to do about it, in one sentence for a person.")
    code: UserErrorCode = strawberry.field(description="What kind of mistake it is, for a program.")
    field: list[str] | None = strawberry.field(
        description="Path into `input` of the value to blame, list positions as numbers from 0: `events`, `17`,"
        " `eventId`. Null when no single value is."
    )


@strawberry.type(description="Something is wrong with the input.")
class InputUserError(UserError):
    pass


@strawberry.type(description="An idempotency key was used before for something else: take a new one for a new request.")
class IdempotencyUserError(UserError):
    differing_fields: list[str] = strawberry.field(description="Which fields of the input were different then.")


_MISSING_FIELD = re.compile(
    r"(Variable '\$\w+' has invalid value)(?: at )?([^:]*): Expected .* required field '(\w+)'", re.DOTALL
)
_VALUE_FOUND = re.compile(r"(, found|(?<!invalid) value): .*", re.DOTALL)

USER_ERRORS = (InputUserError, IdempotencyUserError)
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
    return InputUserError(message=error.message, code=code, field=path)


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
