"""Who was told to come again later and does not wait: he is refused on his line, with what he would be told anyway."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import urlsplit

import httpx2
import pytest
import strawberry
from starlette.applications import Starlette
from starlette.responses import Response

from api import http_line, put_off
from api.line import TURNED_AWAY
from api.put_off import MOST_BYTES, PutOff, asker_of
from tests.api import edge
from tests.api.edge import make_app, make_settings, make_token, serve

LAYER = "{ layer { depth } }"
DEEPER = "query { layer { inner { depth } } }"
REPORT = "mutation ($events: [String!]!) { recordUsage(events: $events) }"
ORIGIN = "https://app.example"
POINTS = 4
"""What the dearest of these costs."""


@pytest.fixture
def quick() -> list[int]:
    """The statuses of those who were answered on their line."""
    return []


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def record_usage(self, events: list[str]) -> int:
        """Takes a while when it is told of one event."""
        if len(events) == 1:
            begun.set()
            await asyncio.sleep(float(events[0]))
        return len(events)


begun = threading.Event()
schema = strawberry.Schema(edge.Query, Mutation)


@pytest.fixture
def address(quick: list[int]) -> Iterator[str]:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, Callable[[int], None]]]:
        yield {TURNED_AWAY: quick.append}

    settings = make_settings(throttle_points=POINTS, throttle_restore=1, allowed_origins=ORIGIN)
    app = make_app(settings, lifespan=lifespan, schema=schema)
    with serve(app, lifespan="on") as address:
        yield address


def ask(client: httpx2.Client, query: str = LAYER, variables: object = None, **headers: str) -> httpx2.Response:
    return client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)


@pytest.fixture
def client(address: str) -> Iterator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {make_token()}", "Accept": "application/graphql-response+json"}
    with httpx2.Client(base_url=address, headers=headers) as client:
        spend(client)
        yield client


def spend(client: httpx2.Client) -> None:
    """Until nothing is left; every document is known by then."""
    for query in (DEEPER, LAYER):
        assert ask(client, query).status_code in (200, 429)
    while ask(client).status_code == 200:
        pass


def code_of(answer: httpx2.Response) -> str:
    return str(answer.json()["errors"][0]["extensions"]["code"])


def test_the_price(client: httpx2.Client) -> None:
    [layer, deeper] = [ask(client, query).json()["extensions"]["cost"] for query in (LAYER, DEEPER)]
    assert (layer["requestedQueryCost"], deeper["requestedQueryCost"]) == (1, 2)


def test_who_does_not_wait_is_refused_on_his_line_with_what_he_would_be_told(
    client: httpx2.Client, quick: list[int]
) -> None:
    first, *others = [ask(client, variables={"number": number}) for number in (1, 22, 333)]
    longer = ask(client, DEEPER, traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    assert quick == [429] * len(quick), "those that are refused on the line"
    assert len(quick) >= 3
    for answer in (first, *others, longer):
        assert (answer.status_code, code_of(answer)) == (429, "THROTTLED")
        names = set(answer.headers) - {"date"}
        assert {name: answer.headers[name] for name in names - {"content-length", "retry-after"}} == {
            name: first.headers[name] for name in names - {"content-length", "retry-after"}
        }
        assert answer.json()["extensions"]["cost"]["throttleStatus"]["maximumAvailable"] == POINTS
    assert longer.json()["extensions"]["cost"]["requestedQueryCost"] == 2
    assert [answer.headers["retry-after"] for answer in (first, longer)] == ["1", "2"]
    told = [answer.json()["errors"][0]["extensions"]["retryAfterSeconds"] for answer in (first, longer)]
    assert told == [1, 2]


def test_and_answered_as_soon_as_he_can_pay(client: httpx2.Client, quick: list[int]) -> None:
    assert ask(client).status_code == 429
    time.sleep(1.05)
    quick.clear()
    assert ask(client, DEEPER).status_code == 429, "one point is back, and this costs two"
    assert ask(client).status_code == 200
    assert ask(client).status_code == 429
    assert quick == [429, 429]


def test_whoever_else_or_whatever_else_is_looked_at(client: httpx2.Client, quick: list[int]) -> None:
    assert ask(client).status_code == 429
    quick.clear()
    another = f"Bearer {make_token(subject='u-2')}"
    assert ask(client, Authorization=another).status_code == 200
    assert ask(client, REPORT, {"events": []}).json()["data"] == {"recordUsage": 0}, (
        "a report is never put off for points"
    )
    assert ask(client, REPORT, {"events": []}).json()["data"] == {"recordUsage": 0}
    assert ask(client, Authorization="Bearer nobody's").status_code == 401
    assert ask(client, LAYER + " ").status_code == 429, "a document that was never read"
    assert quick == []
    assert ask(client, LAYER + " ").status_code == 429
    assert quick == [429], "it is known by now"
    for body in (b"", b"[]", b"{", b'{"query": 1}', b'{"query": "{"}', b'{"query": "{ hello }", "query": "{ hello }"}'):
        assert client.post("/graphql", content=body, headers=JSON).status_code == 400
    assert client.get("/healthz").status_code == 200
    assert client.post("/graphql?x", json={"query": LAYER}).status_code == 429
    assert quick == [429]


def test_a_caller_is_answered_in_the_origin_he_asks_from(address: str, quick: list[int]) -> None:
    headers = {"Authorization": f"Bearer {make_token()}"}
    with httpx2.Client(base_url=address, headers=headers) as client:
        spend(client)
        quick.clear()
        answers = [ask(client, **given) for given in ({}, {"Origin": ORIGIN}) for _ in range(2)]
    assert quick == [429, 429, 429]
    assert "access-control-allow-origin" not in answers[1].headers
    assert answers[3].headers["access-control-allow-origin"] == ORIGIN


def test_who_closes_is_closed_and_a_long_body_is_a_request_like_any_other(address: str, quick: list[int]) -> None:
    body = json.dumps({"query": LAYER})
    long = json.dumps({"query": LAYER, "variables": {"long": "x" * MOST_BYTES}})
    with httpx2.Client(base_url=address, headers={"Authorization": f"Bearer {make_token()}"}) as client:
        spend(client)
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
        for _ in range(POINTS):
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


def test_while_somebody_pays_he_waits_a_moment(client: httpx2.Client, address: str, quick: list[int]) -> None:
    began = time.monotonic()
    assert ask(client).status_code == 429
    with reported(address, seconds=0.3):
        begun.wait(5)
        quick.clear()
        since = time.monotonic()
        assert ask(client).status_code == 429
        waited = time.monotonic() - since
        assert quick == [429]
        assert waited >= put_off.WAIT_SECONDS
        assert time.monotonic() - began < 5, "and no longer than that"


def test_what_comes_in_parts_while_he_waits_is_put_together(address: str, quick: list[int]) -> None:
    body = json.dumps({"query": LAYER})
    head = f"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {make_token()}\r\n"
    whole = f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    where = urlsplit(address)
    with socket.create_connection((where.hostname, where.port), timeout=5) as peer:
        for _ in range(POINTS + 3):
            peer.sendall(whole)
            found = _answer(peer)
        assert b"THROTTLED" in found
        with reported(address, seconds=0.3):
            begun.wait(5)
            for part in (whole[:20], whole[20:-3], whole[-3:], whole):
                peer.sendall(part)
                time.sleep(put_off.WAIT_SECONDS / 8)
            assert [b"THROTTLED" in _answer(peer) for _ in range(2)] == [True, True]


def test_who_waits_when_the_server_stops_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_line, "WAIT_SECONDS", 5.0)
    headers = {"Authorization": f"Bearer {make_token()}"}
    found: list[int] = []
    with serve(make_app(make_settings(throttle_points=POINTS, throttle_restore=1), schema=schema)) as address:
        client = httpx2.Client(base_url=address, headers=headers)
        spend(client)
        assert ask(client).status_code == 429
        asking = threading.Thread(target=lambda: found.append(ask(client).status_code))
        with reported(address, seconds=0.5):
            begun.wait(5)
            asking.start()
            time.sleep(0.2)
            assert found == []
    asking.join(5)
    assert found == [429]
    client.close()


@contextmanager
def reported(address: str, *, seconds: float) -> Iterator[None]:
    """While somebody else reports usage, which takes so long."""

    def report() -> None:
        headers = {"Authorization": f"Bearer {make_token(subject='u-3')}"}
        with httpx2.Client(base_url=address, headers=headers) as partner:
            answers.append(ask(partner, REPORT, {"events": [str(seconds)]}).json()["data"])

    answers: list[object] = []
    begun.clear()
    thread = threading.Thread(target=report)
    thread.start()
    try:
        yield
    finally:
        thread.join(10)
    assert answers == [{"recordUsage": 1}]


class Later:
    """See `api.put_off.Again`."""

    def refuse(self, body: bytes) -> Response | None:
        return Response(body, 429)

    def has_to_wait(self) -> bool:
        return False


def test_only_so_many_are_remembered_and_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(put_off, "monotonic", lambda: now)
    monkeypatch.setattr(put_off, "MAX_CALLERS", 3)
    kept, again = PutOff(), Later()
    for number in range(4):
        kept.note(b"%d" % number, again, b"HTTP/1.1 429 Too Many\r\nretry-after: 1\r\nvary: Origin\r\n\r\n{}")
    found = [kept.find(b"%d" % number) for number in range(4)]
    assert [earlier and (earlier.again, earlier.headers) for earlier in found] == [
        None,
        *[(again, [(b"vary", b"Origin")])] * 3,
    ]
    assert kept
    now += put_off.KEPT_SECONDS
    assert kept.find(b"3") is None
    now += 0.1
    assert not kept


def test_no_two_callers_ask_by_the_same_bytes() -> None:
    one = [(b"a", b"bc"), (b"d", b"")]
    others = ([(b"ab", b"c"), (b"d", b"")], [(b"a", b"bc"), (b"", b"d")], [(b"a", b"bc"), (b"d", b""), (b"", b"")], [])
    found = {asker_of(b"/", headers) for headers in (one, *others)}
    assert len(found) == 5
    assert asker_of(b"/x", one) not in found
    assert asker_of(b"/", [*one, (b"content-length", b"7"), (b"traceparent", b"00-1-2-01")]) == asker_of(b"/", one)
