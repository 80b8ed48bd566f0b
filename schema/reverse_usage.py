"""Taking a charge back (R36)."""

from typing import Annotated
from uuid import UUID

import strawberry

from domain.access import Permission
from domain.reasons import MAX_REASON_CHARACTERS
from domain.stories.charge import ReversalDone, reverse_usage
from domain.usage import MAX_KEY_CHARACTERS
from schema.context import Info
from schema.cost import sized
from schema.errors import UserError
from schema.ids import IdKind, decode
from schema.usage_record import UsageRecord, load_record
from schema.wallets import Wallet, wallet_of

_NO_RECORD = UUID(int=0)
"""What a text that is no record's id stands for: there is none of this id."""


@strawberry.input(description="A charge to take back.")
class ReverseUsageInput:
    idempotency_key: str = strawberry.field(
        description="A new key for each reversal, and the same when it is sent again: then nothing happens twice. 1 to"
        f" {MAX_KEY_CHARACTERS} characters, known within the company."
    )
    usage_record_id: strawberry.ID = strawberry.field(description="The record of the charge, `use_…`.")
    reason: str = strawberry.field(
        description=f"Why, in one line of 1 to {MAX_REASON_CHARACTERS} characters: it is kept with the money moved."
    )


async def _reversal(root: "ReverseUsagePayload", info: Info) -> UsageRecord | None:
    return await load_record(info, root.done.reversal_id) if root.done else None


async def _usage_record(root: "ReverseUsagePayload", info: Info) -> UsageRecord | None:
    return await load_record(info, root.done.charge_id) if root.done else None


async def _wallets(root: "ReverseUsagePayload", info: Info) -> list[Wallet] | None:
    context = info.context
    if root.done is None or not context.may(Permission.VIEW_WALLETS):
        return None
    row = await context.loaders.usage_records.load(root.done.charge_id)
    if row is None:
        return None
    await context.renewed()
    rows = await context.loaders.wallets_of_office.load(row.office_id)
    return [wallet_of(wallet, context.now) for wallet in rows]


@strawberry.type(description="What a reversal came to.")
class ReverseUsagePayload:
    done: strawberry.Private[ReversalDone | None] = None
    reversal: UsageRecord | None = strawberry.field(
        resolver=_reversal,
        description="The record that gives the charge back: its quantity and amounts are negative. Null when there"
        " are `userErrors`.",
    )
    usage_record: UsageRecord | None = strawberry.field(
        resolver=_usage_record,
        description="The record that was taken back, as it now is. Null when there are `userErrors`.",
    )
    wallets: list[Wallet] | None = strawberry.field(
        directives=[sized(4)],
        resolver=_wallets,
        description="The office's wallets as they now are. Null when there are `userErrors`, and for callers who may"
        " not see wallets.",
    )
    is_replayed: bool = strawberry.field(
        default=False, description="Whether this key had done it before, and nothing was changed now."
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="What stands in the way; then nothing was changed."
    )


async def resolve_reverse_usage(
    info: Info, input: Annotated[ReverseUsageInput, strawberry.argument(description="The charge.")]
) -> ReverseUsagePayload:
    context = info.context
    done = await reverse_usage(
        context.begin,
        context.viewer,
        decode(IdKind.USAGE_RECORD, input.usage_record_id) or _NO_RECORD,
        key=input.idempotency_key,
        reason=input.reason,
        now=context.now,
    )
    return ReverseUsagePayload(done=done, is_replayed=done.is_replayed)
