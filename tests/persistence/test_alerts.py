"""Alerts of real databases: raised once, put down to their true cause, re-armed, ended with their cycle (R38, R39)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from domain.access import Role
from domain.alerts import AlertState, Dimension
from domain.catalogue import Cadence, Service, UsageType, WalletKind
from domain.ledger import Books
from domain.money import Amount, parse_micros
from domain.stories.charge import reverse_usage
from domain.stories.recharge import configure_recharge
from domain.stories.settings import update_settings
from domain.stories.watch import watch_due, watch_on_demand
from persistence.begin import Begin
from persistence.database import Database
from persistence.tables.charging import CHARGE
from persistence.unit import Unit
from tests.persistence.story import day
from tests.persistence.watching import Watched, rich
from tests.proof import assert_books_hold
from tests.world import allowance, commitment, office

FAXES = (Service.FAX, UsageType.FAX_SENT, UsageType.FAX_RECEIVED)
ACTIVE = AlertState.ACTIVE


@pytest.fixture
async def hq(database: Database) -> AsyncIterator[Watched]:
    """One office since March, with all the credits it needs. The proof at the end is part of every story."""
    yield await Watched.open(database)
    await assert_books_hold(database)


async def a_quiet_march(hq: Watched, *, pages: int = 10) -> None:
    """Ten a day on the first four days, by Ann."""
    for date in range(1, 5):
        await hq.spend(f"2026-03-0{date}", pages, member="ann")


# ---------- a rise ----------


async def test_a_rise_is_raised_on_the_fourth_day_and_put_down_to_the_member_who_made_it(hq: Watched) -> None:
    await a_quiet_march(hq)
    for date in range(1, 4):
        await hq.spend(f"2026-04-0{date}", 10, member="ann")
        await hq.spend(f"2026-04-0{date}", 8, member="bob")
        await hq.watch()
        assert await hq.told() == []
    await hq.watch("2026-04-04 00:00:03")

    [alert] = await hq.alerts()
    assert alert.cause is not None
    assert (alert.state, alert.cause.dimension) == (ACTIVE, Dimension.MEMBER)
    assert (alert.current_micros, alert.previous_micros) == (54_000_000, 30_000_000)
    assert (alert.cause.current_micros, alert.cause.previous_micros) == (24_000_000, 0)
    assert alert.period == (day("2026-04-01"), day("2026-04-04"))
    assert (await hq.message()).startswith("Spending is up 80 % in the first 3 days of this billing cycle: 54.00 USD")


async def test_a_group_is_named_and_nobody_is_not(hq: Watched) -> None:
    await a_quiet_march(hq)
    for date in range(1, 4):
        await hq.spend(f"2026-04-0{date}", 20)
        await hq.spend(f"2026-04-0{date}", 9, group="night")
    await hq.watch("2026-04-04 00:00:03")
    [alert] = await hq.alerts()
    assert alert.cause is not None
    assert (alert.cause.dimension, alert.cause.rise_micros, alert.rise_micros) == (
        Dimension.REGION,
        57_000_000,
        57_000_000,
    )

    await hq.spend("2026-04-04", 400, group="night")
    await hq.watch("2026-04-05 00:00:03")
    assert [alert.state for alert in await hq.alerts()] == [AlertState.SUPERSEDED, ACTIVE]
    [alert] = await hq.alerts(ACTIVE)
    assert alert.cause is not None
    assert alert.cause.dimension is Dimension.GROUP


async def test_exactly_a_quarter_and_ten_more_is_a_rise_and_a_page_less_is_none(hq: Watched) -> None:
    for date in range(1, 5):
        await hq.spend(f"2026-03-0{date}", 10)
    await hq.spend("2026-04-01", 49)
    await hq.watch("2026-04-05 00:00:03")
    assert await hq.told() == []
    await hq.spend("2026-04-04", 1)  # it occurred on a day that is over
    await hq.watch()
    assert await hq.told() == ["region:US active"]


async def test_it_is_raised_once_a_cycle_and_cause_and_again_after_it_fell_back(hq: Watched) -> None:
    await a_quiet_march(hq)
    await hq.spend("2026-03-06", 100, member="ann")
    await hq.spend("2026-04-01", 60, member="bob")
    await hq.watch("2026-04-04 00:00:03")
    await hq.watch("2026-04-05 00:00:03")
    await hq.spend("2026-04-05", 1, member="bob")
    await hq.watch()
    [first] = await hq.alerts()
    assert first.state is ACTIVE

    await hq.watch("2026-04-07 00:00:03")  # now Ann's hundred of March count too
    assert [alert.state for alert in await hq.alerts()] == [AlertState.ENDED]
    await hq.spend("2026-04-07", 200, member="bob")
    await hq.watch("2026-04-08 00:00:03")
    ended, again = await hq.alerts()
    assert (ended.id, ended.state, again.state) == (first.id, AlertState.ENDED, ACTIVE)
    assert ended.subject == again.subject


async def test_a_new_cycle_begins_anew_and_the_first_one_says_nothing(hq: Watched) -> None:
    for date in range(1, 10):
        await hq.spend(f"2026-03-0{date}", 10 + date)
        await hq.watch()
    assert await hq.told() == []
    await hq.spend("2026-04-01", 200)
    await hq.watch("2026-04-10 00:00:03")
    assert await hq.told() == ["region:US active"]
    await hq.watch("2026-05-01 00:00:03")
    assert await hq.told() == ["region:US ended"]


async def test_days_are_those_of_occurrence_whatever_month_usage_was_booked_in(hq: Watched) -> None:
    """Reported when its cycle had closed, it is charged to the next one; it still happened in March (R10)."""
    hq.world.now = day("2026-04-05 12:00")
    await hq.spend("2026-03-02", 40)
    await hq.spend("2026-04-01", 20)
    await hq.watch()
    rows = await hq.world.database.rows(CHARGE.select().order_by(CHARGE.c.occurred_at))
    assert [(row.local_day.month, row.month, row.is_booked_late) for row in rows] == [
        (3, 202604, True),
        (4, 202604, False),
    ]
    assert await hq.told() == []


async def test_days_are_the_office_s_own(database: Database) -> None:
    """In Sydney the third of April is over at 13:00 in Greenwich."""
    hq = await Watched.open(database, rich(time_zone="Australia/Sydney", opened_on=day("2026-03-01").date()))
    await hq.spend("2026-04-01", 30)
    await hq.watch("2026-04-03 12:59:59")
    assert await hq.told() == []
    assert await hq.due_at() == day("2026-04-03 13:00:02")
    assert await hq.watch("2026-04-03 13:00:02") == 1
    assert await hq.told() == ["region:US active"]


# ---------- commitments, allowances, universal credits ----------


async def test_each_step_of_a_commitment_is_told_when_it_is_reached(database: Database) -> None:
    hq = await Watched.open(database, rich(commitments=(commitment("100"),)))
    for pages, expected in (
        (79, []),
        (1, ["commitment:CALLING 80 active"]),
        (9, ["commitment:CALLING 80 active"]),
        (1, ["commitment:CALLING 80 ended", "commitment:CALLING 90 active"]),
        (30, ["commitment:CALLING 80 ended", "commitment:CALLING 90 ended", "commitment:CALLING 100 active"]),
    ):
        await hq.spend("2026-03-02", pages)
        await hq.watch()
        assert await hq.told() == expected
    assert await hq.message() == "100 % of the calling commitment is used: 100.00 USD of 100.00 USD."
    await hq.watch("2026-04-01 00:00:03")
    assert await hq.alerts(ACTIVE) == []
    await hq.spend("2026-03-31", 5)  # late, to the cycle before: it is used up, and that is no news
    await hq.watch()
    assert await hq.alerts(ACTIVE) == []
    await assert_books_hold(database)


async def test_a_step_that_is_taken_back_is_followed_down(database: Database) -> None:
    hq = await Watched.open(database, rich(commitments=(commitment("100"),)))
    for pages in (70, 25, 5):
        await hq.spend("2026-03-02", pages)
    await hq.watch()
    rows = await database.rows(CHARGE.select().order_by(CHARGE.c.sequence))
    for row, expected in ((rows[2], "90 active"), (rows[1], "90 ended")):
        await reverse_usage(
            hq.world.begin, hq.world.viewer(), row.id, key=row.event_id, reason="Test.", now=hq.world.now
        )
        await hq.watch()
        assert await hq.told() == [f"commitment:CALLING {expected}"]
    await assert_books_hold(database)


async def test_a_year_s_commitment_is_told_in_its_own_cycle(database: Database) -> None:
    annual = commitment("100", WalletKind.CALLING, Cadence.ANNUAL)
    hq = await Watched.open(database, rich(commitments=(annual,)))
    await hq.spend("2026-03-02", 80)
    await hq.watch()
    await hq.watch("2026-06-01 00:00:03")
    [alert] = await hq.alerts()
    assert (alert.state, alert.period) == (ACTIVE, (day("2026-03-01"), day("2027-03-01")))
    await hq.watch("2027-03-01 00:00:03")
    assert [alert.state for alert in await hq.alerts()] == [AlertState.ENDED]


async def test_an_allowance_tells_units_and_what_they_would_have_cost(database: Database) -> None:
    hq = await Watched.open(database, rich(allowances=(allowance(10, *FAXES),)))
    await hq.spend("2026-03-02", 8)
    await hq.watch()
    [alert] = await hq.alerts()
    assert (alert.subject, alert.used_percent, alert.current_micros) == ("allowance:FAX", 80, 8_000_000)
    assert await hq.message() == "The fax allowance is 80 % used: 8 of 10 pages."
    await hq.watch("2026-04-01 00:00:03")
    await hq.spend("2026-04-02", 10)
    await hq.watch()
    assert await hq.told() == ["allowance:FAX 80 ended", "allowance:FAX 100 active"]
    await assert_books_hold(database)


async def configure(hq: Watched, *, on: bool, threshold: str = "5") -> None:
    await configure_recharge(
        hq.world.begin,
        hq.world.viewer(Role.COMPANY_ADMIN),
        await hq.world.office_id(),
        is_enabled=on,
        threshold=Amount(parse_micros(threshold), "USD"),
        amount=None,
        cycle_cap=None,
        now=hq.world.now,
    )


async def test_universal_credits_are_low_below_the_threshold_while_nothing_refills_them(database: Database) -> None:
    hq = await Watched.open(database, office(opening_credits_micros=7_000_000))
    await hq.spend("2026-03-02", 2)
    await hq.watch()
    assert await hq.told() == []  # exactly five
    await hq.spend("2026-03-02", 1)
    await hq.watch()
    assert await hq.message() == "Universal credits are low: 4.00 USD, below 5.00 USD, and auto-recharge is off."
    await hq.watch("2026-04-02 00:00:03")
    assert await hq.told() == ["universal active"]  # of no cycle
    for on, threshold, expected in (
        (True, "5", ["ended"]),
        (False, "5", ["ended", "active"]),
        (False, "4", ["ended", "ended"]),
    ):
        await configure(hq, on=on, threshold=threshold)
        await hq.watch()
        assert await hq.told() == [f"universal {state}" for state in expected]
    await assert_books_hold(database)


# ---------- when it is judged ----------


async def test_soon_after_spending_and_then_when_the_day_is_over(hq: Watched) -> None:
    await hq.watch()
    assert await hq.due_at() == day("2026-03-02 00:00:02")
    await hq.spend("2026-03-01", 1)
    assert await hq.due_at() == hq.world.now + timedelta(seconds=2)
    assert await watch_due(hq.world.begin, None, hq.world.now) == 0
    assert await watch_on_demand(hq.world.begin, hq.world.company_id, hq.world.now) == 1
    assert await hq.due_at() == day("2026-03-02 00:00:02")
    assert await watch_on_demand(hq.world.begin, hq.world.company_id, hq.world.now) == 0


async def test_a_changed_plan_and_other_settings_are_judged_soon(database: Database) -> None:
    hq = await Watched.open(database, rich(), rich("berlin"))
    world = hq.world
    plans = [rich(commitments=(commitment("5"),)), rich("berlin")]

    async def due() -> list[bool]:
        soon = [await hq.due_at(slug) <= world.now + timedelta(seconds=2) for slug in ("hq", "berlin")]
        await hq.watch()
        assert await hq.watch() == 0
        return soon

    await due()
    await world.apply(*plans)
    assert await due() == [True, False]
    await world.apply(*plans, spending_alert_rise_percent=30)
    assert await due() == [True, True]
    await world.apply(*plans, spending_alert_rise_percent=30)
    assert await due() == [False, False]
    minimum = Amount(parse_micros("20"), "USD")
    admin = world.viewer(Role.COMPANY_ADMIN)
    await update_settings(world.begin, admin, rise_percent=None, minimum=minimum, now=world.now)
    assert await due() == [True, True]
    await update_settings(world.begin, admin, rise_percent=30, minimum=minimum, now=world.now)
    assert await due() == [False, False]


async def test_other_settings_make_a_rise_an_alert_or_none(hq: Watched) -> None:
    await a_quiet_march(hq)
    await hq.spend("2026-04-01", 50, member="ann")
    await hq.watch("2026-04-05 00:00:03")
    admin = hq.world.viewer(Role.COMPANY_ADMIN)
    for percent, expected in ((26, []), (25, ["active"])):
        await update_settings(hq.world.begin, admin, rise_percent=percent, minimum=None, now=hq.world.now)
        await hq.watch()
        assert [alert.state.lower() for alert in await hq.alerts(ACTIVE)] == expected


async def test_many_at_once_raise_one_alert(database: Database) -> None:
    hq = await Watched.open(database, office(opening_credits_micros=1_000_000))
    at = hq.world.now + timedelta(hours=1)
    doors = [Begin(database) for _ in range(6)]
    await asyncio.gather(*(watch_due(door, None, at) for door in doors))
    assert await hq.told() == ["universal active"]


async def test_an_office_that_fails_does_not_keep_the_others_waiting(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    hq = await Watched.open(database, office(), office("berlin"), office("lone"))
    broken_id = await hq.world.office_id("berlin")
    real = Unit.lock_books

    async def lock(unit: Unit, office_id: UUID, *, with_history: bool = False) -> Books:
        if office_id == broken_id:
            raise ArithmeticError
        return await real(unit, office_id, with_history=with_history)

    monkeypatch.setattr(Unit, "lock_books", lock)
    with pytest.raises(ExceptionGroup, match="1 of 3 offices"):
        await hq.watch()
    assert await hq.told() == ["universal active"] * 2


async def test_whoever_watches_a_due_office_renews_it_first(database: Database) -> None:
    hq = await Watched.open(database, rich(commitments=(commitment("10"),)))
    await hq.spend("2026-03-02", 9)
    await hq.watch()
    await hq.watch("2026-05-20 12:00")
    assert await hq.told() == ["commitment:CALLING 90 ended"]
    assert await hq.due_at() == day("2026-05-21 00:00:02")
    await assert_books_hold(database)


async def test_a_day_in_which_the_clocks_change_ends_when_it_ends(database: Database) -> None:
    """New York goes forward on 8 March 2026 and back on 1 November."""
    hq = await Watched.open(database, rich(time_zone="America/New_York"), now="2026-03-08 06:00")
    midnights: list[datetime] = []
    for now in ("2026-03-08 06:30", "2026-11-01 05:30"):
        await hq.watch(now)
        midnights.append(await hq.due_at())
    assert midnights == [day("2026-03-09 04:00:02"), day("2026-11-02 05:00:02")]


async def test_of_two_offices_each_has_its_own(database: Database) -> None:
    hq = await Watched.open(database, rich(), replace(rich("berlin"), phone_numbers=()))
    for slug in ("hq", "berlin"):
        await hq.spend_at(slug, "2026-03-01", 30)
    await hq.spend_at("berlin", "2026-04-01", 60)
    await hq.spend_at("hq", "2026-04-01", 30)
    await hq.watch("2026-04-05 00:00:03")
    assert await hq.told() == ["region:US active"]
