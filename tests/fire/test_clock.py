"""The clock steps back: by seconds, an hour, a day, over the end of a billing cycle, and past its closing.

Nothing is charged twice or lost, no cycle is opened twice, what has ended stays ended. Servers are given the clock with
every call, so a clock that steps back here is a server that was restarted with an earlier one, too.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.access import Role, Scope
from domain.authorization import UsageRequest
from domain.catalogue import Service
from domain.charging import Outcome
from domain.holds import HoldState
from domain.ledger import UNIVERSAL
from domain.money import Micros
from domain.stories.renew import renew_due
from domain.top_ups import TopUpState
from domain.usage import RejectionCode
from persistence.activity import read_activity_page
from persistence.database import Database
from persistence.history import HistoryFilter, read_history_page
from persistence.keyset import Slice, Window
from persistence.overview import read_wallets
from persistence.tables.charging import CHARGE
from persistence.tables.funds import POSTING
from persistence.top_up_list import WantedTopUps, read_top_up_page
from tests.conftest import FreshDatabases
from tests.persistence.holding import captured, held, released, request, reserved, stored
from tests.persistence.story import balances, cycles, fax
from tests.proof import assert_books_hold
from tests.recharging import Recharging, with_credits
from tests.scripted_processor import Deed
from tests.world import World, allowance, commitment

BACK = {
    "seconds": timedelta(seconds=5),
    "an hour": timedelta(hours=1),
    "a day": timedelta(days=1),
    "over the cycle's end": timedelta(days=3),
}
OPENED = datetime(2026, 3, 1, tzinfo=UTC)
NOON = datetime(2026, 4, 2, 12, tzinfo=UTC)
"""March has ended, and is open for late usage."""
PLAN: dict[str, Any] = {"commitments": (commitment("3"),), "allowances": (allowance(120),)}


@pytest.fixture
async def shop(database: Database) -> AsyncIterator[Recharging]:
    """An office with a card. Part of every story is the proof at its end, and that no payment took money twice."""
    shop = Recharging(World(database, now=OPENED + timedelta(hours=1)))
    await shop.open(with_credits("10", **PLAN))
    shop.world.now = NOON
    await renew_due(shop.world.begin, None, shop.world.now)
    yield shop
    assert all(payment.charge_count <= 1 for payment in shop.processor.payments.values())
    await assert_books_hold(database)


def fax_request(event_id: str, *, hold_seconds: int = 120) -> UsageRequest:
    return request(event_id, service=Service.FAX, quantity=1, hold_seconds=hold_seconds)


async def test_usage_is_charged_once(shop: Recharging) -> None:
    world = shop.world
    for name, step in BACK.items():
        world.now, is_far = NOON, step > timedelta(minutes=30)
        event, later = fax(f"now, {name}", NOON, 1), fax(f"later, {name}", NOON + timedelta(minutes=30), 1)
        [first] = await world.record(event)
        before = await balances(world)
        world.now -= step
        [again] = await world.record(event)
        assert (again.outcome, again.charge_id) == (Outcome.REPLAYED, first.charge_id)
        assert await balances(world) == before

        [decision] = await world.record(later)
        if is_far:
            assert decision.rejection is not None
            assert decision.rejection.code is RejectionCode.IN_THE_FUTURE
        world.now += step
        [decision] = await world.record(later)
        assert decision.outcome is (Outcome.CHARGED if is_far else Outcome.REPLAYED)
    assert len(await world.database.rows(CHARGE.select())) == 2 * len(BACK)


async def test_a_cycle_is_opened_once_and_its_usage_finds_it(shop: Recharging) -> None:
    world, begun = shop.world, await cycles(shop.world)
    assert [month for month, *_ in begun] == [202603, 202604]
    before = await balances(world)
    for at, step in enumerate((timedelta(days=3), timedelta(0), timedelta(days=20), timedelta(hours=-1))):
        world.now = now = NOON - step
        assert await renew_due(world.begin, None, now) == 0
        [decision] = await world.record(fax(f"fax {at}", now, 1))
        assert decision.outcome is Outcome.CHARGED
        scope = Scope.of(world.viewer(Role.COMPANY_ADMIN))
        assert len(await read_wallets(world.database, scope, now=now)) == 2
    assert await cycles(world) == begun
    after = await balances(world)
    assert after["CALLING 202603"] == before["CALLING 202603"] - 2_000_000
    assert after["CALLING 202604"] == before["CALLING 202604"] - 2_000_000
    assert await _grant_count(world) == 2


async def test_what_has_closed_stays_closed(shop: Recharging) -> None:
    world = shop.world
    world.now = NOON + timedelta(days=5)
    await renew_due(world.begin, None, world.now)
    assert (await balances(world))["CALLING 202603"] == 0
    world.now = NOON - timedelta(days=3)
    await renew_due(world.begin, None, world.now)
    [decision] = await world.record(fax("late", world.now, 1))
    [row] = await world.database.rows(CHARGE.select().where(CHARGE.c.id == decision.charge_id))
    assert (row.month, row.is_booked_late) == (202604, True)
    found = await balances(world)
    assert (found["CALLING 202603"], found["CALLING 202604"]) == (0, 2_000_000)
    expired = await world.database.rows(POSTING.select().where(POSTING.c.destination == "expired"))
    assert len(expired) == 1


async def test_a_hold_resolves_once(shop: Recharging) -> None:
    world = shop.world
    for name, step in BACK.items():
        world.now = NOON
        expiring, running, given_up = [await held(world, fax_request(f"{name} {at}")) for at in range(3)]
        world.now += timedelta(minutes=1)
        await released(world, given_up)
        world.now -= step
        longer = await held(world, fax_request(f"{name} 3"))
        done = await captured(world, running, fax(f"{name} 1", world.now, 1))
        assert done.decision.outcome is Outcome.CHARGED
        world.now += step + timedelta(hours=2)
        await renew_due(world.begin, None, world.now)
        world.now -= step
        states = [(await stored(world, hold.id)).state for hold in (expiring, running, given_up, longer)]
        assert states == [HoldState.EXPIRED, HoldState.CAPTURED, HoldState.RELEASED, HoldState.EXPIRED]
        late = await captured(world, expiring, fax(f"{name} 0", world.now, 1))
        assert late.decision.outcome is Outcome.CHARGED
        assert (await stored(world, expiring.id)).state is HoldState.EXPIRED
        assert await reserved(world) == 0


async def test_a_back_off_is_not_shortened_and_ends(shop: Recharging) -> None:
    """The longest step first: of attempts that lie ahead, the day's limit counts those as well."""
    world, counts = shop.world, Counter[TopUpState]()
    await shop.configure()
    for at, step in enumerate(reversed(BACK.values())):
        world.now = NOON + timedelta(days=at)
        await shop.save_card(deed=Deed.DECLINE)
        await shop.spend(await shop.universal() // 1_000_000 + 2)
        await shop.work()
        counts[TopUpState.FAILED] += 1
        assert await _states(shop) == counts
        world.now -= step
        for _ in range(2):
            await shop.work()
        await shop.spend(1)
        assert await _states(shop) == counts
        await shop.save_card()
        await shop.work()
        world.now += step + timedelta(hours=2)
        await shop.work()
        counts[TopUpState.SETTLED] += 1
        assert await _states(shop) == counts
        assert shop.processor.charge_count() == counts[TopUpState.SETTLED]


async def _states(shop: Recharging) -> Counter[TopUpState]:
    return Counter(one.state for one in await shop.recharges() if one.state is not TopUpState.SKIPPED)


async def test_a_top_up_is_settled_once(shop: Recharging) -> None:
    """Its answer is lost before the step; after it the customer asks, the worker asks, the customer sends it again."""
    world = shop.world
    for name, step in BACK.items():
        world.now = NOON
        shop.processor.mishap("charge", after=True)
        top_up = (await shop.buy("20", name)).top_up
        assert top_up.state is TopUpState.PENDING
        before = await shop.universal()
        world.now -= step
        assert (await shop.complete(top_up)).state is TopUpState.SETTLED
        await shop.settle()
        assert (await shop.buy("20", name)).is_replayed
        world.now += step
        await shop.settle()
        assert await shop.universal() == before + 20_000_000
    assert shop.processor.charge_count() == len(BACK)


async def test_what_a_worker_has_not_settled_waits_and_is_settled(shop: Recharging) -> None:
    world = shop.world
    for name, step in BACK.items():
        world.now = NOON
        shop.processor.mishap("charge", after=True)
        top_up = (await shop.buy("20", name)).top_up
        world.now -= step
        await shop.settle()
        world.now += step + timedelta(minutes=10)
        await shop.settle()
        assert (await shop.now_is(top_up)).state is TopUpState.SETTLED
    assert shop.processor.charge_count() == len(BACK)


async def test_lists_have_every_row_once_and_in_order(shop: Recharging) -> None:
    """Written while the clock ran to and fro, and read in pages of two, from either end."""
    world = shop.world
    for at, step in enumerate((0, 50, -70, 20, 20, -3_000, 10, 4_000, 0, 0)):
        world.now += timedelta(minutes=step)
        await world.record(fax(f"e{at}", world.now, 1))
        await shop.buy("10", f"p{at}")
    scope, office_id = Scope.of(shop.admin), await world.office_id()
    wanted = WantedTopUps(office_id)
    read_pages: tuple[tuple[Callable[..., Awaitable[Slice]], str, int], ...] = (
        (partial(read_history_page, world.database, scope, wanted=HistoryFilter()), "occurred_at", 10),
        (partial(read_top_up_page, world.database, scope, wanted=wanted), "created_at", 10),
        (partial(read_activity_page, world.database, scope), "at", 14),
    )
    for read, moment, count in read_pages:
        forward = await _all(read, moment, is_from_end=False)
        assert len(forward) == len(set(forward)) == count
        assert forward == sorted(forward, reverse=True)
        assert await _all(read, moment, is_from_end=True) == forward[::-1]


async def _all(read: Callable[..., Awaitable[Slice]], moment: str, *, is_from_end: bool) -> list[Any]:
    found: list[Any] = []
    while True:
        place = found[-1] if found else None
        window = Window(2, **{"before" if is_from_end else "after": place}, is_from_end=is_from_end)
        page = await read(window=window)
        keys = [(getattr(row, moment), row.id) for row in page.rows]
        found += reversed(keys) if is_from_end else keys
        if not page.has_more:
            return found


steps = st.lists(
    st.tuples(st.sampled_from(("report", "hold", "buy", "work")), st.integers(-3 * 24 * 60, 4 * 24 * 60)),
    min_size=5,
    max_size=25,
)


@settings(max_examples=max(4, int(os.environ.get("FAREBOX_TEST_EXAMPLES", "100")) // 16))
@given(steps)
def test_any_walk_of_the_clock(sqlite_template: Any, tmp_path_factory: pytest.TempPathFactory, walk: Any) -> None:
    databases = FreshDatabases(sqlite_template, tmp_path_factory.mktemp("walk"), lambda: "")
    asyncio.run(_walk(databases, walk))


async def _walk(databases: FreshDatabases, walk: list[tuple[str, int]]) -> None:
    """Everything that was reported is charged once, every cycle follows the one before and was granted once."""
    database = Database(await databases.url("sqlite"))
    shop = Recharging(World(database, now=OPENED + timedelta(days=29)))
    await shop.open(with_credits("30", **PLAN))
    await shop.configure(threshold="25", cycle_cap="1000")
    try:
        paid, reported = 0, list[str]()
        for at, (act, minutes) in enumerate(walk):
            shop.world.now = max(OPENED + timedelta(hours=1), shop.world.now + timedelta(minutes=minutes))
            paid += await _do(shop, act, f"{act} {at}", reported)
        shop.world.now = max(shop.world.now, OPENED + timedelta(days=35)) + timedelta(days=1)
        await _do(shop, "work", "at last", reported)
        await _was_right(shop, paid, reported)
        await assert_books_hold(database)
    finally:
        await database.close()


async def _do(shop: Recharging, act: str, key: str, reported: list[str]) -> Micros:
    """Credits that were bought."""
    world = shop.world
    match act:
        case "report":
            for _ in range(2):
                await world.record(fax(key, world.now, 1))
            reported.append(key)
        case "hold":
            hold = await held(world, fax_request(key, hold_seconds=600))
            world.now -= timedelta(seconds=20)
            await captured(world, hold, fax(key, world.now, 1))
            reported.append(key)
        case "buy":
            return (await shop.buy("20", key)).top_up.credits_micros
        case _:
            await renew_due(world.begin, None, world.now)
            await shop.work()
    return 0


async def _was_right(shop: Recharging, paid: Micros, reported: list[str]) -> None:
    world = shop.world
    charges = await world.database.rows(CHARGE.select())
    assert sorted(row.event_id for row in charges) == sorted(reported)
    recharged = sum(one.credits_micros for one in await shop.recharges() if one.state is TopUpState.SETTLED)
    spent = sum(row.universal_micros for row in charges)
    assert await shop.universal() == 30_000_000 + paid + recharged - spent
    begun = await cycles(world)
    assert [end for _month, _start, end in begun][:-1] == [start for _month, start, _end in begun][1:]
    assert await _grant_count(world) == len(begun) >= 2


async def _grant_count(world: World) -> int:
    """Of commitments; the opening credits are from the contract too."""
    granted = (POSTING.c.source == "contract") & (POSTING.c.destination != UNIVERSAL)
    return len(await world.database.rows(POSTING.select().where(granted)))
