"""The receiver of twenty lines that the documents show, as a partner runs it, told by a real server."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2

from api.clock import utc_now
from domain.access import Role
from persistence.database import Database
from tests.fire.server import Server, free_port, token
from tests.world import World, office

EXAMPLE = Path(__file__).parents[2] / "examples" / "webhook_receiver.py"
CREATE = """mutation ($url: URL!) { createWebhookEndpoint(input: { url: $url, topics: [USAGE_REJECTED] }) {
  secret userErrors { message } } }"""
RECORD = """mutation ($input: RecordUsageInput!) { recordUsage(input: $input) { rejectedCount userErrors { code } } }"""


@contextmanager
def running(secret: str, port: int) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, str(EXAMPLE)],
        env={**os.environ, "FAREBOX_WEBHOOK_SECRET": secret, "PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=20)


async def ask(server: Server, role: Role, query: str, **variables: Any) -> Any:
    headers = {"Authorization": f"Bearer {token('acme', role)}"}
    async with httpx2.AsyncClient(base_url=server.address, headers=headers, timeout=20) as client:
        answer = (await client.post("/graphql", json={"query": query, "variables": variables})).json()
    [value] = answer["data"].values()
    assert value["userErrors"] == [], value
    return value


async def reject(server: Server, event_id: str) -> None:
    usage = {"direction": "OUTBOUND", "from": "+14155550100", "to": "+900123456789", "durationSeconds": 60}
    event = {"eventId": event_id, "occurredAt": utc_now().isoformat(), "usage": {"call": usage}}
    given = {"office": {"slug": "hq"}, "events": [event]}
    assert (await ask(server, Role.PARTNER, RECORD, input=given))["rejectedCount"] == 1


async def forged(port: int) -> bool:
    """Whether a message that nobody signed is taken. Waits until the receiver listens."""
    headers = {"webhook-id": "msg_1", "webhook-timestamp": f"{utc_now():%s}", "webhook-signature": "v1,YWJj"}
    async with httpx2.AsyncClient(timeout=5) as client:
        for _ in range(400):
            try:
                answer = await client.post(f"http://127.0.0.1:{port}/", content=b"{}", headers=headers)
            except httpx2.ConnectError:
                await asyncio.sleep(0.05)
            except httpx2.RemoteProtocolError:
                return False
            else:
                return answer.is_success
    raise AssertionError("the receiver does not listen")


async def test_twenty_lines_verify_what_a_real_server_tells(database: Database, tmp_path: Path) -> None:
    now = utc_now()
    await World(database, now=now).set_up(replace(office(), opened_on=(now - timedelta(days=2)).date()))
    server, port = Server(database.url.render_as_string(hide_password=False), tmp_path), free_port()
    try:
        await server.start(env={"FAREBOX_WEBHOOKS_ALLOW_PRIVATE": "true"})
        created = await ask(server, Role.COMPANY_ADMIN, CREATE, url=f"http://127.0.0.1:{port}/farebox")
        with running(created["secret"], port) as receiver:
            assert receiver.stdout is not None
            assert not await forged(port)
            await reject(server, "barred")
            async with asyncio.timeout(20):
                line = await asyncio.to_thread(receiver.stdout.readline)
        message_id, *told = line.split()
        assert told == ["usage.rejected", "hq"]
        assert message_id.startswith("msg_")
        assert created["secret"] not in server.log
    finally:
        server.kill()


def test_it_is_as_long_as_it_says() -> None:
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) <= 20
