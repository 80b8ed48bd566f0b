"""How single values of a company file are read: each type takes the text as written, or says what it wants.

Money and percentages are read digit by digit, never as floats (R1).
"""

import re
from collections.abc import Callable
from datetime import date
from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated, TypeVar
from zoneinfo import available_timezones

import phonenumbers
from pydantic import BeforeValidator

from domain.catalogue import Cadence, Service, UsageType, WalletKind
from domain.errors import InvalidInput
from domain.money import MICROS_PER_UNIT, Currency, Micros, parse_decimal, parse_micros
from domain.periods import known_time_zone
from domain.provisioning import (
    COMMITMENT_KINDS,
    MAX_EMAIL_CHARACTERS,
    MAX_NAME_CHARACTERS,
    MAX_TAX_RATE_MICROS,
    SLUG_PATTERN,
    GroupKind,
    PaymentTerms,
)
from domain.usage import MAX_KEY_CHARACTERS

PERCENT_DIGITS = 4
"""8.875 % is 88_750 millionths: a percent has four decimals of a millionth."""
FIRST_YEAR, LAST_YEAR = 1990, 2100

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_WHOLE = re.compile(r"0|[1-9][0-9]{0,11}")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FLAGS = {"true": True, "yes": True, "false": False, "no": False}

E = TypeVar("E", bound=StrEnum)


def scalar(read: Callable[[str], object]) -> BeforeValidator:
    """A validator for one value that is not a list and has no keys of its own."""

    def validate(value: object) -> object:
        if not isinstance(value, str):
            raise ValueError("write a single value here, not a list or keys.")
        try:
            return read(value.strip())
        except InvalidInput as error:
            raise ValueError(error.message) from None

    return BeforeValidator(validate)


def nearest(text: str, known: list[str]) -> str:
    """` Did you mean X?`, or nothing."""
    close = get_close_matches(text, known, n=1, cutoff=0.6)
    return f" Did you mean {close[0]}?" if close else ""


def code_name(text: str) -> str:
    """`speech-ivr` and `Speech IVR` are SPEECH_IVR."""
    return text.strip().upper().replace("-", "_").replace(" ", "_")


def choice(*members: E) -> BeforeValidator:
    known = {member.value: member for member in members}

    def read(text: str) -> E:
        name = code_name(text)
        if name not in known:
            raise ValueError(f"{text[:40]!r} is not one of {', '.join(known)}.{nearest(name, list(known))}")
        return known[name]

    return scalar(read)


def whole(least: int, most: int) -> BeforeValidator:
    def read(text: str) -> int:
        if not _WHOLE.fullmatch(text) or not least <= int(text) <= most:
            raise ValueError(f"{text[:40]!r} is not a whole number from {least} to {most}.")
        return int(text)

    return scalar(read)


def money(most: Micros) -> BeforeValidator:
    def read(text: str) -> Micros:
        micros = parse_micros(text)
        if not 0 <= micros <= most:
            raise ValueError(f"{text[:40]!r} is not an amount from 0 to {most // MICROS_PER_UNIT}.")
        return micros

    return scalar(read)


def _line_of_text(most: int, what: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not text:
            raise ValueError(f"{what} is empty.")
        if len(text) > most or _CONTROL.search(text):
            raise ValueError(f"{what} is one line of at most {most} characters.")
        return text

    return read


def _slug(text: str) -> str:
    if not re.fullmatch(SLUG_PATTERN, text):
        raise ValueError(f"{text[:70]!r} is not a slug: use 1 to 63 of a-z, 0-9 and -.")
    return text


def _email(text: str) -> str:
    _line_of_text(MAX_EMAIL_CHARACTERS, "an e-mail address")(text)
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", text):
        raise ValueError(f"{text[:70]!r} is not an e-mail address.")
    return text


def _external_id(text: str) -> str:
    return _line_of_text(MAX_KEY_CHARACTERS, "an external id")(text)


def _time_zone(text: str) -> str:
    if not known_time_zone(text):
        raise ValueError(
            f"{text[:70]!r} is not an IANA time zone such as Europe/London."
            f"{nearest(text, sorted(available_timezones()))}"
        )
    return text


def _region(text: str) -> str:
    region = text.upper()
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"{text[:40]!r} is not an ISO 3166 country code such as US or GB.")
    return region


def _phone_number(text: str) -> str:
    if not _E164.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not E.164: write + and all digits, as in +14155550100.")
    try:
        possible = phonenumbers.is_possible_number(phonenumbers.parse(text, None))
    except phonenumbers.NumberParseException:
        possible = False
    if not possible:
        raise ValueError(f"{text} cannot be a phone number: its country code or its length is wrong.")
    return text


def _flag(text: str) -> bool:
    if text.lower() not in _FLAGS:
        raise ValueError(f"{text[:40]!r} is neither true nor false.")
    return _FLAGS[text.lower()]


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None or not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(f"{text[:40]!r} is not a day: write it as 2026-01-31.")
    return day


def _percent(text: str) -> int:
    rate = parse_decimal(text, PERCENT_DIGITS)
    if not 0 <= rate <= MAX_TAX_RATE_MICROS:
        raise ValueError(f"{text[:40]!r} is not a percentage from 0 to 100.")
    return rate


def _is_immediate(text: str) -> bool:
    known = {"next_cycle": False, "immediately": True}
    if text not in known:
        raise ValueError(f"{text[:40]!r} is not one of next_cycle, immediately.{nearest(text, list(known))}")
    return known[text]


Name = Annotated[str, scalar(_line_of_text(MAX_NAME_CHARACTERS, "a name"))]
Slug = Annotated[str, scalar(_slug)]
Email = Annotated[str, scalar(_email)]
ExternalId = Annotated[str, scalar(_external_id)]
TimeZone = Annotated[str, scalar(_time_zone)]
Region = Annotated[str, scalar(_region)]
PhoneNumber = Annotated[str, scalar(_phone_number)]
Flag = Annotated[bool, scalar(_flag)]
Day = Annotated[date, scalar(_day)]
TaxRate = Annotated[int, scalar(_percent)]
Immediately = Annotated[bool, scalar(_is_immediate)]
CurrencyCode = Annotated[Currency, choice(*Currency)]
Terms = Annotated[PaymentTerms, choice(*PaymentTerms)]
Kind = Annotated[GroupKind, choice(*GroupKind)]
ServiceName = Annotated[Service, choice(*Service)]
UsageTypeName = Annotated[UsageType, choice(*UsageType)]
CommitmentKind = Annotated[WalletKind, choice(*COMMITMENT_KINDS)]
CadenceName = Annotated[Cadence, choice(*Cadence)]
