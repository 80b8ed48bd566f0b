"""Export of the whole history over HTTP beside the database's own program, and what it does to memory and neighbours.

The rows are few charges made by the rules and copies of them: what is measured is the way out. The floor writes as many
cells of the same rows in the same order, unshaped, to nowhere.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2
from sqlalchemy.engine import make_url

from benchmarks import queries
from benchmarks.company import BATCH, SLUG, found, load
from benchmarks.figure import Figure, NotMeasured, Row, interleaved
from benchmarks.machine import program
from benchmarks.memory import MIB, memory
from benchmarks.run import Run, serve
from domain.access import Role
from tests.copies import multiply_charges
from tests.fire.server import Server, token

EXPORT = "mutation { exportUsageHistory(input: {}) { export { downloadUrl rowCount } } }"
SEEDS = 2 * BATCH
OFFICES = 3
CHUNK = 262_144
SLOW_CHUNK, SLOW_PAUSE = 16_384, 0.02
"""Bytes, and the seconds a slow client takes over them."""
ASK_SECONDS = 0.05
PATIENCE = 600
CELLS = ", ".join(
    (
        *("ch.occurred_at", "o.name", "m.name", "g.name", "c.name"),
        *("ch.service, ch.usage_type, ch.direction, ch.duration_seconds, ch.quantity, ch.sources, ch.cost_micros",),
        *("ch.rate_nanos, ch.first_seconds, ch.next_seconds, ch.connection_fee_micros, ch.destination",),
        *("ch.list_price_micros, ch.plan_quantity, ch.plan_micros, ch.commitment_micros, ch.universal_micros",),
        *("ch.month, ch.is_booked_late, ch.from_kind, ch.from_text, ch.from_number, ch.to_kind, ch.to_text",),
        *("ch.to_number, ch.region_code, ch.details, ch.recorded_at, ch.reverses_id, ch.reversed_by_id",),
        *("ch.source, ch.event_id",),
    )
)
SELECT = f"""SELECT {CELLS} FROM charge ch
JOIN office o ON o.company_id = ch.company_id AND o.id = ch.office_id
LEFT JOIN directory_member m ON m.company_id = ch.company_id AND m.id = ch.member_id
LEFT JOIN directory_group g ON g.company_id = ch.company_id AND g.id = ch.group_id
LEFT JOIN directory_contact c ON c.company_id = ch.company_id AND c.id = ch.contact_id
ORDER BY ch.occurred_at DESC, ch.id DESC"""


@dataclass
class Exporting:
    server: Server
    rows: int
    waits: list[float] = field(default_factory=list)
    """Seconds of others' requests meanwhile."""

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {token(SLUG, Role.COMPANY_ADMIN)}"}

    async def rate(self) -> float:
        """Rows a second, from the first byte asked for to the last one had."""
        async with httpx2.AsyncClient(base_url=self.server.address, timeout=PATIENCE, headers=self.headers) as client:
            path = await self._made(client)
            asking = asyncio.ensure_future(self._ask_others(client))
            begun, size = time.perf_counter(), 0
            async with aclosing(self._bytes(path, CHUNK)) as chunks:
                async for chunk in chunks:
                    size += chunk
            taken = time.perf_counter() - begun
            asking.cancel()
        assert size > self.rows * 100, f"The file has {size} bytes only."
        return self.rows / taken

    async def _made(self, client: Any) -> str:
        answer = (await client.post("/graphql", json={"query": EXPORT})).json()
        made = answer["data"]["exportUsageHistory"]["export"]
        assert made["rowCount"] == self.rows, made
        return urlsplit(str(made["downloadUrl"])).path

    async def _bytes(self, path: str, at_most: int) -> AsyncGenerator[int, None]:
        """Sizes of what comes, read by hand, so that the client costs next to nothing."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port, limit=at_most)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            assert b" 200 " in head[:16], head
            while chunk := await reader.read(at_most):
                yield len(chunk)
        finally:
            writer.close()

    async def _ask_others(self, client: Any) -> None:
        while True:
            self.waits.append(await self.wait(client))
            await asyncio.sleep(ASK_SECONDS)

    async def wait(self, client: Any) -> float:
        begun = time.perf_counter()
        answer = await client.post("/graphql", json=queries.history(20, None))
        assert "errors" not in answer.json(), answer.text[:300]
        return time.perf_counter() - begun

    async def calm(self, times: int) -> list[float]:
        async with httpx2.AsyncClient(base_url=self.server.address, timeout=PATIENCE, headers=self.headers) as client:
            return [await self.wait(client) for _ in range(times)]

    async def slowly(self, seconds: float) -> None:
        """A client that takes less than a megabyte a second, and leaves before the end."""
        async with httpx2.AsyncClient(base_url=self.server.address, timeout=PATIENCE, headers=self.headers) as client:
            path = await self._made(client)
        end = time.monotonic() + seconds
        async with aclosing(self._bytes(path, SLOW_CHUNK)) as chunks:
            async for _ in chunks:
                if time.monotonic() > end:
                    return
                await asyncio.sleep(SLOW_PAUSE)


async def on_sqlite(run: Run) -> list[Row]:
    return await _one_engine(run, "SQLite", run.sqlite_url("export"))


async def on_postgresql(run: Run) -> list[Row]:
    with run.postgresql() as server:
        return await _one_engine(run, "PostgreSQL", server.render_as_string(hide_password=False))


MEASURES = (on_sqlite, on_postgresql)


async def _one_engine(run: Run, engine: str, url: str) -> list[Row]:
    count = run.count(tiny=SEEDS, short=200_000, full=1_000_000)
    await _build(url, count)
    server = await serve(run, f"{engine}-export", url, FAREBOX_WORKER="false")
    try:
        exporting = Exporting(server, count)
        calm = await exporting.calm(run.count(tiny=5, short=60, full=200))
        before = memory(server.pid, "VmRSS")
        floor, command = _floor(engine, url)
        works = {"farebox": exporting.rate}
        if command is not None:
            works["floor"] = lambda: _command_rate(count, command)
        told = await interleaved(run.rounds, works)
        rows = _rates(engine, count, told, floor)
        await exporting.slowly(run.of(tiny=0.2, short=5, full=30))
        return rows + _manners(engine, exporting, calm, before, memory(server.pid, "VmHWM"))
    finally:
        server.kill()


async def _build(url: str, count: int) -> None:
    world = await found(url, offices=OFFICES)
    await load(world, SEEDS, offices=OFFICES)
    await multiply_charges(world.database, count // SEEDS)
    await world.database.close()


def _floor(engine: str, url: str) -> tuple[str, list[str] | None]:
    """The program's name, and its words; None where it is not there."""
    at = make_url(url)
    if engine == "SQLite":
        shell = program("sqlite3")
        return "the sqlite3 shell", [shell, "-csv", str(at.database), SELECT] if shell else None
    psql = program("psql")
    where = ["-h", str(at.query["host"]), "-U", str(at.username), "-d", str(at.database)]
    return "psql COPY", [psql, "-qX", *where, "-c", f"COPY ({SELECT}) TO STDOUT (FORMAT csv)"] if psql else None


