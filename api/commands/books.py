"""Keeping the books: `migrate`, `verify`, `renew`."""

from api.clock import utc_now
from api.commands.console import fail, out, run, settings_or_fail
from domain.stories.renew import renew_due
from persistence.begin import Begin
from persistence.database import Database


def migrate() -> None:
    """Bring the database to the newest schema. Safe to run at any time, by several machines at once."""
    import asyncio

    from sqlalchemy.exc import SQLAlchemyError

    from persistence.migrate import migrate as run_migrations
    from persistence.revision import NEWEST, current_revision

    async def story() -> tuple[str | None, str]:
        database = Database(settings_or_fail().database_url)
        try:
            before = await current_revision(database)
            await run_migrations(database)
        finally:
            await database.close()
        return before, NEWEST

    try:
        before, after = asyncio.run(story())
    except (SQLAlchemyError, OSError) as error:
        fail(f"The database could not be migrated: {str(getattr(error, 'orig', None) or error).splitlines()[0]}")
    out.print(f"At {after} already." if before == after else f"Migrated from {before or 'nothing'} to {after}.")


def verify() -> None:
    """Prove every invariant over the whole database; exit 1 if one is broken."""
    from persistence.verify import verify as prove

    async def story(database: Database, _begin: Begin) -> int:
        broken = 0
        async for finding in prove(database):
            mark = "ok    " if not finding.broken_count else "BROKEN"
            count = f"{finding.looked_at_count:>9,}"
            out.print(f"{mark} {count}  {finding.name}", style="red" if finding.broken_count else None)
            if finding.broken_count:
                broken += 1
                out.print(f"       {finding.broken_count:,} rows break it, such as:")
                for example in finding.examples:
                    out.print(f"         {example}", markup=False)
        return broken

    broken = run(story, makes_database=False)
    if broken:
        fail(f"{broken} invariants are broken.")
    out.print("Every invariant holds.")


def renew() -> None:
    """Open and close every billing cycle that is due. The server does so by itself whenever it meets one."""

    async def story(_database: Database, begin: Begin) -> int:
        return await renew_due(begin, None, utc_now())

    count = run(story, makes_database=False)
    out.print(f"{count:,} offices renewed." if count else "No office was due.")
