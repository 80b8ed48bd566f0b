"""`python -m benchmarks.reading [--postgresql] [--profile]`: a page of history without HTTP, beside a floor.

The application and the floor are called as a server calls them, in this process, in turns. The floor is a handler
written by hand: one statement, the driver, orjson; nobody is asked who he is. Both answer with the same `data`, byte by
byte. Told are the microseconds of CPU of this process a page, the median of rounds. A tool for who makes it faster, not
part of `make bench`: there a server is measured.
"""

import argparse
import asyncio
import cProfile
import json
import os
import pstats
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aiosqlite
import asyncpg
import orjson

from api.settings import Settings
from api.wiring import serve_app
from domain.access import Role
from domain.catalogue import Direction
from domain.usage import Call, DirectoryReference
from persistence.database import Database
from persistence.migrate import migrate
from tests.fire.server import SECRET, token
from tests.postgresql import postgresql_server
from tests.world import START, World, allowance, commitment, office, usage_event

PAGE = """query ($first: Int!) { usageHistory(first: $first) { pageInfo { hasNextPage } nodes {
    id occurredAt service usageType direction durationSeconds isBookedLate state
    office { id name } member { id name } group { id name } phoneNumber { text kind } quantity { value unit }
    walletSources cost { amount currencyCode } rate { amount currencyCode unit billingIncrement { label } } } } }"""
OFFICES, RECORDS = 20, 4_000
ROUNDS, PAGES = 7, 60
Ask = Callable[[], Awaitable[bytes]]

_COLUMNS = """{use}, {at}, c.service, c.usage_type, c.direction, c.duration_seconds, c.is_booked_late,
    CASE WHEN c.reverses_id IS NOT NULL THEN 'REVERSAL' WHEN c.reversed_by_id IS NOT NULL THEN 'REVERSED'
    ELSE 'CHARGED' END, {off}, o.name, {mem}, m.name, {grp}, g.name,
    CASE WHEN c.direction = 'OUTBOUND' THEN c.from_text ELSE c.to_text END,
    CASE WHEN c.direction = 'OUTBOUND' THEN c.from_kind ELSE c.to_kind END,
    {quantity}, c.sources, {cost}, y.currency, {rate}, {increment}"""
_FROM = """ FROM charge c JOIN company y ON y.company_id = c.company_id
    JOIN office o ON o.company_id = c.company_id AND o.id = c.office_id
    LEFT JOIN directory_member m ON m.company_id = c.company_id AND m.id = c.member_id
    LEFT JOIN directory_group g ON g.company_id = c.company_id AND g.id = c.group_id
    WHERE c.company_id = {one} AND c.office_id = {two} ORDER BY c.occurred_at DESC, c.id DESC LIMIT {three}"""
_POSTGRESQL = (_COLUMNS + _FROM).format(
    use="'use_' || encode(uuid_send(c.id), 'hex')",
    off="'off_' || encode(uuid_send(c.office_id), 'hex')",
    mem="'mem_' || encode(uuid_send(c.member_id), 'hex')",
    grp="'grp_' || encode(uuid_send(c.group_id), 'hex')",
    at="c.occurred_at",
    quantity="c.quantity::text",
    cost="(c.cost_micros * 0.000001)::text",
    rate="(c.rate_nanos * 0.000000001)::text",
    increment="c.first_seconds || '/' || c.next_seconds",
    one="$1",
    two="$2",
    three="$3",
)
_SQLITE = (_COLUMNS + _FROM).format(
    use="'use_' || lower(hex(c.id))",
    off="'off_' || lower(hex(c.office_id))",
    mem="CASE WHEN c.member_id IS NOT NULL THEN 'mem_' || lower(hex(c.member_id)) END",
    grp="CASE WHEN c.group_id IS NOT NULL THEN 'grp_' || lower(hex(c.group_id)) END",
    at="strftime('%Y-%m-%dT%H:%M:%SZ', c.occurred_at / 1000000, 'unixepoch')",
    quantity="CAST(c.quantity AS TEXT)",
    cost="printf('%d.%06d', c.cost_micros / 1000000, c.cost_micros % 1000000)",
    rate="printf('%d.%09d', c.rate_nanos / 1000000000, c.rate_nanos % 1000000000)",
    increment="c.first_seconds || '/' || c.next_seconds",
    one="?",
    two="?",
    three="?",
)
_SOURCES = [[w for bit, w in ((1, "PLAN"), (2, "CALLING"), (4, "UNIVERSAL")) if n & bit] for n in range(8)]


