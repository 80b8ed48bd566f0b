"""Reporting usage: a batch in, one answer an event out (R12, R13).

The record behind an answer is read only when it is selected, those of a whole batch in one read.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import strawberry
from strawberry import UNSET

from domain.access import Permission
from domain.charging import Decision, Outcome
from domain.charging import Rejection as DomainRejection
from domain.money import Micros
from domain.stories.charge import record_usage
from domain.usage import MAX_BATCH_EVENTS, MAX_KEY_CHARACTERS
from persistence.offices import read_company
from schema.context import Info
from schema.cost import FREE, VALUE, sized
from schema.errors import UserError
from schema.rejections import RejectedUsage, rejected_usage_of
from schema.scalars import Money, money
from schema.usage_event import (
    OfficeReferenceInput,
    UsageEventInput,
    events_of,
    office_reference,
    only_office,
    source_of,
)
from schema.usage_input import given
from schema.usage_record import UsageRecord, load_record
from schema.words import RejectionCode, describe

describe(
    Outcome,
    "What became of one event.",
    {
        "CHARGED": "It was charged now.",
        "REPLAYED": "It was charged before, with the same facts: nothing was charged again. Its notes are up to date.",
        "CONFLICT": "Another event came under this source and id before: nothing was changed. Corrected usage needs"
        " a new `eventId`, after the wrong one was reversed.",
        "REJECTED": "It cannot be charged: `rejection` says why.",
    },
    name="RecordUsageOutcome",
)


@strawberry.input(
    description="A batch of usage. A missing field or an unknown value refuses the whole request and names its"
    " place, as in `events[17].occurredAt`; everything else is decided event by event. Sending a batch again is"
    " always safe. At most"
    f" {MAX_BATCH_EVENTS} events and 1 MB a request; the limit on other lists does not apply."
)
class RecordUsageInput:
    source: str | None = strawberry.field(
        default=UNSET,
        description=f"The system that reports, 1 to {MAX_KEY_CHARACTERS} printable ASCII characters; not beginning with"
        " `farebox:`. When left out, the name in the token (`viewer { name }`), or the caller's id (`viewer { id }`)"
        " when the name is no such text. An event is known by company, source and `eventId`: always send the same.",
    )
    office: OfficeReferenceInput | None = strawberry.field(
        default=UNSET,
        description="The office that pays for every event that names none itself. May be left out by a caller whose"
        " token is limited to one office.",
    )
    events: list[UsageEventInput] = strawberry.field(
        description="The events, in any order; they are charged in order of `occurredAt`."
    )


async def _rejected_usage(root: "UsageRejection", info: Info) -> RejectedUsage | None:
    kept = root.decision.rejected_id
    row = await info.context.loaders.rejections.load(kept) if kept else None
    return rejected_usage_of(row) if row else None


@strawberry.type(directives=[VALUE], description="Why an event was not charged.")
class UsageRejection:
    decision: strawberry.Private[Decision]
    code: RejectionCode = strawberry.field(description="Why, for a program.")
    message: str = strawberry.field(description="Why, in a sentence for a person.")
    field: list[str] | None = strawberry.field(
        description="Path into the event of the value to blame: `usage`, `call`, `to`. Null when no single value is."
    )
    rejected_usage: RejectedUsage | None = strawberry.field(
        directives=[FREE],
        resolver=_rejected_usage,
        description="Under which it is kept to be replayed. Null for reasons that no new rate can cure: then correct"
        " the event and report it again.",
    )


async def _record(root: "RecordUsageResult", info: Info) -> UsageRecord | None:
    decision = root.decision
    if decision.outcome is Outcome.CONFLICT and not info.context.may(Permission.VIEW_USAGE):
        # Who sends an event knows its facts; the facts of another one that came before are the history's.
        return None
    return await load_record(info, decision.charge_id)


async def _differing_fields(root: "RecordUsageResult", info: Info) -> list[str] | None:
    """Of a record in an office that is not the caller's, he learns no more than that."""
    decision = root.decision
    if decision.outcome is not Outcome.CONFLICT:
        return None
    if "office" in decision.differing and await load_record(info, decision.charge_id) is None:
        return ["office"]
    return list(decision.differing)


@strawberry.type(directives=[VALUE], description="What became of one event.")
class RecordUsageResult:
    decision: strawberry.Private[Decision]
    event_id: str = strawberry.field(description="The event's own id, as reported.")
    outcome: Outcome = strawberry.field(description="What became of it.")
    record: UsageRecord | None = strawberry.field(
        directives=[FREE],
        resolver=_record,
        description="CHARGED and REPLAYED: its record. CONFLICT: the record that is there, for callers who may read"
        " the usage history of its office. Null otherwise.",
    )
    rejection: UsageRejection | None = strawberry.field(description="REJECTED: why. Null otherwise.")
    differing_fields: list[str] | None = strawberry.field(
        resolver=_differing_fields,
        description="CONFLICT: which facts of the recorded event are others, as paths into the event:"
        " `usage.call.durationSeconds`. Null otherwise.",
    )


async def _total_cost(root: "RecordUsagePayload", info: Info) -> Money | None:
    company = None
    if root.cost_micros is not None:
        company = await read_company(info.context.database, info.context.scope)
    return money(root.cost_micros or 0, company.currency) if company else None


@strawberry.type(description="What became of a batch.")
class RecordUsagePayload:
    cost_micros: strawberry.Private[Micros | None] = None
    results: list[RecordUsageResult] | None = strawberry.field(
        directives=[sized(100)],
        default=None,
        description="One for each event, in the order of the events. Null when there are `userErrors`.",
    )
    charged_count: int = strawberry.field(default=0, description="How many events were charged now.")
    replayed_count: int = strawberry.field(default=0, description="How many had been charged before.")
    conflict_count: int = strawberry.field(default=0, description="How many are at odds with an earlier event.")
    rejected_count: int = strawberry.field(default=0, description="How many cannot be charged.")
    total_cost: Money | None = strawberry.field(
        resolver=_total_cost,
        description="What the wallets paid for the events charged now, in the company's currency. Null when there"
        " are `userErrors`.",
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="What is wrong with the batch as a whole; then no event of it was charged."
    )


async def resolve_record_usage(
    info: Info, input: Annotated[RecordUsageInput, strawberry.argument(description="The batch.")]
) -> RecordUsagePayload:
    context = info.context
    viewer = context.viewer
    viewer.require(Permission.RECORD_USAGE)
    office = office_reference(input.office) if input.office else only_office(viewer)
    events = events_of(input.events, source=source_of(viewer, given(input.source)), office=office)
    return _payload(await record_usage(context.begin, viewer, events, now=context.now))


def _payload(decisions: Sequence[Decision]) -> RecordUsagePayload:
    counts = Counter(decision.outcome for decision in decisions)
    return RecordUsagePayload(
        cost_micros=sum(decision.cost_micros for decision in decisions),
        results=[result_of(decision) for decision in decisions],
        charged_count=counts[Outcome.CHARGED],
        replayed_count=counts[Outcome.REPLAYED],
        conflict_count=counts[Outcome.CONFLICT],
        rejected_count=counts[Outcome.REJECTED],
    )


def result_of(decision: Decision) -> RecordUsageResult:
    return RecordUsageResult(
        decision=decision,
        event_id=decision.event.event_id,
        outcome=decision.outcome,
        rejection=_rejection(decision, decision.rejection) if decision.rejection else None,
    )


def _rejection(decision: Decision, rejection: DomainRejection) -> UsageRejection:
    return UsageRejection(
        decision=decision,
        code=rejection.code,
        message=rejection.message,
        field=list(rejection.field) or None,
    )
