"""Exact money: one rounding, decimals that lose no digit, minor units that fit or are refused."""

from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.money import (
    Currency,
    decimal_text,
    divide_half_up,
    minor_units,
    parse_decimal,
    parse_micros,
    parse_nanos,
)

amounts = st.integers(min_value=-(10**18), max_value=10**18)


@pytest.mark.parametrize(
    ("numerator", "denominator", "quotient"),
    [
        (0, 3, 0),
        (1, 3, 0),
        (1, 2, 1),
        (2, 3, 1),
        (3, 2, 2),
        (5, 2, 3),
        (26_500, 1_000, 27),
        (26_499, 1_000, 26),
        (-1, 2, -1),
        (-1, 3, 0),
        (-5, 2, -3),
    ],
)
def test_halves_are_rounded_away_from_zero(numerator: int, denominator: int, quotient: int) -> None:
    assert divide_half_up(numerator, denominator) == quotient


@given(amounts, st.integers(min_value=1, max_value=10**12))
def test_rounding_adds_a_half_and_cuts(numerator: int, denominator: int) -> None:
    expected = floor(Fraction(abs(numerator), denominator) + Fraction(1, 2))
    assert divide_half_up(numerator, denominator) == (expected if numerator >= 0 else -expected)


@given(amounts, st.integers(min_value=1, max_value=10**12))
def test_what_rounding_gives_or_takes_is_at_most_half_a_unit(numerator: int, denominator: int) -> None:
    assert abs(2 * (divide_half_up(numerator, denominator) * denominator - numerator)) <= denominator


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("0", 0),
        ("-0", 0),
        ("12.5", 12_500_000),
        ("12.50", 12_500_000),
        ("0.000001", 1),
        ("-0.1", -100_000),
        ("-12.000001", -12_000_001),
        ("1.000000000", 1_000_000),
        ("9999999999999.999999", 9_999_999_999_999_999_999),
    ],
)
def test_a_decimal_is_read_exactly(text: str, micros: int) -> None:
    assert parse_micros(text) == micros


def test_a_rate_keeps_nine_decimals() -> None:
    assert parse_nanos("0.019057") == 19_057_000
    assert parse_nanos("0.000000001") == 1


@pytest.mark.parametrize("text", ["0.0000001", "1.1234567", "-0.0000009"])
def test_a_decimal_that_would_lose_a_digit_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="more than 6 decimals"):
        parse_micros(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", ".5", "5.", "05", "1,5", "1_000", "+1", "--1", "- 1", "1 ", "1\n"),
        *("1e3", "5.41144E+11", "NaN", "Infinity", "0x10", "١٢", "１２", "Blocked"),
        *("12345678901234", "1.0000000000", "1.2.3"),
    ],
)
def test_what_is_no_decimal_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="not a decimal"):
        parse_decimal(text, 9)


def test_a_refusal_quotes_only_the_beginning_of_a_long_text() -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_micros("x" * 10_000)

    assert len(refusal.value.message) < 200


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "0.000000"), (1, "0.000001"), (-1, "-0.000001"), (-100_000, "-0.100000"), (12_500_000, "12.500000")],
)
def test_text_always_has_all_its_digits(micros: int, text: str) -> None:
    assert decimal_text(micros) == text


def test_a_rate_is_written_with_nine_decimals() -> None:
    assert decimal_text(19_057_000, 9) == "0.019057000"


@given(amounts, st.sampled_from([6, 9]))
def test_writing_and_reading_changes_nothing(value: int, digits: int) -> None:
    assert parse_decimal(decimal_text(value, digits), digits) == value


@pytest.mark.parametrize(
    ("micros", "currency", "units"),
    [
        (20_000_000, Currency.USD, 2_000),
        (10_000, Currency.EUR, 1),
        (-12_340_000, Currency.GBP, -1_234),
        (500_000_000, Currency.JPY, 500),
        (0, Currency.JPY, 0),
    ],
)
def test_a_card_processor_gets_minor_units(micros: int, currency: Currency, units: int) -> None:
    assert minor_units(micros, currency) == units


@pytest.mark.parametrize(
    ("micros", "currency"),
    [(1, Currency.USD), (19_999_999, Currency.USD), (-5_000, Currency.CAD), (500_500_000, Currency.JPY)],
)
def test_an_amount_that_does_not_fit_minor_units_is_refused(micros: int, currency: Currency) -> None:
    with pytest.raises(InvalidInput, match=str(currency)):
        minor_units(micros, currency)
