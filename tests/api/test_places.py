"""How many connections there may be: of the process, of one caller, of an address that has not said who it is."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import uvicorn
from uvicorn.server import ServerState
from websockets.exceptions import InvalidStatus

from api import http_line
from api.places import Places
from api.protocols import options
from api.put_off import PutOff
from api.refusals import Refused
from tests.api.edge import make_app, make_claims, make_settings, resolve, serve
from tests.api.live import bearer, opened, serving, sources, welcomed
from tests.api.test_event_stream import SILENCE, post, streaming

MAX_SOCKETS = 3
MAX_SUBSCRIPTIONS = 60
MAX_CONNECTIONS = 5


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(settings=make_settings(max_sockets=MAX_SOCKETS, max_subscriptions=MAX_SUBSCRIPTIONS)) as address:
        yield address


def soon(is_true: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_let_in(address: str) -> bool:
    try:
        with welcomed(address) as peer:
            return bool(peer.ask("{ hello }")["data"])
    except (AssertionError, InvalidStatus):
        return False


# ---------- of a caller ----------


def test_a_caller_has_so_many_sockets_and_streams(address: str) -> None:
    with ExitStack() as stack:
        for _ in range(MAX_SOCKETS - 1):
            stack.enter_context(welcomed(address))
        stream = stack.enter_context(streaming(address, SILENCE))
        with opened(address) as peer:
            peer.say({"type": "connection_init", "payload": {"Authorization": bearer()}})
            code, reason = peer.end()
            assert (code, reason.startswith("Too many sockets. You have 3")) == (4429, True)
        refused = post(address, SILENCE)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")
        assert refused.json()["errors"][0]["extensions"]["code"] == "THROTTLED"
        assert post(address, {"query": "{ hello }"}).status_code == 200, "only what lasts is counted"
        stack.enter_context(welcomed(address, bearer(subject="another")))
        stream.response.close()
        sources.until(lambda found: found.closed == 1)
        soon(lambda: is_let_in(address))
    soon(lambda: is_let_in(address))


def test_who_has_not_said_who_he_is_stands_for_his_address(address: str) -> None:
    with ExitStack() as stack:
        peers = [stack.enter_context(opened(address)) for _ in range(MAX_SOCKETS)]
        with pytest.raises(InvalidStatus) as refused:
            stack.enter_context(opened(address))
        response = refused.value.response
        assert (response.status_code, response.headers["retry-after"]) == (429, "10")
        peers[0].say({"type": "connection_init", "payload": {"Authorization": bearer()}})
        assert peers[0].hear() == {"type": "connection_ack"}
        stack.enter_context(opened(address))


def test_a_flood_of_subscriptions_is_bounded_and_harms_nobody_else(address: str) -> None:
    sources.__init__()  # type: ignore[misc]
    with welcomed(address) as first, welcomed(address) as second, welcomed(address, bearer(subject="another")) as other:
        for number in range(50):
            first.subscribe(SILENCE["query"], str(number))
        sources.until(lambda found: found.opened == 50)
        for number in range(50):
            second.subscribe(SILENCE["query"], str(number))
        for _ in range(100 - MAX_SUBSCRIPTIONS):
            told = second.hear()
            assert (told["type"], told["payload"][0]["extensions"]["code"]) == ("error", "THROTTLED")
        assert sources.opened == MAX_SUBSCRIPTIONS
        assert second.ask("{ hello }")["data"]
        other.subscribe("subscription { ticks(to: 1) { number } }")
        assert other.hear()["type"] == "next"
        second.complete("0")
        second.subscribe("subscription { ticks(to: 1) { number } }", "instead")
        assert second.hear()["type"] == "next"
    sources.until(lambda found: found.closed == found.opened)


def test_places_that_are_left_are_forgotten() -> None:
    places = Places(make_settings(max_sockets=1))
    place = places.of_address("192.0.2.1")
    with pytest.raises(Refused):
        places.of_address("192.0.2.1")
    viewer = asyncio.run(resolve(make_claims()))
    assert viewer is not None
    place.give_to(viewer)
    assert len(places) == 1
    with pytest.raises(Refused):
        places.of_caller(viewer)
    places.of_address("192.0.2.1").leave()
    place.leave()
    assert len(places) == 0
    assert vars(places)["_sockets"] == {}


# ---------- of a process ----------


@pytest.fixture(scope="module")
def full() -> Iterator[tuple[str, list[socket.socket]]]:
    """A server with as many connections as it takes."""
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setattr(http_line, "RESERVED_CONNECTIONS", 2)
        patch.setattr(http_line, "RESERVED_SECONDS", 0.3)
        address = stack.enter_context(serve(make_app(), **options(make_settings(max_connections=MAX_CONNECTIONS))))
        peers = [stack.enter_context(connected(address)) for _ in range(MAX_CONNECTIONS)]
        soon(lambda: httpx2.get(f"{address}/nowhere").status_code == 503)
        yield address, peers


def connected(address: str) -> socket.socket:
    where = urlsplit(address)
    return socket.create_connection((where.hostname, where.port), timeout=5)


def test_beyond_the_most_connections_only_health_is_told(full: tuple[str, list[socket.socket]]) -> None:
    address, _ = full
    refused = httpx2.post(f"{address}/graphql", json={"query": "{ hello }"}, headers={"Authorization": bearer()})
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert refused.json()["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"
    assert refused.headers["connection"] == "close"
    with pytest.raises(InvalidStatus) as handshake, opened(address):
        pass
    assert handshake.value.response.status_code == 503
    for path in ("/healthz", "/readyz"):
        healthy = httpx2.get(f"{address}{path}")
        assert (healthy.status_code, healthy.headers["connection"]) == (200, "close")


def test_who_is_not_quick_about_it_is_let_go(full: tuple[str, list[socket.socket]]) -> None:
    begun = time.monotonic()
    with connected(full[0]) as peer:
        assert peer.recv(100) == b""
    assert time.monotonic() - begun < 2


def test_beyond_those_too_nobody_is_heard(full: tuple[str, list[socket.socket]]) -> None:
    with connected(full[0]), connected(full[0]), connected(full[0]) as peer:
        assert peer.recv(100).startswith(b"HTTP/1.1 503 ")


async def test_who_is_turned_away_when_he_is_gone_is_no_fault_of_ours() -> None:
    loop, faults = asyncio.get_running_loop(), list[dict[str, Any]]()
    loop.set_exception_handler(lambda _loop, fault: faults.append(fault))
    config = uvicorn.Config(make_app(), **options(make_settings()))
    config.load()
    state = ServerState()
    with pytest.MonkeyPatch.context() as patch, socket.create_server(("127.0.0.1", 0)) as listener:
        patch.setattr(http_line, "RESERVED_CONNECTIONS", 0)
        for _ in range(5):
            socket.create_connection(listener.getsockname()).close()
        bounds = {"request_seconds": 1.0, "max_connections": 0, "put_off": PutOff()}
        line = partial(http_line.HttpLine, config, state, {}, **bounds)
        async with await loop.create_server(line, sock=listener):
            await asyncio.sleep(0.1)
            assert not state.connections, "all were met, and are gone"
    assert faults == []


def test_a_place_that_becomes_free_is_free(full: tuple[str, list[socket.socket]]) -> None:
    address, peers = full
    peers.pop().close()
    soon(lambda: httpx2.get(f"{address}/nowhere").status_code == 404)


def test_a_process_that_may_open_few_files_takes_few_connections() -> None:
    told = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (200, 400))
from api.protocols import options
from api.put_off import PutOff
from api.settings import Settings
most = options(Settings(_env_file=None))["http"].keywords["max_connections"]
print(most, *resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    found = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["250", "400", "400"]
