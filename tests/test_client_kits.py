"""The client kits of examples/: every operation fits the schema, and what the page about them tells one to type works.

Where node, npm or a package registry is missing, what needs them is skipped. Everything generated lies in a temporary
folder and is thrown away.
"""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest
from graphql import (
    DocumentNode,
    FieldNode,
    NoDeprecatedCustomRule,
    OperationDefinitionNode,
    Source,
    TokenKind,
    build_schema,
    parse,
    print_ast,
    separate_operations,
    specified_rules,
    validate,
)

from api.clock import utc_now
from api.document_reader import DocumentReader
from api.limits import Limits
from api.refusals import Refused
from domain.access import Role
from persistence.database import Database
from schema.root import schema
from tests.conftest import FreshDatabases
from tests.fire.server import Server, token
from tests.world import World, allowance, call, office

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
PAGE = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
FOLDERS = ("operations", "partner")
SCHEMA = build_schema((ROOT / "schema.graphql").read_text(encoding="utf-8"))

INSTALL_SECONDS = 120
"""Of the commands that make a kit: most of it is for the registry."""
RUN_SECONDS = 40
NO_REGISTRY = re.compile(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|Retrying \(Retry")
CALLS = 60
"""More than one page of the history."""
RECORD = "mutation($input: RecordUsageInput!) { recordUsage(input: $input) { chargedCount } }"


# ---------- the operations ----------


def documents(folder: str) -> DocumentNode:
    """All files of a folder as one document, as the generators read them."""
    files = sorted((EXAMPLES / folder).glob("*.graphql"))
    parts = [parse(Source(path.read_text(encoding="utf-8"), path.name)) for path in files]
    return DocumentNode(definitions=tuple(definition for part in parts for definition in part.definitions))


def operations(folder: str) -> list[OperationDefinitionNode]:
    return [part for part in documents(folder).definitions if isinstance(part, OperationDefinitionNode)]


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_operation_fits_the_schema(folder: str) -> None:
    """By all rules: names are unique, no fragment is unused, nothing deprecated is asked for."""
    assert list(map(str, validate(SCHEMA, documents(folder), [*specified_rules, NoDeprecatedCustomRule]))) == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_server_takes_every_operation_as_a_client_sends_it(folder: str) -> None:
    """Alone, with the fragments it needs: within the limits on documents."""
    served = DocumentReader(schema, limits=Limits(), has_introspection=False)
    for name, document in separate_operations(documents(folder)).items():
        try:
            served.read_all(print_ast(document))
        except Refused as refused:
            pytest.fail(f"{name}: {refused.errors}")


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_operation_says_above_it_what_it_is_for(folder: str) -> None:
    for operation in operations(folder):
        assert operation.name is not None
        assert operation.loc is not None
        above = operation.loc.start_token.prev
        assert above is not None
        assert above.kind is TokenKind.COMMENT, f"{operation.name.value} has no comment"


def test_everything_the_schema_offers_is_used() -> None:
    offered = {
        f"{root.name}.{name}"
        for root in (SCHEMA.query_type, SCHEMA.mutation_type, SCHEMA.subscription_type)
        if root is not None
        for name in root.fields
    }
    used = {
        f"{operation.operation.value.capitalize()}.{field.name.value}"
        for folder in FOLDERS
        for operation in operations(folder)
        for field in operation.selection_set.selections
        if isinstance(field, FieldNode)
    }
    assert offered == used


# ---------- the kits ----------


def test_versions_are_pinned_and_no_lock_file_is_kept() -> None:
    for kit in ("typescript", "relay"):
        package = json.loads((EXAMPLES / kit / "package.json").read_text(encoding="utf-8"))
        for name, version in {**package["dependencies"], **package["devDependencies"]}.items():
            assert re.fullmatch(r"\d+\.\d+\.\d+", version), f"{kit}: {name} {version}"
        assert "package-lock=false" in (EXAMPLES / kit / ".npmrc").read_text(encoding="utf-8")
    for line in (EXAMPLES / "python" / "requirements.txt").read_text(encoding="utf-8").splitlines():
        assert re.fullmatch(r"[a-z-]+==[\d.]+", line), line


class Kits(NamedTuple):
    """A copy of examples/ and of the schema, to run the page's commands in."""

    folder: Path

    def run(self, block: str, **env: str) -> str:
        """Runs a shell block of the page, in the kit that is named first in the block's name; gives what it printed.

        Skips the test where a registry cannot be reached.
        """
        [commands] = re.findall(rf"^```sh {block}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
        kit = self.folder / "examples" / block.split("-")[0]
        process = self.start(["bash", "-euc", commands], kit, **env)
        try:
            output, _ = process.communicate(timeout=RUN_SECONDS if block.endswith("-run") else INSTALL_SECONDS)
        finally:
            end(process)
        if process.returncode and (unreachable := NO_REGISTRY.search(output)):
            pytest.skip(f"a package registry cannot be reached: {unreachable[0]}")
        assert process.returncode == 0, output[-5_000:]
        return output

    def start(self, command: list[str], kit: Path, **env: str) -> subprocess.Popen[str]:
        quiet = {
            "npm_config_audit": "false",
            "npm_config_fetch_retries": "1",
            "npm_config_fund": "false",
            "npm_config_ignore_scripts": "true",
            "npm_config_loglevel": "error",
            "npm_config_prefer_offline": "true",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_RETRIES": "1",
            "PYTHONUNBUFFERED": "1",
        }
        return subprocess.Popen(
            command,
            cwd=kit,
            env={**os.environ, **quiet, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def end(process: subprocess.Popen[str]) -> None:
    """With all that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=20)
    if process.stdout is not None:
        process.stdout.close()


@pytest.fixture
def kits(tmp_path: Path) -> Kits:
    kept = shutil.ignore_patterns("node_modules", "generated", "__generated__", "build", ".venv", "farebox_client")
    shutil.copytree(EXAMPLES, tmp_path / "kits" / "examples", ignore=kept)
    shutil.copy(ROOT / "schema.graphql", tmp_path / "kits")
    return Kits(tmp_path / "kits")


@pytest.fixture
def node() -> None:
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed")


class Served(NamedTuple):
    """A server with a company that has made some calls."""

    url: str
    office_id: str

    def env(self, role: Role) -> dict[str, str]:
        return {"FAREBOX_URL": self.url, "FAREBOX_TOKEN": token("harbor", role)}


@pytest.fixture
async def served(fresh_databases: FreshDatabases, tmp_path: Path) -> AsyncIterator[Served]:
    url = await fresh_databases.url("sqlite")
    world = World(Database(url), now=utc_now(), slug="harbor")
    opened_on = (world.now - timedelta(days=40)).date()
    plan = office("new-york", opened_on=opened_on, allowances=(allowance(1_000),), opening_credits_micros=50_000_000)
    await world.apply(plan)
    await world.deck(at=world.now - timedelta(days=400))
    minutes = [world.now - timedelta(minutes=ago) for ago in range(1, CALLS + 1)]
    await world.record(*[call(f"c{at:%H-%M}", at, seconds=10, office="new-york") for at in minutes])
    office_id = f"off_{(await world.office_id('new-york')).hex}"
    await world.database.close()
    (tmp_path / "server").mkdir()
    server = Server(url, tmp_path / "server")
    await server.start()
    yield Served(f"{server.address}/graphql", office_id)
    server.kill()


@pytest.mark.usefixtures("node")
def test_relay_compiles(kits: Kits) -> None:
    kits.run("relay")

    made = [path.name for path in (kits.folder / "examples" / "relay").rglob("__generated__/*.ts")]
    assert "UsageHistoryPageQuery.graphql.ts" in made, "a list that Relay can page through"
    assert "WalletCardsRefetchQuery.graphql.ts" in made, "an object that Relay can fetch again by its id"


@pytest.mark.usefixtures("node")
async def test_the_typescript_kit_reads_and_watches(kits: Kits, served: Served) -> None:
    await asyncio.to_thread(kits.run, "typescript")
    admin = served.env(Role.COMPANY_ADMIN)

    printed = await asyncio.to_thread(kits.run, "typescript-run", **admin)
    assert "NEW-YORK: Universal credits, 50.000000 USD left" in printed
    assert len(re.findall(r"^\S+Z DOMESTIC 0.000000 PLAN$", printed, re.MULTILINE)) == CALLS

    kit = kits.folder / "examples" / "typescript"
    watching = kits.start(["node", "build/watch.js", served.office_id], kit, **admin)
    try:
        await _line(watching, "Universal credits: 50.000000 USD")
        await _report_a_call(served)
        await _line(watching, "Universal credits: 49.900000 USD")
    finally:
        end(watching)


async def _line(process: subprocess.Popen[str], awaited: str) -> None:
    """Waits until the process has printed this line."""
    assert process.stdout is not None
    seen = []
    async with asyncio.timeout(RUN_SECONDS):
        while line := await asyncio.to_thread(process.stdout.readline):
            seen.append(line.rstrip())
            if seen[-1] == awaited:
                return
    pytest.fail(f"{awaited!r} was never printed: {seen}")


async def _report_a_call(served: Served) -> None:
    usage = {"call": {"direction": "OUTBOUND", "from": "1002", "to": "+442079460000", "durationSeconds": 60}}
    event = {"eventId": "live-1", "occurredAt": utc_now().isoformat(), "usage": usage}
    given = {"source": "switch", "office": {"slug": "new-york"}, "events": [event]}
    headers = {"Authorization": f"Bearer {token('harbor', Role.PARTNER)}"}
    async with httpx2.AsyncClient(headers=headers) as partner:
        sent = await partner.post(served.url, json={"query": RECORD, "variables": {"input": given}})
    assert sent.json()["data"]["recordUsage"]["chargedCount"] == 1


async def test_the_python_kit_makes_a_call(kits: Kits, served: Served) -> None:
    await asyncio.to_thread(kits.run, "python")

    printed = await asyncio.to_thread(kits.run, "python-run", **served.env(Role.PARTNER))
    assert "It may last 95 seconds." in printed
    assert "INTERNATIONAL: 95 s cost 0.158333 USD" in printed
    assert "  UNIVERSAL paid for 95 s: 0.158333" in printed
