"""What a purchase comes to, what stops it, and what a processor's answer makes of it (R3, R29–R31)."""

from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.auto_recharge import AutoRecharge
from domain.collection import (
    ACTION_LIFE,
    ACTION_PAUSE,
    PAUSES,
    PURCHASE_LIFE,
    RECHARGE_LIFE,
    after,
    asked_again,
    is_unwanted,
    reason_to_cancel,
    unanswered,
    unprepared,
)
from domain.errors import AboveMaximum, BelowMinimum, InvalidInput, LimitReached, NoPaymentMethod, WrongCurrency
from domain.ledger import CARD, RECEIVABLE, TAX
from domain.money import Amount, Currency, minor_unit_micros, minor_units, money_text, parse_micros
from domain.payments import NextAction, PaymentFailure, PaymentOutcome, PaymentState, ProcessorKind
from domain.provisioning import PaymentTerms
from domain.purchases import Buyer, Price, begin_purchase, price_of, problems
from domain.top_ups import IN_FLIGHT, Billing, Card, TopUp, TopUpOrigin, TopUpReason, TopUpState, tax_of
from tests.books import Office
from tests.world import START

CARD_OF_OFFICE = Card(
    id=UUID(int=7),
    processor=ProcessorKind.SANDBOX,
    customer_id="customer",
    method_id="method",
    brand="visa",
    last_four="4242",
    expires_month=202603,
)
BILLING = Billing(
    currency=Currency.USD,
    payment_terms=PaymentTerms.CARD,
    tax_name="Tax",
    tax_rate_micros=88_750,
    minimum_micros=parse_micros("5"),
    maximum_micros=parse_micros("2000"),
    daily_micros=parse_micros("5000"),
    presets=(),
    invoice_limit_micros=parse_micros("250"),
    card=CARD_OF_OFFICE,
    bought_today_micros=0,
    owed_micros=0,
)
INVOICED = replace(BILLING, payment_terms=PaymentTerms.INVOICE, card=None)
LAST_DAY = date(2026, 3, 31)

currencies = st.sampled_from(Currency)
rates = st.integers(min_value=0, max_value=1_000_000)
states = st.sampled_from(TopUpState)
outcomes = st.builds(
    PaymentOutcome, st.sampled_from(PaymentState), st.sampled_from(PaymentFailure), st.just(NextAction())
)
moments = st.integers(min_value=0, max_value=400_000).map(lambda seconds: START + timedelta(seconds=seconds))


@st.composite
def whole_credits(draw: st.DrawFn) -> tuple[Currency, int]:
    currency = draw(currencies)
    return currency, draw(st.integers(min_value=1, max_value=10**9)) * minor_unit_micros(currency)


# ---------- tax ----------


@pytest.mark.parametrize(
    ("credits", "rate_micros", "currency", "tax"),
    [
        ("20", 88_750, Currency.USD, "1.78"),  # 1.775, a half goes up
        ("10.01", 50_000, Currency.EUR, "0.50"),  # 0.5005
        ("5", 1_000, Currency.GBP, "0.01"),  # 0.005
        ("4.99", 1_000, Currency.GBP, "0"),  # 0.00499
        ("105", 100_000, Currency.JPY, "11"),  # 10.5
        ("104", 100_000, Currency.JPY, "10"),  # 10.4
        ("100", 0, Currency.AUD, "0"),
        ("100", 1_000_000, Currency.NZD, "100"),
    ],
)
def test_tax_is_rounded_half_up_to_a_minor_unit(credits: str, rate_micros: int, currency: Currency, tax: str) -> None:
    assert tax_of(parse_micros(credits), rate_micros, currency) == parse_micros(tax)


@given(whole_credits(), rates)
def test_gross_is_net_and_tax_and_a_card_can_be_charged_with_it_exactly(
    credits: tuple[Currency, int], rate_micros: int
) -> None:
    currency, micros = credits
    price = price_of(replace(BILLING, currency=currency, tax_rate_micros=rate_micros), micros)
    assert price.total_micros == price.credits_micros + price.tax_micros
    assert price.credits_micros == micros
    minor = minor_unit_micros(currency)
    assert minor_units(price.total_micros, currency) * minor == price.total_micros
    exact = micros * rate_micros
    assert -minor * 10**6 < 2 * (price.tax_micros * 10**6 - exact) <= minor * 10**6


@pytest.mark.parametrize(
    ("micros", "currency", "text"),
    [
        (20_000_000, "USD", "20.00 USD"),
        (-1_780_000, "EUR", "-1.78 EUR"),
        (12_345_600, "USD", "12.3456 USD"),
        (20_000_000, "JPY", "20 JPY"),
        (20_500_000, "JPY", "20.5 JPY"),
        (100_000_000, "GBP", "100.00 GBP"),
    ],
)
def test_money_for_a_person_loses_no_digit_that_counts(micros: int, currency: str, text: str) -> None:
    assert money_text(micros, currency) == text


# ---------- what stops a purchase ----------


