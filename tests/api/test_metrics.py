"""The figures: what is counted once, who may read them, and that dashboard, rules and docs speak of the same ones."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest
from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette
from starlette.testclient import TestClient

from api.instruments import Instruments
from api.metrics import Metrics
from api.metrics_page import MetricsPage
from api.readiness import Readiness
from api.worker import LOST_SECONDS, Worker
from persistence.database import Database
from persistence.migrate import migrate
from persistence.tally import Tally
from tests.api.edge import make_settings
from tests.conftest import FreshDatabases
from tests.proof import assert_books_hold
from tests.shop import Shop
from tests.world import World, call, commitment, office

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
NAME = re.compile(r"\bfarebox_[a-z_]+\b")
SERIES = re.compile(r"_(?:bucket|sum|count)$")


# ---------- dashboard, rules, docs ----------


def known() -> set[str]:
    """As a scrape names them."""
    lines = generate_latest(Metrics().everything()).decode().splitlines()
    return {line.split()[2] for line in lines if line.startswith("# TYPE farebox_")}


def named_in(text: str) -> set[str]:
    return {name if name in known() else SERIES.sub("", name) for name in NAME.findall(text)}


def test_the_docs_list_every_figure_with_its_labels_and_no_other() -> None:
    metrics = Metrics()
    found = {f"farebox_{name}": labels for name, labels in _labels(metrics).items()}
    rows = re.findall(r"^\| `(farebox_\w+)` \| (\w+) \| ([^|]*)\|", DOCS, re.MULTILINE)

    assert {name: sorted(re.findall(r"\w+", labels)) for name, _, labels in rows} == found
    assert named_in(DOCS) == known()


def _labels(metrics: Metrics) -> dict[str, list[str]]:
    parts = [part for part in vars(metrics).values() if hasattr(part, "_labelnames")]
    found = {}
    for part in parts:
        suffix = "_total" if part._type == "counter" else ""
        found[part._name.removeprefix("farebox_") + suffix] = sorted(part._labelnames)
    return found | {"build_info": ["version"]}


def test_the_dashboard_asks_for_figures_that_there_are_and_for_all_of_them() -> None:
    board = json.loads((ROOT / "deploy" / "grafana" / "farebox.json").read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]

    assert {name for expression in asked for name in named_in(expression)} == known()
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_the_rules_ask_for_figures_that_there_are() -> None:
    text = (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
    rules = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]

    asked = {name for rule in rules for name in named_in(rule["expr"])}
    assert asked <= known()
    assert asked >= {"farebox_queue_age_seconds", "farebox_incidents_total", "farebox_throttled_total"}
    assert all(rule["annotations"]["summary"] for rule in rules)


# ---------- the page ----------


def page(database: Database, **given: Any) -> TestClient:
    return TestClient(Starlette(routes=Instruments(make_settings(**given), database).routes()))


async def test_the_page_is_for_the_bearer_of_its_token_and_else_for_local_runs(sqlite_database: Database) -> None:
    with page(sqlite_database, metrics_token="open sesame") as client:
        for given in ("", "Bearer", "Bearer open", "open sesame", "Bearer open sesame!", "Bearer ö"):
            answer = client.get("/metrics", headers={"Authorization": given.encode()})
            assert (answer.status_code, "farebox" in answer.text) == (401, False)
            assert answer.json()["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
        assert client.get("/metrics", headers={"Authorization": "Bearer open sesame"}).status_code == 200
    with page(sqlite_database, env="production") as client:
        assert client.get("/metrics").status_code == 404
    with page(sqlite_database) as client:
        assert client.get("/metrics").status_code == 200


@pytest.mark.parametrize(
    ("accept", "media_type", "end"),
    [
        ("*/*", "text/plain; version=0.0.4; charset=utf-8", "\n"),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text; version=1.0.0", "# EOF\n"),
        ("application/openmetrics-text; version=nonsense", "text/plain; version=0.0.4; charset=utf-8", "\n"),
    ],
)
async def test_the_form_is_the_one_that_is_asked_for(
    accept: str, media_type: str, end: str, sqlite_database: Database
) -> None:
    with page(sqlite_database) as client:
        answer = client.get("/metrics", headers={"Accept": accept})

    assert answer.headers["content-type"].startswith(media_type)
    assert answer.text.endswith(end)


async def test_what_waits_is_told_with_its_age_and_read_once_in_a_while(database: Database) -> None:
    world = await World(database).set_up(office(commitments=(commitment("10"),)))
    await world.record(call("one", world.now))
    read: list[str] = []
    database.watch_statements(lambda _use, text, _seconds: read.append(text))
    asked_at = world.now + timedelta(minutes=10)
    metrics = Metrics()
    figures = MetricsPage(metrics, database, token=None, clock=lambda: asked_at)

    for _ in range(5):
        await figures._read_queues()

    told = generate_latest(metrics.everything()).decode()
    assert len([text for text in read if text.startswith("SELECT")]) == 1
    assert 'farebox_queue_length{queue="alerts"} 1.0' in told
    age = re.search(r'farebox_queue_age_seconds\{queue="alerts"\} (\S+)', told)
    assert age is not None
    assert 597 <= float(age[1]) <= 600
    assert 'farebox_queue_age_seconds{queue="webhooks"} 0.0' in told


async def test_a_database_that_is_gone_leaves_the_rest_of_the_page(tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/empty.db")
    with page(database) as client:
        told = client.get("/metrics").text
    await database.close()

    assert 'farebox_queue_age_seconds{queue="top_ups"} NaN' in told
    assert "farebox_build_info" in told


# ---------- what is counted ----------


async def test_what_was_committed_is_counted_once(database: Database) -> None:
    told: list[Tally] = []
    world = await World(database).set_up(office(commitments=(commitment("1"),)))
    world.begin.on_tally = told.append

    events = [call("one", world.now, seconds=6_000), call("barred", world.now, to="+900123456789")]
    await world.record(*events)
    await world.record(*events)  # replays

    charges, allocated = [tally.charges for tally in told], [dict(tally.allocated_micros) for tally in told]
    assert [sum(counts.values()) for counts in charges] == [1, 0]
    assert {source: micros for (source, _), micros in allocated[0].items() if micros} == {
        "commitment": 1_000_000,
        "universal": 1_000_000,
    }
    assert [dict(tally.rejections) for tally in told] == [{"BLOCKED": 1}, {"BLOCKED": 1}]
    await assert_books_hold(database)


async def test_what_was_rolled_back_is_not_counted_and_a_second_try_counts_once(database: Database) -> None:
    told: list[Tally] = []
    world = await World(database).set_up()
    world.begin.on_tally = told.append
    tries = []

    async def fails_at_first() -> None:
        async with world.begin.begin(world.company_id, world.now) as work:
            work.tally.alerts["UNIVERSAL_LOW"] += 1  # type: ignore[attr-defined]
            tries.append(1)
            if len(tries) == 1:
                raise OperationalError("", {}, Exception("database is locked"))

    await world.begin.again(fails_at_first)

    assert len(tries) == 2
    assert [dict(tally.alerts) for tally in told] == [{"UNIVERSAL_LOW": 1}]


def test_a_tally_becomes_figures() -> None:
    metrics, tally = Metrics(), Tally()
    tally.top_ups["AUTO_RECHARGE", "SKIPPED"] += 2
    tally.skips["CYCLE_CAP"] += 2

    metrics.note_tally(tally)

    told = generate_latest(metrics.everything()).decode()
    assert 'farebox_top_ups_total{origin="auto_recharge",outcome="skipped"} 2.0' in told
    assert 'farebox_recharge_skips_total{reason="cycle_cap"} 2.0' in told


# ---------- several processes ----------

ONE_OF_SEVERAL = """
import sys
from prometheus_client import generate_latest
from api.metrics import Metrics
metrics = Metrics()
metrics.note_batch("offices", 3)
metrics.sockets.inc()
if sys.argv[1] == "tell":
    print(generate_latest(metrics.everything()).decode())
    metrics.close()
