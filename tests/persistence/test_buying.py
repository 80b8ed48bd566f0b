"""Credits are bought on real databases from a processor outside (R29–R32); every story ends with the proof."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.access import Role
from domain.errors import (
    BelowMinimum,
    FareboxError,
    IdempotencyConflict,
    InvalidInput,
    LimitReached,
    NoPaymentMethod,
    NotFound,
    NotPermitted,
    QuoteChanged,
    WrongCurrency,
)
from domain.money import Currency, parse_micros
from domain.provisioning import OfficePlan, PaymentTerms
from domain.top_ups import TopUpReason, TopUpState
from persistence.database import Database
from persistence.tables.activity import ACTIVITY
from persistence.tables.funds import IDEMPOTENCY_KEY, POSTING
from tests.proof import assert_books_hold
from tests.scripted_processor import Deed
from tests.shop import Shop
from tests.world import START, World, call, office

TAX_RATE = 88_750


def taxed(slug: str = "hq", **changes: object) -> OfficePlan:
    return office(slug, **{"tax_rate_micros": TAX_RATE, **changes})


def invoiced(slug: str = "hq", **changes: object) -> OfficePlan:
    return taxed(slug, **{"payment_terms": PaymentTerms.INVOICE, **changes})


@pytest.fixture
async def shop(database: Database) -> AsyncIterator[Shop]:
    """The proof at the end is part of every story, and so is that no top-up took money twice."""
    shop = Shop(World(database, now=START + timedelta(days=1)))
    yield shop
    for top_up in await shop.top_ups():
        paid = shop.processor.charge_count(top_up.id)
        is_settled = top_up.state is TopUpState.SETTLED and top_up.payment_terms is PaymentTerms.CARD
        assert paid == (1 if is_settled else 0), top_up
    await assert_books_hold(database)


@pytest.fixture
async def card_shop(shop: Shop) -> Shop:
    await shop.world.apply(taxed())
    await shop.save_card()
    return shop


async def test_a_purchase_is_paid_by_card_and_posted_with_its_tax(card_shop: Shop) -> None:
    quote = await card_shop.quote("20")
    assert (quote.tax_micros, quote.total_micros, quote.balance_after_micros) == (1_780_000, 21_780_000, 20_000_000)
    assert quote.problems == ()

    bought = await card_shop.buy("20")

    top_up = bought.top_up
    assert (top_up.state, top_up.reason, bought.is_replayed) == (TopUpState.SETTLED, None, False)
    assert (top_up.due_at, top_up.settled_at) == (None, card_shop.world.now)
    assert await card_shop.now_is(top_up) == top_up
    assert await card_shop.universal() == 20_000_000
    assert card_shop.processor.taken_minor() == 2_178
    assert await card_shop.posted(top_up.id) == [
        ("card", "wallet:UNIVERSAL", 20_000_000),
        ("card", "tax", 1_780_000),
    ]
    [order] = [payment.order for payment in card_shop.processor.of(top_up.id)]
    assert (order.description, order.is_off_session) == ("Universal credits, HQ", False)
    assert await card_shop.settle() == 0


async def test_the_audit_trail_names_the_buyer_and_the_figures(card_shop: Shop) -> None:
    bought = await card_shop.buy("20")
    rows = await card_shop.world.database.rows(ACTIVITY.select().where(ACTIVITY.c.action == "purchaseCredits"))
    [row] = rows
    assert (row.actor, row.target_kind, row.target_id) == ("Company admin", "TOP_UP", bought.top_up.id)
    assert {change["field"]: change["after"] for change in row.changes} == {
        "credits": "20.00 USD",
        "tax": "1.78 USD",
        "total": "21.78 USD",
    }


@pytest.mark.parametrize(
    ("deed", "reason"),
    [(Deed.DECLINE, TopUpReason.CARD_DECLINED), (Deed.NO_FUNDS, TopUpReason.INSUFFICIENT_FUNDS)],
)
async def test_a_decline_says_why_and_leaves_no_trace_on_the_balance(
    shop: Shop, deed: Deed, reason: TopUpReason
) -> None:
    await shop.world.apply(taxed())
    await shop.save_card(deed=deed)
    bought = await shop.buy("20")
    assert (bought.top_up.state, bought.top_up.reason) == (TopUpState.FAILED, reason)
    assert await shop.universal() == 0
    assert await shop.world.database.rows(POSTING.select()) == []
    again = await shop.buy("20")
    assert (again.top_up, again.is_replayed) == (bought.top_up, True)
    other = await shop.buy("20", "another key")
    assert other.top_up.id != bought.top_up.id


async def test_the_same_request_again_is_answered_with_the_top_up_as_it_now_is(card_shop: Shop) -> None:
    first = await card_shop.buy("20", return_url="https://shop.example/back")
    again = await card_shop.buy("20", return_url="https://shop.example/elsewhere")
    assert (again.top_up, again.is_replayed) == (first.top_up, True)
    assert card_shop.processor.charge_count() == 1


async def test_the_same_key_for_something_else_is_refused_and_says_what_differs(card_shop: Shop) -> None:
    await card_shop.world.apply(taxed(), taxed("annex"))
    await card_shop.save_card("annex")
    await card_shop.buy("20")
    with pytest.raises(IdempotencyConflict) as other_amount:
        await card_shop.buy("30")
    assert other_amount.value.differing_fields == ("credits", "expectedTotal")
    with pytest.raises(IdempotencyConflict) as other_office:
        await card_shop.buy("20", slug="annex")
    assert other_office.value.differing_fields == ("officeId",)
    assert card_shop.processor.charge_count() == 1


async def test_twenty_clients_at_once_with_one_key_buy_once(card_shop: Shop) -> None:
    bought = await asyncio.gather(*(card_shop.buy("20", total="21.78") for _ in range(20)))
    assert len({one.top_up.id for one in bought}) == 1
    assert sorted(one.is_replayed for one in bought) == [False, *[True] * 19]
    assert card_shop.processor.charge_count() == 1
    assert len(card_shop.processor.payments) == 1
    assert await card_shop.universal() == 20_000_000


async def test_one_key_used_in_two_offices_at_once_buys_in_one(card_shop: Shop) -> None:
    await card_shop.world.apply(taxed(), taxed("annex"))
    await card_shop.save_card("annex")
    done = await asyncio.gather(
        *(card_shop.buy("20", total="21.78", slug=slug) for slug in ("hq", "annex") * 4), return_exceptions=True
    )
    bought = [one for one in done if not isinstance(one, BaseException)]
    assert len(bought) == 4
    assert {type(one) for one in done if isinstance(one, BaseException)} == {IdempotencyConflict}
    assert card_shop.processor.charge_count() == 1


async def test_different_purchases_at_once_are_all_paid_and_exact(card_shop: Shop) -> None:
    await asyncio.gather(*(card_shop.buy("20", f"key {at}", total="21.78") for at in range(12)))
    assert await card_shop.universal() == 12 * 20_000_000
    assert card_shop.processor.taken_minor() == 12 * 2_178


async def test_a_total_that_nobody_confirmed_is_not_charged(card_shop: Shop) -> None:
    with pytest.raises(QuoteChanged) as changed:
        await card_shop.buy("20", total="20")
    assert (changed.value.field, "21.78 USD" in changed.value.message) == (("expectedTotal",), True)
    await card_shop.world.apply(taxed(tax_rate_micros=100_000))
    with pytest.raises(QuoteChanged):
        await card_shop.buy("20", total="21.78")
    card_shop.currency = "EUR"
    with pytest.raises(WrongCurrency):
        await card_shop.buy("20", total="22")
    assert card_shop.processor.calls.count("prepare") == 0
    assert await card_shop.world.database.rows(IDEMPOTENCY_KEY.select()) == []


async def test_a_purchase_without_a_card_and_with_an_expired_one_is_refused(shop: Shop) -> None:
    await shop.world.apply(taxed())
    with pytest.raises(NoPaymentMethod) as nothing:
        await shop.buy("20")
    assert nothing.value.reason is TopUpReason.NO_PAYMENT_METHOD
    await shop.save_card(expires_month=202602)
    [problem] = (await shop.quote("20")).problems
    assert isinstance(problem, NoPaymentMethod)
    assert problem.reason is TopUpReason.CARD_EXPIRED
    with pytest.raises(NoPaymentMethod):
        await shop.buy("20")
    await shop.save_card(expires_month=202603)
    shop.world.now = START.replace(day=31)
    assert (await shop.buy("20")).top_up.state is TopUpState.SETTLED


async def test_the_limit_of_a_day_is_the_office_s_own_day(shop: Shop) -> None:
    await shop.world.apply(
        taxed(time_zone="America/New_York"), purchase_daily_micros=50_000_000, purchase_minimum_micros=5_000_000
    )
    await shop.save_card()
    shop.world.now = START.replace(day=3, hour=4)  # 23:00 of the second in New York
    await shop.buy("30", "first")
    with pytest.raises(LimitReached) as reached:
        await shop.buy("20.01", "second")
    assert (reached.value.remaining_micros, reached.value.maximum_micros) == (20_000_000, 50_000_000)
    await shop.buy("20", "second")
    with pytest.raises(LimitReached):
        await shop.buy("5", "third")
    shop.wait(hours=1)
    await shop.buy("5", "third")
    shop.processor.deeds.clear()
    shop.processor.deed = Deed.DECLINE
    await shop.buy("45", "declined")
    shop.processor.deed = Deed.PAY
    await shop.buy("45", "paid: what failed does not count")


async def test_purchases_at_once_do_not_pass_the_limit_of_the_day_together(card_shop: Shop) -> None:
    await card_shop.world.apply(taxed(), purchase_daily_micros=60_000_000)
    done = await asyncio.gather(
        *(card_shop.buy("20", f"key {at}", total="21.78") for at in range(8)), return_exceptions=True
    )
    assert sum(isinstance(one, LimitReached) for one in done) == 5
    assert await card_shop.universal() == 60_000_000


async def test_an_invoiced_office_has_its_credits_at_once_up_to_its_limit_exactly(shop: Shop) -> None:
    await shop.world.apply(invoiced(invoice_limit_micros=parse_micros("43.56")))
    first = await shop.buy("20", "first")
    assert (first.top_up.state, first.top_up.paid_at) == (TopUpState.SETTLED, None)
    assert await shop.posted(first.top_up.id) == [
        ("receivable", "wallet:UNIVERSAL", 20_000_000),
        ("receivable", "tax", 1_780_000),
    ]
    with pytest.raises(LimitReached) as reached:
        await shop.buy("20.01", "second")
    assert (reached.value.remaining_micros, reached.value.maximum_micros) == (21_780_000, 43_560_000)
    await shop.buy("20", "second")
    assert await shop.universal() == 40_000_000
    problems = (await shop.quote("5")).problems
    assert [type(problem) for problem in problems] == [LimitReached]
    assert shop.processor.calls == []


async def test_invoiced_purchases_at_once_do_not_pass_the_limit_together(shop: Shop) -> None:
    await shop.world.apply(invoiced(invoice_limit_micros=parse_micros("65.34")))
    done = await asyncio.gather(
        *(shop.buy("20", f"key {at}", total="21.78") for at in range(8)), return_exceptions=True
    )
    assert sum(isinstance(one, LimitReached) for one in done) == 5
    assert await shop.universal() == 60_000_000


async def test_yen_have_no_decimals(shop: Shop) -> None:
    shop.currency = "JPY"
    shop.world.slug = "kaisha"
    await shop.world.apply(taxed(), currency=Currency.JPY)
    await shop.save_card()
    with pytest.raises(InvalidInput) as refused:
        await shop.buy("100.5", total="109")
    assert (refused.value.field, "1 JPY" in refused.value.message) == (("credits",), True)
    bought = await shop.buy("106")  # 9.4075 of tax
    assert bought.top_up.tax_micros == 9_000_000
    assert shop.processor.taken_minor() == 115


async def test_who_may_not_buy_learns_nothing(card_shop: Shop) -> None:
    world = card_shop.world
    await world.apply(taxed(), taxed("annex"))
    annex = await world.office_id("annex")
    elsewhere = world.viewer(Role.OFFICE_ADMIN, office_ids=frozenset({annex}), has_billing=True)
    stranger = replace(card_shop.admin, company_id=annex)
    bought = await card_shop.buy("20")
    answers = []
    for viewer in (elsewhere, stranger):
        with pytest.raises(NotFound) as hidden:
            await card_shop.buy("20", viewer=viewer, total="21.78")
        answers.append((hidden.value.message, hidden.value.field))
    assert len(set(answers)) == 1
    for viewer in (world.viewer(Role.OFFICE_ADMIN), world.viewer(Role.PARTNER), world.viewer()):
        with pytest.raises(NotPermitted):
            await card_shop.buy("20", viewer=viewer, total="21.78")
    assert await card_shop.complete(bought.top_up) == bought.top_up


@pytest.mark.parametrize("key", ["", "k" * 256, "a\nb"])
async def test_a_key_that_is_not_well_formed_is_refused_before_anything_else(card_shop: Shop, key: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await card_shop.buy("0.001", key, total="1")
    assert refused.value.field == ("idempotencyKey",)


async def test_whatever_stops_a_purchase_is_told_before_it_is_confirmed(shop: Shop) -> None:
    await shop.world.apply(taxed())
    problems: tuple[FareboxError, ...] = (await shop.quote("1")).problems
    assert [type(problem) for problem in problems] == [BelowMinimum, NoPaymentMethod]
    assert isinstance(problems[0], BelowMinimum)
    assert (problems[0].minimum_micros, problems[0].maximum_micros) == (5_000_000, 2_000_000_000)


async def test_a_purchase_pays_back_what_was_spent_below_zero_first(card_shop: Shop) -> None:
    await card_shop.world.deck()
    await card_shop.world.record(call("call", card_shop.world.now, seconds=36_000))
    assert await card_shop.universal() == -12_000_000
    await card_shop.buy("20")
    assert await card_shop.universal() == 8_000_000
