"""`graphql-transport-ws` behind a real server: what is said, what is refused, and how a socket ends."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import TimeoutError as PoolTimeout

from api import socket
from tests.api.live import PROTOCOL, Registry, Socket, bearer, opened, serving, sources, welcomed


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving() as address:
        yield address


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Whatever a test does, every source that was opened is closed soon after it."""
    sources.__init__()  # type: ignore[misc]
    yield
    sources.until(lambda found: found.closed == found.opened)


# ---------- what runs ----------


def test_a_subscription_is_answered_event_by_event(address: str) -> None:
    with welcomed(address) as peer:
        assert peer.connection.subprotocol == PROTOCOL
        peer.subscribe("subscription ($to: Int!) { ticks(to: $to) { number seenBy } }", variables={"to": 2})
        for number in range(2):
            payload = {"data": {"ticks": {"number": number, "seenBy": "Front desk"}}}
            assert peer.hear() == {"id": "1", "type": "next", "payload": payload}
        assert peer.hear() == {"id": "1", "type": "complete"}
    sources.until(lambda found: found.closed == 1)


def test_queries_and_mutations_run_over_the_socket_too(address: str) -> None:
    with welcomed(address) as peer:
        assert peer.ask("{ hello }") == {"data": {"hello": "Hello, Front desk"}}
        assert peer.ask("query A { hello } query B { wrong }", operationName="A") == {
            "data": {"hello": "Hello, Front desk"}
        }
        assert peer.ask("mutation { recordUsage(events: []) }") == {"data": {"recordUsage": 0}}


def test_operations_run_side_by_side(address: str) -> None:
    with welcomed(address) as peer:
        peer.subscribe("subscription { silence { number } }", "quiet")
        peer.subscribe("{ slow }", "slow")
        assert peer.ask("{ hello }")["data"]
        peer.subscribe("subscription { ticks(to: 1) { number } }", "ticks")
        assert peer.hear()["id"] == "ticks"


def test_errors_of_an_execution_are_masked_as_over_http(address: str, caplog: pytest.LogCaptureFixture) -> None:
    with welcomed(address) as peer:
        told = peer.ask("{ broken closed }")
        assert {error["extensions"]["code"] for error in told["errors"]} == {"FORBIDDEN", "INTERNAL_SERVER_ERROR"}
        peer.subscribe("subscription { ticks(to: 1) { number broken } }")
        event = peer.hear()["payload"]
        assert event["data"] == {"ticks": {"number": 0, "broken": None}}
        assert event["errors"][0]["extensions"]["incident"] in caplog.text
        assert "hunter2" not in json.dumps([told, event])


@pytest.mark.parametrize(
    ("field", "code", "before"), [("breaksOff", "INTERNAL_SERVER_ERROR", 1), ("nowhere", "BAD_USER_INPUT", 0)]
)
def test_a_source_that_fails_is_answered_and_completed(address: str, field: str, code: str, before: int) -> None:
    with welcomed(address) as peer:
        peer.subscribe(f"subscription {{ mine: {field} {{ number }} }}")
        for _ in range(before):
            assert peer.hear()["payload"]["data"] == {"mine": {"number": 0}}
        last = peer.hear()
        assert (last["type"], last["payload"]["data"]) == ("next", None)
        error = last["payload"]["errors"][0]
        assert (error["path"], error["extensions"]["code"]) == (["mine"], code)
        assert "hunter2" not in json.dumps(last)
        assert peer.hear() == {"id": "1", "type": "complete"}


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "00"}}}, "PERSISTED_QUERY_NOT_FOUND"),
        ({"query": "{"}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ nothing }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "query ($a: Int!) { many { depth(a: $a) } }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "subscription ($to: Int!) { ticks(to: $to) { number } }"}, "BAD_USER_INPUT"),
        ({"query": "query ($c: Colour!) { paint(colour: $c) }", "variables": {"c": "MUD"}}, "BAD_USER_INPUT"),
        ({"query": "query A { hello } query B { hello }"}, "BAD_REQUEST"),
        ({"query": "{ hello }", "operationName": "B"}, "BAD_REQUEST"),
        ({"query": "subscription { ticks(to: 1) { number } silence { number } }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "{" + " hello" * 2_100 + "}"}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ hello }" + " " * 20_000}, "BAD_REQUEST"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_request_that_cannot_run_is_an_error_and_the_socket_goes_on(
    address: str, payload: dict[str, Any], code: str
) -> None:
    with welcomed(address) as peer:
        peer.say({"id": "1", "type": "subscribe", "payload": payload})
        told = peer.hear()
        assert (told["id"], told["type"]) == ("1", "error")
        assert told["payload"][0]["extensions"]["code"] == code
        assert peer.ask("{ hello }")["data"]


# ---------- who is let in ----------


@pytest.mark.parametrize("protocols", [(), ("graphql-ws",), ("graphql-transport-ws2", "soap")])
def test_another_protocol_is_refused(address: str, protocols: tuple[str, ...]) -> None:
    from websockets.sync.client import connect

    names: Any = list(protocols) or None
    with connect(address.replace("http", "ws") + "/graphql", subprotocols=names) as connection:
        assert Socket(connection).end() == (4406, "Speak graphql-transport-ws.")


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
def test_the_token_comes_in_the_first_message(address: str, name: str) -> None:
    with opened(address) as peer:
        peer.say({"type": "connection_init", "payload": {name: bearer(name="Ada"), "more": 1}})
        assert peer.hear() == {"type": "connection_ack"}
        assert peer.ask("{ hello }") == {"data": {"hello": "Hello, Ada"}}


@pytest.mark.parametrize("payload", [{}, {"payload": None}, {"payload": {}}, {"payload": {"Authorization": None}}])
def test_or_in_the_header_of_the_upgrade(address: str, payload: dict[str, Any]) -> None:
    with opened(address, headers={"Authorization": bearer(name="Ada")}) as peer:
        peer.say({"type": "connection_init", **payload})
        assert peer.hear() == {"type": "connection_ack"}
        assert peer.ask("{ hello }") == {"data": {"hello": "Hello, Ada"}}


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        (None, "Send a token"),
        ("Bearer x", "malformed"),
        (lambda: bearer(company="elsewhere"), "not known here"),
        (lambda: bearer(expires_at=datetime.now(UTC) - timedelta(seconds=1)), "expired"),
    ],
)
def test_who_proves_nothing_is_forbidden(address: str, authorization: Any, reason: str) -> None:
    given = authorization() if callable(authorization) else authorization
    with opened(address) as peer:
        peer.say({"type": "connection_init", "payload": {"Authorization": given}})
        code, told = peer.end()
        assert code == 4403
        assert told.startswith("Forbidden: ")
        assert reason in told


