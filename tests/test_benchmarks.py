"""That the benchmarks still run: one tiny round of each machinery. How fast anything is, is asserted nowhere."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from benchmarks import pgbench, queries, reporting
from benchmarks.company import SLUG, found, load
from benchmarks.figure import Figure, NotMeasured, Work, interleaved
from benchmarks.load import Load, ask
from benchmarks.machine import program
from benchmarks.parts.export import Exporting
from benchmarks.parts.reading import assert_identical, serving
from benchmarks.report import Part, report
from benchmarks.run import Run
from domain.access import Role
from domain.public_ids import IdKind, public_id
from tests.conftest import FreshDatabases
from tests.fire.server import ROOT, token

OFFICES = 2
ROWS = 240
EVENTS = 6
SECONDS = 60


async def test_farebox_and_the_floor_answer_byte_for_byte_alike(database_url: str, tmp_path: Path) -> None:
    run = Run(folder=tmp_path, is_tiny=True)
    world = await found(database_url, offices=OFFICES)
    await load(world, ROWS, offices=OFFICES)
    office = public_id(IdKind.OFFICE, await world.office_id())
    await world.database.close()
    reader = token(SLUG, Role.COMPANY_ADMIN)
    async with serving(run, "tiny", database_url, world.company_id) as (farebox, floor):
        pids = farebox.pid, floor.pid
        for asked in (queries.history(100, office), queries.history(20, office), queries.credits_of(office)):
            await assert_identical(Load(farebox.address, asked, reader), Load(floor.address, asked))
        with pytest.raises(AssertionError, match="the floor"):
            await assert_identical(
                Load(farebox.address, queries.history(100, office), reader),
                Load(floor.address, queries.history(20, office)),
            )
        assert await ask(Load(farebox.address, asked, reader), 2, 0.05) > 0
        if database_url.startswith("sqlite"):
            assert await Exporting(farebox, ROWS).rate() > 0
            told = (farebox.port, SLUG, ROWS, EVENTS, 3, 2, OFFICES, world.now.isoformat())
            assert await reporting.rate(reporting.Report(*told)) > 0
    assert not any(psutil.pid_exists(pid) for pid in pids)


@pytest.mark.skipif(program("pgbench") is None, reason="there is no pgbench")
@pytest.mark.parametrize("script", [pgbench.ONE_STATEMENT, pgbench.FIVE_STATEMENTS], ids=["one", "five"])
async def test_pgbench_runs_what_it_is_given(fresh_databases: FreshDatabases, tmp_path: Path, script: str) -> None:
    url = await fresh_databases.url("postgresql")
    await pgbench.prepare(url)
    assert await pgbench.rate(url, tmp_path, script, clients=1, seconds=1) > 0


def test_a_run_that_is_broken_off_leaves_no_process() -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "benchmarks", "cold", "--tiny"]
    run = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        children = _started_by(psutil.Process(run.pid))
        run.send_signal(signal.SIGTERM)
        assert run.wait(SECONDS) != 0
    finally:
        run.kill()
    assert psutil.wait_procs(children, timeout=SECONDS)[1] == []


def _started_by(process: psutil.Process) -> list[psutil.Process]:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if found := process.children(recursive=True):
            return found
        time.sleep(0.05)
    raise AssertionError("It started no server.")


def test_a_figure_is_the_median_of_its_rounds_ratios() -> None:
    figure = Figure(what="pages", unit="/s", values=[1, 4, 9], against="the floor", beside=[2, 4, 10], least=0.85)
    assert (figure.value, figure.judged, figure.spread, figure.verdict) == (4, 0.9, "0.5 to 1", "met")
    assert Figure(what="pages", unit="ms", values=[15.1], most=15).verdict == "**missed**"
    assert Figure(what="pages", unit="ms", values=[15.1]).verdict == "told"


def test_a_report_tells_what_could_not_be_measured() -> None:
    rows = [NotMeasured(what="the peer", why="npm is not there"), Figure(what="a page", unit="ms", values=[2], most=3)]
    told = report([Part("reading", rows, 12, 0.4)], form="tiny")
    assert "| the peer | not measured: npm is not there |" in told
    assert "| a page | 2 ms |  |  | 2 to 2 | ≤ 3 ms | met |" in told


async def test_rounds_take_turns() -> None:
    order: list[str] = []

    def named(name: str) -> Work:
        async def work() -> float:
            order.append(name)
            return len(order)

        return work

    told = await interleaved(2, {"a": named("a"), "b": named("b")})
    assert (order, told) == (["a", "b", "b", "a"], {"a": [1, 4], "b": [2, 3]})
