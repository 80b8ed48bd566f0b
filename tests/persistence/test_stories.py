"""Whole months told as stories on real databases, each ending with the proof of the books (R6–R26, R36)."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.access import Role
from domain.catalogue import DEFAULT_COVERAGE, Cadence, Direction, Service, UsageType, WalletKind
from domain.charging import Decision, Outcome
from domain.errors import AlreadyReversed, IdempotencyConflict, InvalidInput, NotFound, NotPermitted
from domain.money import parse_micros
from domain.provisioning import AllowancePlan, CommitmentPlan
from domain.reversal import NON_REFUNDABLE
from domain.stories.charge import record_usage, replay_rejected, reverse_usage
from domain.stories.renew import renew_due
from domain.usage import (
    AiAgentMode,
    AiAgentSession,
    CallLocation,
    DirectoryReference,
    Fax,
    FaxStatus,
    RejectionCode,
    Session,
)
from persistence.database import Database
from persistence.tables.charging import CHARGE, REJECTED_USAGE
from persistence.tables.company import MEMBER
from persistence.tables.funds import ALLOWANCE_CYCLE, BILLING_CYCLE, POSTING, WALLET, WALLET_CYCLE
from tests.proof import assert_books_hold
from tests.world import START, World, allowance, call, commitment, office, rate, usage_event

ONE_A_PAGE = (rate("1", service=Service.FAX),)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fax(event_id: str, at: datetime, pages: int) -> object:
    usage = Fax(direction=Direction.OUTBOUND, from_="+14155550100", to="+12125550123", page_count=pages)
    return usage_event(event_id, at, usage)


def at_once(plan: CommitmentPlan | AllowancePlan) -> object:
    return replace(plan, is_immediate=True)


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    """The proof at the end is part of every story."""
    world = World(database, now=START + timedelta(days=1))
    yield world
    await assert_books_hold(database)


async def balances(world: World) -> dict[str, int]:
    rows = await world.database.rows(WALLET_CYCLE.select().order_by(WALLET_CYCLE.c.month))
    [universal] = await world.database.rows(WALLET.select().where(WALLET.c.kind == WalletKind.UNIVERSAL))
    found = {f"{row.kind} {row.month}": row.balance_micros for row in rows}
    return {**found, "UNIVERSAL": universal.balance_micros}


async def cycles(world: World) -> list[tuple[int, str, str]]:
    rows = await world.database.rows(BILLING_CYCLE.select().order_by(BILLING_CYCLE.c.starts_at))
    return [(row.month, f"{row.starts_at:%m-%d %H:%M}", f"{row.ends_at:%m-%d %H:%M}") for row in rows]


async def charge_row(world: World, decision: Decision) -> object:
    [row] = await world.database.rows(CHARGE.select().where(CHARGE.c.id == decision.charge_id))
    return row


async def test_january_february_and_a_late_call(world: World) -> None:
    world.now = day("2026-01-01")
    await world.apply(office(opened_on=world.now.date(), commitments=(commitment("100"),), opening_credits_micros=50 * 10**6))
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
    await world.set_up(office(commitments=(commitment("1"),), allowances=(allowance(600),), opening_credits_micros=10**7))
    world.now = day("2026-05-20")
    await renew_due(world.begin, None, world.now)
    decisions = await world.record(
        call("march", day("2026-03-30"), seconds=1_200),
        call("april", day("2026-04-20"), seconds=6_000),
        is_backfill=True,
    )
    march, april = [await charge_row(world, decision) for decision in decisions]
    assert (march.month, march.is_booked_late, march.plan_quantity, march.commitment_micros) == (202603, False, 600, 200_000)
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


async def test_a_batch_is_decided_event_by_event_and_a_malformed_one_not_at_all(world: World) -> None:
    await world.set_up(office(), office("annex"))
    events = [
        call("one", START),
        call("one", START),
        call("two", START, office="nowhere"),
        call("three", START, to="+900123456789"),
        call("one", START, seconds=61),
        call("four", START, office="annex"),
        replace(call("one", START), source="another switch"),
        call("five", world.now + timedelta(hours=2)),
    ]
    decisions = await world.record(*events)
    assert [decision.outcome for decision in decisions] == [
        Outcome.CHARGED,
        Outcome.REPLAYED,
        Outcome.REJECTED,
        Outcome.REJECTED,
        Outcome.CONFLICT,
        Outcome.CHARGED,
        Outcome.CHARGED,
        Outcome.REJECTED,
    ]
    assert decisions[4].differing == ("usage.call.durationSeconds",)
    assert [decision.event for decision in decisions] == events
    codes = [decision.rejection.code for decision in decisions if decision.rejection]
    assert codes == [RejectionCode.UNKNOWN_OFFICE, RejectionCode.BLOCKED, RejectionCode.IN_THE_FUTURE]
    with pytest.raises(InvalidInput) as refused:
        await world.record(call("six", START), call("", START))
    assert refused.value.field == ("events", 1, "eventId")
    assert len(await world.database.rows(CHARGE.select())) == 3
    again = await world.record(*events)
    assert {decision.outcome for decision in again} == {Outcome.REPLAYED, Outcome.CONFLICT, Outcome.REJECTED}
    assert len(await world.database.rows(CHARGE.select())) == 3
    [kept] = await world.database.rows(REJECTED_USAGE.select())
    assert (kept.attempt_count, kept.event_id) == (2, "three")


async def test_a_key_blocked_and_charged_in_one_batch_is_charged_alone(world: World) -> None:
    await world.set_up()
    await world.record(call("one", START, to="+900123456789"), call("one", START + timedelta(minutes=1)))
    assert await world.database.rows(REJECTED_USAGE.select()) == []
    [decision] = await world.record(call("one", START, to="+900123456789"))
    assert decision.outcome is Outcome.CONFLICT


async def test_a_replay_corrects_notes_and_names_but_a_conflict_changes_nothing(world: World) -> None:
    await world.set_up()
    first = replace(call("one", START), member=DirectoryReference("7", "Front desk"))
    [charged] = await world.record(first)
    noted = replace(first.usage, quality_tenths=41, location=CallLocation("US", "CA", None))  # type: ignore[type-var]
    corrected = replace(first, usage=noted, member=DirectoryReference("7", "Reception"))
    [replayed] = await world.record(corrected)
    assert (replayed.outcome, replayed.charge_id) == (Outcome.REPLAYED, charged.charge_id)
    row = await charge_row(world, charged)
    assert row.details["qualityTenths"] == 41
    assert row.details["location"] == {"countryCode": "US", "region": "CA", "city": None}
    assert [member.name for member in await world.database.rows(MEMBER.select())] == ["Reception"]

    await world.record(first)
    assert (await charge_row(world, charged)).details == row.details, "what is left out stays"
    other = replace(corrected, member=DirectoryReference("8", "Nobody"), usage=replace(noted, quality_tenths=10))
    [conflict] = await world.record(other)
    assert (conflict.outcome, conflict.differing) == (Outcome.CONFLICT, ("member",))
    assert (await charge_row(world, charged)).details == row.details
    assert [member.external_id for member in await world.database.rows(MEMBER.select())] == ["7"]


async def test_an_office_s_own_numbers_decide_what_is_local(world: World) -> None:
    london = office("london", region="GB", time_zone="Europe/London", phone_numbers=("+442079460000",))
    await world.set_up(office(), london)
    inbound = {"direction": Direction.INBOUND, "from_": "+12125550123"}
    decisions = await world.record(
        call("local", START, to="+14155550177"),
        call("domestic", START, to="+12125550123"),
        call("jamaica", START, to="+18765551234"),
        call("canada", START, to="+16042345678"),
        call("toll-free", START, to="+18002345678"),
        call("extension", START, to="1002"),
        call("toll-free in", START, to="+18002345678", **inbound),  # type: ignore[arg-type]
        call("in", START, to="+14155550100", **inbound),  # type: ignore[arg-type]
        call("london", START, to="02079460123", from_="+442079460000", office="london"),
        call("home", START, to="+14155550100", from_="+442079460000", office="london"),
        call("france", START, to="+33123456789", from_="+442079460000", office="london"),
    )
    assert [(await charge_row(world, decision)).usage_type for decision in decisions] == [
        UsageType.LOCAL,
        UsageType.DOMESTIC,
        UsageType.INTERNATIONAL,
        UsageType.INTERNATIONAL,
        UsageType.TOLL_FREE,
        UsageType.LOCAL,
        UsageType.TOLL_FREE,
        UsageType.DOMESTIC,
        UsageType.LOCAL,
        UsageType.DOMESTIC,
        UsageType.INTERNATIONAL,
    ]


async def test_a_deck_succeeds_another_and_past_charges_stay(world: World) -> None:
    await world.set_up()
    [before] = await world.record(call("before", START))
    world.now = day("2026-03-10")
    await world.deck((rate("0.50", prefix="1"),), at=world.now)
    old, new, gone = await world.record(
        call("old", day("2026-03-09T23:59")), call("new", world.now), call("gone", world.now, to="+442071234567")
    )
    assert [decision.cost_micros for decision in (before, old, new)] == [20_000, 20_000, 500_000]
    # Prefixes that the new deck does not name end with the old one.
    assert gone.rejection is not None
    assert gone.rejection.code is RejectionCode.NO_RATE
    [replayed] = await world.record(call("before", START))
    assert (replayed.outcome, (await charge_row(world, before)).cost_micros) == (Outcome.REPLAYED, 20_000)


async def test_blocked_and_unrated_usage_is_kept_tried_again_and_consumed(world: World) -> None:
    await world.set_up()
    blocked, unrated = call("blocked", START, to="+900123456789"), usage_event(
        "unrated", START, Session(service=Service.SPEECH_IVR, session_count=2)
    )
    await world.record(blocked, unrated)
    assert [row.event_id for row in await world.database.rows(REJECTED_USAGE.select())] == ["blocked"]
    viewer = world.viewer()
    assert await replay_rejected(world.begin, viewer, now=world.now, code=RejectionCode.NO_RATE) == []
    [still] = await replay_rejected(world.begin, viewer, now=world.now, code=RejectionCode.BLOCKED)
    assert still.outcome is Outcome.REJECTED
    [kept] = await world.database.rows(REJECTED_USAGE.select())
    assert (kept.attempt_count, kept.id) == (2, still.rejected_id)
    await world.deck((rate("0.30", prefix="900", priority=5),), card="exceptions", at=START)
    [charged] = await replay_rejected(world.begin, viewer, now=world.now, ids=[kept.id])
    assert (charged.outcome, charged.cost_micros) == (Outcome.CHARGED, 300_000)
    assert await world.database.rows(REJECTED_USAGE.select()) == []
    [again] = await world.record(blocked)
    assert again.outcome is Outcome.REPLAYED


async def test_faxes_beyond_the_allowance_are_paid_by_universal(world: World) -> None:
    pages = allowance(1_000, Service.FAX, *DEFAULT_COVERAGE[Service.FAX])
    await world.set_up(office(allowances=(pages,), commitments=(commitment("0"),), opening_credits_micros=10**6))
    await world.record(fax("most", START, 998))
    [decision] = await world.record(fax("last", START + timedelta(hours=1), 5))
    row = await charge_row(world, decision)
    assert (row.plan_quantity, row.plan_micros, row.universal_micros) == (2, 60_000, 90_000)
    [allowed] = await world.database.rows(ALLOWANCE_CYCLE.select())
    assert (allowed.spent_quantity, await balances(world)) == (1_000, {"UNIVERSAL": 910_000})


async def test_usage_that_happened_is_charged_below_zero_and_calling_credits_never_pay_for_ai(world: World) -> None:
    ai = AiAgentSession(mode=AiAgentMode.DIGITAL, session_count=3)
    await world.set_up(office(commitments=(commitment("10"),), opening_credits_micros=parse_micros("0.10")))
    await world.record(usage_event("ai", START, ai))
    assert await balances(world) == {"CALLING 202603": 10_000_000, "UNIVERSAL": -1_400_000}
    # Being below zero does not make the commitment unusable (R26).
    await world.record(call("call", START))
    assert await balances(world) == {"CALLING 202603": 9_980_000, "UNIVERSAL": -1_400_000}


async def split(world: World, cadence: Cadence = Cadence.MONTHLY) -> Decision:
    """600 s at 0.02 a minute: 240 s of the plan (0.08), 0.05 of the commitment, 0.07 of universal credits."""
    plan = {"allowances": (allowance(240),), "commitments": (commitment("0.05", cadence=cadence),)}
    await world.set_up(office(opening_credits_micros=10**6, **plan))
    [decision] = await world.record(call("one", START, seconds=600))
    assert decision.cost_micros == 120_000
    return decision


async def reverse(world: World, decision: Decision, key: str = "k", reason: str = "wrong") -> object:
    assert decision.charge_id is not None
    done = await reverse_usage(world.begin, world.viewer(), decision.charge_id, key=key, reason=reason, now=world.now)
    [row] = await world.database.rows(CHARGE.select().where(CHARGE.c.id == done.reversal_id))
    return row


async def test_a_reversal_while_the_cycle_is_open_gives_everything_back(world: World) -> None:
    decision = await split(world)
    world.now = day("2026-04-03T23:00")
    row = await reverse(world, decision)
    assert (row.plan_quantity, row.plan_micros, row.commitment_micros, row.universal_micros) == (-240, -80_000, -50_000, -70_000)
    assert (row.month, row.quantity, row.reverses_id) == (202604, -600, decision.charge_id)
    assert await balances(world) == {"CALLING 202603": 50_000, "CALLING 202604": 50_000, "UNIVERSAL": 1_000_000}
    allowances = await world.database.rows(ALLOWANCE_CYCLE.select())
    assert [item.spent_quantity for item in allowances] == [0, 0]
    assert (await charge_row(world, decision)).reversed_by_id == row.id
    world.now = day("2026-04-05")
    await renew_due(world.begin, None, world.now)
    assert (await balances(world))["CALLING 202603"] == 0


async def test_a_reversal_after_the_close_returns_money_as_universal_and_no_units(world: World) -> None:
    decision = await split(world)
    world.now = day("2026-04-10")
    row = await reverse(world, decision)
    assert (row.plan_quantity, row.plan_micros, row.commitment_micros, row.universal_micros) == (0, -80_000, 0, -120_000)
    assert await balances(world) == {"CALLING 202603": 0, "CALLING 202604": 50_000, "UNIVERSAL": 1_050_000}
    [posting] = await world.database.rows(POSTING.select().where(POSTING.c.charge_id == row.id))
    assert posting.note == f"wrong {NON_REFUNDABLE}"
    march = ALLOWANCE_CYCLE.c.month == 202603
    [allowed] = await world.database.rows(ALLOWANCE_CYCLE.select().where(march))
    assert allowed.spent_quantity == 240


async def test_an_annual_commitment_takes_back_what_it_paid_in_a_month_that_has_closed(world: World) -> None:
    decision = await split(world, Cadence.ANNUAL)
    world.now = day("2026-06-10")
    await renew_due(world.begin, None, world.now)
    row = await reverse(world, decision)
    assert (row.plan_quantity, row.commitment_micros, row.universal_micros) == (0, -50_000, -70_000)
    assert await balances(world) == {"CALLING 202603": 50_000, "UNIVERSAL": 1_000_000}


async def test_a_reversal_happens_once_whatever_key_it_comes_under(world: World) -> None:
    decision = await split(world)
    first, again = await reverse(world, decision), await reverse(world, decision)
    assert first.id == again.id
    with pytest.raises(IdempotencyConflict) as conflict:
        await reverse(world, decision, reason="another reason")
    assert conflict.value.differing_fields == ("reason",)
    with pytest.raises(AlreadyReversed):
        await reverse(world, decision, key="another key")
    with pytest.raises(AlreadyReversed):
        await reverse(world, decision._replace(charge_id=first.id), key="of the reversal")
    assert await balances(world) == {"CALLING 202603": 50_000, "UNIVERSAL": 1_000_000}
    [event] = await world.record(call("one", START, seconds=600))
    assert event.outcome is Outcome.REPLAYED, "corrected usage needs an event id of its own"


async def test_nobody_reverses_what_is_not_his(world: World) -> None:
    decision = await split(world)
    assert decision.charge_id is not None
    request = {"key": "k", "reason": "wrong", "now": world.now}
    stranger = world.viewer(office_ids=frozenset())
    with pytest.raises(NotFound):
        await reverse_usage(world.begin, stranger, decision.charge_id, **request)  # type: ignore[arg-type]
    with pytest.raises(NotPermitted):
        await reverse_usage(world.begin, world.viewer(Role.COMPANY_ADMIN), decision.charge_id, **request)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        await reverse_usage(world.begin, world.viewer(), decision.charge_id, **(request | {"reason": " "}))  # type: ignore[arg-type]


async def test_a_fax_s_status_is_a_note(world: World) -> None:
    await world.set_up()
    sent = Fax(direction=Direction.OUTBOUND, from_="+14155550100", to="+12125550123", page_count=1)
    [charged] = await world.record(usage_event("fax", START, sent))
    await world.record(usage_event("fax", START, replace(sent, status=FaxStatus.COMPLETED)))
    assert (await charge_row(world, charged)).details["status"] == "COMPLETED"
