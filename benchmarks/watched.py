"""`python -m benchmarks.watched`: what it costs to be watched, as a ratio of CPU time with and without.

Charging 4,000 events in batches of 500 with statements measured and commits counted; and a small operation with its
line in the log, its figures, and a span with its statements. Rounds alternate; the median of their ratios is told.
"""

import asyncio
import io
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import uuid4

from api.logs import set_up
from api.metrics import Metrics
from api.settings import LogFormat, Settings
from api.traces import Traces
from api.watch import Transport, Watch
from benchmarks.in_process import BATCH, events
from domain.access import Scope
from persistence.database import Database
from persistence.migrate import migrate
from persistence.offices import read_offices
from tests.world import START, World, allowance, commitment, office

EVENTS = 4_000
ROUNDS = 7
OPERATIONS = 500


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        plain, watched = [await world(f"{folder}/{name}.db") for name in ("plain", "watched")]
        metrics = Metrics()
        watched.database.watch_statements(metrics.note_statement)
        watched.begin.on_tally = metrics.note_tally
        print(f"charging, figures: {await ratio(charging(plain), charging(watched)):.3f}")
        sys.stderr = io.StringIO()
        set_up(Settings(_env_file=None, log_format=LogFormat.JSON))
        seen, silent = operations(watched, Watch(metrics=metrics)), operations(plain, None)
        print(f"a query of one statement, log and figures: {await ratio(silent, seen):.3f}")
        traces = Traces("http://127.0.0.1:1", system="sqlite")
        watched.database.watch_statements(traces.note_statement)
        traced = operations(watched, Watch(metrics=metrics, traces=traces))
        print(f"the same with traces: {await ratio(silent, traced):.3f}")
        logging.disable()
        traces.close()
        for each in (plain, watched):
            await each.database.close()


async def world(path: str) -> World:
    database = Database(f"sqlite+aiosqlite:///{path}")
    await migrate(database)
    found = World(database, now=START + timedelta(days=25))
    return await found.set_up(office(allowances=(allowance(60_000),), commitments=(commitment("100"),)))


def charging(world: World) -> Callable[[int], Awaitable[None]]:
    async def run(number: int) -> None:
        made = events(number * EVENTS, EVENTS)
        for start in range(0, EVENTS, BATCH):
            await world.record(*made[start : start + BATCH])

    return run


def operations(world: World, watch: Watch | None) -> Callable[[int], Awaitable[None]]:
    scope, viewer, nobody = Scope.of(world.viewer()), world.viewer(), uuid4()

    async def look() -> None:
        await read_offices(world.database, scope, ids=[nobody])

    async def run(_number: int) -> None:
        for _ in range(OPERATIONS):
            if watch is None:
                await look()
                continue
            with watch.operation(Transport.HTTP, "portal 4.2.0", {}) as seen:
                seen.viewer = viewer
                seen.note_operation("Office", "query")
                await look()

    return run


async def ratio(plain: Callable[[int], Awaitable[None]], watched: Callable[[int], Awaitable[None]]) -> float:
    found = []
    for number in range(ROUNDS + 1):
        without, with_ = await seconds(plain, number), await seconds(watched, number)
        found.append(with_ / without)
    return statistics.median(found[1:])


async def seconds(work: Callable[[int], Awaitable[None]], number: int) -> float:
    """Of CPU, of all threads."""
    begun = time.process_time()
    await work(number)
    return time.process_time() - begun


if __name__ == "__main__":
    asyncio.run(main())
