"""A recharge is collected as a purchase is, with nobody there to confirm it or to be told (R29, R33, R35)."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from domain.auto_recharge import BACK_OFFS
from domain.payments import PaymentState
from domain.provisioning import PaymentTerms
from domain.purchases import LEASE
from domain.stories.recharge import configure_recharge, judge_due
from domain.top_ups import TopUp, TopUpOrigin, TopUpReason, TopUpState
from persistence.database import Database
from persistence.tables.payments import AUTO_RECHARGE
from tests.proof import assert_books_hold
from tests.scripted_processor import Deed, Died
from tests.shop import Shop
from tests.world import START, World, office


@pytest.fixture
async def shop(database: Database) -> AsyncIterator[Shop]:
    shop = Shop(World(database, now=START + timedelta(days=1)))
    await shop.world.apply(office())
    yield shop
    for top_up in await shop.top_ups():
        is_paid = top_up.state is TopUpState.SETTLED and top_up.payment_terms is PaymentTerms.CARD
        assert shop.processor.charge_count(top_up.id) == is_paid, top_up
    await assert_books_hold(database)


async def begin_recharge(shop: Shop, deed: Deed = Deed.PAY) -> TopUp:
    """The balance is nothing and the threshold five: switching it on begins a recharge of twenty."""
    await shop.save_card(deed=deed)
    begun = await configure_recharge(
        shop.world.begin,
        shop.admin,
        await shop.world.office_id(),
        is_enabled=True,
        threshold=shop.money("5"),
        amount=shop.money("20"),
        cycle_cap=None,
        now=shop.world.now,
    )
    assert begun.top_up is not None
    return begun.top_up


async def test_a_recharge_is_paid_off_session(shop: Shop) -> None:
    begun = await begin_recharge(shop)
    assert await shop.settle() == 1
    settled = await shop.now_is(begun)
    assert (settled.state, settled.origin) == (TopUpState.SETTLED, TopUpOrigin.AUTO_RECHARGE)
    assert [payment.order.is_off_session for payment in shop.processor.of(begun.id)] == [True]
    assert await shop.universal() == 20_000_000
    assert len(await shop.top_ups()) == 1


async def test_a_recharge_that_the_cardholder_would_have_to_confirm_is_cancelled_and_counts_as_a_decline(
    shop: Shop,
) -> None:
    begun = await begin_recharge(shop, Deed.ASK_CARDHOLDER)
    await shop.settle()
    failed = await shop.now_is(begun)
    assert (failed.state, failed.reason) == (TopUpState.FAILED, TopUpReason.AUTHENTICATION_FAILED)
    assert [payment.state for payment in shop.processor.of(begun.id)] == [PaymentState.REFUSED]
    [recharge] = await shop.world.database.rows(AUTO_RECHARGE.select())
    assert (recharge.decline_count, recharge.retry_at) == (1, shop.world.now + BACK_OFFS[0])


async def test_a_recharge_that_gets_no_payment_is_no_decline_and_waits_for_the_processor(shop: Shop) -> None:
    begun = await begin_recharge(shop)
    shop.processor.is_down = True
    for _ in range(8):
        shop.wait(minutes=30)
        assert await shop.settle() == 1
    waiting = await shop.now_is(begun)
    assert (waiting.state, waiting.processor_payment_id) == (TopUpState.PENDING, None)
    [recharge] = await shop.world.database.rows(AUTO_RECHARGE.select())
    assert recharge.decline_count == 0
    shop.processor.is_down = False
    shop.wait(minutes=30)
    await shop.settle()
    assert (await shop.now_is(begun)).state is TopUpState.SETTLED


@pytest.mark.parametrize("deed", [Deed.PAY, Deed.DECLINE, Deed.ASK_CARDHOLDER])
@pytest.mark.parametrize("is_after", [False, True])
@pytest.mark.parametrize("call", ["prepare", "charge"])
async def test_a_worker_killed_between_any_two_steps_of_a_recharge_is_followed_by_another(
    shop: Shop, call: str, is_after: bool, deed: Deed
) -> None:
    begun = await begin_recharge(shop, deed)
    shop.processor.mishap(call, after=is_after, error=Died())
    with pytest.raises(BaseExceptionGroup):
        await shop.settle()
    shop.wait(seconds=LEASE.total_seconds())
    assert await shop.settle() == 1
    final = await shop.now_is(begun)
    assert final.state is (TopUpState.SETTLED if deed is Deed.PAY else TopUpState.FAILED)
    assert len([one for one in await shop.top_ups() if one.state is not TopUpState.SKIPPED]) == 1


async def test_a_settlement_is_judged_once_more_with_the_recharge_no_longer_in_flight(shop: Shop) -> None:
    """The balance has fallen further meanwhile: the first recharge does not reach the threshold."""
    begun = await begin_recharge(shop)
    async with shop.world.begin.begin(begun.company_id, shop.world.now) as work:
        books = await work.lock_books(begun.office_id)
        books.out_of_universal(22_000_000, "adjustment")
        await work.save_books(books)
    assert await shop.settle() == 2, "the second is due at once"
    assert {top_up.state for top_up in await shop.top_ups()} == {TopUpState.SETTLED}
    assert await shop.universal() == 18_000_000


async def test_a_settled_purchase_is_judged_too(shop: Shop) -> None:
    """A recharge fires after a settlement that leaves too little, whatever was settled (R33)."""
    await shop.save_card()
    async with shop.world.begin.begin(shop.world.company_id, shop.world.now) as work:
        books = await work.lock_books(await shop.world.office_id())
        books.out_of_universal(30_000_000, "adjustment")
        books.funds.recharge.is_enabled = True
        books.funds.recharge.updated_at = shop.world.now
        await work.save_books(books)
    await shop.buy("20")
    purchase, recharge = await shop.top_ups()
    assert (purchase.state, recharge.origin) == (TopUpState.SETTLED, TopUpOrigin.AUTO_RECHARGE)
    assert recharge.credits_micros == 20_000_000
    await shop.settle()
    assert await shop.universal() == 10_000_000


async def test_a_purchase_on_invoice_is_judged_when_what_it_owes_is_known(shop: Shop) -> None:
    """The limit leaves room for the purchase and one recharge; both at once would not see each other."""
    limited = office(payment_terms=PaymentTerms.INVOICE, invoice_limit_micros=30_000_000)
    await shop.world.apply(limited)
    async with shop.world.begin.begin(shop.world.company_id, shop.world.now) as work:
        books = await work.lock_books(await shop.world.office_id())
        books.out_of_universal(30_000_000, "adjustment")
        books.funds.recharge.is_enabled = True
        books.funds.recharge.updated_at = shop.world.now
        await work.save_books(books)
    await shop.buy("20")
    assert len(await shop.top_ups()) == 1
    assert await judge_due(shop.world.begin, now=shop.world.now) == 1
    _, skipped = await shop.top_ups()
    assert (skipped.state, skipped.reason) == (TopUpState.SKIPPED, TopUpReason.INVOICE_LIMIT)


async def test_a_new_card_ends_the_back_off_of_the_old_one(shop: Shop) -> None:
    await begin_recharge(shop, Deed.DECLINE)
    await shop.settle()
    await shop.save_card(last_four="0002")
    [recharge] = await shop.world.database.rows(AUTO_RECHARGE.select())
    assert (recharge.decline_count, recharge.retry_at, recharge.judge_at) == (0, None, shop.world.now)
