"""Cards at Stripe, through its official SDK, against localstripe as a process of its own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import pytest

from api.payments.stripe import StripeProcessor
from domain.payments import (
    CardFacts,
    PaymentFailure,
    PaymentOrder,
    PaymentOutcome,
    PaymentState,
    ProcessorUnavailable,
)
from tests.api.payment_words import COMPANY, order, refund_order
from tests.api.stripe_words import (
    API_KEY,
    ASKS,
    DECLINES,
    PAYS,
    PUBLISHABLE_KEY,
    Cardholder,
    Network,
    localstripe,
    network,
)

PAID = PaymentOutcome(PaymentState.PAID)
NOT_STARTED = PaymentOutcome(PaymentState.NOT_STARTED)


def refused(failure: PaymentFailure) -> PaymentOutcome:
    return PaymentOutcome(PaymentState.REFUSED, failure)


def processor_at(address: str, **given: Any) -> StripeProcessor:
    return StripeProcessor(API_KEY, api_base=address, publishable_key=PUBLISHABLE_KEY, **given)


@pytest.fixture
async def processor(stripe_address: str) -> AsyncIterator[StripeProcessor]:
    processor = processor_at(stripe_address)
    yield processor
    processor.close()


@pytest.fixture
def net(stripe_address: str) -> Iterator[Network]:
    with network(stripe_address) as net:
        yield net


@pytest.fixture
async def far_processor(net: Network) -> AsyncIterator[StripeProcessor]:
    """It reaches Stripe over a network that loses answers."""
    processor = processor_at(net.address, answer_seconds=2)
    yield processor
    processor.close()


def order_with(cardholder: Cardholder, number: str = PAYS, **changes: Any) -> PaymentOrder:
    return order(cardholder.card(number), customer_id=cardholder.customer_id, **changes)


# ---------- saving a card ----------


async def test_a_card_is_saved_once_its_holder_has_entered_it(
    processor: StripeProcessor, cardholder: Cardholder
) -> None:
    begun = await processor.start_setup(COMPANY, uuid4(), None, "Card of HQ", None)
    assert begun.customer_id.startswith("cus_")
    assert str(begun.next_action.client_secret).startswith(begun.setup_id)
    assert begun.next_action.publishable_key == PUBLISHABLE_KEY
    assert await processor.finish_setup(COMPANY, begun.setup_id) is None

    cardholder.enter_card(begun.setup_id, PAYS)
    facts = await processor.finish_setup(COMPANY, begun.setup_id)

    assert isinstance(facts, CardFacts)
    assert facts._replace(method_id="") == CardFacts("", "visa", "4242", 203112)
    asked = order(facts.method_id, customer_id=begun.customer_id)
    assert await processor.charge(asked, await processor.prepare(asked)) == PAID


async def test_a_card_that_asks_its_holder_is_saved_after_that(
    processor: StripeProcessor, cardholder: Cardholder
) -> None:
    begun = await processor.start_setup(COMPANY, uuid4(), cardholder.customer_id, "Card of HQ", None)
    assert begun.customer_id == cardholder.customer_id
    cardholder.enter_card(begun.setup_id, ASKS)
    assert await processor.finish_setup(COMPANY, begun.setup_id) is None
    cardholder.confirm_setup(begun.setup_id)
    facts = await processor.finish_setup(COMPANY, begun.setup_id)
    assert facts is not None
    assert facts.last_four == "3155"


# ---------- charging ----------


async def test_a_payment_takes_money_when_it_is_charged_and_once(
    processor: StripeProcessor, cardholder: Cardholder
) -> None:
    asked = order_with(cardholder)
    payment_id = await processor.prepare(asked)
    assert await processor.ask(COMPANY, payment_id) == NOT_STARTED
    assert cardholder.charge_count(payment_id) == 0

    assert await processor.charge(asked, payment_id) == PAID
    assert await processor.charge(asked, payment_id) == PAID
    assert await processor.ask(COMPANY, payment_id) == PAID
    assert cardholder.charge_count(payment_id) == 1
    intent = cardholder.client.payment_intents.retrieve(payment_id)
    assert (intent.amount, intent.currency, intent.description) == (2178, "usd", "Universal credits, HQ")
    assert intent.metadata.to_dict() == {"company_id": str(COMPANY), "top_up_id": str(asked.top_up_id)}


async def test_eight_charges_at_once_take_money_once(processor: StripeProcessor, cardholder: Cardholder) -> None:
    asked = order_with(cardholder)
    payment_id = await processor.prepare(asked)
    told = await asyncio.gather(*(processor.charge(asked, payment_id) for _ in range(8)))

    assert told == [PAID] * 8
    assert cardholder.charge_count(payment_id) == 1


@pytest.mark.parametrize(
    ("number", "failure"),
    [
        (DECLINES, PaymentFailure.CARD_DECLINED),
        ("4000000000009995", PaymentFailure.INSUFFICIENT_FUNDS),
        ("4000000000000069", PaymentFailure.CARD_EXPIRED),
    ],
)
async def test_a_card_is_refused_for_its_reason_and_the_payment_cannot_be_tried_again(
    processor: StripeProcessor, cardholder: Cardholder, number: str, failure: PaymentFailure
) -> None:
    asked = order_with(cardholder, number)
    payment_id = await processor.prepare(asked)

    assert await processor.charge(asked, payment_id) == refused(failure)
    assert cardholder.status(payment_id) == "canceled"
    assert await processor.charge(asked, payment_id) == refused(failure)
    assert await processor.ask(COMPANY, payment_id) == refused(failure)
    assert await processor.cancel(COMPANY, payment_id) == refused(failure)


async def needs_cardholder(processor: StripeProcessor, asked: PaymentOrder) -> tuple[str, PaymentOutcome]:
    payment_id = await processor.prepare(asked)
    told = await processor.charge(asked, payment_id)
    assert told.state is PaymentState.NEEDS_CARDHOLDER
    assert await processor.charge(asked, payment_id) == told
    assert await processor.ask(COMPANY, payment_id) == told
    return payment_id, told


@pytest.mark.parametrize(("success", "outcome"), [(True, PAID), (False, refused(PaymentFailure.AUTHENTICATION_FAILED))])
async def test_a_payment_waits_for_its_cardholder(
    processor: StripeProcessor, cardholder: Cardholder, success: bool, outcome: PaymentOutcome
) -> None:
    asked = order_with(cardholder, ASKS)
    payment_id, told = await needs_cardholder(processor, asked)
    assert told.next_action is not None
    assert (told.next_action.publishable_key, told.next_action.redirect_url) == (PUBLISHABLE_KEY, None)

    cardholder.authenticate(payment_id, told.next_action.client_secret, success=success)

    assert await processor.ask(COMPANY, payment_id) == outcome
    assert await processor.charge(asked, payment_id) == outcome
    assert cardholder.status(payment_id) == ("succeeded" if success else "canceled")
    assert cardholder.charge_count(payment_id) == success


async def test_with_an_address_to_return_to_the_bank_has_a_page_of_its_own(
    processor: StripeProcessor, cardholder: Cardholder
) -> None:
    _, told = await needs_cardholder(processor, order_with(cardholder, ASKS, return_url="https://shop.example/back"))
    assert told.next_action is not None
    assert str(told.next_action.redirect_url).startswith("https://hooks.stripe.example/")


async def test_with_nobody_there_to_confirm_it_a_payment_is_refused(
    processor: StripeProcessor, cardholder: Cardholder
) -> None:
    asked = order_with(cardholder, ASKS, is_off_session=True)
    payment_id = await processor.prepare(asked)
    assert await processor.charge(asked, payment_id) == refused(PaymentFailure.AUTHENTICATION_FAILED)
    assert cardholder.status(payment_id) == "canceled"


async def test_a_payment_is_cancelled_until_it_is_paid(processor: StripeProcessor, cardholder: Cardholder) -> None:
    waiting = order_with(cardholder, ASKS)
    payment_id, _ = await needs_cardholder(processor, waiting)
    expired = refused(PaymentFailure.AUTHENTICATION_EXPIRED)
    assert await processor.cancel(COMPANY, payment_id) == expired
    assert await processor.cancel(COMPANY, payment_id) == expired
    assert await processor.charge(waiting, payment_id) == expired

    asked = order_with(cardholder)
    paid_id = await processor.prepare(asked)
    await processor.charge(asked, paid_id)
    assert await processor.cancel(COMPANY, paid_id) == PAID


# ---------- giving back ----------


async def test_the_same_refund_again_gives_nothing_more_back(
    processor: StripeProcessor, cardholder: Cardholder
) -> None:
    """localstripe ignores idempotency keys: what holds here is the mark on the refund."""
    asked = order_with(cardholder)
    payment_id = await processor.prepare(asked)
    await processor.charge(asked, payment_id)
    refund = refund_order(payment_id)

    first = await processor.refund(refund)
    assert (first.state, str(first.processor_refund_id)[:3]) == (PaymentState.PAID, "re_")
    assert await processor.refund(refund) == first
    assert (await processor.refund(refund_order(payment_id, 1178))).state is PaymentState.PAID
    assert sorted(cardholder.refunds(payment_id)) == [1000, 1178]
    assert (await processor.refund(refund_order(payment_id, 1))).state is PaymentState.REFUSED


async def test_what_was_not_paid_is_not_refunded(processor: StripeProcessor, cardholder: Cardholder) -> None:
    asked = order_with(cardholder, DECLINES)
    payment_id = await processor.prepare(asked)
    await processor.charge(asked, payment_id)
    assert (await processor.refund(refund_order(payment_id))).state is PaymentState.REFUSED


# ---------- what goes wrong on the way ----------


async def test_an_answer_lost_after_charging_is_asked_for(
    far_processor: StripeProcessor, net: Network, cardholder: Cardholder
) -> None:
    asked = order_with(cardholder)
    payment_id = await far_processor.prepare(asked)
    net.lose["POST /confirm"] = 1
    with pytest.raises(ProcessorUnavailable):
        await far_processor.charge(asked, payment_id)

    assert net.lose["POST /confirm"] == 0
    assert await far_processor.ask(COMPANY, payment_id) == PAID
    assert await far_processor.charge(asked, payment_id) == PAID
    assert cardholder.charge_count(payment_id) == 1


async def test_a_payment_whose_preparation_was_lost_never_takes_money(
    far_processor: StripeProcessor, net: Network, cardholder: Cardholder
) -> None:
    asked = order_with(cardholder)
    net.lose["POST /payment_intents"] = 1
    with pytest.raises(ProcessorUnavailable):
        await far_processor.prepare(asked)
    payment_id = await far_processor.prepare(asked)
    await far_processor.charge(asked, payment_id)

    made = cardholder.intents_of(asked.top_up_id)
    assert sorted(cardholder.charge_count(intent) for intent in made) == [0, 1]


async def test_a_refund_whose_answer_was_lost_is_found_again(
    far_processor: StripeProcessor, net: Network, cardholder: Cardholder
) -> None:
    asked = order_with(cardholder)
    payment_id = await far_processor.prepare(asked)
    await far_processor.charge(asked, payment_id)
    refund = refund_order(payment_id)
    net.lose["POST /refunds"] = 1
    with pytest.raises(ProcessorUnavailable):
        await far_processor.refund(refund)
    assert (await far_processor.refund(refund)).state is PaymentState.PAID
    assert cardholder.refunds(payment_id) == [1000]


async def test_a_stripe_that_hangs_is_not_waited_for_for_ever(net: Network, cardholder: Cardholder) -> None:
    processor = processor_at(net.address, answer_seconds=0.3)
    asked = order_with(cardholder)
    payment_id = await processor.prepare(asked)
    net.hang_seconds = 1.5
    with pytest.raises(ProcessorUnavailable):
        await processor.charge(asked, payment_id)
    net.hang_seconds = 0
    assert (await processor.ask(COMPANY, payment_id)).state in {PaymentState.PAID, PaymentState.NOT_STARTED}
    assert await processor.charge(asked, payment_id) == PAID
    assert cardholder.charge_count(payment_id) == 1
    processor.close()


async def test_a_stripe_that_is_not_there_is_unavailable() -> None:
    processor = processor_at("http://127.0.0.1:9")
    asked = order("pm_1")
    for call in (
        processor.prepare(asked),
        processor.charge(asked, "pi_1"),
        processor.ask(COMPANY, "pi_1"),
        processor.cancel(COMPANY, "pi_1"),
        processor.start_setup(COMPANY, uuid4(), None, "HQ", None),
        processor.finish_setup(COMPANY, "seti_1"),
        processor.refund(refund_order("pi_1")),
    ):
        with pytest.raises(ProcessorUnavailable):
            await call
    processor.close()


async def test_what_stripe_does_not_know_is_unavailable(processor: StripeProcessor) -> None:
    for call in (
        processor.ask(COMPANY, "pi_unknown"),
        processor.cancel(COMPANY, "pi_unknown"),
        processor.finish_setup(COMPANY, "seti_unknown"),
        processor.refund(refund_order("pi_unknown")),
    ):
        with pytest.raises(ProcessorUnavailable):
            await call


async def test_a_key_that_stripe_does_not_take_is_told_to_the_operator(
    stripe_address: str, caplog: pytest.LogCaptureFixture
) -> None:
    processor = StripeProcessor("not-a-key", api_base=stripe_address)
    with pytest.raises(ProcessorUnavailable):
        await processor.ask(COMPANY, "pi_1")
    assert "does not take this API key" in caplog.text
    assert "not-a-key" not in caplog.text
    processor.close()


async def test_a_look_alike_that_knows_fewer_parameters_does_as_well() -> None:
    with localstripe("stock") as address:
        cardholder, processor = Cardholder(address), processor_at(address)
        for changes in ({"return_url": "https://shop.example/back"}, {"is_off_session": True}, {}):
            asked = order_with(cardholder, **changes)
            payment_id = await processor.prepare(asked)
            assert await processor.charge(asked, payment_id) == PAID
            assert cardholder.charge_count(payment_id) == 1
        asked = order_with(cardholder, DECLINES)
        payment_id = await processor.prepare(asked)
        assert await processor.charge(asked, payment_id) == refused(PaymentFailure.CARD_DECLINED)
        processor.close()
