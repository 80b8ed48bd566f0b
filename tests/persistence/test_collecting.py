"""The money of a top-up is collected once, whatever happens on the way (R29): no answer, kills, late news."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.collection import ACTION_LIFE, ACTION_PAUSE, PURCHASE_LIFE
from domain.money import MICROS_PER_UNIT
from domain.payments import PaymentFailure, PaymentState, ProcessorUnavailable
from domain.purchases import LEASE
from domain.stories.collect import hear_of_payment, settle_due
from domain.top_ups import TopUp, TopUpReason, TopUpState
from persistence.database import Database
from tests.proof import assert_books_hold
from tests.scripted_processor import Deed, Died
from tests.shop import Shop
from tests.world import START, World, office

PRICE = "20"


@pytest.fixture
async def shop(database: Database) -> AsyncIterator[Shop]:
    """At the end the processor and the books tell one story: settled means paid once, anything else not at all."""
    shop = Shop(World(database, now=START + timedelta(days=1)))
    await shop.world.apply(office())
    await shop.save_card()
    yield shop
    for top_up in await shop.top_ups():
        assert shop.processor.charge_count(top_up.id) == (top_up.state is TopUpState.SETTLED), top_up
    await assert_books_hold(database)


def new_card(shop: Shop, deed: Deed) -> None:
    """What the saved card does from now on."""
    for method_id in shop.processor.deeds:
        shop.processor.deeds[method_id] = deed


async def killed_while_buying(shop: Shop) -> TopUp:
    with pytest.raises(Died):
        await shop.buy(PRICE)
    [top_up] = await shop.top_ups()
    assert top_up.state is TopUpState.PENDING
    return top_up


# ---------- no answer ----------


async def test_an_answer_lost_after_charging_is_asked_for_and_charged_once(shop: Shop) -> None:
    shop.processor.mishap("charge", after=True)
    bought = await shop.buy(PRICE)
    assert (bought.top_up.state, await shop.universal()) == (TopUpState.PENDING, 0)
    assert bought.top_up.due_at == shop.world.now + timedelta(seconds=1)
    assert await shop.settle() == 0, "it is not due yet"
    shop.wait(seconds=1)
    assert await shop.settle() == 1
    assert (await shop.now_is(bought.top_up)).state is TopUpState.SETTLED
    assert shop.processor.call_count("charge") == 1
    assert await shop.universal() == 20 * MICROS_PER_UNIT


async def test_a_request_lost_before_charging_is_charged_later_with_the_same_payment(shop: Shop) -> None:
    shop.processor.mishap("charge")
    bought = await shop.buy(PRICE)
    assert bought.top_up.state is TopUpState.PENDING
    shop.wait(seconds=1)
    await shop.settle()
    assert (await shop.now_is(bought.top_up)).state is TopUpState.SETTLED
    assert len(shop.processor.payments) == 1


async def test_the_buyer_who_looks_again_is_told_what_became_of_it(shop: Shop) -> None:
    shop.processor.mishap("charge", after=True)
    bought = await shop.buy(PRICE)
    assert (await shop.complete(bought.top_up)).state is TopUpState.SETTLED
    assert (await shop.buy(PRICE)).top_up.state is TopUpState.SETTLED


async def test_a_silent_processor_is_asked_with_growing_pauses(shop: Shop) -> None:
    shop.processor.mishap("charge", after=True)
    top_up = (await shop.buy(PRICE)).top_up
    shop.processor.is_down = True
    pauses = []
    for _ in range(7):
        shop.world.now = (await shop.now_is(top_up)).due_at or shop.world.now
        assert await shop.settle() == 1
        later = await shop.now_is(top_up)
        assert later.due_at is not None
        pauses.append((later.due_at - shop.world.now).total_seconds())
    assert pauses == [2, 5, 15, 60, 300, 300, 300]
    shop.processor.is_down = False
    shop.wait(days=2)
    await shop.settle()
    assert (await shop.now_is(top_up)).state is TopUpState.SETTLED


@pytest.mark.parametrize("is_after", [False, True])
async def test_a_processor_that_prepares_no_payment_fails_the_purchase_at_once(shop: Shop, is_after: bool) -> None:
    shop.processor.mishap("prepare", after=is_after)
    bought = await shop.buy(PRICE)
    assert (bought.top_up.state, bought.top_up.reason) == (TopUpState.FAILED, TopUpReason.PROCESSOR_UNAVAILABLE)
    shop.wait(days=1)
    assert await shop.settle() == 0
    assert (await shop.buy(PRICE, "another key")).top_up.state is TopUpState.SETTLED


async def test_a_purchase_that_could_not_be_charged_for_an_hour_is_given_up(shop: Shop) -> None:
    shop.processor.mishap("charge")
    top_up = (await shop.buy(PRICE)).top_up
    shop.wait(seconds=PURCHASE_LIFE.total_seconds())
    await shop.settle()
    given_up = await shop.now_is(top_up)
    assert (given_up.state, given_up.reason) == (TopUpState.FAILED, TopUpReason.PROCESSOR_UNAVAILABLE)
    assert [payment.state for payment in shop.processor.of(top_up.id)] == [PaymentState.REFUSED]


async def test_what_the_bank_has_not_decided_yet_is_asked_for_again(shop: Shop) -> None:
    new_card(shop, Deed.PROCESS)
    top_up = (await shop.buy(PRICE)).top_up
    assert top_up.state is TopUpState.PENDING
    shop.wait(days=3)
    await shop.settle()
    assert (await shop.now_is(top_up)).state is TopUpState.PENDING
    shop.processor.decide(top_up.id, is_paid=True)
    shop.wait(minutes=5)
    await shop.settle()
    assert (await shop.now_is(top_up)).state is TopUpState.SETTLED


# ---------- killed ----------


@pytest.mark.parametrize("is_after", [False, True])
@pytest.mark.parametrize("call", ["prepare", "charge"])
async def test_a_process_killed_between_any_two_steps_is_followed_by_another_after_its_lease(
    shop: Shop, call: str, is_after: bool
) -> None:
    shop.processor.mishap(call, after=is_after, error=Died())
    top_up = await killed_while_buying(shop)
    shop.wait(seconds=LEASE.total_seconds() - 1)
    assert await shop.settle() == 0, "whoever works on it is left alone"
    shop.wait(seconds=1)
    assert await shop.settle() == 1
    assert (await shop.now_is(top_up)).state is TopUpState.SETTLED
    assert await shop.universal() == 20 * MICROS_PER_UNIT


@pytest.mark.parametrize("call", ["ask", "charge"])
async def test_a_worker_killed_half_way_is_followed_by_another(shop: Shop, call: str) -> None:
    shop.processor.mishap("charge")
    top_up = (await shop.buy(PRICE)).top_up
    shop.wait(seconds=1)
    shop.processor.mishap(call, after=True, error=Died())
    with pytest.raises(BaseExceptionGroup) as killed:
        await shop.settle()
    assert killed.value.subgroup(Died)
    assert await shop.settle() == 0, "its lease has not ended"
    shop.wait(seconds=LEASE.total_seconds())
    assert await shop.settle() == 1
    assert (await shop.now_is(top_up)).state is TopUpState.SETTLED


async def test_a_purchase_whose_buyer_s_process_died_is_not_begun_hours_later(shop: Shop) -> None:
    shop.processor.mishap("prepare", error=Died())
    top_up = await killed_while_buying(shop)
    shop.wait(hours=5)
    assert await shop.settle() == 1
    assert (await shop.now_is(top_up)).reason is TopUpReason.PROCESSOR_UNAVAILABLE
    assert shop.processor.payments == {}


async def test_an_error_in_one_top_up_does_not_stop_the_others(shop: Shop) -> None:
    for at in range(6):
        shop.processor.mishap("charge", after=True)
        await shop.buy(PRICE, f"key {at}")
    shop.wait(seconds=1)
    shop.processor.mishap("ask", error=RuntimeError("a bug"))
    with pytest.raises(ExceptionGroup, match="1 of 6"):
        await shop.settle()
    shop.wait(seconds=LEASE.total_seconds())
    assert await shop.settle() == 1
    assert await shop.universal() == 6 * 20 * MICROS_PER_UNIT


# ---------- several at once ----------


async def test_many_workers_and_the_buyer_at_once_settle_every_top_up_once(shop: Shop) -> None:
    for at in range(10):
        shop.processor.mishap("charge", after=at % 2 == 0)
        await shop.buy(PRICE, f"key {at}")
    top_ups = await shop.top_ups()
    shop.wait(seconds=1)
    counts = await asyncio.gather(*(shop.settle() for _ in range(5)), *(shop.complete(one) for one in top_ups))
    assert sum(count for count in counts if isinstance(count, int)) <= 10
    assert {(await shop.now_is(one)).state for one in top_ups} == {TopUpState.SETTLED}
    assert await shop.universal() == 10 * 20 * MICROS_PER_UNIT


async def test_two_workers_of_two_processes_claim_each_top_up_once(shop: Shop) -> None:
    for at in range(8):
        shop.processor.mishap("charge", after=True)
        await shop.buy(PRICE, f"key {at}")
    shop.wait(seconds=1)
    there = Database(shop.world.database.url)
    other = World(there, now=shop.world.now)
    try:
        counts = await asyncio.gather(
            shop.settle(), settle_due(other.begin, shop.processors, now=shop.world.now), shop.settle()
        )
    finally:
        await there.close()
    assert sum(counts) == 8
    assert shop.processor.call_count("ask") == 8


async def test_a_change_from_what_is_no_longer_so_changes_nothing(shop: Shop) -> None:
    """The last line of defence: every other one is the lock on the office's books."""
    shop.processor.mishap("charge", after=True)
    before = (await shop.buy(PRICE)).top_up
    failed = replace(before, state=TopUpState.FAILED, reason=TopUpReason.CARD_DECLINED, due_at=None)
    without_payment = replace(before, processor_payment_id=None)
    async with shop.world.begin.begin(before.company_id, shop.world.now) as work:
        assert not await work.change_top_up(without_payment, failed)
        assert not await work.save_payment(before, "another payment")
        assert await work.change_top_up(before, failed)
        assert not await work.change_top_up(before, replace(failed, reason=TopUpReason.CARD_EXPIRED))
        assert await work.find_top_up(before.id) == failed
    await shop.hear(before)


