"""What a unit of usage costs: dated decks, longest-prefix match, increments, price (R14, R18–R22)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from domain.catalogue import UNITS_PER_RATE, USAGE_UNITS, Direction, Service, UsageType
from domain.money import NANOS_PER_MICRO, Micros, Nanos, divide_half_up

MAX_PREFIX_DIGITS = 15


class Increment(NamedTuple):
    """How seconds are raised before they are priced: `60/10` bills the first 60 whole, then each 10 begun."""

    first_seconds: int
    next_seconds: int

    @property
    def label(self) -> str:
        return f"{self.first_seconds}/{self.next_seconds}"


PER_SECOND = Increment(1, 1)
PER_MINUTE = Increment(60, 60)


class NewRate(NamedTuple):
    """A good row of a deck, before it is in force."""

    service: Service
    usage_type: UsageType | None
    """None: any of the service."""
    direction: Direction | None
    """None: either."""
    prefix: str
    """Digits of an E.164 number without `+`; empty matches everything, also what is no phone number."""
    destination: str | None
    nanos_per_unit: Nanos
    """Per minute, segment, page or session, by the service."""
    increment: Increment
    """Calls only; every other service bills whole units."""
    connection_fee_micros: Micros
    priority: int
    is_blocked: bool
    """R21: wins by prefix like any other rate, and rejects the usage."""


class Rate(NamedTuple):
    """A rate in force from `effective_from` until (exclusive) `effective_until`."""

    id: UUID
    card: str
    """Name of the deck."""
    service: Service
    usage_type: UsageType | None
    direction: Direction | None
    prefix: str
    destination: str | None
    nanos_per_unit: Nanos
    increment: Increment
    connection_fee_micros: Micros
    priority: int
    is_blocked: bool
    effective_from: datetime
    effective_until: datetime | None


class Priced(Protocol):
    """What of a rate makes a price: the rate itself, or a hold that keeps what it was granted at."""

    @property
    def service(self) -> Service: ...

    @property
    def nanos_per_unit(self) -> Nanos: ...

    @property
    def increment(self) -> Increment: ...

    @property
    def connection_fee_micros(self) -> Micros: ...


class RateBook:
    """All rates of a company by (service, prefix): a number is rated without reading the table."""

    def __init__(self, rates: Iterable[Rate]) -> None:
        self._by_prefix: dict[Service, dict[str, list[Rate]]] = {service: {} for service in Service}
        for rate in rates:
            self._by_prefix[rate.service].setdefault(rate.prefix, []).append(rate)
        self._lengths = {
            service: sorted({len(prefix) for prefix in by_prefix}, reverse=True)
            for service, by_prefix in self._by_prefix.items()
        }
        """Of the prefixes there are."""

    def match(
        self,
        *,
        service: Service,
        usage_type: UsageType,
        direction: Direction | None,
        digits: str,
        at: datetime,
        cards: Sequence[str] = (),
    ) -> Rate | None:
        """The rate for a number at a moment (R20): longest prefix, then priority, then the more specific.

        `digits` is the E.164 number without `+`, empty for what is no phone number. `cards` names the decks
        that count, all when empty; a tie between two decks goes to the one named first, else first by name.
        """
        by_prefix = self._by_prefix[service]
        for length in self._lengths[service]:
            found = by_prefix.get(digits[:length])
            if found is None or length > len(digits):
                continue
            eligible = [rate for rate in found if _applies(rate, usage_type, direction, at, cards)]
            if len(eligible) == 1:
                return eligible[0]
            if eligible:
                eligible.sort(key=lambda rate: rate.card)
                return max(eligible, key=lambda rate: _rank(rate, cards))
        return None


def _applies(
    rate: Rate, usage_type: UsageType, direction: Direction | None, at: datetime, cards: Sequence[str]
) -> bool:
    return (
        (rate.usage_type is None or rate.usage_type is usage_type)
        and (rate.direction is None or rate.direction is direction)
        and rate.effective_from <= at
        and (rate.effective_until is None or at < rate.effective_until)
        and (not cards or rate.card in cards)
    )


def _rank(rate: Rate, cards: Sequence[str]) -> tuple[int, bool, bool, int]:
    named = -cards.index(rate.card) if cards else 0
    return rate.priority, rate.direction is not None, rate.usage_type is not None, named


def find_ties(rates: Iterable[tuple[int, NewRate]]) -> Mapping[int, int]:
    """Rows (by line) that R20 could not tell from an earlier row of the same deck, and which row that is."""
    first: dict[tuple[object, ...], int] = {}
    ties: dict[int, int] = {}
    for line, rate in rates:
        key = (rate.service, rate.prefix, rate.priority, rate.direction, rate.usage_type)
        if first.setdefault(key, line) != line:
            ties[line] = first[key]
    return ties


def billed_seconds(seconds: int, increment: Increment) -> int:
    """83 s at 60/10 are 90; nothing stays nothing (R14)."""
    if seconds == 0:
        return 0
    first, following = increment
    if seconds <= first:
        return first
    return first + -(-(seconds - first) // following) * following


def usage_price(quantity: int, rate: Priced) -> Micros:
    """Quantity times rate, without the connection fee, rounded once to a micro (R22)."""
    units = UNITS_PER_RATE[USAGE_UNITS[rate.service]]
    return divide_half_up(quantity * rate.nanos_per_unit, units * NANOS_PER_MICRO)


def connection_fee(quantity: int, rate: Priced) -> Micros:
    """Only usage that happened connects: a quantity of zero costs nothing."""
    return rate.connection_fee_micros if quantity else 0
