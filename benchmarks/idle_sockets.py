"""`python -m benchmarks.idle_sockets [SOCKETS] [--one-caller] [--bare]`: sockets that wait, on a server of its own.

Each is a caller of his own, unless told otherwise, and follows the wallets of an office, unless they are bare. Told are
the server's memory for each, how busy it is while nothing happens, how long another request takes meanwhile, and how
soon all of them hear of a charge. Not part of `make bench`: it takes a minute.
"""

import argparse
import asyncio
import base64
import json
import os
import statistics
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2

from api.clock import utc_now
from benchmarks.memory import memory
from domain.access import Role
from persistence.database import Database
from persistence.migrate import migrate
from schema.ids import IdKind, encode
from tests.fire.server import Server, token
from tests.world import World, office

SOCKETS = 3_000
WATCH_SECONDS = 20.0
AT_ONCE = 50
"""Handshakes; more of one address than the server lets in uninitialised would be turned away."""
WALLETS = "subscription ($office: ID!) { walletChanged(officeId: $office) { kind spent { amount } } }"
RECORD = "mutation ($input: RecordUsageInput!) { recordUsage(input: $input) { chargedCount userErrors { code } } }"
PROBES = 200


async def main() -> None:
    asked = _asked()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{folder}/farebox.db"
        office_id = await _company(url)
        server = Server(url, Path(folder))
        try:
            await server.start(env={"FAREBOX_MAX_SOCKETS": str(asked.sockets), "FAREBOX_LOG_LEVEL": "warning"})
            await measure(server, office_id, asked)
        finally:
            server.kill()


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("sockets", type=int, nargs="?", default=SOCKETS)
    parser.add_argument("--one-caller", action="store_true", help="all sockets are the same caller's")
    parser.add_argument("--bare", action="store_true", help="no operation runs on them")
    return parser.parse_args()


async def measure(server: Server, office_id: str, asked: argparse.Namespace) -> None:
    await _record(server, "warm-up")
    before, peers = _memory_kb(server), []
    begun, turns = time.monotonic(), asyncio.Semaphore(AT_ONCE)
    subjects = ["u-0" if asked.one_caller else f"u-{number}" for number in range(asked.sockets)]
    peers = await asyncio.gather(*(_open(server, subject, office_id, turns, asked) for subject in subjects))
    opened = time.monotonic() - begun
    await asyncio.sleep(2)
    after, cpu = _memory_kb(server), _cpu_seconds(server)
    watched = time.monotonic()
    await asyncio.sleep(WATCH_SECONDS)
    busy = (_cpu_seconds(server) - cpu) / (time.monotonic() - watched)
    waits = await _probe(server)
    print(f"{len(peers)} sockets, opened in {opened:.1f} s ({len(peers) / opened:,.0f}/s)")
    whole = f"{before / 1024:.0f} MB before, {after / 1024:.0f} MB after"
    print(f"memory: {(after - before) / len(peers):.1f} kB a socket ({whole})")
    print(f"busy: {busy:.1%} of a core while nothing happens, over {WATCH_SECONDS:.0f} s")
    print(
        f"another request: {statistics.median(waits) * 1000:.1f} ms, one in a hundred {sorted(waits)[-2] * 1000:.0f} ms"
    )
    if not asked.bare:
        print(f"a charge is heard of by all of them within {await _told(server, peers):.2f} s")
    await asyncio.gather(*(peer.close() for peer in peers))


