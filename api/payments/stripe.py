"""Cards at Stripe, as PaymentIntents of saved payment methods (https://docs.stripe.com/payments/save-and-reuse).

An intent is made unconfirmed, its id written down by the caller, and then confirmed: an intent takes money once,
whatever is lost on the way. Idempotency keys are sent as well, but nothing here relies on them.
"""

import logging
from typing import Any, Final
from uuid import UUID

import stripe

from api.payments.stripe_api import ANSWER_SECONDS, StripeApi, key_of
from api.payments.stripe_outcomes import (
    ABANDONED,
    failure_of,
    has_failed,
    is_missing,
    payment_outcome,
    refund_outcome,
    refusal_of,
)
from domain.payments import (
    CardFacts,
    NextAction,
    PaymentFailure,
    PaymentOrder,
    PaymentOutcome,
    PaymentRefused,
    PaymentState,
    ProcessorKind,
    ProcessorUnavailable,
    RefundOrder,
    RefundOutcome,
    SetupStarted,
)

logger = logging.getLogger(__name__)

MAX_NOTE_CHARACTERS = 500
"""Of a value in Stripe's metadata."""
PAGE_SIZE = 100


class StripeProcessor:
    """See `domain.payments.PaymentProcessor`."""

    kind: Final = ProcessorKind.STRIPE

    def __init__(
        self,
        api_key: str,
        *,
        api_base: str | None = None,
        publishable_key: str | None = None,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._api = StripeApi(api_key, base=api_base, answer_seconds=answer_seconds)
        self._stripe = self._api.client.v1
        self._publishable_key = publishable_key

    def close(self) -> None:
        self._api.close()

    async def prepare(self, order: PaymentOrder) -> str:
        params = {
            "amount": order.amount_minor,
            "currency": order.currency.lower(),
            "customer": order.customer_id,
            "payment_method": order.method_id,
            "payment_method_types": ["card"],
            "metadata": {"company_id": str(order.company_id), "top_up_id": str(order.top_up_id)},
        }
        more = {"description": order.description}
        try:
            intent = await self._api.call_knowing(
                self._stripe.payment_intents.create,
                params=params,
                more=more,
                options={"idempotency_key": key_of(str(order.top_up_id), params, more)},
            )
        except (stripe.InvalidRequestError, stripe.CardError) as error:
            logger.warning("Stripe refuses a new payment: %s.", _name(error))
            raise PaymentRefused(refusal_of(error)) from error
        return intent.id

    async def charge(self, order: PaymentOrder, payment_id: str) -> PaymentOutcome:
        intent = await self._retrieve(payment_id)
        if payment_outcome(intent, None).state is PaymentState.NOT_STARTED and not has_failed(intent):
            return await self._confirm(order, intent)
        return await self._told(intent)

    async def ask(self, company_id: UUID, payment_id: str) -> PaymentOutcome:
        """A payment that was tried in vain is cancelled on the way: else the cardholder could still pay it."""
        return await self._told(await self._retrieve(payment_id))

    async def cancel(self, company_id: UUID, payment_id: str) -> PaymentOutcome:
        return payment_outcome(await self._cancelled(payment_id, ABANDONED), self._publishable_key)

    async def start_setup(
        self, company_id: UUID, setup_id: UUID, customer_id: str | None, description: str, return_url: str | None
    ) -> SetupStarted:
        """A customer that is gone from Stripe is replaced, once: else its office could never save a card again."""
        metadata = {"company_id": str(company_id), "setup_id": str(setup_id)}
        try:
            if customer_id is not None:
                try:
                    return await self._new_setup(customer_id, metadata)
                except stripe.InvalidRequestError as error:
                    if not is_missing(error):
                        raise
                    logger.warning("A customer is gone from Stripe; its office is given a new one.")
            return await self._new_setup(await self._new_customer(description, metadata), metadata)
        except (stripe.InvalidRequestError, stripe.CardError) as error:
            raise _refused("a card to be saved", error) from error

    async def finish_setup(self, company_id: UUID, setup_id: str) -> CardFacts | None:
        try:
            setup = await self._api.call(self._stripe.setup_intents.retrieve, setup_id)
            if setup.status != "succeeded" or setup.payment_method is None:
                return None
            method_id = setup.payment_method if isinstance(setup.payment_method, str) else setup.payment_method.id
            method = await self._api.call(self._stripe.payment_methods.retrieve, method_id)
        except (stripe.InvalidRequestError, stripe.CardError) as error:
            raise _refused("a card that was saved", error) from error
        card = method.card
        if card is None:
            return None
        return CardFacts(method.id, card.brand, card.last4, card.exp_year * 100 + card.exp_month)

    async def refund(self, order: RefundOrder) -> RefundOutcome:
        """Looks for its own mark among the payment's refunds before it makes one."""
        mark = str(order.refund_id)
        for refund in await self.refunds_of(order.payment_id):
            if _metadata(refund).get("refund_id") == mark:
                return refund_outcome(refund)
        metadata = {
            "company_id": str(order.company_id),
            "refund_id": mark,
            "reason": order.reason[:MAX_NOTE_CHARACTERS],
        }
        params = {"payment_intent": order.payment_id, "amount": order.amount_minor, "metadata": metadata}
        try:
            made = await self._api.call(self._stripe.refunds.create, params=params, options={"idempotency_key": mark})
        except (stripe.InvalidRequestError, stripe.CardError) as error:
            logger.warning("Stripe refuses a refund: %s.", _name(error))
            return RefundOutcome(PaymentState.REFUSED)
        return refund_outcome(made)

    async def refunds_of(self, payment_id: str) -> list[stripe.Refund]:
        """All of a payment, however and by whomever they were made. Raises ProcessorUnavailable."""
        params = {"payment_intent": payment_id, "limit": PAGE_SIZE}

        def read() -> list[stripe.Refund]:
            return list(self._stripe.refunds.list(params=params).auto_paging_iter())  # type: ignore[arg-type]

        try:
            return await self._api.call(read)
        except stripe.InvalidRequestError as error:
            raise _refused("the refunds of a payment", error) from error

    async def _confirm(self, order: PaymentOrder, intent: stripe.PaymentIntent) -> PaymentOutcome:
        params = {} if intent.payment_method else {"payment_method": order.method_id}
        more: dict[str, Any] = {}
        if order.is_off_session:
            more = {"off_session": True}
        elif order.return_url:
            more = {"return_url": order.return_url}
        confirm = self._stripe.payment_intents.confirm
        try:
            return await self._told(await self._api.call_knowing(confirm, intent.id, params=params, more=more))
        except stripe.CardError:
            return await self._told(await self._retrieve(intent.id))
        except stripe.InvalidRequestError as error:
            # It moved on since it was read; or it cannot be charged at all, its card being gone from Stripe.
            logger.warning("Stripe refuses to charge a payment: %s.", _name(error))
            found = await self._retrieve(intent.id)
            if found.status != intent.status or has_failed(found):
                return await self._told(found)
            return await self._ended(found.id, refusal_of(error))

    async def _told(self, intent: stripe.PaymentIntent) -> PaymentOutcome:
        if has_failed(intent):
            return await self._ended(intent.id, failure_of(intent))
        return payment_outcome(intent, self._publishable_key)

    async def _ended(self, payment_id: str, failure: PaymentFailure) -> PaymentOutcome:
        """Cancelled because of this failure, unless it was paid after all."""
        outcome = payment_outcome(await self._cancelled(payment_id), self._publishable_key)
        return outcome._replace(failure=failure) if outcome.state is PaymentState.REFUSED else outcome

    async def _cancelled(self, payment_id: str, reason: str | None = None) -> stripe.PaymentIntent:
        more = {"cancellation_reason": reason} if reason else {}
        try:
            return await self._api.call_knowing(self._stripe.payment_intents.cancel, payment_id, params={}, more=more)
        except stripe.InvalidRequestError:  # too late: it succeeded, is under way, or was cancelled before
            return await self._retrieve(payment_id)

    async def _retrieve(self, payment_id: str) -> stripe.PaymentIntent:
        try:
            return await self._api.call(self._stripe.payment_intents.retrieve, payment_id)
        except stripe.InvalidRequestError as error:
            raise _refused("a payment", error) from error

    async def _new_customer(self, description: str, metadata: dict[str, str]) -> str:
        params = {"description": description, "metadata": metadata}
        options = {"idempotency_key": key_of(metadata["setup_id"], params)}
        customer = await self._api.call(self._stripe.customers.create, params=params, options=options)
        return customer.id

    async def _new_setup(self, customer_id: str, metadata: dict[str, str]) -> SetupStarted:
        params = {
            "customer": customer_id,
            "usage": "off_session",
            "payment_method_types": ["card"],
            "metadata": metadata,
        }
        options = {"idempotency_key": key_of(metadata["setup_id"], params)}
        setup = await self._api.call(self._stripe.setup_intents.create, params=params, options=options)
        return SetupStarted(customer_id, setup.id, NextAction(setup.client_secret, self._publishable_key))


def _refused(what: str, error: stripe.StripeError) -> ProcessorUnavailable:
    """Stripe refuses what should be right: another account, or something deleted there. Nothing was charged."""
    logger.warning("Stripe refuses %s: %s.", what, _name(error))
    return ProcessorUnavailable(f"Stripe refuses {what}.")


def _name(error: stripe.StripeError) -> str:
    return error.code or type(error).__name__


def _metadata(refund: stripe.Refund) -> dict[str, str]:
    return refund.metadata.to_dict() if refund.metadata is not None else {}