async def test_two_who_prepare_at_once_agree_on_one_payment_and_cancel_the_other(shop: Shop) -> None:
    shop.processor.mishap("prepare", error=Died())
    top_up = await killed_while_buying(shop)
    shop.processor.meet("prepare", 2)
    await asyncio.gather(*(shop.complete(top_up) for _ in range(2)))
    states = sorted(payment.state for payment in shop.processor.of(top_up.id))
    assert states == [PaymentState.PAID, PaymentState.REFUSED]
    assert (await shop.now_is(top_up)).state is TopUpState.SETTLED


async def test_of_two_of_whom_one_gets_no_payment_the_other_is_not_closed_under_its_hands(shop: Shop) -> None:
    shop.processor.mishap("prepare", error=Died())
    top_up = await killed_while_buying(shop)
    shop.processor.mishap("prepare", after=True)
    await asyncio.gather(*(shop.complete(top_up) for _ in range(2)))
    final = await shop.now_is(top_up)
    assert final.state in (TopUpState.SETTLED, TopUpState.FAILED)
    assert PaymentState.NOT_STARTED not in {
        payment.state for payment in shop.processor.of(top_up.id) if payment.id == final.processor_payment_id
    }


# ---------- the cardholder ----------


async def test_a_payment_that_the_cardholder_confirms_is_completed(shop: Shop) -> None:
    new_card(shop, Deed.ASK_CARDHOLDER)
    bought = await shop.buy(PRICE, return_url="https://shop.example/back")
    waiting = bought.top_up
    assert waiting.state is TopUpState.REQUIRES_ACTION
    assert waiting.next_action is not None
    assert waiting.next_action.redirect_url == "https://bank.example/pay_1"
    assert waiting.action_expires_at == shop.world.now + ACTION_LIFE
    assert waiting.due_at == shop.world.now + ACTION_PAUSE
    assert (await shop.buy(PRICE)).top_up == waiting
    shop.wait(minutes=5)
    asked = await shop.complete(waiting)
    assert asked == replace(waiting, due_at=shop.world.now + ACTION_PAUSE), "nothing was confirmed yet, time runs on"
    shop.processor.confirm(waiting.id)
    settled = await shop.complete(waiting)
    assert (settled.state, settled.next_action, settled.action_expires_at) == (TopUpState.SETTLED, None, None)
    assert await shop.complete(settled) == settled
    assert await shop.universal() == 20 * MICROS_PER_UNIT


