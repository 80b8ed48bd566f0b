"""`python -m benchmarks.charging [--postgresql]`: charging in batches of 500, and one event a transaction.

The floor knows what to write beforehand: of each event a row, of each batch one balance, and two ledger rows an event,
set-based and durable, in a transaction straight on the driver. Rounds of subject and floor alternate.
"""

import argparse
import asyncio
import statistics
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from benchmarks.__main__ import BATCH, events, fresh_database, seconds
from persistence.database import Database
from tests.world import START, World, allowance, commitment, office

BATCHES, SINGLES, ROUNDS, WARM_BATCHES = 8, 100, 5, 8
TABLES = (
    "CREATE TABLE bench_event (id bigint PRIMARY KEY, key text UNIQUE, amount bigint)",
    "CREATE TABLE bench_balance (id bigint PRIMARY KEY, balance bigint)",
    "CREATE TABLE bench_ledger (id bigint PRIMARY KEY, event bigint, account text, amount bigint)",
    "INSERT INTO bench_balance VALUES (1, 0)",
)


class Charging:
    """Numbers its events on, whatever asks for them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.count = 0

    async def charge(self, size: int, times: int) -> None:
        for _ in range(times):
            await self.world.record(*events(self.count, size))
            self.count += size

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


async def measure(what: str, charging: Charging, size: int, times: int) -> None:
    subject: Callable[[], Awaitable[None]] = lambda: charging.charge(size, times)  # noqa: E731
    floor: Callable[[], Awaitable[None]] = lambda: charging.insert(size, times)  # noqa: E731
    pairs = [(await seconds(subject), await seconds(floor)) for _ in range(ROUNDS)]
    speed, least = (size * times / statistics.median(column) for column in zip(*pairs, strict=True))
    ratios = sorted(of_floor / of_subject for of_subject, of_floor in pairs)
    spread = f"{ratios[0]:.3f} to {ratios[-1]:.3f}"
    print(f"{what:24} {speed:8,.0f}/s   floor {least:8,.0f}/s   {statistics.median(ratios):.3f} of it ({spread})")


async def prepare(database: Database) -> Charging:
    """A month with usage in it already, and statistics, as a server has them that runs for a while."""
    world = World(database, now=START + timedelta(days=25))
    await world.set_up(office(allowances=(allowance(60_000),), commitments=(commitment("100"),)))
    charging = Charging(world)
    await charging.charge(BATCH, WARM_BATCHES)
    async with database.writing() as connection:
        for statement in (*TABLES, "ANALYZE"):
            await connection.exec_driver_sql(statement)
    return charging


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--postgresql", action="store_true")
    engine = "postgresql" if parser.parse_args().postgresql else "sqlite"
    async with fresh_database(engine) as database:
        charging = await prepare(database)
        await measure(f"{engine}, batches of {BATCH}", charging, BATCH, BATCHES)
        await measure(f"{engine}, single events", charging, 1, SINGLES)


if __name__ == "__main__":
    asyncio.run(main())
