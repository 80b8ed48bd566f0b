"""What surrounds a server breaks under it: a clear error, nothing half-written, and it goes on when it is mended.

Every story ends with the clients' journal, the processor's memory and `farebox verify` telling the same.
"""

import asyncio
import os
import resource
import shutil
import socket
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from api.clock import utc_now
from domain.access import Role
from domain.payments import ProcessorKind
from persistence.tables.company import COMPANY
from tests.conftest import FreshDatabases
from tests.fire.company import Pays
from tests.fire.judge import contradictions, until_at_rest
from tests.fire.kills import Fire
from tests.fire.load import CREDITS
from tests.fire.operations import PURCHASE, QUOTE, RECORD
from tests.fire.outages import (
    Stoppable,
    asked,
    cut_connections,
    fill,
    kindled,
    office_that,
    recorded,
    small_disk,
    status_of,
    under_load,
    usage_of,
)
from tests.fire.server import token
from tests.proof import assert_books_hold
from tests.scripted_processor import ScriptedProcessor
from tests.shop import Shop
from tests.world import World

IMPATIENT = (sys.executable, "-m", "tests.fire.serve_impatiently")
SOON_SECONDS = 5
"""Within that anybody is told that it cannot be done now; on a quiet machine it takes milliseconds."""
UNAVAILABLE = "SERVICE_UNAVAILABLE"


async def purchase_of(fire: Fire, pays: Pays, key: str) -> dict[str, Any]:
    credits, office_id = {"amount": CREDITS, "currencyCode": "USD"}, office_that(fire, pays).id
    quote = (await asked(fire, QUOTE, Role.COMPANY_ADMIN, officeId=office_id, credits=credits)).payload
    return {"idempotencyKey": key, "officeId": office_id, "credits": credits, "expectedTotal": quote["total"]}


async def is_refused_now(fire: Fire, usage: dict[str, Any], purchase: dict[str, Any]) -> None:
    for operation, given in ((RECORD, usage), (PURCHASE, purchase)):
        answer = await asked(fire, operation, Role.OPERATOR if operation is RECORD else Role.COMPANY_ADMIN, **given)
        assert answer.code == UNAVAILABLE, answer
        assert answer.seconds < SOON_SECONDS


async def is_done_once(fire: Fire, usage: dict[str, Any], purchase: dict[str, Any]) -> None:
    """The same requests succeed, and sent once more they change nothing."""
    assert set(await recorded(fire, usage)) == {"CHARGED"}
    assert set(await recorded(fire, usage)) == {"REPLAYED"}
    states = set()
    for is_replayed in (False, True):
        bought = (await asked(fire, PURCHASE, Role.COMPANY_ADMIN, **purchase)).payload
        assert bought["isReplayed"] is is_replayed
        states.add(fire.journal.keep_purchase(purchase["idempotencyKey"], bought["topUp"]))
    assert states == {"SETTLED"}


async def goes_on(fire: Fire) -> None:
    await until_at_rest(fire.database, own_seconds=1)
    assert await contradictions(fire.database, fire.journal) == []
    await assert_books_hold(fire.database)


async def test_a_full_disk_under_sqlite(sqlite_template: Path, tmp_path: Path) -> None:
    with small_disk() as disk:
        shutil.copy(sqlite_template, disk / "farebox.db")
        async with kindled(f"sqlite+aiosqlite:///{disk / 'farebox.db'}", tmp_path) as fire:
            usage, purchase = usage_of(fire, "u", events=200), await purchase_of(fire, Pays.GOOD, "p")
            ballast = fill(disk)
            await is_refused_now(fire, usage, purchase)
            assert await status_of(fire, "/healthz") == 200
            assert (await asked(fire, QUOTE, Role.COMPANY_ADMIN, **_quote(fire))).code is None, "reading goes on"
            ballast.unlink()
            await is_done_once(fire, usage, purchase)
            async with under_load(fire):
                ballast = fill(disk)
                await asyncio.sleep(0.7)
                ballast.unlink()
                await asyncio.sleep(0.3)
            await goes_on(fire)


def _quote(fire: Fire) -> dict[str, Any]:
    return {"officeId": office_that(fire, Pays.GOOD).id, "credits": {"amount": CREDITS, "currencyCode": "USD"}}


