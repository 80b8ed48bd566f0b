"""Charging: batches by `farebox import-usage`, batches and single events over HTTP; pgbench beside, in the same rounds.

Everything is durable, and every event is new. An import's figure is without the seconds in which its process starts:
a file of one row is imported in the same round, and its time taken off.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from benchmarks import pgbench, reporting
from benchmarks.company import BATCH, SLUG, analyze, found, load, usage
from benchmarks.figure import Figure, NotMeasured, Row, Work, interleaved
from benchmarks.machine import program
from benchmarks.run import Run, serve
from persistence.database import Database
from tests.fire.server import Server
from tests.world import World

OFFICES = 100
BATCH_CALLERS, SINGLE_CALLERS = 4, 16
PER_SECOND = "events/s"
SINGLE, EIGHT, FIVE = "pgbench, 1 client", "pgbench, 8 clients", "pgbench, 1 client, five statements"


@dataclass
class Charging:
    run: Run
    engine: str
    url: str
    world: World
    server: Server
    first: int
    """Number of the next event."""

    def _drawn(self, count_: int) -> int:
        first, self.first = self.first, self.first + count_
        return first

    def reports(self, events: int, *, size: int, callers: int) -> Work:
        async def report() -> float:
            told = (self.server.port, SLUG, self._drawn(events), events, size, callers, OFFICES)
            return await reporting.rate(reporting.Report(*told, self.world.now.isoformat()))

        return report

    def imports(self, events: int, *, offices: int = OFFICES) -> Work:
        async def imported() -> float:
            alone = await self._import(1, offices)
            return events / max(await self._import(events, offices) - alone, 0.001)

        return imported

    async def _import(self, events: int, offices: int) -> float:
        first = self._drawn(events)
        file = self.run.folder / f"{first}.ndjson"
        told = usage(self.world.now, first, events, of=first + events, offices=offices)
        chosen = [reporting.on_the_wire(event) for event in told]
        if offices == 1:  # else half of them are the first office's
            chosen = [line | {"office": {"slug": "hq"}} for line in chosen]
        else:
            chosen = [line | {"office": {"slug": slug}} for line, slug in zip(chosen, _slugs(offices), strict=False)]
        file.write_text("\n".join(map(json.dumps, chosen)) + "\n", encoding="utf-8")
        begun = time.perf_counter()
        done = await asyncio.to_thread(
            self.server.farebox, "import-usage", str(file), "--format", "ndjson", "--company", SLUG, "--source", "bench"
        )
        taken = time.perf_counter() - begun
        file.unlink()
        assert done.returncode == 0, done.stdout[-500:] + done.stderr[-500:]
        assert f"{events:,} charged" in done.stdout, done.stdout
        return taken


def _slugs(offices: int) -> Iterator[str]:
    return ("hq" if number % offices == 0 else f"office-{number % offices}" for number in count())


async def on_sqlite(run: Run) -> list[Row]:
    return await _one_engine(run, "SQLite", run.sqlite_url("charging"))


async def on_postgresql(run: Run) -> list[Row]:
    with run.postgresql() as server:
        return await _one_engine(run, "PostgreSQL", server.render_as_string(hide_password=False))


MEASURES = (on_sqlite, on_postgresql)


async def _one_engine(run: Run, engine: str, url: str) -> list[Row]:
    world = await found(url, offices=OFFICES)
    warm = run.count(tiny=BATCH, short=10_000, full=100_000)
    await load(world, warm, offices=OFFICES)
    await world.database.close()
    server = await serve(run, f"{engine}-charging", url)
    try:
        charging = Charging(run, engine, url, world, server, first=warm)
        works = _works(charging)
        rows: list[Row] = []
        if engine == "PostgreSQL":
            works |= await _peers(run, url, rows)
        await works["reported"]()  # what is known by heart is asked often
        if engine == "PostgreSQL":
            await _settled(url)
        return rows + _rows(engine, await interleaved(run.rounds, works))
    finally:
        server.kill()


def _works(charging: Charging) -> dict[str, Work]:
    run = charging.run
    batches = BATCH * run.count(tiny=1, short=20, full=200)
    return {
        "imported": charging.imports(batches),
        "imported to one": charging.imports(batches, offices=1),
        "reported": charging.reports(batches, size=BATCH, callers=BATCH_CALLERS),
        "single": charging.reports(run.count(tiny=16, short=400, full=8_000), size=1, callers=SINGLE_CALLERS),
    }


async def _settled(url: str) -> None:
    database = Database(url)
    await analyze(database)
    await database.close()


async def _peers(run: Run, url: str, rows: list[Row]) -> dict[str, Work]:
    if program("pgbench") is None:
        rows.append(NotMeasured(what="PostgreSQL: pgbench beside", why="there is no pgbench"))
        return {}
    await pgbench.prepare(url)
    seconds = run.count(tiny=1, short=3, full=15)

    def peer(script: str, clients: int) -> Work:
        return lambda: pgbench.rate(url, Path(run.folder), script, clients=clients, seconds=seconds)

    return {
        SINGLE: peer(pgbench.ONE_STATEMENT, 1),
        EIGHT: peer(pgbench.ONE_STATEMENT, 8),
        FIVE: peer(pgbench.FIVE_STATEMENTS, 1),
    }


def _rows(engine: str, told: dict[str, list[float]]) -> list[Row]:
    rows: list[Row] = []

    def state(what: str, name: str, least: float | None, against: str = "") -> None:
        if not against or against in told:
            beside = told[against] if against else ()
            rows.append(
                Figure(
                    what=f"{engine}: {what}",
                    unit=PER_SECOND,
                    values=told[name],
                    against=against,
                    beside=beside,
                    least=least,
                )
            )

    in_batches = f"`import-usage`, batches of {BATCH}, 100 offices"
    state(in_batches, "imported", 15_000)
    if engine == "PostgreSQL":
        state(in_batches, "imported", 1.5, EIGHT)
        state(in_batches, "imported", None, SINGLE)
    state(f"`recordUsage` over HTTP, batches of {BATCH}, {BATCH_CALLERS} callers", "reported", 8_000)
    single = f"`recordUsage` over HTTP, single events, {SINGLE_CALLERS} callers"
    state(single, "single", 1.0 if engine == "PostgreSQL" else None, FIVE if engine == "PostgreSQL" else "")
    hot = f"{engine}: `import-usage`, all on one office"
    beside = told["imported"]
    one = Figure(
        what=hot, unit=PER_SECOND, values=told["imported to one"], against="100 offices", beside=beside, least=0.8
    )
    return [*rows, one]
