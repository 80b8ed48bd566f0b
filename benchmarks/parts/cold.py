"""What is not warm yet: a document never seen before, a start, and memory when it has long been warm."""

import asyncio
import statistics
import sys
import time
from contextlib import suppress
from typing import Any

import httpx2

from benchmarks import queries, reporting
from benchmarks.company import OFFICES, SLUG, found, load
from benchmarks.figure import Figure, Row, Work, interleaved
from benchmarks.load import Caller, Load
from benchmarks.memory import MIB, memory
from benchmarks.run import Run, serve
from domain.access import Role
from domain.public_ids import IdKind, public_id
from tests.fire.server import Server, token
from tests.world import World

NEW_DOCUMENTS: dict[str, Any] = {"FAREBOX_DOCUMENT_POINTS": "1000000", "FAREBOX_DOCUMENT_RESTORE": "1000000"}
"""Documents have a bucket of their own."""
POLL_SECONDS = 0.005
PATIENCE = 60


async def measure(run: Run) -> list[Row]:
    url = run.sqlite_url("cold")
    world = await found(url)
    rows_loaded = run.count(tiny=50, short=20_000, full=200_000)
    await load(world, rows_loaded)
    asked = queries.history(100, public_id(IdKind.OFFICE, await world.office_id()))
    await world.database.close()
    server = await serve(run, "cold", url, **NEW_DOCUMENTS)
    try:
        rows = await _documents(run, server, asked)
        rows += await _long(run, server, asked, world, rows_loaded)
    finally:
        server.kill()
    return rows + await _start(run, url, world, asked)


MEASURES = (measure,)


async def _documents(run: Run, server: Server, asked: dict[str, Any]) -> list[Row]:
    caller, number = await Caller.of(Load(server.address, asked, token(SLUG, Role.COMPANY_ADMIN))), 0

    async def milliseconds(body: dict[str, Any]) -> float:
        request = caller.request(body)
        begun = time.perf_counter()
        answer = await caller.answer(request)
        taken = time.perf_counter() - begun
        assert b'"errors"' not in answer[:200], answer[:300]
        return 1000 * taken

    async def unknown() -> float:
        nonlocal number
        number += 1
        text = asked["query"].replace("query History", f"query History{number}")
        return await milliseconds(asked | {"query": text, "operationName": f"History{number}"})

    for _ in range(20):
        await milliseconds(asked)
    times = run.count(tiny=3, short=60, full=300)
    told = await interleaved(times, {"unknown": unknown, "known": lambda: milliseconds(asked)})
    caller.close()
    more = [one - other for one, other in zip(told["unknown"], told["known"], strict=True)]
    what = "SQLite: a document never seen before, page of 100"
    note = f"of it parsing, validating, measuring and running without a plan: {statistics.median(more):.1f} ms"
    unknown_ms, known_ms = told["unknown"], told["known"]
    return [
        Figure(what=what, unit="ms", values=unknown_ms, most=15, note=note),
        Figure(what=what, unit="ms", values=unknown_ms, against="the same, known", beside=known_ms),
    ]


async def _long(run: Run, server: Server, asked: dict[str, Any], world: World, first: int) -> list[Row]:
    """Pages, wallets, batches and new documents, again and again; memory after a third of the time, and at the end."""
    seconds = run.of(tiny=0.5, short=60, full=3_600)
    reader, begun, round_ = token(SLUG, Role.COMPANY_ADMIN), time.monotonic(), 0
    held: list[tuple[float, int]] = []
    batch = run.count(tiny=50, short=500, full=500)
    while (gone := time.monotonic() - begun) < seconds:
        held.append((gone, memory(server.pid, "VmRSS")))
        round_ += 1
        unknown = asked | {"query": asked["query"].replace("History(", f"History{round_}(", 1), "operationName": None}
        told = (server.port, SLUG, first, batch, batch, 1, OFFICES, world.now.isoformat())
        first += batch
        await asyncio.gather(
            Load(server.address, asked, reader).rate(4, run.load_seconds),
            Load(server.address, unknown, reader).rate(1, run.load_seconds),
            reporting.rate(reporting.Report(*told)),
        )
    held.append((seconds, memory(server.pid, "VmRSS")))
    sixths = [next(held_ for gone, held_ in held if gone >= seconds * part / 6) / MIB for part in range(1, 7)]
    return [
        Figure(
            what=f"SQLite: memory of a worker after {seconds:.0f} s of mixed load",
            unit="MiB",
            values=sixths[-1:],
            against="after a third of them",
            beside=[sixths[1]],
            most=1.05 if run.is_full else None,
            note=f"after each sixth {', '.join(f'{one:.0f}' for one in sixths)} MiB, in {round_} rounds; the bar asks"
            " for an hour, which is the full form's",
        )
    ]


async def _start(run: Run, url: str, world: World, asked: dict[str, Any]) -> list[Row]:
    """From the command to the first page; Python's own start with the floor's imports beside it."""

    def started(*program: str, **env: str) -> Work:
        async def start() -> float:
            begun = time.perf_counter()
            server = Server(url, run.folder)
            server.launch(*program, env=NEW_DOCUMENTS | env)
            try:
                await _first_answer(server, asked)
                return time.perf_counter() - begun
            finally:
                server.kill()

        return start

    floor = started(sys.executable, "-m", "benchmarks.floor.app", FLOOR_COMPANY=str(world.company_id))
    told = await interleaved(run.rounds, {"farebox": started(), "floor": floor})
    what = "SQLite: start to first answer"
    return [
        Figure(what=what, unit="s", values=told["farebox"], most=1.5),
        Figure(what=what, unit="s", values=told["farebox"], against="the floor's", beside=told["floor"]),
    ]


async def _first_answer(server: Server, asked: dict[str, Any]) -> None:
    headers = {"Authorization": f"Bearer {token(SLUG, Role.COMPANY_ADMIN)}"}
    end = time.monotonic() + PATIENCE
    async with httpx2.AsyncClient(base_url=server.address, headers=headers, timeout=PATIENCE) as client:
        while time.monotonic() < end and server.is_running:
            with suppress(httpx2.TransportError):
                answer = await client.post("/graphql", json=asked)
                assert answer.status_code == 200, answer.text[:300]
                return
            await asyncio.sleep(POLL_SECONDS)
    raise AssertionError(f"The server did not answer:\n{server.log[-1_000:]}")