async def _command_rate(count: int, command: list[str]) -> float:
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    try:
        async with asyncio.timeout(PATIENCE):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
    return count / (time.perf_counter() - begun)


def _rates(engine: str, count: int, told: dict[str, list[float]], floor: str) -> list[Row]:
    what = f"{engine}: export of {count:,} rows over HTTP"
    if "floor" not in told:
        alone = Figure(what=what, unit="rows/s", values=told["farebox"])
        return [alone, NotMeasured(what=f"{engine}: {floor}", why="it is not there")]
    least = 0.8 if engine == "PostgreSQL" else 0.4
    beside = told["floor"]
    return [Figure(what=what, unit="rows/s", values=told["farebox"], against=floor, beside=beside, least=least)]


def _manners(engine: str, exporting: Exporting, calm: list[float], before: int, most: int) -> list[Row]:
    others = statistics.median(exporting.waits) * 1000 if exporting.waits else 0.0
    grown = Figure(
        what=f"{engine}: memory that exports add, a slow client's among them",
        unit="MiB",
        values=[(most - before) / MIB],
        most=100,
        note=f"{before / MIB:.0f} MiB before, {most / MIB:.0f} MiB at most",
    )
    waited = Figure(
        what=f"{engine}: others' page of 20 during an export, median",
        unit="ms",
        values=[others],
        against="in calm",
        beside=[statistics.median(calm) * 1000],
    )
    return [grown, waited]
