"""Row-level security: what is done for one company reaches no other, whatever a statement says (PostgreSQL)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from persistence.bulk import insert_rows
from persistence.database import Database
from persistence.metadata import METADATA
from persistence.row_security import (
    CannotSecure,
    problem_of_role,
    rights,
    row_security_problem,
    secure,
    securing,
)
from persistence.save_books import POSTING_COLUMNS
from persistence.save_charges import CHARGE_COLUMNS
from persistence.sessions import session_of
from persistence.tables.activity import ACTIVITY
from persistence.tables.charging import CHARGE
from persistence.tables.company import COMPANY, OFFICE, OFFICE_NUMBER
from persistence.tables.funds import POSTING
from tests.conftest import TENANT_ROLE, FreshDatabases
from tests.proof import assert_books_hold
from tests.schema.conftest import build_house

WHO = text("SELECT current_user::text AS role, current_setting('farebox.company', true) AS company")
STRANGE = "farebox_strange"


@pytest.fixture(scope="module")
def told_url(postgresql_url: str, kept_databases: FreshDatabases) -> str:
    """Two companies with usage of every service, all of it written under the tenant role."""

    async def tell() -> str:
        url = await kept_databases.url("postgresql")
        database = Database(url, tenant_role=TENANT_ROLE)
        await build_house(database)
        await assert_books_hold(database)
        await database.close()
        return url

    return asyncio.run(tell())


@pytest.fixture
async def walled(told_url: str, fresh_databases: FreshDatabases) -> AsyncIterator[Database]:
    database = Database(await fresh_databases.copy_of(told_url), tenant_role=TENANT_ROLE)
    yield database
    await database.close()


async def companies(database: Database) -> tuple[Database, Database]:
    """The same database for acme, and for globex."""
    rows = await database.rows(select(COMPANY.c.company_id).order_by(COMPANY.c.slug))
    mine, theirs = (database.of(row.company_id) for row in rows)
    return mine, theirs


def state_of(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None))


async def refused(database: Database, statement: object) -> str:
    with pytest.raises(DBAPIError) as caught:
        async with database.writing() as connection:
            await connection.execute(statement)  # type: ignore[call-overload]
    return state_of(caught.value)


async def test_a_query_without_any_condition_sees_one_company(walled: Database) -> None:
    mine, theirs = await companies(walled)
    own = (await mine.rows(select(COMPANY.c.company_id)))[0].company_id
    seen_by_both = 0
    for table in METADATA.tables.values():
        if "SELECT" not in rights(table.name):
            assert await refused(mine, select(table)) == "42501"
            continue
        whole = {row.company_id for row in await walled.rows(select(table.c.company_id))}
        assert {row.company_id for row in await mine.rows(select(table.c.company_id))} == whole & {own}
        assert await walled.of(None).rows(select(table)) == []
        async with theirs.snapshot() as connection:
            assert own not in (await connection.execute(select(table.c.company_id))).scalars().all()
        seen_by_both += len(whole) == 2
    assert seen_by_both > 8


async def test_nothing_is_written_for_another_company(walled: Database) -> None:
    mine, theirs = await companies(walled)
    their_office = (await theirs.rows(select(OFFICE)))[0]
    number = {"company_id": their_office.company_id, "office_id": their_office.id, "phone_number": "+1"}
    assert await refused(mine, insert(OFFICE_NUMBER).values(**number)) == "42501"
    assert await refused(mine, update(OFFICE).values(company_id=their_office.company_id)) == "42501"
    async with mine.writing() as connection:
        changed = await connection.execute(update(OFFICE).values(name="Mine"))
        assert changed.rowcount == 3
        with pytest.raises(DBAPIError):
            async with connection.begin_nested():
                await connection.execute(insert(OFFICE_NUMBER).values(**number))
        # A savepoint that is rolled back does not take the wall down.
        assert (await connection.execute(select(func.count()).select_from(OFFICE))).scalar_one() == 3
        await connection.execute(OFFICE_NUMBER.delete())
    assert (await theirs.rows(select(OFFICE.c.name)))[0].name == their_office.name
    assert len(await theirs.rows(select(OFFICE_NUMBER))) == 1


async def test_what_is_append_only_stays_so_even_for_its_own_company(walled: Database) -> None:
    mine, _ = await companies(walled)
    for table in (POSTING, ACTIVITY):
        key = next(iter(table.c))
        assert await refused(mine, update(table).values({key: key})) == "42501"
        assert await refused(mine, table.delete()) == "42501"
    for table in (CHARGE, OFFICE, COMPANY):
        assert await refused(mine, table.delete()) == "42501"
    assert await refused(mine, text("CREATE TABLE loot AS SELECT * FROM charge")) == "42501"
    assert await refused(mine, text("ALTER TABLE charge DISABLE ROW LEVEL SECURITY")) == "42501"


async def test_one_statement_cannot_become_two(walled: Database) -> None:
    mine, _ = await companies(walled)
    assert await refused(mine, text("SELECT 1; RESET ROLE; SELECT count(*) FROM charge")) == "42601"


async def test_a_connection_goes_back_as_it_came(walled: Database) -> None:
    """A pool of one: whatever becomes of a transaction, the next on the same connection is nobody's or its own."""
    alone = Database(walled.url, tenant_role=TENANT_ROLE, statement_seconds=5)
    mine, theirs = await companies(alone)
    ids = {mine._company_id, theirs._company_id}

    async def assert_clean() -> None:
        for _ in range(2):
            [row] = await alone.rows(WHO)
            assert (row.role, row.company or "") == (alone.url.username, "")

    try:
        for bound in (mine, theirs, mine):
            [row] = await bound.rows(WHO)
            assert (row.role, row.company) == (TENANT_ROLE, str(bound._company_id))
            await assert_clean()
            async with bound.reading():
                pass  # nothing is sent, so no transaction took what was set for it
            await assert_clean()
            assert await refused(bound, text("SELECT 1 / 0")) == "22012"
            await assert_clean()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05), bound.reading() as connection:
                    await connection.execute(text("SELECT pg_sleep(5)"))
            await assert_clean()
        assert len(ids) == 2
        assert alone._readers.pool.checkedin() == 1  # type: ignore[attr-defined]
    finally:
        await alone.close()


