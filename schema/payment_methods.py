"""Cards, and what a cardholder has to do about one."""

from datetime import datetime
from uuid import UUID

import strawberry

from domain.payments import NextAction
from domain.periods import YearMonth, local_day
from schema.context import Context
from schema.ids import IdKind, encode
from schema.loaders import AnyRow
from schema.nodes import Node
from schema.payment_words import ProcessorKind
from schema.scalars import URL


@strawberry.type(
    description="A card an office pays with, as the processor describes it. Farebox never sees the number. A card that"
    " was replaced stays, for the top-ups it paid."
)
class PaymentMethod(Node):
    brand: str = strawberry.field(description="The card's brand as the processor calls it: `visa`.")
    last_four: str = strawberry.field(description="The last four digits of its number.")
    expires_month: YearMonth = strawberry.field(description="It is good until the end of this month.")
    is_expired: bool = strawberry.field(description="Whether that month is over, in the office's time zone.")


def payment_method_of(row: AnyRow, now: datetime) -> PaymentMethod:
    today = local_day(now, row.time_zone)
    return PaymentMethod(
        id=encode(IdKind.PAYMENT_METHOD, row.id),
        brand=row.brand,
        last_four=row.last_four,
        expires_month=YearMonth.from_number(row.expires_month),
        is_expired=YearMonth(today.year, today.month).number > row.expires_month,
    )


async def load_payment_method(context: Context, card_id: UUID | None) -> PaymentMethod | None:
    row = await context.loaders.payment_methods.load(card_id) if card_id else None
    return payment_method_of(row, context.now) if row else None


@strawberry.type(
    description="What the cardholder must do. With Stripe: confirm `clientSecret` with `publishableKey`. In the"
    " sandbox: open `redirectUrl`. Then call `completePurchase` for a payment, `savePaymentMethod` for a card."
)
class PaymentNextAction:
    processor: ProcessorKind = strawberry.field(description="Whose front end takes it on.")
    client_secret: str | None = strawberry.field(
        description="Stripe: the secret of the payment or of the card's setup, for Stripe.js and nobody else."
    )
    publishable_key: str | None = strawberry.field(description="Stripe: the key that Stripe.js is loaded with.")
    redirect_url: URL | None = strawberry.field(description="A page to send the cardholder to.")
    expires_at: datetime = strawberry.field(
        description="Until when. A payment that is not confirmed by then fails, and nothing is charged."
    )


def next_action_of(processor: ProcessorKind, action: NextAction, expires_at: datetime) -> PaymentNextAction:
    return PaymentNextAction(
        processor=processor,
        client_secret=action.client_secret,
        publishable_key=action.publishable_key,
        redirect_url=URL(action.redirect_url) if action.redirect_url else None,
        expires_at=expires_at,
    )
