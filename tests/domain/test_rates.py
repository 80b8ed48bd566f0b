"""Rates: which one applies, how seconds are raised to the increment, what the price is."""

import csv
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.catalogue import Direction, Service, UsageType
from domain.money import divide_half_up, parse_micros, parse_nanos
from domain.rates import (
    PER_MINUTE,
    Increment,
    NewRate,
    Rate,
    RateBook,
    billed_seconds,
    connection_fee,
    find_ties,
    usage_price,
)

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


def rate(
    prefix: str = "",
    *,
    per_unit: str = "0.01",
    service: Service = Service.CALLING,
    usage_type: UsageType | None = None,
    direction: Direction | None = None,
    increment: Increment = PER_MINUTE,
    fee: str = "0",
    priority: int = 0,
    card: str = "standard",
    is_blocked: bool = False,
    effective_from: datetime = datetime(2026, 1, 1, tzinfo=UTC),
    effective_until: datetime | None = None,
) -> Rate:
    return Rate(
        id=UUID(int=0),
        card=card,
        service=service,
        usage_type=usage_type,
        direction=direction,
        prefix=prefix,
        destination=None,
        nanos_per_unit=parse_nanos(per_unit),
        increment=increment,
        connection_fee_micros=parse_micros(fee),
        priority=priority,
        is_blocked=is_blocked,
        effective_from=effective_from,
        effective_until=effective_until,
    )


def match(
    rates: list[Rate],
    digits: str,
    *,
    service: Service = Service.CALLING,
    usage_type: UsageType = UsageType.DOMESTIC,
    direction: Direction | None = Direction.OUTBOUND,
    at: datetime = NOW,
    cards: tuple[str, ...] = (),
) -> Rate | None:
    return RateBook(rates).match(
        service=service, usage_type=usage_type, direction=direction, digits=digits, at=at, cards=cards
    )


BILLED = """
    # seconds  increment  billed
    83         60/10      90
    83         60/60      120
    10         30/6       30
    31         30/6       36
    30         30/6       30
    36         30/6       36
    37         30/6       42
    0          60/60      0
    0          1/1        0
    1          1/1        1
    1          60/60      60
    60         60/60      60
    61         60/60      120
    61         6/6        66
    3600       60/60      3600
"""


def rows(table: str) -> list[tuple[str, ...]]:
    lines = (line.split("|")[0].split() for line in table.splitlines())
    return [tuple(columns) for columns in lines if columns and columns[0] != "#"]


@pytest.mark.parametrize(("seconds", "increment", "billed"), rows(BILLED))
def test_seconds_are_raised_to_the_increment(seconds: str, increment: str, billed: str) -> None:
    first, following = increment.split("/")
    assert billed_seconds(int(seconds), Increment(int(first), int(following))) == int(billed)


@given(st.integers(0, 604_800), st.builds(Increment, st.integers(1, 3_600), st.integers(1, 3_600)))
def test_raising_takes_whole_increments_and_never_one_too_many(seconds: int, increment: Increment) -> None:
    billed = billed_seconds(seconds, increment)

    assert billed >= seconds
    if seconds == 0:
        assert billed == 0
    elif billed > increment.first_seconds:
        assert (billed - increment.first_seconds) % increment.next_seconds == 0
        assert billed - increment.next_seconds < seconds
    else:
        assert billed == increment.first_seconds
    assert billed_seconds(billed, increment) == billed


PRICES = """
    # seconds  rate      increment  fee   price
    61         0.02      60/60      0     0.040000   | inbound toll-free
    24         0.05      1/1        0.15  0.170000   | connection fee
    180        0.1       1/1        0     0.300000   | float engines say 0.3001
    1          0.00159   1/1        0     0.000027   | 0.0000265, half up
    3600       0.019057  60/60      0     1.143420
    0          0.02      60/60      0.05  0.000000   | unanswered: no fee either
    61         0.009833  60/60      0     0.019666
    61         0.009833  6/6        0     0.010816   | 0.0108163
    600        0.02      1/1        0     0.200000
    60         0         60/60      0     0.000000
"""


