"""The download itself: who may fetch it, what its headers say, and what happens when a client goes away."""

import asyncio
import base64
import gc
import logging
import resource
import socket
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette

from api import downloads, spool
from api.downloads import MOST_OF_COMPANY, READERS_AT_ONCE, DownloadLinks, Downloads
from api.protocols import options
from api.response_headers import SafeHeaders
from api.usage_csv import csv_chunks
from domain.access import Scope
from persistence.database import READERS, Database
from persistence.exports import Export, make_export, read_selection
from persistence.history import HistoryFilter
from tests.api.edge import make_settings
from tests.copies import multiply_charges
from tests.world import World, call, office

LONG = 6_000
"""Rows."""
KEY = "a key for downloads, thirty-two bytes"
BUFFER_BYTES = 65_536
PUBLIC = "https://billing.example/farebox"


@dataclass
class Site:
    """A company with a few charges, and the route over real HTTP."""

    world: World
    links: DownloadLinks = field(init=False)
    downloads: Downloads = field(init=False)
    address: str = ""

    def __post_init__(self) -> None:
        self.links = DownloadLinks(None, KEY)
        self.downloads = Downloads(self.world.database, self.links, clock=lambda: self.world.now)

    async def export(self) -> Export:
        world, viewer = self.world, self.world.viewer()
        export, _ = await make_export(
            world.database, Scope.of(viewer), viewer, wanted=HistoryFilter(), is_descending=True, now=world.now
        )
        return export

    def path(self, export: Export, **changes: Any) -> str:
        given = {name: getattr(export, name) for name in ("company_id", "id", "expires_at", "file_name")} | changes
        return urlsplit(self.links.url(*given.values())).path

    async def get(self, path: str, method: str = "GET") -> httpx2.Response:
        async with httpx2.AsyncClient(base_url=self.address, timeout=30) as client:
            return await client.request(method, path)

    async def ended(self) -> None:
        """Nothing runs any more, and every connection is back in its pool."""
        await self.read_to_the_end()
        for _ in range(1_000):
            if not self.downloads.running_count:
                return
            await asyncio.sleep(0.02)
        pytest.fail("A download still runs.")

    async def read_to_the_end(self) -> None:
        """Whatever was asked for is read, and no snapshot is held for it."""
        pool = self.world.database._readers.pool
        for _ in range(1_000):
            if not pool.checkedout():  # type: ignore[attr-defined]
                return
            await asyncio.sleep(0.02)
        pytest.fail("A snapshot is still held.")

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A client that takes in little before it is read from."""
        near = socket.socket()
        near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        near.setblocking(False)
        await asyncio.get_running_loop().sock_connect(near, ("127.0.0.1", urlsplit(self.address).port))
        return await asyncio.open_connection(sock=near, limit=1_000)

    async def begin(self, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Asks for a file and reads its first line."""
        reader, writer = await self.connect()
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert b"200 OK" in await reader.readline()
        return reader, writer


@asynccontextmanager
async def served(database: Database, *, copies: int = 1) -> AsyncIterator[Site]:
    world = await World(database).set_up(office(), office("berlin", time_zone="Europe/Berlin", phone_numbers=()))
    await world.record(*(call(f"c-{n}", world.now, office=("hq", "berlin")[n % 2]) for n in range(20)))
    if copies > 1:
        await multiply_charges(database, copies)
    site = Site(world)
    app = SafeHeaders(Starlette(routes=[site.downloads.route()]))
    http = options(make_settings())["http"]
    config = uvicorn.Config(app, lifespan="off", log_level="critical", http=http, loop="none")
    server = uvicorn.Server(config)
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)  # what is accepted has it too
    listening.bind(("127.0.0.1", 0))
    site.address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    listening.listen()
    running = asyncio.ensure_future(server.serve([listening]))
    try:
        yield site
    finally:
        server.should_exit = True
        await asyncio.wait_for(running, 30)
        listening.close()


@pytest.fixture
async def site(database: Database) -> AsyncIterator[Site]:
    async with served(database) as site:
        yield site


@pytest.fixture
async def small_site(sqlite_database: Database) -> AsyncIterator[Site]:
    async with served(sqlite_database) as site:
        yield site


