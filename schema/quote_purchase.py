"""What a purchase would come to, before anybody confirms it (R30)."""

from typing import Annotated
from uuid import UUID

import strawberry

from domain.errors import NotFound
from domain.stories.buy import Quote, quote_purchase
from schema.context import Info
from schema.errors import UserError, user_error
from schema.ids import NOTHING, IdKind, decode
from schema.money_input import MoneyInput, amount_of
from schema.office import Office, office_of
from schema.payment_methods import PaymentMethod, load_payment_method
from schema.scalars import Money, money
from schema.words import PaymentTerms


@strawberry.input(description="Credits somebody thinks of buying.")
class QuoteCreditPurchaseInput:
    office_id: strawberry.ID = strawberry.field(description="The office that would get the credits and pay for them.")
    credits: MoneyInput = strawberry.field(description="What to buy, before tax.")


async def _office(root: "CreditPurchaseQuote", info: Info) -> Office:
    row = await info.context.loaders.offices.load(root.office_id)
    if row is None:
        raise NotFound("This office is no longer there.")
    return office_of(row)


async def _payment_method(root: "CreditPurchaseQuote", info: Info) -> PaymentMethod | None:
    return await load_payment_method(info.context, root.card_id)


@strawberry.type(
    description="What a purchase would come to now. Nothing is promised or kept: `purchaseCredits` compares the total"
    " once more."
)
class CreditPurchaseQuote:
    office_id: strawberry.Private[UUID]
    card_id: strawberry.Private[UUID | None]
    office: Office = strawberry.field(resolver=_office, description="The office that would buy.")
    credits: Money = strawberry.field(description="What the wallet would get.")
    tax: Money = strawberry.field(description="The tax on top of it, half up to the currency's smallest unit.")
    total: Money = strawberry.field(
        description="What the card or the invoice would pay: the `expectedTotal` of `purchaseCredits`."
    )
    balance_after: Money = strawberry.field(
        description="What the universal credits would be then. Less than `credits` where usage has gone below zero: a"
        " purchase repays that first."
    )
    payment_terms: PaymentTerms = strawberry.field(description="How the office would pay.")
    payment_method: PaymentMethod | None = strawberry.field(
        resolver=_payment_method, description="The card that would pay; null when none is saved, and for invoices."
    )
    user_errors: list[UserError] = strawberry.field(
        description="Everything that would stop the purchase as it stands; empty when nothing would."
    )


def _shown(quote: Quote) -> CreditPurchaseQuote:
    billing = quote.billing
    has_card = billing.payment_terms is PaymentTerms.CARD and billing.card is not None
    return CreditPurchaseQuote(
        office_id=quote.office_id,
        card_id=billing.card.id if has_card and billing.card else None,
        credits=money(quote.credits_micros, billing.currency),
        tax=money(quote.tax_micros, billing.currency),
        total=money(quote.total_micros, billing.currency),
        balance_after=money(quote.balance_after_micros, billing.currency),
        payment_terms=billing.payment_terms,
        user_errors=[user_error(problem) for problem in quote.problems],
    )


async def resolve_quote_credit_purchase(
    info: Info, input: Annotated[QuoteCreditPurchaseInput, strawberry.argument(description="The purchase.")]
) -> CreditPurchaseQuote | None:
    context = info.context
    await context.renewed()
    try:
        quote = await quote_purchase(
            context.begin,
            context.viewer,
            decode(IdKind.OFFICE, input.office_id) or NOTHING,
            amount_of(input.credits, "credits"),
            now=context.now,
        )
    except NotFound:
        return None
    return _shown(quote)
