"""The worker of a server process: real servers and real databases, and what becomes of it when things go wrong."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import event, select

from api import worker as worker_module
from api.clock import utc_now
from api.payments.processors import build_processors
from api.worker import Worker
from domain.access import Role
from domain.payments import Processors
from domain.stories.buy import save_card, start_card_setup
from domain.stories.watch import watch_due
from persistence.begin import Begin
from persistence.database import Database
from persistence.tables.company import OFFICE
from persistence.tables.payments import TOP_UP
from tests.api.edge import make_settings
from tests.fire.server import Server, token
from tests.proof import assert_books_hold
from tests.recharging import Recharging, with_credits
from tests.scripted_processor import ScriptedProcessor
from tests.world import World

RECORD = """mutation ($input: RecordUsageInput!) { recordUsage(input: $input) { chargedCount userErrors { code } } }"""


async def until(holds: Callable[[], Awaitable[bool]], seconds: float) -> float:
    """How long it took."""
    begun = time.monotonic()
    while not await holds():
        assert time.monotonic() - begun < seconds, "it has not happened in time"
        await asyncio.sleep(0.01)
    return time.monotonic() - begun


async def recharging(database: Database, processors: Processors | None = None) -> Recharging:
    """An office of today with 10.00 that is recharged below 5.00."""
    now = utc_now()
    shop = Recharging(World(database, now=now))
    plan = replace(with_credits("10"), opened_on=(now - timedelta(days=2)).date())
    await shop.open(plan, deed=None)
    if processors is None:
        await shop.save_card()
    else:
        office_id, begin = await shop.world.office_id(), shop.world.begin
        setup = await start_card_setup(begin, processors, shop.admin, office_id, return_url=None, now=now)
        await save_card(begin, processors, shop.admin, office_id, setup.setup_id, now=now)
    await shop.configure(cycle_cap="1000")
    return shop


async def states(database: Database) -> list[str]:
    return [row.state for row in await database.rows(select(TOP_UP.c.state).order_by(TOP_UP.c.id))]


async def has_settled(database: Database, count: int) -> bool:
    return (await states(database)).count("SETTLED") == count


async def report(server: Server, event_id: str, pages: int) -> None:
    usage = {"direction": "OUTBOUND", "from": "+14155550100", "to": "+12125550123", "pageCount": pages}
    event_input = {"eventId": event_id, "occurredAt": utc_now().isoformat(), "usage": {"fax": usage}}
    given = {"input": {"office": {"slug": "hq"}, "events": [event_input]}}
    headers = {"Authorization": f"Bearer {token('acme', Role.PARTNER)}"}
    async with httpx2.AsyncClient(base_url=server.address, headers=headers, timeout=10) as client:
        answer = (await client.post("/graphql", json={"query": RECORD, "variables": given})).json()
    assert answer["data"]["recordUsage"] == {"chargedCount": 1, "userErrors": []}, answer


@asynccontextmanager
async def serving(database: Database, folder: Path, **env: str) -> AsyncIterator[Server]:
    server = Server(database.url.render_as_string(hide_password=False), folder)
    try:
        await server.start(env=env)
        yield server
    finally:
        server.kill()


def stop(server: Server) -> None:
    """As a service manager does it."""
    process = server._process
    assert process is not None
    process.terminate()
    process.wait(timeout=20)


# ---------- a real server ----------


async def test_what_a_dead_process_left_is_taken_up_at_the_start_and_new_recharges_within_a_second(
    database: Database, tmp_path: Path
) -> None:
    shop = await recharging(database, build_processors(make_settings(), database))
    await shop.spend(6)
    assert await states(database) == ["PENDING"]
    async with serving(database, tmp_path) as server:
        await until(partial(has_settled, database, 1), seconds=5)
        await report(server, "one", 20)
        assert await until(partial(has_settled, database, 2), seconds=1) < 1
        assert await shop.universal() == 24_000_000
        stop(server)
        assert "Application shutdown complete" in server.log
        assert "rror" not in server.log
    await assert_books_hold(database)


async def test_without_a_worker_the_command_does_its_round(sqlite_database: Database, tmp_path: Path) -> None:
    shop = await recharging(sqlite_database, build_processors(make_settings(), sqlite_database))
    async with serving(sqlite_database, tmp_path, FAREBOX_WORKER="false") as server:
        await report(server, "one", 6)
        await asyncio.sleep(1)
        assert await states(sqlite_database) == ["PENDING"]
        done = server.farebox("settle")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["0", "offices", "renewed"],
        ["0", "auto-recharges", "judged"],
        ["1", "top-ups", "taken", "up"],
        ["0", "refunds", "taken", "up"],
        ["1", "offices", "watched", "for", "alerts"],
        ["0", "webhook", "deliveries", "tried"],
    ]
    assert await shop.told() == ["SETTLED 20"]
    await assert_books_hold(sqlite_database)


# ---------- a worker in this process ----------


async def test_it_is_woken_by_the_transaction_that_leaves_it_something(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for the next look: here that would take a minute."""
    monkeypatch.setattr(worker_module, "LOOK_SECONDS", 60.0)
    shop = await recharging(database)
    worker = Worker(database, shop.world.begin, shop.processors, shop.deliveries)
    shop.world.begin.on_intent = worker.wake

    async with worker.working():
        await asyncio.sleep(0.2)
        shop.world.now = utc_now()
        await shop.spend(6)
        await until(partial(has_settled, database, 1), seconds=2)