def test_nothing_runs_before_the_welcome_and_there_is_one_welcome(address: str) -> None:
    with opened(address) as peer:
        peer.say({"type": "ping"})
        assert peer.hear() == {"type": "pong"}
        peer.subscribe("{ hello }")
        assert peer.end() == (4401, "Unauthorized")
    with welcomed(address) as peer:
        peer.say({"type": "connection_init", "payload": {"Authorization": bearer()}})
        assert peer.end() == (4429, "Too many initialisation requests")


def test_who_does_not_say_who_he_is_is_not_waited_for(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "INIT_SECONDS", 0.2)
    with opened(address) as peer:
        peer.say({"type": "ping"})
        assert peer.end(2) == (4408, "Connection initialisation timeout")


def test_while_tokens_cannot_be_checked_the_peer_is_asked_to_come_again() -> None:
    registry = Registry()
    registry.outage = PoolTimeout()
    with serving(registry) as address, opened(address) as peer:
        peer.say({"type": "connection_init", "payload": {"Authorization": bearer()}})
        assert peer.end() == (1013, "Tokens cannot be checked right now.")


# ---------- what is no message ----------

DEEP = '{"type": "ping", "payload": ' + '{"a":' * 300 + "1" + "}" * 301


@pytest.mark.parametrize(
    "message",
    [
        "",
        "x",
        "5",
        "null",
        "[]",
        '["subscribe"]',
        "{}",
        '{"type": 5}',
        '{"type": "start"}',
        '{"type": "next", "id": "1"}',
        '{"type": "connection_init", "payload": []}',
        '{"type": "ping", "payload": 5}',
        '{"type": "ping", "type": "pong"}',
        '{"type": "subscribe", "payload": {"query": "{ hello }"}}',
        '{"type": "subscribe", "id": "", "payload": {"query": "{ hello }"}}',
        '{"type": "subscribe", "id": 1, "payload": {"query": "{ hello }"}}',
        '{"type": "subscribe", "id": "1"}',
        '{"type": "subscribe", "id": "1", "payload": []}',
        '{"type": "subscribe", "id": "1", "payload": {}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": 5}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ hello }", "variables": []}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ hello }", "operationName": 5}}',
        '{"type": "complete"}',
        '{"type": "complete", "id": null}',
        '{"type": "ping", "payload": ' + "[" * 50_000,
        DEEP,
        '{"type": "ping", "payload": {"a": "' + "x" * 64_000 + '"}}',
        b'{"type": "ping"}',
        json.dumps({"type": "subscribe", "id": "x" * 256, "payload": {"query": "{ hello }"}}),
    ],
    ids=lambda message: repr(message[:50]),
)
def test_what_is_no_message_closes_the_socket_with_a_sentence(address: str, message: str | bytes) -> None:
    with welcomed(address) as peer:
        peer.say(message)
        code, reason = peer.end()
        assert code == 4400
        assert len(reason) > 10