async def test_a_link_leads_to_the_file(site: Site) -> None:
    export = await site.export()
    answer = await site.get(site.path(export))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="{export.file_name}"'
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "content-length" not in answer.headers
    assert answer.content.count(b"\r\n") == 21
    again = await site.get(site.path(export))
    assert again.content == answer.content
    head = await site.get(site.path(export), "HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-disposition"] == answer.headers["content-disposition"]
    assert (await site.get(site.path(export), "POST")).status_code == 405
    await site.ended()


def test_a_link_is_for_the_public_address() -> None:
    links = DownloadLinks(PUBLIC, KEY)
    link = links.url(UUID(int=1), UUID(int=2), datetime(2026, 3, 1, tzinfo=UTC), "a.csv")
    assert link.startswith(f"{PUBLIC}/exports/")
    token = link.split("/")[-2]
    read = links.read(token)
    assert read is not None
    assert (read.company_id.int, read.export_id.int, read.expires_at.month) == (1, 2, 3)
    assert DownloadLinks(PUBLIC, KEY + "!").read(token) is None


async def test_a_link_expires(small_site: Site) -> None:
    export = await small_site.export()
    small_site.world.now = export.expires_at - timedelta(microseconds=1)
    assert (await small_site.get(small_site.path(export))).status_code == 200
    small_site.world.now = export.expires_at
    answer = await small_site.get(small_site.path(export))
    assert answer.status_code == 410
    assert answer.json() == {"status": "expired", "reason": "This link has expired. Ask for a new one."}
    assert answer.headers["cache-control"] == "no-store"


async def test_no_link_can_be_altered(small_site: Site) -> None:
    site, export = small_site, await small_site.export()
    path = site.path(export)
    token = path.split("/")[2]
    raw = base64.urlsafe_b64decode(token)
    tokens = [base64.urlsafe_b64encode(_flipped(raw, at)).decode() for at in range(0, len(raw), 5)]
    tokens += [token[:-4], token + "AAAA", token[:-1] + "=", "A" * len(token), "x", "%00", "ü", token + "%0A"]
    for changed in tokens:
        answer = await site.get(path.replace(token, changed))
        assert answer.status_code == 404, changed
        assert answer.json()["status"] == "not found"
    for other in ("usage-history-2026-03-02.csv", "x.csv", export.file_name.upper()):
        assert (await site.get(path.replace(export.file_name, other))).status_code == 404
    unknown = site.path(export, id=UUID(int=7))
    assert (await site.get(unknown)).status_code == 404
    assert (await site.get(site.path(export, company_id=UUID(int=7)))).status_code == 404
    assert (await site.get(path)).status_code == 200


