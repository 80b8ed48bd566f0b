"""Exact money: integer micros of one currency, integer nanos for rates, one rounding (R1–R3).

One unit of a currency is 1,000,000 micros and 1,000,000,000 nanos. No float comes near either.
"""

import re
from enum import StrEnum
from typing import NamedTuple

from domain.errors import InvalidInput

Micros = int
"""Millionths of the company's currency."""
Nanos = int
"""Billionths of the company's currency: the precision of a rate."""

MICROS_PER_UNIT = 1_000_000
NANOS_PER_MICRO = 1_000
MICRO_DIGITS = 6
NANO_DIGITS = 9

_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,12})(?:\.[0-9]{1,9})?")


class Currency(StrEnum):
    AUD = "AUD"
    CAD = "CAD"
    EUR = "EUR"
    GBP = "GBP"
    JPY = "JPY"
    NZD = "NZD"
    USD = "USD"


MINOR_DIGITS = {currency: 0 if currency is Currency.JPY else 2 for currency in Currency}
"""ISO 4217 exponents: how many decimals a card processor knows."""


def divide_half_up(numerator: int, denominator: int) -> int:
    """The only rounding there is (R2): to the nearest integer, halves away from zero."""
    if numerator < 0:
        return -divide_half_up(-numerator, denominator)
    return (2 * numerator + denominator) // (2 * denominator)


def parse_decimal(text: str, digits: int) -> int:
    """`"12.5"` with 6 digits is 12_500_000. Raises InvalidInput for other text or lost digits."""
    if not _DECIMAL.fullmatch(text):
        raise InvalidInput(f"{text[:40]!r} is not a decimal: write digits with at most nine decimals, as in 12.50.")
    whole, _, fraction = text.partition(".")
    if len(fraction.rstrip("0")) > digits:
        raise InvalidInput(f"{text[:40]!r} has more than {digits} decimals.")
    sign = -1 if whole.startswith("-") else 1
    return sign * int(whole.lstrip("-") + fraction[:digits].ljust(digits, "0"))


def parse_micros(text: str) -> Micros:
    return parse_decimal(text, MICRO_DIGITS)


def parse_nanos(text: str) -> Nanos:
    return parse_decimal(text, NANO_DIGITS)


def decimal_text(value: int, digits: int = MICRO_DIGITS) -> str:
    """Always all digits: lists, CSV and both databases give the same bytes. -100000 is "-0.100000"."""
    whole, fraction = divmod(abs(value), 10**digits)
    return f"{'-' if value < 0 else ''}{whole}.{fraction:0{digits}d}"


def minor_unit_micros(currency: Currency) -> Micros:
    """The smallest amount a card processor knows: a cent, a yen."""
    size: int = 10 ** (MICRO_DIGITS - MINOR_DIGITS[currency])
    return size


def minor_units(micros: Micros, currency: Currency) -> int:
    """Cents for a card processor. Raises InvalidInput when an amount does not fit: none is rounded (R3)."""
    size = minor_unit_micros(currency)
    if micros % size:
        raise InvalidInput(f"{decimal_text(micros)} {currency} cannot be charged to a card exactly.")
    return micros // size


def share_in_minor_units(micros: Micros, numerator: int, denominator: int, currency: Currency) -> Micros:
    """So many parts of an amount, rounded once, half up to a minor unit: taxes, and what goes back of them (R30)."""
    size = minor_unit_micros(currency)
    return divide_half_up(micros * numerator, denominator * size) * size


def money_text(micros: Micros, currency: str) -> str:
    """As a person reads it: 20_000_000 is "20.00 USD", and no digit that counts is left out."""
    whole, _, fraction = decimal_text(micros).partition(".")
    digits = MINOR_DIGITS.get(Currency(currency), 0)
    fraction = fraction.rstrip("0").ljust(digits, "0")
    return f"{whole}.{fraction} {currency}" if fraction else f"{whole} {currency}"


class Amount(NamedTuple):
    """Money as a caller names it: its currency still has to be compared with the company's."""

    micros: Micros
    currency: str
