"""How alerts are raised once, stand, give way, follow down and end (R38, R39)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import count
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.alerts import Alert, AlertKind, AlertState, Cause, Dimension, level_of, settle_level, settle_rise
from domain.periods import Period, YearMonth
from tests.world import START

_IDS = count(1)
PERIOD = Period(START, START + timedelta(days=31))


def risen(region: str) -> Alert:
    cause = Cause(Dimension.REGION, region, 30_000_000, 10_000_000)
    return Alert(
        id=UUID(int=next(_IDS)),
        kind=AlertKind.SPENDING_RISE,
        subject=cause.subject,
        month=YearMonth(2026, 3),
        period=PERIOD,
        raised_at=START,
        current_micros=50_000_000,
        previous_micros=20_000_000,
        cause=cause,
    )


def used(percent: int) -> Alert:
    return Alert(
        id=UUID(int=next(_IDS)),
        kind=AlertKind.COMMITMENT_USED,
        subject="commitment:CALLING",
        month=YearMonth(2026, 3),
        period=PERIOD,
        raised_at=START,
        current_micros=percent * 1_000_000,
        limit_micros=100_000_000,
        used_percent=percent,
    )


def after(alerts: Sequence[Alert], moved: Sequence[Alert]) -> list[Alert]:
    """The open alerts once these were saved, oldest first."""
    by_id = {alert.id: alert for alert in [*alerts, *moved]}
    return [alert for alert in by_id.values() if alert.state is not AlertState.ENDED]


def told(alerts: Sequence[Alert]) -> str:
    """The active in capitals."""
    names = [(alert.cause.key if alert.cause else str(alert.used_percent)) for alert in alerts]
    marks = [alert.state is AlertState.ACTIVE for alert in alerts]
    return " ".join(name if mark else name.lower() for name, mark in zip(names, marks, strict=True)) or "-"


# what is found, day by day || how many are raised || which are open
RISES = """
IN             || 1 || IN
IN IN IN       || 1 || IN
IN -           || 1 || -
IN - IN        || 2 || IN
IN GB          || 2 || in GB
IN GB IN       || 2 || IN gb
IN GB IN GB    || 2 || in GB
IN GB - GB     || 3 || GB
IN GB FR IN    || 3 || IN gb fr
-              || 0 || -
"""


@pytest.mark.parametrize("row", RISES.strip().splitlines())
def test_a_cause_is_raised_once_until_spending_falls_back(row: str) -> None:
    story, raised, expected = (cell.strip() for cell in row.split("||"))
    alerts: list[Alert] = []
    news = 0
    for cause in story.split():
        moved = settle_rise(alerts, None if cause == "-" else risen(cause), START)
        known = {alert.id for alert in alerts}
        news += sum(alert.id not in known for alert in moved)
        alerts = after(alerts, moved)
    assert (news, told(alerts)) == (int(raised), expected)


# what is reached, again and again || how many are raised || which is open
LEVELS = """
80             || 1 || 80
80 80          || 1 || 80
80 90 100      || 3 || 100
100            || 1 || 100
- 100          || 1 || 100
100 80         || 1 || 80
100 80 90      || 2 || 90
80 -           || 1 || -
80 - 80        || 2 || 80
90 - -         || 1 || -
"""


@pytest.mark.parametrize("row", LEVELS.strip().splitlines())
def test_a_step_is_told_when_it_is_reached_and_followed_down_silently(row: str) -> None:
    story, raised, expected = (cell.strip() for cell in row.split("||"))
    alerts: list[Alert] = []
    news = 0
    for level in story.split():
        standing = alerts[0] if alerts else None
        moved = settle_level(standing, None if level == "-" else used(int(level)), START)
        news += sum(standing is None or alert.id != standing.id for alert in moved)
        alerts = after(alerts, moved)
    assert (news, told(alerts)) == (int(raised), expected)


def test_figures_follow_down_with_the_step() -> None:
    [moved] = settle_level(used(100), used(80), START)
    assert (moved.used_percent, moved.current_micros) == (80, 80_000_000)


def test_figures_follow_within_a_step_too() -> None:
    standing = used(80)
    [moved] = settle_level(standing, replace(used(80), current_micros=85_000_000), START)
    assert (moved.id, moved.used_percent, moved.current_micros) == (standing.id, 80, 85_000_000)


def test_universal_credits_have_no_steps() -> None:
    low = replace(used(80), used_percent=None)
    assert settle_level(low, replace(used(80), used_percent=None), START) == []
    [ended] = settle_level(low, None, START + timedelta(hours=1))
    assert (ended.state, ended.ended_at) == (AlertState.ENDED, START + timedelta(hours=1))


@given(st.lists(st.sampled_from(["IN", "GB", "FR", None]), max_size=12))
def test_of_rises_at_most_one_is_active_and_none_is_open_twice(story: list[str | None]) -> None:
    alerts: list[Alert] = []
    for cause in story:
        alerts = after(alerts, settle_rise(alerts, risen(cause) if cause else None, START))
        active = [alert.subject for alert in alerts if alert.state is AlertState.ACTIVE]
        assert active == ([f"region:{cause}"] if cause else [])
        assert len({alert.subject for alert in alerts}) == len(alerts)


# spent, committed || step
STEPS = """
 799999 | 1000000 || -
 800000 | 1000000 || 80
 899999 | 1000000 || 80
 900000 | 1000000 || 90
 999999 | 1000000 || 90
1000000 | 1000000 || 100
1500000 | 1000000 || 100
      0 |       0 || -
      5 |       0 || -
     -1 |      10 || -
"""


@pytest.mark.parametrize("row", STEPS.strip().splitlines())
def test_the_highest_step_that_is_reached(row: str) -> None:
    figures, expected = row.split("||")
    spent, committed = (int(cell) for cell in figures.split("|"))
    assert level_of(spent, committed) == (None if expected.strip() == "-" else int(expected))


@given(st.integers(0, 10**15), st.integers(1, 10**15))
def test_a_step_is_reached_by_integers_and_not_by_rounding(spent: int, committed: int) -> None:
    level = level_of(spent, committed)
    assert (level is None) == (100 * spent < 80 * committed)
    if level is not None:
        assert 100 * spent >= level * committed
        assert level == 100 or 100 * spent < (level + 10) * committed
