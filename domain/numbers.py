"""Telephone numbers as reporters write them, and the usage type that two of them make (R15–R17).

What is no phone number (an extension, a short code, a sender's name) stays text and never matches a prefix.
A number counts as E.164 when its length is possible, assigned or not: new ranges work before the metadata has
them. Under +1, shared by 25 regions, the three digits of the area code decide everything that is asked here.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

import phonenumbers
from phonenumbers import PhoneNumberType, ValidationResult

from domain.catalogue import Direction, UsageType
from domain.usage import AiAgentMode, Traffic

MAX_E164_DIGITS = 15
MAX_EXTENSION_DIGITS = 6
MIN_SHORT_CODE_DIGITS = 3
MAX_SHORT_CODE_DIGITS = 8

_CACHED_NUMBERS = 65_536
_WITHHELD = frozenset(
    {"", "anonymous", "blocked", "private", "restricted", "unavailable", "unknown", "withheld"}
    | {"no caller id", "number withheld", "private number", "unknown caller", "unknown number"}
)
_INVISIBLE = "\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
"""Marks of writing direction and the like, which come along when a number is copied from an address book."""
_NORTH_AMERICAN = re.compile(r"\+1[2-9][0-9]{9}")
_STARTS_LIKE_A_NUMBER = re.compile(r"[+＋(（\[\s]*\d")
_DIGITS_ALONE = re.compile(r"\d[\d\s.()-]*")
_WORLD = frozenset({"001", "ZZ"})
"""What the metadata answers for calling codes of no country: +800 and its like."""
_TYPES_OF_THEIR_OWN = {
    PhoneNumberType.TOLL_FREE: UsageType.TOLL_FREE,
    PhoneNumberType.PREMIUM_RATE: UsageType.PREMIUM,
}


class AddressKind(StrEnum):
    E164 = "E164"
    SHORT_CODE = "SHORT_CODE"
    SENDER_NAME = "SENDER_NAME"
    EXTENSION = "EXTENSION"
    ANONYMOUS = "ANONYMOUS"
    OTHER = "OTHER"


class Address(NamedTuple):
    """One end of a call, message, fax or session."""

    kind: AddressKind
    text: str
    """As reported, without the white space around it."""
    e164: str | None
    """"+14155550100"; None unless `kind` is E164."""
    region: str | None
    """ISO 3166 country of an E.164 number; None where its calling code belongs to no country."""

    @property
    def digits(self) -> str:
        """What rates are matched on (R20): the E.164 number without its plus, empty for everything else."""
        return self.e164[1:] if self.e164 is not None else ""


class _Facts(NamedTuple):
    calling_code: int
    region: str | None
    own_type: UsageType | None
    """TOLL_FREE or PREMIUM; None for every other kind of number."""
    area_code: str
    """Empty where the numbering plan has none, and for mobile and other non-geographic numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeLine:
    """What an office's own lines say about the type of its calls. Made by `office_line`."""

    region: str
    domestic_regions: frozenset[str]
    """The company's domestic regions and the office's own."""
    area_codes: frozenset[tuple[int, str]]
    """Calling code and area code of each of its numbers that has one."""


def parse_address(text: str, region: str, *, is_message: bool = False) -> Address:
    """What a reporter wrote, told apart (R16). Never raises: text that means nothing else is OTHER.

    `region` is the office's: national forms and its international prefix (`011`, `00`) are read with it. SIP
    and tel URIs count by their user part. Messages have short codes and sender names, calls have extensions.
    """
    return _parse_address(text.strip(), region, is_message)


@lru_cache(maxsize=_CACHED_NUMBERS)
def _parse_address(text: str, region: str, is_message: bool) -> Address:
    number = _user_part(text).strip(_INVISIBLE).strip()
    if number.casefold() in _WITHHELD:
        return Address(AddressKind.ANONYMOUS, text, None, None)
    if is_message and _has_letters(number) and not number.startswith("+"):
        return Address(AddressKind.SENDER_NAME, text, None, None)
    digits = _digits_alone(number)
    short = _short_kind(digits, region, is_message)
    if short is None or _is_national_number(digits, region):
        e164 = _e164(number, region)
        if e164 is not None:
            return Address(AddressKind.E164, text, e164, _facts(e164).region)
    return Address(short or AddressKind.OTHER, text, None, None)


def _user_part(text: str) -> str:
    """`+14155550100` of `sip:+14155550100;npdi@pbx.example`; the text itself when it names no user."""
    scheme, colon, rest = text.partition(":")
    if colon and scheme.lower() == "tel":
        return rest.partition(";")[0]
    if colon and scheme.lower() in ("sip", "sips") and "@" in rest:
        text = rest
    user, at, _host = text.partition("@")
    if not at or not user:
        return text
    return unquote(user.partition(";")[0].partition(":")[0])


def _has_letters(text: str) -> bool:
    return any(character.isalpha() for character in text)


def _digits_alone(text: str) -> str:
    """The digits of a text that has nothing but digits and what separates them, else nothing."""
    if not _DIGITS_ALONE.fullmatch(text):
        return ""
    return str(phonenumbers.normalize_digits_only(text))


def _short_kind(digits: str, region: str, is_message: bool) -> AddressKind | None:
    if is_message:
        is_short_code = MIN_SHORT_CODE_DIGITS <= len(digits) <= MAX_SHORT_CODE_DIGITS
        return AddressKind.SHORT_CODE if is_short_code else None
    if not 0 < len(digits) <= MAX_EXTENSION_DIGITS:
        return None
    if phonenumbers.is_emergency_number(digits, region):
        return AddressKind.SHORT_CODE
    return AddressKind.EXTENSION


