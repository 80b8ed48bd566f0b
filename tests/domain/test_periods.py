"""Billing cycles: worked boundaries in awkward zones, and the laws that hold in every zone."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.periods import (
    CycleTerms,
    Period,
    YearMonth,
    advance,
    boundary_at_or_after,
    cycle_containing,
    first_instant,
    known_time_zone,
    label,
    local_day,
    next_boundary,
    stretched_end,
)

ZONES = [
    "UTC",
    "America/New_York",
    "Europe/London",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Asia/Beirut",
    "America/Havana",
    "America/St_Johns",
    "America/Scoresbysund",
    "Africa/Cairo",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Pacific/Pago_Pago",
    "Pacific/Kiritimati",
]
TICK = timedelta(microseconds=1)

terms_anywhere = st.builds(
    CycleTerms, time_zone=st.sampled_from(ZONES), anchor_day=st.integers(min_value=1, max_value=31)
)
moments = st.datetimes(datetime(1996, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
days = st.dates(date(1996, 1, 1), date(2060, 1, 1))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


FIRST_INSTANTS = """
    # zone                 day          begins (UTC)
    UTC                    2026-03-01   2026-03-01T00:00   | nothing special
    America/New_York       2026-01-31   2026-01-31T05:00   | winter time
    America/New_York       2026-07-31   2026-07-31T04:00   | summer time
    America/New_York       2026-03-08   2026-03-08T05:00   | clocks go forward later that day
    Europe/London          2026-10-25   2026-10-24T23:00   | clocks go back later that day
    Australia/Lord_Howe    2026-04-05   2026-04-04T13:00   | half an hour of summer time ends
    America/Sao_Paulo      2017-10-15   2017-10-15T03:00   | no midnight: the day begins at 01:00
    America/Sao_Paulo      2018-02-18   2018-02-18T03:00   | 23:00 to midnight came twice, on the day before
    Asia/Beirut            2026-03-29   2026-03-28T22:00   | no midnight
    America/Havana         2026-03-08   2026-03-08T05:00   | no midnight
    America/Havana         2026-11-01   2026-11-01T04:00   | midnight comes twice: the first one
    America/St_Johns       2010-11-07   2010-11-07T02:30   | clocks go back over midnight at 00:01
    America/St_Johns       2010-03-14   2010-03-14T03:30   | clocks go forward at 00:01
    America/Scoresbysund   2024-03-31   2024-03-31T01:00   | the zone itself moved that night
    Africa/Cairo           2014-05-16   2014-05-15T22:00   | no midnight
    Pacific/Apia           2011-12-29   2011-12-29T10:00   | the day before the one left out
    Pacific/Apia           2011-12-30   2011-12-30T10:00   | left out: what would have been its start
    Pacific/Apia           2011-12-31   2011-12-30T10:00   | begins at the same instant
    America/Toronto        1919-03-31   1919-03-31T04:30   | a gap from 23:30 to 00:30 around midnight
"""


def rows(table: str) -> list[tuple[str, ...]]:
    """The columns of a text table; what follows a bar is for the reader."""
    lines = (line.split("|")[0].split() for line in table.splitlines())
    return [tuple(columns) for columns in lines if columns and columns[0] != "#"]


@pytest.mark.parametrize(("zone", "day", "begins"), rows(FIRST_INSTANTS))
def test_a_local_day_begins_at_its_first_instant(zone: str, day: str, begins: str) -> None:
    assert first_instant(date.fromisoformat(day), zone) == utc(begins)


@given(days, st.sampled_from(ZONES))
def test_nothing_of_a_day_comes_before_its_first_instant(day: date, zone: str) -> None:
    begins = first_instant(day, zone)

    assert begins.tzinfo is UTC
    assert local_day(begins, zone) >= day
    assert local_day(begins - TICK, zone) < day
    noon = datetime.combine(day, time(12), ZoneInfo(zone)).astimezone(UTC)
    assert begins <= noon


CYCLES = """
    # zone             anchor at                  starts           ends             label
    UTC                1      2026-03-15T00:00    2026-03-01T00:00 2026-04-01T00:00 2026-03
    UTC                1      2026-03-01T00:00    2026-03-01T00:00 2026-04-01T00:00 2026-03 | its first instant
    UTC                1      2026-03-31T23:59:59 2026-03-01T00:00 2026-04-01T00:00 2026-03 | its last second
    UTC                15     2026-01-14T23:59    2025-12-15T00:00 2026-01-15T00:00 2025-12 | over new year
    UTC                31     2026-01-31T00:00    2026-01-31T00:00 2026-02-28T00:00 2026-01
    UTC                31     2026-02-28T00:00    2026-02-28T00:00 2026-03-31T00:00 2026-02 | no drift
    UTC                31     2028-02-29T00:00    2028-02-29T00:00 2028-03-31T00:00 2028-02 | leap year
    UTC                31     2028-02-28T12:00    2028-01-31T00:00 2028-02-29T00:00 2028-01
    UTC                31     2026-03-31T00:00    2026-03-31T00:00 2026-04-30T00:00 2026-03
    UTC                30     2026-02-28T00:00    2026-02-28T00:00 2026-03-30T00:00 2026-02
    UTC                29     2100-02-28T00:00    2100-02-28T00:00 2100-03-29T00:00 2100-02 | no leap year
    America/New_York   1      2026-04-01T03:59    2026-03-01T05:00 2026-04-01T04:00 2026-03 | still March there
    America/New_York   8      2026-03-08T05:00    2026-03-08T05:00 2026-04-08T04:00 2026-03
    Pacific/Kiritimati 1      2026-02-28T10:00    2026-02-28T10:00 2026-03-31T10:00 2026-03 | March already
    America/Sao_Paulo  15     2017-10-15T03:00    2017-10-15T03:00 2017-11-15T02:00 2017-10 | begins at 01:00
    America/Havana     1      2026-11-01T04:30    2026-11-01T04:00 2026-12-01T05:00 2026-11 | the first 00:30
    America/Havana     1      2026-11-01T05:30    2026-11-01T04:00 2026-12-01T05:00 2026-11 | the second
    America/St_Johns   1      2009-11-01T02:30    2009-11-01T02:30 2009-12-01T03:30 2009-11 | midnight
    America/St_Johns   1      2009-11-01T03:00    2009-11-01T02:30 2009-12-01T03:30 2009-11 | 23:30 again
    Pacific/Apia       30     2011-12-30T10:00    2011-12-30T10:00 2012-01-29T10:00 2011-12 | the day left out
    Pacific/Apia       30     2011-12-30T09:59    2011-11-30T10:00 2011-12-30T10:00 2011-11
