"""The programs of docs/live.md, run with the packages they name: they are told of a charge, and come back to a server
that was restarted. Where node, npm or a package registry is missing they are skipped."""

import asyncio
import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from domain.access import Role
from persistence.database import Database
from tests.api.test_live import acme, call_for_an_hour, stop
from tests.fire.server import Server, token

PAGE = (Path(__file__).parents[2] / "docs" / "live.md").read_text(encoding="utf-8")
PACKAGES = ("graphql@16.11.0", "graphql-ws@6.0.5", "graphql-sse@2.5.4", "ws@8.18.3")
INSTALL_SECONDS = 120
TOLD_SECONDS = 30
"""Clients pause ever longer before they try again."""
NO_REGISTRY = re.compile(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node or npm is not installed")
    folder = tmp_path_factory.mktemp("clients")
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    if done.returncode != 0 and NO_REGISTRY.search(done.stderr):
        pytest.skip("no package registry can be reached")
    assert done.returncode == 0, done.stderr[-2_000:]
    return folder


class Program:
    """One of the page's, while it runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def says(self, amount: str) -> None:
        """That so much was spent from the wallet for calls."""
        assert self._process.stdout is not None
        wanted = {"kind": "CALLING", "spent": {"amount": amount}}
        async with asyncio.timeout(TOLD_SECONDS):
            while line := await self._process.stdout.readline():
                if json.loads(line) == wanted:
                    return
        raise AssertionError((await self._process.stderr.read())[-2_000:] if self._process.stderr else "")


@asynccontextmanager
async def running(name: str, folder: Path, server: Server, office_id: str) -> AsyncIterator[Program]:
    found = re.search(rf"^```js {name}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert found, name
    path = folder / f"{name}.js"
    path.write_text(found[1])
    variables = {
        "FAREBOX_URL": f"{server.address}/graphql",
        "FAREBOX_TOKEN": token("acme", Role.COMPANY_ADMIN),
        "OFFICE": office_id,
    }
    process = await asyncio.create_subprocess_exec(
        "node",
        path,
        env={**os.environ, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("name", ["graphql-ws", "graphql-sse"])
async def test_a_program_of_the_page_is_told_and_comes_back(
    sqlite_database: Database, tmp_path: Path, packages: Path, name: str
) -> None:
    async with (
        acme(sqlite_database, tmp_path) as (server, office_id),
        running(name, packages, server, office_id) as program,
    ):
        await program.says("0.000000")
        call_for_an_hour(server, "one")
        await program.says("1.200000")
        await stop(server)
        await server.start()
        await program.says("1.200000")
        call_for_an_hour(server, "two")
        await program.says("2.400000")
