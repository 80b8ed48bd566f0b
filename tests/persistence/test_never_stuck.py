"""No recharge and no purchase waits for ever, and none charges a card that nobody wants charged any more (R29, R35)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from domain.auto_recharge import RechargeState
from domain.money import parse_micros
from domain.payments import PaymentFailure, PaymentState, ProcessorKind, Processors
from domain.provisioning import OfficePlan, PaymentTerms
from domain.top_ups import TopUpReason, TopUpState
from persistence.database import Database
from persistence.tables.activity import ACTIVITY
from tests.proof import assert_books_hold
from tests.recharging import Recharging, with_credits
from tests.scripted_processor import Deed, ScriptedProcessor
from tests.world import START, World


class OtherProcessor(ScriptedProcessor):
    kind = ProcessorKind.STRIPE


@dataclass
class Moving(Recharging):
    """Its cards are charged by one processor, until the operator sets up another one in its place."""

    other: OtherProcessor = field(default_factory=OtherProcessor)
    is_moved: bool = False

    @property
    def processors(self) -> Processors:
        return Processors(self.other if self.is_moved else self.processor)


@pytest.fixture
async def shop(database: Database) -> AsyncIterator[Moving]:
    """Below 5.00 an office that holds 10.00 is recharged with 20.00; every story ends with the proof of the books."""
    shop = Moving(World(database, now=START + timedelta(days=1)))
    await shop.open(with_credits("10"))
    await shop.configure()
    yield shop
    for top_up in await shop.top_ups():
        is_paid = top_up.state is TopUpState.SETTLED and top_up.payment_terms is PaymentTerms.CARD
        charged = shop.processor.charge_count(top_up.id) + shop.other.charge_count(top_up.id)
        assert charged == int(is_paid), top_up
    await assert_books_hold(database)


async def waiting_recharge(shop: Moving) -> None:
    """The processor is down, and the recharge waits without a payment."""
    shop.processor.is_down = True
    await shop.spend(6)
    await shop.work()
    assert await shop.told() == ["PENDING 20"]


def without_amounts(told: list[str]) -> list[str]:
    return [" ".join(line.split()[::2]) for line in told]


# ---------- a payment that cannot be prepared ----------


async def test_a_recharge_that_the_processor_refuses_to_prepare_is_a_decline(shop: Moving) -> None:
    shop.processor.refuses_payments = PaymentFailure.CARD_DECLINED
    await shop.spend(6)
    await shop.work()
    assert await shop.told() == ["FAILED 20 CARD_DECLINED"]
    assert (await shop.settings()).retry_at == shop.world.now + timedelta(hours=1)
    shop.processor.refuses_payments = None
    shop.wait(hours=1)
    await shop.work()
    assert await shop.told() == ["FAILED 20 CARD_DECLINED", "SETTLED 20"]


async def test_a_purchase_that_the_processor_refuses_to_prepare_is_declined(shop: Moving) -> None:
    shop.processor.refuses_payments = PaymentFailure.CARD_EXPIRED
    bought = await shop.buy()
    assert (bought.top_up.state, bought.top_up.reason) == (TopUpState.FAILED, TopUpReason.CARD_EXPIRED)
    assert (await shop.settings()).decline_count == 0
    assert await shop.settle() == 0


async def test_a_recharge_whose_processor_is_not_set_up_backs_off_and_is_switched_off(shop: Moving) -> None:
    shop.is_moved = True
    begun = shop.world.now
    await shop.spend(6)
    for _ in range(60):
        await shop.work()
        shop.wait(hours=1)
    failed = [one for one in await shop.recharges() if one.state is TopUpState.FAILED]
    assert [one.reason for one in failed] == [TopUpReason.PROCESSOR_UNAVAILABLE] * 4
    assert [(one.created_at - begun) // timedelta(hours=1) for one in failed] == [0, 1, 7, 31]
    assert (await shop.shown()).standing.state is RechargeState.SWITCHED_OFF_AFTER_DECLINES
    assert await shop.world.database.rows(ACTIVITY.select().where(ACTIVITY.c.action == "switchOffAutoRecharge"))


async def test_a_card_saved_at_the_new_processor_goes_on_at_once(shop: Moving) -> None:
    await waiting_recharge(shop)
    shop.is_moved = True
    shop.other.cards, shop.other.deeds = shop.processor.cards, shop.processor.deeds
    await shop.save_card()
    await shop.work()
    shop.wait(minutes=5)
    await shop.work()
    assert (await shop.recharges())[-1].state is TopUpState.SETTLED
    assert ((await shop.settings()).decline_count, shop.other.charge_count()) == (0, 1)


async def test_a_purchase_whose_processor_is_not_set_up_fails_at_once(shop: Moving) -> None:
    shop.is_moved = True
    bought = await shop.buy()
    assert (bought.top_up.state, bought.top_up.reason) == (TopUpState.FAILED, TopUpReason.PROCESSOR_UNAVAILABLE)


async def test_a_recharge_that_no_processor_answers_ends_after_a_day_and_is_judged_again(shop: Moving) -> None:
    shop.processor.is_down = True
    await shop.spend(6)
    for _ in range(30):
        await shop.work()
        shop.wait(hours=1)
    assert await shop.told() == ["FAILED 20 PROCESSOR_UNAVAILABLE", "PENDING 20"]
    settings = await shop.settings()
    assert (settings.decline_count, settings.is_enabled) == (0, True)
    shop.processor.is_down = False
    await shop.work()
    assert await shop.told() == ["FAILED 20 PROCESSOR_UNAVAILABLE", "SETTLED 20"]


async def test_a_recharge_with_a_payment_is_asked_for_however_long_it_takes(shop: Moving) -> None:
    shop.processor.mishap("charge", after=True)
    await shop.spend(6)
    await shop.work()
    shop.is_moved = True
    for _ in range(4):
        shop.wait(days=1)
        await shop.work()
    assert await shop.told() == ["PENDING 20"]
    shop.is_moved = False
    shop.wait(days=1)
    await shop.work()
    assert await shop.told() == ["SETTLED 20"]


async def test_a_confirmation_that_is_over_ends_though_its_processor_is_not_set_up(shop: Moving) -> None:
    await shop.save_card(deed=Deed.ASK_CARDHOLDER)
    waiting = (await shop.buy()).top_up
    assert waiting.state is TopUpState.REQUIRES_ACTION
    shop.is_moved = True
    shop.wait(minutes=30)
    assert (await shop.complete(waiting)).state is TopUpState.REQUIRES_ACTION
    shop.wait(minutes=30)
    await shop.settle()
    expired = await shop.now_is(waiting)
    assert (expired.state, expired.reason) == (TopUpState.FAILED, TopUpReason.AUTHENTICATION_EXPIRED)
    shop.is_moved = False
    shop.processor.confirm(waiting.id)
    await shop.hear(waiting)
    assert (await shop.now_is(waiting)).state is TopUpState.SETTLED, "money is never missing"


# ---------- a card that nobody wants charged any more ----------


@pytest.mark.parametrize("is_answering", [True, False])
async def test_a_recharge_that_waited_until_it_was_switched_off_charges_nothing(
    shop: Moving, is_answering: bool
) -> None:
    await waiting_recharge(shop)
    await shop.configure(on=False)
    shop.processor.is_down = not is_answering
    shop.wait(minutes=5)
    await shop.work()
    assert await shop.told() == ["FAILED 20 PROCESSOR_UNAVAILABLE"]
    assert {payment.state for payment in shop.processor.payments.values()} <= {PaymentState.REFUSED}
    assert (await shop.shown()).standing.state is RechargeState.OFF


async def test_a_recharge_that_waited_charges_the_card_saved_since(shop: Moving) -> None:
    await waiting_recharge(shop)
    shop.processor.is_down = False
    card = await shop.save_card(last_four="0002")
    shop.wait(minutes=5)
    await shop.work()
    told = without_amounts(await shop.told())
    assert told == ["FAILED PROCESSOR_UNAVAILABLE", "SKIPPED ALREADY_IN_FLIGHT", "SETTLED"]
    [paid] = [one for one in await shop.recharges() if one.state is TopUpState.SETTLED]
    assert paid.payment_method_id == card.id
    assert (await shop.settings()).decline_count == 0


async def test_a_recharge_that_waited_until_the_office_paid_by_invoice_is_put_on_invoice(shop: Moving) -> None:
    await waiting_recharge(shop)
    await shop.world.apply(with_credits("10", payment_terms=PaymentTerms.INVOICE))
    shop.processor.is_down = False
    shop.wait(minutes=5)
    await shop.settle()
    assert await shop.told() == ["FAILED 20 PROCESSOR_UNAVAILABLE", "SETTLED 20"]
    assert shop.processor.charge_count() == 0


async def test_a_payment_that_was_never_charged_is_cancelled_when_it_was_switched_off_meanwhile(shop: Moving) -> None:
    shop.processor.mishap("charge")
    await shop.spend(6)
    await shop.work()
    await shop.configure(on=False)
    shop.wait(minutes=5)
    await shop.work()
    assert await shop.told() == ["FAILED 20 PROCESSOR_UNAVAILABLE"]
    assert [payment.state for payment in shop.processor.payments.values()] == [PaymentState.REFUSED]
    assert (await shop.settings()).decline_count == 0


async def test_a_recharge_that_was_charged_is_settled_though_it_was_switched_off_meanwhile(shop: Moving) -> None:
    shop.processor.mishap("charge", after=True)
    await shop.spend(6)
    await shop.work()
    await shop.configure(on=False)
    shop.wait(minutes=5)
    await shop.work()
    assert await shop.told() == ["SETTLED 20"]


# ---------- terms, limits and suspension ----------


def invoiced(limit: str | None) -> OfficePlan:
    micros = None if limit is None else parse_micros(limit)
    return with_credits("10", payment_terms=PaymentTerms.INVOICE, invoice_limit_micros=micros)


async def test_an_invoiced_recharge_is_cut_to_what_may_still_be_owed(shop: Moving) -> None:
    await shop.world.apply(invoiced("50"))
    await shop.spend(50)
    assert await shop.told() == ["SETTLED 40"], "three would close it; two with tax come to 43.55"
    assert (await shop.shown()).standing.state is RechargeState.CAP_REACHED
    await shop.spend(1)
    assert await shop.told() == ["SETTLED 40", "SKIPPED 20 INVOICE_LIMIT"]


@pytest.mark.parametrize("is_company_s", [False, True])
async def test_a_higher_limit_is_judged_at_once(shop: Moving, is_company_s: bool) -> None:
    low, high = parse_micros("10"), parse_micros("100")
    await shop.world.apply(invoiced(None), invoice_limit_micros=low)
    await shop.spend(6)
    assert await shop.told() == ["SKIPPED 20 INVOICE_LIMIT"]
    if is_company_s:
        await shop.world.apply(invoiced(None), invoice_limit_micros=high)
    else:
        await shop.world.apply(invoiced("100"), invoice_limit_micros=low)
    assert await shop.judge() == 1
    assert await shop.told() == ["SKIPPED 20 INVOICE_LIMIT", "SETTLED 20"]


async def test_a_suspended_office_is_not_recharged_until_it_no_longer_is(shop: Moving) -> None:
    await shop.world.apply(with_credits("10", is_suspended=True))
    await shop.spend(6)
    await shop.work()
    assert await shop.told() == []
    assert (await shop.shown()).standing.state is RechargeState.OFF
    await shop.world.apply(with_credits("10"))
    assert (await shop.shown()).standing.state is RechargeState.READY
    await shop.work()
    assert await shop.told() == ["SETTLED 20"]


async def test_what_is_in_flight_when_the_office_is_suspended_is_collected(shop: Moving) -> None:
    await shop.spend(6)
    await shop.world.apply(with_credits("10", is_suspended=True))
    assert (await shop.shown()).standing.state is RechargeState.IN_FLIGHT
    await shop.work()
    assert await shop.told() == ["SETTLED 20"]
