"""`farebox serve` told to stop, as a process: what has begun is finished, and it does not take for ever."""

import asyncio
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from api.clock import utc_now
from domain.access import Role
from persistence.database import Database
from persistence.tables.charging import CHARGE
from tests.api.live import welcomed
from tests.api.test_live import RECORD, acme, assert_nothing_went_wrong, authorization
from tests.fire.server import Server

DRAIN_SECONDS = 1.0


@contextmanager
def busy(database: Database) -> Iterator[None]:
    """Nobody else can write meanwhile."""
    with sqlite3.connect(str(database.url.database), isolation_level=None) as writer:
        writer.execute("BEGIN IMMEDIATE")
        yield
        writer.execute("ROLLBACK")


async def record(server: Server) -> httpx2.Response:
    usage = {"direction": "OUTBOUND", "from": "+14155550100", "to": "+12125550123", "durationSeconds": 3_600}
    events = [{"eventId": "one", "occurredAt": utc_now().isoformat(), "usage": {"call": usage}}]
    body = {"query": RECORD, "variables": {"input": {"office": {"slug": "hq"}, "events": events}}}
    async with httpx2.AsyncClient(timeout=20, headers={"Authorization": authorization(Role.PARTNER)}) as client:
        return await client.post(f"{server.address}/graphql", json=body)


def process_of(server: Server) -> subprocess.Popen[bytes]:
    assert server._process is not None
    return server._process


async def charges(database: Database) -> int:
    return len(await database.rows(CHARGE.select()))


async def test_what_has_begun_is_finished(sqlite_database: Database, tmp_path: Path) -> None:
    env = {"FAREBOX_DRAIN_SECONDS": str(DRAIN_SECONDS)}
    async with acme(sqlite_database, tmp_path, env=env) as (server, _):
        process, ready = process_of(server), f"{server.address}/readyz"
        with welcomed(server.address, authorization()) as peer:
            with busy(sqlite_database):
                slow = asyncio.create_task(record(server))
                await asyncio.sleep(0.3)
                process.terminate()
                begun = time.monotonic()
                async with httpx2.AsyncClient() as client:
                    while (told := await client.get(ready)).status_code == 200:
                        assert time.monotonic() - begun < DRAIN_SECONDS
                        await asyncio.sleep(0.02)
                assert (told.status_code, told.json()) == (503, {"status": "stopping"})
                assert peer.ask("{ viewer { __typename } }")["data"], "the door is still open"
                await asyncio.sleep(DRAIN_SECONDS + 0.2)
                assert peer.end() == (1001, "The server stops.")
                assert not slow.done()
            answer = (await slow).json()
            assert answer["data"]["recordUsage"] == {"chargedCount": 1, "userErrors": []}
        assert await asyncio.to_thread(process.wait, 5) == 0
        assert_nothing_went_wrong(server)
    assert await charges(sqlite_database) == 1


async def test_a_second_signal_ends_it_at_once(sqlite_database: Database, tmp_path: Path) -> None:
    async with acme(sqlite_database, tmp_path) as (server, _):
        process = process_of(server)
        with busy(sqlite_database):
            slow = asyncio.create_task(record(server))
            await asyncio.sleep(0.3)
            process.terminate()
            await asyncio.sleep(0.5)
            assert process.poll() is None, "it waits for what has begun"
            process.terminate()
            begun = time.monotonic()
            assert await asyncio.to_thread(process.wait, 5) == 128 + signal.SIGTERM
            assert time.monotonic() - begun < 1
        assert isinstance((await asyncio.gather(slow, return_exceptions=True))[0], httpx2.HTTPError)
    assert await charges(sqlite_database) == 0
