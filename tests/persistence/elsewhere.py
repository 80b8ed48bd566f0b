"""The words for what other processes commit: to start one on a test's database, and to wait for what it tells."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

from sqlalchemy import text

from persistence.changes import Listener
from persistence.database import Database
from persistence.elsewhere import CONNECTION_NAME
from tests.world import World

ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0
LONG_SECONDS = 20.0
"""What is told at all is told long before that, on the slowest machine."""
QUIET_SECONDS = 0.6
"""What would be told is told within this; SQLite's file is looked at four times a second."""


def url_of(database: Database) -> str:
    return database.url.render_as_string(hide_password=False)


@asynccontextmanager
async def python(*arguments: str, **environment: str) -> AsyncIterator[Process]:
    """A process of its own, which does not outlive the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments),
        stdin=PIPE,
        stdout=PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


class Charger:
    """Another process that charges calls, once it is told to."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def begin(self) -> None:
        assert self._process.stdin
        self._process.stdin.write(b"go\n")

    async def finish(self) -> None:
        async with asyncio.timeout(START_SECONDS):
            assert await self._process.wait() == 0


@asynccontextmanager
async def charger(world: World, name: str, count: int) -> AsyncIterator[Charger]:
    """Ready to begin."""
    about = (url_of(world.database), str(world.company_id), name, str(count))
    async with python("-m", "tests.persistence.charge_elsewhere", *about) as process:
        assert process.stdout
        async with asyncio.timeout(START_SECONDS):
            assert await process.stdout.readline() == b"ready\n"
        yield Charger(process)


async def seconds_until_told(listener: Listener) -> float:
    began = monotonic()
    await listener.wait(LONG_SECONDS)
    took = monotonic() - began
    assert took < LONG_SECONDS, "nothing was told"
    return took


async def is_told(listener: Listener) -> bool:
    """Soon."""
    began = monotonic()
    await listener.wait(QUIET_SECONDS)
    return monotonic() - began < QUIET_SECONDS


async def ears(database: Database) -> set[int]:
    """PostgreSQL's processes for the connections that listen on this database."""
    statement = text("SELECT pid FROM pg_stat_activity WHERE application_name = :name AND datname = current_database()")
    return {row.pid for row in await database.rows(statement.bindparams(name=CONNECTION_NAME))}


async def no_ears(database: Database) -> None:
    """Waits until nothing listens."""
    async with asyncio.timeout(LONG_SECONDS):
        listening = await ears(database)
        while listening:
            await asyncio.sleep(0.05)
            listening = await ears(database)
