"""`python -m benchmarks.export [ROWS]`: a long export over HTTP from a server of its own, on both engines.

Told are rows a second, the time to the first byte, how much the server's memory grew, and how long another request
waited meanwhile (half of them, and one in a hundred, at most so long). Not part of `make bench`: it takes minutes.
"""

import asyncio
import os
import re
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx2

from api.auth import issue_token
from api.claims import Claims
from api.settings import Settings
from domain.access import Role
from persistence.database import Database
from persistence.migrate import migrate
from tests.copies import multiply_charges
from tests.postgresql import postgresql_server
from tests.world import World, call, office

ROWS = 1_000_000
SEEDS = 1_000
"""Charges that are made by the rules; all others are copies."""
KEY = "a key for benchmarks, longer than thirty-two bytes"
EXPORT = "mutation { exportUsageHistory(input: {}) { export { downloadUrl rowCount } } }"
MIB = 1_048_576


class Told(NamedTuple):
    rows: int
    seconds: float
    first_byte: float
    size: int
    memory_before: int
    memory_most: int
    waits: list[float]


async def build(url: str, rows: int) -> None:
    """Offices in three zones that used much, one call every three seconds; then the same earlier and earlier."""
    database = Database(url)
    await migrate(database)
    zones = {"hq": "UTC", "berlin": "Europe/Berlin", "lone": "America/New_York"}
    world = World(database, now=datetime.now(UTC))
    await world.set_up(*(office(slug, time_zone=zone, phone_numbers=()) for slug, zone in zones.items()))
    calls = [
        call(f"c-{n}", world.now - timedelta(seconds=3 * n), seconds=60 + n % 50, office=list(zones)[n % 3])
        for n in range(SEEDS)
    ]
    for at in range(0, SEEDS, 500):
        await world.record(*calls[at : at + 500])
    await multiply_charges(database, rows // SEEDS)
    await database.close()


@asynccontextmanager
async def served(url: str) -> AsyncIterator[tuple[str, int]]:
    """A server process: its address and its id."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    farebox = Path(sys.executable).with_name("farebox")
    settings = {"FAREBOX_DATABASE_URL": url, "FAREBOX_SECRET_KEY": KEY, "FAREBOX_WORKER": "false"}
    process = await asyncio.create_subprocess_exec(
        farebox, "serve", "--port", str(port), env=os.environ | settings, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        await process.wait()


async def measure(address: str, pid: int) -> Told:
    now = datetime.now(UTC)
    claims = Claims(
        subject="bench",
        name="Bench",
        company="acme",
        role=Role.COMPANY_ADMIN,
        offices=None,
        has_billing=False,
        scopes=frozenset(),
        expires_at=now + timedelta(hours=1),
    )
    token = issue_token(Settings(_env_file=None, secret_key=KEY), claims, now=now)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(base_url=address, timeout=300, headers=headers) as client:
        await _until_it_answers(client)
        made = (await client.post("/graphql", json={"query": EXPORT})).json()["data"]["exportUsageHistory"]["export"]
        before, waits = _memory(pid, "VmRSS"), list[float]()
        asking = asyncio.ensure_future(_ask_others(client, waits))
        started, first_byte, size = time.perf_counter(), 0.0, 0
        async with client.stream("GET", urlsplit(made["downloadUrl"]).path) as answer:
            async for chunk in answer.aiter_raw():
                first_byte = first_byte or time.perf_counter() - started
                size += len(chunk)
        seconds = time.perf_counter() - started
        asking.cancel()
    return Told(made["rowCount"], seconds, first_byte, size, before, _memory(pid, "VmHWM"), sorted(waits))


async def _until_it_answers(client: httpx2.AsyncClient) -> None:
    for _ in range(300):
        with suppress(httpx2.TransportError):
            if (await client.get("/readyz")).status_code == 200:
                return
        await asyncio.sleep(0.2)
    raise TimeoutError("The server did not start.")


async def _ask_others(client: httpx2.AsyncClient, waits: list[float]) -> None:
    while True:
        started = time.perf_counter()
        await client.post("/graphql", json={"query": "{ offices { nodes { name } } }"})
        waits.append(time.perf_counter() - started)
        await asyncio.sleep(0.05)


def _memory(pid: int, line: str) -> int:
    """Bytes, as Linux tells them."""
    found = re.search(rf"{line}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


async def one_engine(name: str, url: str, rows: int) -> None:
    started = time.perf_counter()
    await build(url, rows)
    print(f"{name}: {rows:,} rows built in {time.perf_counter() - started:.0f} s", flush=True)
    async with served(url) as (address, pid):
        told = await measure(address, pid)
    waits = told.waits
    print(
        f"{name}: {told.rows:,} rows, {told.size / MIB:.0f} MiB in {told.seconds:.1f} s,"
        f" {told.rows / told.seconds:,.0f} rows/s; first byte after {told.first_byte * 1000:.0f} ms;"
        f" memory {told.memory_before / MIB:.0f} MiB, at most {told.memory_most / MIB:.0f} MiB;"
        f" others waited {waits[len(waits) // 2] * 1000:.0f} ms, {waits[len(waits) * 99 // 100] * 1000:.0f} ms (p99)",
        flush=True,
    )


async def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        await one_engine("SQLite", f"sqlite+aiosqlite:///{folder}/farebox.db", rows)
    with postgresql_server() as url:
        await one_engine("PostgreSQL", url.render_as_string(hide_password=False), rows)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS))
