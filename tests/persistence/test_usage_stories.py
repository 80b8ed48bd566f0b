"""Usage on its way into the books and out again, on real databases: batches, rates, reversals (R12–R23, R36)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain.access import Role
from domain.catalogue import DEFAULT_COVERAGE, Cadence, Direction, Service, UsageType
from domain.charging import Decision, Outcome
from domain.errors import AlreadyReversed, IdempotencyConflict, InvalidInput, NotFound, NotPermitted
from domain.money import parse_micros
from domain.reversal import NON_REFUNDABLE
from domain.stories.charge import replay_rejected, reverse_usage
from domain.stories.renew import renew_due
from domain.usage import (
    AiAgentMode,
    AiAgentSession,
    Call,
    CallLocation,
    DirectoryReference,
    Fax,
    FaxStatus,
    RejectionCode,
    Session,
)
from persistence.tables.charging import CHARGE, REJECTED_USAGE
from persistence.tables.company import MEMBER
from persistence.tables.funds import ALLOWANCE_CYCLE, POSTING
from tests.persistence.story import balances, charge_row, day, fax
from tests.world import START, World, allowance, call, commitment, office, rate, usage_event


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
    said = call("one", START).usage
    assert isinstance(said, Call)
    noted = replace(said, quality_tenths=41, location=CallLocation("US", "CA", None))
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
    blocked, unrated = (
        call("blocked", START, to="+900123456789"),
        usage_event("unrated", START, Session(service=Service.SPEECH_IVR, session_count=2)),
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
    commitments = (commitment("0.05", cadence=cadence),)
    await world.set_up(office(opening_credits_micros=10**6, allowances=(allowance(240),), commitments=commitments))
    [decision] = await world.record(call("one", START, seconds=600))
    assert decision.cost_micros == 120_000
    return decision


async def reverse(world: World, decision: Decision, key: str = "k", reason: str = "wrong") -> Any:
    assert decision.charge_id is not None
    done = await reverse_usage(world.begin, world.viewer(), decision.charge_id, key=key, reason=reason, now=world.now)
    [row] = await world.database.rows(CHARGE.select().where(CHARGE.c.id == done.reversal_id))
    return row


async def test_a_reversal_while_the_cycle_is_open_gives_everything_back(world: World) -> None:
    decision = await split(world)
    world.now = day("2026-04-03T23:00")
    row = await reverse(world, decision)
    assert (row.plan_quantity, row.plan_micros, row.commitment_micros, row.universal_micros) == (
        -240,
        -80_000,
        -50_000,
        -70_000,
    )
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
    assert (row.plan_quantity, row.plan_micros, row.commitment_micros, row.universal_micros) == (
        0,
        -80_000,
        0,
        -120_000,
    )
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
