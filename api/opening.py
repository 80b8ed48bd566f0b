"""A database that is ready to be used, for a command or a server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api.settings import Environment, Settings
from persistence.begin import Begin
from persistence.changes import Changes
from persistence.database import Database
from persistence.revision import is_current
from persistence.row_security import CannotSecure, row_security_problem, secure


class NotReady(Exception):
    """The database is not as it must be, and putting it right is for the operator."""


class NotMigrated(NotReady):
    """It lacks migrations, and this is no local run that would apply them by itself."""


async def prepare(settings: Settings, database: Database, *, is_dry_run: bool = False) -> None:
    """A local run migrates by itself; in production, and before a dry run, that is the operator's decision. Raises
    NotReady, also where row-level security would not hold."""
    if not await is_current(database):
        if is_dry_run or settings.env is not Environment.LOCAL:
            raise NotMigrated("The database is not at the newest schema: run `farebox migrate` first.")
        await bring_up(settings, database)
    problem = await row_security_problem(database, settings.tenant_role)
    if database.is_sqlite and settings.replica_url is not None:
        problem = "FAREBOX_REPLICA_URL names a copy of a PostgreSQL database, and this is SQLite."
    if problem is not None:
        raise NotReady(f"The database could not be used: {problem}")


async def bring_up(settings: Settings, database: Database) -> None:
    """To the newest schema, with what the tenant role needs. Raises NotReady, and what a migration raises."""
    from persistence.migrate import migrate  # Alembic is slow to import, and rarely needed

    await migrate(database)
    if settings.tenant_role is not None and not database.is_sqlite:
        try:
            await secure(database, settings.tenant_role)
        except CannotSecure as error:
            raise NotReady(str(error)) from None


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
