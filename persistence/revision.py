"""Which migrations a database has seen, asked without loading Alembic: every start asks, few have to migrate."""

from sqlalchemy import inspect, text

from persistence.database import Database

NEWEST = "0005"
"""The last of persistence/migrations/versions; a test compares the two."""
VERSION_TABLE = "alembic_version"


async def current_revision(database: Database) -> str | None:
    """None for a database that was never migrated."""
    async with database.reading() as connection:
        if not await connection.run_sync(lambda sync: inspect(sync).has_table(VERSION_TABLE)):
            return None
        found = (await connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}"))).scalar_one_or_none()  # noqa: S608
        return None if found is None else str(found)


async def is_current(database: Database) -> bool:
    """Whether this release can work with it: a later release, whose migrations came first, leaves it what it needs."""
    found = await current_revision(database)
    return found is not None and found >= NEWEST