@pytest.mark.parametrize(("seconds", "per_minute", "increment", "fee", "price"), rows(PRICES))
def test_a_call_costs_its_minutes_and_its_connection(
    seconds: str, per_minute: str, increment: str, fee: str, price: str
) -> None:
    first, following = increment.split("/")
    applied = rate(per_unit=per_minute, fee=fee, increment=Increment(int(first), int(following)))

    quantity = billed_seconds(int(seconds), applied.increment)

    assert usage_price(quantity, applied) + connection_fee(quantity, applied) == parse_micros(price)


@pytest.mark.parametrize(
    ("service", "quantity", "per_unit", "price"),
    [
        (Service.MESSAGING, 3, "0.0075", "0.0225"),
        (Service.FAX, 5, "0.03", "0.15"),
        (Service.AI_AGENT, 1, "0.5", "0.5"),
        (Service.SPEECH_IVR, 7, "0.0000005", "0.000004"),
        (Service.OMNICHANNEL, 0, "9", "0"),
    ],
)
def test_other_services_are_priced_by_the_whole_unit(
    service: Service, quantity: int, per_unit: str, price: str
) -> None:
    assert usage_price(quantity, rate(service=service, per_unit=per_unit)) == parse_micros(price)


@given(st.integers(0, 604_800), st.integers(0, 1_000 * 10**9))
def test_a_price_is_the_exact_product_rounded_once(seconds: int, nanos_per_minute: int) -> None:
    exact = Fraction(seconds * nanos_per_minute, 60 * 1_000)

    price = usage_price(seconds, rate()._replace(nanos_per_unit=nanos_per_minute))

    assert price == divide_half_up(exact.numerator, exact.denominator)
    assert abs(price - exact) <= Fraction(1, 2)


def test_a_call_of_no_seconds_has_no_connection_fee() -> None:
    assert connection_fee(0, rate(fee="0.05")) == 0
    assert connection_fee(1, rate(fee="0.05")) == 50_000


def test_the_longest_prefix_wins() -> None:
    rates = [rate("1"), rate("15"), rate("150"), rate("1503")]

    assert match(rates, "15035551234") == rates[3]
    assert match(rates, "15045551234") == rates[2]
    assert match(rates, "442083661177") is None


def test_priority_decides_between_equal_prefixes_and_not_between_lengths() -> None:
    low, high, longer = rate("855", priority=10), rate("855", priority=20), rate("85597", priority=10)

    assert match([low, high, longer], "85512345678") == high
    assert match([high, low, longer], "85512345678") == high
    assert match([low, high, longer], "85597345678") == longer


def test_then_the_more_specific_of_direction_and_usage_type_wins() -> None:
    plain = rate("1")
    by_type = rate("1", usage_type=UsageType.DOMESTIC)
    by_direction = rate("1", direction=Direction.OUTBOUND)
    by_both = rate("1", usage_type=UsageType.DOMESTIC, direction=Direction.OUTBOUND)
    number = "15035551234"

    assert match([plain, by_type], number) == by_type
    assert match([plain, by_direction], number) == by_direction
    assert match([by_both, by_direction, by_type, plain], number) == by_both
    assert match([plain._replace(priority=1), by_both], number) == plain._replace(priority=1)


def test_a_rate_for_another_usage_type_or_direction_or_service_does_not_apply() -> None:
    fallback = rate("")
    others = [
        rate("1503", usage_type=UsageType.TOLL_FREE),
        rate("1503", direction=Direction.INBOUND),
        rate("1503", service=Service.FAX),
    ]

    assert match([fallback, *others], "15035551234") == fallback
    assert match(others, "15035551234") is None


def test_usage_without_a_direction_takes_only_rates_without_one() -> None:
    inbound = rate("", service=Service.OMNICHANNEL, direction=Direction.INBOUND)
    either = inbound._replace(direction=None)

    def match_session(rates: list[Rate]) -> Rate | None:
        return match(rates, "", service=Service.OMNICHANNEL, usage_type=UsageType.OMNICHANNEL, direction=None)

    assert match_session([inbound]) is None
    assert match_session([inbound, either]) == either


def test_what_is_no_phone_number_matches_only_the_empty_prefix() -> None:
    rates = [rate("1"), rate("")]

    assert match(rates, "") == rates[1]
    assert match(rates[:1], "") is None