def _is_national_number(digits: str, region: str) -> bool:
    """Whether so few digits are a subscriber's number: only where numbers are usually that short (Andorra).

    A length that is merely possible is not enough here: Germany would take extension 3001 for a number.
    """
    if len(digits) not in _usual_lengths(region):
        return False
    return bool(phonenumbers.is_valid_number(phonenumbers.parse(digits, region)))


@lru_cache(maxsize=512)
def _usual_lengths(region: str) -> frozenset[int]:
    kinds = (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE)
    examples = (phonenumbers.example_number_for_type(region, kind) for kind in kinds)
    return frozenset(len(phonenumbers.national_significant_number(one)) for one in examples if one is not None)


def _e164(text: str, region: str) -> str | None:
    if _NORTH_AMERICAN.fullmatch(text):
        return text
    if not _STARTS_LIKE_A_NUMBER.match(text):
        return None
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        return None
    # Letters are keys to press (1-800-FLOWERS) or announce an extension (x12); any others make it some name.
    if _has_letters(text) and number.extension is None and not phonenumbers.is_alpha_number(text):
        return None
    e164 = str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    return e164 if len(e164) <= MAX_E164_DIGITS + 1 else None


def _facts(e164: str) -> _Facts:
    if e164.startswith("+1"):
        return _north_american_facts(e164[2:5])
    return _facts_elsewhere(e164)


@lru_cache(maxsize=1_000)
def _north_american_facts(area_code: str) -> _Facts:
    """Judged by a subscriber's number that is good in every area: the one reported may not be assigned."""
    facts = _look_up(f"+1{area_code}2345678")
    return facts._replace(area_code="" if facts.own_type else area_code)


@lru_cache(maxsize=_CACHED_NUMBERS)
def _facts_elsewhere(e164: str) -> _Facts:
    return _look_up(e164)


def _look_up(e164: str) -> _Facts:
    number = phonenumbers.parse(e164)
    calling_code = number.country_code or 0
    region = phonenumbers.region_code_for_number(number)
    if region is None:
        region = phonenumbers.region_code_for_country_code(calling_code)
    area_digits = phonenumbers.length_of_geographical_area_code(number)
    return _Facts(
        calling_code=calling_code,
        region=None if region in _WORLD else region,
        own_type=_TYPES_OF_THEIR_OWN.get(phonenumbers.number_type(number)),
        area_code=phonenumbers.national_significant_number(number)[:area_digits],
    )


@lru_cache(maxsize=512)
def _calling_code(region: str) -> int:
    return int(phonenumbers.country_code_for_region(region))


def office_line(region: str, domestic_regions: Iterable[str], own_numbers: Iterable[str]) -> OfficeLine:
    """The facts of an office that type its calls. Own numbers without an area code make no call local."""
    numbers = (parse_address(text, region).e164 for text in own_numbers)
    facts = [_facts(e164) for e164 in numbers if e164 is not None]
    return OfficeLine(
        region=region,
        domestic_regions=frozenset((region, *domestic_regions)),
        area_codes=frozenset((fact.calling_code, fact.area_code) for fact in facts if fact.area_code),
    )


def call_type(direction: Direction, from_: Address, to: Address, line: OfficeLine) -> tuple[UsageType, Address]:
    """The type of a call as the office sees it, and the number that decided it (R16).

    Outbound: the called number. Inbound: the dialled one when it is toll-free at home, else the caller's.
    """
    if direction is Direction.OUTBOUND:
        return _type_towards(to, line), to
    if _own_type(to, line) is UsageType.TOLL_FREE:
        return UsageType.TOLL_FREE, to
    return _type_towards(from_, line), from_


def _type_towards(party: Address, line: OfficeLine) -> UsageType:
    if party.e164 is None:
        return UsageType.LOCAL if party.kind is AddressKind.EXTENSION else UsageType.DOMESTIC
    own_type = _own_type(party, line)
    if own_type is not None:
        return own_type
    if party.region not in line.domestic_regions:
        return UsageType.INTERNATIONAL
    facts = _facts(party.e164)
    is_local = (facts.calling_code, facts.area_code) in line.area_codes
    return UsageType.LOCAL if is_local else UsageType.DOMESTIC


def _own_type(party: Address, line: OfficeLine) -> UsageType | None:
    """TOLL_FREE or PREMIUM, which only mean something within the calling code of the office.

    No calling code is the beginning of another, so comparing text is exact.
    """
    if party.e164 is None or not party.e164.startswith(f"+{_calling_code(line.region)}"):
        return None
    return _facts(party.e164).own_type


def message_type(traffic: Traffic, is_mms: bool) -> UsageType:
    """Told by the reporter, never guessed from the numbers (R17)."""
    if traffic is Traffic.A2P:
        return UsageType.A2P_MMS if is_mms else UsageType.A2P_SMS
    return UsageType.P2P_MMS if is_mms else UsageType.P2P_SMS


def fax_type(direction: Direction) -> UsageType:
    return UsageType.FAX_SENT if direction is Direction.OUTBOUND else UsageType.FAX_RECEIVED


def ai_type(mode: AiAgentMode) -> UsageType:
    match mode:
        case AiAgentMode.VOICE:
            return UsageType.VOICE_AI
        case AiAgentMode.DIGITAL:
            return UsageType.DIGITAL_AI
        case AiAgentMode.ROUTING:
            return UsageType.AI_ROUTING


def deciding_address(direction: Direction | None, from_: Address | None, to: Address | None) -> Address | None:
    """The number that rates a message, fax or session: the other party's; undirected `to`, else `from`."""
    if direction is Direction.OUTBOUND:
        return to
    if direction is Direction.INBOUND:
        return from_
    return to or from_
