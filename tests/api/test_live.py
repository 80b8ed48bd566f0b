"""The whole of it: `farebox serve` on a real database, told of what is charged, until it is told to stop."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest

from api.clock import utc_now
from domain.access import Role
from persistence.database import Database
from persistence.tables.charging import CHARGE
from schema.ids import IdKind, encode
from tests.api.live import Socket, welcomed
from tests.api.test_event_stream import Stream, streaming
from tests.conftest import FreshDatabases
from tests.fire.server import Server, token
from tests.proof import assert_books_hold
from tests.world import World, commitment, office

WALLETS = "subscription ($office: ID!) { walletChanged(officeId: $office) { kind spent { amount } } }"
RECORD = "mutation ($input: RecordUsageInput!) { recordUsage(input: $input) { chargedCount userErrors { code } } }"
NEW_KEY = """mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret apiKey { id } } }"""
REVOKE = "mutation ($id: ID!) { revokeApiKey(input: {id: $id}) { userErrors { code } } }"
STOP_SECONDS = 5.0


@pytest.fixture
async def postgresql_database(fresh_databases: FreshDatabases) -> AsyncIterator[Database]:
    database = Database(await fresh_databases.url("postgresql"))
    yield database
    await database.close()


@asynccontextmanager
async def acme(
    database: Database, folder: Path, *, workers: int = 1, env: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[Server, str]]:
    """A server, and the id of an office with 10.00 for calls."""
    world = World(database, now=utc_now())
    opened_on = (world.now - timedelta(days=2)).date()
    await world.set_up(replace(office(commitments=(commitment("10"),)), opened_on=opened_on))
    server = Server(database.url.render_as_string(hide_password=False), folder, workers=workers)
    try:
        await server.start(env=env)
        yield server, encode(IdKind.OFFICE, await world.office_id())
    finally:
        server.kill()
    await assert_books_hold(database)


def authorization(role: Role = Role.COMPANY_ADMIN) -> str:
    return f"Bearer {token('acme', role)}"


def call_for_an_hour(server: Server, event_id: str) -> None:
    """1.20, as `{event_id}` of the source that the token names."""
    usage = {"direction": "OUTBOUND", "from": "+14155550100", "to": "+12125550123", "durationSeconds": 3_600}
    events = [{"eventId": event_id, "occurredAt": utc_now().isoformat(), "usage": {"call": usage}}]
    given = {"input": {"office": {"slug": "hq"}, "events": events}}
    body = {"query": RECORD, "variables": given}
    headers = {"Authorization": authorization(Role.PARTNER)}
    answer = httpx2.post(f"{server.address}/graphql", json=body, headers=headers, timeout=10).json()
    assert answer["data"]["recordUsage"] == {"chargedCount": 1, "userErrors": []}, answer


def spent(source: Socket | Stream) -> str:
    """Of the wallet for calls, which is told of among others."""
    while True:
        answer = source.answer() if isinstance(source, Stream) else source.hear()["payload"]
        assert "errors" not in answer, answer
        wallet = answer["data"]["walletChanged"]
        if wallet["kind"] == "CALLING":
            amount: str = wallet["spent"]["amount"]
            return amount


async def stop(server: Server) -> float:
    """As a service manager does it: seconds until it has ended."""
    process = server._process
    assert process is not None
    begun = time.monotonic()
    process.terminate()
    await server.has_died(STOP_SECONDS)
    return time.monotonic() - begun


def assert_nothing_went_wrong(server: Server) -> None:
    assert "Application shutdown complete" in server.log
    for sign in ("rror", "Traceback", "exceeded"):
        assert sign not in server.log, server.log[-3_000:]


async def test_a_wallet_is_seen_to_move_until_the_server_stops(database: Database, tmp_path: Path) -> None:
    async with acme(database, tmp_path) as (server, office_id):
        variables = {"office": office_id}
        with ExitStack() as stack:
            socket = stack.enter_context(welcomed(server.address, authorization()))
            asked = {"query": WALLETS, "variables": variables}
            stream: Stream = stack.enter_context(streaming(server.address, asked, authorization()))
            socket.subscribe(WALLETS, variables=variables)
            assert (spent(socket), spent(stream)) == ("0.000000", "0.000000")

            call_for_an_hour(server, "one")
            begun = time.monotonic()
            assert (spent(socket), spent(stream)) == ("1.200000", "1.200000")
            assert time.monotonic() - begun < 3

            seconds = await stop(server)
            assert socket.end() == (1001, "The server stops.")
            assert stream.part() == ["(end)"]  # without `complete`: come again
        assert seconds < STOP_SECONDS
        assert_nothing_went_wrong(server)


async def test_every_process_tells_of_every_charge_and_stops(postgresql_database: Database, tmp_path: Path) -> None:
    async with acme(postgresql_database, tmp_path, workers=2) as (server, office_id):
        with ExitStack() as stack:
            sockets = [stack.enter_context(welcomed(server.address, authorization())) for _ in range(6)]
            for socket in sockets:
                socket.subscribe(WALLETS, variables={"office": office_id})
                assert spent(socket) == "0.000000"
            call_for_an_hour(server, "one")
            begun = time.monotonic()
            assert [spent(socket) for socket in sockets] == ["1.200000"] * 6
            assert time.monotonic() - begun < 3
            await stop(server)
            assert [socket.end()[0] for socket in sockets] == [1001] * 6
        assert_nothing_went_wrong(server)


async def test_who_hangs_up_in_the_middle_of_anything_leaves_nothing_behind(database: Database, tmp_path: Path) -> None:
    """The connections to the database are few: were one lost each time, there would soon be none."""
    usage = "{ usageHistory(first: 100) { totalCount nodes { id cost { amount } } } }"
    async with acme(database, tmp_path) as (server, office_id):
        call_for_an_hour(server, "one")
        for turn in range(25):
            with welcomed(server.address, authorization()) as socket:
                for number in range(4):
                    socket.subscribe(WALLETS, f"wallets-{number}", variables={"office": office_id})
                    socket.subscribe(usage, f"usage-{number}")
                await asyncio.sleep(turn % 8 / 500)
                socket.complete("usage-0")
                socket.complete("wallets-0")
                socket.hang_up()
        begun = time.monotonic()
        with welcomed(server.address, authorization()) as socket:
            for _ in range(20):
                assert socket.ask("{ usageHistory { totalCount } }") == {"data": {"usageHistory": {"totalCount": 1}}}
        assert time.monotonic() - begun < 5
        await stop(server)
        assert_nothing_went_wrong(server)


async def test_a_mutation_runs_over_a_socket_and_is_seen_there(sqlite_database: Database, tmp_path: Path) -> None:
    async with acme(sqlite_database, tmp_path) as (server, office_id):
        with welcomed(server.address, authorization()) as watcher:
            watcher.subscribe(WALLETS, variables={"office": office_id})
            assert spent(watcher) == "0.000000"
            with welcomed(server.address, authorization(Role.PARTNER)) as partner:
                usage = {"direction": "OUTBOUND", "from": "+14155550100", "to": "+12125550123", "durationSeconds": 60}
                events = [{"eventId": "one", "occurredAt": utc_now().isoformat(), "usage": {"call": usage}}]
                answer = partner.ask(RECORD, variables={"input": {"office": {"slug": "hq"}, "events": events}})
                assert answer["data"]["recordUsage"]["chargedCount"] == 1, json.dumps(answer)
            assert spent(watcher) == "0.020000"


async def test_a_key_that_is_revoked_ends_its_socket(sqlite_database: Database, tmp_path: Path) -> None:
    async with acme(sqlite_database, tmp_path) as (server, office_id):
        with welcomed(server.address, authorization()) as admin:
            key = {"name": "pbx-1", "scopes": ["WALLETS_READ"]}
            made = admin.ask(NEW_KEY, variables={"input": key})["data"]["createApiKey"]
            with welcomed(server.address, f"Bearer {made['secret']}") as partner:
                partner.subscribe(WALLETS, variables={"office": office_id})
                assert spent(partner) == "0.000000"
                done = admin.ask(REVOKE, variables={"id": made["apiKey"]["id"]})
                assert done == {"data": {"revokeApiKey": {"userErrors": []}}}
                begun = time.monotonic()
                assert partner.end(10) == (4403, "Forbidden: This key was revoked.")
                assert time.monotonic() - begun < 7


async def test_with_a_key_that_was_revoked_nothing_is_charged_over_an_open_socket(
    sqlite_database: Database, tmp_path: Path
) -> None:
    async with acme(sqlite_database, tmp_path) as (server, _):
        with welcomed(server.address, authorization()) as admin:
            key = {"name": "pbx-1", "scopes": ["USAGE_WRITE"]}
            made = admin.ask(NEW_KEY, variables={"input": key})["data"]["createApiKey"]
            with welcomed(server.address, f"Bearer {made['secret']}") as partner:
                usage = {"direction": "OUTBOUND", "from": "+14155550100", "to": "+12125550123", "durationSeconds": 60}
                event = {"eventId": "one", "occurredAt": utc_now().isoformat(), "usage": {"call": usage}}
                given = {"input": {"office": {"slug": "hq"}, "events": [event]}}
                assert partner.ask(RECORD, variables=given)["data"]["recordUsage"]["chargedCount"] == 1
                admin.ask(REVOKE, variables={"id": made["apiKey"]["id"]})
                begun = time.monotonic()
                event["eventId"] = "two"
                partner.subscribe(RECORD, variables=given)
                assert partner.end(10) == (4403, "Forbidden: This key was revoked.")
                assert time.monotonic() - begun < 4
        assert [row.event_id for row in await sqlite_database.rows(CHARGE.select())] == ["one"]
