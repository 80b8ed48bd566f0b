"""The life of a socket: it lasts as long as its caller may do what he might when he came, and not a moment longer."""

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from api import admission, socket
from api.auth import Claims, KeySetError
from domain.access import Viewer
from tests.api.live import Registry, bearer, serving, sources, welcomed


def test_a_socket_ends_with_its_token_and_not_a_moment_later() -> None:
    expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    heard_at: list[datetime] = []
    with serving() as address, welcomed(address, bearer(expires_at=expires_at)) as peer:
        peer.subscribe("subscription { ticks(to: 1000, pause: 0.02) { number } }")
        end: tuple[int, str] | None = None
        while end is None:
            try:
                peer.hear()
                heard_at.append(datetime.now(UTC))
            except Exception:
                end = peer.end()
    assert end == (4403, "Forbidden: This token has expired.")
    assert len(heard_at) > 20
    assert heard_at[-1] - expires_at < timedelta(seconds=0.05)
    assert datetime.now(UTC) - expires_at < timedelta(seconds=1)
    sources.until(lambda found: found.closed == 1)


async def _never(_self: object) -> None:
    await asyncio.sleep(60)


@pytest.mark.parametrize("query", ["subscription { ticks(to: 1000, pause: 0.02) { number } }", "{ hello }"])
def test_nothing_is_sent_or_begun_after_the_expiry_even_by_who_watches_late(
    monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    monkeypatch.setattr(admission.Admission, "ended", _never)
    expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    with serving() as address, welcomed(address, bearer(expires_at=expires_at)) as peer:
        if query.startswith("{"):
            time.sleep((expires_at - datetime.now(UTC)).total_seconds() + 0.01)
        peer.subscribe(query)
        assert peer.end() == (4403, "Forbidden: This token has expired.")
        assert datetime.now(UTC) - expires_at < timedelta(seconds=1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda viewer: None, "Forbidden: The company or an office that this token names is not known here."),
        (
            lambda viewer: replace(viewer, has_billing=True, office_ids=frozenset()),
            "Forbidden: What this token may see or do has changed: connect again.",
        ),
    ],
)
def test_a_socket_ends_when_the_caller_is_another(monkeypatch: pytest.MonkeyPatch, change: Any, reason: str) -> None:
    monkeypatch.setattr(admission, "RECHECK_SECONDS", 0.1)
    registry = Registry()
    with serving(registry) as address, welcomed(address) as peer:
        peer.subscribe("subscription { silence { number } }")
        assert peer.hears_nothing()
        registry.change = change
        assert peer.end(2) == (4403, reason)
        sources.until(lambda found: found.closed == 1)


@pytest.mark.parametrize(
    "query", ['mutation { changeSlowly(name: "late") }', "{ hello }", "subscription { ticks(to: 9) { number } }"]
)
@pytest.mark.parametrize(
    ("change", "reason"),
    [(lambda viewer: None, "not known"), (lambda viewer: replace(viewer, office_ids=frozenset()), "has changed")],
    ids=["gone", "other rights"],
)
def test_each_operation_is_admitted_as_a_request_of_its_own(query: str, change: Any, reason: str) -> None:
    """Long before the socket would be looked at again."""
    registry = Registry()
    with serving(registry) as address, welcomed(address) as peer:
        peer.subscribe('mutation { changeSlowly(name: "in time") }', "first")
        peer.ask("{ hello }")
        registry.change = change
        begun = time.monotonic()
        peer.subscribe(query)
        with suppress(ConnectionClosed):  # it may be over by then
            peer.subscribe(query, "2")
        code, told = peer.end(admission.RECHECK_SECONDS / 2)
        assert time.monotonic() - begun < admission.RECHECK_SECONDS / 2
        assert code == 4403
        assert reason in told
    sources.until(lambda found: found.done == ["in time"])
    time.sleep(0.4)  # as long as the mutation takes
    assert (sources.done, sources.opened) == (["in time"], 0)


@pytest.mark.parametrize("query", ['mutation { changeSlowly(name: "unsure") }', "subscription { silence { number } }"])
@pytest.mark.parametrize("outage", [ConnectionRefusedError(), KeySetError("The keys cannot be reached.")])
def test_what_cannot_be_admitted_is_not_run_and_the_socket_stays(query: str, outage: Exception) -> None:
    registry = Registry()
    with serving(registry) as address, welcomed(address) as peer:
        registry.outage = outage
        peer.subscribe(query)
        told = peer.hear()
        assert (told["id"], told["type"]) == ("1", "error")
        assert told["payload"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"
        registry.outage = None
        assert peer.ask('mutation { changeSlowly(name: "sure") }') == {"data": {"changeSlowly": "sure"}}
        assert (sources.done, sources.opened) == (["sure"], 0)


def test_an_admission_that_takes_too_long_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry()
    with serving(registry) as address, welcomed(address) as peer:
        monkeypatch.setattr(socket, "CHECK_SECONDS", 1.5)

        async def hang(claims: Claims) -> Viewer | None:
            await asyncio.sleep(60)
            return None

        registry.hang = hang
        for number in range(3):
            peer.subscribe("{ hello }", str(number))
        begun = time.monotonic()
        told = [peer.hear() for _ in range(3)]
        assert time.monotonic() - begun < 4, "the others waited their turn, and then as long again"
        assert {one["payload"][0]["extensions"]["code"] for one in told} == {"SERVICE_UNAVAILABLE"}


def test_a_socket_outlives_an_outage_that_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "RECHECK_SECONDS", 0.05)
    monkeypatch.setattr(admission, "UNSURE_SECONDS", 1.0)
    registry = Registry()
    with serving(registry) as address, welcomed(address) as peer:
        registry.outage = ConnectionRefusedError()
        assert peer.hears_nothing()
        registry.outage = None
        time.sleep(1)
        assert peer.ask("{ hello }")["data"]
        registry.outage = ConnectionRefusedError()
        assert peer.end(3) == (1013, "It cannot be checked whether this token is still valid.")


def test_a_fault_of_ours_closes_the_socket_and_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "RECHECK_SECONDS", 0.05)
    registry = Registry()
    with serving(registry) as address, welcomed(address) as peer:
        registry.outage = RuntimeError("password=hunter2")
        code, reason = peer.end(2)
        assert code == 1011
        assert "incident" in reason
        assert "hunter2" not in reason
