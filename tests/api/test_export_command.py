"""`farebox export`: the bytes of the download, whole files only, and errors as sentences."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from api.cli import app
from api.usage_csv import COLUMNS
from persistence.tables.charging import CHARGE
from schema.usage_history import UsageHistoryFilter
from tests.api.edge import SECRET
from tests.conftest import FreshDatabases, ToldOnce
from tests.schema.conftest import House, copied_house
from tests.schema.test_export import ask_export, fetch

HOURS = ("2026-03-01T13:00:00Z", "2026-03-01T14:00:00Z")
FAREBOX = Path(sys.executable).with_name("farebox")


@pytest.fixture
async def house(
    engine: str,
    told_once: ToldOnce,
    fresh_databases: FreshDatabases,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> AsyncIterator[House]:
    monkeypatch.setenv("FAREBOX_SECRET_KEY", SECRET)
    monkeypatch.chdir(tmp_path)
    async with copied_house(engine, told_once, fresh_databases) as house:
        monkeypatch.setenv("FAREBOX_DATABASE_URL", house.database.url.render_as_string(hide_password=False))
        yield house


async def farebox(*arguments: str, exit_code: int = 0) -> subprocess.CompletedProcess[bytes]:
    """The command in a process of its own, as it runs in a shell; two minutes at most."""
    command = [str(FAREBOX), "export", "--company", "acme", *arguments]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=120, check=False)
    assert done.returncode == exit_code, done.stderr.decode()
    return done


async def test_it_writes_the_bytes_of_the_download(house: House) -> None:
    office, parties = await house.office("berlin"), "{ usageParties { nodes { ... on Member { id } } } }"
    [member] = [node["id"] for node in (await house.ask(parties))["usageParties"]["nodes"] if node]
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({}, []),
        ({"officeIds": [office], "month": "2026-02"}, ["--office", "berlin", "--month", "2026-02"]),
        (
            {"services": ["CALLING", "FAX"], "party": {"phoneNumber": "+14155550100"}, "direction": "OUTBOUND"},
            ["--service", "CALLING", "--service", "FAX", "--party", "+14155550100", "--direction", "OUTBOUND"],
        ),
        (
            {"destinationRegions": ["US", "GB"], "cost": {"min": "0.01", "max": "12.50"}},
            ["--region", "US", "--region", "GB", "--cost-min", "0.01", "--cost-max", "12.50"],
        ),
        ({"cost": {"min": "-1"}, "bookedLate": False}, ["--cost-min", "-1", "--not-booked-late"]),
        ({"party": {"memberId": member}, "walletSources": ["PLAN"]}, ["--party", member, "--wallet-source", "PLAN"]),
    ]
    for filter_, options in cases:
        downloaded = (await fetch(house, await ask_export(house, filter=filter_))).content
        assert downloaded.count(b"\r\n") > 1
        done = await farebox(*options)
        assert (done.stdout, done.stderr) == (downloaded, b"")
    oldest = (await fetch(house, await ask_export(house, orderBy="OCCURRED_AT_ASC"))).content
    await farebox("--oldest-first", "--output", "history.csv")
    assert await asyncio.to_thread(Path("history.csv").read_bytes) == oldest


async def test_between_two_moments(house: House) -> None:
    between = dict(zip(("from", "until"), HOURS, strict=True))
    downloaded = (await fetch(house, await ask_export(house, filter={"occurredAt": between}))).content
    assert (await farebox("--since", between["from"], "--until", between["until"])).stdout == downloaded


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--office", "paris"], "There is no office 'paris'. Known: berlin, hq, lone."),
        (["--month", "March"], "'March' is not a month: write it as 2026-03."),
        (["--party", "Front desk"], "neither a phone number, +14155550100, nor the id"),
        (["--since", "yesterday"], "'yesterday' is not a date and time"),
        (["--since", HOURS[1], "--until", HOURS[0]], "`from` must lie before `until`."),
        (["--month", "2026-03", "--since", HOURS[0]], "Give `month` or `occurredAt`, not both"),
        (["--region", "uk"], "'uk' is not a country code: write two capital letters, as in US."),
        (["--cost-min", "cheap"], "'cheap' is not a decimal"),
        (["--cost-max", "0.1234567"], "'0.1234567' has more than 6 decimals."),
        (["--cost-min", "2", "--cost-max", "1.99"], "`min` may not be above `max`."),
        (["--output", "nowhere/x.csv"], "nowhere/x.csv could not be written: No such file or directory."),
        (["--output", "."], ". could not be written"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
async def test_what_cannot_be_done_is_told(sqlite_house: House, options: list[str], told: str) -> None:
    arguments = ["export", "--company", "acme", *options]
    result = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    assert (result.exit_code, told in result.stderr, result.stdout) == (1, True, ""), result.stderr
    assert await asyncio.to_thread(os.listdir, ".") == []


@pytest.fixture
async def sqlite_house(
    told_once: ToldOnce, fresh_databases: FreshDatabases, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[House]:
    monkeypatch.setenv("FAREBOX_SECRET_KEY", SECRET)
    empty = tmp_path / "empty"
    await asyncio.to_thread(empty.mkdir)
    monkeypatch.chdir(empty)
    async with copied_house("sqlite", told_once, fresh_databases) as house:
        monkeypatch.setenv("FAREBOX_DATABASE_URL", house.database.url.render_as_string(hide_password=False))
        yield house


async def test_a_file_that_breaks_off_is_not_left_behind(sqlite_house: House) -> None:
    """More is counted than there is: the old file stays as it was."""
    old = Path("history.csv")
    await asyncio.to_thread(old.write_bytes, b"old")
    async with sqlite_house.database.writing() as connection:
        await connection.exec_driver_sql("UPDATE usage_by_cycle SET charge_count = charge_count + 1")
    done = await farebox("--output", "history.csv", exit_code=1)
    assert b"rows were read" in done.stderr
    assert await asyncio.to_thread(os.listdir, ".") == ["history.csv"]
    assert await asyncio.to_thread(old.read_bytes) == b"old"


async def test_a_reader_may_stop_reading(sqlite_house: House) -> None:
    async with sqlite_house.database.writing() as connection:  # more than a pipe holds
        await connection.exec_driver_sql("UPDATE charge SET destination = printf('%.*c', 100000, 'x')")
    command = f"{FAREBOX} export --company acme | head -c 100"
    done = await asyncio.to_thread(
        subprocess.run, ["bash", "-o", "pipefail", "-c", command], capture_output=True, timeout=120, check=False
    )
    assert (done.returncode, len(done.stdout), done.stderr) == (1, 100, b"")


async def test_what_was_booked_late(house: House) -> None:
    """Each alone, and the two halves of everything."""
    async with house.database.writing() as connection:  # as if they had been reported after their cycle
        await connection.execute(CHARGE.update().where(CHARGE.c.service == "FAX").values(is_booked_late=True))
    sizes = {}
    for option, filter_ in {
        "--booked-late": {"bookedLate": True},
        "--not-booked-late": {"bookedLate": False},
    }.items():
        downloaded = (await fetch(house, await ask_export(house, filter=filter_))).content
        assert (await farebox(option)).stdout == downloaded
        sizes[option] = downloaded.count(b"\r\n") - 1
    assert min(sizes.values()) > 0
    assert sum(sizes.values()) == (await farebox()).stdout.count(b"\r\n") - 1


def options_of_export() -> list[Any]:
    commands = get_command(app)
    assert isinstance(commands, TyperGroup)
    return commands.commands["export"].params


def test_every_side_of_the_filter_has_an_option() -> None:
    sides = {
        "month": "--month",
        "occurred_at": "--since",
        "services": "--service",
        "usage_types": "--usage-type",
        "wallet_sources": "--wallet-source",
        "office_ids": "--office",
        "party": "--party",
        "direction": "--direction",
        "destination_regions": "--region",
        "cost": "--cost-min",
        "booked_late": "--booked-late",
    }
    assert {side.name for side in fields(UsageHistoryFilter)} == sides.keys()
    assert set(sides.values()) <= {name for option in options_of_export() for name in option.opts}


def test_the_page_lists_every_column_and_option() -> None:
    page = (Path(__file__).parents[2] / "docs/export.md").read_text(encoding="utf-8")
    columns, options = page.split("## Columns")[1].split("## In a spreadsheet")
    assert re.findall(r"^\| `([^`]+)` \|", columns, re.MULTILINE) == list(COLUMNS)
    given = {name for option in options_of_export() for name in (*option.opts, *option.secondary_opts)}
    assert set(re.findall(r"`(--[a-z-]+)`", options.split("## On the command line")[1])) == given
