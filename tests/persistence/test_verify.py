"""`verify` proves sound books, and fails loudly on tampered ones: one way of tampering for each invariant at least."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from domain.catalogue import Direction, WalletKind
from domain.stories.charge import reverse_usage
from domain.usage import AiAgentMode, AiAgentSession, Fax, UsageEvent
from persistence.database import Database
from persistence.invariants import INVARIANTS
from persistence.verify import REFERENCES, Finding, verify
from tests.conftest import FreshDatabases
from tests.persistence.funding_story import TAMPERINGS as FUNDING_TAMPERINGS
from tests.persistence.funding_story import tell_of_funding
from tests.persistence.holding import captured, held, request
from tests.world import START, World, allowance, call, commitment, office, usage_event

NEVER_BELOW = "No commitment and no allowance is below zero or overdrawn"
TAMPERINGS = {
    "UPDATE wallet SET balance_micros = balance_micros + 1 WHERE kind = 'UNIVERSAL'": "Universal credits equal",
    "UPDATE wallet_cycle SET balance_micros = balance_micros - 1 WHERE closed_at IS NULL": "Every commitment equals",
    "UPDATE wallet_cycle SET committed_micros = committed_micros + 1": "Every commitment is what was committed",
    "UPDATE posting SET balance_after_micros = balance_after_micros + 1 WHERE sequence = 2": "Every posting says",
    "UPDATE posting SET source = 'contract', destination = 'contract' WHERE sequence = 1": "Every posting moves",
    "UPDATE posting SET wallet_id = (SELECT MAX(CAST(id AS {id_text})) FROM wallet){id_cast}": "No posting reaches",
    "UPDATE posting SET destination = 'expired' WHERE source = 'wallet:UNIVERSAL'": "Universal credits never expire",
    "UPDATE charge SET plan_micros = plan_micros + 1": "The parts of every charge",
    "UPDATE charge SET sources = 7": "The parts of every charge",
    "UPDATE charge SET rate_nanos = rate_nanos * 2 + 1000000": "The price of every charge",
    "DELETE FROM posting WHERE charge_id IS NOT NULL": "What wallets paid for a charge is posted",
    "UPDATE wallet_cycle SET balance_micros = -1": NEVER_BELOW,
    "UPDATE allowance_cycle SET spent_quantity = committed_quantity + 1": NEVER_BELOW,
    "UPDATE allowance_cycle SET spent_quantity = 0": "What is used of every allowance",
    "UPDATE wallet_cycle SET spent_micros = spent_micros + 1": "What is spent of every commitment",
    "UPDATE usage_by_cycle SET charge_count = charge_count + 1": "The totals by billing cycle",
    "DELETE FROM usage_by_cycle": "The totals by billing cycle",
    "UPDATE usage_by_day SET universal_micros = universal_micros + 1": "The totals by day",
    "UPDATE usage_by_day SET local_day = '2026-03-30' WHERE service = 'FAX'": "The totals by day",
    "UPDATE rejected_usage SET event_id = 'calls-1' WHERE event_id = 'gone'": "No event is charged twice",
    "UPDATE charge SET reversed_by_id = NULL": "Every reversal gives back",
    "UPDATE wallet_cycle SET balance_micros = 5, expired_micros = expired_micros - 5 WHERE closed_at IS NOT NULL": (
        "Closed cycles are empty"
    ),
    "UPDATE billing_cycle SET ends_at = {later} WHERE closed_at IS NOT NULL": "Billing cycles of an office",
    "UPDATE office SET next_sequence = 2": "No number of an office's books",
    "UPDATE charge SET duration_seconds = duration_seconds + 100 WHERE service = 'CALLING'": "Every call is billed",
    "UPDATE charge SET is_booked_late = NOT is_booked_late": "Every charge happened in the cycle",
    "UPDATE charge SET occurred_at = {earlier}": "Every charge happened in the cycle",
    "UPDATE posting SET destination = 'usage:FAX' WHERE destination = 'usage:CALLING'": "What is posted for usage",
    "UPDATE posting SET source = 'usage:FAX' WHERE source = 'contract'": "What is posted for usage",
    "UPDATE wallet SET reserved_micros = 5": "What is reserved of every wallet",
    "UPDATE allowance_cycle SET reserved_quantity = 7": "What is reserved of every allowance",
    "UPDATE hold SET event_id = 'another' WHERE state = 'CAPTURED'": "A hold ends once",
    "UPDATE hold SET event_id = 'calls-1', source = 'test' WHERE state = 'ACTIVE'": "A hold ends once",
    "UPDATE hold SET state = 'ACTIVE'": "A hold ends once",
    "UPDATE hold SET expires_at = created_at WHERE state = 'ACTIVE'": "Every office is renewed",
    "UPDATE wallet_cycle SET month = month + 1000": "A commitment's cycle begins",
    "UPDATE office SET renew_due_at = {due_later}": "Every office is renewed",
    "UPDATE billing_cycle SET closed_at = NULL": "Every office is renewed",
    "DELETE FROM billing_cycle WHERE closed_at IS NOT NULL": REFERENCES,
    "DELETE FROM charge WHERE service = 'FAX'": REFERENCES,
    **FUNDING_TAMPERINGS,
}


@pytest.fixture(scope="module")
def told() -> dict[str, str]:
    """Where the story was told, by engine."""
    return {}


@pytest.fixture
async def books(
    engine: str, told: dict[str, str], kept_databases: FreshDatabases, fresh_databases: FreshDatabases
) -> AsyncIterator[Database]:
    """The story is told once an engine; every test tampers with a copy."""
    if engine not in told:
        url = await kept_databases.url(engine)
        await _tell(url)
        told[engine] = url
    database = Database(await fresh_databases.copy_of(told[engine]))
    yield database
    await database.close()


async def _tell(url: str) -> None:
    """Two months with everything in them: all payers, a closed cycle, a reversal, a rejection."""
    database = Database(url)
    world = World(database)
    plan = {
        "allowances": (allowance(600),),
        "commitments": (commitment("1"), commitment("2", WalletKind.AI_AGENT)),
        "opening_credits_micros": 50_000_000,
    }
    await world.set_up(office(**plan), office("annex"))
    for month in range(3):
        world.now = START + timedelta(days=31 * month + 20)
        await world.record(*_usage(world, month))
    [first] = await world.record(call("to-be-reversed", world.now - timedelta(hours=1), seconds=300))
    assert first.charge_id is not None
    await reverse_usage(world.begin, world.viewer(), first.charge_id, key="k", reason="test", now=world.now)
    await held(world, request("held"))
    await captured(world, await held(world, request("captured")), call("captured", world.now))
    await world.record(call("blocked", world.now, to="+900123456789"), call("gone", world.now, to="+900123456780"))
    await tell_of_funding(world)
    await database.close()


def _usage(world: World, month: int) -> list[UsageEvent]:
    at = world.now - timedelta(days=2)
    fax = Fax(direction=Direction.OUTBOUND, from_="+14155550100", to="+12125550123", page_count=7)
    ai = AiAgentSession(mode=AiAgentMode.VOICE, session_count=5)
    return [
        *(call(f"calls-{month * 10 + n}", at + timedelta(minutes=n), seconds=500) for n in range(10)),
        usage_event(f"fax-{month}", at, fax),
        usage_event(f"ai-{month}", at, ai),
        call(f"annex-{month}", at, office="annex"),
    ]


async def findings(database: Database) -> dict[str, Finding]:
    return {finding.name: finding async for finding in verify(database)}


async def test_sound_books_hold_and_every_invariant_had_something_to_look_at(books: Database) -> None:
    found = await findings(books)
    assert len(found) == len(INVARIANTS) + 1
    assert {name: finding.examples for name, finding in found.items() if finding.broken_count} == {}
    assert [name for name, finding in found.items() if not finding.looked_at_count] == []


@pytest.mark.parametrize("statement", TAMPERINGS)
async def test_tampering_is_found(books: Database, statement: str) -> None:
    await _tamper(books, statement)
    found = await findings(books)
    broken = [name for name, finding in found.items() if finding.broken_count]
    assert any(name.startswith(TAMPERINGS[statement]) for name in broken), broken
    assert all(found[name].examples for name in broken)


def test_every_invariant_has_a_way_of_tampering() -> None:
    untried = [
        invariant.name
        for invariant in INVARIANTS
        if not any(invariant.name.startswith(start) for start in TAMPERINGS.values())
    ]
    assert untried == []


async def _tamper(database: Database, statement: str) -> None:
    """What somebody with a database client could do, with the constraints out of his way."""
    if database.is_sqlite:
        filled = statement.format(
            id_text="BLOB",
            id_cast="",
            later="ends_at + 86400000000",
            earlier="occurred_at - 40 * 86400000000",
            due_later="renew_due_at + 86400000000",
        )
        async with database._writer.connect() as connection:
            await connection.exec_driver_sql("COMMIT")
            await connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
            await connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
            await connection.exec_driver_sql("BEGIN")
            for part in filled.split("; "):
                await connection.execute(text(part))
            await connection.commit()
        return
    filled = statement.format(
        id_text="TEXT",
        id_cast="::uuid",
        later="ends_at + interval '1 day'",
        earlier="occurred_at - interval '40 days'",
        due_later="renew_due_at + interval '1 day'",
    )
    async with database.writing() as connection:
        await connection.exec_driver_sql("SET session_replication_role = replica")
        constraints = await connection.exec_driver_sql(
            "SELECT conrelid::regclass, conname FROM pg_constraint WHERE contype = 'c'"
            " AND connamespace = 'public'::regnamespace"
        )
        for table, name in constraints.all():
            await connection.exec_driver_sql(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        for part in filled.replace("'2026-03-30'", "DATE '2026-03-30'").split("; "):
            await connection.execute(text(part))
        await connection.exec_driver_sql("SET session_replication_role = origin")
