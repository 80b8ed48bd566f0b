"""A database that is ready to be used, for a command or a server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api.settings import Environment, Settings
from persistence.begin import Begin
from persistence.changes import Changes
from persistence.database import Database
from persistence.revision import is_current


class NotMigrated(Exception):
    """The database lacks migrations, and this is no local run that would apply them by itself."""


async def prepare(settings: Settings, database: Database, *, is_dry_run: bool = False) -> None:
    """A local run migrates by itself; in production, and before a dry run, that is the operator's decision. Raises
    NotMigrated."""
    if await is_current(database):
        return
    if is_dry_run or settings.env is not Environment.LOCAL:
        raise NotMigrated("The database is not at the newest schema: run `farebox migrate` first.")
    from persistence.migrate import migrate  # Alembic is slow to import, and rarely needed

    await migrate(database)


@asynccontextmanager
async def opened(settings: Settings, *, is_dry_run: bool = False) -> AsyncIterator[tuple[Database, Begin]]:
    """A prepared database and the door to it, for one command. Servers are told of what it commits."""
    database = Database(settings.database_url)
    changes = Changes(database)
    try:
        await prepare(settings, database, is_dry_run=is_dry_run)
        async with changes.running():
            yield database, Begin(database, changes=changes)
    finally:
        await database.close()
