"""Whole months told as stories on real databases, each ending with the proof of the books (R6–R11, R24–R26)."""

from datetime import timedelta

import pytest

from domain.access import Role
from domain.catalogue import Cadence
from domain.charging import Outcome
from domain.errors import NotPermitted
from domain.stories.charge import record_usage, replay_rejected, reverse_usage
from domain.stories.renew import renew_due
from domain.usage import RejectionCode
from persistence.tables.funds import ALLOWANCE_CYCLE, POSTING, WALLET_CYCLE
from tests.persistence.story import LONG_AGO, ONE_A_PAGE, at_once, balances, charge_row, cycles, day, fax
from tests.world import World, allowance, call, commitment, office, rate


async def test_january_february_and_a_late_call(world: World) -> None:
    world.now = day("2026-01-01")
    await world.apply(
        office(opened_on=world.now.date(), commitments=(commitment("100"),), opening_credits_micros=50 * 10**6)
    )
    await world.deck(ONE_A_PAGE, at=LONG_AGO)
    await world.record(fax("january", world.now, 60))
    world.now = day("2026-02-01T10:00")
    await world.record(fax("february", world.now, 120))
    assert await balances(world) == {"CALLING 202601": 40 * 10**6, "CALLING 202602": 0, "UNIVERSAL": 30 * 10**6}

    world.now = day("2026-02-03")
    [late] = await world.record(fax("late", day("2026-01-31T20:00"), 10))
    row = await charge_row(world, late)
    assert (row.month, row.is_booked_late, row.commitment_micros) == (202601, False, 10**7)
    assert (await balances(world))["CALLING 202601"] == 30 * 10**6

    world.now = day("2026-02-05")
    [too_late] = await world.record(fax("too late", day("2026-01-31T21:00"), 10))
    row = await charge_row(world, too_late)
    assert (row.month, row.is_booked_late, row.universal_micros) == (202602, True, 10**7)
    [january, _] = await world.database.rows(WALLET_CYCLE.select().order_by(WALLET_CYCLE.c.month))
    assert (january.expired_micros, january.balance_micros) == (30 * 10**6, 0)
    # The day of the chart is the day it happened, whatever cycle pays.
    assert str(row.local_day) == "2026-01-31"


async def test_an_anchor_day_changed_on_the_tenth(world: World) -> None:
    await world.set_up(office(commitments=(commitment("100"),), allowances=(allowance(600),)))
    world.now = day("2026-03-10")
    told = await world.apply(office(anchor_day=15, commitments=(commitment("100"),), allowances=(allowance(600),)))
    assert told == ["office hq: anchor_day 1 → 15"]
    world.now = day("2026-04-14")
    await world.record(call("in the stretch", world.now, seconds=6_000))
    assert await balances(world) == {"CALLING 202603": 100_000_000 - 1_800_000, "UNIVERSAL": 0}
    world.now = day("2026-04-17")
    [late] = await world.record(call("late", day("2026-04-14T23:00")))
    row = await charge_row(world, late)
    assert (row.month, row.is_booked_late) == (202603, False), "the late window moved along with the end"
    world.now = day("2026-05-16")
    await renew_due(world.begin, world.company_id, world.now)
    assert await cycles(world) == [
        (202603, "03-01 00:00", "04-15 00:00"),
        (202604, "04-15 00:00", "05-15 00:00"),
        (202605, "05-15 00:00", "06-15 00:00"),
    ]
    assert len(await world.database.rows(ALLOWANCE_CYCLE.select())) == 3


async def test_an_office_moves_to_new_york_and_then_to_sydney(world: World) -> None:
    await world.set_up(office(commitments=(commitment("10"),)))
    world.now = day("2026-03-20")
    await world.apply(office(time_zone="America/New_York", commitments=(commitment("10"),)))
    [decision] = await world.record(call("evening", day("2026-03-19T23:30")))
    world.now = day("2026-04-20")
    [evening] = await world.record(call("april", day("2026-04-19T02:00")))
    # Its day is told by the zone of its own cycle.
    assert str((await charge_row(world, decision)).local_day) == "2026-03-19"
    assert str((await charge_row(world, evening)).local_day) == "2026-04-18"
    await world.apply(office(time_zone="Australia/Sydney", commitments=(commitment("10"),)))
    world.now = day("2026-06-10")
    await world.record(call("june", world.now))
    assert await cycles(world) == [
        (202603, "03-01 00:00", "04-01 04:00"),
        (202604, "04-01 04:00", "05-31 14:00"),
        (202606, "05-31 14:00", "06-30 14:00"),
    ]


