"""Reading: pages of history, wallets with plan usage; beside the floor and the peer, over HTTP."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import httpx2
import orjson

from benchmarks import queries
from benchmarks.company import SLUG, found, load
from benchmarks.figure import Figure, NotMeasured, Row, interleaved
from benchmarks.load import Load
from benchmarks.postgraphile import PINNED, Missing, start_peer
from benchmarks.run import Run, serve
from domain.access import Role
from domain.public_ids import IdKind, public_id
from persistence.database import Database
from persistence.row_security import secure
from tests.fire.server import Server, token

CONNECTIONS = (1, 16)
FLOOR = "the floor"
PEER = f"PostGraphile {PINNED['postgraphile']}"
TENANT_ROLE = "farebox_tenant"
REQUEST_SECONDS = 60


@dataclass(frozen=True)
class Place:
    """Where the rows lie, and which office is asked for."""

    engine: str
    url: str
    company_id: UUID
    office: UUID
    farebox: Server
    floor: Server
    peer: Server | None
    reader: str
    """A company admin's token."""

    @property
    def office_id(self) -> str:
        return public_id(IdKind.OFFICE, self.office)

    def of_farebox(self, asked: dict[str, Any]) -> Load:
        return Load(self.farebox.address, asked, self.reader)

    def of_floor(self, asked: dict[str, Any]) -> Load:
        return Load(self.floor.address, asked)

    def of_peer(self, asked: dict[str, Any]) -> Load | None:
        return Load(self.peer.address, asked) if self.peer else None


@dataclass(frozen=True)
class Asked:
    what: str
    query: dict[str, Any]
    of_peer: dict[str, Any]
    least: float
    least_of_peer: float


@dataclass(frozen=True)
class Rater:
    """Answers a second to one query, measured again with every call."""

    asked: Load
    connections: int
    seconds: float

    async def __call__(self) -> float:
        return await self.asked.rate(self.connections, self.seconds)


async def on_sqlite(run: Run) -> list[Row]:
    rows: list[Row] = []
    async with _place(run, "SQLite", run.sqlite_url("reading")) as place:
        for asked in _asked(place):
            rows += await _beside(run, place, replace(asked, least=0.6))
    return rows


async def on_postgresql(run: Run) -> list[Row]:
    with run.postgresql() as server:
        async with _place(run, "PostgreSQL", server.render_as_string(hide_password=False)) as place:
            return await _with_peer(run, place)


MEASURES = (on_sqlite, on_postgresql)


async def _with_peer(run: Run, place: Place) -> list[Row]:
    rows: list[Row] = []
    try:
        if run.is_tiny:
            raise Missing("left out of a tiny run")
        place = replace(place, peer=await start_peer(run, place.url, place.company_id))
    except Missing as why:
        rows.append(NotMeasured(what=f"PostgreSQL: {PEER} beside", why=str(why)))
    try:
        for asked in _asked(place):
            rows += await _beside(run, place, asked)
        rows += await _whole_company(run, place)
        rows += await _secured(run, place)
    finally:
        if place.peer is not None:
            place.peer.kill()
    return rows


@asynccontextmanager
async def _place(run: Run, engine: str, url: str) -> AsyncIterator[Place]:
    world = await found(url)
    await load(world, run.count(tiny=500, short=100_000, full=1_000_000))
    office = await world.office_id()
    await world.database.close()
    async with serving(run, engine, url, world.company_id) as (farebox, floor):
        reader = token(SLUG, Role.COMPANY_ADMIN)
        yield Place(engine, url, world.company_id, office, farebox, floor, None, reader)


@asynccontextmanager
async def serving(run: Run, name: str, url: str, company_id: UUID) -> AsyncIterator[tuple[Server, Server]]:
    """Farebox and the floor on the same database, each in a process of its own."""
    farebox = await serve(run, f"{name}-farebox", url)
    try:
        program = (sys.executable, "-m", "benchmarks.floor.app")
        floor = await serve(run, f"{name}-floor", url, *program, FLOOR_COMPANY=str(company_id))
        try:
            yield farebox, floor
        finally:
            floor.kill()
    finally:
        farebox.kill()


