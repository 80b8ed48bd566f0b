"""Asking for funds before usage happens, and for more of them while it does (R27, R28)."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry
from strawberry import UNSET

from domain.access import Permission
from domain.authorization import UsageRequest
from domain.errors import Required
from domain.stories.hold import authorize_usage, extend_hold
from domain.usage import MAX_ADDRESS_CHARACTERS, MAX_KEY_CHARACTERS
from schema.context import Info
from schema.errors import UserError
from schema.holds import Hold, HoldRefusal, load_hold, refusal_of
from schema.ids import NOTHING, IdKind, decode
from schema.usage_event import OfficeReferenceInput, office_reference, source_of
from schema.usage_input import given
from schema.words import Direction, Service

DEFAULT_HOLD_SECONDS = 3_600
_END = (
    f" The same that the event will carry, at most {MAX_ADDRESS_CHARACTERS} characters. May be left out where the"
    " service has no such end, and of a caller who withholds his number."
)


@strawberry.input(
    description="What is about to start, and how much of it funds are wanted for. It is rated as the most ordinary"
    " usage of its service would be: a message as an SMS from person to person, an AI agent as one that speaks."
)
class AuthorizeUsageInput:
    source: str | None = strawberry.field(
        default=UNSET,
        description="The system that will report the usage; as in `recordUsage`, and with the same default.",
    )
    event_id: str = strawberry.field(
        description="The key under which the usage will be recorded; also the idempotency key of the hold. 1 to"
        f" {MAX_KEY_CHARACTERS} printable ASCII characters."
    )
    office: OfficeReferenceInput = strawberry.field(description="The office that will pay.")
    service: Service = strawberry.field(description="What is to be used.")
    direction: Direction = strawberry.field(description="Inbound or outbound, seen from the office.")
    from_: str | None = strawberry.field(name="from", default=UNSET, description="The end that begins it." + _END)
    to: str | None = strawberry.field(default=UNSET, description="The other end." + _END)
    quantity: int = strawberry.field(
        description="Seconds, segments, pages or sessions wanted, 1 or more. Of a call, at most what the company's"
        " setting allows is granted at once: 600 seconds unless it says otherwise."
    )
    hold_seconds: int = strawberry.field(
        default=DEFAULT_HOLD_SECONDS, description="After how many seconds the hold ends by itself, 60 to 86400."
    )


async def _hold(root: "AuthorizeUsagePayload | ExtendHoldPayload", info: Info) -> Hold | None:
    return await load_hold(info.context, root.hold_id)


@strawberry.type(description="Whether usage may begin. A refusal is an answer, not an error: then there is no hold.")
class AuthorizeUsagePayload:
    hold_id: strawberry.Private[UUID | None] = None
    hold: Hold | None = strawberry.field(
        resolver=_hold,
        description="What is granted. Null when it is refused, and when there are `userErrors`. Of a request sent again"
        " the hold as it now is, also when it has ended.",
    )
    refusal: HoldRefusal | None = strawberry.field(
        default=None, description="Why there is no hold. Nothing of it is kept: asking again may be granted."
    )
    is_replayed: bool = strawberry.field(
        default=False, description="Whether this key had been authorized before, and nothing was changed now."
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="What is wrong with the request; then nothing was changed."
    )


@strawberry.input(
    description="Totals, not increments: sending it twice changes nothing. What is left out stays as it is."
)
class ExtendHoldInput:
    hold_id: strawberry.ID = strawberry.field(description="The hold, `hld_…`.")
    quantity: int | None = strawberry.field(
        default=UNSET,
        description="How much is wanted in all, in the service's unit. As much of it as funds pay for is granted, by"
        " the rate of the hold; the limit on a first grant does not apply. A grant is never lowered.",
    )
    expires_at: datetime | None = strawberry.field(
        default=UNSET, description="When it ends by itself: a minute to a day from now. May also be sooner than before."
    )


@strawberry.type(description="Whether a hold was extended.")
class ExtendHoldPayload:
    hold_id: strawberry.Private[UUID | None] = None
    hold: Hold | None = strawberry.field(
        resolver=_hold, description="The hold as it now is. Null when there are `userErrors`."
    )
    refusal: HoldRefusal | None = strawberry.field(
        default=None, description="Why no more is granted; then the hold stayed as it was, its end included."
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="What stands in the way; then nothing was changed."
    )


async def resolve_authorize_usage(
    info: Info, input: Annotated[AuthorizeUsageInput, strawberry.argument(description="The usage to come.")]
) -> AuthorizeUsagePayload:
    context = info.context
    context.viewer.require(Permission.HOLD_FUNDS)
    request = UsageRequest(
        source=source_of(context.viewer, given(input.source)),
        event_id=input.event_id,
        office=office_reference(input.office),
        service=input.service,
        direction=input.direction,
        from_=given(input.from_) or "",
        to=given(input.to) or "",
        quantity=input.quantity,
        hold_seconds=input.hold_seconds,
    )
    answer = await authorize_usage(context.begin, context.viewer, request, now=context.now)
    return AuthorizeUsagePayload(
        hold_id=answer.hold.id if answer.hold else None,
        refusal=refusal_of(answer.refusal),
        is_replayed=answer.is_replayed,
    )


async def resolve_extend_hold(
    info: Info, input: Annotated[ExtendHoldInput, strawberry.argument(description="The hold, and what is wanted.")]
) -> ExtendHoldPayload:
    context = info.context
    context.viewer.require(Permission.HOLD_FUNDS)
    quantity, expires_at = given(input.quantity), given(input.expires_at)
    if quantity is None and expires_at is None:
        raise Required("Say what to extend: `quantity`, `expiresAt`, or both.", field=("quantity",))
    answer = await extend_hold(
        context.begin,
        context.viewer,
        decode(IdKind.HOLD, input.hold_id) or NOTHING,
        quantity=quantity,
        expires_at=expires_at,
        now=context.now,
    )
    return ExtendHoldPayload(hold_id=answer.hold.id, refusal=refusal_of(answer.refusal))
