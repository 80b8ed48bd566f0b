"""What PostgreSQL knows of the tables that grow fastest."""

from sqlalchemy import text

from persistence.database import Database

_GROWING = "charge, posting, rejected_usage, usage_by_cycle, usage_by_day"
_NEVER_LOOKED_AT = "SELECT 1 FROM pg_class WHERE oid = 'charge'::regclass AND reltuples < 0"


async def look_at_new_tables(database: Database) -> None:
    """After the first rows of a new history. PostgreSQL does so by itself within a minute; until then any index that
    begins with the company may seem the right one to it, and it reads all of the history for every charge."""
    if database.is_sqlite:
        return
    if await database.rows(text(_NEVER_LOOKED_AT)):
        async with database.writing() as connection:
            await connection.exec_driver_sql(f"ANALYZE {_GROWING}")