def _flipped(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


@pytest.fixture
async def long_site(database: Database) -> AsyncIterator[Site]:
    """Its file, of some 2 MB, is more than what the sockets on the way hold."""
    async with served(database, copies=LONG // 20) as site:
        yield site


async def test_a_client_that_goes_away_leaves_nothing_running(
    long_site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site = long_site
    path = site.path(await site.export())
    for _ in range(READERS + 2):
        _, writer = await site.begin(path)
        assert site.downloads.running_count == 1
        writer.close()
        await site.ended()
    assert (await site.get(path)).content.count(b"\r\n") == LONG + 1
    gc.collect()  # what was left open would be closed now, on a connection that is somebody else's
    await asyncio.sleep(0)
    assert [record.getMessage() for record in caplog.records] == []


async def test_so_many_run_at_once_and_no_more(long_site: Site) -> None:
    """A client that does not read is waited for, and holds its place."""
    site = long_site
    path = site.path(await site.export())
    clients = [await site.begin(path) for _ in range(MOST_OF_COMPANY)]
    assert site.downloads.running_count == MOST_OF_COMPANY
    refused = await site.get(path)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert refused.json()["status"] == "busy"
    assert (await site.get(path, "HEAD")).status_code == 200
    await site.read_to_the_end()  # however slow the clients are
    assert site.downloads.running_count == MOST_OF_COMPANY
    await site.world.record(call("meanwhile", site.world.now))  # writers are not kept waiting
    for reader, writer in clients:
        received = await reader.read()
        assert received.endswith(b"\r\n0\r\n\r\n")
        assert len(received) > LONG * 300
        writer.close()
    await site.ended()
    assert (await site.get(path)).status_code == 200


async def test_a_client_that_takes_nothing_is_cut_off(
    long_site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(downloads, "STALL_SECONDS", 0.3)
    site = long_site
    path = site.path(await site.export())
    reader, writer = await site.begin(path)
    with caplog.at_level(logging.WARNING, "api.downloads"):
        await site.ended()
    assert not await _is_whole(reader)
    assert "broken off" in caplog.text
    assert path.split("/")[2] not in caplog.text
    writer.close()


async def _is_whole(reader: asyncio.StreamReader) -> bool:
    try:
        return (await reader.read()).endswith(b"\r\n0\r\n\r\n")
    except ConnectionError:
        return False


async def test_a_stop_of_the_server_cuts_a_download(sqlite_database: Database) -> None:
    loop = asyncio.get_running_loop()
    async with served(sqlite_database, copies=LONG // 20) as site:
        reader, writer = await site.begin(site.path(await site.export()))
        await site.read_to_the_end()
        asked_at = loop.time()
    assert loop.time() - asked_at < 5
    assert not await _is_whole(reader)
    writer.close()


async def test_who_waits_too_long_to_read_is_sent_away(small_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "READER_SECONDS", 0.1)
    site = small_site
    path = site.path(await site.export())
    for _ in range(READERS_AT_ONCE):
        await site.downloads._readers.acquire()
    refused = await site.get(path)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    site.downloads._readers.release()
    for _ in range(2):  # a place that was taken is given back
        assert (await site.get(path)).status_code == 200


async def test_a_process_takes_so_many_of_all_companies(small_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "MOST_AT_ONCE", 0)
    assert (await small_site.get(small_site.path(await small_site.export()))).status_code == 503


async def test_a_full_disk_is_told(
    small_site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    full = open("/dev/full", "r+b", buffering=0)  # noqa: ASYNC230, SIM115 - closed by the spool
    monkeypatch.setattr(spool, "TemporaryFile", lambda buffering: full)
    answer = await small_site.get(small_site.path(await small_site.export()))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "No space left on device" in caplog.text
    await small_site.ended()


async def test_a_disk_that_is_full_midway_breaks_the_file_off(
    long_site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """A process may write files of a megabyte at most; the database's own are written before."""
    path = long_site.path(await long_site.export())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        with pytest.raises(httpx2.HTTPError):
            await long_site.get(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "File too large" in caplog.text
    await long_site.ended()


async def test_others_are_answered_while_a_file_streams(long_site: Site) -> None:
    site = long_site
    fetching = asyncio.ensure_future(site.get(site.path(await site.export())))
    heads = 0
    async with httpx2.AsyncClient(base_url=site.address, timeout=10) as client:
        while not fetching.done():
            assert (await client.head("/exports/x/y.csv")).status_code == 404
            heads += 1
    assert heads > 20
    assert (await fetching).content.count(b"\r\n") == LONG + 1


async def test_never_more_than_a_part_of_the_rows_is_held(long_site: Site) -> None:
    """All of them at once would be 20 MB and more."""
    database, export = long_site.world.database, await long_site.export()
    async with database.snapshot() as connection:
        chosen = await read_selection(connection, export)
        tracemalloc.start()
        try:
            size = sum([len(chunk) async for _, chunk in csv_chunks(connection, chosen)])
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert size > LONG * 300
    assert most < 2_000_000


async def test_an_outage_is_told_without_the_link(
    sqlite_database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(sqlite_database) as site:
        path = site.path(await site.export())
        await sqlite_database.close()
        file = Path(str(sqlite_database.url.database))
        await asyncio.to_thread(_take_away, file, tmp_path)
        answer = await site.get(path)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.json()["status"] == "unavailable"
        assert "A download: " in caplog.text
        assert path.split("/")[2] not in caplog.text


def _take_away(file: Path, to: Path) -> None:
    """In its place is what no database can be in."""
    for part in file.parent.glob(f"{file.name}*"):
        part.rename(to / f"away-{part.name}")
    file.mkdir()
