"""Single fields of call records: read, bounded, and refused with a sentence that says what to do (R13, R14).

Numbers stay the text they were; what they are is decided when the usage is charged. Only when the operator says
that a file writes its numbers in the national form of another region are they completed here.
"""

import re
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import NamedTuple

from domain.catalogue import Direction
from domain.errors import InvalidInput
from domain.money import divide_half_up, parse_nanos
from domain.numbers import parse_address
from domain.usage import (
    MAX_ADDRESS_CHARACTERS,
    MAX_CALL_SECONDS,
    MAX_KEY_CHARACTERS,
    MAX_NAME_CHARACTERS,
    MAX_REFERENCE_CHARACTERS,
    DirectoryReference,
    OfficeReference,
    UsageEvent,
)

ANONYMOUS = "anonymous"
HASH_CHARACTERS = 32
LEAST_QUALITY_TENTHS, MOST_QUALITY_TENTHS = 10, 50

_NANOS_PER_TENTH = 100_000_000
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_KEY = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_SECONDS = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,9}))?")
_COUNT = re.compile(r"[0-9]{1,9}")
_DIRECTIONS = {
    "inbound": Direction.INBOUND,
    "incoming": Direction.INBOUND,
    "in": Direction.INBOUND,
    "outbound": Direction.OUTBOUND,
    "outgoing": Direction.OUTBOUND,
    "out": Direction.OUTBOUND,
}

AddressReader = Callable[[str, str], str]
"""Text and the field's name; gives the address as it is recorded."""


class ReadRow(NamedTuple):
    """One record of a file: an event, or the problem that keeps it from being one."""

    line: int
    event: UsageEvent | None
    problem: str | None


class BadField(Exception):
    """This row is no event; the text is the reason."""


def row_hash(fields: Iterable[str]) -> str:
    """The event id of a row that has none (R12): equal rows are one event, however they were quoted."""
    text = "\x1f".join(field.strip() for field in fields)
    return f"row-{sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:HASH_CHARACTERS]}"


def read_key(text: str) -> str:
    """An event id."""
    if len(text) > MAX_KEY_CHARACTERS or not _KEY.fullmatch(text):
        raise BadField(f"the event id {text[:40]!r} is not 1 to {MAX_KEY_CHARACTERS} printable ASCII characters.")
    return text


def read_text(text: str, name: str, most: int) -> str:
    if not text:
        raise BadField(f"{name} is empty.")
    if len(text) > most or _CONTROL.search(text):
        raise BadField(f"{name} is longer than {most} characters or has control characters.")
    return text


def read_reference(text: str, name: str) -> str | None:
    """An id that is shown, not used as a key."""
    return read_text(text, name, MAX_REFERENCE_CHARACTERS) if text else None


def address_reader(region: str | None, *, is_message: bool = False) -> AddressReader:
    """An empty `from` is a withheld number; with a region, its national numbers are completed to E.164."""

    def read(text: str, name: str) -> str:
        text = text.strip()
        if not text and name == "from":
            return ANONYMOUS
        read_text(text, name, MAX_ADDRESS_CHARACTERS)
        if region is None:
            return text
        return parse_address(text, region, is_message=is_message).e164 or text

    return read


def read_seconds(text: str, name: str = "duration") -> int:
    """Whole seconds; a fraction begun counts (R14)."""
    found = _SECONDS.fullmatch(text)
    if not found:
        raise BadField(f"{name} {text[:40]!r} is not a number of seconds.")
    seconds = int(found[1]) + bool(found[2] and found[2].strip("0"))
    if seconds > MAX_CALL_SECONDS:
        raise BadField(f"{name} {text} is more than {MAX_CALL_SECONDS} seconds (a week).")
    return seconds


def read_count(text: str, name: str, least: int, most: int) -> int:
    if not _COUNT.fullmatch(text) or not least <= int(text) <= most:
        raise BadField(f"{name} {text[:40]!r} is not a whole number from {least} to {most}.")
    return int(text)


def read_direction(text: str) -> Direction:
    if text.lower() not in _DIRECTIONS:
        raise BadField(f"direction {text[:40]!r} is neither INBOUND nor OUTBOUND.")
    return _DIRECTIONS[text.lower()]


def read_office(text: str) -> OfficeReference:
    """A slug, or one of the office's own numbers with +."""
    read_text(text, "office", MAX_ADDRESS_CHARACTERS)
    return OfficeReference(phone_number=text) if text.startswith("+") else OfficeReference(slug=text)


def read_directory(external_id: str, name: str, what: str) -> DirectoryReference | None:
    if not external_id:
        return None
    read_text(external_id, what, MAX_KEY_CHARACTERS)
    return DirectoryReference(external_id, read_text(name, f"{what}_name", MAX_NAME_CHARACTERS) if name else None)


def quality_tenths(text: str) -> int:
    """A mean opinion score in tenths: "4.50" is 45. Raises BadField outside 1.0 to 5.0."""
    try:
        tenths = divide_half_up(parse_nanos(text), _NANOS_PER_TENTH)
    except InvalidInput as error:
        raise BadField(f"quality: {error.message}") from None
    if not LEAST_QUALITY_TENTHS <= tenths <= MOST_QUALITY_TENTHS:
        raise BadField(f"quality {text[:40]!r} is not a mean opinion score from 1.0 to 5.0.")
    return tenths