"""


@pytest.mark.parametrize(("zone", "anchor", "at", "starts", "ends", "month"), rows(CYCLES))
def test_a_moment_falls_into_its_cycle(zone: str, anchor: str, at: str, starts: str, ends: str, month: str) -> None:
    cycle = cycle_containing(utc(at), CycleTerms(time_zone=zone, anchor_day=int(anchor)))

    assert cycle == Period(utc(starts), utc(ends))
    assert label(cycle.starts_at, zone).text == month


@pytest.mark.parametrize(("year", "february"), [(2026, 28), (2028, 29)])
def test_cycles_of_anchor_day_31_follow_the_ends_of_the_months(year: int, february: int) -> None:
    terms = CycleTerms(time_zone="America/New_York", anchor_day=31)
    boundaries = [first_instant(date(year, 1, 31), terms.time_zone)]
    for _ in range(4):
        boundaries.append(next_boundary(boundaries[-1], terms))

    assert [local_day(boundary, terms.time_zone) for boundary in boundaries] == [
        date(year, 1, 31),
        date(year, 2, february),
        date(year, 3, 31),
        date(year, 4, 30),
        date(year, 5, 31),
    ]


@given(moments, terms_anywhere)
def test_cycles_tile_time_without_gap_or_overlap(at: datetime, terms: CycleTerms) -> None:
    cycle = cycle_containing(at, terms)

    assert cycle.contains(at)
    assert timedelta(days=26) < cycle.ends_at - cycle.starts_at < timedelta(days=33)
    assert cycle_containing(cycle.starts_at, terms) == cycle
    assert cycle_containing(cycle.ends_at - TICK, terms) == cycle
    assert cycle_containing(cycle.ends_at, terms).starts_at == cycle.ends_at
    assert cycle_containing(cycle.starts_at - TICK, terms).ends_at == cycle.starts_at


@given(moments, terms_anywhere)
def test_labels_are_consecutive_while_terms_do_not_change(at: datetime, terms: CycleTerms) -> None:
    cycle = cycle_containing(at, terms)

    month = label(cycle.starts_at, terms.time_zone)
    assert label(cycle.ends_at, terms.time_zone) == month.plus(1)


@given(moments, terms_anywhere)
def test_a_boundary_is_the_first_instant_of_its_local_day(at: datetime, terms: CycleTerms) -> None:
    boundary = next_boundary(at, terms)

    day = local_day(boundary, terms.time_zone)
    assert boundary == first_instant(day, terms.time_zone)
    is_last_of_month = (day + timedelta(days=1)).day == 1
    came_after_a_day_left_out = local_day(boundary - TICK, terms.time_zone) < day - timedelta(days=1)
    assert day.day == terms.anchor_day or (is_last_of_month and day.day < terms.anchor_day) or came_after_a_day_left_out


@given(moments, terms_anywhere)
def test_the_next_boundary_is_later_and_a_boundary_is_its_own(at: datetime, terms: CycleTerms) -> None:
    boundary = next_boundary(at, terms)

    assert boundary > at
    assert boundary_at_or_after(boundary, terms) == boundary
    assert boundary_at_or_after(boundary - TICK, terms) == boundary
    assert next_boundary(boundary - TICK, terms) == boundary


@given(moments, terms_anywhere, st.integers(min_value=0, max_value=24))
def test_advancing_is_that_many_steps_to_the_next_boundary(at: datetime, terms: CycleTerms, months: int) -> None:
    start = next_boundary(at, terms)
    stepped = start
    for _ in range(months):
        stepped = next_boundary(stepped, terms)

    assert advance(start, months, terms) == stepped


def test_an_annual_commitment_from_a_leap_day_ends_on_the_next_anchor() -> None:
    terms = CycleTerms(time_zone="Europe/London", anchor_day=31)

    assert advance(utc("2028-02-29T00:00"), 12, terms) == utc("2029-02-28T00:00")


def test_a_change_of_anchor_day_stretches_the_running_cycle() -> None:
    """Changed on 10 March from the 1st to the 15th: March runs to 15 April, the next one is April."""
    running = cycle_containing(utc("2026-03-10T12:00"), CycleTerms(time_zone="UTC", anchor_day=1))
    new_terms = CycleTerms(time_zone="UTC", anchor_day=15)

    end = stretched_end(running.ends_at, new_terms)

    assert end == utc("2026-04-15T00:00")
    assert label(end, "UTC") == YearMonth(2026, 4)


def test_terms_that_share_the_boundary_stretch_nothing() -> None:
    terms = CycleTerms(time_zone="UTC", anchor_day=31)

    assert stretched_end(utc("2026-02-28T00:00"), CycleTerms(time_zone="UTC", anchor_day=28)) == utc("2026-02-28T00:00")
    assert stretched_end(utc("2026-04-30T00:00"), terms) == utc("2026-04-30T00:00")


def test_moving_back_over_the_date_line_gives_no_second_cycle_of_one_month() -> None:
    running = cycle_containing(utc("2026-03-10T12:00"), CycleTerms(time_zone="Pacific/Kiritimati", anchor_day=1))
    there = CycleTerms(time_zone="Pacific/Honolulu", anchor_day=31)
    assert stretched_end(running.ends_at, there) == running.ends_at

    end = stretched_end(running.ends_at, there, current_label=YearMonth(2026, 3))

    assert label(end, there.time_zone) == YearMonth(2026, 4)


@given(moments, terms_anywhere, terms_anywhere)
def test_a_stretched_cycle_is_never_shorter_and_its_successor_has_another_label(
    at: datetime, terms: CycleTerms, new_terms: CycleTerms
) -> None:
    running = cycle_containing(at, terms)
    month = label(running.starts_at, terms.time_zone)

    end = stretched_end(running.ends_at, new_terms, current_label=month)

    assert running.ends_at <= end < running.ends_at + timedelta(days=66)
    assert cycle_containing(end, new_terms).starts_at == end
    assert label(end, new_terms.time_zone) > month


def test_a_period_contains_its_start_and_not_its_end() -> None:
    period = Period(utc("2026-03-01T00:00"), utc("2026-04-01T00:00"))

    assert period.contains(period.starts_at)
    assert period.contains(period.ends_at - TICK)
    assert not period.contains(period.ends_at)
    assert not period.contains(period.starts_at - TICK)


def test_a_year_month_is_text_on_the_wire_and_a_number_in_storage() -> None:
    march = YearMonth(2026, 3)

    assert march.text == "2026-03"
    assert march.number == 202603
    assert YearMonth.from_number(202603) == march
    assert YearMonth.parse("2026-03") == march
    assert YearMonth(2025, 12) < march < YearMonth(2026, 11)


@pytest.mark.parametrize(
    "text",
    ["", "2026", "2026-3", "2026-00", "2026-13", "0000-01", "2026-03-01", "2026-03\n", " 2026-03", "२०२६-०३"],
)
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="2026-03"):
        YearMonth.parse(text)


@given(st.builds(YearMonth, st.integers(1900, 2100), st.integers(1, 12)), st.integers(-600, 600))
def test_months_count_on_and_back_and_keep_their_order(month: YearMonth, months: int) -> None:
    later = month.plus(months)

    assert later.plus(-months) == month
    assert (later > month) == (months > 0)
    assert (later.number > month.number) == (months > 0)
    assert YearMonth.parse(later.text) == later


@pytest.mark.parametrize("name", ["America/New_York", "Europe/London", "UTC", "Asia/Kolkata"])
def test_places_of_the_zone_database_are_known(name: str) -> None:
    assert known_time_zone(name)


@pytest.mark.parametrize(
    "name", ["", "Mars/Phobos", "America", "../etc/passwd", "america/new_york", "Factory", "+01:00"]
)
def test_other_names_are_no_time_zones(name: str) -> None:
    assert not known_time_zone(name)
    with pytest.raises(InvalidInput, match="IANA"):
        local_day(utc("2026-03-01T00:00"), name)
