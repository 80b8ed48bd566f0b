"""Billing cycles: when one starts, which one a moment belongs to, what it is called (R5–R9).

A cycle starts at the first instant of the local day in the office's zone, on the anchor day clamped to the
month's end; every boundary is worked out from the anchor itself, so 31 January is followed by 28 February and
31 March. All moments in and out are aware UTC, every period is half-open: its end belongs to the next one.
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from domain.errors import InvalidInput

_YEAR_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")
_NO_PLACE = frozenset({"Factory", "localtime"})
"""Names in the zone database that stand for no place: "unknown", and whatever this machine is set to."""
_ONE_SECOND = timedelta(seconds=1)


class YearMonth(NamedTuple):
    """A calendar month: the label of the cycle that starts in it. Sorts by time."""

    year: int
    month: int

    @property
    def text(self) -> str:
        """As on the wire: "2026-03"."""
        return f"{self.year:04d}-{self.month:02d}"

    @property
    def number(self) -> int:
        """As stored: 202603."""
        return self.year * 100 + self.month

    @classmethod
    def from_number(cls, number: int) -> "YearMonth":
        return cls(*divmod(number, 100))

    @classmethod
    def parse(cls, text: str) -> "YearMonth":
        """Raises InvalidInput for anything but four digits, a hyphen and a month."""
        found = _YEAR_MONTH.fullmatch(text)
        if found is None or found[1] == "0000":
            raise InvalidInput(f"{text[:40]!r} is not a month: write it as 2026-03.")
        return cls(int(found[1]), int(found[2]))

    def plus(self, months: int) -> "YearMonth":
        """The month that many months later; earlier when negative."""
        year, month = divmod(self.year * 12 + self.month - 1 + months, 12)
        return YearMonth(year, month + 1)


class Period(NamedTuple):
    """From `starts_at` until, exclusive, `ends_at`."""

    starts_at: datetime
    ends_at: datetime

    def contains(self, at: datetime) -> bool:
        return self.starts_at <= at < self.ends_at


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleTerms:
    """What decides an office's cycles (R6)."""

    time_zone: str
    """IANA name."""
    anchor_day: int
    """1 to 31; in a shorter month its last day."""


def cycle_containing(at: datetime, terms: CycleTerms) -> Period:
    """The cycle that a moment falls into: those of the same terms tile time without gap or overlap."""
    month = label(at, terms.time_zone)
    cycle = _cycle_starting_in(month, terms)
    if at < cycle.starts_at:
        return _cycle_starting_in(month.plus(-1), terms)
    if cycle.ends_at <= at:
        # Clocks put back across midnight show the old month once more when the next has already begun.
        return _cycle_starting_in(month.plus(1), terms)
    return cycle


def next_boundary(at: datetime, terms: CycleTerms) -> datetime:
    """The first start of a cycle strictly after a moment."""
    return cycle_containing(at, terms).ends_at


def boundary_at_or_after(at: datetime, terms: CycleTerms) -> datetime:
    """The moment itself when a cycle starts at it, else the next start of one."""
    cycle = cycle_containing(at, terms)
    return at if at == cycle.starts_at else cycle.ends_at


def stretched_end(current_end: datetime, new_terms: CycleTerms, *, current_label: YearMonth | None = None) -> datetime:
    """Where the running cycle ends under new terms: their first boundary at or after its old end (R7).

    Never shorter than what was granted. With the running cycle's label the next one is sure to get another:
    an office that moves back across the date line, to anchor day 31, would meet the same last day again.
    """
    end = boundary_at_or_after(current_end, new_terms)
    while current_label is not None and label(end, new_terms.time_zone) <= current_label:
        end = next_boundary(end, new_terms)
    return end


def advance(boundary: datetime, months: int, terms: CycleTerms) -> datetime:
    """The boundary that many months after one: 12 for the end of an annual commitment (R8)."""
    return _cycle_starting_in(label(boundary, terms.time_zone).plus(months), terms).starts_at


def label(starts_at: datetime, time_zone: str) -> YearMonth:
    """What a cycle is called: the month of the local date on which it starts (R6)."""
    local = starts_at.astimezone(_zone(time_zone))
    return YearMonth(local.year, local.month)


def local_day(at: datetime, time_zone: str) -> date:
    """The date on the wall of an office at a moment."""
    return at.astimezone(_zone(time_zone)).date()


@lru_cache(maxsize=8_192)
def first_instant(day: date, time_zone: str) -> datetime:
    """When a local day begins, in UTC.

    That is the first of two midnights where clocks go back over it, the end of the gap where they go forward
    over it, and the start of the day after where the whole day was left out (Samoa, 30 December 2011).
    """
    midnight = datetime.combine(day, time(), _zone(time_zone))
    begins = midnight.astimezone(UTC)
    if begins.astimezone(_zone(time_zone)).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return begins
    # There is no midnight. Read with the offset that holds after the gap it lies before the change, with the
    # one from before the gap at or behind it. Between the two is the second where the date turns.
    before = midnight.replace(fold=1).astimezone(UTC)
    low, high = 0, (begins - before) // _ONE_SECOND
    while low < high:
        middle = (low + high) // 2
        if local_day(before + middle * _ONE_SECOND, time_zone) < day:
            low = middle + 1
        else:
            high = middle
    return before + low * _ONE_SECOND


@lru_cache(maxsize=1)
def _known_names() -> frozenset[str]:
    return frozenset(available_timezones()) - _NO_PLACE


def known_time_zone(name: str) -> bool:
    """Whether the zone database has a place of exactly this name."""
    return name in _known_names()


@lru_cache(maxsize=1_024)
def _zone(name: str) -> ZoneInfo:
    if not known_time_zone(name):
        raise InvalidInput(f"{name[:64]!r} is not a time zone: write an IANA name such as America/New_York.")
    return ZoneInfo(name)


@lru_cache(maxsize=8_192)
def _cycle_starting_in(month: YearMonth, terms: CycleTerms) -> Period:
    return Period(_boundary(month, terms), _boundary(month.plus(1), terms))


def _boundary(month: YearMonth, terms: CycleTerms) -> datetime:
    last_day = monthrange(month.year, month.month)[1]
    return first_instant(date(month.year, month.month, min(terms.anchor_day, last_day)), terms.time_zone)
