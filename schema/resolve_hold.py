"""How a hold ends on purpose: captured by its usage, or released (R28)."""

from typing import Annotated
from uuid import UUID

import strawberry

from domain.errors import InvalidInput, Required
from domain.stories.hold import capture_hold, find_own_hold, release_hold
from domain.usage import OfficeReference
from schema.context import Info
from schema.errors import UserError
from schema.holds import Hold, load_hold
from schema.ids import NOTHING, IdKind, decode
from schema.record_usage import RecordUsageResult, result_of
from schema.usage_event import UsageEventInput, event_of


@strawberry.input(
    description="The usage that a hold was made for: the same as `recordUsage` of this one event. The permission to"
    " hold funds is enough."
)
class CaptureHoldInput:
    hold_id: strawberry.ID = strawberry.field(description="The hold, `hld_…`.")
    event: UsageEventInput = strawberry.field(
        description="What was used. Its `eventId` is the hold's; its source too, and its office, which may be left out."
    )


async def _hold(root: "CaptureHoldPayload | ReleaseHoldPayload", info: Info) -> Hold | None:
    return await load_hold(info.context, root.hold_id)


@strawberry.type(
    description="What became of the usage, and of its hold. Usage that has happened is charged whatever became of the"
    " hold: what it kept was never a limit."
)
class CaptureHoldPayload:
    hold_id: strawberry.Private[UUID | None] = None
    hold: Hold | None = strawberry.field(
        resolver=_hold,
        description="The hold as it now is: CAPTURED, unless it had ended before or the event was rejected. Null when"
        " there are `userErrors`.",
    )
    result: RecordUsageResult | None = strawberry.field(
        default=None,
        description="What became of the event. REPLAYED when it had been recorded already. Null when there are"
        " `userErrors`.",
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="What stands in the way; then nothing was charged."
    )


@strawberry.input(description="A hold whose usage will not happen.")
class ReleaseHoldInput:
    hold_id: strawberry.ID = strawberry.field(description="The hold, `hld_…`.")


@strawberry.type(description="What became of a hold that was given back.")
class ReleaseHoldPayload:
    hold_id: strawberry.Private[UUID | None] = None
    hold: Hold | None = strawberry.field(
        resolver=_hold,
        description="The hold as it now is: RELEASED, or EXPIRED when its time was over before. Null when there are"
        " `userErrors`.",
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="What stands in the way; then nothing was changed."
    )


async def resolve_capture_hold(
    info: Info, input: Annotated[CaptureHoldInput, strawberry.argument(description="The hold and its usage.")]
) -> CaptureHoldPayload:
    context = info.context
    hold = await find_own_hold(context.begin, context.viewer, decode(IdKind.HOLD, input.hold_id) or NOTHING)
    try:
        event = event_of(input.event, source=hold.source, office=OfficeReference(id=hold.office_id))
    except (InvalidInput, Required) as problem:
        raise type(problem)(problem.message, field=("event", *problem.field)) from None
    done = await capture_hold(context.begin, context.viewer, hold.id, event, now=context.now)
    return CaptureHoldPayload(hold_id=done.hold_id, result=result_of(done.decision))


async def resolve_release_hold(
    info: Info, input: Annotated[ReleaseHoldInput, strawberry.argument(description="The hold.")]
) -> ReleaseHoldPayload:
    context = info.context
    hold_id = decode(IdKind.HOLD, input.hold_id) or NOTHING
    hold = await release_hold(context.begin, context.viewer, hold_id, now=context.now)
    return ReleaseHoldPayload(hold_id=hold.id)