def stops(billing: Billing, credits: str, currency: str = "USD", today: date = LAST_DAY) -> list[object]:
    found = problems(Buyer(billing, 0, today), Amount(parse_micros(credits), currency))
    return [type(problem) for problem in found]


@pytest.mark.parametrize(
    ("billing", "credits", "expected"),
    [
        (BILLING, "5", []),
        (BILLING, "4.99", [BelowMinimum]),
        (BILLING, "2000", []),
        (BILLING, "2000.01", [AboveMaximum]),
        (BILLING, "20.005", [InvalidInput]),
        (BILLING, "0", [BelowMinimum]),
        (BILLING, "-20", [BelowMinimum]),
        (replace(BILLING, minimum_micros=0), "0", [BelowMinimum]),
        (replace(BILLING, minimum_micros=0), "0.01", []),
        (replace(BILLING, bought_today_micros=parse_micros("4980")), "20", []),
        (replace(BILLING, bought_today_micros=parse_micros("4980")), "20.01", [LimitReached]),
        (replace(BILLING, bought_today_micros=parse_micros("6000")), "2001", [AboveMaximum, LimitReached]),
        (replace(BILLING, card=None), "20", [NoPaymentMethod]),
        (replace(BILLING, card=replace(CARD_OF_OFFICE, expires_month=202602)), "20", [NoPaymentMethod]),
        (INVOICED, "20", []),
        (replace(INVOICED, owed_micros=parse_micros("228.22")), "20", []),
        (replace(INVOICED, owed_micros=parse_micros("228.23")), "20", [LimitReached]),
    ],
)
def test_what_stops_a_purchase(billing: Billing, credits: str, expected: list[object]) -> None:
    assert stops(billing, credits) == expected


def test_another_currency_is_all_there_is_to_say() -> None:
    assert stops(replace(BILLING, card=None), "1", "EUR") == [WrongCurrency]


def test_a_card_is_good_until_its_month_s_end() -> None:
    assert stops(BILLING, "20", today=date(2026, 3, 31)) == []
    assert stops(BILLING, "20", today=date(2026, 4, 1)) == [NoPaymentMethod]


@given(whole_credits(), rates, st.sampled_from(PaymentTerms))
def test_what_is_bought_on_invoice_is_posted_at_once_and_by_card_not_before_it_is_paid(
    credits: tuple[Currency, int], rate_micros: int, terms: PaymentTerms
) -> None:
    currency, micros = credits
    billing = replace(BILLING, currency=currency, tax_rate_micros=rate_micros, payment_terms=terms)
    books = Office.open().books
    price = price_of(billing, micros)
    top_up = begin_purchase(books, billing, price, requested_by="Ann", return_url=None)
    moved = {(posting.source, posting.destination): posting.amount_micros for posting in books.postings}
    if terms is PaymentTerms.CARD:
        assert (top_up.state, top_up.payment_method_id, moved) == (TopUpState.PENDING, CARD_OF_OFFICE.id, {})
        return
    assert (top_up.state, top_up.payment_method_id, top_up.due_at) == (TopUpState.SETTLED, None, None)
    assert sum(moved.values()) == price.total_micros
    assert moved.pop((RECEIVABLE, "wallet:UNIVERSAL")) == books.funds.universal_micros == micros
    assert moved.pop((RECEIVABLE, TAX), 0) == price.tax_micros
    assert moved == {}
    assert CARD not in {posting.source for posting in books.postings}


# ---------- what an answer makes of it ----------


def top_up(state: TopUpState = TopUpState.PENDING, origin: TopUpOrigin = TopUpOrigin.PURCHASE) -> TopUp:
    books = Office.open().books
    begun = begin_purchase(books, BILLING, Price(20_000_000, 0), requested_by="Ann", return_url=None)
    settled_at = START if state is TopUpState.SETTLED else None
    return replace(begun, state=state, origin=origin, settled_at=settled_at, processor_payment_id="pay")


@given(states, st.lists(st.tuples(outcomes, moments), max_size=8), st.sampled_from(TopUpOrigin))
def test_whatever_is_heard_in_whatever_order_money_settles_once_and_for_ever(
    state: TopUpState, heard: list[tuple[PaymentOutcome, object]], origin: TopUpOrigin
) -> None:
    now_is = top_up(state, origin)
    settlements = 0
    for outcome, moment in heard:
        before = now_is
        now_is = after(before, outcome, moment)  # type: ignore[arg-type]
        settlements += now_is.state is TopUpState.SETTLED and before.state is not TopUpState.SETTLED
        if before.state in (TopUpState.SETTLED, TopUpState.SKIPPED):
            assert now_is == before
        elif outcome.state is PaymentState.PAID:
            assert now_is.state is TopUpState.SETTLED
        elif before.state is TopUpState.FAILED:
            assert now_is == before
        assert (now_is.settled_at is not None) == (now_is.state is TopUpState.SETTLED)
        if now_is != before:
            assert (now_is.due_at is not None) == (now_is.state in IN_FLIGHT), "somebody comes back, or nobody need"
            assert (now_is.next_action is not None) == (now_is.state is TopUpState.REQUIRES_ACTION)
            assert (now_is.reason is not None) == (now_is.state is TopUpState.FAILED)
    assert settlements <= 1