async def test_a_raise_is_granted_at_once_and_a_cut_waits(world: World) -> None:
    await world.set_up(office(commitments=(commitment("100"),), allowances=(allowance(600),)))
    raised = office(commitments=(at_once(commitment("150")),), allowances=(at_once(allowance(900)),))
    told = await world.apply(raised)
    assert [sentence.endswith(", now, if it is a raise") for sentence in told] == [True, True]
    assert await balances(world) == {"CALLING 202603": 150_000_000, "UNIVERSAL": 0}
    cut = office(commitments=(at_once(commitment("20")),), allowances=(at_once(allowance(60)),))
    await world.apply(cut)
    assert await balances(world) == {"CALLING 202603": 150_000_000, "UNIVERSAL": 0}
    [march] = await world.database.rows(ALLOWANCE_CYCLE.select())
    assert march.committed_quantity == 900
    world.now = day("2026-04-02")
    await world.record(call("april", world.now, seconds=6_000))
    # 60 s of the plan, the other 5,940 s are 1.98.
    assert (await balances(world))["CALLING 202604"] == 20_000_000 - 1_980_000


async def test_a_commitment_that_is_dropped_is_not_granted_again_and_its_rest_can_be_spent(world: World) -> None:
    await world.set_up(office(commitments=(commitment("100"),), allowances=(allowance(600),)))
    await world.apply(office())
    await world.record(call("march", world.now, seconds=660))
    assert (await balances(world))["CALLING 202603"] == 100_000_000 - 20_000
    world.now = day("2026-04-10")
    await world.record(call("april", world.now))
    assert await balances(world) == {"CALLING 202603": 0, "UNIVERSAL": -20_000}


async def test_an_annual_commitment_from_the_31st_over_thirteen_months(world: World) -> None:
    world.now = day("2026-01-31")
    annual = commitment("120", cadence=Cadence.ANNUAL)
    await world.apply(office(opened_on=world.now.date(), anchor_day=31, commitments=(annual,)))
    await world.deck(ONE_A_PAGE, at=LONG_AGO)
    moment = world.now
    for month in range(13):
        world.now = moment + timedelta(days=30.5 * month)
        await world.record(fax(f"fax {month}", world.now, 5))
    rows = await world.database.rows(WALLET_CYCLE.select().order_by(WALLET_CYCLE.c.starts_at))
    assert [(f"{row.starts_at:%F}", f"{row.ends_at:%F}", row.spent_micros) for row in rows] == [
        ("2026-01-31", "2027-01-31", 12 * 5 * 10**6),
        ("2027-01-31", "2028-01-31", 5 * 10**6),
    ]
    assert [start for _, start, _ in await cycles(world)][:4] == [
        "01-31 00:00",
        "02-28 00:00",
        "03-31 00:00",
        "04-30 00:00",
    ]
    world.now = day("2027-02-04")
    assert await renew_due(world.begin, None, world.now) == 1
    assert (await balances(world))["CALLING 202601"] == 0


async def test_an_office_that_slept_for_three_months_wakes_up_in_the_right_one(world: World) -> None:
    await world.set_up(office(commitments=(commitment("5"),), opening_credits_micros=10**6), office("annex"))
    world.now = day("2026-06-10")
    [decision] = await world.record(call("awake", world.now))
    assert (await charge_row(world, decision)).month == 202606
    assert await balances_of(world, "hq") == [0, 0, 0, 4_980_000]
    assert await renew_due(world.begin, world.company_id, world.now) == 1, "the annex alone was still asleep"
    assert await renew_due(world.begin, None, world.now) == 0


