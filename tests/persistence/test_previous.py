"""What stands beside what: the stretch before, day by day, week by week, cycle by cycle; and how much may be asked."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from domain.access import Scope
from domain.catalogue import Service
from domain.charts import Grouping, UsageDimension
from domain.errors import InvalidInput
from domain.usage import DirectoryReference
from persistence.chart_facts import Question
from persistence.database import Database
from persistence.history import HistoryFilter
from persistence.summary import MAX_PERIODS, SummaryRow, read_usage_summary
from tests.world import World, call, office

DAY, WEEK, MONTH = UsageDimension.DAY, UsageDimension.WEEK, UsageDimension.MONTH
NEW_YORK = "America/New_York"
OPENED = date(2026, 1, 1)


async def company(database: Database, *zones: str, anchor_day: int = 1) -> World:
    """An office a zone, each with its zone's last word as its name."""
    offices = [
        office(
            _slug(zone),
            time_zone=zone,
            anchor_day=anchor_day,
            opened_on=OPENED,
            phone_numbers=(),
            opening_credits_micros=0,
        )
        for zone in zones
    ]
    world = World(database, now=datetime(2026, 1, 3, tzinfo=UTC))
    return await world.set_up(*offices)


def _slug(zone: str) -> str:
    return zone.split("/")[1].lower().replace("_", "-")


async def minutes(world: World, zone: str, **used: int) -> None:
    """`d0302=5`: a call of 5 minutes (0.02 each) on 2 March at 00:30 of the office."""
    for name, count in sorted(used.items()):
        at = datetime(2026, int(name[1:3]), int(name[3:5]), 0, 30, tzinfo=ZoneInfo(zone)).astimezone(UTC)
        world.now = max(world.now, at + timedelta(hours=1))
        await world.record(call(f"{zone} {name}", at, seconds=60 * count, from_="1002", office=_slug(zone)))


async def beside(world: World, period: UsageDimension | None, wanted: HistoryFilter) -> dict[str, tuple[int, int]]:
    """By period, the minutes of the asked time and of the one before."""
    rows = await summed(world, Grouping(period, None if period else UsageDimension.SERVICE), wanted)
    return {
        f"{row.period:%m-%d}" if row.period else str(row.key): (
            row.usage.cost_micros // 20_000,
            row.previous.cost_micros // 20_000 if row.previous else -1,
        )
        for row in rows
    }


async def summed(world: World, grouping: Grouping, wanted: HistoryFilter, top: int = 20) -> list[SummaryRow]:
    question = Question(wanted=wanted, grouping=grouping, top=top, compares=True)
    return await read_usage_summary(world.database, Scope(world.company_id, None), question=question)


def between(first: str, end: str, zone: str = NEW_YORK) -> HistoryFilter:
    sides = (datetime.fromisoformat(f"2026-{text}").replace(tzinfo=ZoneInfo(zone)) for text in (first, end))
    occurred_from, occurred_until = (side.astimezone(UTC) for side in sides)
    return HistoryFilter(occurred_from=occurred_from, occurred_until=occurred_until)


async def test_days_of_a_cycle_stand_beside_those_of_the_cycle_before(database: Database) -> None:
    world = await company(database, NEW_YORK)
    await minutes(world, NEW_YORK, d0105=1, d0131=2, d0205=4, d0228=8, d0301=16, d0305=32, d0330=64)
    assert await beside(world, DAY, HistoryFilter(month=202603)) == {
        "03-01": (16, 0),
        "03-05": (32, 4),
        "03-28": (0, 8),
        "03-30": (64, 0),
    }
    # January's 31st has no counterpart in February.
    assert await beside(world, DAY, HistoryFilter(month=202602)) == {"02-05": (4, 1), "02-28": (8, 0)}
    assert await beside(world, MONTH, HistoryFilter(month=202602)) == {"02-01": (12, 3)}
    assert await beside(world, None, HistoryFilter(month=202602)) == {"CALLING": (12, 3)}


async def test_a_cycle_that_starts_on_the_31st_is_matched_from_its_own_first_day(database: Database) -> None:
    world = await company(database, "Europe/Berlin", anchor_day=31)
    # The cycle of January begins on the 31st, that of February on the 28th, that of March on the 31st.
    await minutes(world, "Europe/Berlin", d0131=1, d0227=2, d0228=4, d0330=8, d0331=16)
    assert await beside(world, DAY, HistoryFilter(month=202602)) == {
        "02-28": (4, 1),
        "03-27": (0, 2),
        "03-30": (8, 0),
    }
    assert await beside(world, DAY, HistoryFilter(month=202603)) == {"03-31": (16, 4)}


