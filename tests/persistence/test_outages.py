"""What counts as a database that cannot be used right now, told by real databases; our own mistakes never do."""

import asyncio
import socket
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from persistence.database import Database
from persistence.outages import is_outage, told_briefly
from tests.conftest import FreshDatabases


async def failure_of(database: Database, *statements: str) -> Exception:
    try:
        async with database.writing() as connection:
            for statement in statements:
                await connection.execute(text(statement))
    except Exception as error:
        return error
    raise AssertionError("It was done.")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM no_such_table",
        "SELECT FROM WHERE",
        "INSERT INTO company (company_id) VALUES (NULL)",
    ],
)
async def test_our_own_mistakes_are_none(database: Database, statement: str) -> None:
    error = await failure_of(database, statement)
    assert isinstance(error, SQLAlchemyError)
    assert not is_outage(error)
    assert not is_outage(ExceptionGroup("two", [error, ConnectionResetError()]))


async def test_no_room_in_a_file(sqlite_database: Database) -> None:
    grow = "INSERT INTO alembic_version SELECT hex(zeroblob(100000)) || value FROM json_each('[1,2,3,4,5,6,7,8,9]')"
    error = await failure_of(sqlite_database, "PRAGMA max_page_count = 1", grow)
    assert is_outage(error)
    assert is_outage(ExceptionGroup("one", [error]))
    assert told_briefly(error) == "OperationalError: database or disk is full"


async def test_a_file_that_cannot_be_read_or_written(
    fresh_databases: FreshDatabases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("persistence.database.BUSY_MILLISECONDS", 50)
    url = await fresh_databases.url("sqlite")
    locked, folder = Database(url), Database(f"sqlite+aiosqlite:///{tmp_path}")
    other = sqlite3.connect(str(make_url(url).database), isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        assert is_outage(await failure_of(locked, "SELECT 1"))
        assert is_outage(await failure_of(folder, "SELECT 1"))
    finally:
        other.close()
        await locked.close()
        await folder.close()


async def cut_while_writing(database: Database, administration: AsyncEngine, *, is_copying: bool) -> None:
    async with database.writing() as connection:
        pid = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        async with administration.connect() as other:
            await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        if is_copying:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            await driver.copy_records_to_table("alembic_version", records=[("x",)])
        await connection.execute(text("SELECT 1"))


@pytest.mark.parametrize("is_copying", [False, True])
async def test_a_connection_that_was_cut(fresh_databases: FreshDatabases, is_copying: bool) -> None:
    url = await fresh_databases.url("postgresql")
    database, administration = Database(url), create_async_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with pytest.raises(Exception, match=r"connection|operation \(2\)") as caught:
            await cut_while_writing(database, administration, is_copying=is_copying)
        assert is_outage(caught.value)
        assert (await database.rows(text("SELECT 1")))[0][0] == 1, "the next one gets another connection"
    finally:
        await administration.dispose()
        await database.close()


async def test_a_server_that_is_not_there(postgresql_url: str, tmp_path: Path) -> None:
    nowhere = make_url(postgresql_url).set(query={"host": str(tmp_path)})
    missing = make_url(postgresql_url).set(database="no_such_database")
    for url, expected in ((nowhere, True), (missing, False)):
        database = Database(url)
        assert is_outage(await failure_of(database, "SELECT 1")) is expected
        await database.close()


async def test_a_server_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("persistence.sessions.CONNECT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        database = Database(f"postgresql+asyncpg://farebox@127.0.0.1:{port}/farebox?ssl=disable")
        async with asyncio.timeout(5):
            assert is_outage(await failure_of(database, "SELECT 1"))
        await database.close()
