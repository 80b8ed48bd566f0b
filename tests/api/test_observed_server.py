"""A real server of two processes on PostgreSQL, driven through success, refusal, broken rules and crashes with marked
phone numbers, names, bodies and keys: what its log, its figures and its traces tell of it, and what none of them does.
"""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from api.clock import utc_now
from api.traces import without_values
from domain.access import Role
from persistence.database import Database
from schema.ids import IdKind, encode
from tests.api.live import welcomed
from tests.collector import Collector, Span, collecting
from tests.conftest import FreshDatabases
from tests.fire.server import Server, token
from tests.world import World

CALLER, CALLED, BODY, PERSON = "+14155550177", "+12125550166", "Meet me by the fountain at noon", "Quenby Larkspur"
KEY = "fbx_live_notarealkey0123456789"
METRICS_TOKEN = "a token for Prometheus"
MARKS = (CALLER[2:], CALLED[2:], "fountain", "noon", "Quenby", "Larkspur", "notarealkey", METRICS_TOKEN, "fault at")
RECORD = """mutation Report($input: RecordUsageInput!) {
  recordUsage(input: $input) { chargedCount rejectedCount userErrors { code } } }"""
ALERTS = "query Alerts { spendingAlerts { id } viewer { name } }"
TOP_UPS = "query Bought($office: ID!) { topUps(officeId: $office, first: 5) { nodes { id } } }"
WALLETS = "subscription Wallets($office: ID!) { walletChanged(officeId: $office) { id } }"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@dataclass
class Observed:
    server: Server
    collector: Collector
    metrics: str
    """After all that was done, while the server still stood."""
    incidents: list[str]
    """The numbers that callers were told."""
    refused: list[httpx2.Response]
    folder: Path
    folder_while_serving: list[Path]

    def figures_folders(self) -> list[Path]:
        return list(self.folder.glob("farebox-figures-*"))

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.server.log.splitlines()]

    @property
    def operations(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == "operation"]


def events() -> list[dict[str, Any]]:
    at = utc_now().isoformat()
    call = {"direction": "OUTBOUND", "from": CALLER, "to": CALLED, "durationSeconds": 3_600}
    message = {"direction": "OUTBOUND", "from": CALLER, "to": CALLED, "traffic": "P2P", "content": {"smsBody": BODY}}
    return [
        {"eventId": "one", "occurredAt": at, "member": {"externalId": "7", "name": PERSON}, "usage": {"call": call}},
        {"eventId": "two", "occurredAt": at, "usage": {"message": message}},
        {"eventId": "three", "occurredAt": at, "usage": {"call": call | {"to": "+900123456789"}}},
    ]


class Driver:
    def __init__(self, server: Server, client: httpx2.Client) -> None:
        self.address = server.address
        self.partner = f"Bearer {token('acme', Role.PARTNER)}"
        self.admin = f"Bearer {token('acme', Role.COMPANY_ADMIN)}"
        self.client = client

    def ask(self, query: str, authorization: str | None = None, **variables: Any) -> httpx2.Response:
        headers = {"Authorization": authorization or self.admin, "traceparent": f"00-{TRACE}-{PARENT}-01"}
        headers["GraphQL-Client-Name"] = f"portal {CALLER}"
        return self.client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)

    def report(self, found: list[dict[str, Any]]) -> httpx2.Response:
        return self.ask(RECORD, self.partner, input={"office": {"slug": "hq"}, "events": found})


async def _set_up(url: str) -> str:
    database = Database(url)
    world = World(database, now=utc_now() - timedelta(days=2))
    await world.set_up()
    async with database.writing() as connection:
        await connection.execute(text("ALTER TABLE charge ADD CONSTRAINT no_boom CHECK (event_id <> 'boom')"))
        await connection.execute(text("ALTER TABLE top_up RENAME COLUMN requested_by TO fault"))
    office_id = encode(IdKind.OFFICE, await world.office_id())
    await database.close()
    return office_id


