"""Many writers in many processes: sums stay exact, nothing is counted twice, nobody hears of a deadlock."""

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Row, func, select

from domain.access import Role
from domain.money import MICROS_PER_UNIT
from domain.provisioning import PaymentTerms
from domain.stories.buy import save_card, start_card_setup
from persistence.database import Database
from persistence.tables.charging import CHARGE
from persistence.tables.funds import WALLET
from persistence.tables.holds import HOLD
from persistence.tables.payments import TOP_UP
from persistence.tables.sandbox import SANDBOX_PAYMENT
from tests.conftest import FreshDatabases
from tests.fire.company import Pays, processors_of
from tests.fire.judge import until_at_rest
from tests.fire.kills import Fire
from tests.fire.load import session
from tests.fire.operations import AUTHORIZE, PURCHASE, QUOTE, RECORD
from tests.fire.server import ROOT
from tests.fire.writers import TASKS, Ledger, Orders
from tests.proof import assert_books_hold
from tests.world import START, World, allowance, commitment, office

SECONDS = 120
OPENING_MICROS = 1_000 * MICROS_PER_UNIT


async def write_in_processes(orders: list[Orders]) -> list[Ledger]:
    """Each in a Python of its own, all at once; whatever happens, none is left."""
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.fire.writers",
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        for _ in orders
    ]
    try:
        async with asyncio.timeout(SECONDS):
            told = await asyncio.gather(
                *(
                    process.communicate(json.dumps(asdict(order)).encode())
                    for process, order in zip(processes, orders, strict=True)
                )
            )
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()
    for process, (_out, err) in zip(processes, told, strict=True):
        assert process.returncode == 0, err.decode()
    return [Ledger(**json.loads(out)) for out, _err in told]


async def town(database: Database) -> tuple[World, dict[str, UUID]]:
    """Two offices that pay by card and one by invoice; one of them has a plan and a commitment too."""
    world = World(database, now=START + timedelta(days=1))
    await world.apply(
        office(
            opening_credits_micros=OPENING_MICROS, allowances=(allowance(6_000),), commitments=(commitment("2.00"),)
        ),
        office("annex", opening_credits_micros=OPENING_MICROS),
        office("depot", opening_credits_micros=OPENING_MICROS, payment_terms=PaymentTerms.INVOICE),
        invoice_limit_micros=100_000 * MICROS_PER_UNIT,
        purchase_daily_micros=100_000 * MICROS_PER_UNIT,
    )
    await world.deck(at=START - timedelta(days=400))
    offices = {slug: await world.office_id(slug) for slug in ("hq", "annex", "depot")}
    admin, processors = world.viewer(Role.COMPANY_ADMIN), processors_of(database)
    for office_id in offices.values():
        begun = await start_card_setup(world.begin, processors, admin, office_id, return_url=None, now=world.now)
        await save_card(world.begin, processors, admin, office_id, begun.setup_id, now=world.now)
    return world, offices


async def fight(url: str, *, processes: int, tasks: int = TASKS) -> None:
    """Lets the writers loose, and compares what they were told with the books."""
    database = Database(url)
    try:
        world, offices = await town(database)
        ids = {slug: office_id.hex for slug, office_id in offices.items()}
        orders = [Orders(url, world.company_id.hex, ids, process, tasks) for process in range(processes)]
        ledgers = await write_in_processes(orders)
        assert [error for ledger in ledgers for error in ledger.errors] == []
        await compare(database, ledgers, offices)
        await assert_books_hold(database)
    finally:
        await database.close()


async def compare(database: Database, ledgers: list[Ledger], offices: dict[str, UUID]) -> None:
    told = [cost for ledger in ledgers for cost in ledger.costs.items()]
    charges = await database.rows(CHARGE.select())
    first = [row for row in charges if row.reverses_id is None]
    assert sorted(told) == sorted((row.event_id, row.cost_micros) for row in first)
    assert sum(ledger.outcomes["CHARGED"] for ledger in ledgers) == len(first)

    taken_back = [event for ledger in ledgers for event in ledger.reversed]
    assert sorted(taken_back) == sorted(row.event_id for row in first if row.reversed_by_id is not None)
    captured = {UUID(hold) for ledger in ledgers for hold in ledger.captured}
    holds = await database.rows(HOLD.select())
    assert {(row.id, row.state) for row in holds} == {(each, "CAPTURED") for each in captured}

    bought = {key: top_up for ledger in ledgers for key, top_up in ledger.purchases.items()}
    assert all(ledger.purchases[key] == bought[key] for ledger in ledgers for key in ledger.purchases)
    top_ups = await database.rows(TOP_UP.select())
    assert {(row.id.hex, row.state) for row in top_ups} == {(each, "SETTLED") for each in bought.values()}
    await compare_balances(database, charges, top_ups, offices)


