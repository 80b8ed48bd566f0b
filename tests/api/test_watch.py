"""Every operation is one line of the log and one count, whichever way it came and however it ended."""

import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from prometheus_client import generate_latest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from api.http_line import MAX_HEAD_BYTES
from api.line import TURNED_AWAY
from api.metrics import Metrics
from api.watch import MOST_SHOWN, Watch, client_of
from tests.api.edge import make_app, make_client, make_settings, make_token, serve
from tests.api.live import bearer, live_app, serving, sources, welcomed
from tests.api.test_event_stream import streaming
from tests.api.test_slow_readers import raw

SILENCE = "subscription { silence { number } }"
NAMED = {"GraphQL-Client-Name": "portal", "GraphQL-Client-Version": "4.2.0"}


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[..., dict[str, Any]]:
    """The one line of this event, once it is there."""
    caplog.set_level(logging.INFO, "api.watch")

    def wait(event: str = "operation", seconds: float = 5) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while not (found := [record for record in caplog.records if record.msg == event]):
            assert time.monotonic() < end, "nothing was told"
            time.sleep(0.01)
        [record] = found
        return vars(record)

    return wait


def test_a_query_is_told_with_who_asked_what_it_cost_and_how_it_ended(told: Callable[..., dict[str, Any]]) -> None:
    make_client().post("/graphql", json={"query": "query Greet { hello }"}, headers=NAMED)

    line = told()
    assert (line["operation"], line["kind"], line["transport"]) == ("Greet", "query", "http")
    assert (line["client"], line["outcome"], line["codes"]) == ("portal 4.2.0", "ok", [])
    assert line["principal"].startswith("viw_")
    assert line["company"].startswith("com_")
    assert 0 < line["duration_ms"] < 5_000
    assert set(line["cost"]) == {"requested", "actual"}
    assert "incident" not in line


OUTCOMES = """
    { hello broken }                  | partial   | INTERNAL_SERVER_ERROR
    { brokenForGood }                 | failed    | INTERNAL_SERVER_ERROR
    { hello closed wrong }            | partial   | FORBIDDEN BAD_USER_INPUT
    { hello                           | refused   | GRAPHQL_PARSE_FAILED
    { nothing }                       | refused   | GRAPHQL_VALIDATION_FAILED
    query ($c: Colour!) { paint(colour: $c) } | refused | BAD_USER_INPUT
"""


@pytest.mark.parametrize("case", OUTCOMES.strip().splitlines())
def test_how_it_ended_is_told_with_the_codes_that_were_answered(case: str, told: Callable[..., dict[str, Any]]) -> None:
    query, outcome, codes = (part.strip() for part in case.split("|"))

    answer = make_client().post("/graphql", json={"query": query}).json()

    line = told()
    assert line["outcome"] == outcome
    assert line["codes"] == codes.split()
    assert line["principal"] is not None
    incident = next((error["extensions"].get("incident") for error in answer["errors"]), None)
    assert line.get("incident") == incident


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"headers": {"Authorization": "Bearer nonsense"}, "json": {"query": "{ hello }"}}, "UNAUTHENTICATED"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, "BAD_REQUEST"),
        ({"content": b"{}", "headers": {"Content-Type": "text/plain"}}, "BAD_REQUEST"),
        ({"json": {"query": "{ hello }", "variables": {"a": "x" * 2_000_000}}}, "BAD_REQUEST"),
    ],
)
def test_a_request_that_is_refused_before_it_is_read_is_told_too(
    request_: dict[str, Any], code: str, told: Callable[..., dict[str, Any]]
) -> None:
    response = make_client().post("/graphql", **request_)

    line = told()
    assert response.status_code >= 400
    assert (line["outcome"], line["codes"], line["kind"], line["operation"]) == ("refused", [code], None, None)
    assert (line["principal"] is None) == (code == "UNAUTHENTICATED")


