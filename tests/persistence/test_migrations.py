"""Migrating an empty database gives exactly the metadata, in the words of each engine's own catalogue (DESIGN §5).

Alembic's own comparison does not see CHECKs and the conditions of partial indexes, so the catalogues are compared.
"""

import asyncio
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import ForeignKeyConstraint, PrimaryKeyConstraint, UniqueConstraint, text

from persistence.database import Database
from persistence.metadata import METADATA
from persistence.migrate import SCRIPTS, TablesBusy, migrate
from persistence.revision import NEWEST, current_revision, is_current

IS_THE_COMPANY_ITSELF = {("company", ("slug",))}
"""The one thing that is unique over all companies: how a company is called."""
VERSIONS = "alembic_version"
POSTGRESQL_CATALOGUE = {
    "columns": "SELECT table_name, column_name, data_type, is_nullable, column_default, character_maximum_length"
    " FROM information_schema.columns WHERE table_schema = 'public'",
    "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace AND contype <> 'n'",
    "indexes": "SELECT indrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
    " JOIN pg_class ON pg_class.oid = indexrelid WHERE relnamespace = 'public'::regnamespace",
}


async def catalogue(database: Database) -> dict[str, set[tuple[Any, ...]]]:
    if not database.is_sqlite:
        found = {}
        async with database.reading() as connection:
            for name, statement in POSTGRESQL_CATALOGUE.items():
                rows = (await connection.exec_driver_sql(statement)).all()
                found[name] = {tuple(row) for row in rows if row[0] != VERSIONS}
        return found
    async with database.reading() as connection:
        rows = (await connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")).all()
    return {row.name: _parts(row.sql) for row in rows if row.name != VERSIONS}


def _parts(statement: str) -> set[tuple[Any, ...]]:
    """A statement's lines, in no order: constraints may stand in any."""
    lines = (re.sub(r"\s+", " ", line).strip(" ,").replace('"', "") for line in statement.splitlines())
    return {(line,) for line in lines if line}


async def _create_all(database: Database) -> None:
    async with database.writing() as connection:
        await connection.run_sync(METADATA.create_all)


async def test_an_empty_database_migrated_is_exactly_the_metadata(
    database: Database, engine: str, fresh_databases: Any
) -> None:
    other = Database(await empty_url(engine, fresh_databases))
    try:
        await _create_all(other)
        migrated, created = await catalogue(database), await catalogue(other)
    finally:
        await other.close()
    assert migrated.keys() == created.keys()
    assert {name: migrated[name] ^ created[name] for name in migrated if migrated[name] != created[name]} == {}


async def empty_url(engine: str, fresh_databases: Any) -> str:
    """A database without a table: a file that is not there yet, or a fresh one emptied."""
    url: str = await fresh_databases.url(engine)
    if engine == "sqlite":
        return url.replace(".db", "-empty.db")
    database = Database(url)
    async with database.writing() as connection:
        await connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        await connection.exec_driver_sql("CREATE SCHEMA public")
    await database.close()
    return url


async def test_the_catalogues_see_a_changed_check_and_a_changed_condition(database: Database) -> None:
    """Else the comparison above would prove nothing."""
    before = await catalogue(database)
    async with database.writing() as connection:
        await connection.exec_driver_sql("DROP INDEX ix_posting_charge")
        await connection.exec_driver_sql(
            "CREATE INDEX ix_posting_charge ON posting (company_id, charge_id) WHERE amount_micros > 5"
        )
    assert await catalogue(database) != before
    texts = " ".join(str(part) for parts in before.values() for part in parts)
    assert "BETWEEN" in texts or "spent_quantity >= 0" in texts


async def test_migrating_again_changes_nothing(database: Database) -> None:
    before = await catalogue(database)
    assert await current_revision(database) == NEWEST
    await migrate(database)
    await asyncio.gather(migrate(database), migrate(database))
    assert await catalogue(database) == before


async def test_processes_that_start_together_migrate_once(engine: str, fresh_databases: Any) -> None:
    url = await empty_url(engine, fresh_databases)
    program = (
        "import asyncio, sys\n"
        "from persistence.database import Database\n"
        "from persistence.migrate import migrate\n"
        "asyncio.run(migrate(Database(sys.argv[1])))\n"
    )
    command = [sys.executable, "-c", program, url]
    root = Path(__file__).parents[2]

    def start() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)

    ended = await asyncio.gather(*(asyncio.to_thread(start) for _ in range(2)))
    assert [process.returncode for process in ended] == [0, 0], ended
    database = Database(url)
    try:
        assert await current_revision(database) == NEWEST
    finally:
        await database.close()


async def test_a_migration_waits_for_a_table_briefly_and_lets_others_through_in_between(
    postgresql_url: str, fresh_databases: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("persistence.migrate.LOCK_SECONDS", 0.2)
    database = Database(await empty_url("postgresql", fresh_databases))
    await migrate(database, "0002")
    async with database.writing() as long_one:
        await long_one.exec_driver_sql("SELECT count(*) FROM office")
        monkeypatch.setattr("persistence.migrate.TRIES", 2)
        with pytest.raises(TablesBusy, match="Nothing was changed"):
            await migrate(database, pause_seconds=0)
        assert await current_revision(database) == "0002"
        monkeypatch.setattr("persistence.migrate.TRIES", 100)
        migrating = asyncio.create_task(migrate(database, pause_seconds=0.1))
        waits = [await seconds_to_read(database) for _ in range(10)]
        assert not migrating.done()
    await migrating
    assert await current_revision(database) == NEWEST
    assert max(waits) < 1.0, "nobody waits behind the migration for much longer than it waits"
    await database.close()


async def seconds_to_read(database: Database) -> float:
    begun = time.monotonic()
    await database.rows(text("SELECT count(*) FROM office"))
    await asyncio.sleep(0.05)
    return time.monotonic() - begun


async def test_a_release_works_with_the_schema_of_the_next_one_and_not_with_the_one_before(
    sqlite_database: Database,
) -> None:
    """New migrations come first, then one process after the other is replaced: all are ready meanwhile."""
    assert await is_current(sqlite_database)
    for revision, is_good in (("9999", True), ("0001", False)):
        async with sqlite_database.writing() as connection:
            await connection.execute(text(f"UPDATE {VERSIONS} SET version_num = '{revision}'"))
        assert await is_current(sqlite_database) is is_good


@pytest.mark.parametrize("name", sorted(METADATA.tables))
def test_every_key_of_a_table_begins_with_its_company(name: str) -> None:
    """What lets the tables be spread over machines by company, and keeps every reference inside one."""
    table = METADATA.tables[name]
    assert not table.c.company_id.nullable
    for constraint in table.constraints:
        columns = tuple(column.name for column in constraint.columns)  # type: ignore[attr-defined]
        if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint):
            assert columns[0] == "company_id" or (name, columns) in IS_THE_COMPANY_ITSELF
        if isinstance(constraint, ForeignKeyConstraint):
            assert columns[0] == "company_id"
            assert constraint.elements[0].column.name == "company_id"
            assert constraint.ondelete is None, "a table rebuilt on SQLite would take its children along"
    for index in table.indexes:
        assert next(iter(index.columns)).name == "company_id" or not index.unique


def test_the_newest_revision_is_the_last_of_the_scripts() -> None:
    assert ScriptDirectory(str(SCRIPTS)).get_current_head() == NEWEST
