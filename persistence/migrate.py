"""Brings a database to the newest schema, and says whether it is there.

SQLite rebuilds a table to change it, so foreign keys are off while it migrates and checked as a whole afterwards.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from persistence.database import Database

SCRIPTS = Path(__file__).parent / "migrations"
POSTGRESQL_LOCK = 7_236_401
"""Two processes that start together migrate one after the other."""


class BrokenReferences(Exception):
    """A migration left rows that point to nothing; it was rolled back."""


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["connection"] = connection
    return config


async def migrate(database: Database, revision: str = "head") -> None:
    """Safe to run at every start, by several processes at once. Raises BrokenReferences."""
    engine = create_async_engine(database.url)
    try:
        async with engine.connect() as connection:
            if database.is_sqlite:
                await _begin_exclusively(connection)
            else:
                await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({POSTGRESQL_LOCK})")
            await connection.run_sync(lambda sync: command.upgrade(_config(sync), revision))
            if database.is_sqlite:
                broken = (await connection.exec_driver_sql("PRAGMA foreign_key_check")).all()
                if broken:
                    raise BrokenReferences(f"{len(broken)} rows point to nothing: {broken[:3]}")
            await connection.commit()
    finally:
        await engine.dispose()


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
