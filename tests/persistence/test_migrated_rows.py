"""A database of the first release that is in use: migrating it keeps every row, every CHECK and every foreign key."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Table, insert, inspect, text
from sqlalchemy.exc import IntegrityError

from domain.charging import Outcome
from domain.provisioning import (
    DEFAULT_HOLD_GRANT_SECONDS,
    DEFAULT_INVOICE_LIMIT_MICROS,
    DEFAULT_PURCHASE_DAILY_MICROS,
    DEFAULT_PURCHASE_MAXIMUM_MICROS,
    DEFAULT_PURCHASE_MINIMUM_MICROS,
    DEFAULT_PURCHASE_PRESETS,
    DirectoryContact,
    DirectoryGroup,
    DirectoryMember,
)
from domain.stories.charge import reverse_usage
from persistence.database import Database
from persistence.metadata import METADATA
from persistence.migrate import migrate
from persistence.tables.company import COMPANY, OFFICE
from persistence.tables.funds import ALLOWANCE_CYCLE, POSTING
from tests.conftest import FreshDatabases
from tests.persistence.test_migrations import catalogue, empty_url
from tests.proof import assert_books_hold
from tests.world import START, World, allowance, call, commitment, office

FIRST = "0001"
NOW = START + timedelta(days=70)
Rows = dict[str, list[tuple[Any, ...]]]


async def _columns(database: Database) -> dict[str, list[str]]:
    """The columns of every table that is there, by its name."""

    def read(connection: Any) -> dict[str, list[str]]:
        found = inspect(connection)
        return {name: [column["name"] for column in found.get_columns(name)] for name in found.get_table_names()}

    async with database.reading() as connection:
        return await connection.run_sync(read)


def _kept(columns: dict[str, list[str]]) -> list[tuple[Table, list[Any]]]:
    """The tables of the first release in the order in which they refer to each other, each with its columns then."""
    return [
        (table, [table.c[name] for name in columns[table.name]])
        for table in METADATA.sorted_tables
        if table.name in columns
    ]


async def _rows(database: Database, columns: dict[str, list[str]]) -> Rows:
    found: Rows = {}
    for table, kept in _kept(columns):
        statement = table.select().with_only_columns(*kept)
        found[table.name] = sorted((tuple(row) for row in await database.rows(statement)), key=repr)
    return found


async def _tell(world: World) -> None:
    """Three months: an allowance, both sorts of payers, a closed cycle, a reversal, a rejection, a directory."""
    await world.apply(
        office(allowances=(allowance(600),), commitments=(commitment("1"),), opening_credits_micros=9_000_000),
        office("annex", anchor_day=31),
        members=(DirectoryMember(external_id="u", name="Front desk", office="hq"),),
        groups=(DirectoryGroup(external_id="g", name="Support"),),
        contacts=(DirectoryContact(external_id="c", name="Depot"),),
    )
    await world.deck(at=datetime(2020, 1, 1, tzinfo=UTC))
    for month in range(3):
        world.now = START + timedelta(days=31 * month + 5)
        await world.record(*(call(f"{month}-{n}", world.now, seconds=400) for n in range(8)))
        await world.record(call(f"annex-{month}", world.now, office="annex"))
    [charged, _] = await world.record(call("wrong", world.now), call("barred", world.now, to="+900123456789"))
    assert charged.charge_id is not None
    await reverse_usage(world.begin, world.viewer(), charged.charge_id, key="k", reason="Wrong.", now=world.now)


@pytest.fixture
async def in_use(engine: str, database: Database, fresh_databases: FreshDatabases) -> AsyncIterator[Database]:
    """A database at the first release, with the rows it would have: told in a new one, and copied column by column."""
    told = World(database)
    await _tell(told)
    old = Database(await empty_url(engine, fresh_databases))
    await migrate(old, FIRST)
    columns = await _columns(old)
    async with old.writing() as connection:
        for table, kept in _kept(columns):
            rows = [dict(row._mapping) for row in await database.rows(table.select().with_only_columns(*kept))]
            if rows:
                # One statement a table: charges refer to each other, and references are looked at when it ends.
                await connection.execute(insert(table).values(rows))
    yield old
    await old.close()


async def _world(database: Database) -> World:
    world = World(database, now=NOW)
    world.company_id = (await database.rows(COMPANY.select()))[0].company_id
    return world


async def test_every_row_is_kept_and_what_is_new_has_its_default(in_use: Database, database: Database) -> None:
    columns = await _columns(in_use)
    assert "activity" not in columns
    before = await _rows(in_use, columns)
    assert [name for name, rows in before.items() if not rows] == []

    await migrate(in_use)

    assert await _rows(in_use, columns) == before
    [company] = await in_use.rows(COMPANY.select())
    assert company.purchase_minimum_micros == DEFAULT_PURCHASE_MINIMUM_MICROS
    assert company.purchase_maximum_micros == DEFAULT_PURCHASE_MAXIMUM_MICROS
    assert company.purchase_daily_micros == DEFAULT_PURCHASE_DAILY_MICROS
    assert tuple(company.purchase_presets) == DEFAULT_PURCHASE_PRESETS
    assert company.invoice_limit_micros == DEFAULT_INVOICE_LIMIT_MICROS
    assert company.hold_grant_seconds == DEFAULT_HOLD_GRANT_SECONDS
    assert {row.invoice_limit_micros for row in await in_use.rows(OFFICE.select())} == {None}
    assert {row.reserved_quantity for row in await in_use.rows(ALLOWANCE_CYCLE.select())} == {0}
    assert {row.top_up_id for row in await in_use.rows(POSTING.select())} == {None}
    assert await catalogue(in_use) == await catalogue(database)
    await assert_books_hold(in_use)


BROKEN = {
    "spent more than was included": "UPDATE allowance_cycle SET spent_quantity = committed_quantity + 1",
    "reserved less than nothing": "UPDATE allowance_cycle SET reserved_quantity = -1",
    "an anchor day that is none": "UPDATE office SET anchor_day = 32",
    "a posting of nothing": "UPDATE posting SET amount_micros = 0",
    "a posting to itself": "UPDATE posting SET destination = source",
    "a posting of a top-up that is not there": "UPDATE posting SET top_up_id = id",
    "a posting of an office that is not there": "UPDATE posting SET office_id = id",
    "a charge of an office that is not there": "UPDATE charge SET office_id = id",
    "a charge in a cycle that is not there": "UPDATE charge SET month = 209901",
    "an office of no company": "UPDATE office SET company_id = id",
    "a company without presets": "UPDATE company SET purchase_presets = NULL",
    "two postings of one number": "UPDATE posting SET sequence = 1",
}


async def test_what_was_refused_before_is_refused_still(in_use: Database) -> None:
    await migrate(in_use)
    accepted = []
    async with in_use.writing() as connection:
        for what, statement in BROKEN.items():
            try:
                async with connection.begin_nested():
                    await connection.execute(text(statement))
            except IntegrityError:
                continue
            accepted.append(what)
    assert accepted == []


async def test_business_goes_on(in_use: Database) -> None:
    await migrate(in_use)
    world = await _world(in_use)
    [replayed, charged] = await world.record(call("2-1", START + timedelta(days=67), seconds=400), call("new", NOW))
    assert (replayed.outcome, charged.outcome) == (Outcome.REPLAYED, Outcome.CHARGED)
    assert await world.apply(office(name="Main"), invoice_limit_micros=1_000_000) != []
    await assert_books_hold(in_use)