def test_nothing_that_was_asked_or_answered_is_told(
    told: Callable[..., dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    query = "query Q($c: Colour!) { paint(colour: $c) hello @skip(if: false) __typename }"

    make_client().post("/graphql", json={"query": query, "variables": {"c": "TURQUOISE"}})

    shown = str({name: value for name, value in told().items() if name not in _OF_EVERY_RECORD})
    assert not [word for word in ("TURQUOISE", "turquoise", "paint", "Front desk") if word in shown]


_OF_EVERY_RECORD = frozenset(vars(logging.makeLogRecord({})))


def test_a_query_on_a_socket_is_told_with_the_client_that_the_greeting_named(
    told: Callable[..., dict[str, Any]],
) -> None:
    with serving() as address, welcomed(address) as socket:
        socket.ask("query Greet { hello }")
        line = told()

    assert (line["operation"], line["transport"], line["outcome"]) == ("Greet", "websocket", "ok")
    assert line["principal"] is not None


def test_a_refusal_on_a_socket_is_told(told: Callable[..., dict[str, Any]]) -> None:
    with serving() as address, welcomed(address) as socket:
        socket.subscribe("{ nothing }")
        assert socket.hear()["type"] == "error"
        line = told()

    assert (line["outcome"], line["codes"]) == ("refused", ["GRAPHQL_VALIDATION_FAILED"])
    assert line["principal"] is not None


@pytest.mark.parametrize("way", ["websocket", "events"])
def test_a_subscription_is_told_when_it_begins_and_with_its_answers_when_it_ends(
    way: str, told: Callable[..., dict[str, Any]]
) -> None:
    query = "subscription Three { ticks(to: 3) { number } }"
    with serving() as address:
        if way == "websocket":
            with welcomed(address) as socket:
                socket.subscribe(query)
                while socket.hear()["type"] != "complete":
                    pass
                line = told()
        else:
            headers = {"Authorization": bearer(), "Accept": "text/event-stream"}
            httpx2.post(f"{address}/graphql", json={"query": query}, headers=headers, timeout=10)
            line = told()

    assert told("subscription begun")["transport"] == way
    assert (line["transport"], line["kind"], line["operation"]) == (way, "subscription", "Three")
    assert (line["outcome"], line["events"]) == ("ok", 3)


def test_a_subscription_that_its_caller_ends_is_no_fault_and_one_that_the_server_ends_is_cut_off(
    told: Callable[..., dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    with serving() as address:
        with welcomed(address) as socket:
            socket.subscribe(SILENCE)
            sources.until(lambda seen: seen.opened == 1)
            socket.complete()
            assert told()["outcome"] == "ok"
        caplog.clear()
        with streaming(address, {"query": SILENCE}):
            sources.until(lambda seen: seen.opened == 2)
            told("subscription begun")
        assert told()["outcome"] == "ok"
        caplog.clear()
        with welcomed(address, bearer(expires_at=datetime.now(UTC) + timedelta(seconds=2))) as socket:
            socket.subscribe(SILENCE)
            assert socket.end()[0] == 4403
            assert told()["outcome"] == "cut off"


def test_a_query_whose_caller_has_gone_is_cut_off(told: Callable[..., dict[str, Any]]) -> None:
    with serving() as address, welcomed(address) as socket:
        socket.subscribe("query Slow { slow }")
        assert socket.hears_nothing(0.1)
        socket.complete()
        line = told()

    assert (line["operation"], line["outcome"]) == ("Slow", "cut off")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({}, None),
        (None, None),
        ({"GraphQL-Client-Name": ""}, None),
        ({"graphql-client-name": 7}, None),
        ({"GraphQL-Client-Name": "portal"}, "portal"),
        ({"apollographql-client-name": "ios", "apollographql-client-version": "7"}, "ios 7"),
        ({"GraphQL-Client-Name": "a\nb\x1b[31m\u202e" + "c" * 500}, "ab[31m" + "c" * (MOST_SHOWN - 6)),
    ],
)
def test_a_client_is_shown_as_it_names_itself_if_that_is_fit_to_be_shown(given: Any, shown: str | None) -> None:
    assert client_of(given) == shown


@contextmanager
def counted() -> Iterator[tuple[TestClient, Callable[[str], float]]]:
    """A client, and how many operations with these labels were counted."""
    metrics = Metrics()
    app = make_app(watch=Watch(metrics=metrics))

    def count(labels: str) -> float:
        found = [
            line for line in generate_latest(metrics.everything()).decode().splitlines() if line.startswith(labels)
        ]
        return float(found[0].rpartition(" ")[2]) if found else 0

    with TestClient(app, headers={"Authorization": f"Bearer {make_token()}"}) as client:
        yield client, count


def test_operations_are_counted_by_kind_and_outcome() -> None:
    with counted() as (client, count):
        for query in ("{ hello }", "{ hello }", "{ hello broken }", "{ nothing }", "mutation { change }"):
            client.post("/graphql", json={"query": query})

        assert count('farebox_operations_total{kind="query",outcome="ok",transport="http"}') == 2
        assert count('farebox_operations_total{kind="query",outcome="partial",transport="http"}') == 1
        assert count('farebox_operations_total{kind="unknown",outcome="refused",transport="http"}') == 1
        assert count('farebox_operation_seconds_count{kind="mutation"}') == 1
        assert count('farebox_incidents_total{code="INTERNAL_SERVER_ERROR"}') == 1


def test_what_was_put_off_is_counted_by_what_ran_short() -> None:
    metrics = Metrics()
    app = make_app(make_settings(throttle_points=1, throttle_restore=1), watch=Watch(metrics=metrics))
    with TestClient(app, headers={"Authorization": f"Bearer {make_token()}"}) as client:
        for _ in range(3):
            client.post("/graphql", json={"query": "{ layer { inner { depth } } }"})

    told = generate_latest(metrics.everything()).decode()
    assert 'farebox_throttled_total{reason="points"}' in told
    assert 'outcome="throttled"' in told


def test_open_sockets_and_subscriptions_are_gauged() -> None:
    metrics = Metrics()

    def gauges() -> tuple[float, float]:
        lines = generate_latest(metrics.everything()).decode().splitlines()
        found = {line.split()[0]: float(line.split()[1]) for line in lines if not line.startswith("#")}
        return found["farebox_sockets"], found["farebox_subscriptions"]

    def until(expected: tuple[float, float]) -> None:
        end = time.monotonic() + 5
        while gauges() != expected:
            assert time.monotonic() < end, gauges()
            time.sleep(0.01)

    with serving(watch=Watch(metrics=metrics)) as address:
        with welcomed(address) as socket:
            socket.subscribe(SILENCE)
            until((1, 1))
        with streaming(address, {"query": SILENCE}):
            until((0, 1))
        until((0, 0))


def test_who_is_refused_on_his_line_is_counted_and_a_crowd_is_one_line(told: Callable[..., dict[str, Any]]) -> None:
    metrics = Metrics()
    watch = Watch(metrics=metrics)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, object]]:
        yield {TURNED_AWAY: watch.note_turned_away}

    with serve(live_app(lifespan=lifespan, watch=watch), lifespan="on") as address:
        for _ in range(3):
            with raw(address, "no request at all\n\n") as peer:
                assert peer.recv(12) == b"HTTP/1.1 400"
        assert (told("turned away")["status"], told("turned away")["count"]) == (400, 1)
        with raw(address, "GET / HTTP/1.1\n" + f"X: {'y' * MAX_HEAD_BYTES}\n\n") as peer:
            assert peer.recv(12) == b"HTTP/1.1 431"
        with welcomed(address) as socket:
            socket.say({"type": "connection_init"})
            assert socket.end()[0] == 4429
        with welcomed(address) as socket:
            socket.say("x" * 1_000_000)
            assert socket.end()[0] == 1009
    figures = generate_latest(metrics.everything()).decode()
    for code, count in {400: 3, 431: 1, 4429: 1, 1009: 1}.items():
        assert f'farebox_turned_away_total{{code="{code}"}} {count}.0' in figures