async def test_a_transaction_begins_with_one_message(walled: Database) -> None:
    mine, _ = await companies(walled)
    async with mine.writing() as connection:
        sent: list[str] = []
        session_of(connection).add_query_logger(lambda record: sent.append(record.query))
        await connection.execute(text("SELECT 1"))
        begin = f"BEGIN;SET LOCAL ROLE {TENANT_ROLE};SET LOCAL farebox.company = '{mine._company_id}';"
        assert sent == [begin]  # prepared statements are not told of here


async def test_a_role_that_is_gone_spoils_no_connection(walled: Database) -> None:
    gone = Database(walled.url, tenant_role="farebox_gone")
    try:
        for _ in range(2):
            with pytest.raises(DBAPIError):
                await gone.of(uuid4()).rows(WHO)
            assert (await gone.rows(WHO))[0].role == gone.url.username
    finally:
        await gone.close()


@pytest.mark.parametrize(("table", "columns"), [(CHARGE, CHARGE_COLUMNS), (POSTING, POSTING_COLUMNS)])
async def test_rows_that_go_as_arrays_are_those_that_go_by_copy(
    walled: Database, table: Any, columns: tuple[str, ...]
) -> None:
    """PostgreSQL takes no COPY from whom row-level security binds."""
    mine, _ = await companies(walled)
    chosen = [table.c[name] for name in columns]
    rows = await mine.rows(select(*chosen).order_by(table.c.id))
    assert any(None in row for row in rows)
    for is_bound in (True, False):
        async with walled.writing() as connection:
            # Found before the table of its name.
            await connection.execute(text(f"CREATE TEMP TABLE {table} (LIKE {table}) ON COMMIT DROP"))
            session_of(connection).is_bound = is_bound
            await insert_rows(connection, table, columns, [list(row) for row in rows])
            assert (await connection.execute(select(*chosen).order_by(table.c.id))).all() == rows


