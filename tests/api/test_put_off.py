"""Who was told to come again later and does not wait: the same answer, as long as he asks the very same."""

import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx2
import pytest
from starlette.applications import Starlette

from api import put_off
from api.line import TURNED_AWAY
from api.put_off import MOST_BYTES, PutOff, asked_by
from tests.api.edge import make_app, make_settings, make_token, serve

LAYER = "{ layer { depth } }"
ORIGIN = "https://app.example"
QUICK_SECONDS = 0.3


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The statuses of those who were answered on their line."""
    monkeypatch.setattr(put_off, "MOST_SECONDS", QUICK_SECONDS)
    return []


@pytest.fixture
def address(quick: list[int]) -> Iterator[str]:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, Callable[[int], None]]]:
        yield {TURNED_AWAY: quick.append}

    settings = make_settings(throttle_points=1, throttle_restore=1, allowed_origins=ORIGIN)
    app = make_app(settings, lifespan=lifespan)
    with serve(app, lifespan="on") as address:
        yield address


def ask(client: httpx2.Client, query: str = LAYER, **headers: str) -> httpx2.Response:
    return client.post("/graphql", json={"query": query}, headers=headers)


@pytest.fixture
def client(address: str) -> Iterator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {make_token()}", "Accept": "application/graphql-response+json"}
    with httpx2.Client(base_url=address, headers=headers) as client:
        assert ask(client).status_code == 200
        yield client


def test_the_same_is_told_the_same_at_once(client: httpx2.Client, quick: list[int]) -> None:
    first, *others = [ask(client) for _ in range(4)]
    assert (first.status_code, first.json()["errors"][0]["extensions"]["code"]) == (429, "THROTTLED")
    assert first.headers["retry-after"] == "1"
    assert quick == [429] * 3
    for other in others:
        assert (other.status_code, other.content, other.headers) == (429, first.content, first.headers)


def test_until_it_is_too_old(client: httpx2.Client, quick: list[int]) -> None:
    assert [ask(client).status_code for _ in range(2)] == [429, 429]
    time.sleep(QUICK_SECONDS * 1.2)
    assert ask(client).status_code == 429
    assert quick == [429], "the last was looked at anew"


def test_whoever_else_or_whatever_else_is_looked_at(client: httpx2.Client, quick: list[int]) -> None:
    assert ask(client).status_code == 429
    another = f"Bearer {make_token(subject='u-2')}"
    assert ask(client, Authorization=another).status_code == 200
    assert ask(client, "mutation { recordUsage(events: []) }").json()["data"] == {"recordUsage": 0}
    assert ask(client, Authorization="Bearer nobody's").status_code == 401
    assert ask(client, LAYER + " ").status_code == 429
    assert ask(client, "{").status_code == 400
    assert client.get("/healthz").status_code == 200
    assert client.post("/graphql?x", json={"query": LAYER}).status_code == 429
    assert quick == []


def test_a_caller_is_answered_in_the_origin_he_asks_from(address: str, quick: list[int]) -> None:
    headers = {"Authorization": f"Bearer {make_token()}"}
    with httpx2.Client(base_url=address, headers=headers) as client:
        ask(client)
        answers = [ask(client, **given) for given in ({}, {"Origin": ORIGIN}) for _ in range(2)]
    assert quick == [429, 429]
    assert answers[2].headers == answers[3].headers
    assert answers[3].headers["access-control-allow-origin"] == ORIGIN


def test_who_closes_is_closed_and_a_long_body_is_a_request_like_any_other(address: str, quick: list[int]) -> None:
    body = json.dumps({"query": LAYER})
    long = json.dumps({"query": LAYER, "variables": {"long": "x" * MOST_BYTES}})
    with httpx2.Client(base_url=address, headers={"Authorization": f"Bearer {make_token()}"}) as client:
        assert "data" in ask(client).json()
        for text, is_quick in ((body, True), (long, False)):
            quick.clear()
            for _ in range(2):
                answer = client.post("/graphql", content=text, headers={"Connection": "close", **JSON})
                assert answer.headers["connection"] == "close"
                assert answer.json()["errors"][0]["extensions"]["code"] == "THROTTLED"
            assert quick == ([429] if is_quick else [])


JSON = {"Content-Type": "application/json"}


def test_what_comes_in_one_breath_is_not_taken_for_one_another(address: str, quick: list[int]) -> None:
    """A second request that has begun when the first is answered: its first half is not what was asked."""
    head = "POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n"
    body = json.dumps({"query": LAYER})
    ours, theirs = (head.format(make_token(subject=subject)) for subject in ("u-1", "u-2"))
    whole = f"{ours}Content-Length: {len(body)}\r\n\r\n{body}"
    chunked = f"{theirs}Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n{body}\r\n"
    where = urlsplit(address)
    with socket.create_connection((where.hostname, where.port), timeout=5) as peer:
        peer.sendall(whole.encode())
        assert b'"data"' in _answer(peer)
        peer.sendall(f"{whole}POST /graphql HTTP/1.1\r\n".encode())
        assert b"THROTTLED" in _answer(peer)
        peer.sendall(b"\r\n")
        assert b"UNAUTHENTICATED" in _answer(peer)
        peer.sendall((whole + chunked).encode())
        assert b"THROTTLED" in _answer(peer)
        peer.sendall(b"0\r\n\r\n")
        assert b'"data"' in _answer(peer)
        peer.sendall((whole + whole).encode())
        assert [b"THROTTLED" in _answer(peer) for _ in range(2)] == [True, True]


def _answer(peer: socket.socket) -> bytes:
    found = b""
    while b"\r\n\r\n" not in found:
        found += peer.recv(1)
    length = int(found.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    body = b""
    while len(body) < length:
        body += peer.recv(length - len(body))
    return body


def test_only_so_many_answers_are_kept_and_none_beyond_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(put_off, "monotonic", lambda: now)
    monkeypatch.setattr(put_off, "MAX_ANSWERS", 3)
    kept = PutOff()
    for number in range(4):
        kept.note(b"%d" % number, b"later", 10.0)
    assert [kept.find(b"%d" % number) for number in range(4)] == [None, b"later", b"later", b"later"]
    kept.note(b"soon", b"later", 0.1)
    now += 0.2
    assert kept.find(b"soon") is None
    assert kept
    now += put_off.MOST_SECONDS
    assert not kept


def test_no_two_requests_are_asked_by_the_same_bytes() -> None:
    one = [(b"a", b"bc"), (b"d", b"")]
    others = ([(b"ab", b"c"), (b"d", b"")], [(b"a", b"bc"), (b"", b"d")], [(b"a", b"bc"), (b"d", b""), (b"", b"")], [])
    found = {asked_by(b"/", headers, [b"body"]) for headers in (one, *others)}
    assert len(found) == 5
    assert asked_by(b"/", one, [b"bo", b"dy"]) == asked_by(b"/", one, [b"body"])
    assert asked_by(b"/x", one, [b"body"]) not in found
