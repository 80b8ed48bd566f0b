"""Times as files write them, made aware UTC (R5). What a file leaves open is asked for, never guessed.

Read without being told: ISO 8601 and anything else that begins with the year, seconds since 1970, and dates that
begin with the day or the month, when some row of the file proves which (a 13th cannot be a month).
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from api.imports.fields import BadField
from domain.errors import InvalidInput
from domain.periods import known_time_zone

_TIME = r"(?:[ T]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,6})\d*)?)?)"
_OFFSET = r"\s*(Z|z|[+-]\d{2}:?\d{2})?"
_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})" + _TIME + _OFFSET, re.ASCII)
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})" + _TIME + _OFFSET, re.ASCII)
_EPOCH = re.compile(r"(\d{9,10})(?:\.(\d{1,6})\d*)?", re.ASCII)

MONTHS = 12
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class DateOrder(StrEnum):
    """What a date that does not begin with its year begins with."""

    DAY_FIRST = "day first"
    MONTH_FIRST = "month first"


class TimeReader:
    """The times of one file. A time without an offset is local to the zone; of an hour told twice, the first."""

    def __init__(self, time_zone: str | None, *, pattern: str | None = None) -> None:
        """`pattern` is one of strptime and leaves no other form readable. Raises InvalidInput."""
        self._zone = _zone(time_zone) if time_zone else None
        self._pattern = pattern
        self._order: DateOrder | None = None
        if pattern is not None and "%z" not in pattern:
            self.require_zone()

    def require_zone(self) -> None:
        """Raises InvalidInput: the file writes local times, and nothing says where."""
        if self._zone is None:
            raise InvalidInput("The file's times have no time zone: give --timezone, as in Europe/London.")

    def settle_order(self, texts: Iterable[str]) -> None:
        """Finds out by the file's own times whether its dates begin with the day or the month.

        Reads no further than it must. Raises InvalidInput when no row tells, or when the zone is missing.
        """
        example = ""
        for text in () if self._pattern else map(str.strip, texts):
            last = _YEAR_LAST.fullmatch(text)
            found = last or _YEAR_FIRST.fullmatch(text)
            if found and found[9] is None:
                self.require_zone()
            if last and (order := _proven_order(last)):
                self._order = order
            if self._order or (found and not last) or _EPOCH.fullmatch(text):
                return
            example = example or (text if last else "")
        if example:
            raise InvalidInput(
                f"No row tells whether dates such as {example!r} begin with the day or the month: "
                "give --time-format, as in '%d-%m-%Y %H:%M:%S'."
            )

    def read(self, text: str, name: str = "time") -> datetime:
        """Aware UTC. Raises BadField."""
        text = text.strip()
        try:
            at = self._parsed(text)
            if at.tzinfo is None:
                if self._zone is None:
                    raise BadField(f"{name} {text[:40]!r} has no time zone: give --timezone.")
                at = at.replace(tzinfo=self._zone)
            return at.astimezone(UTC)
        except (ValueError, OverflowError):
            wanted = f" as {self._pattern!r} says" if self._pattern else ", as 2026-01-31 23:59:59 would be"
            raise BadField(f"{name} {text[:40]!r} is not a time{wanted}.") from None

    def _parsed(self, text: str) -> datetime:
        if self._pattern is not None:
            return datetime.strptime(text, self._pattern)  # noqa: DTZ007 - the zone is added by the caller
        if found := _YEAR_FIRST.fullmatch(text):
            return _moment(found, found[1], found[3], found[4])
        if found := _YEAR_LAST.fullmatch(text):
            if self._order is None:
                raise BadField(f"day and month of {text[:40]!r} cannot be told apart: give --time-format.")
            if self._order is DateOrder.DAY_FIRST:
                return _moment(found, found[4], found[3], found[1])
            return _moment(found, found[4], found[1], found[3])
        if found := _EPOCH.fullmatch(text):
            return EPOCH + timedelta(seconds=int(found[1]), microseconds=_microseconds(found[2]))
        raise ValueError


def _proven_order(found: re.Match[str]) -> DateOrder | None:
    first, second = int(found[1]), int(found[3])
    if first > MONTHS:
        return DateOrder.DAY_FIRST
    return DateOrder.MONTH_FIRST if second > MONTHS else None


def _moment(found: re.Match[str], year: str, month: str, day: str) -> datetime:
    """Raises ValueError for a day or an hour that is none."""
    hour, minute, second, fraction, offset = found.group(5, 6, 7, 8, 9)
    return datetime(
        int(year),
        int(month),
        int(day),
        int(hour),
        int(minute),
        int(second or 0),
        _microseconds(fraction),
        tzinfo=_offset(offset) if offset else None,
    )


def _microseconds(fraction: str | None) -> int:
    return int(fraction.ljust(6, "0")) if fraction else 0


def _offset(text: str) -> timezone:
    if text in "Zz":
        return UTC
    size = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-size if text.startswith("-") else size)


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    if not known_time_zone(name):
        raise InvalidInput(f"{name[:70]!r} is not an IANA time zone such as Europe/London.")
    return ZoneInfo(name)