def test_a_frame_beyond_all_bounds_is_not_read(address: str) -> None:
    with welcomed(address) as peer:
        peer.say("x" * 200_000)
        assert peer.end()[0] == 1009


def test_a_socket_that_the_server_itself_closes_is_no_fault_of_ours(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(10):
        with welcomed(address) as peer:
            for number in range(20):
                peer.subscribe("subscription { ticks(to: 100000) { number } }", str(number))
            peer.hear()
            peer.say("x" * 200_000)
            assert peer.end()[0] == 1009
        sources.until(lambda found: found.closed == found.opened)
    assert caplog.text == ""


def test_an_id_in_use_closes_the_socket(address: str) -> None:
    with welcomed(address) as peer:
        peer.subscribe("subscription { silence { number } }", "a" * 200)
        peer.subscribe("{ hello }", "a" * 200)
        code, reason = peer.end()
        assert (code, len(reason)) == (4409, 123)
        assert reason.startswith("Subscriber for aaa")
    sources.until(lambda found: found.closed == found.opened == 1)


# ---------- pings, completions, bounds ----------


def test_a_ping_is_answered_with_what_it_carried(address: str) -> None:
    with welcomed(address) as peer:
        peer.say({"type": "ping", "payload": {"at": 5}})
        assert peer.hear() == {"type": "pong", "payload": {"at": 5}}
        peer.say({"type": "pong"})
        assert peer.ask("{ hello }")["data"]


def test_the_server_pings_and_who_is_silent_is_dropped(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "PING_SECONDS", 0.1)
    monkeypatch.setattr(socket, "SILENT_SECONDS", 0.5)
    with welcomed(address) as peer:
        for _ in range(10):
            assert peer.hear(1) == {"type": "ping"}
            peer.say({"type": "pong"})
        started = time.monotonic()
        assert peer.end(3)[0] == 1013
        assert 0.4 < time.monotonic() - started < 1.5


def test_a_completed_subscription_says_no_more_and_its_source_is_closed(address: str) -> None:
    with welcomed(address) as peer:
        peer.subscribe("subscription { ticks(to: 1000, pause: 0.01) { number } }")
        assert peer.hear()["type"] == "next"
        peer.complete()
        sources.until(lambda found: found.closed == 1)
        peer.say({"type": "ping", "payload": {"last": True}})
        while peer.hear() != {"type": "pong", "payload": {"last": True}}:
            pass
        assert peer.hears_nothing()
        peer.complete()
        peer.complete("never heard of")
        peer.subscribe("subscription { ticks(to: 1) { number } }")  # the id is free again
        assert peer.hear()["payload"]["data"]["ticks"] == {"number": 0}
        assert peer.hear() == {"id": "1", "type": "complete"}


def test_a_query_that_nobody_waits_for_ends_but_a_mutation_is_done(address: str) -> None:
    with welcomed(address) as peer:
        peer.subscribe("{ slow }", "query")
        peer.subscribe('mutation { changeSlowly(name: "completed") }', "mutation")
        peer.complete("query")
        peer.complete("mutation")
        peer.subscribe("{ hello }", "mutation")  # the id is free at once
        assert peer.hear()["payload"] == {"data": {"hello": "Hello, Front desk"}}
        assert peer.hear()["type"] == "complete"
        sources.until(lambda found: found.done == ["completed"])
        assert peer.hears_nothing()
        peer.subscribe('mutation { changeSlowly(name: "hung up") }', "mutation")
        peer.ask("{ hello }")
    sources.until(lambda found: found.done == ["completed", "hung up"])


def test_a_socket_that_is_lost_closes_its_sources(address: str) -> None:
    with welcomed(address) as peer:
        peer.subscribe("subscription { silence { number } }", "a")
        peer.subscribe("subscription { ticks(to: 1000, pause: 0.01) { number } }", "b")
        sources.until(lambda found: found.opened == 2)
        peer.hang_up()
        sources.until(lambda found: found.closed == 2)


def test_a_socket_runs_fifty_operations_at_most(address: str) -> None:
    with welcomed(address) as peer:
        for number in range(51):
            peer.subscribe("subscription { silence { number } }", str(number))
        told = peer.hear()
        assert (told["id"], told["type"]) == ("50", "error")
        assert "50 operations" in told["payload"][0]["message"]
        peer.complete("0")
        sources.until(lambda found: found.closed == 1)
        assert peer.ask("{ hello }")["data"]
    sources.until(lambda found: found.closed == 50)
