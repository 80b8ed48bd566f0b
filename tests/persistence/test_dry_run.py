"""A dry run is the whole story, told and taken back: nothing of it stays, in the database or in this process."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain.errors import InvalidInput, RateConflict
from domain.rate_cards import CardLoaded
from domain.rates import NewRate
from domain.stories.provision import apply_company, load_deck
from persistence.begin import Begin
from persistence.changes import Changes
from persistence.database import Database
from tests.persistence.test_apply import PLAN, everything
from tests.proof import assert_books_hold
from tests.world import START, World, call, commitment, office, rate

CHEAPER = (rate("0.01"),)


@pytest.fixture
async def world(database: Database) -> World:
    world = World(database)
    await world.set_up(office(commitments=(commitment("5"),), opening_credits_micros=9_000_000), office("annex"))
    return world


async def load(world: World, rates: tuple[NewRate, ...] = CHEAPER, **given: Any) -> CardLoaded:
    facts = {"card": "standard", "rates": rates, "effective_from": world.now, "now": world.now}
    return await load_deck(world.begin, world.company_id, **(facts | given))


async def test_a_company_that_is_not_there_yet_is_told_and_not_made(database: Database) -> None:
    begin, empty = Begin(database), await everything(database)
    told = await apply_company(begin, PLAN, now=START, is_dry_run=True)
    assert await everything(database) == empty
    assert await apply_company(begin, PLAN, now=START) == told
    assert told[0] == "company acme: new"


async def test_cycles_that_are_due_are_not_renewed_and_nobody_is_told(world: World) -> None:
    """Applying it would renew both offices, raise a commitment at once, and let the worker judge a recharge."""
    world.now = START + timedelta(days=65)
    raised = replace(commitment("8"), is_immediate=True)
    wanted = (office(commitments=(raised,), is_suspended=True), office("annex", anchor_day=9))
    before = await everything(world.database)
    changes = Changes(world.database)
    world.begin = Begin(world.database, changes=changes)
    with changes.listen(world.company_id, None) as listener:
        told = await world.apply(*wanted, invoice_limit_micros=1, is_dry_run=True)
        assert not listener._told.is_set()
        assert await everything(world.database) == before
        assert await world.apply(*wanted, invoice_limit_micros=1) == told
        assert listener._told.is_set()
    assert len(told) == 4
    assert await everything(world.database) != before
    await assert_books_hold(world.database)


async def test_what_apply_would_refuse_half_way_a_dry_run_refuses_too(world: World) -> None:
    """The number is hq's, which the file does not mention: only the database knows."""
    before = await everything(world.database)
    said = []
    for is_dry_run in (True, False):
        with pytest.raises(InvalidInput) as caught:
            await world.apply(office("annex", phone_numbers=("+14155550100",)), is_dry_run=is_dry_run)
        said.append(caught.value.message)
        assert await everything(world.database) == before
    assert said == ["+14155550100: another office has this number already."] * 2


async def test_a_deck_is_placed_and_priced_nothing(world: World) -> None:
    before = await everything(world.database)
    [charged] = await world.record(call("before", world.now))  # the company's rates are held in memory from now on
    assert await everything(world.database) != before
    before = await everything(world.database)
    told = await load(world, is_dry_run=True)
    assert told.placement.predecessor_id is not None
    assert (told.rate_count, told.placement.effective_from) == (1, world.now)
    assert await everything(world.database) == before
    [unmoved] = await world.record(call("after", world.now))
    assert unmoved.cost_micros == charged.cost_micros == 20_000
    assert await load(world) == told
    [cheaper] = await world.record(call("cheaper", world.now))
    assert cheaper.cost_micros == 10_000
    await assert_books_hold(world.database)


async def test_a_deck_that_would_be_refused_or_is_there_already_says_so(world: World) -> None:
    before = await everything(world.database)
    with pytest.raises(RateConflict):
        await load(world, effective_from=world.now - timedelta(days=1), is_dry_run=True)
    with pytest.raises(InvalidInput):
        await load(world, effective_from=world.now + timedelta(days=4_000), is_dry_run=True)
    later = world.now + timedelta(days=1)
    await load(world, effective_from=later)
    stored = await everything(world.database)
    assert stored != before
    assert (await load(world, effective_from=later, is_dry_run=True)).placement.is_unchanged
    replaced = await load(world, (rate("0.03"),), effective_from=later, is_dry_run=True)
    assert replaced.placement.replaces_id is not None
    assert await everything(world.database) == stored
