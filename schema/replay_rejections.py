"""Trying rejected usage again, once a rate makes it good (R23)."""

from collections import Counter
from typing import Annotated

import strawberry
from strawberry import UNSET

from domain.access import Permission
from domain.charging import Outcome
from domain.errors import TooHigh
from domain.stories.charge import replay_rejected
from schema import ids
from schema.context import Info
from schema.errors import UserError
from schema.ids import IdKind
from schema.usage_input import given
from schema.words import RejectionCode

MAX_REPLAYED_IDS = 100


@strawberry.input(
    description="Which rejected usage to try again: all of it in the offices the token covers, when both are left"
    " out; with both, what fits both."
)
class ReplayRejectedUsageInput:
    code: RejectionCode | None = strawberry.field(default=UNSET, description="What was rejected for this reason.")
    ids: list[strawberry.ID] | None = strawberry.field(
        default=UNSET,
        description=f"The ones with these ids, at most {MAX_REPLAYED_IDS}. Ids that are unknown, not the caller's, or"
        " charged by now are passed over; an empty list tries none.",
    )


@strawberry.type(description="What became of rejected usage.")
class ReplayRejectedUsagePayload:
    charged_count: int = strawberry.field(
        default=0, description="How many were charged now, and are no longer on the list of rejected usage."
    )
    rejected_count: int = strawberry.field(default=0, description="How many still cannot be charged.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="What is wrong with the request; then nothing was tried."
    )


async def resolve_replay_rejected_usage(
    info: Info, input: Annotated[ReplayRejectedUsageInput, strawberry.argument(description="Which to try.")]
) -> ReplayRejectedUsagePayload:
    context = info.context
    context.viewer.require(Permission.RECORD_USAGE)
    named = given(input.ids)
    if named is not None and len(named) > MAX_REPLAYED_IDS:
        raise TooHigh(f"At most {MAX_REPLAYED_IDS} ids, here are {len(named)}.", field=("ids",))
    decisions = await replay_rejected(
        context.begin,
        context.viewer,
        now=context.now,
        code=given(input.code),
        ids=None if named is None else ids.require_all(IdKind.REJECTED_USAGE, named, "ids"),
    )
    counts = Counter(decision.outcome for decision in decisions)
    return ReplayRejectedUsagePayload(charged_count=counts[Outcome.CHARGED], rejected_count=counts[Outcome.REJECTED])
