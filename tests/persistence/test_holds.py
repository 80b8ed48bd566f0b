"""Holds on real databases (R27, R28): authorized, extended, captured, released, expired; alone and many at once."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select

from domain.access import Permission, Role
from domain.catalogue import Service, WalletKind
from domain.charging import Outcome
from domain.errors import HoldExpired, HoldResolved, IdempotencyConflict, InvalidInput, NotFound, NotPermitted
from domain.holds import HoldRefusalReason, HoldState
from domain.money import Amount
from domain.rates import PER_MINUTE
from domain.stories.hold import authorize_usage, quote_usage, release_hold
from domain.stories.recharge import configure_recharge
from domain.stories.renew import renew_due
from domain.usage import OfficeReference
from persistence.tables.charging import CHARGE
from persistence.tables.company import OFFICE
from persistence.tables.funds import ALLOWANCE_CYCLE, WALLET
from persistence.tables.holds import HOLD
from persistence.tables.payments import TOP_UP
from tests.persistence.holding import ask, captured, extended, held, released, request, reserved, stored
from tests.world import START, World, allowance, call, commitment, office, rate

ONE_A_MINUTE = (rate("1", prefix="44"),)
TO_LONDON = "+442071234567"
HOUR = timedelta(hours=1)


async def dear_world(world: World, credits: str) -> World:
    """A minute to London costs 1.00."""
    await world.set_up(office(opening_credits_micros=int(credits) * 1_000_000))
    await world.deck(ONE_A_MINUTE, card="dear", at=START - timedelta(days=30))
    await world.apply(office(opening_credits_micros=int(credits) * 1_000_000, decks=("dear",)))
    return world


async def charges(world: World) -> list[tuple[str, int]]:
    rows = await world.database.rows(select(CHARGE.c.event_id, CHARGE.c.list_price_micros))
    return sorted((row.event_id, row.list_price_micros) for row in rows)


async def universal(world: World) -> int:
    [row] = await world.database.rows(WALLET.select().where(WALLET.c.kind == "UNIVERSAL"))
    balance: int = row.balance_micros
    return balance


async def test_of_thirty_authorizations_at_once_for_a_balance_of_one_exactly_one_is_granted(world: World) -> None:
    await dear_world(world, "1")
    answers = await asyncio.gather(*(ask(world, request(f"e{n}", to=TO_LONDON)) for n in range(30)))
    granted = [answer.hold for answer in answers if answer.hold]
    assert [hold.granted_quantity for hold in granted] == [60]
    refusals = [answer.refusal.reason for answer in answers if answer.refusal]
    assert refusals == [HoldRefusalReason.INSUFFICIENT_FUNDS] * 29
    assert await reserved(world) == 1_000_000


async def test_the_same_authorization_from_ten_clients_is_one_hold(world: World) -> None:
    await dear_world(world, "5")
    answers = await asyncio.gather(*(ask(world, request(to=TO_LONDON)) for _ in range(10)))
    assert len({answer.hold.id for answer in answers if answer.hold}) == 1
    assert sorted(answer.is_replayed for answer in answers) == [False, *[True] * 9]
    assert await reserved(world) == 1_000_000


@pytest.mark.parametrize(("seconds", "left"), [(180, 2_000_000), (360, -1_000_000)], ids=["less", "more"])
async def test_capturing_less_gives_back_and_more_is_charged(world: World, seconds: int, left: int) -> None:
    await dear_world(world, "5")
    hold = await held(world, request(quantity=300, to=TO_LONDON))
    assert (hold.granted_quantity, await reserved(world)) == (300, 5_000_000)
    done = await captured(world, hold, call("e1", world.now, seconds=seconds, to=TO_LONDON))
    assert done.decision.outcome is Outcome.CHARGED
    ended = await stored(world, hold.id)
    assert (ended.state, ended.charge_id) == (HoldState.CAPTURED, done.decision.charge_id)
    assert (await reserved(world), await universal(world)) == (0, left)
    again = await captured(world, hold, call("e1", world.now, seconds=seconds, to=TO_LONDON))
    assert (again.decision.outcome, again.decision.charge_id) == (Outcome.REPLAYED, done.decision.charge_id)
    [replayed] = await world.record(call("e1", world.now, seconds=seconds, to=TO_LONDON))
    assert replayed.outcome is Outcome.REPLAYED
    assert await universal(world) == left


async def test_the_record_of_the_call_ends_the_hold_too(world: World) -> None:
    await dear_world(world, "5")
    hold = await held(world, request(quantity=300, to=TO_LONDON))
    event = call("e1", world.now, seconds=120, to=TO_LONDON)
    decision, _ = await world.record(event, call("other", world.now, to=TO_LONDON))
    assert decision.outcome is Outcome.CHARGED
    assert (await stored(world, hold.id)).charge_id == decision.charge_id
    assert await reserved(world) == 0
    assert (await captured(world, hold, event)).decision.outcome is Outcome.REPLAYED
    assert (await ask(world, request(quantity=300, to=TO_LONDON))).is_replayed


async def test_capture_and_record_at_once_charge_once(world: World) -> None:
    await dear_world(world, "50")
    holds = [await held(world, request(f"e{n}", to=TO_LONDON)) for n in range(6)]
    events = [call(f"e{n}", world.now, seconds=60, to=TO_LONDON) for n in range(6)]
    await asyncio.gather(
        *(captured(world, hold, event) for hold, event in zip(holds, events, strict=True)),
        *(world.record(event) for event in events),
        *(world.record(*events) for _ in range(3)),
    )
    assert await charges(world) == [(f"e{n}", 1_000_000) for n in range(6)]
    assert {(await stored(world, hold.id)).state for hold in holds} == {HoldState.CAPTURED}
    assert (await reserved(world), await universal(world)) == (0, 44_000_000)


async def test_a_rejected_or_conflicting_event_leaves_the_hold(world: World) -> None:
    await world.set_up(office(opening_credits_micros=5_000_000))
    hold = await held(world, request("e1"))
    [rejected] = await world.record(call("e1", world.now, to="+900123456789"))
    assert rejected.outcome is Outcome.REJECTED
    assert (await stored(world, hold.id)).state is HoldState.ACTIVE
    assert (await captured(world, hold, call("e1", world.now))).decision.outcome is Outcome.CHARGED


async def test_usage_of_another_office_under_the_key_leaves_the_hold_to_expire(world: World) -> None:
    await world.set_up(office(opening_credits_micros=5_000_000), office("annex"))
    hold = await held(world, request("e1"))
    [decision] = await world.record(call("e1", world.now, office="annex"))
    assert decision.outcome is Outcome.CHARGED
    assert (await stored(world, hold.id)).state is HoldState.ACTIVE
    assert (await captured(world, hold, call("e1", world.now))).decision.outcome is Outcome.CONFLICT
    world.now += HOUR
    await renew_due(world.begin, None, world.now)
    assert (await stored(world, hold.id)).state is HoldState.EXPIRED


async def test_a_hold_expires_to_the_moment_whoever_looks(world: World) -> None:
    await dear_world(world, "1")
    first = await held(world, request("e1", to=TO_LONDON, hold_seconds=60))
    world.now = first.expires_at - timedelta(microseconds=1)
    assert (await ask(world, request("e2", to=TO_LONDON))).hold is None
    world.now = first.expires_at
    second = await held(world, request("e2", to=TO_LONDON))  # a writer
    ended = await stored(world, first.id)
    assert (ended.state, ended.resolved_at) == (HoldState.EXPIRED, first.expires_at)
    world.now += timedelta(hours=5)
    assert await renew_due(world.begin, world.company_id, world.now) == 1  # a reader, or the worker
    ended = await stored(world, second.id)
    assert (ended.state, ended.resolved_at) == (HoldState.EXPIRED, second.expires_at)
    assert await reserved(world) == 0
    assert await renew_due(world.begin, world.company_id, world.now) == 0


async def test_usage_is_charged_after_its_hold_expired_or_was_released(world: World) -> None:
    await dear_world(world, "5")
    late = await held(world, request("late", to=TO_LONDON, hold_seconds=60))
    given_back = await held(world, request("released", to=TO_LONDON))
    at = world.now
    assert (await released(world, given_back)).state is HoldState.RELEASED
    world.now += HOUR
    for name, hold in (("late", late), ("released", given_back)):
        done = await captured(world, hold, call(name, at, to=TO_LONDON))
        assert done.decision.outcome is Outcome.CHARGED
        assert (await stored(world, hold.id)).charge_id is None
    assert (await reserved(world), await universal(world)) == (0, 3_000_000)


async def test_a_hold_is_released_once_and_not_after_its_usage_was_charged(world: World) -> None:
    await dear_world(world, "2")
    hold = await held(world, request("e1", to=TO_LONDON))
    first = await released(world, hold)
    world.now += HOUR
    assert await released(world, hold) == first
    with pytest.raises(HoldResolved):
        await extended(world, hold, quantity=120)
    other = await held(world, request("e2", to=TO_LONDON))
    await captured(world, other, call("e2", world.now, to=TO_LONDON))
    with pytest.raises(HoldResolved):
        await released(world, other)
    third = await held(world, request("e3", to=TO_LONDON))
    world.now = third.expires_at
    assert (await released(world, third)).state is HoldState.EXPIRED
    with pytest.raises(HoldExpired):
        await extended(world, third, quantity=120)


async def test_an_extension_names_totals(world: World) -> None:
    await dear_world(world, "20")
    hold = await held(world, request(quantity=3_600, to=TO_LONDON))
    assert hold.granted_quantity == 600  # the setting of the company
    later = world.now + timedelta(hours=20)
    for _ in range(2):
        longer = await extended(world, hold, quantity=901, expires_at=later)
        assert longer is not None
        assert (longer.granted_quantity, longer.expires_at) == (901, later)
        assert await reserved(world) == 15_016_667
    lower = await extended(world, hold, quantity=60)
    assert lower is not None
    assert lower.granted_quantity == 901
    most = await extended(world, hold, quantity=7_200)
    assert most is not None
    assert (most.granted_quantity, await reserved(world)) == (1_200, 20_000_000)
    before = await stored(world, hold.id)
    assert await extended(world, hold, quantity=7_200, expires_at=later + HOUR) is None
    assert await stored(world, hold.id) == before
    world.now = START + timedelta(days=1, hours=19)
    assert (await stored(world, hold.id)).state is HoldState.ACTIVE
    for wrong in (world.now + timedelta(seconds=59), world.now + timedelta(days=1, seconds=1)):
        with pytest.raises(InvalidInput):
            await extended(world, hold, expires_at=wrong)
    assert await extended(world, hold, expires_at=world.now + timedelta(seconds=60)) is not None
    world.now += timedelta(seconds=60)
    await renew_due(world.begin, None, world.now)
    assert (await stored(world, hold.id)).state is HoldState.EXPIRED


async def test_a_hold_keeps_what_its_own_cycle_has_across_the_cycles_change(world: World) -> None:
    plan = office(allowances=(allowance(120),), commitments=(commitment("0.02"),), opening_credits_micros=5_000_000)
    await world.apply(plan, late_usage_hours=0)
    await world.deck(at=START - timedelta(days=30))
    world.now = START + timedelta(days=31, minutes=-30)
    hold = await held(world, request(quantity=240, hold_seconds=7_200))
    assert hold.payment == (120, 40_000, 20_000, 20_000)
    at = world.now
    world.now += HOUR  # March has closed at once
    assert await reserved(world, WalletKind.CALLING) == 20_000
    again = await extended(world, hold, expires_at=world.now + timedelta(hours=12))
    assert again is not None
    await released(world, hold)
    assert (await reserved(world, WalletKind.CALLING), await reserved(world)) == (0, 0)
    rows = await world.database.rows(ALLOWANCE_CYCLE.select())
    assert [row.reserved_quantity for row in rows] == [0, 0]
    [late] = await world.record(call("e1", at, seconds=240))
    assert late.outcome is Outcome.CHARGED


async def test_an_older_cycles_hold_ends_with_the_usage(world: World) -> None:
    await world.set_up(office(allowances=(allowance(600),), opening_credits_micros=5_000_000))
    world.now = START + timedelta(days=31, minutes=-30)
    hold = await held(world, request(quantity=300, hold_seconds=86_400))
    world.now += HOUR
    await captured(world, hold, call("e1", hold.created_at, seconds=200))
    rows = await world.database.rows(ALLOWANCE_CYCLE.select().order_by(ALLOWANCE_CYCLE.c.month))
    assert [(row.reserved_quantity, row.spent_quantity) for row in rows] == [(0, 200), (0, 0)]


async def test_a_change_of_zone_does_not_lose_a_holds_moment(world: World) -> None:
    await world.set_up(office(opening_credits_micros=5_000_000))
    hold = await held(world, request())
    await world.apply(office(opening_credits_micros=5_000_000, anchor_day=15))
    [row] = await world.database.rows(OFFICE.select())
    assert row.renew_due_at == hold.expires_at


async def test_every_refusal_is_an_answer_that_leaves_nothing(world: World) -> None:
    await world.set_up(office(opening_credits_micros=10_000))
    cases = {
        "blocked": (request("b", to="+900123456789"), HoldRefusalReason.BLOCKED),
        "poor": (request("p", service=Service.FAX), HoldRefusalReason.INSUFFICIENT_FUNDS),
    }
    for name, (wanted, reason) in cases.items():
        answer = await ask(world, wanted)
        assert answer.refusal is not None, name
        assert (answer.hold, answer.refusal.reason) == (None, reason)
    await world.apply(office(opening_credits_micros=10_000, decks=("none",)))
    answer = await ask(world, request("n"))
    assert answer.refusal is not None
    assert answer.refusal.reason is HoldRefusalReason.NO_RATE
    await world.apply(office(opening_credits_micros=10_000, is_suspended=True))
    answer = await ask(world, request("s"))
    assert answer.refusal is not None
    assert answer.refusal.reason is HoldRefusalReason.OFFICE_SUSPENDED
    assert await world.database.rows(HOLD.select()) == []


async def test_a_refusal_for_want_of_funds_asks_for_a_recharge_on_what_is_available(world: World) -> None:
    """Balance 6.00 above a threshold of 5.00, holds 5.50, wanted 1.00; without a card, a skip says that it asked."""
    await world.set_up(office(opening_credits_micros=6_000_000))
    await world.deck((rate("0.50", fee="0.50", increment=PER_MINUTE, prefix="44"),), card="dear", at=START)
    await configure_recharge(
        world.begin,
        world.viewer(Role.COMPANY_ADMIN),
        await world.office_id(),
        is_enabled=True,
        threshold=Amount(5_000_000, "USD"),
        amount=Amount(20_000_000, "USD"),
        cycle_cap=None,
        now=world.now,
    )
    assert await reserved(world) == 0
    first = await held(world, request("e1", quantity=600, to=TO_LONDON))
    assert (first.payment.universal_micros, await world.database.rows(TOP_UP.select())) == (5_500_000, [])
    answer = await ask(world, request("e2", to=TO_LONDON))
    assert answer.refusal is not None
    assert answer.refusal.reason is HoldRefusalReason.INSUFFICIENT_FUNDS
    [asked] = await world.database.rows(TOP_UP.select())
    assert (asked.state, asked.reason) == ("SKIPPED", "NO_PAYMENT_METHOD")


async def test_a_key_authorizes_one_thing(world: World) -> None:
    await world.set_up(office(opening_credits_micros=5_000_000), office("annex"))
    await held(world, request("e1"))
    with pytest.raises(IdempotencyConflict) as other_facts:
        await ask(world, request("e1", quantity=61, to=TO_LONDON))
    assert other_facts.value.differing_fields == ("to", "quantity")
    with pytest.raises(IdempotencyConflict) as other_office:
        await ask(world, request("e1", quantity=61, office="annex"))
    assert other_office.value.differing_fields == ("office",)
    assert (await ask(world, request("e1", hold_seconds=60))).is_replayed
    await world.record(call("e2", world.now))
    with pytest.raises(HoldResolved):
        await ask(world, request("e2"))


async def test_who_may_hold_what(world: World) -> None:
    await world.set_up(office(opening_credits_micros=5_000_000), office("annex"))
    hold = await held(world, request("e1"))
    admin = world.viewer(Role.COMPANY_ADMIN)
    assert not admin.may(Permission.HOLD_FUNDS)
    with pytest.raises(NotPermitted):
        await authorize_usage(world.begin, admin, request("e2"), now=world.now)
    stranger = world.viewer(Role.PARTNER, office_ids=frozenset({await world.office_id("annex")}))
    with pytest.raises(NotFound):
        await authorize_usage(world.begin, stranger, request("e2"), now=world.now)
    with pytest.raises(NotFound):
        await release_hold(world.begin, stranger, hold.id, now=world.now)


async def test_a_capture_is_of_the_holds_own_usage(world: World) -> None:
    await world.set_up(office(opening_credits_micros=5_000_000), office("annex"))
    hold = await held(world, request("e1"))
    for event, field in (
        (call("e2", world.now), ("event", "eventId")),
        (call("e1", world.now, office="annex"), ("event", "office")),
    ):
        with pytest.raises(InvalidInput) as wrong:
            await captured(world, hold, event)
        assert wrong.value.field == field
    assert await charges(world) == []


async def test_a_quote_changes_nothing_and_agrees_with_what_follows(world: World) -> None:
    await world.set_up(office(allowances=(allowance(30),), opening_credits_micros=5_000_000))
    event = call("quote", world.now, seconds=90)
    told = await quote_usage(world.begin, world.viewer(), OfficeReference(slug="hq"), event, now=world.now)
    assert told is not None
    assert told.paid is not None
    assert told.refusal is None
    assert await charges(world) == []
    await world.record(event)
    [row] = await world.database.rows(CHARGE.select())
    assert (row.plan_quantity, row.plan_micros) == (told.paid.plan_quantity, told.paid.plan_micros)
    assert row.universal_micros == told.paid.universal_micros
