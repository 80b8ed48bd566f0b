"""A long import on SQLite lets others write: who waits beside it gets his turn, counted in batches and not in time."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest

from api.imports.fields import ReadRow
from api.usage_import import BATCH_EVENTS, import_usage
from domain.charging import Outcome
from persistence.database import Database
from persistence.ids import new_id
from tests.proof import assert_books_hold
from tests.world import START, World, call, office

BATCHES = 8
MOST_BATCHES = 2
"""That are charged while somebody else waits: the one that was being charged, and another."""


@pytest.fixture
async def beside(sqlite_database: Database) -> AsyncIterator[tuple[World, World]]:
    """Two processes' ways to one file: each has a connection of its own to write on."""
    world = World(sqlite_database, now=START + timedelta(days=1))
    await world.set_up(office(), office("annex"))
    other = World(Database(sqlite_database.url), now=world.now)
    other.company_id = world.company_id
    yield world, other
    await other.database.close()
    await assert_books_hold(sqlite_database)


def rows() -> Iterator[ReadRow]:
    for number in range(BATCHES * BATCH_EVENTS):
        yield ReadRow(number + 1, call(f"row-{number}", START + timedelta(seconds=number)), None)


async def test_a_call_reported_beside_a_long_import_is_charged_within_two_batches(beside: tuple[World, World]) -> None:
    world, other = beside
    done = 0
    waited: list[int] = []

    def progress() -> None:
        nonlocal done
        done += 1

    async def report_calls() -> None:
        while done < BATCHES - MOST_BATCHES:
            asked = done
            [decision] = await other.record(call(new_id().hex, START, office="annex"))
            waited.append(done - asked)
            assert decision.outcome is Outcome.CHARGED
            await asyncio.sleep(0.01)

    importing = import_usage(
        world.begin,
        world.viewer(),
        rows(),
        office=None,
        clock=lambda: world.now,
        is_backfill=False,
        report=lambda line, reason: pytest.fail(f"{line}: {reason}"),
        progress=progress,
    )
    summary, _ = await asyncio.gather(importing, report_calls())
    assert summary.outcomes == {Outcome.CHARGED: BATCHES * BATCH_EVENTS}
    assert len(waited) >= 3
    assert max(waited) <= MOST_BATCHES, waited
