"""Reads from a streaming copy: which ones, and never once it lags or is gone."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from sqlalchemy import event, text

from domain.access import Role
from persistence import replica as replica_module
from persistence.database import Database
from persistence.migrate import migrate
from persistence.row_security import secure
from tests.conftest import TENANT_ROLE
from tests.replication import Pair, replicated_server
from tests.schema.conftest import NOON, House, build_house, open_house
from tests.world import call

LAGGING = """{ usageHistory(first: 2) { totalCount totalCost { amount } nodes { id } }
  usageSummary(groupBy: [SERVICE]) { usage { cost { amount } } } }"""
LEDGER = "query ($id: ID!) { ledger(walletId: $id, first: 1) { nodes { id } } }"
COUNT = "{ usageHistory(first: 1) { totalCount } }"
REPLAYED = text("SELECT pg_last_wal_replay_lsn() >= CAST(CAST(:lsn AS text) AS pg_lsn)")


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with replicated_server() as pair:
        yield pair


@pytest.fixture(autouse=True)
def _in_little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica_module, "CHECK_SECONDS", 0.0)
    monkeypatch.setattr(replica_module, "MOST_LAG_SECONDS", 60.0)
    monkeypatch.setattr(replica_module, "REST_SECONDS", 0.1)


class Followed:
    """A house whose database has a copy, and what was asked of the copy."""

    def __init__(self, house: House, database: Database) -> None:
        self.house = house
        self.database = database
        self.asked: list[str] = []
        assert database._replica is not None
        self.copy = database._replica
        event.listen(self.copy.engine.sync_engine, "before_cursor_execute", self._hear)

    def _hear(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "pg_last_wal_replay_lsn" not in statement:
            self.asked.append(statement)

    async def asks(self, query: str, **variables: Any) -> int:
        """How many statements of a query went to the copy."""
        self.asked.clear()
        await self.house.ask(query, variables, self.house.world.viewer(Role.COMPANY_ADMIN))
        return len(self.asked)

    async def count(self) -> int:
        count: int = (await self.house.ask(COUNT))["usageHistory"]["totalCount"]
        return count

    async def caught_up(self) -> None:
        written = (await self.database.rows(text("SELECT pg_current_wal_lsn()::text")))[0][0]
        async with asyncio.timeout(20):
            while True:
                async with self.copy.engine.connect() as connection:
                    if (await connection.execute(REPLAYED, {"lsn": written})).scalar_one():
                        return
                await asyncio.sleep(0.02)

    async def on_copy(self, function: str) -> None:
        async with self.copy.engine.connect() as connection:
            await connection.execute(text(f"SELECT {function}()"))


@pytest.fixture(scope="module")
def migrated(pair: Pair) -> Pair:
    async def prepare() -> None:
        database = Database(pair.primary_url)
        async with database.writing() as connection:  # as it is by default: what is committed is written
            await connection.execute(text("ALTER ROLE CURRENT_USER SET synchronous_commit = local"))
        await database.close()
        await migrate(database)
        await secure(database, TENANT_ROLE)
        await build_house(database)
        await database.close()

    asyncio.run(prepare())
    return pair


@pytest.fixture
async def followed(migrated: Pair) -> AsyncIterator[Followed]:
    database = Database(
        migrated.primary_url, tenant_role=TENANT_ROLE, replica_url=migrated.copy_url, statement_seconds=10
    )
    try:
        found = Followed(await open_house(database), database)
        await found.caught_up()
        yield found
    finally:
        await database.close()


async def test_history_charts_and_ledger_come_from_the_copy(followed: Followed) -> None:
    primary = Followed(await open_house(Database(followed.database.url)), followed.database).house
    assert await followed.house.ask(LAGGING) == await primary.ask(LAGGING)
    assert await followed.asks(LAGGING) >= 4  # a page, its totals, a chart from two
    wallet = (await followed.house.ask("{ wallets { id } }"))["wallets"][0]["id"]
    assert await followed.asks(LEDGER, id=wallet) == 1
    await primary.database.close()


async def test_nothing_else_does(followed: Followed) -> None:
    """Neither balances, which are about now, nor what a mutation answers, nor an export."""
    assert await followed.asks("{ wallets { id balance { amount } } offices { nodes { name } } }") == 0
    record = (await followed.house.ask(LAGGING))["usageHistory"]["nodes"][0]["id"]
    assert await followed.asks("query ($id: ID!) { node(id: $id) { id } }", id=record) == 0
    assert await followed.asks("mutation { exportUsageHistory(input: {}) { userErrors { code } } }") == 0


async def test_a_copy_that_lags_is_not_read_from_until_it_has_caught_up(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await followed.count()
    await followed.on_copy("pg_wal_replay_pause")
    try:
        await followed.house.world.record(call("late-news", NOON))
        assert await followed.count() == before  # it may be so late
        monkeypatch.setattr(replica_module, "MOST_LAG_SECONDS", 0.001)
        assert await followed.count() == before + 1
        assert await followed.asks(COUNT) == 0
    finally:
        await followed.on_copy("pg_wal_replay_resume")
    await followed.caught_up()
    monkeypatch.setattr(replica_module, "MOST_LAG_SECONDS", 5.0)
    assert await followed.asks(COUNT) > 0
    assert await followed.count() == before + 1


async def test_a_quiet_primary_does_not_make_the_copy_look_old(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica_module, "MOST_LAG_SECONDS", 1.0)
    replayed = text("SELECT clock_timestamp() - pg_last_xact_replay_timestamp() > interval '1 second'")
    async with asyncio.timeout(20), followed.copy.engine.connect() as connection:
        while not (await connection.execute(replayed)).scalar_one():
            await connection.execute(text("SELECT pg_sleep(0.1)"))
    assert await followed.asks(COUNT) > 0


async def test_behind_the_wall_there_too(followed: Followed) -> None:
    """The role and its policies came with the copy."""
    assert await followed.asks(LAGGING) > 0
    bound = followed.database.of(followed.house.world.company_id).lagging()
    who = text("SELECT current_user::text, count(DISTINCT company_id), pg_is_in_recovery() FROM charge")
    assert [tuple(row) for row in await bound.rows(who, may_lag=True)] == [(TENANT_ROLE, 1, True)]
    assert [tuple(row) for row in await bound.rows(who)] == [(TENANT_ROLE, 1, False)]


async def test_who_asks_notices_nothing_when_the_copy_is_killed(migrated: Pair, followed: Followed) -> None:
    assert await followed.asks(COUNT) > 0
    await asyncio.to_thread(migrated.stop_copy)
    try:
        for _ in range(3):
            assert await followed.count() > 0
    finally:
        await asyncio.to_thread(migrated.start_copy)
    await followed.caught_up()
    await asyncio.sleep(0.15)
    assert await followed.asks(COUNT) > 0


async def test_another_primary_is_no_copy(migrated: Pair) -> None:
    """It has the tables and may have other rows: as after a fail-over that left two."""
    database = Database(migrated.primary_url, replica_url=migrated.primary_url)
    try:
        assert database._replica is not None
        assert not await database._replica.is_usable()
    finally:
        await database.close()
