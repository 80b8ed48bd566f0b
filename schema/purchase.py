"""Buying universal credits, and going on after the cardholder confirmed (R29, R32)."""

from typing import Annotated

import strawberry

from domain.stories.buy import complete_purchase, purchase_credits
from domain.top_ups import TopUp as DomainTopUp
from schema.context import Info
from schema.errors import UserError, payment_errors
from schema.idempotency import key_description
from schema.ids import NOTHING, IdKind, decode
from schema.money_input import MoneyInput, amount_of
from schema.scalars import URL
from schema.top_ups import TopUp, load_top_up, universal_wallet
from schema.wallets import Wallet


@strawberry.input(description="Credits to buy, as the quote showed them.")
class PurchaseCreditsInput:
    idempotency_key: str = strawberry.field(description=key_description("purchase"))
    office_id: strawberry.ID = strawberry.field(description="The office that gets the credits and pays for them.")
    credits: MoneyInput = strawberry.field(description="What to buy, before tax.")
    expected_total: MoneyInput = strawberry.field(
        description="The `total` of the quote as the person saw it. If it is another by now, nothing is bought, and the"
        " error is QUOTE_CHANGED."
    )
    return_url: URL | None = strawberry.field(
        default=None,
        description="Where the bank sends the cardholder back to, when the payment has to be confirmed on a page.",
    )


async def _top_up(root: "PurchaseCreditsPayload | CompletePurchasePayload", info: Info) -> TopUp | None:
    return await load_top_up(info.context, root.done)


async def _wallet(root: "PurchaseCreditsPayload | CompletePurchasePayload", info: Info) -> Wallet | None:
    return await universal_wallet(info.context, root.done.office_id) if root.done else None


_WALLET_DESCRIPTION = "The office's universal credits as they now are. Null where there is no top-up."


@strawberry.type(description="What a purchase came to.")
class PurchaseCreditsPayload:
    done: strawberry.Private[DomainTopUp | None] = None
    top_up: TopUp | None = strawberry.field(
        resolver=_top_up,
        description="The purchase as it now is. SETTLED: the credits are there. REQUIRES_ACTION: see `nextAction`."
        " PENDING: the processor has not answered; it will settle or fail by itself, and must not be bought again."
        " FAILED: the `userErrors` say why. Null when nothing was tried.",
    )
    wallet: Wallet | None = strawberry.field(resolver=_wallet, description=_WALLET_DESCRIPTION)
    is_replayed: bool = strawberry.field(
        default=False, description="Whether this key had bought it before, and nothing was bought now."
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list,
        description="What stands in the way; nothing was charged. A card that was refused is told here too, beside the"
        " `topUp` that FAILED.",
    )


async def resolve_purchase_credits(
    info: Info, input: Annotated[PurchaseCreditsInput, strawberry.argument(description="The purchase.")]
) -> PurchaseCreditsPayload:
    context = info.context
    bought = await purchase_credits(
        context.begin,
        context.processors,
        context.viewer,
        decode(IdKind.OFFICE, input.office_id) or NOTHING,
        credits=amount_of(input.credits, "credits"),
        expected_total=amount_of(input.expected_total, "expectedTotal"),
        key=input.idempotency_key,
        return_url=input.return_url,
        now=context.now,
    )
    return PurchaseCreditsPayload(
        done=bought.top_up, is_replayed=bought.is_replayed, user_errors=payment_errors(bought.top_up)
    )


@strawberry.input(description="A purchase that the cardholder had to confirm, or that was left pending.")
class CompletePurchaseInput:
    top_up_id: strawberry.ID = strawberry.field(description="The top-up, `top_…`.")


@strawberry.type(description="What became of a purchase.")
class CompletePurchasePayload:
    done: strawberry.Private[DomainTopUp | None] = None
    top_up: TopUp | None = strawberry.field(
        resolver=_top_up, description="The purchase as it now is. Null when there is none."
    )
    wallet: Wallet | None = strawberry.field(resolver=_wallet, description=_WALLET_DESCRIPTION)
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why it failed, or what stands in the way; otherwise empty."
    )


async def resolve_complete_purchase(
    info: Info, input: Annotated[CompletePurchaseInput, strawberry.argument(description="The purchase.")]
) -> CompletePurchasePayload:
    context = info.context
    top_up = await complete_purchase(
        context.begin,
        context.processors,
        context.viewer,
        decode(IdKind.TOP_UP, input.top_up_id) or NOTHING,
        now=context.now,
    )
    return CompletePurchasePayload(done=top_up, user_errors=payment_errors(top_up))
