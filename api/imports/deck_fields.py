"""Single fields of a rate deck: read, bounded, and refused with the reason why the row does not load (R18, R21).

A deck repeats few prices, so each is parsed once.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

from domain.catalogue import Direction, Service, UsageType
from domain.errors import InvalidInput
from domain.money import (
    MICROS_PER_UNIT,
    NANOS_PER_MICRO,
    Micros,
    Nanos,
    decimal_text,
    parse_micros,
    parse_nanos,
)
from domain.rates import MAX_PREFIX_DIGITS, PER_SECOND, Increment, NewRate
from domain.usage import MAX_NAME_CHARACTERS

AnyDirection = Literal["ANY"]
RateReader = Callable[[Sequence[str]], Iterable[NewRate]]

MAX_RATE_NANOS = 1_000 * MICROS_PER_UNIT * NANOS_PER_MICRO
MAX_FEE_MICROS = 1_000 * MICROS_PER_UNIT
MAX_INCREMENT_SECONDS = 3_600
MAX_PRIORITY = 1_000
NPA_NXX_DIGITS = 6
BLOCKED = "blocked"

_EXPONENT = re.compile(r"[0-9]+(?:\.[0-9]+)?[eE]\+?[0-9]+")
_INCREMENT = re.compile(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})")
_PRIORITY = re.compile(r"-?[0-9]{1,4}")


class BadRate(Exception):
    """This row does not load; the text is the reason."""


class DeckDefaults(NamedTuple):
    """What holds for every row that does not say otherwise."""

    service: Service
    usage_types: tuple[UsageType, ...]
    direction: Direction | AnyDirection | None
    increment: Increment
    prefix_completion: str

    def direction_for(self, service: Service) -> Direction | None:
        """A deck of calls prices outbound calls unless it says otherwise (R18)."""
        if self.direction is None:
            return Direction.OUTBOUND if service is Service.CALLING else None
        return None if self.direction == "ANY" else self.direction

    def usage_types_for(self, service: Service) -> tuple[UsageType | None, ...]:
        return self.usage_types if self.usage_types and service is self.service else (None,)

    def rate(self, prefix: str, destination: str | None, nanos: Nanos) -> NewRate:
        """A row that says nothing but prefix and price."""
        return NewRate(
            service=self.service,
            usage_type=None,
            direction=self.direction_for(self.service),
            prefix=prefix,
            destination=destination,
            nanos_per_unit=nanos,
            increment=self.increment if self.service is Service.CALLING else PER_SECOND,
            connection_fee_micros=0,
            priority=0,
            is_blocked=False,
        )


class Prices(dict[str, Nanos]):
    """Price by its text."""

    def __missing__(self, text: str) -> Nanos:
        nanos = self[text] = read_price(text)
        return nanos


def is_prefix(text: str) -> bool:
    return len(text) <= MAX_PREFIX_DIGITS and text.isascii() and text.isdigit()


def parse_increment(text: str) -> Increment:
    """`60/10` as in R14. Raises InvalidInput."""
    found = _INCREMENT.fullmatch(text)
    if not found or max(map(int, found.groups())) > MAX_INCREMENT_SECONDS:
        raise InvalidInput(
            f"{text[:40]!r} is not an increment: write first/next seconds as in 60/10, "
            f"each from 1 to {MAX_INCREMENT_SECONDS}."
        )
    return Increment(int(found[1]), int(found[2]))


def read_prefix(text: str, completion: str) -> str:
    digits = text.strip().removeprefix("+")
    if _EXPONENT.fullmatch(digits):
        raise BadRate(
            f"a spreadsheet wrote the code in exponent form ({digits[:40]}) and lost digits: "
            "format the column as text and write them all."
        )
    if digits and not is_prefix(digits):
        raise BadRate(f"{digits[:40]!r} is no prefix: write 1 to {MAX_PREFIX_DIGITS} digits.")
    if len(completion + digits) > MAX_PREFIX_DIGITS:
        raise BadRate(f"{completion + digits} has more than {MAX_PREFIX_DIGITS} digits.")
    return completion + digits


def read_price(text: str) -> Nanos:
    text = text.strip()
    nanos = parse_nanos(f"0{text}" if text.startswith(".") else text)
    if not 0 <= nanos <= MAX_RATE_NANOS:
        raise BadRate(f"the rate {text[:40]} is not between 0 and 1000.")
    return nanos


def read_fee(text: str) -> Micros:
    micros = parse_micros(text) if text else 0
    if not 0 <= micros <= MAX_FEE_MICROS:
        raise BadRate(f"the connection fee {decimal_text(micros)} is not between 0 and 1000.")
    return micros


def read_destination(text: str) -> str | None:
    text = text.strip()
    if len(text) > MAX_NAME_CHARACTERS or not text.isprintable():
        raise BadRate(f"the destination is longer than {MAX_NAME_CHARACTERS} or has control characters.")
    return text or None


def read_priority(text: str) -> int:
    if text and not (_PRIORITY.fullmatch(text) and abs(int(text)) <= MAX_PRIORITY):
        raise BadRate(f"the priority {text[:40]!r} is not between -{MAX_PRIORITY} and {MAX_PRIORITY}.")
    return int(text or 0)


def read_direction(text: str, service: Service, defaults: DeckDefaults) -> Direction | None:
    if not text:
        return defaults.direction_for(service)
    named = read_choice(text, (*Direction, "ANY"), "direction")
    return None if named == "ANY" else Direction(named)


def read_increment(text: str, service: Service, defaults: DeckDefaults) -> Increment:
    if service is not Service.CALLING:
        if text:
            raise BadRate("only calls have increments: every other service bills whole units.")
        return PER_SECOND
    return parse_increment(text) if text else defaults.increment


def read_choice(text: str, known: Sequence[str], what: str) -> str:
    name = text.upper().replace("-", "_").replace(" ", "_")
    if name and name not in known:
        raise BadRate(f"{text[:40]!r} is no {what}: write one of {', '.join(known)}.")
    return name