def test_judging_alerts_leaves_payers_most_of_the_time(sqlite_database: Database) -> None:
    """It takes the lock of office after office, and SQLite has one writer for all of them."""
    shop = Recharging(World(sqlite_database))
    of_name = {job.name: job for job in worker_module.jobs(shop.world.begin, shop.processors, shop.deliveries)}
    assert [of_name["watch"].rest_after(seconds) for seconds in (0, 0.5, 2, 60)] == [0, 2, 8, 30]
    assert [of_name["renew"].rest_after(60), of_name["settle"].rest_after(60)] == [60, 0]


async def test_a_renewal_that_is_due_when_a_server_starts_is_done(database: Database) -> None:
    shop = Recharging(World(database, now=utc_now() - timedelta(days=100)))
    plan = replace(with_credits("10"), opened_on=shop.world.now.date())
    await shop.open(plan, deed=None)

    async def is_renewed() -> bool:
        return (await database.rows(select(OFFICE.c.renew_due_at)))[0].renew_due_at > utc_now()

    assert not await is_renewed()
    async with Worker(database, shop.world.begin, shop.processors, shop.deliveries).working():
        await until(is_renewed, seconds=5)
    await assert_books_hold(database)


async def test_a_job_that_fails_is_logged_without_values_and_does_not_stop_the_others(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    shop = await recharging(database)
    broken = 0

    class Broken(Begin):
        async def due_recharges(self, now: object) -> list[object]:  # type: ignore[override]
            nonlocal broken
            broken += 1
            raise RuntimeError("out of order")

    await shop.spend(6)
    await shop.save_card()  # leaves something to be judged

    async def is_done() -> bool:
        return await has_settled(database, 1) and broken > 0

    with caplog.at_level(logging.ERROR):
        async with Worker(database, Broken(database), shop.processors, shop.deliveries).working():
            await until(is_done, seconds=5)
            await asyncio.sleep(0.5)
    messages = [record.getMessage() for record in caplog.records]
    assert 1 <= broken <= 3, "the pauses between its failures grow"
    assert len(messages) == broken
    assert all(message.endswith("worker, job judge") for message in messages), messages
    assert len({message.split()[1] for message in messages}) == broken, "each has a number of its own"


async def test_a_processor_that_hangs_keeps_neither_the_others_waiting_nor_the_server_from_stopping(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "STOP_SECONDS", 0.3)

    class Hanging(ScriptedProcessor):
        hangs_for: object = None

        async def prepare(self, order: object) -> str:  # type: ignore[override]
            if order.top_up_id == self.hangs_for:  # type: ignore[attr-defined]
                await asyncio.sleep(60)
            return await super().prepare(order)  # type: ignore[arg-type]

    shop = await recharging(database)
    annex = replace(with_credits("10", "annex"), opened_on=shop.world.now.date())
    hq = replace(with_credits("10"), opened_on=(shop.world.now - timedelta(days=2)).date())
    await shop.world.apply(hq, annex)
    await shop.save_card("annex")
    await shop.configure(slug="annex")
    hanging = Hanging()
    await shop.spend(6)
    [first] = await shop.recharges()
    hanging.hangs_for = first.id
    worker = Worker(database, shop.world.begin, Processors(hanging), shop.deliveries)

    async def is_taken_up() -> bool:
        return (await shop.now_is(first)).attempt_count == 1

    async with worker.working():
        await until(is_taken_up, seconds=2)
        await shop.spend(6, slug="annex")
        await until(partial(has_settled, database, 1), seconds=2)
        begun = time.monotonic()
    assert time.monotonic() - begun < 2
    assert (await shop.now_is(first)).state == "PENDING"


async def test_a_database_that_is_gone_is_waited_for(
    sqlite_database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await recharging(sqlite_database)
    await shop.spend(6)
    is_gone = True
    real = worker_module.find_due_work

    async def find(database: Database, now: object) -> object:
        if is_gone:
            raise ConnectionRefusedError
        return await real(database, now)  # type: ignore[arg-type]

    monkeypatch.setattr(worker_module, "find_due_work", find)

    async with Worker(sqlite_database, shop.world.begin, shop.processors, shop.deliveries).working():
        await asyncio.sleep(1.2)
        assert await states(sqlite_database) == ["PENDING"]
        is_gone = False
        await until(partial(has_settled, sqlite_database, 1), seconds=6)
    assert [record.getMessage() for record in caplog.records if record.name == "api.worker"] == [
        "The worker cannot read the database and tries again: ConnectionRefusedError"
    ]


async def test_an_idle_worker_reads_once_a_look_and_locks_nothing(sqlite_database: Database) -> None:
    shop = await recharging(sqlite_database)
    await watch_due(shop.world.begin, None, utc_now())
    statements: list[str] = []
    sqlite_database.watch_statements(lambda _use, text, _seconds: statements.append(text))
    taken: list[object] = []
    event.listen(sqlite_database._writer.sync_engine, "checkout", lambda *given: taken.append(given))
    path = str(sqlite_database.url.database)
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        async with Worker(sqlite_database, shop.world.begin, shop.processors, shop.deliveries).working():
            await asyncio.sleep(1.6)
        other.execute("ROLLBACK")
    looks = [statement for statement in statements if "EXISTS" in statement]
    assert 2 <= len(looks) <= 5
    others = [statement for statement in statements if "EXISTS" not in statement]
    assert len(others) == 1, "the first look for renewals; the next comes a minute later"
    assert "renew_due_at" in others[0]
    assert not taken, "the one connection that locks"


async def test_looking_for_work_uses_the_indexes_that_hold_only_what_waits(database: Database) -> None:
    found: list[str] = []
    event.listen(
        database._readers.sync_engine, "before_cursor_execute", lambda *given: found.append(str(given[2])), named=False
    )
    await worker_module.find_due_work(database, utc_now())
    [statement] = [text for text in found if "EXISTS" in text]
    if not database.is_sqlite:
        return
    with sqlite3.connect(str(database.url.database)) as connection:
        plan = " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", (0,) * 5))
    for index in (
        *("ix_top_up_due", "ix_refund_due", "ix_auto_recharge_judge"),
        *("ix_office_watch_due", "ix_webhook_delivery_due"),
    ):
        assert index in plan
