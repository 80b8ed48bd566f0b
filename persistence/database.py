"""The one door to the database, for either engine.

SQLite: readers and the writer have engines of their own. The writer's pool holds a single connection, so writers of
this process stand in one fair line, and each begins IMMEDIATE: a plain BEGIN loses spends (two readers both think
they may write). PostgreSQL: one pool, READ COMMITTED, rows locked by whoever writes.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Executable, Row, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

# No engine ever tells the values of a statement in an error: they are phone numbers and names.
READERS = 8
WRITERS = 16
BUSY_MILLISECONDS = 10_000
WAIT_SECONDS = 30
CONNECT_SECONDS = 10
"""A PostgreSQL that takes connections and says nothing is given up after that."""


class Database:
    """Engines and the two ways to use them: `reading()` for short consistent reads, `writing()` for one transaction."""

    def __init__(self, url: str | URL) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            if self.url.database and self.url.database != ":memory:":
                Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
            self._readers = _sqlite_engine(self.url, begin="BEGIN", pool_size=READERS)
            self._writer = _sqlite_engine(self.url, begin="BEGIN IMMEDIATE", pool_size=1)
        else:
            self._readers = self._writer = create_async_engine(
                self.url,
                pool_size=WRITERS,
                max_overflow=0,
                pool_timeout=WAIT_SECONDS,
                pool_pre_ping=True,
                hide_parameters=True,
                connect_args={"timeout": CONNECT_SECONDS},
            )

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A short read; on SQLite every statement inside sees the same snapshot. Never shared by two resolvers."""
        async with self._readers.connect() as connection, connection.begin():
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """A long read that sees one moment of the database on either engine: exports and `verify`."""
        async with self._readers.connect() as connection:
            if not self.is_sqlite:
                connection = await connection.execution_options(isolation_level="REPEATABLE READ")
            async with connection.begin():
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """One transaction: a clean exit commits, an exception rolls back, nobody else calls commit."""
        async with self._writer.connect() as connection, connection.begin():
            yield connection

    async def rows(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Sequence[Row[Any]]:
        """The rows of one read, in a session of its own."""
        async with self.reading() as connection:
            return (await connection.execute(statement, parameters)).all()

    async def close(self) -> None:
        await self._readers.dispose()
        if self.is_sqlite:
            await self._writer.dispose()


def _sqlite_engine(url: URL, *, begin: str, pool_size: int) -> AsyncEngine:
    engine = create_async_engine(
        url, pool_size=pool_size, max_overflow=0, pool_timeout=WAIT_SECONDS, hide_parameters=True
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # The driver's own transaction handling would begin too late and never IMMEDIATE.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout = {BUSY_MILLISECONDS}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "temp_store = MEMORY",
            "cache_size = -65536",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def start(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine
