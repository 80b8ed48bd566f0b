"""Traces cost nothing that anybody waits for: not when nobody takes them, and not when they are off."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from api.traces import STOP_SECONDS, Traces
from api.watch import Transport, Watch
from persistence.database import Database
from tests.collector import collecting
from tests.fire.server import free_port

ROOT = Path(__file__).parents[2]


async def test_a_collector_that_is_gone_slows_nobody_and_is_given_up_soon(
    sqlite_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    traces = Traces(f"http://127.0.0.1:{free_port()}", system="sqlite")
    sqlite_database.watch_statements(traces.note_statement)
    begun = time.monotonic()
    for _ in range(500):
        with Watch(traces=traces).operation(Transport.HTTP, None, {}):
            pass
    with Watch(traces=traces).operation(Transport.HTTP, None, {}):
        await sqlite_database.rows(text("SELECT 1"))
    assert time.monotonic() - begun < 2

    begun = time.monotonic()
    traces.close()
    assert time.monotonic() - begun < STOP_SECONDS + 1


async def test_a_server_that_stops_sends_what_it_has(sqlite_database: Database) -> None:
    with collecting() as collector:
        traces = Traces(collector.address + "/", system="sqlite")
        sqlite_database.watch_statements(traces.note_statement)
        await sqlite_database.rows(text("SELECT 1"))  # for nothing: of no operation
        with Watch(traces=traces).operation(Transport.WEBSOCKET, "portal", {"traceparent": "nonsense"}) as seen:
            seen.note_operation("Greet", "query")
            await sqlite_database.rows(text("SELECT 'secret', 1"))
        with Watch(traces=traces).job("renew"):
            pass
        traces.close()

        names = ["SELECT", "Greet", "worker renew"]
        assert sorted(span.name for span in collector.spans) == sorted(names)
        statement, greet, job = sorted(collector.spans, key=lambda span: names.index(span.name))
    assert statement.parent_id == greet.id
    assert statement.attributes == {"db.system.name": "sqlite", "db.query.text": "SELECT ?, ?"}
    assert greet.attributes["farebox.client"] == "portal"
    assert (greet.parent_id, job.parent_id, greet.service) == ("", "", "farebox")
    assert job.trace_id != greet.trace_id


def test_without_a_collector_nothing_of_it_is_loaded() -> None:
    program = "import sys, api.wiring; print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert done.stdout.strip() == "[]", done.stderr
