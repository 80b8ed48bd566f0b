"""What a history costs to read as it grows: the same questions of a small one and of larger ones, in the same rounds.

Every size has a database of its own, loaded by the project's own path, over the same offices and the same days. The
last month is asked for, as charts do, so a larger history has more in it.
"""

from contextlib import ExitStack
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.company import SLUG, found, load
from benchmarks.figure import Figure, Row, interleaved
from benchmarks.load import Load
from benchmarks.parts.reading import Rater
from benchmarks.queries import COLUMNS
from benchmarks.run import Run, serve
from domain.access import Role
from domain.public_ids import IdKind, public_id
from persistence.database import Database
from persistence.tables.company import MEMBER
from tests.fire.server import Server, token

LIST = f"usageHistory(filter: $filter, %s) {{ nodes {{ {COLUMNS} }} pageInfo {{ hasNextPage hasPreviousPage }} }}"
HEAD = "query Grown($filter: UsageHistoryFilter) {{ {} }}"
MOST = 1.3


def _sizes(run: Run) -> list[int]:
    if run.is_tiny:
        return [500, 1_000]
    return [100_000, 1_000_000, 10_000_000] if run.is_full else [100_000, 300_000]


async def on_sqlite(run: Run) -> list[Row]:
    return await _grown(run, "SQLite", {size: run.sqlite_url(f"growth-{size}") for size in _sizes(run)})


async def on_postgresql(run: Run) -> list[Row]:
    with run.postgresql() as server:
        urls = {size: await _made(server, f"growth_{size}") for size in _sizes(run)}
        return await _grown(run, "PostgreSQL", urls)


MEASURES = (on_sqlite, on_postgresql)


async def _made(server: URL, name: str) -> str:
    """A database of its own; its address."""
    engine = create_async_engine(server, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    await engine.dispose()
    return server.set(database=name).render_as_string(hide_password=False)


async def _grown(run: Run, engine: str, urls: dict[int, str]) -> list[Row]:
    asked: dict[int, dict[str, dict[str, Any]]] = {}
    servers: dict[int, Server] = {}
    with ExitStack() as started:
        for size, url in urls.items():
            asked[size] = await _loaded(url, size)
            servers[size] = await serve(run, f"{engine}-{size}", url, FAREBOX_WORKER="false")
            started.callback(servers[size].kill)
        smallest, *others = urls
        rows: list[Row] = []
        for what in asked[smallest]:
            loads = {str(size): _load(servers[size], asked[size][what]) for size in urls}
            told = await _milliseconds(run, loads)
            rows += [_figure(engine, what, told, size, smallest) for size in others]
    return rows


def _load(server: Server, asked: dict[str, Any]) -> Load:
    return Load(server.address, asked, token(SLUG, Role.COMPANY_ADMIN))


async def _milliseconds(run: Run, loads: dict[str, Load]) -> dict[str, list[float]]:
    works = {name: Rater(asked, 1, run.load_seconds) for name, asked in loads.items()}
    for work in works.values():
        await work()
    told = await interleaved(run.rounds, works)
    return {name: [1000 / rate for rate in rates] for name, rates in told.items()}


def _figure(engine: str, what: str, told: dict[str, list[float]], size: int, smallest: int) -> Figure:
    return Figure(
        what=f"{engine}: {what}, {size:,} rows",
        unit="ms",
        values=told[str(size)],
        against=f"{smallest:,} rows",
        beside=told[str(smallest)],
        most=MOST,
    )


async def _loaded(url: str, size: int) -> dict[str, dict[str, Any]]:
    """What is asked of it, by name."""
    world = await found(url)
    await load(world, size)
    office = public_id(IdKind.OFFICE, await world.office_id())
    member = public_id(IdKind.MEMBER, await _member(world.database))
    month = f"{world.now:%Y-%m}"
    await world.database.close()

    def one(body: str, **filter_: Any) -> dict[str, Any]:
        return {"query": HEAD.format(body), "operationName": "Grown", "variables": {"filter": filter_}}

    of_office = {"officeIds": [office]}
    chart = "usageSummary(filter: $filter, groupBy: [DAY, SERVICE]) { periodStart service usage { count } }"
    total = "usageHistory(filter: $filter, first: 1) { totalCount totalCost { amount } }"
    narrow = {**of_office, "party": {"memberId": member}, "services": ["CALLING"], "walletSources": ["UNIVERSAL"]}
    return {
        "first page of 100": one(LIST % "first: 100", **of_office),
        "deepest page of 100": one(LIST % "last: 100", **of_office),
        "page of 100 by member, service and payer": one(LIST % "first: 100", **narrow),
        "total of an office": one(total, **of_office),
        "chart of a month by day and service": one(chart, **of_office, month=month),
    }


async def _member(database: Database) -> Any:
    rows = await database.rows(MEMBER.select().where(MEMBER.c.external_id == "m-7"))
    return rows[0].id