async def test_weeks_are_matched_from_the_week_in_which_the_time_begins(database: Database) -> None:
    world = await company(database, NEW_YORK)
    # The first of February is a Sunday, as is the first of March; the first of April is a Wednesday.
    await minutes(world, NEW_YORK, d0201=1, d0202=2, d0301=4, d0302=8, d0401=16, d0406=32)
    assert await beside(world, WEEK, HistoryFilter(month=202603)) == {"02-23": (4, 1), "03-02": (8, 2)}
    assert await beside(world, WEEK, HistoryFilter(month=202604)) == {"03-30": (16, 4), "04-06": (32, 8)}


async def test_whole_days_are_compared_with_as_many_days_though_clocks_change(database: Database) -> None:
    world = await company(database, NEW_YORK)
    # On 8 March the clocks go forward: the seven days from then on are an hour shorter than those before.
    await minutes(world, NEW_YORK, d0228=1, d0301=2, d0307=4, d0308=8, d0314=16, d0315=32)
    wanted = between("03-08", "03-15")
    assert await beside(world, DAY, wanted) == {"03-08": (8, 2), "03-14": (16, 4)}
    assert await beside(world, None, wanted) == {"CALLING": (24, 6)}


async def test_any_other_time_is_compared_with_as_much_time(database: Database) -> None:
    world = await company(database, NEW_YORK)
    await minutes(world, NEW_YORK, d0203=1, d0204=2, d0205=4, d0206=8)
    wanted = between("02-05T00:10", "02-06T12:10")
    assert await beside(world, None, wanted) == {"CALLING": (12, 2)}
    # The stretch before begins at noon of the third, so its second day stands beside the second.
    assert await beside(world, DAY, wanted) == {"02-05": (4, 0), "02-06": (8, 2)}


async def test_months_of_any_time_are_matched_from_the_last(database: Database) -> None:
    world = await company(database, NEW_YORK)
    await minutes(world, NEW_YORK, d0105=1, d0130=2, d0205=4, d0305=8, d0405=16)
    assert await beside(world, MONTH, between("03-01", "04-01")) == {"03-01": (8, 4)}
    assert await beside(world, MONTH, between("03-01", "05-01")) == {"03-01": (8, 3), "04-01": (16, 4)}


async def test_every_office_has_its_own_days(database: Database) -> None:
    """The same instant is midnight of one day in Honolulu and of the next in Kiritimati."""
    honolulu, kiritimati = "Pacific/Honolulu", "Pacific/Kiritimati"
    world = await company(database, honolulu, kiritimati)
    await minutes(world, honolulu, d0201=1, d0202=2)
    await minutes(world, kiritimati, d0202=4, d0203=8)
    assert await beside(world, DAY, between("02-02", "02-03", honolulu)) == {"02-02": (2, 1), "02-03": (8, 4)}


async def test_without_bounds_there_is_nothing_before(database: Database) -> None:
    world = await company(database, NEW_YORK)
    await minutes(world, NEW_YORK, d0201=1)
    since = HistoryFilter(occurred_from=datetime(2026, 1, 1, 5, tzinfo=UTC))
    for wanted in (HistoryFilter(), since, HistoryFilter(occurred_until=datetime(2027, 1, 1, 5, tzinfo=UTC))):
        assert await beside(world, DAY, wanted) == {"02-01": (1, -1)}
    for year in (1, 9999):
        wide = HistoryFilter(
            occurred_from=datetime(year, 1, 1, tzinfo=UTC), occurred_until=datetime(9999, 12, 31, tzinfo=UTC)
        )
        assert await beside(world, DAY, wide) == ({"02-01": (1, -1)} if year == 1 else {})


