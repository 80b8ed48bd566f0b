"""Everything that can be changed: a new mutation is a line here.

What each asks and answers lives beside its resolver. All of them tell anticipated failures as `userErrors`.
"""

from collections.abc import Callable
from typing import Any

import strawberry

from schema.errors import TellUserErrors
from schema.record_usage import RecordUsagePayload, resolve_record_usage
from schema.replay_rejections import ReplayRejectedUsagePayload, resolve_replay_rejected_usage
from schema.reverse_usage import ReverseUsagePayload, resolve_reverse_usage
from schema.sync_directory import SyncDirectoryPayload, resolve_sync_directory


def _mutation(resolver: Callable[..., Any], payload: Callable[..., Any], description: str) -> Any:
    return strawberry.mutation(resolver=resolver, description=description, extensions=[TellUserErrors(payload)])


@strawberry.type(
    description="Everything that can be changed, as far as the token allows. What a person can correct is told in"
    " `userErrors`; the other fields of a payload are then null, and counts 0."
)
class Mutation:
    record_usage: RecordUsagePayload = _mutation(
        resolve_record_usage,
        RecordUsagePayload,
        "Reports usage that has happened and charges it: to the plan allowance, then to the service's prepaid"
        " credits, then to universal credits. Usage that happened is always charged, if need be below zero.",
    )
    replay_rejected_usage: ReplayRejectedUsagePayload = _mutation(
        resolve_replay_rejected_usage,
        ReplayRejectedUsagePayload,
        "Tries to charge rejected usage again, once rates have been added or changed.",
    )
    sync_directory: SyncDirectoryPayload = _mutation(
        resolve_sync_directory,
        SyncDirectoryPayload,
        "Brings members, groups and contacts up to date with the phone system. For tokens that cover the whole"
        " company.",
    )
    reverse_usage: ReverseUsagePayload = _mutation(
        resolve_reverse_usage,
        ReverseUsagePayload,
        "Takes a charge back: every source gets what it paid, plan units and prepaid credits into their own cycle"
        " while that is open. After it closed, prepaid credits come back as universal credits, and plan units do"
        " not.",
    )
