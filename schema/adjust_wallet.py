"""Putting a wallet right (R37)."""

from typing import Annotated

import strawberry

from domain.reasons import MAX_REASON_CHARACTERS
from domain.stories.adjust import Adjusted, adjust_wallet
from schema.context import Info
from schema.errors import UserError
from schema.idempotency import key_description
from schema.ids import NOTHING, IdKind, decode
from schema.ledger import Posting, posting_of
from schema.money_input import MoneyInput, amount_of
from schema.wallets import Wallet, wallet_of


@strawberry.input(description="A wallet to put right. For operators.")
class AdjustWalletInput:
    idempotency_key: str = strawberry.field(description=key_description("adjustment"))
    wallet_id: strawberry.ID = strawberry.field(
        description="The wallet, `wal_…`. Of a commitment, its account of the current cycle is adjusted."
    )
    change: MoneyInput = strawberry.field(
        description="What to add; negative to take away. A commitment never goes below zero, universal credits may."
    )
    reason: str = strawberry.field(
        description=f"Why, in one line of 1 to {MAX_REASON_CHARACTERS} characters: it is kept with the money moved."
    )


async def _wallet(root: "AdjustWalletPayload", info: Info) -> Wallet | None:
    posting = await info.context.loaders.postings.load(root.done.posting_id) if root.done else None
    if posting is None:
        return None
    await info.context.renewed()
    row = await info.context.loaders.wallets.load(posting.wallet_id)
    return wallet_of(row, info.context.now) if row else None


async def _posting(root: "AdjustWalletPayload", info: Info) -> Posting | None:
    row = await info.context.loaders.postings.load(root.done.posting_id) if root.done else None
    return posting_of(row) if row else None


@strawberry.type(description="What an adjustment came to.")
class AdjustWalletPayload:
    done: strawberry.Private[Adjusted | None] = None
    wallet: Wallet | None = strawberry.field(
        resolver=_wallet, description="The wallet as it now is. Null when there are `userErrors`."
    )
    posting: Posting | None = strawberry.field(
        resolver=_posting,
        description="The amount moved, with the reason as its note. Null when there are `userErrors`.",
    )
    is_replayed: bool = strawberry.field(
        default=False, description="Whether this key had done it before, and nothing was changed now."
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="What stands in the way; then nothing was changed."
    )


async def resolve_adjust_wallet(
    info: Info, input: Annotated[AdjustWalletInput, strawberry.argument(description="The wallet and the change.")]
) -> AdjustWalletPayload:
    context = info.context
    done = await adjust_wallet(
        context.begin,
        context.viewer,
        decode(IdKind.WALLET, input.wallet_id) or NOTHING,
        change=amount_of(input.change, "change"),
        reason=input.reason,
        key=input.idempotency_key,
        now=context.now,
    )
    return AdjustWalletPayload(done=done, is_replayed=done.is_replayed)