async def balances_of(world: World, slug: str) -> list[int]:
    mine = WALLET_CYCLE.c.office_id == await world.office_id(slug)
    rows = await world.database.rows(WALLET_CYCLE.select().where(mine).order_by(WALLET_CYCLE.c.month))
    return [row.balance_micros for row in rows]


async def test_whoever_comes_first_turns_the_page_and_others_find_it_turned(world: World) -> None:
    await world.set_up(office(commitments=(commitment("5"),)))
    [charged] = await world.record(call("march", world.now))
    world.now = day("2026-04-01")
    assert charged.charge_id is not None
    await reverse_usage(world.begin, world.viewer(), charged.charge_id, key="k", reason="wrong", now=world.now)
    assert [month for month, _, _ in await cycles(world)] == [202603, 202604]
    world.now = day("2026-04-04")
    await world.apply(office(name="Renamed", commitments=(commitment("5"),)))
    assert await balances(world) == {"CALLING 202603": 0, "CALLING 202604": 5_000_000, "UNIVERSAL": 0}


async def test_backfill_charges_closed_cycles_as_if_it_had_come_on_time(world: World) -> None:
    await world.set_up(
        office(commitments=(commitment("1"),), allowances=(allowance(600),), opening_credits_micros=10**7)
    )
    world.now = day("2026-05-20")
    await renew_due(world.begin, None, world.now)
    decisions = await world.record(
        call("march", day("2026-03-30"), seconds=1_200),
        call("april", day("2026-04-20"), seconds=6_000),
        is_backfill=True,
    )
    march, april = [await charge_row(world, decision) for decision in decisions]
    assert (march.month, march.is_booked_late, march.plan_quantity, march.commitment_micros) == (
        202603,
        False,
        600,
        200_000,
    )
    assert (april.month, april.commitment_micros, april.universal_micros) == (202604, 1_000_000, 800_000)
    rows = await world.database.rows(WALLET_CYCLE.select().order_by(WALLET_CYCLE.c.month))
    assert [(row.balance_micros, row.expired_micros) for row in rows] == [(0, 800_000), (0, 0), (1_000_000, 0)]
    expired = await world.database.rows(
        POSTING.select().where(POSTING.c.destination == "expired").order_by(POSTING.c.sequence)
    )
    assert [row.amount_micros for row in expired] == [1_000_000, 1_000_000, 800_000]


async def test_history_from_before_the_office_was_opened_is_backfilled_into_cycles_without_a_plan(world: World) -> None:
    await world.set_up(office(commitments=(commitment("1"),), allowances=(allowance(600),)))
    [december] = await world.record(call("december", day("2025-12-24")), is_backfill=True)
    [june] = await world.record(call("june", day("2025-06-24")), is_backfill=True)
    [again] = await world.record(call("june too", day("2025-06-30T23:59")), is_backfill=True)
    assert [(await charge_row(world, one)).month for one in (december, june, again)] == [202512, 202506, 202506]
    assert [month for month, _, _ in await cycles(world)] == [202506, 202512, 202603]
    assert await balances(world) == {"CALLING 202603": 1_000_000, "UNIVERSAL": -60_000}
    [late] = await world.record(call("not backfilled", day("2025-12-25")))
    row = await charge_row(world, late)
    assert (row.month, row.is_booked_late, row.plan_quantity) == (202603, True, 60)


async def test_only_an_operator_backfills_and_only_he_reaches_back_further_than_ten_years(world: World) -> None:
    await world.set_up()
    old = call("old", day("2010-06-01"))
    with pytest.raises(NotPermitted):
        await record_usage(world.begin, world.viewer(Role.PARTNER), [old], now=world.now, is_backfill=True)
    [refused] = await world.record(old)
    [charged] = await world.record(old, is_backfill=True)
    assert refused.rejection is not None
    assert (refused.rejection.code, charged.outcome) == (RejectionCode.TOO_OLD, Outcome.REJECTED)
    assert charged.rejection is not None
    assert charged.rejection.code is RejectionCode.NO_RATE, "the deck of this world begins in 2020"
    await world.deck((rate("0.01"),), card="history", at=LONG_AGO)
    [replayed] = await replay_rejected(world.begin, world.viewer(), now=world.now, is_backfill=True)
    assert replayed.outcome is Outcome.CHARGED
