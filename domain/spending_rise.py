"""Whether an office spends more than in the billing cycle before, and what it comes from (R38). Integers alone.

Compared are the complete local days of the cycle so far with as many first days of the cycle before, by the day on
which usage occurred, in whatever cycle it was booked.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from domain.alerts import Cause, Dimension
from domain.funds import Cycle
from domain.money import Micros
from domain.periods import Period, first_instant, local_day

MIN_DAYS = 3
"""Complete days of a cycle before anything is said of it."""
ALIKE_TENTHS = 9
"""A cause that explains so many tenths of what the largest one does may be named in its place."""
_ORDER = {dimension: place for place, dimension in enumerate(Dimension)}


class Thresholds(NamedTuple):
    """What a company has set: both have to be reached."""

    rise_percent: int
    minimum_micros: Micros


class EarlierCycle(NamedTuple):
    """The billing cycle that ended when the current one began."""

    starts_at: datetime
    time_zone: str
    """In which its days were told."""


class Days(NamedTuple):
    """Local days from `first` until, exclusive, `end`."""

    first: date
    end: date


class Comparison(NamedTuple):
    current: Days
    previous: Days
    period: Period
    """The current days as moments."""


class Spending(NamedTuple):
    """What usage of one service, type and region cost in both periods."""

    service: str
    usage_type: str
    region: str
    """Empty where there is none."""
    current_micros: Micros
    previous_micros: Micros


class Upturn(NamedTuple):
    """Spending that is up, before it is known what it comes from."""

    compared: Comparison
    current_micros: Micros
    previous_micros: Micros


class Rise(NamedTuple):
    period: Period
    current_micros: Micros
    previous_micros: Micros
    cause: Cause

    @property
    def micros(self) -> Micros:
        return self.current_micros - self.previous_micros


def compare_days(cycle: Cycle, earlier: EarlierCycle | None, now: datetime) -> Comparison | None:
    """Which days are compared; None in an office's first cycle, and before three days are complete.

    A cycle before that is shorter counts whole.
    """
    if earlier is None:
        return None
    zone = cycle.terms.time_zone
    first, today = local_day(cycle.starts_at, zone), local_day(now, zone)
    if today - first < timedelta(days=MIN_DAYS):
        return None
    earlier_first = local_day(earlier.starts_at, earlier.time_zone)
    earlier_end = min(earlier_first + (today - first), first)
    period = Period(cycle.starts_at, first_instant(today, zone))
    return Comparison(Days(first, today), Days(earlier_first, earlier_end), period)


def is_risen(current: Micros, previous: Micros, thresholds: Thresholds) -> bool:
    """Where nothing or less was spent before, the percentage counts as reached."""
    rise = current - previous
    if rise <= 0 or rise < thresholds.minimum_micros:
        return False
    return previous <= 0 or 100 * rise >= thresholds.rise_percent * previous


def totals_of(spending: Iterable[Spending]) -> tuple[Micros, Micros]:
    """Current and previous."""
    rows = list(spending)
    return sum(row.current_micros for row in rows), sum(row.previous_micros for row in rows)


def main_cause(spending: Sequence[Spending], parties: Sequence[Cause]) -> Cause:
    """The one member, group, region, usage type or service that explains most of a rise.

    A service contains its usage types, and a country the people who call it: among those that explain nearly as much
    as the largest, the most particular is named.
    """
    causes = [*parties, *_sums(spending)]
    largest = max(cause.rise_micros for cause in causes)
    alike = [cause for cause in causes if 10 * cause.rise_micros >= ALIKE_TENTHS * largest]
    return min(alike, key=lambda cause: (_ORDER[cause.dimension], -cause.rise_micros, cause.key))


def _sums(spending: Iterable[Spending]) -> list[Cause]:
    """Of every service, usage type and region."""
    sums: defaultdict[tuple[Dimension, str], list[Micros]] = defaultdict(lambda: [0, 0])
    for row in spending:
        parts = (
            (Dimension.SERVICE, row.service),
            (Dimension.USAGE_TYPE, row.usage_type),
            (Dimension.REGION, row.region),
        )
        for part in parts:
            sums[part][0] += row.current_micros
            sums[part][1] += row.previous_micros
    return [Cause(kind, key, current, previous) for (kind, key), (current, previous) in sums.items() if key]
