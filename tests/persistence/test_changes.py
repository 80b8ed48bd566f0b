"""Who hears of a commit, from this process and from another, and that nothing is left of a listener who went."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from domain.errors import NotFound
from persistence import changes as changes_module
from persistence.begin import Begin
from persistence.changes import Changes
from persistence.database import Database
from persistence.tables.charging import CHARGE
from tests.persistence.elsewhere import (
    QUIET_SECONDS,
    START_SECONDS,
    charger,
    ears,
    is_told,
    no_ears,
    python,
    seconds_until_told,
    url_of,
)
from tests.world import START, World, call, office

NOON = START + timedelta(hours=12)


@pytest.fixture
async def world(database: Database) -> World:
    return await World(database, now=START + timedelta(days=1)).set_up(office(), office("lone"))


@pytest.fixture
async def changes(world: World) -> AsyncIterator[Changes]:
    """Of this process, whose commits are told of."""
    changes = Changes(world.database)
    world.begin = Begin(world.database, changes=changes)
    async with changes.running():
        yield changes


# ---------- this process ----------


async def test_a_commit_of_this_process_is_heard_at_once_by_who_listens_to_the_office(world: World) -> None:
    changes = Changes(world.database)
    world.begin = Begin(world.database, changes=changes)
    hq, lone = await world.office_id(), await world.office_id("lone")
    with (
        changes.listen(world.company_id, [hq]) as mine,
        changes.listen(world.company_id, None) as every,
        changes.listen(world.company_id, [lone]) as other,
        changes.listen(uuid4(), [hq]) as stranger,
    ):
        for attempt in range(3):
            await world.record(call(f"{attempt}", NOON))
            assert await seconds_until_told(mine) < 0.1
            assert await seconds_until_told(every) < 0.1
        assert not await is_told(other)
        assert not await is_told(stranger)


async def test_however_many_commits_come_they_wake_a_listener_once(world: World) -> None:
    changes = Changes(world.database)
    with changes.listen(world.company_id, [hq := uuid4()]) as listener:
        for _ in range(1_000):
            changes.tell(world.company_id, [hq])
        assert await is_told(listener)
        assert not await is_told(listener)


async def _open_books_and_fail(world: World) -> None:
    async with world.begin.begin(world.company_id, world.now) as work:
        await work.lock_books(await world.office_id("lone"))
        await work.lock_books(uuid4())


async def test_what_was_taken_back_is_not_told(world: World) -> None:
    changes = Changes(world.database)
    world.begin = Begin(world.database, changes=changes)
    with changes.listen(world.company_id, None) as listener:
        with pytest.raises(NotFound):
            await _open_books_and_fail(world)
        assert not await is_told(listener)


async def test_who_only_read_tells_nothing(world: World) -> None:
    changes = Changes(world.database)
    begin = Begin(world.database, changes=changes)
    with changes.listen(world.company_id, None) as listener:
        async with begin.begin(world.company_id, world.now) as work:
            await work.find_top_up(uuid4())
        assert not await is_told(listener)


# ---------- another process ----------


async def test_a_commit_of_another_process_is_heard(world: World, changes: Changes) -> None:
    with changes.listen(world.company_id, [await world.office_id()]) as listener:
        await seconds_until_told(listener)  # something may have come before
        async with charger(world, "call", 1) as other:
            assert not await is_told(listener)
            other.begin()
            await seconds_until_told(listener)
            await other.finish()


async def test_a_command_tells_the_servers(world: World, changes: Changes, tmp_path: Path) -> None:
    file = tmp_path / "calls.csv"
    file.write_text("from,to,start,duration\n+14155550100,+12125550123,2026-03-01T10:00:00Z,60\n")
    columns = "from=from,to=to,occurred_at=start,duration=duration"
    options = ("--format", "csv", "--office", "hq", "--map", columns, "--backfill", "--timezone", "UTC")
    command = ("-c", "from api.cli import app; app()", "import-usage", str(file), *options)
    with changes.listen(world.company_id, [await world.office_id()]) as listener:
        await seconds_until_told(listener)
        async with python(*command, FAREBOX_DATABASE_URL=url_of(world.database)) as process:
            await seconds_until_told(listener)
            async with asyncio.timeout(START_SECONDS):
                assert await process.wait() == 0
    count = (await world.database.rows(select(func.count()).select_from(CHARGE)))[0][0]
    assert count == 1


# ---------- what is taken, and given back ----------


async def test_while_nobody_listens_no_connection_is_taken(world: World, changes: Changes, engine: str) -> None:
    await world.record(call("unheard", NOON))
    await asyncio.sleep(QUIET_SECONDS)
    if engine == "postgresql":
        assert await ears(world.database) == set()


async def test_once_the_last_listener_left_nothing_of_him_remains(
    world: World, changes: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes_module, "LINGER_SECONDS", 0.1)
    for _ in range(2):
        with changes.listen(world.company_id, [uuid4(), uuid4()]), changes.listen(world.company_id, None) as listener:
            await seconds_until_told(listener)
            if not world.database.is_sqlite:
                assert len(await ears(world.database)) == 1
        assert changes._listeners == {}
        if world.database.is_sqlite:
            await asyncio.sleep(2 * QUIET_SECONDS)  # the next one is woken by a new look at the file
        else:
            await no_ears(world.database)


async def test_a_process_that_ends_leaves_no_task_and_no_connection(world: World, engine: str) -> None:
    before = asyncio.all_tasks()
    changes = Changes(world.database)
    async with changes.running():
        with changes.listen(world.company_id, None) as listener:
            await seconds_until_told(listener)
    assert asyncio.all_tasks() == before
    if engine == "postgresql":
        await no_ears(world.database)