async def test_a_payment_confirmed_without_another_word_is_settled_within_a_minute(shop: Shop) -> None:
    new_card(shop, Deed.ASK_CARDHOLDER)
    waiting = (await shop.buy(PRICE)).top_up
    shop.processor.confirm(waiting.id)
    assert await shop.settle() == 0
    shop.wait(minutes=1)
    await shop.settle()
    assert (await shop.now_is(waiting)).state is TopUpState.SETTLED


async def test_a_payment_that_the_cardholder_refuses_fails(shop: Shop) -> None:
    new_card(shop, Deed.ASK_CARDHOLDER)
    waiting = (await shop.buy(PRICE)).top_up
    shop.processor.reject(waiting.id)
    done = await shop.complete(waiting)
    assert (done.state, done.reason) == (TopUpState.FAILED, TopUpReason.AUTHENTICATION_FAILED)


async def test_a_payment_that_nobody_confirms_is_cancelled_after_an_hour(shop: Shop) -> None:
    new_card(shop, Deed.ASK_CARDHOLDER)
    waiting = (await shop.buy(PRICE)).top_up
    shop.wait(minutes=59)
    assert await shop.settle() == 1
    assert (await shop.now_is(waiting)).state is TopUpState.REQUIRES_ACTION
    shop.wait(minutes=1)
    assert await shop.settle() == 1
    expired = await shop.now_is(waiting)
    assert (expired.state, expired.reason) == (TopUpState.FAILED, TopUpReason.AUTHENTICATION_EXPIRED)
    shop.processor.confirm(waiting.id)
    assert await shop.complete(waiting) == expired


