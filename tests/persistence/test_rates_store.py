"""Decks on real databases: loaded whole or not at all, told again as they were, held in memory until one is newer."""

from datetime import datetime

import pytest

from domain.catalogue import Direction, Service, UsageType
from domain.charging import Outcome
from domain.errors import NotFound, RateConflict
from domain.rates import PER_MINUTE, Increment
from domain.stories.provision import load_deck
from persistence.begin import Begin
from persistence.database import Database
from persistence.tables.company import COMPANY
from persistence.tables.rates import RATE, RATE_CARD
from tests.proof import assert_books_hold
from tests.world import DECK, START, World, call, office, rate

NOW = datetime.fromisoformat("2026-03-20T00:00:00Z")
APRIL = datetime.fromisoformat("2026-04-01T00:00:00Z")


@pytest.fixture
async def world(database: Database) -> World:
    world = World(database, now=NOW)
    await world.apply()
    return world


async def test_a_rate_is_stored_to_the_last_digit_and_applied_as_it_was_loaded(world: World) -> None:
    exact = rate(
        "0.123456789",
        prefix="1212",
        usage_type=UsageType.DOMESTIC,
        direction=Direction.OUTBOUND,
        increment=Increment(30, 6),
        fee="0.05",
        priority=3,
    )
    await world.deck((exact, *DECK))
    [decision] = await world.record(call("one", START, seconds=31))
    # 36 s billed: 0.123456789 × 36 ÷ 60 = 0.0740740734, and the fee.
    assert decision.cost_micros == 74_074 + 50_000
    [row] = await world.database.rows(RATE.select().where(RATE.c.prefix == "1212"))
    assert (row.nanos_per_unit, row.first_seconds, row.next_seconds, row.priority) == (123_456_789, 30, 6, 3)
    await assert_books_hold(world.database)


async def test_the_same_deck_again_loads_nothing(world: World) -> None:
    for moment in (START, START, NOW):
        loaded = await load_deck(
            world.begin, world.company_id, card="standard", rates=DECK, effective_from=moment, now=NOW
        )
    assert (loaded.rate_count, loaded.placement.is_unchanged) == (0, True)
    assert len(await world.database.rows(RATE_CARD.select())) == 1
    [company] = await world.database.rows(COMPANY.select())
    assert company.rates_version == 1


async def test_a_successor_ends_its_predecessor_where_it_begins(world: World) -> None:
    await world.deck(at=START)
    await world.deck((rate("0.03"),), at=APRIL)
    rows = await world.database.rows(RATE_CARD.select().order_by(RATE_CARD.c.effective_from))
    assert [(row.effective_from, row.effective_until) for row in rows] == [(START, APRIL), (APRIL, None)]
    world.now = APRIL
    before, after = await world.record(call("before", APRIL.replace(month=3, day=31)), call("after", APRIL))
    assert [before.cost_micros, after.cost_micros] == [20_000, 30_000]


async def test_a_backdated_deck_fills_a_gap_but_does_not_change_the_past(world: World) -> None:
    await world.deck(at=START.replace(day=10))
    early = call("early", START)
    [rejected] = await world.record(early)
    assert rejected.outcome is Outcome.REJECTED
    with pytest.raises(RateConflict):
        await world.deck((rate("0.99"),), at=START.replace(day=15))
    assert len(await world.database.rows(RATE.select())) == len(DECK)
    await world.deck((rate("0.99"),), at=START)
    [charged] = await world.record(early)
    [later] = await world.record(call("later", START.replace(day=11)))
    assert (charged.cost_micros, later.cost_micros) == (990_000, 20_000)
    await assert_books_hold(world.database)


async def test_a_new_deck_counts_at_once_for_whoever_holds_an_older_one_in_memory(world: World) -> None:
    await world.deck((rate("0.02"),))
    await world.record(call("one", START))
    elsewhere = World(world.database, now=NOW)
    elsewhere.company_id = world.company_id
    elsewhere.begin = Begin(world.database)
    await elsewhere.deck((rate("0.07", prefix="1212"),), card="another")
    [decision] = await world.record(call("two", START))
    assert decision.cost_micros == 70_000


async def test_an_office_and_a_company_name_the_decks_that_count(world: World) -> None:
    await world.deck((rate("0.02"),), card="a")
    await world.deck((rate("0.03"),), card="b")
    await world.deck((rate("0.04", prefix="1"),), card="c")
    await world.apply(office(), office("annex", decks=("b", "a")), office("depot", decks=("a", "b")), decks=("b",))
    decisions = await world.record(*(call(slug, START, office=slug) for slug in ("hq", "annex", "depot")))
    assert [decision.cost_micros for decision in decisions] == [30_000, 30_000, 20_000]
    await world.apply(office())
    [free] = await world.record(call("all of them", START))
    assert free.cost_micros == 40_000, "where none is named, all count, and the longest prefix wins"


async def test_the_longest_prefix_wins_then_priority_and_a_block_like_any_other(world: World) -> None:
    await world.deck(
        (
            rate("0.01", prefix="1"),
            rate("0.02", prefix="1503", priority=10),
            rate("0.03", prefix="1503", priority=20),
            rate("0.04", prefix="150", priority=99),
            rate("0", prefix="1900", is_blocked=True),
            rate("0.05", prefix="", increment=PER_MINUTE),
            rate("0.06", service=Service.FAX),
        )
    )
    numbers = ("+15035551234", "+15025551234", "+12125551234", "1002", "+19005551234")
    decisions = await world.record(*(call(number, START, to=number) for number in numbers))
    assert [decision.cost_micros for decision in decisions] == [30_000, 40_000, 10_000, 50_000, 0]
    assert decisions[-1].outcome is Outcome.REJECTED


async def test_a_large_deck_is_loaded_whole(world: World) -> None:
    rates = [rate(f"0.{number:09}", prefix=str(number)) for number in range(1, 6_000)]
    await world.deck(rates)
    assert len(await world.database.rows(RATE.select())) == len(rates)
    [decision] = await world.record(call("one", START, to="+442079460123"))
    [card] = await world.database.rows(RATE_CARD.select())
    assert (card.rate_count, decision.cost_micros) == (len(rates), 4)


async def test_a_deck_needs_a_company(world: World) -> None:
    with pytest.raises(NotFound):
        await load_deck(world.begin, await world.office_id(), card="x", rates=DECK, effective_from=NOW, now=NOW)
