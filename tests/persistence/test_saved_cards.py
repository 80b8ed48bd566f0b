"""Cards are saved at the processor and known here by four digits; one of an office is current (R29)."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from domain.errors import InvalidInput, NotFound, PaymentUnavailable
from domain.top_ups import TopUpState
from persistence.database import Database
from persistence.tables.activity import ACTIVITY
from persistence.tables.payments import PAYMENT_METHOD
from tests.proof import assert_books_hold
from tests.shop import Shop
from tests.world import START, World, office


@pytest.fixture
async def shop(database: Database) -> AsyncIterator[Shop]:
    shop = Shop(World(database, now=START + timedelta(days=1)))
    await shop.world.apply(office(), office("annex"))
    await shop.save_card()
    yield shop
    await assert_books_hold(database)


async def test_a_card_is_saved_once_and_replaces_the_one_before(shop: Shop) -> None:
    [first] = await shop.world.database.rows(PAYMENT_METHOD.select())
    setup = await shop.set_up_card(last_four="0002")
    cards = await asyncio.gather(*(shop.finish_card(setup) for _ in range(5)))
    assert len(set(cards)) == 1
    shop.wait(days=1)
    assert await shop.finish_card(setup) == cards[0], "saving it again answers the same card"
    rows = await shop.world.database.rows(PAYMENT_METHOD.select().order_by(PAYMENT_METHOD.c.created_at))
    assert {row.id: row.replaced_at is None for row in rows} == {first.id: False, cards[0].id: True}
    assert shop.processor.customers == [None, "customer_1"], "the office is one customer of the processor"
    acts = await shop.world.database.rows(
        ACTIVITY.select().where(ACTIVITY.c.action == "savePaymentMethod").order_by(ACTIVITY.c.at, ACTIVITY.c.id)
    )
    assert [(change["before"], change["after"]) for act in acts for change in act.changes] == [
        (None, "Visa ending in 4242"),
        ("Visa ending in 4242", "Visa ending in 0002"),
    ]


async def test_a_card_that_was_not_entered_or_too_late_or_elsewhere_is_not_saved(shop: Shop) -> None:
    setup = await shop.set_up_card()
    [entered] = [name for name in shop.processor.cards if setup.setup_id.hex in name]
    facts = shop.processor.cards.pop(entered)
    with pytest.raises(InvalidInput, match="not finished"):
        await shop.finish_card(setup)
    shop.processor.cards[entered] = facts
    with pytest.raises(NotFound):
        await shop.finish_card(setup, "annex")
    shop.wait(hours=1)
    with pytest.raises(InvalidInput, match="start again"):
        await shop.finish_card(setup)


async def test_a_processor_that_is_away_saves_no_card_and_says_so(shop: Shop) -> None:
    shop.processor.mishap("start_setup")
    with pytest.raises(PaymentUnavailable):
        await shop.set_up_card()
    setup = await shop.set_up_card()
    shop.processor.mishap("finish_setup")
    with pytest.raises(PaymentUnavailable):
        await shop.finish_card(setup)
    assert (await shop.finish_card(setup)).last_four == "4242"


async def test_a_purchase_is_charged_to_the_card_it_was_begun_with(shop: Shop) -> None:
    shop.processor.mishap("charge")
    top_up = (await shop.buy("20")).top_up
    await shop.save_card(last_four="0002")
    shop.wait(seconds=1)
    await shop.settle()
    [payment] = shop.processor.of(top_up.id)
    settled = await shop.now_is(top_up)
    assert (settled.state, settled.payment_method_id) == (TopUpState.SETTLED, top_up.payment_method_id)
    assert payment.order.customer_id == "customer_1"