class Peer:
    """The least that is a client: it answers pings and counts what it hears."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.heard = 0
        self.is_welcome = False
        self._inflate = zlib.decompressobj(-15)
        """Browsers offer compression; a server may take it."""
        self.listening = asyncio.create_task(self._listen())

    def say(self, message: Any) -> None:
        self._send(1, json.dumps(message).encode())

    def _send(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        head = (
            bytes([0x80 | opcode, 0x80 | size])
            if size < 126
            else bytes([0x80 | opcode, 0xFE]) + size.to_bytes(2, "big")
        )
        self._writer.write(head + bytes(4) + payload)  # a mask of zeros leaves it as it is

    async def _listen(self) -> None:
        while True:
            opcode, size = await self._reader.readexactly(2)
            if size >= 126:
                size = int.from_bytes(await self._reader.readexactly(2 if size == 126 else 8), "big")
            payload = await self._reader.readexactly(size)
            match opcode & 0x0F:
                case 9:
                    self._send(10, payload)
                case 8:
                    raise ConnectionError(payload[2:].decode())
                case 1 if opcode & 0x40:
                    text = self._inflate.decompress(payload + b"\x00\x00\xff\xff")
                    self._hear(json.loads(text))
                case 1:
                    self._hear(json.loads(payload))

    def _hear(self, message: Any) -> None:
        match message["type"]:
            case "connection_ack":
                self.is_welcome = True
            case "ping":
                self.say({"type": "pong"})
            case "next":
                assert "errors" not in message["payload"], message
                self.heard += 1
            case kind:
                raise AssertionError(f"{kind}: {message}")

    async def until(self, is_true: Callable[[], bool]) -> None:
        while not is_true():
            if self.listening.done():
                self.listening.result()
            await asyncio.sleep(0.01)

    async def close(self) -> None:
        self.listening.cancel()
        self._writer.close()
        await asyncio.gather(self.listening, return_exceptions=True)


async def _open(
    server: Server, subject: str, office_id: str, turns: asyncio.Semaphore, asked: argparse.Namespace
) -> Peer:
    async with turns:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
            "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        peer = Peer(reader, writer)
        peer.say({"type": "connection_init", "payload": _headers(Role.COMPANY_ADMIN, subject)})
        await peer.until(lambda: peer.is_welcome)
        if not asked.bare:
            peer.say(
                {"id": "1", "type": "subscribe", "payload": {"query": WALLETS, "variables": {"office": office_id}}}
            )
            await peer.until(lambda: peer.heard > 0)
        return peer


async def _told(server: Server, peers: list[Peer]) -> float:
    heard = [peer.heard for peer in peers]
    begun = time.monotonic()
    await _record(server, "one")
    for peer, before in zip(peers, heard, strict=True):
        await peer.until(lambda peer=peer, before=before: peer.heard > before)  # type: ignore[misc]
    return time.monotonic() - begun


async def _probe(server: Server) -> list[float]:
    waits = []
    async with httpx2.AsyncClient(base_url=server.address, headers=_headers(Role.COMPANY_ADMIN), timeout=30) as client:
        for _ in range(PROBES):
            begun = time.perf_counter()
            (await client.post("/graphql", json={"query": "{ viewer { id } }"})).raise_for_status()
            waits.append(time.perf_counter() - begun)
            await asyncio.sleep(0.02)
    return waits


async def _record(server: Server, event_id: str) -> None:
    usage = {"direction": "OUTBOUND", "from": "+14155550100", "to": "+12125550123", "durationSeconds": 3_600}
    event = {"eventId": event_id, "occurredAt": utc_now().isoformat(), "usage": {"call": usage}}
    given = {"input": {"office": {"slug": "hq"}, "events": [event]}}
    async with httpx2.AsyncClient(base_url=server.address, headers=_headers(Role.PARTNER), timeout=30) as client:
        answer = (await client.post("/graphql", json={"query": RECORD, "variables": given})).json()
    assert answer["data"]["recordUsage"] == {"chargedCount": 1, "userErrors": []}, answer


def _headers(role: Role, subject: str = "probe") -> dict[str, str]:
    return {"Authorization": f"Bearer {token('acme', role, subject=subject)}"}


async def _company(url: str) -> str:
    database = Database(url)
    await migrate(database)
    world = World(database, now=utc_now())
    await world.set_up(office())
    office_id = encode(IdKind.OFFICE, await world.office_id())
    await database.close()
    return office_id


def _memory_kb(server: Server) -> int:
    return memory(server.pid, "VmRSS") // 1024


def _cpu_seconds(server: Server) -> float:
    fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    asyncio.run(main())
