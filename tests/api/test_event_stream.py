"""Server-sent events behind a real server: what a stream says, when it is refused, and how it ends."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from api import admission, event_stream
from tests.api.edge import without_cost
from tests.api.live import Registry, bearer, serving, sources

TICKS = "subscription ($to: Int!, $pause: Float!) { ticks(to: $to, pause: $pause) { number seenBy } }"
SILENCE = {"query": "subscription { silence { number } }"}


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


@dataclass
class Stream:
    response: httpx2.Response

    def __post_init__(self) -> None:
        self._lines = self.response.iter_lines()

    def part(self) -> list[str]:
        """The lines of one event, or of one comment."""
        lines: list[str] = []
        for line in self._lines:
            if not line:
                return lines
            lines.append(line)
        assert lines == []
        return ["(end)"]

    def answer(self) -> Any:
        event, data = self.part()
        assert event == "event: next"
        answer = json.loads(data.removeprefix("data: "))
        return without_cost(answer) if "data" in answer else answer


@contextmanager
def streaming(address: str, body: Any, token: str | None = None, **headers: str) -> Iterator[Stream]:
    sent = {"Authorization": token or bearer(), "Accept": "text/event-stream", **headers}
    with (
        httpx2.Client(timeout=10) as client,
        client.stream("POST", f"{address}/graphql", json=body, headers=sent) as response,
    ):
        yield Stream(response)


def post(address: str, body: Any, **headers: str) -> httpx2.Response:
    sent = {"Authorization": bearer(), "Accept": "text/event-stream", **headers}
    return httpx2.post(f"{address}/graphql", json=body, headers=sent)


COMPLETE = ["event: complete", "data:"]


# ---------- what a stream says ----------


def test_a_subscription_is_a_stream_of_events(address: str) -> None:
    with streaming(address, {"query": TICKS, "variables": {"to": 2, "pause": 0.0}}) as stream:
        headers = stream.response.headers
        assert headers["content-type"] == "text/event-stream; charset=utf-8"
        assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-store", "no")
        assert headers["x-content-type-options"] == "nosniff"
        for number in range(2):
            assert stream.answer() == {"data": {"ticks": {"number": number, "seenBy": "Front desk"}}}
        assert stream.part() == COMPLETE
        assert stream.part() == ["(end)"]
    sources.until(lambda found: found.closed == 1)


def test_a_subscription_may_come_by_get(address: str) -> None:
    asked = {"query": TICKS, "variables": '{"to": 1, "pause": 0}'}
    headers = {"Authorization": bearer(), "Accept": "text/event-stream"}
    answer = httpx2.get(f"{address}/graphql", params=asked, headers=headers)
    assert answer.text.count("event: next") == 1
    assert answer.text.endswith("\n\nevent: complete\ndata:\n\n")
    assert httpx2.get(f"{address}/graphql", params=asked, headers={"Accept": "text/event-stream"}).status_code == 401


@pytest.mark.parametrize(
    ("query", "data"),
    [("{ hello }", {"hello": "Hello, Front desk"}), ("mutation { recordUsage(events: []) }", {"recordUsage": 0})],
)
def test_queries_and_mutations_are_a_stream_of_one_event(address: str, query: str, data: Any) -> None:
    answer = post(address, {"query": query})
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    event, body, *end = answer.text.split("\n")
    assert (event, end) == ("event: next", ["", "event: complete", "data:", "", ""])
    assert without_cost(json.loads(body.removeprefix("data: "))) == {"data": data}


def test_a_mutation_never_comes_by_get(address: str) -> None:
    headers = {"Authorization": bearer(), "Accept": "text/event-stream"}
    answer = httpx2.get(f"{address}/graphql", params={"query": "mutation { change }"}, headers=headers)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("accept", "query", "is_stream"),
    [
        ("text/event-stream", "{ hello }", True),
        ("application/json, text/event-stream", "{ hello }", False),
        ("application/graphql-response+json, application/json, text/event-stream", "{ hello }", False),
        ("application/json;q=0.5, text/event-stream", "{ hello }", True),
        ("application/json, text/event-stream", "subscription { ticks(to: 1) { number } }", True),
        ("application/json;q=0.9, text/event-stream;q=0.1", "subscription { ticks(to: 1) { number } }", True),
        ("text/event-stream, */*", "{ hello }", False),
        ("*/*", "{ hello }", False),
    ],
)
def test_who_could_read_both_gets_a_stream_where_it_is_needed(
    address: str, accept: str, query: str, is_stream: bool
) -> None:
    answer = post(address, {"query": query}, Accept=accept)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream") is is_stream


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/graphql-response+json"])
def test_a_subscription_is_no_single_answer(address: str, accept: str) -> None:
    answer = post(address, SILENCE, Accept=accept)
    assert answer.status_code == 400
    message = answer.json()["errors"][0]["message"]
    assert "text/event-stream" in message
    assert "WebSocket" in message
    assert sources.opened == 0


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ([], 400, "BAD_REQUEST"),
        ({"query": "subscription {"}, 400, "GRAPHQL_PARSE_FAILED"),
        ({"query": "subscription { nothing }"}, 400, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": TICKS, "variables": {"to": "x"}}, 400, "BAD_USER_INPUT"),
        ({"query": "query ($c: Colour!) { paint(colour: $c) }"}, 400, "BAD_USER_INPUT"),
        ({"query": "{ hello }", "operationName": "B"}, 400, "BAD_REQUEST"),
        ({"query": "{ hello }" + " " * 100_000}, 413, "BAD_REQUEST"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_run_is_refused_before_a_stream_begins(address: str, body: Any, status: int, code: str) -> None:
    answer = post(address, body)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("application/graphql-response+json")
    assert answer.json()["errors"][0]["extensions"]["code"] == code


def test_a_stream_needs_a_token(address: str) -> None:
    answer = post(address, SILENCE, Authorization="Bearer x")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_a_source_that_fails_is_answered_and_completed(address: str) -> None:
    with streaming(address, {"query": "subscription { breaksOff { number broken } }"}) as stream:
        first, last = stream.answer(), stream.answer()
        assert first["data"] == {"breaksOff": {"number": 0, "broken": None}}
        assert last["errors"][0]["path"] == ["breaksOff"]
        assert "hunter2" not in json.dumps([first, last])
        assert stream.part() == COMPLETE


def test_silence_is_filled_with_comments(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "KEEP_ALIVE_SECONDS", 0.05)
    with streaming(address, {"query": TICKS, "variables": {"to": 2, "pause": 0.3}}) as stream:
        assert stream.answer()["data"]["ticks"]["number"] == 0
        for _ in range(3):
            assert stream.part() == [":"]
        while (part := stream.part()) == [":"]:
            pass
        assert json.loads(part[1].removeprefix("data: "))["data"]["ticks"]["number"] == 1


# ---------- how a stream ends ----------


def test_who_hangs_up_closes_the_source(address: str) -> None:
    with streaming(address, SILENCE):
        sources.until(lambda found: found.opened == 1)
    sources.until(lambda found: found.closed == 1)


def test_a_stream_ends_with_its_token_and_not_a_moment_later(address: str) -> None:
    expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    asked = {"query": TICKS, "variables": {"to": 1000, "pause": 0.02}}
    count, heard_at = 0, datetime.now(UTC)
    with streaming(address, asked, bearer(expires_at=expires_at)) as stream:
        while "errors" not in (answer := stream.answer()):
            count, heard_at = count + 1, datetime.now(UTC)
        assert answer == {"errors": [{"message": "This token has expired.", "extensions": {"code": "UNAUTHENTICATED"}}]}
        assert stream.part() == COMPLETE
        assert stream.part() == ["(end)"]
    assert count > 20
    assert heard_at - expires_at < timedelta(seconds=0.05)
    assert datetime.now(UTC) - expires_at < timedelta(seconds=1)
    sources.until(lambda found: found.closed == 1)


def test_nothing_is_sent_after_the_expiry_even_by_who_watches_late(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_self: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(admission.Admission, "ended", never)
    expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    asked = {"query": TICKS, "variables": {"to": 1000, "pause": 0.02}}
    with streaming(address, asked, bearer(expires_at=expires_at)) as stream:
        while "errors" not in stream.answer():
            assert datetime.now(UTC) - expires_at < timedelta(seconds=1)
        assert stream.part() == COMPLETE


def test_a_stream_ends_when_the_caller_is_not_known_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "RECHECK_SECONDS", 0.1)
    registry = Registry()
    with serving(registry) as address, streaming(address, SILENCE) as stream:
        time.sleep(0.3)
        registry.change = lambda viewer: None
        assert stream.answer()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert stream.part() == COMPLETE
        sources.until(lambda found: found.closed == 1)


def test_a_fault_of_ours_ends_the_stream_and_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "RECHECK_SECONDS", 0.05)
    registry = Registry()
    with serving(registry) as address, streaming(address, SILENCE) as stream:
        registry.outage = RuntimeError("password=hunter2")
        error = stream.answer()["errors"][0]
        assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
        assert "hunter2" not in json.dumps(error)
