"""Saving a card: it is entered at the processor, and Farebox learns its brand and last four digits."""

from typing import Annotated
from uuid import UUID

import strawberry

from domain.stories.buy import SetupBegun, save_card, start_card_setup
from domain.top_ups import Card
from schema.context import Info
from schema.errors import UserError
from schema.ids import NOTHING, IdKind, decode, encode
from schema.office import Office, office_of
from schema.payment_methods import PaymentMethod, PaymentNextAction, load_payment_method, next_action_of
from schema.scalars import URL


@strawberry.input(description="An office that wants to save a card.")
class StartPaymentMethodSetupInput:
    office_id: strawberry.ID = strawberry.field(description="The office whose card it will be.")
    return_url: URL | None = strawberry.field(
        default=None, description="Where the processor's page sends the cardholder back to, if it has one."
    )


@strawberry.type(description="A card about to be saved.")
class StartPaymentMethodSetupPayload:
    setup_id: strawberry.ID | None = strawberry.field(
        default=None, description="To be named in `savePaymentMethod`, `set_…`. Null when there are `userErrors`."
    )
    next_action: PaymentNextAction | None = strawberry.field(
        default=None, description="Where the cardholder enters the card. Null when there are `userErrors`."
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="What stands in the way; then nothing was changed."
    )


def _begun(begun: SetupBegun) -> StartPaymentMethodSetupPayload:
    return StartPaymentMethodSetupPayload(
        setup_id=encode(IdKind.CARD_SETUP, begun.setup_id),
        next_action=next_action_of(begun.processor, begun.next_action, begun.expires_at),
    )


async def resolve_start_payment_method_setup(
    info: Info, input: Annotated[StartPaymentMethodSetupInput, strawberry.argument(description="The office.")]
) -> StartPaymentMethodSetupPayload:
    context = info.context
    return _begun(
        await start_card_setup(
            context.begin,
            context.processors,
            context.viewer,
            decode(IdKind.OFFICE, input.office_id) or NOTHING,
            return_url=input.return_url,
            now=context.now,
        )
    )


@strawberry.input(description="A card that the cardholder has entered.")
class SavePaymentMethodInput:
    office_id: strawberry.ID = strawberry.field(description="The office whose card it becomes, in place of an earlier.")
    setup_id: strawberry.ID = strawberry.field(description="The `setupId` of `startPaymentMethodSetup`.")


async def _office(root: "SavePaymentMethodPayload", info: Info) -> Office | None:
    row = await info.context.loaders.offices.load(root.office_id) if root.office_id else None
    return office_of(row) if row else None


async def _payment_method(root: "SavePaymentMethodPayload", info: Info) -> PaymentMethod | None:
    return await load_payment_method(info.context, root.card.id if root.card else None)


@strawberry.type(description="What became of a card that was to be saved. Saving it again changes nothing.")
class SavePaymentMethodPayload:
    office_id: strawberry.Private[UUID | None] = None
    card: strawberry.Private[Card | None] = None
    office: Office | None = strawberry.field(
        resolver=_office, description="The office as it now is. Null when there are `userErrors`."
    )
    payment_method: PaymentMethod | None = strawberry.field(
        resolver=_payment_method, description="The card. Null when there are `userErrors`."
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list,
        description="What stands in the way, such as a cardholder who has not finished; then nothing was changed.",
    )


async def resolve_save_payment_method(
    info: Info, input: Annotated[SavePaymentMethodInput, strawberry.argument(description="The card.")]
) -> SavePaymentMethodPayload:
    context = info.context
    office_id = decode(IdKind.OFFICE, input.office_id) or NOTHING
    card = await save_card(
        context.begin,
        context.processors,
        context.viewer,
        office_id,
        decode(IdKind.CARD_SETUP, input.setup_id) or NOTHING,
        now=context.now,
    )
    return SavePaymentMethodPayload(office_id=office_id, card=card)
