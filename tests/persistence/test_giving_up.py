"""A read that nobody waits for any more stops in the database too."""

import asyncio
from time import monotonic, process_time

import pytest
from graphql import GraphQLError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from api.error_answers import Incident, answer_errors
from persistence.database import Database
from persistence.outages import is_overdue

LONG = """
WITH RECURSIVE numbers(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 50000000)
SELECT count(*) FROM numbers
"""
"""Ten seconds and more, if nobody stops it."""


async def test_a_statement_ends_with_the_task_that_waits_for_it(database: Database) -> None:
    begun = monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await database.rows(text(LONG))
    assert monotonic() - begun < 3, "who gave up is not kept"
    burnt = process_time()
    await asyncio.sleep(0.1)
    assert process_time() - burnt < 0.09, "no thread works on"
    if not database.is_sqlite:
        running = "state = 'active' AND query LIKE '%FROM numbers%' AND pid <> pg_backend_pid()"
        assert [
            tuple(row) for row in await database.rows(text(f"SELECT pid FROM pg_stat_activity WHERE {running}"))
        ] == []


async def test_what_is_given_up_leaves_no_connection_behind(database: Database) -> None:
    for _ in range(20):
        task = asyncio.create_task(database.rows(text(LONG)))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with asyncio.timeout(5):
        found = await asyncio.gather(*(database.rows(text("SELECT 1")) for _ in range(20)))
    assert [[tuple(row) for row in rows] for rows in found] == [[(1,)]] * 20


async def test_one_statement_stops_and_not_its_neighbour(sqlite_database: Database) -> None:
    short = LONG.replace("50000000", "300000")
    neighbour = asyncio.create_task(sqlite_database.rows(text(short)))
    task = asyncio.create_task(sqlite_database.rows(text(LONG)))
    await asyncio.sleep(0.02)
    task.cancel()
    assert [tuple(row) for row in await neighbour] == [(300_000,)]
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 1_000])
async def test_all_rows_come_however_they_are_fetched(sqlite_database: Database, count: int) -> None:
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n"
    statement = text(f"{numbers} LIMIT {count}")
    expected = list(range(1, count + 1))
    assert [row.i for row in await sqlite_database.rows(statement)] == expected
    async with sqlite_database.snapshot() as connection:
        streamed = [row.i async for row in await connection.stream(statement)]
        parts = [part async for part in (await connection.stream(statement)).partitions(100)]
        one = await (await connection.stream(statement)).first()
    assert streamed == expected
    assert [row.i for part in parts for row in part] == expected
    assert (one and one.i) == (1 if count else None)


async def test_a_statement_that_takes_too_long_is_told_as_that(postgresql_url: str) -> None:
    impatient = Database(postgresql_url, statement_seconds=0.1)
    with pytest.raises(DBAPIError) as raised:
        await impatient.rows(text("SELECT pg_sleep(5)"))
    await impatient.close()
    assert is_overdue(raised.value)
    located = GraphQLError("x", path=["usageHistory"], original_error=raised.value)
    [told] = answer_errors([located], Incident(), 5)
    assert told["extensions"] == {"code": "TIMEOUT"}
    assert "ask for less" in told["message"]