def _drive(driver: Driver, office_id: str) -> tuple[list[str], list[httpx2.Response]]:
    told = []
    first = driver.report(events())
    assert first.json()["data"]["recordUsage"]["chargedCount"] == 2, first.text
    told.append(driver.report(events()))  # replays
    told.append(driver.report([{**events()[0], "occurredAt": f"at {CALLED}"}]))  # cannot be read
    told.append(driver.report([{**events()[0], "eventId": "boom"}]))  # a rule of the database
    told.append(driver.ask(TOP_UPS, office=office_id))  # a crash
    told.append(driver.ask(f'{{ usageHistory(search: "{CALLED}", fault: "{BODY}") {{ totalCount }} }}'))  # invalid
    told.append(driver.ask(ALERTS))
    told.append(driver.ask("{ viewer { id } }", f"Bearer {KEY}"))
    refused = [driver.client.get(path) for path in (f"/exports/{CALLED}/{KEY}", f"/{CALLED}", f"/graphql?query={KEY}")]
    refused += [driver.client.post("/webhooks/stripe", content=KEY), driver.client.put("/healthz")]
    with welcomed(driver.address, driver.admin) as socket:
        socket.ask(ALERTS)
        socket.subscribe(WALLETS, variables={"office": office_id})
        assert socket.hear()["type"] == "next"
        socket.complete()
        socket.say({"type": "ping", "payload": {"Authorization": KEY}})
        socket.hear()
    refused.append(driver.client.post("/graphql", content=BODY, headers={"Authorization": driver.admin}))
    texts = [answer.text for answer in told]
    return re.findall(r'"incident":"(\w+)"', "".join(texts)), refused + told


@pytest.fixture(scope="module")
def observed(
    postgresql_url: str, kept_databases: FreshDatabases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Observed]:
    folder: Path = tmp_path_factory.mktemp("observed")
    url = asyncio.run(kept_databases.copy_of(postgresql_url))
    office_id = asyncio.run(_set_up(url))
    server = Server(url, folder, workers=2)
    with collecting() as collector:
        env = {
            "FAREBOX_LOG_FORMAT": "json",
            "FAREBOX_LOG_LEVEL": "debug",
            "FAREBOX_METRICS_TOKEN": METRICS_TOKEN,
            "FAREBOX_OTLP_ENDPOINT": collector.address,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_SERVICE_NAME": "billing",
            "TMPDIR": str(folder),
        }
        try:
            asyncio.run(server.start(env=env))
            with httpx2.Client(base_url=server.address, timeout=20) as client:
                incidents, refused = _drive(Driver(server, client), office_id)
            observed = Observed(server, collector, _scrape(server), incidents, refused, folder, [])
            observed.folder_while_serving = observed.figures_folders()
            assert server._process is not None
            server._process.terminate()
            asyncio.run(server.has_died())
            yield observed
        finally:
            server.kill()


def _scrape(server: Server) -> str:
    """Once the worker has judged what was charged."""
    headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
    end = time.monotonic() + 10
    while True:
        answer = httpx2.get(f"{server.address}/metrics", headers=headers)
        assert answer.status_code == 200, answer.text
        if 'worker_runs_total{job="watch",outcome="done"}' in answer.text or time.monotonic() > end:
            return answer.text
        time.sleep(0.3)


# ---------- the log ----------


def test_nothing_of_what_was_marked_is_in_the_log(observed: Observed) -> None:
    log = observed.server.log
    assert [mark for mark in MARKS if mark in log] == []
    for role in (Role.PARTNER, Role.COMPANY_ADMIN):
        assert token("acme", role).split(".")[1] not in log
    assert "eyJ" not in log
    assert "WebSocket /" not in log  # no addresses: they hold documents, and tokens where a client is careless
    assert "?query" not in log


def test_every_line_is_one_json_object(observed: Observed) -> None:
    assert all({"timestamp", "level", "event", "logger"} <= line.keys() for line in observed.lines)


def test_every_process_says_what_it_is_when_it_begins(observed: Observed) -> None:
    begun = [line for line in observed.lines if line["event"] == "serving"]
    assert len({line["pid"] for line in begun}) == len(begun) > 0
    assert {(line["env"], line["database"]) for line in begun} == {("local", "postgresql")}
    assert all(re.match(r"\d+\.\d+", line["version"]) for line in begun)


def test_every_operation_has_its_line(observed: Observed) -> None:
    found = [(line["operation"], line["kind"], line["transport"], line["outcome"]) for line in observed.operations]

    assert found.count(("Report", "mutation", "http", "ok")) == 2
    assert ("Alerts", "query", "http", "ok") in found
    assert ("Alerts", "query", "websocket", "ok") in found
    assert ("Wallets", "subscription", "websocket", "ok") in found
    assert (None, None, "http", "refused") in found
    codes = {code for line in observed.operations for code in line["codes"]}
    assert codes >= {"UNAUTHENTICATED", "BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED", "INTERNAL_SERVER_ERROR"}
    asked = next(line for line in observed.operations if line["operation"] == "Alerts")
    assert asked["client"] == "portal +***"
    assert asked["cost"]["requested"] >= asked["cost"]["actual"] > 0


