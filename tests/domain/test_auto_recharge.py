"""When an office is recharged, with how much, and what stands in the way: worked numbers as tables, laws for the rest
(R33–R35)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.auto_recharge import (
    BACK_OFFS,
    AutoRecharge,
    RechargeFacts,
    note_decline,
    note_new_card,
    note_success,
)
from domain.ledger import RECEIVABLE, TAX, UNIVERSAL
from domain.money import Currency, parse_micros
from domain.payments import ProcessorKind
from domain.periods import CycleTerms
from domain.provisioning import DEFAULT_PURCHASE_MAXIMUM_MICROS, DEFAULT_PURCHASE_MINIMUM_MICROS, PaymentTerms
from domain.recharging import judge
from domain.top_ups import Billing, Card, TopUp, TopUpOrigin, TopUpReason, TopUpState, tax_of
from tests.books import UTC_FIRST, Office
from tests.world import START

NOW = START + timedelta(days=3, hours=12)
HOUR = timedelta(hours=1)
CARD = Card(
    id=UUID(int=9),
    processor=ProcessorKind.SANDBOX,
    customer_id="customer",
    method_id="method",
    brand="visa",
    last_four="4242",
    expires_month=202803,
)
BILLING = Billing(
    currency=Currency.USD,
    payment_terms=PaymentTerms.CARD,
    tax_name="Tax",
    tax_rate_micros=88_750,
    minimum_micros=DEFAULT_PURCHASE_MINIMUM_MICROS,
    maximum_micros=DEFAULT_PURCHASE_MAXIMUM_MICROS,
    daily_micros=0,
    presets=(),
    invoice_limit_micros=parse_micros("250"),
    card=CARD,
    bought_today_micros=0,
    owed_micros=0,
)
INVOICED = replace(BILLING, payment_terms=PaymentTerms.INVOICE, card=None)
NOTHING_YET = RechargeFacts(is_in_flight=False, attempts_today_count=0, spent_of_cap_micros=0)


def recharging(
    balance: str, threshold: str = "5", amount: str = "20", cap: str = "-", terms: CycleTerms = UTC_FIRST
) -> Office:
    office = Office.open(universal=balance, terms=terms)
    office.renew(NOW)
    office.funds.recharge = AutoRecharge(
        is_enabled=True,
        threshold_micros=parse_micros(threshold),
        amount_micros=parse_micros(amount),
        cycle_cap_micros=None if cap == "-" else parse_micros(cap),
        updated_at=START,
    )
    return office


def skips(office: Office) -> list[TopUpReason | None]:
    return [top_up.reason for top_up in office.books.new_top_ups if top_up.state is TopUpState.SKIPPED]


# threshold | amount | cap | spent of it | balance || one charge of
AMOUNTS = """
5  | 20 | -   | 0  | 5.00      || nothing
5  | 20 | -   | 0  | 4.999999  || 20
5  | 20 | -   | 0  | 100       || nothing
5  | 10 | -   | 0  | -12       || 20
5  | 10 | -   | 0  | -5        || 10
5  | 10 | -   | 0  | -5.000001 || 20
0  | 20 | -   | 0  | 0         || nothing
0  | 20 | -   | 0  | -0.000001 || 20
50 | 20 | 40  | 0  | 0         || 40
50 | 20 | 59  | 0  | 0         || 40
50 | 20 | 60  | 0  | 0         || 60
50 | 20 | -   | 0  | -100      || 80
50 | 20 | -   | 60 | -100      || 20
50 | 20 | -   | 61 | -100      || CYCLE_CAP
50 | 20 | 40  | 40 | 0         || CYCLE_CAP
50 | 20 | 40  | 80 | 0         || CYCLE_CAP
5  | 20 | -   | 0  | -9000     || 80
5  | 20 | 9e3 | 0  | -4000     || 4020
"""


@pytest.mark.parametrize("row", AMOUNTS.strip().splitlines())
def test_one_charge_closes_the_gap_as_far_as_the_cap_lets_it(row: str) -> None:
    settings, expected = row.replace("9e3", "9000").split("||")
    threshold, amount, cap, spent, balance = (cell.strip() for cell in settings.split("|"))
    office = recharging(balance, threshold, amount, cap)

    top_up = judge(office.books, BILLING, NOTHING_YET._replace(spent_of_cap_micros=parse_micros(spent)))

    match expected.strip():
        case "nothing":
            assert (top_up, office.books.new_top_ups) == (None, [])
        case "CYCLE_CAP":
            assert (top_up, skips(office)) == (None, [TopUpReason.CYCLE_CAP])
        case credits:
            assert top_up is not None
            assert office.books.new_top_ups == [top_up]
            assert top_up.credits_micros == parse_micros(credits)
    assert office.posted(UNIVERSAL) == parse_micros(balance)


def test_an_attempt_is_an_intent_for_the_worker() -> None:
    office = recharging("1")
    top_up = judge(office.books, BILLING, NOTHING_YET)
    assert top_up == TopUp(
        id=top_up.id if top_up else UUID(int=0),
        company_id=office.funds.office.company_id,
        office_id=office.funds.office.id,
        origin=TopUpOrigin.AUTO_RECHARGE,
        state=TopUpState.PENDING,
        payment_terms=PaymentTerms.CARD,
        credits_micros=20_000_000,
        tax_micros=1_780_000,
        month=office.funds.current.month,
        requested_by="Auto-recharge",
        created_at=NOW,
        payment_method_id=CARD.id,
        processor=CARD.processor,
        due_at=NOW,
    )


def test_what_is_available_is_judged_where_that_was_asked_for() -> None:
    office = recharging("6.00")
    assert judge(office.books, BILLING, NOTHING_YET) is None
    top_up = judge(office.books, BILLING, NOTHING_YET, available_micros=500_000)
    assert top_up is not None
    assert top_up.credits_micros == 20_000_000


MICROS = st.integers(0, 10**10)


@given(
    threshold=MICROS,
    amount=st.integers(1, 10**8).map(lambda cents: cents * 10_000),
    spent=MICROS,
    below=st.integers(1, 10**11),
    cap_amounts=st.none() | st.integers(1, 50),
    loose=st.integers(0, 9_999),
)
def test_never_above_the_cap_always_a_multiple_and_closed_unless_cut(
    threshold: int, amount: int, spent: int, below: int, cap_amounts: int | None, loose: int
) -> None:
    office = recharging("0")
    recharge, balance = office.funds.recharge, threshold - below
    recharge.threshold_micros, recharge.amount_micros = threshold, amount
    recharge.cycle_cap_micros = cap_amounts and cap_amounts * amount + loose
    office.funds.universal_micros = balance

    top_up = judge(office.books, BILLING, NOTHING_YET._replace(spent_of_cap_micros=spent))

    left = recharge.cap_micros - spent
    if top_up is None:
        assert skips(office) == [TopUpReason.CYCLE_CAP]
        assert left < amount
        return
    credits = top_up.credits_micros
    assert credits % amount == 0
    assert amount <= credits <= left
    closes = balance + credits >= threshold
    assert closes or left - credits < amount, "cut, though more would have fitted"
    assert balance + credits - amount < threshold, "more than the gap"


# what is the matter || the skip || judged again, in hours from now
OBSTACLES = """
in flight               || ALREADY_IN_FLIGHT || -
in flight, backing off  || ALREADY_IN_FLIGHT || -
backing off             || BACKING_OFF       || 1
backing off, no card    || BACKING_OFF       || 1
no card                 || NO_PAYMENT_METHOD || -
expired card            || CARD_EXPIRED      || -
no card, six attempts   || NO_PAYMENT_METHOD || -
six attempts            || DAILY_CAP         || 12
six attempts, cap spent || DAILY_CAP         || 12
cap spent               || CYCLE_CAP         || 660
invoiced, owing         || INVOICE_LIMIT     || -
invoiced, cap spent     || CYCLE_CAP         || 660
"""


@pytest.mark.parametrize("row", OBSTACLES.strip().splitlines())
def test_what_stands_in_the_way_is_told_once(row: str) -> None:
    matter, reason, hours = (cell.strip() for cell in row.split("||"))
    matters = matter.split(", ")
    office = recharging("1")
    recharge = office.funds.recharge
    recharge.retry_at = NOW + HOUR if "backing off" in matters else None
    billing = INVOICED if "invoiced" in matters else BILLING
    if "no card" in matters:
        billing = replace(billing, card=None)
    if "expired card" in matters:
        billing = replace(billing, card=replace(CARD, expires_month=202602))
    if "owing" in matters:
        billing = replace(billing, owed_micros=parse_micros("228.220001"))
    facts = RechargeFacts(
        "in flight" in matters, 6 * ("six attempts" in matters), 80_000_000 * ("cap spent" in matters)
    )

    assert judge(office.books, billing, facts) is None

    [skip] = office.books.new_top_ups
    assert (skip.state, skip.reason, skip.due_at, skip.settled_at) == (TopUpState.SKIPPED, reason, None, None)
    assert (skip.credits_micros, skip.tax_micros) == (20_000_000, 1_780_000)
    assert recharge.skip_reason == reason
    assert recharge.judge_at == (None if hours == "-" else NOW + int(hours) * HOUR)
    assert judge(office.books, billing, facts) is None
    assert office.books.new_top_ups == [skip], "the same again is no row"
    other = facts._replace(is_in_flight=not facts.is_in_flight)
    judge(office.books, billing, other)
    assert len(office.books.new_top_ups) == 2, "another reason, or an attempt, is one"


def test_a_card_is_good_until_its_month_ends_where_the_office_is() -> None:
    honolulu = CycleTerms(time_zone="Pacific/Honolulu", anchor_day=1)
    billing = replace(BILLING, card=replace(CARD, expires_month=202603))
    for moment, expected in (("2026-04-01T09:59:59Z", None), ("2026-04-01T10:00:00Z", TopUpReason.CARD_EXPIRED)):
        office = recharging("1", terms=honolulu)
        office.renew(datetime.fromisoformat(moment))
        judge(office.books, billing, NOTHING_YET)
        assert office.books.new_top_ups[0].reason is expected


def test_after_six_attempts_it_waits_for_midnight_where_the_office_is() -> None:
    office = recharging("1", terms=CycleTerms(time_zone="Asia/Kolkata", anchor_day=1))
    judge(office.books, BILLING, NOTHING_YET._replace(attempts_today_count=6))
    assert office.funds.recharge.judge_at == datetime(2026, 3, 4, 18, 30, tzinfo=UTC)


def test_an_invoiced_office_has_its_credits_at_once_and_owes_them_with_tax() -> None:
    office = recharging("-12", amount="10")
    billing = replace(INVOICED, owed_micros=parse_micros("228.22"), tax_rate_micros=89_000)

    top_up = judge(office.books, billing, NOTHING_YET)

    assert top_up is not None
    assert (top_up.state, top_up.settled_at, top_up.due_at) == (TopUpState.SETTLED, NOW, None)
    assert office.funds.universal_micros == parse_micros("8")
    assert (office.posted(RECEIVABLE), office.posted(TAX)) == (-21_780_000, 1_780_000)
    assert {posting.top_up_id for posting in office.books.postings[-2:]} == {top_up.id}
    assert judge(office.books, billing, NOTHING_YET) is None


def test_a_decline_backs_off_longer_each_time_and_the_fourth_switches_it_off() -> None:
    recharge, now = recharging("1").funds.recharge, NOW
    for pause in BACK_OFFS:
        assert not note_decline(recharge, now)
        assert recharge.retry_at == recharge.judge_at == now + pause
        now += pause
    assert note_decline(recharge, now)
    assert (recharge.is_enabled, recharge.is_switched_off, recharge.retry_at, recharge.judge_at) == (
        False,
        True,
        None,
        None,
    )
    assert not note_decline(recharge, now), "what is off is not switched off again"


def test_a_success_forgets_earlier_declines() -> None:
    recharge = recharging("1").funds.recharge
    for _ in range(3):
        note_decline(recharge, NOW)
    note_success(recharge)
    assert not note_decline(recharge, NOW)
    assert recharge.retry_at == NOW + BACK_OFFS[0]


def test_a_new_card_ends_a_back_off_and_switches_nothing_on() -> None:
    recharge = recharging("1").funds.recharge
    note_decline(recharge, NOW)
    note_new_card(recharge, NOW + HOUR / 2)
    assert (recharge.decline_count, recharge.retry_at, recharge.judge_at) == (0, None, NOW + HOUR / 2)
    untouched = AutoRecharge()
    note_new_card(untouched, NOW)
    assert untouched == AutoRecharge(), "an office that never set it has no row to change"


@given(st.integers(1, 10**6), st.integers(0, 500_000))
def test_a_recharge_is_taxed_like_a_purchase(amounts: int, rate: int) -> None:
    office = recharging("-1", amount="0.01")
    office.funds.recharge.amount_micros = amounts * 10_000
    top_up = judge(office.books, replace(BILLING, tax_rate_micros=rate), NOTHING_YET)
    assert top_up is not None
    assert top_up.tax_micros == tax_of(top_up.credits_micros, rate, Currency.USD)
