"""The leaves of the contract: strict scalars, and the small values that are columns of their parent.

Decimals, dates and whole numbers beyond 32 bits travel as strings. What is not exactly in the written form is refused:
no floats, no exponents, no times without an offset.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, NewType
from urllib.parse import urlsplit

import strawberry
from graphql import GraphQLError, StringValueNode, ValueNode, print_ast
from strawberry.types.scalar import ScalarDefinition

from domain.errors import InvalidInput
from domain.money import (
    MICRO_DIGITS,
    NANO_DIGITS,
    Micros,
    Nanos,
    decimal_text,
    divide_half_up,
    parse_decimal,
)
from domain.periods import YearMonth, known_time_zone
from domain.rates import Increment
from schema.cost import VALUE
from schema.words import AddressKind, UsageUnit

Decimal = NewType("Decimal", str)
BigInt = NewType("BigInt", int)
PhoneNumber = NewType("PhoneNumber", str)
CurrencyCode = NewType("CurrencyCode", str)
CountryCode = NewType("CountryCode", str)
TimeZone = NewType("TimeZone", str)
URL = NewType("URL", str)

MAX_URL_CHARACTERS = 2_000

_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PHONE_NUMBER = re.compile(r"\+[1-9][0-9]{1,14}")
_CURRENCY_CODE = re.compile(r"[A-Z]{3}")
_COUNTRY_CODE = re.compile(r"[A-Z]{2}")
_URL = re.compile(r"https?://[!#-;=?-\[\]_a-z~]+")
"""The characters of RFC 3986, in which nothing can be hidden."""
_BIG_INT = re.compile(r"-?(?:0|[1-9][0-9]{0,18})")
_BIG_INT_LIMIT = 2**63


def parse_date_time(text: str) -> datetime:
    """RFC 3339 with an offset, as aware UTC. Raises InvalidInput."""
    if _DATE_TIME.fullmatch(text) and not text.endswith("-00:00"):
        try:
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise InvalidInput(
        f"{text[:40]!r} is not a date and time: write it with seconds and offset, as in 2026-03-01T09:30:00Z."
    )


def date_time_text(moment: datetime) -> str:
    """UTC with `Z`; six decimals of a second where they are not zero."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _parse_date(text: str) -> date:
    if _DATE.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise InvalidInput(f"{text[:40]!r} is not a day: write it as 2026-03-01.")


def _parse_decimal(text: str) -> Decimal:
    parse_decimal(text, NANO_DIGITS)
    return Decimal(text)


def _parse_big_int(text: str) -> BigInt:
    if _BIG_INT.fullmatch(text) and -_BIG_INT_LIMIT <= int(text) < _BIG_INT_LIMIT:
        return BigInt(int(text))
    raise InvalidInput(f'{text[:40]!r} is not a whole number: write digits in a string, as in "3600".')


