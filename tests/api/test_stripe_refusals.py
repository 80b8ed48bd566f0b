"""What Stripe refuses for good is not asked for again; what only the operator can mend is."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from api.payments.stripe import StripeProcessor
from domain.payments import PaymentFailure, PaymentOutcome, PaymentRefused, PaymentState, ProcessorUnavailable
from tests.api.payment_words import COMPANY, order
from tests.api.stripe_words import API_KEY, DECLINES, PAYS, Cardholder, localstripe, network

DECLINED = PaymentOutcome(PaymentState.REFUSED, PaymentFailure.CARD_DECLINED)


@pytest.fixture
async def processor(stripe_address: str) -> AsyncIterator[StripeProcessor]:
    processor = StripeProcessor(API_KEY, api_base=stripe_address)
    yield processor
    processor.close()


def order_with(cardholder: Cardholder, method_id: str | None = None, **changes: Any) -> Any:
    given = {"customer_id": cardholder.customer_id, **changes}
    return order(method_id or cardholder.card(PAYS), **given)


def detached(cardholder: Cardholder, method_id: str) -> str:
    cardholder.client.payment_methods.detach(method_id)
    return method_id


# ---------- payments ----------


async def test_a_payment_that_stripe_will_never_make_is_refused(
    processor: StripeProcessor, cardholder: Cardholder
) -> None:
    for asked in (
        order_with(cardholder, "pm_unknown"),
        order_with(cardholder, detached(cardholder, cardholder.card(PAYS))),
        order_with(cardholder, customer_id="cus_unknown"),
        order_with(cardholder, amount_minor=49),
        order_with(cardholder, amount_minor=0),
    ):
        with pytest.raises(PaymentRefused) as refused:
            await processor.prepare(asked)
        assert refused.value.failure is PaymentFailure.CARD_DECLINED
        assert cardholder.intents_of(asked.top_up_id) == []


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, {"type": "idempotency_error"}),
        (400, {"type": "invalid_request_error", "code": "rate_limit"}),
        (400, {"type": "invalid_request_error", "code": "testmode_charges_only"}),
        (401, {"type": "invalid_request_error"}),
        (403, {"type": "invalid_request_error"}),
        (409, {"type": "idempotency_error", "code": "idempotency_key_in_use"}),
        (429, {"type": "invalid_request_error", "code": "lock_timeout"}),
        (500, {"type": "api_error"}),
    ],
)
async def test_what_may_be_otherwise_the_next_time_is_no_refusal(
    cardholder: Cardholder, status: int, error: dict[str, str]
) -> None:
    with network(cardholder.address) as net:
        processor = StripeProcessor(API_KEY, api_base=net.address)
        net.refuse["POST /payment_intents"] = (status, error)
        asked = order_with(cardholder)
        with pytest.raises(ProcessorUnavailable):
            await processor.prepare(asked)
        assert not net.refuse
        assert (await processor.charge(asked, await processor.prepare(asked))).state is PaymentState.PAID
        processor.close()


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        ({"code": "expired_card"}, PaymentFailure.CARD_EXPIRED),
        ({"code": "card_declined", "decline_code": "insufficient_funds"}, PaymentFailure.INSUFFICIENT_FUNDS),
        ({"code": "card_declined", "decline_code": "lost_card"}, PaymentFailure.CARD_DECLINED),
    ],
)
async def test_a_card_that_is_refused_before_its_charge_is_refused_for_its_reason(
    cardholder: Cardholder, error: dict[str, str], failure: PaymentFailure
) -> None:
    with network(cardholder.address) as net:
        processor = StripeProcessor(API_KEY, api_base=net.address)
        net.refuse["POST /payment_intents"] = (402, {"type": "card_error", **error})
        with pytest.raises(PaymentRefused) as refused:
            await processor.prepare(order_with(cardholder))
        assert refused.value.failure is failure
        processor.close()


async def test_a_payment_whose_card_has_gone_is_declined_and_stays_so(
    processor: StripeProcessor, cardholder: Cardholder
) -> None:
    asked = order_with(cardholder)
    payment_id = await processor.prepare(asked)
    detached(cardholder, asked.method_id)

    assert await processor.charge(asked, payment_id) == DECLINED
    assert cardholder.status(payment_id) == "canceled"
    assert await processor.ask(COMPANY, payment_id) == DECLINED
    assert await processor.charge(asked, payment_id) == DECLINED
    assert await processor.cancel(COMPANY, payment_id) == DECLINED


async def test_a_look_alike_that_knows_no_reasons_of_cancellations_cancels_as_well() -> None:
    with localstripe("stock") as address:
        cardholder = Cardholder(address)
        processor = StripeProcessor(API_KEY, api_base=address)
        payment_id = await processor.prepare(order_with(cardholder))
        assert (await processor.cancel(COMPANY, payment_id)).state is PaymentState.REFUSED
        assert cardholder.status(payment_id) == "canceled"
        processor.close()


async def test_a_payment_is_prepared_again_after_its_office_was_renamed(
    processor: StripeProcessor, cardholder: Cardholder
) -> None:
    """Stripe refuses a key that comes back with other parameters."""
    asked = order_with(cardholder)
    await processor.prepare(asked)
    renamed = asked._replace(description="Universal credits, Head office")
    payment_id = await processor.prepare(renamed)

    assert (await processor.charge(renamed, payment_id)).state is PaymentState.PAID
    taken = [cardholder.charge_count(intent) for intent in cardholder.intents_of(asked.top_up_id)]
    assert sum(taken) == 1


# ---------- saving a card ----------


async def test_a_customer_that_has_gone_is_replaced(processor: StripeProcessor, cardholder: Cardholder) -> None:
    cardholder.client.customers.delete(cardholder.customer_id)
    for gone in (cardholder.customer_id, "cus_of_another_account"):
        begun = await processor.start_setup(COMPANY, uuid4(), gone, "Card of HQ", None)
        assert begun.customer_id not in ("", gone)
        assert cardholder.client.customers.retrieve(begun.customer_id).description == "Card of HQ"

        cardholder.enter_card(begun.setup_id, PAYS)
        facts = await processor.finish_setup(COMPANY, begun.setup_id)
        assert facts is not None
        asked = order(facts.method_id, customer_id=begun.customer_id)
        assert (await processor.charge(asked, await processor.prepare(asked))).state is PaymentState.PAID


async def test_a_new_customer_is_tried_once(cardholder: Cardholder) -> None:
    missing = (404, {"type": "invalid_request_error", "code": "resource_missing"})
    with network(cardholder.address) as net:
        processor = StripeProcessor(API_KEY, api_base=net.address)
        net.refuse["POST /customers"] = missing
        with pytest.raises(ProcessorUnavailable):
            await processor.start_setup(COMPANY, uuid4(), "cus_unknown", "Card of HQ", None)
        net.refuse["POST /setup_intents"] = missing
        with pytest.raises(ProcessorUnavailable):
            await processor.start_setup(COMPANY, uuid4(), None, "Card of HQ", None)
        assert not net.refuse
        processor.close()


async def test_a_setup_is_started_again_after_its_office_was_renamed(
    processor: StripeProcessor, cardholder: Cardholder
) -> None:
    setup_id = uuid4()
    for customer_id in (None, cardholder.customer_id):
        for name in ("HQ", "Head office"):
            assert await processor.start_setup(COMPANY, setup_id, customer_id, f"Card of {name}", None)


# ---------- the key ----------


async def test_a_key_that_stripe_does_not_take_is_told_once_and_refuses_nothing(
    stripe_address: str, cardholder: Cardholder, caplog: pytest.LogCaptureFixture
) -> None:
    processor = StripeProcessor("not-a-key", api_base=stripe_address)
    for _ in range(3):
        with pytest.raises(ProcessorUnavailable):
            await processor.prepare(order_with(cardholder, cardholder.card(DECLINES)))
    told = [record.getMessage() for record in caplog.records if record.name.startswith("api.payments")]
    assert told == ["Stripe does not take this API key for what is asked (401)."]
    assert "not-a-key" not in caplog.text
    processor.close()
