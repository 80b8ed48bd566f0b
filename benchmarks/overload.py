"""`python -m benchmarks.overload [--times 4] [--postgresql] [--varying]`: more is asked of a server than it can answer.

First what it can: pages of a hundred records by as many callers as are answered at once. Then so many times that, come
what may, by fifty callers, while a partner reports usage beside them. Told are how many were answered, put off, timed
out or failed, and how long the partner waited: without the crowd, beside it, and while it plagues another server on the
same machine, which is what the machine alone does to him. Not part of `make bench`: it takes a minute.
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from api.clock import utc_now
from domain.access import Role
from domain.charging import Outcome
from persistence.database import Database
from persistence.migrate import migrate
from persistence.statistics import look_at_new_tables
from tests.fire.server import Server, token
from tests.postgresql import postgresql_server
from tests.world import World, call, office

PAGE = """query { usageHistory(first: 100) { pageInfo { hasNextPage } nodes {
    id occurredAt service usageType office { id name } member { id name } group { id name }
    phoneNumber { text kind } quantity { value unit } cost { amount currencyCode } rate { amount unit } } } }"""
RECORD = "mutation ($input: RecordUsageInput!) { recordUsage(input: $input) { chargedCount userErrors { code } } }"
RECORDS = 2_000
CALLERS = 50
OTHERS = 500
"""Among whom what it can is asked, so that none has spent his points."""
CAPACITY_SECONDS, CALM_SECONDS, LOAD_SECONDS = 6.0, 6.0, 15.0
REPORTS_A_SECOND = 5
BEGIN_SECONDS = 4.0
"""Until a process of its own has begun to report."""
KEPT_SECONDS = 3.0
"""The server keeps a connection for five."""
PATIENCE = 10.0
"""Seconds after which a client gives up."""


@dataclass
class Told:
    """What became of requests, and their seconds."""

    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def note(self, outcome: str, seconds: float) -> None:
        self.outcomes[outcome] += 1
        self.seconds.setdefault(outcome, []).append(seconds)

    def line(self, outcome: str) -> str:
        found = sorted(self.seconds.get(outcome, [0.0]))
        return f"p50 {statistics.median(found) * 1e3:.0f} ms, p99 {found[int(len(found) * 0.99)] * 1e3:.0f} ms"

    def median(self, outcome: str) -> float:
        return statistics.median(self.seconds[outcome])


class Client:
    """The least that speaks HTTP, so that the server is what is measured. Connections are kept."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter, float]] = []

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer, at = self._idle.pop()
            if time.monotonic() - at < KEPT_SECONDS:
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self._port)

    async def post(self, bearer: str, query: str, variables: Any = None, *, expected: str) -> str:
        """`answered` with what was expected, or the code of the refusal, or what went wrong."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        head = (
            f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nAuthorization: Bearer {bearer}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        reader, writer = await self._connection()
        try:
            async with asyncio.timeout(PATIENCE):
                writer.write(head.encode() + body)
                answer = await reader.readuntil(b"\r\n\r\n")
                length = int(answer.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                found = (await reader.readexactly(length)).decode()
        except TimeoutError:
            writer.close()
            return "timed out"
        except (OSError, asyncio.IncompleteReadError):
            writer.close()
            return "cut off"
        self._idle.append((reader, writer, time.monotonic()))
        if '"errors":' in found:
            return str(json.loads(found)["errors"][0]["extensions"]["code"])
        return "answered" if expected in found else "wrong"


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=float, default=4.0)
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--varying", action="store_true")
    parser.add_argument("--report", nargs=2, type=float, metavar=("PORT", "SECONDS"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.report:
        port, seconds = asked.report
        print(json.dumps(vars(await _reports(int(port), seconds))))
        return
    with ExitStack() as stack:
        ports = []
        for _ in range(2):
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            url = f"sqlite+aiosqlite:///{folder}/farebox.db"
            if asked.postgresql:
                url = stack.enter_context(postgresql_server()).render_as_string(hide_password=False)
            await _company(url)
            server = Server(url, Path(folder))
            stack.callback(server.kill)
            await server.start(env={"FAREBOX_LOG_LEVEL": "warning"})
            ports.append(server.port)
        await measure(*ports, asked.times, is_varying=asked.varying)


async def measure(port: int, another: int, times: float, *, is_varying: bool) -> None:
    client, elsewhere = Client(port), Client(another)
    readers = [token("acme", Role.COMPANY_ADMIN, subject=f"reader-{number}") for number in range(CALLERS)]
    others = [token("acme", Role.COMPANY_ADMIN, subject=f"other-{number}") for number in range(OTHERS)]

    async def read(number: int, client: Client = client) -> str:
        variables = {"number": number} if is_varying else None  # one that the document does not know changes nothing
        return await client.post(readers[number % CALLERS], PAGE, variables, expected='"hasNextPage":true')

    async def read_within_limits(number: int) -> str:
        return await client.post(others[number % OTHERS], PAGE, expected='"hasNextPage":true')

    capacity = await _closed(read_within_limits, 8, CAPACITY_SECONDS)
    print(f"capacity: {capacity:.0f} pages of 100 a second, by 8 callers who wait for their answers")
    calm = await _reported(port, CALM_SECONDS)
    _, shared = await asyncio.gather(
        _open(partial(read, client=elsewhere), capacity * times, LOAD_SECONDS),
        _reported(port, LOAD_SECONDS - BEGIN_SECONDS),
    )
    crowd, paid = await asyncio.gather(
        _open(read, capacity * times, LOAD_SECONDS), _reported(port, LOAD_SECONDS - BEGIN_SECONDS)
    )
    print(f"offered:  {capacity * times:.0f} a second, {times:g} times that, for {LOAD_SECONDS:.0f} s:")
    for outcome, count in crowd.outcomes.most_common():
        print(f"  {outcome}: {count} ({count / LOAD_SECONDS:.0f}/s, {crowd.line(outcome)})")
    print(f"  answered at {crowd.outcomes['answered'] / LOAD_SECONDS / capacity:.0%} of the capacity")
    print(f"recordUsage at {REPORTS_A_SECOND}/s: in calm {calm.line('answered')} {dict(calm.outcomes)}")
    print(f"  the crowd at another server {shared.line('answered')} {dict(shared.outcomes)}")
    print(f"  beside the crowd {paid.line('answered')} {dict(paid.outcomes)}")
    beside, alone, machine = (told.median("answered") for told in (paid, calm, shared))
    print(f"  its median is {beside / alone:.1f} times that in calm; the machine alone makes it {machine / alone:.1f}")


async def _reports(port: int, seconds: float) -> Told:
    """What a partner sends who reports each call when it ends."""
    client = Client(port)

    async def report(number: int) -> str:
        at = utc_now().isoformat()
        usage = {"direction": "OUTBOUND", "from": "+14155550100", "to": "+12125550123", "durationSeconds": 60}
        event = {"eventId": f"{at}-{number}", "occurredAt": at, "usage": {"call": usage}}
        given = {"input": {"office": {"slug": "hq"}, "events": [event]}}
        return await client.post(_PARTNER, RECORD, given, expected='"chargedCount":1')

    await report(-1)  # makes the connection
    return await _open(report, REPORTS_A_SECOND, seconds)


async def _reported(port: int, seconds: float) -> Told:
    """From a process of its own: what the crowd's has to do is no time of the server's."""
    command = (sys.executable, "-m", "benchmarks.overload", "--report", str(port), str(seconds))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    told, _ = await process.communicate()
    found = json.loads(told)
    return Told(Counter(found["outcomes"]), found["seconds"])


async def _closed(send: Callable[[int], Awaitable[str]], callers: int, seconds: float) -> float:
    """Answers a second when everybody waits for his own."""
    end, done = time.monotonic() + seconds, 0

    async def caller(number: int) -> None:
        nonlocal done
        while time.monotonic() < end:
            outcome = await send(number + done)
            assert outcome == "answered", outcome
            done += 1

    begun = time.monotonic()
    await asyncio.gather(*(caller(number) for number in range(callers)))
    return done / (time.monotonic() - begun)


async def _open(send: Callable[[int], Awaitable[str]], rate: float, seconds: float) -> Told:
    """So many a second, at random moments, whether the ones before were answered or not."""
    told, tasks, clock = Told(), set(), random.Random(7)

    async def one(number: int) -> None:
        begun = time.monotonic()
        outcome = await send(number)
        told.note(outcome, time.monotonic() - begun)

    due, end, number = time.monotonic(), time.monotonic() + seconds, 0
    while due < end:
        await asyncio.sleep(max(due - time.monotonic(), 0))
        tasks.add(asyncio.create_task(one(number)))
        number += 1
        due += clock.expovariate(rate)
    await asyncio.gather(*tasks)
    return told


_PARTNER = token("acme", Role.PARTNER)


async def _company(url: str) -> None:
    database = Database(url)
    await migrate(database)
    world = World(database, now=utc_now())
    await world.set_up(office())
    for first in range(0, RECORDS, 500):
        at = utc_now() - timedelta(hours=1)
        decisions = await world.record(*(call(f"c-{number}", at, seconds=60) for number in range(first, first + 500)))
        assert all(decision.outcome is Outcome.CHARGED for decision in decisions)
    await look_at_new_tables(database)
    await database.close()


if __name__ == "__main__":
    asyncio.run(main())
