"""Peers that send a byte now and then, heads and messages without end, and answers nobody reads: each of them ends."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from api import http_line
from api.http_line import MAX_HEAD_BYTES, MAX_HEADERS
from api.protocols import options
from tests.api.edge import make_settings, serve
from tests.api.live import bearer, live_app, sources, welcomed
from tests.api.test_slow_readers import is_held, raw, upgrade

REQUEST_SECONDS = 0.4
TAKE_SECONDS = 0.5
PATIENCE_SECONDS = 5.0
BIG_BYTES = 20_000_000
PART_BYTES = 50_000
POST = "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


async def _whole(_request: Request) -> Response:
    return Response(b"x" * BIG_BYTES)


async def _in_parts(_request: Request) -> Response:
    return StreamingResponse(b"x" * PART_BYTES for _ in range(BIG_BYTES // PART_BYTES))


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    settings = make_settings(request_seconds=REQUEST_SECONDS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http_line, "TAKE_SECONDS", TAKE_SECONDS)
        app = live_app(settings=settings, more_routes=[Route("/whole", _whole), Route("/parts", _in_parts)])
        with serve(app, **options(settings)) as address:
            yield address


def talk(address: str, first: str, drip: str = "", pause: float = 0.02) -> tuple[bytes, float]:
    """Says the first, and then the same again and again, until the server hangs up: what that said, and how late."""
    where, heard, begun = urlsplit(address), b"", time.monotonic()
    with socket.create_connection((where.hostname, where.port)) as peer:
        peer.sendall(first.encode())
        peer.settimeout(pause)
        while time.monotonic() - begun < PATIENCE_SECONDS:
            try:
                part = peer.recv(65_536)
                heard += part
                if not part:
                    break
            except TimeoutError:
                pass
            except ConnectionError:
                break
            try:
                peer.sendall(drip.encode())
            except ConnectionError:
                break
    return heard, time.monotonic() - begun


WHOLE = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
TOKEN = "Authorization: <bearer>\r\n"
CHUNKED = POST + TOKEN + "Transfer-Encoding: chunked\r\n\r\n"

SLOW = {
    "silence": ("", "", []),
    "blank lines": ("", "\r\n", [408]),
    "a first line": ("GET /", "y", [408]),
    "headers": (POST, "X-More: y\r\n", [408]),
    "a header": (POST + "X-More: ", "y", [408]),
    "half a handshake": ("GET /graphql HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n", "X: y\r\n", [408]),
    "a body": (POST + TOKEN + "Content-Length: 9000\r\n\r\n", " ", [408]),
    "a body of no caller": (POST + "Content-Length: 9000\r\n\r\n", " ", [401]),
    "chunks": (CHUNKED, "1\r\n \r\n", [408]),
    "a chunk's size": (CHUNKED, "0", [408]),
    "a chunk's extension": (CHUNKED + "1;", "a", [408]),
    "trailers": (CHUNKED + "1\r\n \r\n0\r\n", "X-More: y\r\n", [408]),
    "blank lines behind a request": (WHOLE, "\r\n", [200, 408]),
    "a second request": (WHOLE + POST, "X-More: y\r\n", [200, 408]),
}


@pytest.mark.parametrize("what", SLOW)
def test_what_trickles_in_ends_in_time(address: str, what: str) -> None:
    first, drip, statuses = SLOW[what]
    heard, seconds = talk(address, first.replace("<bearer>", bearer()), drip)
    assert seconds < REQUEST_SECONDS + 2
    found = [int(part[:3]) for part in heard.decode().split("HTTP/1.1 ")[1:]]
    assert found == statuses, heard


def test_the_last_word_is_one_that_a_client_can_parse(address: str) -> None:
    heard, _ = talk(address, POST, "X-More: y\r\n")
    head, _, body = heard.partition(b"\r\n\r\n")
    assert json.loads(body) == {
        "errors": [
            {"message": "A request must arrive within 0.4 seconds.", "extensions": {"code": "BAD_REQUEST"}},
        ]
    }
    for header in (b"nosniff", b"no-store", b"connection: close"):
        assert header in head.lower()
    assert b"\r\nserver:" not in head.lower()


LARGE = {
    "a header": POST + "X-More: " + "y" * MAX_HEAD_BYTES,
    "a whole header": POST + "X-More: " + "y" * MAX_HEAD_BYTES + "\r\n\r\n",
    "an address": "GET /" + "y" * MAX_HEAD_BYTES,
    "many headers": POST + "X: y\r\n" * MAX_HEADERS + "\r\n",
    "trailers": CHUNKED
    + "1\r\n \r\n0\r\n"
    + "X-More: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 2_000,
    "a trailer": CHUNKED + "1\r\n \r\n0\r\nX-More: " + "y" * 2 * MAX_HEAD_BYTES,
    "a handshake": upgrade().replace("\n", "\r\n")[:-2] + "X-More: " + "y" * 9_000 + "\r\n\r\n",
}


@pytest.mark.parametrize("what", LARGE)
def test_a_head_without_end_is_not_read_to_its_end(address: str, what: str) -> None:
    heard, seconds = talk(address, LARGE[what].replace("<bearer>", bearer()))
    assert heard.startswith(b"HTTP/1.1 431"), heard
    assert seconds < REQUEST_SECONDS


def test_too_much_of_what_is_no_request_is_refused_once(address: str, caplog: pytest.LogCaptureFixture) -> None:
    heard, _ = talk(address, "no request at all\r\n" * 4_000)
    assert heard.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431")), heard
    assert heard.count(b"HTTP/1.1") == 1
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_large_head_is_read(address: str) -> None:
    headers = {f"X-{number}": "y" * 300 for number in range(90)}
    assert httpx2.get(f"{address}/healthz", headers=headers).status_code == 200


def test_headers_behind_a_body_are_not_headers(address: str) -> None:
    body = '{"query": "{ hello }"}'
    chunk = f"{len(body):x}\r\n{body}\r\n0\r\nAuthorization: {bearer()}\r\n\r\n"
    heard, _ = talk(
        address, POST + "Connection: close\r\nTransfer-Encoding: chunked\r\nTrailer: Authorization\r\n\r\n" + chunk
    )
    assert heard.startswith(b"HTTP/1.1 401")


# ---------- on a socket ----------


def test_a_message_in_parts_has_to_end(address: str) -> None:
    with welcomed(address) as peer:
        begun = time.monotonic()
        with pytest.raises(ConnectionClosed):
            peer.connection.send(_drips())
        assert peer.end() == (4408, "A message must arrive within 0.4 seconds.")
        assert time.monotonic() - begun < REQUEST_SECONDS + 2


def _drips() -> Iterator[str]:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        yield " "
        time.sleep(0.05)


def test_a_message_has_so_many_parts(address: str) -> None:
    parts = Frame(Opcode.TEXT, b"", fin=False).serialize(mask=True)
    parts += Frame(Opcode.CONT, b"", fin=False).serialize(mask=True) * 1_000
    with welcomed(address) as peer:
        peer.connection.socket.sendall(parts)
        assert peer.end() == (1009, "A message has at most 1000 parts.")


def test_a_message_in_a_few_parts_is_heard(address: str) -> None:
    with welcomed(address) as peer:
        peer.connection.send(iter(['{"type"', ': "pi', 'ng"}']))
        assert peer.hear() == {"type": "pong"}
        time.sleep(REQUEST_SECONDS + 0.1)
        assert peer.ask("{ hello }")["data"]


def test_pings_whose_answers_nobody_reads_end(address: str) -> None:
    pings = Frame(Opcode.PING, b"x" * 125).serialize(mask=True) * 1_000
    with raw(address, upgrade()) as peer:
        peer.recv(1_000)
        with suppress(ConnectionError):
            for _ in range(400):
                peer.sendall(pings)
        sources.until(lambda _: not is_held(peer), seconds=2)


# ---------- what a peer takes ----------


@pytest.mark.parametrize("path", ["/whole", "/parts"])
def test_an_answer_that_nobody_takes_ends(address: str, path: str) -> None:
    with raw(address, f"GET {path} HTTP/1.1\nHost: x\n\n") as peer:
        assert peer.recv(8) == b"HTTP/1.1"
        sources.until(lambda _: not is_held(peer), seconds=TAKE_SECONDS + 3)


@pytest.mark.parametrize("path", ["/whole", "/parts"])
def test_an_answer_that_is_taken_slowly_is_taken_whole(address: str, path: str) -> None:
    taken, begun = 0, time.monotonic()
    with raw(address, f"GET {path} HTTP/1.1\nHost: x\n\n", 65_536) as peer:
        while taken < BIG_BYTES:
            part = peer.recv(262_144)
            assert part
            taken += len(part)
            if time.monotonic() - begun < 3 * TAKE_SECONDS:
                time.sleep(0.02)