def _matching(pattern: re.Pattern[str], message: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if pattern.fullmatch(text):
            return text
        raise InvalidInput(f"{text[:40]!r} is not {message}.")

    return parse


parse_country_code = _matching(_COUNTRY_CODE, "a country code: write two capital letters, as in US")
"""Raises InvalidInput."""


def _parse_time_zone(text: str) -> TimeZone:
    if known_time_zone(text):
        return TimeZone(text)
    raise InvalidInput(f"{text[:40]!r} is not a time zone: write an IANA name such as America/New_York.")


def _parse_url(text: str) -> URL:
    if len(text) <= MAX_URL_CHARACTERS and _URL.fullmatch(text) and _has_host(text):
        return URL(text)
    raise InvalidInput(
        f"{text[:40]!r} is not an address of the web: write at most {MAX_URL_CHARACTERS} characters that begin with"
        " https:// or http://, as in https://app.example/credits."
    )


def _has_host(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:  # a port or a bracketed host that is none
        return False


def _scalar(
    name: str,
    description: str,
    specified_by: str,
    parse: Callable[[str], Any],
    serialize: Callable[[Any], str] = str,
) -> ScalarDefinition:
    """A scalar that travels as a string and is read from nothing else."""

    def parse_value(value: object) -> Any:
        if not isinstance(value, str):
            raise GraphQLError(f"{name} is written as a string.")
        try:
            return parse(value)
        except InvalidInput as problem:
            raise GraphQLError(problem.message) from None

    def parse_literal(node: ValueNode, _variables: dict[str, Any] | None = None) -> Any:
        if not isinstance(node, StringValueNode):
            raise GraphQLError(f"{name} is written as a string, not as {print_ast(node)[:40]}.")
        return parse_value(node.value)

    return strawberry.scalar(
        name=name,
        description=description,
        specified_by_url=specified_by,
        serialize=serialize,
        parse_value=parse_value,
        parse_literal=parse_literal,
    )


SCALARS: dict[object, ScalarDefinition] = {
    Decimal: _scalar(
        "Decimal",
        "Exact decimal number as a string: an optional minus, up to 13 digits without leading zeros, and up to 9"
        " decimals, as in `12.50`. No exponent. Money always leaves with exactly six decimals (`12.500000`), rates"
        " with nine, percentages with one.",
        "https://farebox.example/scalars#decimal",
        _parse_decimal,
    ),
    BigInt: _scalar(
        "BigInt",
        "Whole number from -2^63 to 2^63-1 as a string, as in `3600`: for sums of seconds and segments that do not"
        " fit the 32 bits of Int.",
        "https://farebox.example/scalars#big-int",
        _parse_big_int,
    ),
    datetime: _scalar(
        "DateTime",
        "A moment. Read: RFC 3339 with seconds, at most six decimals, and an offset (`2026-03-01T09:30:00-05:00`)."
        " Written: the same in UTC (`2026-03-01T14:30:00Z`), with six decimals only where they are not all zero.",
        "https://scalars.graphql.org/andimarek/date-time",
        parse_date_time,
        date_time_text,
    ),
    date: _scalar(
        "Date",
        "A calendar day as `2026-03-01`, in whatever time zone the field says.",
        "https://farebox.example/scalars#date",
        _parse_date,
        date.isoformat,
    ),
    YearMonth: _scalar(
        "YearMonth",
        "A month as `2026-03`: the label of a billing cycle, the month of the local date on which the cycle starts."
        " A cycle need not begin on the first.",
        "https://farebox.example/scalars#year-month",
        YearMonth.parse,
        lambda month: month.text,
    ),
    PhoneNumber: _scalar(
        "PhoneNumber",
        "A telephone number in E.164: a plus, the country calling code and the number, at most 15 digits, as in"
        " `+14155550100`.",
        "https://www.itu.int/rec/T-REC-E.164",
        _matching(_PHONE_NUMBER, "a phone number: write it as +14155550100"),
    ),
    CurrencyCode: _scalar(
        "CurrencyCode",
        "A currency by its three capital letters in ISO 4217. A company has one: AUD, CAD, EUR, GBP, JPY, NZD or USD.",
        "https://www.iso.org/iso-4217-currency-codes.html",
        _matching(_CURRENCY_CODE, "a currency code: write three capital letters, as in USD"),
    ),
    CountryCode: _scalar(
        "CountryCode",
        "A country or region by its two capital letters in ISO 3166-1, as in `US`.",
        "https://www.iso.org/iso-3166-country-codes.html",
        parse_country_code,
    ),
    TimeZone: _scalar(
        "TimeZone",
        "A time zone by its IANA name, as in `America/New_York`.",
        "https://www.iana.org/time-zones",
        _parse_time_zone,
    ),
    URL: _scalar(
        "URL",
        f"An address of the web that begins with `https://` or `http://` and names a host, at most {MAX_URL_CHARACTERS}"
        " characters; other characters than those of RFC 3986 are percent-encoded.",
        "https://url.spec.whatwg.org/",
        _parse_url,
    ),
}
"""Every scalar of the contract, by the Python type that stands for it."""


@strawberry.type(directives=[VALUE], description="An amount of money, exact to a millionth of the currency.")
class Money:
    amount: Decimal = strawberry.field(description="The amount, always with six decimals; may be negative.")
    currency_code: CurrencyCode = strawberry.field(description="The company's currency.")


def money(micros: Micros, currency: str) -> Money:
    return Money(amount=Decimal(decimal_text(micros, MICRO_DIGITS)), currency_code=CurrencyCode(currency))


def rate_amount(nanos: Nanos) -> Decimal:
    """A price per unit, always with nine decimals."""
    return Decimal(decimal_text(nanos, NANO_DIGITS))


def decimal_tenths(tenths: int) -> Decimal:
    """One decimal: 43 is `4.3`."""
    return Decimal(decimal_text(tenths, 1))


def percent(part: int, whole: int | None) -> Decimal | None:
    """How much of the whole, in per cent with one decimal, half up; null where there is no whole."""
    if not whole:
        return None
    return decimal_tenths(divide_half_up(part * 1_000, whole))


@strawberry.type(directives=[VALUE], description="A number of billable units.")
class Quantity:
    value: BigInt = strawberry.field(description="How many; negative on a reversal.")
    unit: UsageUnit = strawberry.field(description="What is counted.")


@strawberry.type(
    directives=[VALUE],
    description="How seconds are raised before they are priced: the first block is billed whole, then every further"
    " block that was begun.",
)
class BillingIncrement:
    minimum_seconds: int = strawberry.field(description="Length of the first block, in seconds.")
    increment_seconds: int = strawberry.field(description="Length of every further block, in seconds.")
    label: str = strawberry.field(description="Both as they are usually written: `60/10`.")


def billing_increment(first_seconds: int, next_seconds: int) -> BillingIncrement:
    return BillingIncrement(
        minimum_seconds=first_seconds,
        increment_seconds=next_seconds,
        label=Increment(first_seconds, next_seconds).label,
    )


@strawberry.type(
    directives=[VALUE],
    description="One end of a call, message or fax. Real traffic is not all phone numbers: there are short codes,"
    " sender names, extensions (`1002`) and withheld callers.",
)
class TelephonyAddress:
    kind: AddressKind = strawberry.field(description="What sort of address it is.")
    phone_number: PhoneNumber | None = strawberry.field(description="The number in E.164. Null unless kind is E164.")
    text: str = strawberry.field(description="The address as it was reported, for display.")
    region_code: CountryCode | None = strawberry.field(
        description="Country or region of the number. Null unless kind is E164, and for numbers of no country."
    )


def telephony_address(kind: str | None, text: str | None, number: str | None, region: str | None) -> TelephonyAddress:
    """An end that was not reported counts as withheld."""
    return TelephonyAddress(
        kind=AddressKind(kind or AddressKind.ANONYMOUS),
        phone_number=None if number is None else PhoneNumber(number),
        text=text or "",
        region_code=None if region is None else CountryCode(region),
    )
