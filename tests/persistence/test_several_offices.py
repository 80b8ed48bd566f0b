"""A batch of several offices is one transaction, and nobody can tell by his answer or by the books."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, select

from domain.charging import Decision, Outcome
from domain.usage import DirectoryReference, UsageEvent
from persistence.database import Database
from persistence.tables.charging import CHARGE, REJECTED_USAGE, USAGE_BY_CYCLE
from persistence.tables.company import MEMBER
from persistence.tables.funds import POSTING, WALLET
from tests.proof import assert_books_hold
from tests.world import START, World, allowance, call, commitment, office, rate

SLUGS = ("hq", "annex", "depot")


async def company(database: Database, slug: str = "acme") -> World:
    world = World(database, now=START + timedelta(days=1), slug=slug)
    plan: dict[str, Any] = {"allowances": (allowance(90),), "commitments": (commitment("0.05"),)}
    return await world.set_up(*(office(each, phone_numbers=(), **plan) for each in SLUGS))


@pytest.fixture
async def world(database: Database) -> World:
    return await company(database)


def calls(count: int, *, first: int = 0) -> list[UsageEvent]:
    """To each office in turn, newest first."""
    return [
        call(f"e{at}", START + timedelta(hours=9, minutes=-at), seconds=20 + at, office=SLUGS[at % len(SLUGS)])
        for at in range(first, first + count)
    ]


async def test_a_batch_is_one_transaction_and_its_answers_stand_in_its_order(world: World) -> None:
    tallies: list[Any] = []
    world.begin.on_tally = tallies.append
    events = calls(30)
    decisions = await world.record(*events)
    assert [decision.event for decision in decisions] == events
    assert {decision.outcome for decision in decisions} == {Outcome.CHARGED}
    assert [sum(tally.charges.values()) for tally in tallies] == [30]
    again = await world.record(*events)
    assert [decision.charge_id for decision in again] == [decision.charge_id for decision in decisions]
    assert {decision.outcome for decision in again} == {Outcome.REPLAYED}
    await assert_books_hold(world.database)


async def test_each_office_is_charged_as_if_it_were_alone(database: Database, world: World) -> None:
    other = await company(database, "other")
    events = calls(24)
    together = await world.record(*events)
    apart: dict[str, Decision] = {}
    for slug in SLUGS:
        own = [event for event in events if event.office is not None and event.office.slug == slug]
        apart |= {decision.event.event_id: decision for decision in await other.record(*own)}
    assert [one.cost_micros for one in together] == [apart[one.event.event_id].cost_micros for one in together]
    for table, names in (
        (CHARGE, ("event_id", "sequence", "plan_micros", "commitment_micros", "universal_micros", "coverage")),
        (POSTING, ("sequence", "source", "destination", "amount_micros", "balance_after_micros")),
        (WALLET, ("kind", "balance_micros")),
        (USAGE_BY_CYCLE, ("month", "sources", "charge_count", "quantity", "plan_micros")),
    ):
        found = [await _rows(database, table, names, company.company_id) for company in (world, other)]
        assert found[0] == found[1], table.name
    await assert_books_hold(database)


async def _rows(database: Database, table: Any, names: tuple[str, ...], company_id: UUID) -> list[Any]:
    columns = [table.c[name] for name in names]
    rows = await database.rows(select(*columns).where(table.c.company_id == company_id))
    return sorted(map(tuple, rows), key=repr)


async def test_a_key_that_two_offices_report_in_one_batch_is_charged_once(world: World) -> None:
    mine, theirs = (call("same", START, office=slug) for slug in ("hq", "annex"))
    found = await world.record(mine, theirs)
    assert sorted(decision.outcome for decision in found) == [Outcome.CHARGED, Outcome.CONFLICT]
    [conflict] = [decision for decision in found if decision.outcome is Outcome.CONFLICT]
    [charged] = [decision for decision in found if decision.outcome is Outcome.CHARGED]
    assert (conflict.charge_id, conflict.differing) == (charged.charge_id, ("office",))
    assert len(await world.database.rows(CHARGE.select())) == 1
    await assert_books_hold(world.database)


async def test_what_one_office_keeps_as_rejected_the_next_may_be_charged_for(world: World) -> None:
    """As in two batches: the second one's charge consumes what the first kept."""
    first, second = [slug for _, slug in sorted([(await world.office_id(slug), slug) for slug in SLUGS])][:2]
    await world.deck([rate("0.02")], card="open")
    decks = dict.fromkeys(SLUGS, ("standard",)) | {second: ("open",)}
    await world.apply(*(office(slug, phone_numbers=(), decks=decks[slug]) for slug in SLUGS))
    one, other = (call("same", START, to="+900123456789", office=slug) for slug in (first, second))
    found = await world.record(other, one)
    assert [decision.outcome for decision in found] == [Outcome.CHARGED, Outcome.REJECTED]
    assert await world.database.rows(REJECTED_USAGE.select()) == []
    await assert_books_hold(world.database)


async def test_an_office_at_fault_keeps_none_of_the_others_waiting(world: World) -> None:
    broken = min([await world.office_id(slug) for slug in SLUGS])
    async with world.database.writing() as connection:
        await connection.execute(delete(WALLET).where(WALLET.c.office_id == broken, WALLET.c.kind == "UNIVERSAL"))
    with pytest.raises(Exception, match="no wallet for universal credits"):
        await world.record(*calls(9))
    charged = await world.database.rows(CHARGE.select())
    assert len(charged) == 6
    assert broken not in {row.office_id for row in charged}


async def test_who_is_named_in_several_offices_is_of_the_first_and_has_the_last_name(world: World) -> None:
    first, second = sorted([(await world.office_id(slug), slug) for slug in SLUGS])[:2]
    named = {first[1]: DirectoryReference("m-1", "Front desk"), second[1]: DirectoryReference("m-1", "Reception")}
    events = [replace(call(slug, START, office=slug), member=whom) for slug, whom in reversed(named.items())]
    await world.record(*events)
    [member] = await world.database.rows(MEMBER.select())
    assert (member.office_id, member.name) == (first[0], "Reception")
    charges = await world.database.rows(CHARGE.select())
    assert {row.member_id for row in charges} == {member.id}


async def test_batches_of_the_same_offices_in_any_order_wait_in_no_ring(world: World) -> None:
    """Two doors, as of two processes, so that they do not gather: they meet in the database."""
    worlds = [world, World(world.database, now=world.now)]
    worlds[1].company_id = world.company_id

    async def report(of: World, start: int, step: int) -> None:
        for at in range(6):
            await of.record(*calls(12, first=start + 12 * at)[::step])

    await asyncio.gather(*(report(worlds[at % 2], 1000 * at, 1 if at < 2 else -1) for at in range(4)))
    rows = await world.database.rows(CHARGE.select())
    assert len(rows) == 4 * 72
    await assert_books_hold(world.database)
