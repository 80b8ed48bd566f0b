"""When the usage of a chart happened: in each office's own zone and cycles, and in the stretch before.

A stretch that begins and ends at local midnight can be read from the rollup by day, and the one before it has as many
local days, however long they are. Any other stretch is compared with as much time. A cycle is compared with the one
before it, by label.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.access import Scope
from domain.charts import CycleMatch, DayMatch, UsageDimension, monday
from domain.periods import CycleTerms, YearMonth, cycle_containing, first_instant, label, local_day
from persistence.history import HistoryFilter, narrowed
from persistence.tables.funds import BILLING_CYCLE

EARLIEST = datetime(1971, 1, 1, tzinfo=UTC)
LATEST = datetime(9000, 1, 1, tzinfo=UTC)
"""Nothing was or will be used beyond these; calendars need not go there."""
_A_DAY = timedelta(days=1)
_AN_INSTANT = timedelta(microseconds=1)


class Moments(NamedTuple):
    """From one until, exclusive, the other; None leaves a side open."""

    first: datetime | None = None
    end: datetime | None = None


class Days(NamedTuple):
    """The same in local days."""

    first: date | None = None
    end: date | None = None


class Part(NamedTuple):
    """Some offices, and when their usage must have happened."""

    office_ids: tuple[UUID, ...] | None = None
    """None: all that are asked for."""
    month: int | None = None
    moments: Moments = Moments()
    days: Days = Days()
    """Says the same as `moments` where all parts are of whole days."""
    match: DayMatch | CycleMatch | None = None
    """Of an earlier stretch: where its periods are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretches:
    asked: tuple[Part, ...]
    earlier: tuple[Part, ...] | None = None
    """None: not asked for, or there is none, because the time asked for is not bounded."""
    are_whole_days: bool = True
    """Whether the rollup by day can answer for the asked time and the earlier."""


async def read_stretches(
    connection: AsyncConnection,
    scope: Scope,
    *,
    wanted: HistoryFilter,
    period: UsageDimension | None,
    needs_days: bool,
    compares: bool,
) -> Stretches:
    """The time a filter asks for. `needs_days`: whether local midnights matter; else they are not looked for."""
    if wanted.month is not None:
        month = YearMonth.from_number(wanted.month)
        asked = (Part(month=month.number),)
        if not compares:
            return Stretches(asked=asked)
        if period in (UsageDimension.DAY, UsageDimension.WEEK):
            return Stretches(asked=asked, earlier=await _earlier_cycles(connection, scope, wanted, month, period))
        return Stretches(asked=asked, earlier=(Part(month=month.plus(-1).number, match=CycleMatch(month, 1)),))
    moments = _within_time(Moments(wanted.occurred_from, wanted.occurred_until))
    compares = compares and _has_time_before(moments)
    if moments == Moments() or not (needs_days or compares):
        return Stretches(asked=(Part(moments=moments),), are_whole_days=moments == Moments())
    terms = await _read_terms(connection, scope, wanted, moments, compares)
    return _in_local_days(terms, moments, period, compares)


def _within_time(moments: Moments) -> Moments:
    first = None if moments.first is None or moments.first <= EARLIEST else min(moments.first, LATEST)
    end = None if moments.end is None or moments.end >= LATEST else max(moments.end, EARLIEST)
    return Moments(first, end)


def _has_time_before(moments: Moments) -> bool:
    return (
        moments.first is not None
        and moments.end is not None
        and moments.end - moments.first < (moments.first - EARLIEST)
    )


async def _earlier_cycles(
    connection: AsyncConnection, scope: Scope, wanted: HistoryFilter, month: YearMonth, period: UsageDimension
) -> tuple[Part, ...]:
    """The offices by the days on which the two cycles start: most have the same."""
    columns = [BILLING_CYCLE.c[name] for name in ("office_id", "month", "starts_at", "ends_at", "time_zone")]
    before = month.plus(-1)
    months = BILLING_CYCLE.c.month.in_([before.number, month.number])
    rows = await connection.execute(select(*columns).where(*narrowed(scope, wanted, BILLING_CYCLE), months))
    cycles = {(row.office_id, row.month): row for row in rows}
    offices = {office_id for office_id, _ in cycles}
    alike: defaultdict[DayMatch, list[UUID]] = defaultdict(list)
    for office_id in offices:
        cycle, earlier = cycles.get((office_id, month.number)), cycles.get((office_id, before.number))
        if cycle is not None and earlier is not None:
            earlier_starts_on = local_day(earlier.starts_at, earlier.time_zone)
            moments = Moments(cycle.starts_at, cycle.ends_at)
            alike[_day_match(moments, cycle.time_zone, earlier_starts_on, period)].append(office_id)
    return tuple(
        Part(office_ids=_named(ids, len(offices)), month=before.number, match=match) for match, ids in alike.items()
    )


def _named(office_ids: Iterable[UUID], count_of_all: int) -> tuple[UUID, ...] | None:
    named = tuple(sorted(office_ids))
    return None if len(named) == count_of_all else named