def test_a_cardholder_has_an_hour_counted_from_the_first_time() -> None:
    asks = PaymentOutcome(PaymentState.NEEDS_CARDHOLDER, next_action=NextAction(redirect_url="first"))
    waiting = after(top_up(), asks, START)
    again = PaymentOutcome(PaymentState.NEEDS_CARDHOLDER, next_action=NextAction(redirect_url="second"))
    later = START + timedelta(minutes=59)
    assert waiting.due_at == START + ACTION_PAUSE
    assert after(waiting, again, later) == replace(waiting, due_at=START + ACTION_LIFE), "asked once more, at the end"
    assert reason_to_cancel(waiting, again, later) is None
    assert reason_to_cancel(waiting, again, START + ACTION_LIFE) is PaymentFailure.AUTHENTICATION_EXPIRED


def test_nobody_is_there_to_confirm_a_recharge() -> None:
    asks = PaymentOutcome(PaymentState.NEEDS_CARDHOLDER)
    recharge = top_up(origin=TopUpOrigin.AUTO_RECHARGE)
    assert reason_to_cancel(recharge, asks, START) is PaymentFailure.AUTHENTICATION_FAILED


@pytest.mark.parametrize("state", [state for state in PaymentState if state is not PaymentState.NOT_STARTED])
def test_only_what_was_never_charged_is_given_up_for_its_age(state: PaymentState) -> None:
    old = START + PURCHASE_LIFE
    assert reason_to_cancel(top_up(), PaymentOutcome(state), old) is None
    untouched = PaymentOutcome(PaymentState.NOT_STARTED)
    assert reason_to_cancel(top_up(), untouched, old - timedelta(seconds=1)) is None
    assert reason_to_cancel(top_up(), untouched, old) is PaymentFailure.PROCESSOR_UNAVAILABLE
    assert reason_to_cancel(top_up(origin=TopUpOrigin.AUTO_RECHARGE), untouched, old) is None


@given(st.integers(min_value=0, max_value=1_000))
def test_pauses_grow_and_then_stay(attempt_count: int) -> None:
    asked = replace(top_up(), attempt_count=attempt_count)
    due_at, next_due_at = (
        asked_again(one, START).due_at for one in (asked, replace(asked, attempt_count=attempt_count + 1))
    )
    assert due_at is not None
    assert next_due_at is not None
    assert START + PAUSES[0] <= due_at <= next_due_at <= START + PAUSES[-1]


def test_without_a_payment_a_purchase_fails_and_a_recharge_is_tried_for_a_day() -> None:
    recharge = top_up(origin=TopUpOrigin.AUTO_RECHARGE)
    end = recharge.created_at + RECHARGE_LIFE
    assert unprepared(recharge, end - timedelta(seconds=1)).state is TopUpState.PENDING
    for failed in (unprepared(top_up(), START), unprepared(recharge, end)):
        assert (failed.state, failed.reason) == (TopUpState.FAILED, TopUpReason.PROCESSOR_UNAVAILABLE)
        assert failed.due_at is None


@pytest.mark.parametrize(("is_over", "is_set_up"), [(False, False), (False, True), (True, True), (True, False)])
def test_only_a_confirmation_that_is_over_is_not_waited_for_where_nobody_answers(
    is_over: bool, is_set_up: bool
) -> None:
    asks = PaymentOutcome(PaymentState.NEEDS_CARDHOLDER, next_action=NextAction(redirect_url="bank"))
    waiting = after(top_up(), asks, START)
    now = START + ACTION_LIFE - timedelta(seconds=not is_over)
    done = unanswered(waiting, now, is_set_up=is_set_up)
    expired = (TopUpState.FAILED, TopUpReason.AUTHENTICATION_EXPIRED)
    assert (done.state, done.reason) == (expired if is_over and not is_set_up else (waiting.state, None))
    assert unanswered(top_up(), now, is_set_up=is_set_up).state is TopUpState.PENDING


@pytest.mark.parametrize(
    ("is_enabled", "billing", "expected"),
    [
        (True, BILLING, False),
        (False, BILLING, True),
        (True, replace(BILLING, card=None), True),
        (True, replace(BILLING, card=replace(CARD_OF_OFFICE, id=UUID(int=8))), True),
        (True, replace(BILLING, payment_terms=PaymentTerms.INVOICE), True),
    ],
)
def test_a_recharge_is_wanted_while_its_card_is_to_be_charged(
    is_enabled: bool, billing: Billing, expected: bool
) -> None:
    waiting = replace(top_up(origin=TopUpOrigin.AUTO_RECHARGE), payment_method_id=CARD_OF_OFFICE.id)
    assert is_unwanted(waiting, AutoRecharge(is_enabled=is_enabled), billing) is expected
