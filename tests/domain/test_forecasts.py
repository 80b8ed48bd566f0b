"""Forecasts by hand: a pace that is known, and what follows from it."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.catalogue import WalletKind
from domain.forecasts import HORIZON, Spending, forecast_cycle, forecast_wallet
from domain.periods import first_instant

UNIVERSAL, CALLING, AI_AGENT = WalletKind.UNIVERSAL, WalletKind.CALLING, WalletKind.AI_AGENT
TODAY = date(2026, 3, 20)
"""A Friday."""
NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
UNIT = 1_000_000
A_DAY = timedelta(days=1)


def spending(
    days: Mapping[int, int],
    *,
    first: int | None = None,
    kind: WalletKind = UNIVERSAL,
    now: datetime = NOW,
    zone: str = "UTC",
    cycle: int = 0,
    ends: datetime = datetime(2026, 4, 1, tzinfo=UTC),
) -> Spending:
    """`days`: units by how many days ago; `first`: how long ago the first usage was, the oldest of them if not said."""
    since = max(days, default=0) if first is None else first
    return Spending(
        now=now,
        currency="USD",
        time_zone=zone,
        cycle_ends_at=ends,
        cycle_micros=cycle * UNIT,
        first_day=TODAY - since * A_DAY if since else None,
        days={TODAY - ago * A_DAY: {kind: units * UNIT} for ago, units in days.items()},
    )


def wallet(of: Spending, available: int, kind: WalletKind = UNIVERSAL, expires_at: datetime | None = None) -> Any:
    return forecast_wallet(of, kind, available_micros=available * UNIT, expires_at=expires_at)


@pytest.mark.parametrize(
    ("complete", "window"), [(3, 3), (6, 6), (7, 7), (13, 7), (14, 14), (27, 21), (28, 28), (400, 28)]
)
def test_the_average_is_over_whole_weeks_at_most_four(complete: int, window: int) -> None:
    """Today is not over; what lies further back than the window does not count."""
    told = wallet(spending({0: 1_000, window: 84, window + 1: 5_000}, first=complete), 10)
    assert told.average_micros * window == pytest.approx(84 * UNIT, abs=window)
    assert told.method == (
        f"The average of the last {window} complete days, {TODAY - window * A_DAY} to 2026-03-19: what this wallet paid"
        " for their usage."
    )


@pytest.mark.parametrize("complete", [0, 1, 2])
def test_of_two_days_nothing_is_foretold(complete: int) -> None:
    of = spending({0: 5, 1: 5}, first=complete)
    assert wallet(of, 10) is None
    assert forecast_cycle(of) is None


def test_a_wallet_runs_out_when_what_is_available_is_used_up() -> None:
    of = spending(dict.fromkeys(range(1, 8), 2))
    assert wallet(of, 10).runs_out_at == NOW + 5 * A_DAY
    assert wallet(of, 1).runs_out_at == NOW + A_DAY / 2
    assert wallet(of, 0).runs_out_at == wallet(of, -5).runs_out_at == NOW


def test_a_wallet_lasts_when_nothing_was_spent_or_more_came_back() -> None:
    assert wallet(spending({}, first=9), 10)[:2] == (0, None)
    assert wallet(spending({1: 1, 2: -3}, first=9), 10).runs_out_at is None
    assert wallet(spending({1: 1}, first=9), 10**9).runs_out_at is None
    assert wallet(spending({1: 7}, first=9), HORIZON.days).runs_out_at == NOW + HORIZON
    assert wallet(spending({1: 7}, first=9), HORIZON.days + 1).runs_out_at is None


def test_a_commitment_that_expires_first_does_not_run_out() -> None:
    of = spending(dict.fromkeys(range(1, 8), 2), kind=CALLING)
    end = NOW + 5 * A_DAY
    assert wallet(of, 10, CALLING, end).runs_out_at == end
    assert wallet(of, 11, CALLING, end).runs_out_at is None
    assert wallet(of, 10, AI_AGENT, end)[:2] == (0, None)


def test_a_cycle_will_cost_what_the_same_weekdays_cost() -> None:
    """Two weeks: Mondays cost 4 and 6, all else nothing. Until April there are two Mondays, the 23rd and the 30th."""
    mondays = {4: 4, 11: 6}
    told = forecast_cycle(spending(mondays, first=14, cycle=100))
    assert told is not None
    assert told.cycle_micros == (100 + 5 + 5) * UNIT
    assert told.method == (
        "The cost of the cycle so far, and for each day to come the average of the same weekday over the last 14"
        " complete days, 2026-03-06 to 2026-03-19."
    )


def test_of_today_counts_the_part_that_is_left() -> None:
    """The last Friday cost 8; of this one half is left. One more follows, on the 27th."""
    told = forecast_cycle(spending({7: 8}, cycle=1))
    assert told is not None
    assert told.cycle_micros == (1 + 4 + 8) * UNIT


def test_before_there_is_a_week_all_days_count_alike() -> None:
    """2 a day: half of today and eleven days."""
    told = forecast_cycle(spending({1: 6, 3: 0}))
    assert told is not None
    assert told.cycle_micros == 23 * UNIT
    assert "average over the last 3 complete days" in told.method


def test_a_day_on_which_clocks_change_is_still_one_day() -> None:
    """Six hours into the 25 of 25 October in Berlin; the cycle ends when the day does."""
    zone, today = "Europe/Berlin", date(2026, 10, 25)
    begins, ends = (first_instant(day, zone) for day in (today, today + A_DAY))
    assert ends - begins == timedelta(hours=25)
    of = Spending(
        now=begins + timedelta(hours=5),
        currency="EUR",
        time_zone=zone,
        cycle_ends_at=ends,
        cycle_micros=0,
        first_day=today - 7 * A_DAY,
        days={today - 7 * A_DAY: {UNIVERSAL: 100}},
    )
    told = forecast_cycle(of)
    assert told is not None
    assert told.cycle_micros == 80


def test_what_is_to_come_is_never_taken_off() -> None:
    told = forecast_cycle(spending({1: -50}, first=3, cycle=7))
    assert told is not None
    assert told.cycle_micros == 7 * UNIT


@given(
    days=st.dictionaries(st.integers(1, 40), st.integers(0, 500), max_size=30),
    first=st.integers(3, 60),
    hours=st.integers(0, 300),
)
def test_time_that_passes_without_usage_lowers_what_a_cycle_will_cost(
    days: dict[int, int], first: int, hours: int
) -> None:
    """Within a day; the whole is never less than what was spent."""
    told = [
        forecast_cycle(spending(days, first=first, now=NOW + timedelta(hours=hour), cycle=5))
        for hour in sorted({hours % 11, 11})
    ]
    figures = [forecast.cycle_micros for forecast in told if forecast is not None]
    assert figures == sorted(figures, reverse=True)
    assert min(figures) >= 5 * UNIT