def _day_match(moments: Moments, zone: str, earlier_starts_on: date, period: UsageDimension) -> DayMatch:
    assert moments.first is not None
    assert moments.end is not None
    starts_on, last_day = local_day(moments.first, zone), local_day(moments.end - _AN_INSTANT, zone)
    if period is UsageDimension.WEEK:
        return DayMatch(monday(starts_on), last_day, monday(earlier_starts_on))
    return DayMatch(starts_on, last_day, earlier_starts_on)


# ---------- any other time ----------


class _Local(NamedTuple):
    """A time as some offices see it, and the time before it."""

    days: Days | None
    """None: it begins or ends within a day."""
    earlier: Part | None = None


async def _read_terms(
    connection: AsyncConnection, scope: Scope, wanted: HistoryFilter, moments: Moments, compares: bool
) -> Mapping[UUID, list[CycleTerms]]:
    """The terms of every cycle that usage of the time may be booked in, by office; those of the time itself last.

    A charge is counted on the day it was in the zone of the cycle it is booked in, and that may be a later one (R10).
    """
    since = func.min(BILLING_CYCLE.c.starts_at).label("since")
    keys = (BILLING_CYCLE.c.office_id, BILLING_CYCLE.c.time_zone, BILLING_CYCLE.c.anchor_day)
    statement = select(*keys, since).where(*narrowed(scope, wanted, BILLING_CYCLE)).group_by(*keys)
    if moments.first is not None:
        before = moments.end - moments.first + _A_DAY if compares and moments.end else timedelta()
        statement = statement.where(BILLING_CYCLE.c.ends_at > moments.first - before)
    rows = (await connection.execute(statement)).all()
    found: defaultdict[UUID, list[CycleTerms]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (moments.end is None or row.since < moments.end, row.since)):
        found[row.office_id].append(CycleTerms(time_zone=row.time_zone, anchor_day=row.anchor_day))
    return found


def _in_local_days(
    terms: Mapping[UUID, Sequence[CycleTerms]], moments: Moments, period: UsageDimension | None, compares: bool
) -> Stretches:
    alike: defaultdict[_Local, list[UUID]] = defaultdict(list)
    for office_id, of_office in terms.items():
        alike[_local(moments, of_office, period, compares)].append(office_id)
    named = [(local, _named(ids, len(terms))) for local, ids in alike.items()]
    asked = [Part(office_ids=ids, moments=moments, days=local.days) for local, ids in named if local.days]
    are_whole_days = len(asked) == len(named)
    return Stretches(
        asked=tuple(asked) if are_whole_days else (Part(moments=moments),),
        earlier=tuple(local.earlier._replace(office_ids=ids) for local, ids in named if local.earlier)
        if compares
        else None,
        are_whole_days=are_whole_days,
    )


def _local(moments: Moments, terms: Sequence[CycleTerms], period: UsageDimension | None, compares: bool) -> _Local:
    zones = {one.time_zone for one in terms}
    days = _in_each(zones, moments)
    if not compares:
        return _Local(days)
    earlier = _before(moments, days, terms[-1].time_zone)
    earlier_days = _in_each(zones, earlier)
    match = _match(moments, earlier, terms[-1], period) if period else None
    part = Part(moments=earlier, days=earlier_days or Days(), match=match)
    return _Local(days if earlier_days else None, part)


def _in_each(zones: Iterable[str], moments: Moments) -> Days | None:
    """The days that moments are the same beginnings of in each zone, if there are such."""
    found = {_whole_days(moments, zone) for zone in zones}
    return found.pop() if len(found) == 1 else None


def _whole_days(moments: Moments, zone: str) -> Days | None:
    first, end = (None if at is None else local_day(at, zone) for at in moments)
    for at, day in zip(moments, (first, end), strict=True):
        if at is not None and day is not None and first_instant(day, zone) != at:
            return None
    return Days(first, end)


def _before(moments: Moments, days: Days | None, zone: str) -> Moments:
    """As many local days, or as much time."""
    assert moments.first is not None
    assert moments.end is not None
    if days is None or days.first is None or days.end is None:
        return Moments(moments.first - (moments.end - moments.first), moments.first)
    return Moments(first_instant(days.first - (days.end - days.first), zone), moments.first)


def _match(moments: Moments, earlier: Moments, terms: CycleTerms, period: UsageDimension) -> DayMatch | CycleMatch:
    assert moments.first is not None
    assert moments.end is not None
    assert earlier.first is not None
    if period is not UsageDimension.MONTH:
        return _day_match(moments, terms.time_zone, local_day(earlier.first, terms.time_zone), period)
    first, last, before = (
        label(cycle_containing(at, terms).starts_at, terms.time_zone)
        for at in (moments.first, moments.end - _AN_INSTANT, moments.first - _AN_INSTANT)
    )
    return CycleMatch(first, (last.year - before.year) * 12 + last.month - before.month)