"""


def test_what_a_dead_process_counted_stays_and_what_it_had_open_is_open_no_more(tmp_path: Path) -> None:
    def run(word: str) -> str:
        env = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", ONE_OF_SEVERAL, word], env=env, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("die")
    told = run("tell")

    assert 'farebox_resolver_batch_size_sum{loader="offices"} 6.0' in told
    assert "farebox_sockets 1.0" in told
    assert not list(tmp_path.glob("gauge_livesum_*.db"))


# ---------- readiness ----------


async def test_readiness_is_looked_up_once_for_all_who_ask(tmp_path: Path, fresh_databases: FreshDatabases) -> None:
    database = Database(await fresh_databases.url("sqlite"))
    read: list[str] = []
    database.watch_statements(lambda _use, text, _seconds: read.append(text))
    readiness = Readiness(database, None)

    assert [await readiness.missing() for _ in range(50)] == [None] * 50
    assert len([text for text in read if text.startswith("SELECT")]) == 1
    await database.close()

    empty = Database(f"sqlite+aiosqlite:///{tmp_path}/empty.db")
    assert "farebox migrate" in str(await Readiness(empty, None).missing())
    await migrate(empty)
    await empty.close()


async def test_a_process_whose_worker_is_lost_is_not_ready(sqlite_database: Database) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    shop = Shop(World(sqlite_database))
    worker = Worker(sqlite_database, shop.world.begin, shop.processors, shop.deliveries, clock=lambda: now)

    assert await Readiness(sqlite_database, worker).missing() is None
    now += timedelta(seconds=LOST_SECONDS)
    missing = await Readiness(sqlite_database, worker).missing()
    assert missing == "The worker of this process has stopped: start the process anew."