def _asked(place: Place) -> list[Asked]:
    office = place.office_id

    def page(size: int, least: float, of_peer: float) -> Asked:
        named = f"{place.engine}: history page of {size}"
        return Asked(named, queries.history(size, office), queries.peer_history(size, place.office), least, of_peer)

    both = f"{place.engine}: wallets and plan usage in one query"
    credits_ = Asked(both, queries.credits_of(office), queries.peer_credits(place.office), 0.75, 2.0)
    return [page(100, 0.85, 2.5), page(20, 0.75, 2.0), credits_]


async def assert_identical(one: Load, other: Load) -> None:
    """The `data` of both is the same, byte for byte, in the same order; `extensions` (the cost) are Farebox's own."""
    first, second = [await _data(asked) for asked in (one, other)]
    assert first == second, f"Farebox: {first[:2_000]!r}\nthe floor: {second[:2_000]!r}"


async def _data(asked: Load) -> bytes:
    async with httpx2.AsyncClient(timeout=REQUEST_SECONDS, headers=asked.headers) as client:
        response = await client.post(f"{asked.address}/graphql", json=asked.body)
    answer = orjson.loads(response.content)
    assert response.status_code == 200, response.text[:500]
    assert "errors" not in answer, answer["errors"]
    return orjson.dumps(answer["data"])


async def _beside(run: Run, place: Place, asked: Asked) -> list[Row]:
    """One query on every server in turns, by one and by sixteen callers."""
    farebox, floor, peer = place.of_farebox(asked.query), place.of_floor(asked.query), place.of_peer(asked.of_peer)
    await assert_identical(farebox, floor)
    loads = {"farebox": farebox, FLOOR: floor} | ({PEER: peer} if peer else {})
    rows: list[Row] = []
    for connections in CONNECTIONS:
        found_ = await _rates(run, loads, connections)
        for against, least in ((FLOOR, asked.least), (PEER, asked.least_of_peer)):
            if against in found_:
                rows.append(
                    Figure(
                        what=f"{asked.what}, {_callers(connections)}",
                        unit="/s",
                        values=found_["farebox"],
                        against=against,
                        beside=found_[against],
                        least=least,
                    )
                )
    return rows


async def _rates(run: Run, loads: dict[str, Load], connections: int) -> dict[str, list[float]]:
    for asked in loads.values():  # what is known by heart is asked often
        await asked.rate(connections, min(1.0, run.load_seconds))
    works = {name: Rater(asked, connections, run.load_seconds) for name, asked in loads.items()}
    return await interleaved(run.rounds, works)


def _callers(connections: int) -> str:
    return "1 connection" if connections == 1 else f"{connections} connections"


async def _whole_company(run: Run, place: Place) -> list[Row]:
    """Time of a page of all twenty offices as a multiple of a single one's: the inverse of their rates."""
    loads = {
        "whole": place.of_farebox(queries.history(100, None)),
        "single": place.of_farebox(queries.history(100, place.office_id)),
    }
    rows: list[Row] = []
    for connections in CONNECTIONS:
        found_ = await _rates(run, loads, connections)
        times = {name: [1000 * connections / rate for rate in rates] for name, rates in found_.items()}
        what = f"PostgreSQL: history page of 100, 20 offices at once, {_callers(connections)}"
        rows.append(
            Figure(
                what=what,
                unit="ms",
                values=times["whole"],
                against="a single office's",
                beside=times["single"],
                most=2.0,
            )
        )
    return rows


async def _secured(run: Run, place: Place) -> list[Row]:
    """The same page from a server whose statements run under the tenant role."""
    database = Database(place.url)
    await secure(database, TENANT_ROLE)
    await database.close()
    walled = await serve(run, "walled", place.url, FAREBOX_TENANT_ROLE=TENANT_ROLE)
    rows: list[Row] = []
    try:
        asked = queries.history(100, place.office_id)
        loads = {"walled": Load(walled.address, asked, place.reader), "open": place.of_farebox(asked)}
        await assert_identical(*loads.values())
        for connections in CONNECTIONS:
            found_ = await _rates(run, loads, connections)
            what = f"PostgreSQL: history page of 100 with row-level security, {_callers(connections)}"
            rows.append(
                Figure(what=what, unit="/s", values=found_["walled"], against="without it", beside=found_["open"])
            )
    finally:
        walled.kill()
    return rows