async def test_a_file_that_may_not_grow(fresh_databases: FreshDatabases, tmp_path: Path) -> None:
    """A quota is told in another way than a full disk; this one needs no rights."""
    url = await fresh_databases.url("sqlite")
    async with kindled(url, tmp_path) as fire:
        usage, purchase = usage_of(fire, "u", events=200), await purchase_of(fire, Pays.GOOD, "p")
        assert fire.server._process is not None
        pid, written = fire.server._process.pid, os.stat(f"{make_url(url).database}-wal").st_size
        limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (written, limits[1]))
        await is_refused_now(fire, usage, purchase)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
        await is_done_once(fire, usage, purchase)
        await goes_on(fire)


@asynccontextmanager
async def on_a_disk(postgresql_url: str, disk: Path) -> AsyncIterator[str]:
    """A database of its own whose tables lie there."""
    server, name = make_url(postgresql_url), f"disk_{disk.name[-8:]}"
    owner = os.stat(str(server.query["host"]))
    (disk / "tables").mkdir()
    for folder in (disk, disk / "tables"):
        os.chown(folder, owner.st_uid, owner.st_gid)
    engine = create_async_engine(server.set(database="postgres"), isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            await connection.execute(text(f"CREATE TABLESPACE {name} LOCATION '{disk / 'tables'}'"))
            create = f"CREATE DATABASE {name} TEMPLATE {server.database} TABLESPACE {name}"
            await connection.execute(text(create))
            try:
                yield server.set(database=name).render_as_string(hide_password=False)
            finally:
                (disk / "ballast").unlink(missing_ok=True)
                await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
                await connection.execute(text(f"DROP TABLESPACE {name}"))
    finally:
        await engine.dispose()


async def test_a_full_disk_under_postgresql(postgresql_url: str, tmp_path: Path) -> None:
    with small_disk() as disk:
        async with on_a_disk(postgresql_url, disk) as url, kindled(url, tmp_path) as fire:
            usage, purchase = usage_of(fire, "u", events=900), await purchase_of(fire, Pays.GOOD, "p")
            ballast = fill(disk)
            answer = await asked(fire, RECORD, **usage)
            assert answer.code == UNAVAILABLE, answer
            assert await status_of(fire, "/readyz") == 200
            ballast.unlink()
            await is_done_once(fire, usage, purchase)
            async with under_load(fire):
                ballast = fill(disk)
                await asyncio.sleep(0.7)
                ballast.unlink()
            await goes_on(fire)


async def test_a_database_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    async with Stoppable.running() as postgres, kindled(postgres.url, tmp_path) as fire:
        assert isinstance(postgres, Stoppable)
        usage, purchase = usage_of(fire, "u"), await purchase_of(fire, Pays.GOOD, "p")
        asking = await asked(fire, PURCHASE, Role.COMPANY_ADMIN, **await purchase_of(fire, Pays.ASKS, "asks"))
        page = asking.payload["topUp"]["nextAction"]["redirectUrl"]
        assert await status_of(fire, page) == 200
        async with under_load(fire):
            await asyncio.sleep(0.5)
            await postgres.stop()
            assert await status_of(fire, page) == 503
            await is_refused_now(fire, usage, purchase)
            assert await status_of(fire, "/readyz") == 503
            assert await status_of(fire, "/healthz") == 200
            await asyncio.sleep(1)
            await postgres.start()
        assert await status_of(fire, "/readyz") == 200
        await is_done_once(fire, usage, purchase)
        assert fire.server.log.count("The worker cannot read the database") == 1
        await goes_on(fire)


async def test_connections_that_are_cut_in_the_middle(
    fresh_databases: FreshDatabases, postgresql_url: str, tmp_path: Path
) -> None:
    url = await fresh_databases.url("postgresql")
    async with kindled(url, tmp_path) as fire:
        count = 0
        async with under_load(fire):
            end = time.monotonic() + 2
            while time.monotonic() < end:
                count += await cut_connections(url, share=0.3)
                await asyncio.sleep(0.1)
        faults = fire.admin.counts["server faults"] + fire.partner.counts["server faults"]
        print(f"{count} connections cut, {faults} requests failed and were sent again")
        assert count > 10
        await goes_on(fire)


async def test_a_file_locked_by_another_process(fresh_databases: FreshDatabases, tmp_path: Path) -> None:
    url = await fresh_databases.url("sqlite")
    async with kindled(url, tmp_path, *IMPATIENT, env={"FIRE_BUSY_MILLISECONDS": "100"}) as fire:
        usage, purchase = usage_of(fire, "u"), await purchase_of(fire, Pays.GOOD, "p")
        other = sqlite3.connect(str(make_url(url).database), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        refused = asyncio.create_task(is_refused_now(fire, usage, purchase))
        assert (await asked(fire, QUOTE, Role.COMPANY_ADMIN, **_quote(fire))).code is None, "reading goes on"
        assert await status_of(fire, "/readyz") == 200
        await refused
        other.execute("ROLLBACK")
        other.close()
        await is_done_once(fire, usage, purchase)
        await goes_on(fire)


class AtStripe(ScriptedProcessor):
    kind = ProcessorKind.STRIPE


async def test_a_card_processor_that_never_answers(fresh_databases: FreshDatabases, tmp_path: Path) -> None:
    """It takes connections and says nothing. Nobody else waits for it."""
    url = await fresh_databases.url("sqlite")
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        env = {
            "FAREBOX_PAYMENTS": "stripe",
            "FAREBOX_STRIPE_API_KEY": "sk_test_silent",
            "FAREBOX_STRIPE_API_BASE": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "FIRE_STRIPE_SECONDS": "4",
        }
        async with kindled(url, tmp_path, *IMPATIENT, cards=False, env=env) as fire:
            world = World(fire.database, slug="fire")
            await _save_stripe_card(world, "good-0")
            purchases = [await purchase_of(fire, Pays.GOOD, f"p{at}") for at in range(6)]
            buying = asyncio.gather(*(asked(fire, PURCHASE, Role.COMPANY_ADMIN, **each) for each in purchases))
            await asyncio.sleep(0.2)
            for at in range(5):
                assert await recorded(fire, usage_of(fire, f"u{at}")) == ["CHARGED"]
            assert not buying.done(), "five reports were answered while the purchases waited"
            answers = await buying
            for answer in answers:
                top_up = answer.payload["topUp"]
                assert (top_up["state"], top_up["reason"]) == ("FAILED", "PROCESSOR_UNAVAILABLE")
                assert 4 <= answer.seconds < 4 + SOON_SECONDS
            await goes_on(fire)


async def _save_stripe_card(world: World, slug: str) -> None:
    [company] = await world.database.rows(COMPANY.select().where(COMPANY.c.slug == world.slug))
    world.company_id = company.company_id
    world.now = utc_now()
    await Shop(world, AtStripe()).save_card(slug, expires_month=world.now.year * 100 + 112)


async def test_clients_that_vanish(fresh_databases: FreshDatabases, tmp_path: Path) -> None:
    """In the middle of sending, and before the answer: their usage is charged once, or not at all until sent again."""
    url = await fresh_databases.url("sqlite")
    async with kindled(url, tmp_path) as fire:
        usages = [usage_of(fire, f"u{at}", events=5) for at in range(24)]
        for at, usage in enumerate(usages):
            await _vanish(fire, usage, is_heard=at % 3 > 0, pause=0.01 * (at % 5))
        outcomes = [outcome for usage in usages for outcome in await recorded(fire, usage)]
        assert set(outcomes) <= {"CHARGED", "REPLAYED"}
        assert outcomes.count("CHARGED") >= 8 * 5, "a third was never sent whole"
        assert outcomes.count("REPLAYED") > 0
        await goes_on(fire)


async def _vanish(fire: Fire, usage: dict[str, Any], *, is_heard: bool, pause: float) -> None:
    body = orjson.dumps({"query": RECORD, "variables": {"input": usage}})
    head = (
        "POST /graphql HTTP/1.1\r\nHost: farebox\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token('fire', Role.PARTNER)}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    _reader, writer = await asyncio.open_connection("127.0.0.1", fire.server.port)
    writer.write(head.encode() + (body if is_heard else body[: len(body) // 2]))
    await writer.drain()
    await asyncio.sleep(pause)
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()
