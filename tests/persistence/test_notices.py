"""PostgreSQL's notices between processes: what is in them, how many there are, and connections that are lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from datetime import timedelta
from time import monotonic
from uuid import uuid4

import pytest
from sqlalchemy import text

from persistence.changes import Changes
from persistence.database import Database
from persistence.elsewhere import MOST_OFFICES
from tests.persistence.elsewhere import QUIET_SECONDS, ears, is_told, seconds_until_told
from tests.world import START, World, office


@pytest.fixture
def engine(postgresql_url: str) -> str:
    """The other one has no notices."""
    return "postgresql"


@pytest.fixture
async def world(database: Database) -> World:
    return await World(database, now=START + timedelta(days=1)).set_up(office(), office("lone"))


@pytest.fixture
async def changes(database: Database) -> AsyncIterator[Changes]:
    """Of this process."""
    changes = Changes(database)
    async with changes.running():
        yield changes


@pytest.fixture
async def other(database: Database) -> AsyncIterator[Changes]:
    """As another process has them."""
    changes = Changes(database)
    async with changes.running():
        yield changes


async def test_only_the_offices_that_changed_are_told(world: World, changes: Changes, other: Changes) -> None:
    hq, lone = await world.office_id(), await world.office_id("lone")
    with changes.listen(world.company_id, [hq]) as mine, changes.listen(world.company_id, [lone]) as quiet:
        await seconds_until_told(mine)
        await seconds_until_told(quiet)
        other.tell(world.company_id, [hq])
        assert await seconds_until_told(mine) < 1
        assert not await is_told(quiet)


async def test_what_a_process_tells_it_does_not_hear_again(world: World, changes: Changes) -> None:
    with changes.listen(world.company_id, None) as listener:
        await seconds_until_told(listener)
        changes.tell(world.company_id, [uuid4()])
        assert await is_told(listener)
        assert not await is_told(listener)


async def test_more_offices_than_one_notice_holds_are_all_told(world: World, changes: Changes, other: Changes) -> None:
    offices = [uuid4() for _ in range(3 * MOST_OFFICES + 1)]
    with ExitStack() as stack:
        listeners = [stack.enter_context(changes.listen(world.company_id, [one])) for one in offices]
        stranger = stack.enter_context(changes.listen(uuid4(), None))
        for listener in (*listeners, stranger):
            await seconds_until_told(listener)
        other.tell(world.company_id, offices)
        for listener in listeners:
            await seconds_until_told(listener)
        assert not await is_told(stranger)


async def test_a_notice_nobody_understands_wakes_everybody(world: World, changes: Changes) -> None:
    with changes.listen(world.company_id, [uuid4()]) as listener:
        await seconds_until_told(listener)
        for notice in ("", "later version=2", f"another {world.company_id.hex} off_1"):
            async with world.database.writing() as connection:
                await connection.execute(text("SELECT pg_notify('farebox_changes', :it)").bindparams(it=notice))
            await seconds_until_told(listener)


async def test_a_burst_is_told_in_a_few_notices(world: World, changes: Changes, other: Changes) -> None:
    told_count = 0
    with changes.listen(world.company_id, None) as listener:
        await seconds_until_told(listener)
        end = monotonic() + 1
        while monotonic() < end:
            other.tell(world.company_id, [uuid4()])
            await asyncio.sleep(0.002)
            told_count += listener._told.is_set()
            listener._told.clear()
    assert 2 <= told_count <= 11


async def test_the_last_words_of_a_process_are_told_before_it_ends(world: World, changes: Changes) -> None:
    with changes.listen(world.company_id, None) as listener:
        await seconds_until_told(listener)
        last = Changes(world.database)
        async with last.running():
            last.tell(world.company_id, [uuid4()])
        assert await seconds_until_told(listener) < 1


async def test_a_listening_connection_that_is_killed_is_made_anew_and_who_waits_is_woken(
    world: World, changes: Changes, other: Changes, caplog: pytest.LogCaptureFixture
) -> None:
    with changes.listen(world.company_id, [hq := await world.office_id()]) as listener:
        await seconds_until_told(listener)
        for _ in range(3):
            [old] = await ears(world.database)
            await world.database.rows(text("SELECT pg_terminate_backend(:pid)").bindparams(pid=old))
            assert await seconds_until_told(listener) < 5, "something may have been missed meanwhile"
            [new] = await ears(world.database) - {old}
            assert new
            other.tell(world.company_id, [hq])
            assert await seconds_until_told(listener) < 1
    assert caplog.messages == []


async def test_while_the_database_is_gone_no_more_is_kept_than_there_are_offices(world: World) -> None:
    nowhere = Database(world.database.url.set(query={}, host="127.0.0.1", port=1))
    gone = Changes(nowhere)
    offices = [uuid4() for _ in range(500)]
    async with gone.running():
        with gone.listen(world.company_id, offices[:1]) as listener:
            for _ in range(10):
                gone.tell(world.company_id, offices)
            assert await is_told(listener)
            await asyncio.sleep(QUIET_SECONDS)
            assert len(gone._untold) == 500
    assert gone._untold == set()
    await nowhere.close()