async def test_a_payment_confirmed_in_the_last_moment_is_settled_instead_of_cancelled(shop: Shop) -> None:
    new_card(shop, Deed.ASK_CARDHOLDER)
    waiting = (await shop.buy(PRICE)).top_up
    shop.wait(hours=1)
    shop.processor.confirm(waiting.id)
    await shop.settle()
    assert (await shop.now_is(waiting)).state is TopUpState.SETTLED


async def test_the_worker_that_gets_no_answer_to_a_cancellation_asks_again(shop: Shop) -> None:
    new_card(shop, Deed.ASK_CARDHOLDER)
    waiting = (await shop.buy(PRICE)).top_up
    shop.wait(hours=1)
    shop.processor.mishap("cancel", after=True)
    await shop.settle()
    assert (await shop.now_is(waiting)).state is TopUpState.REQUIRES_ACTION
    shop.wait(seconds=2)
    await shop.settle()
    assert (await shop.now_is(waiting)).state is TopUpState.FAILED


async def test_a_process_killed_after_the_bank_asked_for_the_cardholder_is_followed_by_another(shop: Shop) -> None:
    new_card(shop, Deed.ASK_CARDHOLDER)
    shop.processor.mishap("charge", after=True, error=Died())
    top_up = await killed_while_buying(shop)
    shop.wait(seconds=LEASE.total_seconds())
    await shop.settle()
    waiting = await shop.now_is(top_up)
    assert (waiting.state, waiting.action_expires_at) == (TopUpState.REQUIRES_ACTION, shop.world.now + ACTION_LIFE)
    assert waiting.next_action is not None
    shop.processor.confirm(top_up.id)
    await shop.hear(top_up)


# ---------- news ----------


async def test_news_of_a_payment_settle_it_and_repeated_news_change_nothing(shop: Shop) -> None:
    shop.processor.mishap("charge", after=True)
    top_up = (await shop.buy(PRICE)).top_up
    heard = await asyncio.gather(*(shop.hear(top_up) for _ in range(6)))
    assert {one.state for one in heard if one} == {TopUpState.SETTLED}
    assert await shop.universal() == 20 * MICROS_PER_UNIT


async def test_news_of_what_is_not_decided_yet_leave_it_to_whoever_is_at_it(shop: Shop) -> None:
    shop.processor.mishap("charge", error=Died())
    begun = await shop.now_is(await killed_while_buying(shop))
    assert await shop.hear(begun) == begun == await shop.now_is(begun)
    assert shop.processor.call_count("charge") == 1
    shop.wait(seconds=LEASE.total_seconds())
    await shop.settle()


async def test_news_of_nothing_here_are_no_error(shop: Shop) -> None:
    company_id = shop.world.company_id
    assert await hear_of_payment(shop.world.begin, shop.processors, company_id, company_id, now=shop.world.now) is None


async def test_news_that_cannot_be_checked_are_to_be_told_again(shop: Shop) -> None:
    shop.processor.mishap("charge", after=True)
    top_up = (await shop.buy(PRICE)).top_up
    shop.processor.is_down = True
    with pytest.raises(ProcessorUnavailable):
        await shop.hear(top_up)
    shop.processor.is_down = False
    assert (await shop.complete(top_up)).state is TopUpState.SETTLED


async def test_money_that_comes_after_a_failure_is_credited(shop: Shop) -> None:
    """A bank may change its mind: paid credit is never missing."""
    new_card(shop, Deed.DECLINE)
    top_up = (await shop.buy(PRICE)).top_up
    assert top_up.state is TopUpState.FAILED
    [payment] = shop.processor.of(top_up.id)
    assert payment.failure is PaymentFailure.CARD_DECLINED
    payment.take()
    heard = await asyncio.gather(*(shop.hear(top_up) for _ in range(4)))
    assert {(one.state, one.reason) for one in heard if one} == {(TopUpState.SETTLED, None)}
    assert await shop.universal() == 20 * MICROS_PER_UNIT
