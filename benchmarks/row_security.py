"""`python -m benchmarks.row_security`: what row-level security costs a page of history and a charge, on PostgreSQL.

The same work on the same data with and without the tenant role, in turns; the median of the ratios is what counts.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta

from sqlalchemy import text

from benchmarks.in_process import events, fresh_database
from domain.access import Role, Scope
from persistence.database import Database
from persistence.history import HistoryFilter, read_history_page
from persistence.keyset import Window
from persistence.row_security import secure
from tests.world import START, World, allowance, call, commitment, office

ROLE = "farebox_tenant"
ROUNDS = 15
TIMES = 20
BATCHES = 2


async def main() -> None:
    async with fresh_database("postgresql") as plain:
        await secure(plain, ROLE)
        world = World(plain, now=START + timedelta(days=25))
        await world.set_up(office(allowances=(allowance(60_000),), commitments=(commitment("100"),)))
        for first in range(0, 4_000, 500):
            await world.record(*events(first, 500))
        async with plain.writing() as connection:
            await connection.execute(text("ANALYZE"))
        bound = Database(plain.url, tenant_role=ROLE)
        walled = World(bound, now=world.now)
        walled.company_id = world.company_id
        try:
            await compare("a statement that finds nothing", one_read(world), one_read(walled), TIMES)
            await compare("a page of history, 100 records", page(world), page(walled), TIMES)
            numbers = iter(range(10**6, 10**9))
            await compare("one event charged", charging(world, numbers, 1), charging(walled, numbers, 1), TIMES)
            many = charging(world, numbers, 500), charging(walled, numbers, 500)
            await compare("a batch of 500 events", *many, BATCHES)
        finally:
            await bound.close()


Work = Callable[[], Awaitable[object]]


def one_read(world: World) -> Work:
    database = world.database.of(world.company_id)
    return lambda: database.rows(text("SELECT 1 FROM office WHERE slug = 'none'"))


def page(world: World) -> Work:
    scope = Scope.of(world.viewer(Role.COMPANY_ADMIN))
    database = world.database.of(world.company_id)
    return lambda: read_history_page(database, scope, wanted=HistoryFilter(), window=Window(100))


def charging(world: World, numbers: Iterator[int], count: int) -> Work:
    async def charge() -> None:
        named = [f"b{next(numbers)}" for _ in range(count)]
        await world.record(*(call(name, START + timedelta(hours=1), seconds=90) for name in named))

    return charge


async def compare(what: str, without: Work, with_it: Work, times: int) -> None:
    """Milliseconds each, and their ratio; rounds alternate which goes first."""
    await without()
    await with_it()
    pairs: list[tuple[float, float]] = []
    for number in range(ROUNDS):
        taken: dict[bool, float] = {}
        for is_walled in (False, True) if number % 2 else (True, False):
            began = time.perf_counter()
            for _ in range(times):
                await (with_it if is_walled else without)()
            taken[is_walled] = 1000 * (time.perf_counter() - began) / times
        pairs.append((taken[False], taken[True]))
    plain, walled = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(after / before for before, after in pairs)
    more = statistics.median(after - before for before, after in pairs)
    print(f"{what:32} {plain:8.2f} ms {walled:8.2f} ms   × {ratio:.2f}   {more:+.2f} ms")


if __name__ == "__main__":
    asyncio.run(main())