def test_every_incident_that_a_caller_was_told_is_in_the_log_with_its_traceback(observed: Observed) -> None:
    assert len(observed.incidents) == 2
    for incident in observed.incidents:
        levels = [line["level"] for line in observed.lines if line.get("incident") == incident]
        assert sorted(levels) == ["error", "info"]
        [fault] = [line for line in observed.lines if line.get("incident") == incident and line["level"] == "error"]
        assert "Error" in fault["exception"]
        assert "persistence/" in fault["exception"]


# ---------- answers ----------


def test_no_answer_shows_a_trace_or_sql_and_all_have_a_form(observed: Observed) -> None:
    for answer in observed.refused:
        assert not re.search(r"Traceback|SELECT|INSERT|asyncpg|sqlalchemy|line \d+, in", answer.text), answer.text
        body = answer.json()
        if "/graphql" in str(answer.request.url):
            assert all(error["extensions"]["code"] for error in body.get("errors", ()))
        else:
            assert set(body) <= {"status", "reason"}, body
            assert answer.status_code >= 400


# ---------- figures ----------


def test_the_processes_together_tell_what_was_done(observed: Observed) -> None:
    told = observed.metrics
    assert 'farebox_charges_total{service="calling"} 1.0' in told
    assert 'farebox_charges_total{service="messaging"} 1.0' in told
    assert 'farebox_allocated_micros_total{currency="USD",source="universal"} 1.21e+06' in told
    assert 'farebox_rejected_usage_total{code="blocked"} 2.0' in told
    assert 'farebox_operations_total{kind="mutation",outcome="ok",transport="http"} 2.0' in told
    assert 'farebox_incidents_total{code="INTERNAL_SERVER_ERROR"} 2.0' in told
    assert 'farebox_queue_length{queue="top_ups"} 0.0' in told
    assert "farebox_sockets 0.0" in told
    assert 'farebox_statement_seconds_count{use="write"}' in told
    assert "farebox_build_info" in told


def test_no_label_holds_an_id_or_a_name(observed: Observed) -> None:
    labels = set(re.findall(r'(\w+)="([^"]*)"', observed.metrics))
    assert len({name for name, _ in labels}) < 20
    assert [
        value for name, value in labels if name not in ("le", "version") and not re.fullmatch(r"[A-Za-z_ ]+", value)
    ] == []


def test_the_figures_folder_is_gone_with_the_server(observed: Observed) -> None:
    assert observed.folder_while_serving
    assert observed.figures_folders() == []


# ---------- traces ----------


def below(spans: list[Span], parent: Span) -> list[Span]:
    return [span for span in spans if span.parent_id == parent.id]


def test_an_operation_is_a_span_below_its_callers_with_its_statements_below_it(observed: Observed) -> None:
    spans = observed.collector.spans
    report = next(span for span in spans if span.name == "Report" and span.attributes["farebox.outcome"] == "ok")

    assert (report.trace_id, report.parent_id, report.service) == (TRACE, PARENT, "billing")
    assert report.attributes["graphql.operation.type"] == "mutation"
    assert report.attributes["farebox.cost.requested"] > 0
    statements = [span.attributes["db.query.text"] for span in below(spans, report)]
    assert any(statement.startswith("UPDATE office") for statement in statements)
    assert all(span.attributes["db.system.name"] == "postgresql" for span in below(spans, report))
    assert 0 < sum(span.seconds for span in below(spans, report)) < report.seconds


def test_a_run_of_the_worker_is_a_span(observed: Observed) -> None:
    assert any(span.name == "worker renew" and not span.parent_id for span in observed.collector.spans)


def test_nothing_of_what_was_marked_is_in_the_traces(observed: Observed) -> None:
    bodies = b"".join(observed.collector.bodies)
    assert bodies
    assert [mark for mark in MARKS if mark.encode() in bodies] == []


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("SELECT a FROM t WHERE b = 'it''s +14155550177' AND c > 17.5", "SELECT a FROM t WHERE b = ? AND c > ?"),
        ("SELECT a\n FROM t2\n WHERE b IN ($1::UUID, $2::UUID, $3::UUID)", "SELECT a FROM t2 WHERE b IN (?, …)"),
        ("SELECT a FROM t WHERE b IN (?, ?) LIMIT 10", "SELECT a FROM t WHERE b IN (?, …) LIMIT ?"),
    ],
)
def test_a_statement_is_shown_without_values(statement: str, shown: str) -> None:
    assert without_values(statement) == shown
