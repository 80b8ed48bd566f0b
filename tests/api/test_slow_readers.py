"""A peer who does not read is dropped; his source stops at once, and everybody else is served on."""

import gc
import json
import socket
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from os import urandom
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from websockets.frames import Frame, Opcode

import api.event_stream
import api.socket
from api.protocols import HttpLine, SocketLine
from tests.api.live import PROTOCOL, bearer, serving, sources, welcomed

CHARACTERS = 100_000
BULK = f"subscription {{ bulk(characters: {CHARACTERS}) }}"
MAX_IN_FLIGHT = 120
"""Events: what the kernel's buffers hold on a loopback, about 6 MB, and what one outbox holds."""
SEND_SECONDS = 1.0


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for module in (api.socket, api.event_stream):
        monkeypatch.setattr(module, "SEND_SECONDS", SEND_SECONDS)
    with serving() as address:
        yield address


@contextmanager
def raw(address: str, head: str, buffer_bytes: int = 4_096) -> Iterator[socket.socket]:
    """A connection with a small buffer, which reads only when it is told to."""
    where = urlsplit(address)
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        peer.settimeout(5)
        peer.connect((where.hostname, where.port))
        peer.sendall(head.replace("\n", "\r\n").encode())
        yield peer


def frame(message: Any) -> bytes:
    return Frame(Opcode.TEXT, json.dumps(message).encode()).serialize(mask=True)


def bulk_by_socket(peer: socket.socket) -> None:
    peer.recv(1_000)
    peer.sendall(frame({"type": "connection_init", "payload": {"Authorization": bearer()}}))
    peer.recv(100)
    peer.sendall(frame({"id": "1", "type": "subscribe", "payload": {"query": BULK}}))


def upgrade() -> str:
    key = b64encode(urandom(16)).decode()
    return (
        f"GET /graphql HTTP/1.1\nHost: x\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\n"
        f"Sec-WebSocket-Key: {key}\nSec-WebSocket-Protocol: {PROTOCOL}\n\n"
    )


def bulk_by_events() -> str:
    body = json.dumps({"query": BULK})
    return (
        f"POST /graphql HTTP/1.1\nHost: x\nAuthorization: {bearer()}\nAccept: text/event-stream\n"
        f"Content-Type: application/json\nContent-Length: {len(body)}\n\n{body}"
    )


def read_to_the_end(peer: socket.socket) -> bytes:
    parts = []
    while part := peer.recv(1_000_000):
        parts.append(part)
    return b"".join(parts)


def is_held(peer: socket.socket) -> bool:
    """Whether the server still keeps this connection, and what it could not send."""
    port = peer.getsockname()[1]
    lines = [line for line in gc.get_objects() if type(line) in (HttpLine, SocketLine)]
    return any(line in line.connections and line.client is not None and line.client[1] == port for line in lines)


def assert_it_is_dropped(peer: socket.socket) -> None:
    sources.until(lambda found: found.sent > 5)
    assert is_held(peer)
    sources.until(lambda found: found.closed == 1, seconds=10)
    sources.until(lambda _: not is_held(peer))
    assert sources.sent < MAX_IN_FLIGHT
    left = read_to_the_end(peer)
    assert 0 < len(left) < MAX_IN_FLIGHT * CHARACTERS
    assert not left.endswith(b"0\r\n\r\n")  # it is cut off, not ended


def test_a_socket_that_does_not_read_is_dropped(address: str) -> None:
    with raw(address, upgrade()) as peer, welcomed(address) as other:
        bulk_by_socket(peer)
        assert_it_is_dropped(peer)
        assert other.ask("{ hello }")["data"]


def test_a_stream_that_is_not_read_is_dropped(address: str) -> None:
    with raw(address, bulk_by_events()) as peer:
        assert_it_is_dropped(peer)
        headers = {"Authorization": bearer()}
        assert httpx2.post(f"{address}/graphql", json={"query": "{ hello }"}, headers=headers).status_code == 200


@pytest.mark.parametrize("way", ["socket", "stream"])
def test_who_reads_slowly_misses_nothing(address: str, way: str) -> None:
    """The source waits for him, and is not far ahead of him."""
    wanted, found = 200 * CHARACTERS, 0
    with raw(address, upgrade() if way == "socket" else bulk_by_events(), 65_536) as peer:
        if way == "socket":
            bulk_by_socket(peer)
        started = time.monotonic()
        while found < wanted:
            part = peer.recv(65_536)
            assert part
            found += len(part)
            assert sources.sent - found / CHARACTERS < MAX_IN_FLIGHT
            time.sleep(0.005)
        assert time.monotonic() - started > SEND_SECONDS / 2
        assert sources.closed == 0
    sources.until(lambda found: found.closed == 1)
