"""Every statement names its company, but for those that look over all of them on purpose: what lets Citus run it on one
machine, and what row-level security stands behind (PostgreSQL).

A statement is read as text: each table of ours in it must have its `company_id` compared with a value, with a row that
has, or written. Citus does not find a company out by a subquery's link to what surrounds it, so inside of one there
must be a value.
"""

import asyncio
import re
from datetime import timedelta

import pytest
from sqlalchemy import text

from domain.payments import ProcessorKind
from persistence.citus import EVERYWHERE, LEADER, distributing
from persistence.database import Database
from persistence.due_work import find_due_work
from persistence.metadata import METADATA
from persistence.webhook_claims import find_due, forget_old
from tests.conftest import FreshDatabases
from tests.schema import test_holds, test_operations, test_reverse_usage
from tests.schema.conftest import build_house, open_house
from tests.schema.till import open_till

TABLE = re.compile(r"\b(?:FROM|JOIN|INTO|UPDATE)\s+(?:ONLY\s+)?(\w+)(?:\s+(?:AS\s+)?(\w+))?", re.IGNORECASE)
COLUMNS = re.compile(r"^INSERT INTO (\w+) \(([^)]*)\)")
VALUE = r"\$\d+(::\w+( WITH TIME ZONE)?)?"
OVER_ALL = {
    "the company of a slug": rf"FROM company WHERE company\.slug = {VALUE}( FOR NO KEY UPDATE)?$",
    "the key of a secret": rf"FROM api_key WHERE api_key\.key_hash = {VALUE}$",
    "whether anything is due": r"^SELECT EXISTS \(SELECT \w+\.company_id",
    "what is due": rf"FROM (\w+) WHERE \1\.\w+_at <= {VALUE}( AND \1\.\w+ (= {VALUE}|IN \([^()]*\)))? ORDER BY [^()]*$",
    "the top-up of a payment": rf"FROM top_up WHERE top_up\.processor = {VALUE} AND top_up\.\w+ = {VALUE}$",
    "endpoints whose old messages are forgotten": r"^SELECT \S+, \S+ FROM webhook_endpoint$",
}
"""Each reads one table and locks nothing but a company's own row, so Citus sends it to every shard."""


class Heard:
    def __init__(self, database: Database) -> None:
        self.statements: set[str] = set()
        database.watch_statements(self._hear)

    def _hear(self, _use: str, statement: str, _seconds: float) -> None:
        self.statements.add(re.sub(r"\s+", " ", statement).strip())


KEYWORDS = {"WHERE", "ON", "JOIN", "LEFT", "SET", "ORDER", "GROUP", "CROSS", "USING", "FOR", "LIMIT", "UNION", "INNER"}


def problem(statement: str) -> str | None:
    """None: every table in it is held to one company."""
    inserted = COLUMNS.match(statement)
    if inserted and "company_id" not in inserted[2]:
        return f"{inserted[1]} is inserted into without a company"
    for part in (statement, *_subqueries(statement)):
        bound = set(re.findall(r"\b(\w+)\.company_id = (?:\$|CAST)", part))
        links = re.findall(r"\b(\w+)\.company_id = (\w+)\.company_id", part)
        for _ in links:
            bound |= {name for link in links if set(link) & bound for name in link}
        for name, alias in TABLE.findall(part):
            known = name if alias.upper() in {"", *KEYWORDS} else alias
            if name in METADATA.tables and known not in bound and not (inserted and name == inserted[1]):
                return f"{known} is not held to a company in: {part[:300]}"
    return None


def _subqueries(statement: str) -> list[str]:
    """What stands in parentheses and begins with SELECT, but behind LATERAL, which Citus takes for a join."""
    found = []
    for match in re.finditer(r"(LATERAL )?\((?=SELECT)", statement):
        depth, at = 1, match.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(statement[at], 0)
            at += 1
        if not match[1]:
            found.append(statement[match.end() : at - 1])
    return found


@pytest.fixture(scope="module")
def heard_url(postgresql_url: str, kept_databases: FreshDatabases) -> str:
    async def tell() -> str:
        url = await kept_databases.url("postgresql")
        database = Database(url)
        await build_house(database)
        await database.close()
        return url

    return asyncio.run(tell())