def test_blocked_wins_by_prefix_like_any_other_rate() -> None:
    blocked = rate("1900", is_blocked=True)

    assert match([rate("1"), blocked], "19005551234") == blocked
    assert match([blocked, rate("1900555")], "19005551234") == rate("1900555")


def test_a_rate_is_in_force_from_its_first_instant_until_before_its_last() -> None:
    day = timedelta(days=1)
    old, new = rate("1", effective_until=NOW), rate("1", effective_from=NOW, effective_until=NOW + day)

    assert match([old, new], "1503", at=NOW - timedelta(microseconds=1)) == old
    assert match([old, new], "1503", at=NOW) == new
    assert match([old, new], "1503", at=NOW + day) is None


def test_a_shorter_prefix_applies_before_a_longer_one_is_in_force() -> None:
    later = rate("1503", effective_from=NOW + timedelta(days=1))

    assert match([rate("1"), later], "15035551234") == rate("1")


def test_only_the_decks_named_count_and_the_first_named_breaks_a_tie() -> None:
    gold, silver = rate("1", card="gold"), rate("1", card="silver")
    longer = rate("1503", card="bronze")
    rates = [silver, gold, longer]

    assert match(rates, "15035551234", cards=("gold", "silver")) == gold
    assert match(rates, "15035551234", cards=("silver", "gold")) == silver
    assert match(rates, "15035551234", cards=("silver",)) == silver
    assert match(rates, "15035551234", cards=("bronze", "gold")) == longer
    assert match(rates, "15035551234", cards=("platinum",)) is None


prefixes = st.text(st.sampled_from("12"), max_size=5)
a_rate = st.builds(
    rate,
    prefixes,
    priority=st.integers(0, 2),
    usage_type=st.sampled_from([None, UsageType.DOMESTIC, UsageType.LOCAL]),
    direction=st.sampled_from([None, Direction.OUTBOUND, Direction.INBOUND]),
)


def _new(applied: Rate) -> NewRate:
    return NewRate(**{name: getattr(applied, name) for name in NewRate._fields})


@given(st.lists(a_rate, max_size=12), st.text(st.sampled_from("12"), max_size=15))
def test_a_match_is_the_best_of_all_that_apply(rates: list[Rate], digits: str) -> None:
    applying = [
        one
        for one in rates
        if digits.startswith(one.prefix)
        and one.usage_type in (None, UsageType.DOMESTIC)
        and one.direction in (None, Direction.OUTBOUND)
    ]

    found = match(rates, digits)

    if found is None:
        assert not applying
    else:
        assert found in applying
        assert all((len(found.prefix), found.priority) >= (len(one.prefix), one.priority) for one in applying)


@given(st.lists(a_rate, max_size=12), st.text(st.sampled_from("12"), max_size=15), st.randoms())
def test_without_ties_the_order_of_a_deck_does_not_matter(rates: list[Rate], digits: str, random: Random) -> None:
    ties = find_ties((line, _new(one)) for line, one in enumerate(rates))
    untied = [one for line, one in enumerate(rates) if line not in ties]
    shuffled = list(untied)
    random.shuffle(shuffled)

    assert match(untied, digits) == match(shuffled, digits)


def test_a_row_that_would_tie_names_the_row_before_it() -> None:
    twice, other = _new(rate("1", per_unit="0.01")), _new(rate("1", priority=1))
    dearer = twice._replace(nanos_per_unit=20_000_000)

    assert find_ties([(2, twice), (3, other), (4, dearer), (5, twice)]) == {4: 2, 5: 2}
    assert find_ties([(2, twice), (3, twice._replace(direction=Direction.INBOUND))]) == {}


REAL_CALLS = Path(__file__).parents[3] / "shared" / "data" / "udacity_calls.csv"


@pytest.mark.skipif(not REAL_CALLS.exists(), reason="the real call records are not here")
def test_five_thousand_real_calls_cost_what_they_cost_by_hand() -> None:
    with REAL_CALLS.open(newline="") as file:
        durations = [int(row["duration"]) for row in csv.DictReader(file, skipinitialspace=True)]
    applied = rate(per_unit="0.036")

    billed = [billed_seconds(seconds, applied.increment) for seconds in durations]

    assert sum(billed) == 83_957 * 60
    assert sum(usage_price(seconds, applied) for seconds in billed) == parse_micros("3022.452")
