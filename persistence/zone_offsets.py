"""Moments as an office's clock shows them, in SQL: a zone's offset changes a few times a year, so the few moments at
which it does are written into the statement.

They are Python's, not the database's: the list, the file and all engines agree however old anybody's zones are.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from persistence.line_words import Words

BEFORE = timedelta(days=3 * 366)
AFTER = timedelta(days=2)
"""Moments so far around the time of asking are written by the database, others are left to `elsewhere`."""
_STEP = timedelta(days=1)
_SECOND = timedelta(seconds=1)


class Stretch(NamedTuple):
    """A time, up to the next one's, in which the offset stays."""

    since: datetime
    offset: timedelta


@lru_cache(maxsize=1024)
def stretches(zone: ZoneInfo, first: datetime, end: datetime) -> tuple[Stretch, ...]:
    """From `first` (UTC) on. Offsets that last for less than a day are not met in any zone's recent years."""
    found = [Stretch(first, _offset(zone, first))]
    moment = first
    while moment < end:
        later = moment + _STEP
        if _offset(zone, later) != found[-1].offset:
            change = _change(zone, moment, later)
            found.append(Stretch(change, _offset(zone, change)))
        moment = later
    return tuple(found)


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    offset = moment.astimezone(zone).utcoffset()
    assert offset is not None
    return offset


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The first second with another offset than `before` has."""
    offset = _offset(zone, before)
    while after - before > _SECOND:
        middle = before + (after - before) // 2 // _SECOND * _SECOND
        before, after = (middle, after) if _offset(zone, middle) == offset else (before, middle)
    return after


def local_text(words: Words, moment: str, zone: str, zones: Sequence[ZoneInfo], as_of: datetime) -> str:
    """SQL of the moment in the zone that has the number `zone` among `zones`."""
    first = (as_of - BEFORE).replace(hour=0, minute=0, second=0, microsecond=0)
    end = first + BEFORE + AFTER

    def one(number: int) -> str:
        parts = stretches(zones[number], first, end)
        limits = [words.moment(part.since) for part in parts[1:]]
        return _chosen(moment, limits, lambda at: words.local(moment, parts[at].offset))

    local = _chosen(zone, [str(number) for number in range(1, len(zones))], one)
    is_near = f"{moment} >= {words.moment(first)} AND {moment} < {words.moment(end)}"
    return f"CASE WHEN {is_near} THEN {local} ELSE {words.elsewhere(moment, zone)} END"


def _chosen(value: str, limits: Sequence[str], one: Callable[[int], str], first: int = 0) -> str:
    """What is there for the value, the n-th when it is not below n limits: found by halves."""
    if not limits:
        return one(first)
    middle = len(limits) // 2
    lower = _chosen(value, limits[:middle], one, first)
    upper = _chosen(value, limits[middle + 1 :], one, first + middle + 1)
    return f"CASE WHEN {value} < {limits[middle]} THEN {lower} ELSE {upper} END"
