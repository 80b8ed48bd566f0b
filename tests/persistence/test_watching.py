"""When alerts are judged, by whom, and that many who do it at once make one of them (R38, R39)."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import pytest

from domain.access import Role
from domain.alerts import AlertState, Cause
from domain.ledger import Books
from domain.money import Amount, parse_micros
from domain.spending_rise import Comparison
from domain.stories.settings import update_settings
from domain.stories.watch import watch_due, watch_on_demand
from persistence.begin import Begin
from persistence.database import Database
from persistence.unit import Unit
from tests.persistence.story import day
from tests.persistence.watching import Watched, rich
from tests.proof import assert_books_hold
from tests.world import commitment, office

ACTIVE = AlertState.ACTIVE


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
    await hq.a_quiet_march()
    await hq.spend("2026-04-01", 50, member="ann")
    await hq.watch("2026-04-05 00:00:03")
    admin = hq.world.viewer(Role.COMPANY_ADMIN)
    for percent, expected in ((26, []), (25, ["active"])):
        await update_settings(hq.world.begin, admin, rise_percent=percent, minimum=None, now=hq.world.now)
        await hq.watch()
        assert [alert.state.lower() for alert in await hq.alerts(ACTIVE)] == expected


async def test_whose_usage_it_was_is_looked_up_again_only_when_the_figures_changed(
    hq: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    real = Begin.spending_by_party

    async def look(door: Begin, company_id: UUID, office_id: UUID, compared: Comparison) -> Sequence[Cause]:
        nonlocal looks
        looks += 1
        return await real(door, company_id, office_id, compared)

    monkeypatch.setattr(Begin, "spending_by_party", look)
    await hq.a_quiet_march()
    await hq.spend("2026-04-01", 90, member="ann")
    for now, expected in (("2026-04-04 00:00:03", 1), ("2026-04-05 00:00:03", 2)):
        await hq.watch(now)
        for _ in range(3):
            await hq.spend(f"{hq.world.now:%Y-%m-%d}", 1, member="ann")
            await hq.watch()
        assert looks == expected
    await hq.spend("2026-04-02", 1, member="ann")
    await hq.watch()
    assert looks == 3
    assert await hq.told() == [f"member:{(await hq.alerts())[0].subject[7:]} active"]


class Meanwhile(Begin):
    """Somebody uses the office's phones while it is looked up whose usage it was."""

    def __init__(self, hq: Watched, *, on: str) -> None:
        super().__init__(hq.world.database)
        self._spend = partial(hq.spend, on, 40, member="bob")

    async def spending_by_party(self, company_id: UUID, office_id: UUID, compared: Comparison) -> Sequence[Cause]:
        async with asyncio.timeout(5):
            await self._spend()
        return await super().spending_by_party(company_id, office_id, compared)


async def test_who_pays_does_not_wait_while_it_is_looked_up_whose_usage_it_was(hq: Watched) -> None:
    await hq.a_quiet_march()
    await hq.spend("2026-04-01", 90, member="ann")
    assert await watch_due(Meanwhile(hq, on="2026-04-05"), None, day("2026-04-05 12:00:03")) == 1
    [rise] = await hq.alerts()
    assert rise.latest_micros == (90_000_000, 40_000_000)
    assert await hq.due_at() == day("2026-04-06 00:00:02")
    await assert_books_hold(hq.world.database)


async def test_figures_that_change_meanwhile_are_looked_at_once_more_and_the_rest_is_judged(database: Database) -> None:
    hq = await Watched.open(database, office(opening_credits_micros=200_000_000))
    await hq.a_quiet_march()
    await hq.spend("2026-04-01", 90, member="ann")
    await hq.spend("2026-04-05", 69)
    now = day("2026-04-05 12:00:03")
    await watch_due(Meanwhile(hq, on="2026-04-02"), None, now)
    assert await hq.told() == ["universal active"]
    assert await hq.due_at() == now + timedelta(seconds=2)
    await hq.watch("2026-04-05 12:00:06")
    [rise] = [alert for alert in await hq.alerts() if alert.cause]
    assert rise.latest_micros == (130_000_000, 40_000_000)
    assert await hq.due_at() == day("2026-04-06 00:00:02")


async def test_a_rise_that_stands_stands_on_while_its_figures_change(hq: Watched) -> None:
    await hq.a_quiet_march()
    await hq.spend("2026-04-01", 90, member="ann")
    await hq.watch("2026-04-05 00:00:03")
    before = await hq.alerts()
    await hq.spend("2026-04-03", 1)
    await watch_due(Meanwhile(hq, on="2026-04-02"), None, hq.world.now + timedelta(seconds=3))
    assert await hq.alerts() == before
    assert [alert.state for alert in before] == [ACTIVE]


async def test_many_at_once_raise_one_alert(database: Database) -> None:
    hq = await Watched.open(database, office(opening_credits_micros=1_000_000))
    at = hq.world.now + timedelta(hours=1)
    doors = [Begin(database) for _ in range(6)]
    await asyncio.gather(*(watch_due(door, None, at) for door in doors))
    assert await hq.told() == ["universal active"]


async def test_an_office_that_fails_does_not_keep_the_others_waiting(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    hq = await Watched.open(database, *(office(slug, opening_credits_micros=1) for slug in ("hq", "berlin", "lone")))
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
