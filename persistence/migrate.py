"""Brings a database to the newest schema, and says whether it is there.

SQLite rebuilds a table to change it, so foreign keys are off while it migrates and checked as a whole afterwards.
On PostgreSQL a migration waits for a table only briefly, because everybody else then waits behind it: what cannot have
its tables is taken back and tried again.
"""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from persistence.database import Database

SCRIPTS = Path(__file__).parent / "migrations"
POSTGRESQL_LOCK = 7_236_401
"""Two processes that start together migrate one after the other."""
LOCK_SECONDS = 2.0
"""So long a migration waits for a table, and callers with it."""
PAUSE_SECONDS = 5.0
TRIES = 12
_LOCK_NOT_AVAILABLE = "55P03"


class BrokenReferences(Exception):
    """A migration left rows that point to nothing; it was rolled back."""


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["connection"] = connection
    return config


class TablesBusy(Exception):
    """Somebody held a table all the while; nothing was changed."""


async def migrate(database: Database, revision: str = "head", *, pause_seconds: float = PAUSE_SECONDS) -> None:
    """Safe to run at every start, by several processes at once. Raises BrokenReferences, TablesBusy."""
    engine = create_async_engine(database.url)
    try:
        if database.is_sqlite:
            await _migrate_sqlite(engine, revision)
        else:
            await _migrate_postgresql(engine, revision, pause_seconds)
    finally:
        await engine.dispose()


async def _migrate_sqlite(engine: AsyncEngine, revision: str) -> None:
    async with engine.connect() as connection:
        await _begin_exclusively(connection)
        await _upgrade(connection, revision)
        broken = (await connection.exec_driver_sql("PRAGMA foreign_key_check")).all()
        if broken:
            raise BrokenReferences(f"{len(broken)} rows point to nothing: {broken[:3]}")
        await connection.commit()


async def _migrate_postgresql(engine: AsyncEngine, revision: str, pause_seconds: float) -> None:
    for tried in range(TRIES):
        if tried:
            await asyncio.sleep(pause_seconds)
        try:
            async with engine.connect() as connection:
                # The other process that migrates is waited for as long as it takes; tables are not.
                await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({POSTGRESQL_LOCK})")
                await connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                await connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_SECONDS:.1f}s'")
                await _upgrade(connection, revision)
                await connection.commit()
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
        else:
            return
    raise TablesBusy(
        f"A table was in use each of {TRIES} times that it was asked for, {LOCK_SECONDS:.0f} seconds long. Nothing was"
        " changed. See pg_stat_activity for long transactions, and run it again."
    )


async def _upgrade(connection: AsyncConnection, revision: str) -> None:
    await connection.run_sync(lambda sync: command.upgrade(_config(sync), revision))


async def _begin_exclusively(connection: AsyncConnection) -> None:
    def prepare(sync: Connection) -> None:
        sync.connection.dbapi_connection.isolation_level = None  # type: ignore[union-attr]
        cursor = sync.connection.cursor()
        for statement in (
            "PRAGMA busy_timeout = 30000",
            "PRAGMA journal_mode = WAL",
            "PRAGMA foreign_keys = OFF",
            "BEGIN IMMEDIATE",
        ):
            cursor.execute(statement)
        cursor.close()

    await connection.run_sync(prepare)