def _nodes(rows: Any, is_sqlite: bool) -> list[Any]:
    return [
        {
            "id": use,
            "occurredAt": at,
            "service": service,
            "usageType": kind,
            "direction": direction,
            "durationSeconds": seconds,
            "isBookedLate": bool(late) if is_sqlite else late,
            "state": state,
            "office": {"id": off, "name": office_name},
            "member": None if mem is None else {"id": mem, "name": member_name},
            "group": None if grp is None else {"id": grp, "name": group_name},
            "phoneNumber": {"text": text, "kind": end},
            "quantity": {"value": quantity, "unit": "SECOND"},
            "walletSources": _SOURCES[sources],
            "cost": {"amount": cost, "currencyCode": currency},
            "rate": {
                "amount": rate,
                "currencyCode": currency,
                "unit": "MINUTE",
                "billingIncrement": {"label": increment},
            },
        }
        for (
            use,
            at,
            service,
            kind,
            direction,
            seconds,
            late,
            state,
            off,
            office_name,
            mem,
            member_name,
            grp,
            group_name,
            text,
            end,
            quantity,
            sources,
            cost,
            currency,
            rate,
            increment,
        ) in rows
    ]


def _answer(rows: Any, first: int, is_sqlite: bool) -> bytes:
    """The floor's JSON; the company of the benchmark has calls alone."""
    nodes = _nodes(rows[:first], is_sqlite)
    data = {"usageHistory": {"pageInfo": {"hasNextPage": len(rows) > first}, "nodes": nodes}}
    return orjson.dumps({"data": data}, option=orjson.OPT_UTC_Z)


async def story(url: str) -> tuple[World, Any]:
    database = Database(url)
    await migrate(database)
    world = World(database, now=START + timedelta(days=25))
    one = office(allowances=(allowance(60_000),), commitments=(commitment("100"),))
    await world.set_up(one, *(office(f"o{number}") for number in range(1, OFFICES)))
    for first in range(0, RECORDS, 500):
        await world.record(*(_event(number) for number in range(first, first + 500)))
    return world, await world.office_id()


def _event(number: int) -> Any:
    usage = Call(
        direction=Direction.OUTBOUND,
        from_="+14155550100",
        to=f"+1{212 + number % 500}555{number % 10_000:04d}",
        duration_seconds=30 + number % 400,
    )
    slug = "hq" if number % 2 else f"o{number % 19 + 1}"
    event = usage_event(f"b-{number}", START + timedelta(seconds=number), usage, office=slug)
    member = DirectoryReference(f"u{number % 50}", f"Member {number % 50}")
    group = DirectoryReference(f"g{number % 5}", f"Group {number % 5}") if number % 3 else None
    return replace(event, member=member, group=group)


def ask_of(app: Any, query: str, variables: dict[str, Any], authorization: str) -> Ask:
    """Calls the application as its server would."""
    body = orjson.dumps({"query": query, "variables": variables})
    headers = [
        (b"host", b"127.0.0.1"),
        (b"authorization", f"Bearer {authorization}".encode()),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/graphql",
        "raw_path": b"/graphql",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }

    async def ask() -> bytes:
        parts: list[bytes] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body":
                parts.append(message.get("body", b""))

        await app(dict(scope, state={}), receive, send)
        return b"".join(parts)

    return ask


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--first", type=int, default=100)
    asked = parser.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        url = f"sqlite+aiosqlite:///{folder}/farebox.db"
        if asked.postgresql:
            url = stack.enter_context(postgresql_server()).render_as_string(hide_password=False)
        world, office_id = await story(url)
        async with world.database.writing() as connection:
            await connection.exec_driver_sql("ANALYZE")
        await world.database.close()
        floor, close = await _floor(url, world.company_id, office_id, asked.first)
        await measure(_app(url), floor, office_id, asked.first, is_profiled=asked.profile)
        await close()


def _app(url: str) -> Any:
    settings = Settings(
        _env_file=None,
        secret_key=SECRET,
        database_url=url,
        throttle_points=100_000_000,
        throttle_restore=10_000_000,
        log_level="warning",
        worker=False,
    )
    return serve_app(settings)


async def measure(app: Any, floor: Ask, office_id: Any, first: int, *, is_profiled: bool) -> None:
    bearer = token("acme", Role.COMPANY_ADMIN, subject="reader")
    query = PAGE.replace("($first: Int!)", "($first: Int!, $filter: UsageHistoryFilter)")
    query = query.replace("(first: $first)", "(first: $first, filter: $filter)")
    single = ask_of(app, query, {"filter": {"officeIds": [f"off_{office_id.hex}"]}, "first": first}, bearer)
    whole = ask_of(app, PAGE, {"first": first}, bearer)
    mine, least = json.loads(await single()), json.loads(await floor())
    assert orjson.dumps(mine["data"]) == orjson.dumps(least["data"]), _first_difference(mine["data"], least["data"])
    for _ in range(4):
        assert b'"errors"' not in await single() + await whole()
    await compare({"floor": floor, "page": single, "whole company": whole})
    if is_profiled:
        await profiled(single)


def _first_difference(mine: Any, least: Any) -> str:
    pairs = zip(mine["usageHistory"]["nodes"], least["usageHistory"]["nodes"], strict=True)
    return str(next(((a, b) for a, b in pairs if a != b), (mine["usageHistory"]["pageInfo"], least)))


async def _floor(url: str, company_id: Any, office_id: Any, first: int) -> tuple[Ask, Callable[[], Awaitable[Any]]]:
    if url.startswith("sqlite"):
        connection = await aiosqlite.connect(url.removeprefix("sqlite+aiosqlite:///"))

        async def small() -> bytes:
            values = (company_id.bytes, office_id.bytes, first + 1)
            rows = await connection.execute_fetchall(f"SELECT {_SQLITE}", values)
            return _answer(list(rows), first, True)

        return small, connection.close
    pool = await asyncpg.create_pool(url.replace("+asyncpg", ""), min_size=1, max_size=2)

    async def large() -> bytes:
        return _answer(await pool.fetch(f"SELECT {_POSTGRESQL}", company_id, office_id, first + 1), first, False)

    return large, pool.close


async def compare(asks: dict[str, Ask]) -> None:
    took: dict[str, list[float]] = {name: [] for name in asks}
    wall: dict[str, list[float]] = {name: [] for name in asks}
    for _ in range(ROUNDS):
        for name, ask in asks.items():
            begun, cpu = time.perf_counter(), time.process_time()
            for _ in range(PAGES):
                await ask()
            took[name].append((time.process_time() - cpu) / PAGES * 1e6)
            wall[name].append((time.perf_counter() - begun) / PAGES * 1e6)
    least = statistics.median(took["floor"])
    for name, found in took.items():
        cpu = statistics.median(found)
        print(f"{name:>14}: {cpu:6.0f} µs CPU, {statistics.median(wall[name]):6.0f} µs, {least / cpu:.2f} of the floor")


async def profiled(ask: Ask) -> None:
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(PAGES):
        await ask()
    profile.disable()
    found = pstats.Stats(profile)
    found.sort_stats("cumulative").print_stats(70)
    found.sort_stats("tottime").print_stats(35)


if __name__ == "__main__":
    os.environ.setdefault("FAREBOX_LOG_LEVEL", "warning")
    asyncio.run(main())