FOREIGN_KEYS = (
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f'"
    " ORDER BY 1, 2"
)


def assert_each_names_its_company(heard: Heard, least: int) -> None:
    assert len(heard.statements) >= least
    named = [statement for statement in heard.statements if problem(statement) is None]
    rest = heard.statements - set(named)
    assert len(named) > least // 2
    assert [problem(one) for one in sorted(rest) if not any(re.search(known, one) for known in OVER_ALL.values())] == []


async def test_every_statement_of_the_screens_names_its_company(
    heard_url: str, fresh_databases: FreshDatabases
) -> None:
    database = Database(await fresh_databases.copy_of(heard_url))
    heard = Heard(database)
    house = await open_house(database)
    for name in test_operations.SCREENS:
        await test_operations.test_the_screen_is_served(house, name)
    await test_holds.test_a_call_is_authorized_extended_and_captured(house)
    await test_reverse_usage.test_every_source_gets_back_what_it_paid(await open_house(database))
    await database.close()
    assert_each_names_its_company(heard, least=60)


async def test_every_statement_of_buying_and_of_the_worker_names_its_company(
    postgresql_url: str, fresh_databases: FreshDatabases
) -> None:
    database = Database(await fresh_databases.url("postgresql"))
    till = await open_till(database)
    await till.save_card()
    heard = Heard(database)
    assert (await till.buy("20", "21.78"))["userErrors"] == []
    begin, now = till.world.begin, till.world.now
    until = now + timedelta(minutes=1)
    await till.settle()
    await find_due_work(database, now)
    await begin.due_offices(None, now)
    await begin.due_watches(None, now, office_ids=None, limit=5)
    await begin.due_recharges(now)
    await begin.claim_top_ups(now, until, limit=5)
    await begin.claim_refunds(now, until, limit=5)
    await begin.find_payment(ProcessorKind.STRIPE, "x")
    await find_due(database, now, but_of=[], limit=3)
    await forget_old(database, now, limit=3)
    await database.close()
    assert_each_names_its_company(heard, least=35)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT charge.id FROM charge WHERE charge.office_id = $1::UUID",
        "SELECT a.id FROM charge AS a JOIN office ON office.company_id = a.company_id WHERE office.id = $1::UUID",
        "UPDATE wallet SET balance_micros=$1::BIGINT WHERE wallet.id = $2::UUID",
        "INSERT INTO posting (id, office_id) VALUES ($1::UUID, $2::UUID)",
        "DELETE FROM rate WHERE rate.card_id = $1::UUID",
        "SELECT wallet.id, (SELECT max(posting.sequence) FROM posting WHERE posting.company_id = wallet.company_id)"
        " FROM wallet WHERE wallet.company_id = $1::UUID",
    ],
)
def test_a_statement_that_forgets_it_is_found(statement: str) -> None:
    assert problem(statement) is not None
    assert not any(re.search(known, statement) for known in OVER_ALL.values())


async def test_every_table_is_spread_by_company_and_its_keys_come_back(secured: Database) -> None:
    statements = distributing()
    spread = [one for one in statements if one.startswith("SELECT create_distributed_table")]
    assert len(spread) == len(METADATA.tables) - 1
    assert spread[0].startswith(f"SELECT create_distributed_table('{LEADER}', 'company_id'")
    assert all(f"colocate_with => '{LEADER}'" in one for one in spread[1:])
    dropped = [one for one in statements if " DROP CONSTRAINT " in one]
    added = [one for one in statements if " ADD CONSTRAINT " in one]
    before = await secured.rows(text(FOREIGN_KEYS))
    assert len(dropped) == len(added) == len(before)
    async with secured.writing() as connection:
        for statement in (*dropped, *added):
            await connection.execute(text(statement))
    assert await secured.rows(text(FOREIGN_KEYS)) == before
    for table in METADATA.tables.values():
        if table.name != EVERYWHERE:
            for index in (*table.indexes, *table.constraints):
                columns = [column.name for column in getattr(index, "columns", ())]
                is_key = getattr(index, "unique", False) or type(index).__name__ != "Index"
                assert "company_id" in columns or not is_key or type(index).__name__ == "CheckConstraint"