WRONG = {
    f"DROP OWNED BY {STRANGE}": "has not the rights",
    f"GRANT UPDATE ON posting TO {STRANGE}": "rights it should have on posting",
    f"REVOKE INSERT ON charge FROM {STRANGE}": "rights it should have on charge",
    f"ALTER ROLE {STRANGE} LOGIN": "can log in",
    f"ALTER ROLE {STRANGE} BYPASSRLS": "past row-level security",
    f"GRANT farebox_owner TO {STRANGE}": "counts as owner of",
    "DROP POLICY of_company ON wallet": "wallet has no policy",
    "ALTER TABLE hold DISABLE ROW LEVEL SECURITY": "hold has no policy",
}


async def test_a_start_says_what_is_wrong_with_the_wall(secured: Database) -> None:
    """Each in a transaction that is taken back: roles belong to the whole server."""
    assert "there is no role" in str(await row_security_problem(secured, STRANGE))
    assert await row_security_problem(secured, None) is None
    async with secured.writing() as connection:
        await connection.exec_driver_sql("CREATE ROLE farebox_owner")
        for table in METADATA.tables:
            await connection.exec_driver_sql(f"ALTER TABLE {table} OWNER TO farebox_owner")
        for statement in securing(STRANGE, "CURRENT_USER"):
            await connection.exec_driver_sql(statement)
        assert await problem_of_role(connection, STRANGE) is None
        for statement, told in WRONG.items():
            async with connection.begin_nested() as savepoint:
                await connection.exec_driver_sql(statement)
                assert told in str(await problem_of_role(connection, STRANGE)), statement
                await savepoint.rollback()
        await connection.rollback()


async def test_a_login_that_does_not_own_the_tables_is_told_so(secured: Database) -> None:
    """It would find everything empty. It may be no member of the role either, and may not make one."""
    login = f"login_{uuid4().hex[:8]}"
    async with secured.writing() as connection:
        await connection.exec_driver_sql(f"CREATE ROLE {login} LOGIN")
        await connection.exec_driver_sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {login}")
    other = Database(secured.url.set(username=login))
    try:
        assert "hides the rows of" in str(await row_security_problem(other, None))
        async with secured.writing() as connection:
            await connection.exec_driver_sql(f"ALTER ROLE {login} BYPASSRLS")
        assert await row_security_problem(other, None) is None
        assert f"may not become {TENANT_ROLE}" in str(await row_security_problem(other, TENANT_ROLE))
        with pytest.raises(CannotSecure, match="farebox row-security"):
            await secure(other, STRANGE)
    finally:
        await other.close()
        async with secured.writing() as connection:
            await connection.exec_driver_sql(f"DROP OWNED BY {login}")
            await connection.exec_driver_sql(f"DROP ROLE {login}")


async def test_securing_again_changes_nothing(secured: Database) -> None:
    rights = text("SELECT relname, relacl::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1")
    before = await secured.rows(rights)
    await secure(secured, TENANT_ROLE)
    assert [(row[0], sorted(row[1].split(",")) if row[1] else None) for row in await secured.rows(rights)] == [
        (row[0], sorted(row[1].split(",")) if row[1] else None) for row in before
    ]
    assert await row_security_problem(secured, TENANT_ROLE) is None


async def test_sqlite_has_none(sqlite_database: Database) -> None:
    assert await row_security_problem(sqlite_database, None) is None
    assert "needs PostgreSQL" in str(await row_security_problem(sqlite_database, TENANT_ROLE))
    assert sqlite_database.of(uuid4()) is sqlite_database
