"""Giving unspent credits back for money (R30)."""

from typing import Annotated

import strawberry

from domain.reasons import MAX_REASON_CHARACTERS
from domain.stories.give_back import refund_top_up
from domain.top_ups import TopUp as DomainTopUp
from schema.context import Info
from schema.errors import UserError
from schema.idempotency import key_description
from schema.ids import NOTHING, IdKind, decode
from schema.money_input import MoneyInput, amount_of
from schema.top_ups import TopUp, load_top_up, universal_wallet
from schema.wallets import Wallet


@strawberry.input(description="Credits to give back.")
class RefundTopUpInput:
    idempotency_key: str = strawberry.field(description=key_description("refund"))
    top_up_id: strawberry.ID = strawberry.field(description="The settled top-up they came with, `top_…`.")
    amount: MoneyInput = strawberry.field(
        description="How much of the credits, before tax: at most the top-up's `refundable`. Its tax goes back with it,"
        " in proportion."
    )
    reason: str = strawberry.field(
        description=f"Why, in one line of 1 to {MAX_REASON_CHARACTERS} characters: it is kept with the money moved."
    )


async def _top_up(root: "RefundTopUpPayload", info: Info) -> TopUp | None:
    return await load_top_up(info.context, root.done)


async def _wallet(root: "RefundTopUpPayload", info: Info) -> Wallet | None:
    return await universal_wallet(info.context, root.done.office_id) if root.done else None


@strawberry.type(description="What a refund came to.")
class RefundTopUpPayload:
    done: strawberry.Private[DomainTopUp | None] = None
    top_up: TopUp | None = strawberry.field(
        resolver=_top_up,
        description="The top-up as it now is. A refund whose processor has not answered yet counts as `refunded`; when"
        " it is refused in the end, the credits come back. Null when there are `userErrors`.",
    )
    wallet: Wallet | None = strawberry.field(
        resolver=_wallet,
        description="The office's universal credits as they now are. Null when there are `userErrors`.",
    )
    is_replayed: bool = strawberry.field(
        default=False, description="Whether this key had done it before, and nothing was given back now."
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="What stands in the way; then nothing was given back."
    )


async def resolve_refund_top_up(
    info: Info, input: Annotated[RefundTopUpInput, strawberry.argument(description="The refund.")]
) -> RefundTopUpPayload:
    context = info.context
    refunded = await refund_top_up(
        context.begin,
        context.processors,
        context.viewer,
        decode(IdKind.TOP_UP, input.top_up_id) or NOTHING,
        amount=amount_of(input.amount, "amount"),
        reason=input.reason,
        key=input.idempotency_key,
        now=context.now,
    )
    return RefundTopUpPayload(done=refunded.top_up, is_replayed=refunded.is_replayed)
