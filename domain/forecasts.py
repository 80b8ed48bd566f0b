"""Forecasts: how long a wallet lasts, and what a billing cycle will have cost, if things go on as they were (R22).

As they were: the last complete local days, whole weeks of them so that every weekday counts alike, at most four; all
there are while they are fewer than seven. With fewer than three since the first usage nothing is foretold.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

from domain.catalogue import WalletKind
from domain.money import Micros, divide_half_up
from domain.periods import first_instant, local_day

MIN_DAYS = 3
DAYS_A_WEEK = 7
MAX_WEEKS = 4
MAX_DAYS = MAX_WEEKS * DAYS_A_WEEK
HORIZON = timedelta(days=3_650)
"""What would run out later than that is not said to run out."""
_A_DAY = timedelta(days=1)
_A_SECOND = timedelta(seconds=1)
_AN_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What an office spent of late, and where it stands in its cycle."""

    now: datetime
    currency: str
    time_zone: str
    cycle_ends_at: datetime
    cycle_micros: Micros
    """Cost of the usage charged to the current cycle so far."""
    first_day: date | None
    """The local day of its first usage."""
    days: Mapping[date, Mapping[WalletKind, Micros]]
    """What each kind of wallet paid for the usage of each local day; days without usage are left out."""


class WalletForecast(NamedTuple):
    average_micros: Micros
    """A day."""
    runs_out_at: datetime | None
    method: str


class SpendForecast(NamedTuple):
    cycle_micros: Micros
    method: str


class _Window(NamedTuple):
    """Complete local days that a forecast is made from."""

    first: date
    day_count: int

    @property
    def days(self) -> list[date]:
        return [self.first + at * _A_DAY for at in range(self.day_count)]

    @property
    def text(self) -> str:
        return f"the last {self.day_count} complete days, {self.first} to {self.days[-1]}"


def _window(spending: Spending) -> _Window | None:
    today = local_day(spending.now, spending.time_zone)
    complete = 0 if spending.first_day is None else (today - spending.first_day).days
    if complete < MIN_DAYS:
        return None
    weeks = min(complete // DAYS_A_WEEK, MAX_WEEKS)
    count = weeks * DAYS_A_WEEK or complete
    return _Window(today - count * _A_DAY, count)


def forecast_wallet(
    spending: Spending, kind: WalletKind, *, available_micros: Micros, expires_at: datetime | None
) -> WalletForecast | None:
    """When what is available is used up at the average pace. None: too little is known.

    It does not run out when nothing was spent, when a commitment expires first, and beyond the horizon.
    """
    window = _window(spending)
    if window is None:
        return None
    spent = sum(spending.days.get(day, {}).get(kind, 0) for day in window.days)
    average = divide_half_up(spent, window.day_count)
    method = f"The average of {window.text}: what this wallet paid for their usage."
    return WalletForecast(average, _runs_out_at(spending.now, available_micros, window, spent, expires_at), method)


def _runs_out_at(
    now: datetime, available: Micros, window: _Window, spent: Micros, expires_at: datetime | None
) -> datetime | None:
    if spent <= 0:
        return None
    if available <= 0:
        return now
    seconds = divide_half_up(available * window.day_count * (_A_DAY // _A_SECOND), spent)
    if seconds > HORIZON // _A_SECOND:
        return None
    at = now + seconds * _A_SECOND
    return None if expires_at is not None and at > expires_at else at


def forecast_cycle(spending: Spending) -> SpendForecast | None:
    """What the current cycle will have cost at its end. None: too little is known.

    What is left of today counts for the part of the day that it is. Rounded once, to a micro; what is to come is never
    below zero, because nobody plans to take charges back.
    """
    window = _window(spending)
    if window is None:
        return None
    pace = _pace(spending, window)
    day, to_come = local_day(spending.now, spending.time_zone), Fraction(0)
    while (begins := first_instant(day, spending.time_zone)) < spending.cycle_ends_at:
        ends = first_instant(day + _A_DAY, spending.time_zone)
        left = min(ends, spending.cycle_ends_at) - max(begins, spending.now)
        if ends > begins:
            to_come += pace[day.weekday()] * Fraction(left // _AN_INSTANT, (ends - begins) // _AN_INSTANT)
        day += _A_DAY
    return SpendForecast(
        spending.cycle_micros + max(0, divide_half_up(to_come.numerator, to_come.denominator)), _method(window)
    )


def _pace(spending: Spending, window: _Window) -> list[Fraction]:
    """Micros a day, by weekday from Monday; the same for all while there is no whole week."""
    costs = [(day, sum(spending.days.get(day, {}).values())) for day in window.days]
    if window.day_count < DAYS_A_WEEK:
        return [Fraction(sum(cost for _, cost in costs), window.day_count)] * DAYS_A_WEEK
    weeks = window.day_count // DAYS_A_WEEK
    return [
        Fraction(sum(cost for day, cost in costs if day.weekday() == weekday), weeks) for weekday in range(DAYS_A_WEEK)
    ]


def _method(window: _Window) -> str:
    which = "" if window.day_count < DAYS_A_WEEK else " of the same weekday"
    return f"The cost of the cycle so far, and for each day to come the average{which} over {window.text}."