async def test_the_top_is_of_the_time_asked_for_and_then_of_the_one_before(database: Database) -> None:
    world = await company(database, NEW_YORK)
    world.now = datetime(2026, 3, 2, tzinfo=UTC)
    used = {"Ann": (0, 9), "Bob": (2, 0), "Cy": (1, 3), "Di": (0, 5), "Ed": (0, 1)}
    for name, (now, before) in used.items():
        for month, count in ((2, now), (1, before)):
            at = datetime(2026, month, 5, 12, tzinfo=UTC)
            made = call(f"{name} {month}", at, seconds=60 * count, from_="1002", office="new-york")
            if count:
                await world.record(replace(made, member=DirectoryReference(name, name)), is_backfill=True)
    by_member = Grouping(None, UsageDimension.MEMBER)
    february = HistoryFilter(month=202602)

    async def told(top: int) -> list[tuple[str, int, int]]:
        rows = await summed(world, by_member, february, top)
        return [
            (row.named.name if row.named else str(row.is_other), row.usage.count, row.previous.count)
            for row in rows
            if row.previous
        ]

    assert await told(20) == [("Bob", 1, 0), ("Cy", 1, 1), ("Ann", 0, 1), ("Di", 0, 1), ("Ed", 0, 1)]
    assert await told(3) == [("Bob", 1, 0), ("Cy", 1, 1), ("Ann", 0, 1), ("True", 0, 2)]
    assert await told(1) == [("Bob", 1, 0), ("True", 1, 4)]


async def test_usage_of_nobody_in_the_time_before_has_a_row_of_its_own(database: Database) -> None:
    world = await company(database, NEW_YORK)
    await minutes(world, NEW_YORK, d0105=1)
    world.now = datetime(2026, 2, 6, tzinfo=UTC)
    made = call("Ann", datetime(2026, 2, 5, 12, tzinfo=UTC), from_="1002", office="new-york")
    await world.record(replace(made, member=DirectoryReference("Ann", "Ann")))
    for on_time in (None, False):
        wanted = HistoryFilter(month=202602, is_booked_late=on_time)
        rows = await summed(world, Grouping(None, UsageDimension.MEMBER), wanted)
        assert [(row.named and row.named.name, row.is_other, row.previous and row.previous.count) for row in rows] == [
            ("Ann", False, 0),
            (None, False, 1),
        ]


@pytest.mark.parametrize(
    ("zones", "moves_in", "first", "end", "used", "expected"),
    [
        # Half an hour into the 31st where the office was, and before it where it is: in the 24 hours before, then, and
        # on the second of the two days that these touch.
        (("America/New_York", "America/Chicago"), 3, "03-31", "04-01", "2026-03-31T04:30", {"04-01": (0, 1)}),
        (("America/New_York", "America/Chicago"), 3, "03-30", "03-31", "2026-03-31T04:30", {"03-31": (1, 0)}),
        # Both have the same days in winter, and not in October.
        (("America/Denver", "America/Phoenix"), 10, "11-02", "11-09", "2026-10-26T06:30", {}),
        (("America/Denver", "America/Phoenix"), 10, "11-02", "11-09", "2026-10-26T07:30", {"11-02": (0, 1)}),
    ],
)
async def test_an_office_that_moved_had_other_days_before(
    database: Database, zones: tuple[str, str], moves_in: int, first: str, end: str, used: str, expected: object
) -> None:
    """A charge keeps the day it had; the time asked for is the same instants for all sources."""
    before, after = zones
    world = await company(database, before)
    world.now = datetime(2026, moves_in, 20, tzinfo=UTC)
    moved = office(_slug(before), time_zone=after, opened_on=OPENED, phone_numbers=(), opening_credits_micros=0)
    await world.apply(moved)
    at = datetime.fromisoformat(used).replace(tzinfo=UTC)
    world.now = at + timedelta(hours=1)
    await world.record(call("e", at, seconds=60, from_="1002", office=_slug(before)))
    world.now += timedelta(days=40)
    await world.record(call("today", world.now, from_="1002", office=_slug(before)))
    assert await beside(world, DAY, between(first, end, after)) == expected


async def test_more_periods_than_a_chart_can_show_are_refused(sqlite_database: Database) -> None:
    world = await company(sqlite_database, NEW_YORK)
    world.now = datetime(2027, 4, 1, tzinfo=UTC)
    first = datetime(2026, 1, 2, 12, tzinfo=UTC)
    events = [
        call(f"e{day}", first + timedelta(days=day), from_="1002", office="new-york") for day in range(MAX_PERIODS)
    ]
    await world.record(*events)
    by_day = Grouping(DAY, None)
    assert len(await summed(world, by_day, HistoryFilter())) == MAX_PERIODS
    await world.record(call("last", first + timedelta(days=MAX_PERIODS), from_="1002", office="new-york"))
    with pytest.raises(InvalidInput, match="more than 400 periods"):
        await summed(world, by_day, HistoryFilter())
    assert len(await summed(world, Grouping(WEEK, None), HistoryFilter())) == 58
    assert len(await summed(world, by_day, HistoryFilter(services=(Service.FAX,)))) == 0