async def compare_balances(
    database: Database, charges: Sequence[Row[Any]], top_ups: Sequence[Row[Any]], offices: dict[str, UUID]
) -> None:
    """Opening credits, plus what was bought, less what universal credits paid."""
    universal = await database.rows(WALLET.select().where(WALLET.c.kind == "UNIVERSAL"))
    balances = {row.office_id: row.balance_micros for row in universal}
    for office_id in offices.values():
        bought = sum(row.credits_micros for row in top_ups if row.office_id == office_id)
        paid = sum(row.universal_micros for row in charges if row.office_id == office_id)
        assert balances[office_id] == OPENING_MICROS + bought - paid


async def test_sixty_four_writers_in_four_processes_leave_exact_sums(
    postgresql_url: str, fresh_databases: FreshDatabases
) -> None:
    await fight(await fresh_databases.copy_of(postgresql_url), processes=4)


async def test_writers_in_two_processes_take_turns_on_sqlite(fresh_databases: FreshDatabases) -> None:
    """Its design is one writer at a time; two processes stand in one line all the same."""
    await fight(await fresh_databases.url("sqlite"), processes=2, tasks=4)


@pytest.fixture
async def fire(engine: str, database_url: str, tmp_path: Path) -> AsyncIterator[Fire]:
    workers = 1 if engine == "sqlite" else 2
    async with Fire.lit(database_url, tmp_path, blocks=1, workers=workers, opening_micros=MICROS_PER_UNIT) as fire:
        yield fire


async def test_of_thirty_authorizations_for_a_balance_of_one_one_is_granted(fire: Fire) -> None:
    place = fire.blocks[0][0]

    async def authorize(number: int) -> dict[str, Any]:
        given = {"eventId": f"h{number}", "office": {"id": place.id}, "service": "AI_AGENT", "direction": "INBOUND"}
        return await fire.partner.change(AUTHORIZE, **given, quantity=2)

    answers = await asyncio.gather(*(authorize(number) for number in range(30)))
    granted = [answer["hold"] for answer in answers if answer["hold"]]
    refused = [answer["refusal"]["reason"] for answer in answers if answer["refusal"]]
    assert (len(granted), refused) == (1, ["INSUFFICIENT_FUNDS"] * 29)
    await assert_books_hold(fire.database)


@pytest.mark.parametrize("pays", [Pays.GOOD, Pays.LOSES_ANSWER])
async def test_the_same_purchase_from_twenty_clients_at_once_is_charged_once(fire: Fire, pays: Pays) -> None:
    [place] = [each for each in fire.blocks[0] if each.pays is pays]
    figure = {"amount": "10", "currencyCode": "USD"}
    quote = await fire.admin.ask(QUOTE, {"input": {"officeId": place.id, "credits": figure}})
    given = {
        "idempotencyKey": "one",
        "officeId": place.id,
        "credits": figure,
        "expectedTotal": quote["quoteCreditPurchase"]["total"],
    }

    async def buy() -> dict[str, Any]:
        return await fire.admin.change(PURCHASE, **given)

    at_once = await asyncio.gather(*(buy() for _ in range(20)))
    assert len({answer["topUp"]["id"] for answer in at_once}) == 1
    assert sorted(answer["isReplayed"] for answer in at_once) == [False, *[True] * 19]
    await until_at_rest(fire.database, own_seconds=3)
    later = await asyncio.gather(*(buy() for _ in range(20)))
    assert [answer["topUp"]["state"] for answer in later] == ["SETTLED"] * 20
    payments = await fire.database.rows(SANDBOX_PAYMENT.select())
    assert [row.charge_count for row in payments] == [1]
    await assert_books_hold(fire.database)


async def test_a_server_and_an_importer_share_a_sqlite_file(fresh_databases: FreshDatabases, tmp_path: Path) -> None:
    """Both take in the same events: every one is charged once, whoever was first, and nobody is turned away."""
    async with Fire.lit(await fresh_databases.url("sqlite"), tmp_path, blocks=1) as fire:
        place = fire.blocks[0][0]
        events = [session(f"e{number}") for number in range(400)]
        lines = [json.dumps({"source": "fire", **event}) for event in events]
        (tmp_path / "usage.ndjson").write_text("\n".join(lines), encoding="utf-8")
        words = ("import-usage", str(tmp_path / "usage.ndjson"), "--format", "ndjson", "--office", place.slug)
        importing = asyncio.create_task(asyncio.to_thread(fire.server.farebox, *words))
        outcomes: Counter[str] = Counter()
        for at in range(0, 400, 8):
            answer = await fire.partner.change(
                RECORD, source="fire", office={"id": place.id}, events=events[at : at + 8]
            )
            outcomes.update(result["outcome"] for result in answer["results"])
        done = await importing
        assert done.returncode == 0, done.stdout + done.stderr
        assert set(outcomes) <= {"CHARGED", "REPLAYED"}
        [[count]] = await fire.database.rows(select(func.count()).select_from(CHARGE))
        assert count == 400
        await assert_books_hold(fire.database)
