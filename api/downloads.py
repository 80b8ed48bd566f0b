"""`GET /exports/<token>/<file>`: the download that `exportUsageHistory` made a link to.

A browser fetches it and cannot send a header, so the link carries the right by itself: it is signed, good for minutes,
and leads to what its maker saw when it was made. Neither the link nor its token is ever logged.

Rows are read at the database's speed into a file of the spool, and sent from there at the client's: a slow client holds
no snapshot, which would keep SQLite's log growing and PostgreSQL's dead rows in place.
"""

import asyncio
import base64
import hashlib
import hmac
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import NamedTuple
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from api.clock import utc_now
from api.line import FAREWELL_SECONDS, Line, first_of, line_of
from api.payments.sandbox_links import LOCAL_ADDRESS
from api.spool import Spool, SpoolBroken
from api.usage_csv import RowsDiffer, csv_chunks
from persistence.database import Database
from persistence.exports import Export, find_export, read_selection
from persistence.outages import MAY_BE_OUTAGES, is_outage, told_briefly

logger = logging.getLogger(__name__)

PATH = "/exports/{token}/{file_name}"
READERS_AT_ONCE = 2
"""Each holds a connection and a snapshot, for seconds; the other connections are for everybody else."""
READER_SECONDS = 10
"""Who waits longer to read is sent away."""
MOST_AT_ONCE = 32
"""Downloads of a process: each holds a file."""
MOST_OF_COMPANY = 4
RETRY_SECONDS = 5
STALL_SECONDS = 60
"""A client that takes no 64 kB in so long is gone, or means to hold the connection."""
MOST_SECONDS = 3_600
_SEAL_BYTES = 32
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Link(NamedTuple):
    company_id: UUID
    export_id: UUID
    expires_at: datetime


class DownloadLinks:
    """Links that cannot be altered: the token names the export and says until when, and is signed.

    The first key signs; links signed with another are good too.
    """

    def __init__(self, public_url: str | None, *signing_keys: str) -> None:
        self._address = public_url or LOCAL_ADDRESS
        self._keys = [hmac.digest(key.encode(), b"downloads", hashlib.sha256) for key in signing_keys]

    def url(self, company_id: UUID, export_id: UUID, expires_at: datetime, file_name: str) -> str:
        micros = (expires_at - _EPOCH) // timedelta(microseconds=1)
        named = company_id.bytes + export_id.bytes + micros.to_bytes(8, "big")
        token = base64.urlsafe_b64encode(named + _seal(self._keys[0], named)).decode()
        return f"{self._address}/exports/{token}/{file_name}"

    def read(self, token: str) -> Link | None:
        """None for a token that was not written here."""
        try:
            content = base64.b64decode(token, altchars=b"-_", validate=True)
        except ValueError:
            return None
        named, seal = content[:-_SEAL_BYTES], content[-_SEAL_BYTES:]
        if not any(hmac.compare_digest(_seal(key, named), seal) for key in self._keys):
            return None
        expires_at = _EPOCH + timedelta(microseconds=int.from_bytes(named[32:], "big"))
        return Link(UUID(bytes=named[:16]), UUID(bytes=named[16:32]), expires_at)


def _seal(key: bytes, named: bytes) -> bytes:
    return hmac.digest(key, named, hashlib.sha256)


class End(Enum):
    WHOLE = auto()
    GONE = auto()
    SERVER_STOPS = auto()


class Busy(Exception):
    """Nothing was sent yet; the client may come again."""


class BrokenOff(Exception):
    """The file was not sent to its end; the text says why."""


class Downloads:
    """The route, as an ASGI application: it has to know when the client goes away."""

    def __init__(self, database: Database, links: DownloadLinks, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._links = links
        self._clock = clock
        self._running: Counter[UUID] = Counter()
        self._readers = asyncio.Semaphore(READERS_AT_ONCE)

    @property
    def running_count(self) -> int:
        return self._running.total()

    def route(self) -> Route:
        return Route(PATH, self, methods=["GET", "HEAD"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        answer = Answer(send)
        try:
            found = await self._find(request)
            refused = await self._serve(request, found, answer) if isinstance(found, Export) else found
        except MAY_BE_OUTAGES as error:
            if not is_outage(error):
                raise
            logger.error("A download: %s", told_briefly(error))
            refused = _later("unavailable", "The database cannot be used right now.")
        if refused is not None and not answer.has_begun:
            await refused(scope, receive, send)
        elif answer.has_begun and not answer.has_ended:
            # It cannot be refused any more: it is cut off, which no client takes for the end.
            await _cut(line_of(scope), receive)

    async def _find(self, request: Request) -> Export | Response:
        link = self._links.read(request.path_params["token"])
        if link is None:
            return _not_found()
        if link.expires_at <= self._clock():
            return _refusal(410, "expired", "This link has expired. Ask for a new one.")
        export = await find_export(self._database.of(link.company_id), link.company_id, link.export_id)
        is_right = export is not None and export.file_name == request.path_params["file_name"]
        return export if export is not None and is_right else _not_found()

    async def _serve(self, request: Request, export: Export, answer: "Answer") -> Response | None:
        """What to say instead of the file, as long as none of it was sent."""
        if request.method == "HEAD":
            return _head(export)
        try:
            with self._place(export.company_id):
                end = await self._until_it_ends(request, export, answer)
        except Busy as error:
            return _later("busy", str(error))
        except BrokenOff as error:
            logger.warning("A download was broken off: %s", error)
            return _later("unavailable", "The file could not be made. Try again in a few seconds.")
        except RowsDiffer as error:
            logger.error("A download was broken off: %s", error)
            return _refusal(500, "broken", "The file came out other than promised. Ask for a new link.")
        return _later("busy", "The server stops.") if end is End.SERVER_STOPS else None

    @contextmanager
    def _place(self, company_id: UUID) -> Iterator[None]:
        """Raises Busy."""
        if self._running[company_id] >= MOST_OF_COMPANY:
            raise Busy(f"{MOST_OF_COMPANY} downloads of this company are running already. Try again in a few seconds.")
        if self.running_count >= MOST_AT_ONCE:
            raise Busy(f"{MOST_AT_ONCE} downloads are running already. Try again in a few seconds.")
        self._running[company_id] += 1
        try:
            yield
        finally:
            self._running[company_id] -= 1
            if not self._running[company_id]:
                del self._running[company_id]

    async def _until_it_ends(self, request: Request, export: Export, answer: "Answer") -> End:
        """Raises Busy, BrokenOff, RowsDiffer, and what the database raises."""
        line = line_of(request.scope)
        try:
            async with asyncio.timeout(MOST_SECONDS) as bound:
                return await first_of(self._transfer(export, answer), _gone(request.receive), _stopped(line))
        except TimeoutError:
            if not bound.expired():  # the database's
                raise
            raise BrokenOff(f"it took more than {MOST_SECONDS} seconds") from None
        except SpoolBroken as error:
            raise BrokenOff(str(error)) from None

    async def _transfer(self, export: Export, answer: "Answer") -> End:
        with Spool() as spool:
            async with self._reading(export, spool) as reading:
                async for chunk in spool.chunks():
                    await answer.write(chunk, export)
                await reading  # raises what kept it from the end
                await answer.end()
        return End.WHOLE

    @asynccontextmanager
    async def _reading(self, export: Export, spool: Spool) -> AsyncIterator[asyncio.Task[None]]:
        """Reads beside what is done inside, and no longer than that. Raises Busy."""
        try:
            async with asyncio.timeout(READER_SECONDS):
                await self._readers.acquire()
        except TimeoutError:
            raise Busy("Other files are being read. Try again in a few seconds.") from None
        reading = asyncio.ensure_future(self._read(export, spool))
        reading.add_done_callback(lambda _: self._readers.release())
        try:
            yield reading
        finally:
            # It looks after every part. Cancelled inside a statement, it would leave a connection that is of no use.
            spool.is_wanted = False
            await asyncio.wait([reading])
            if not reading.cancelled():
                reading.exception()  # of no interest when nobody waits for the file any more

    async def _read(self, export: Export, spool: Spool) -> None:
        try:
            async with self._database.of(export.company_id).snapshot() as connection:
                chosen = await read_selection(connection, export)
                async with aclosing(csv_chunks(connection, chosen)) as chunks:
                    async for _, chunk in chunks:
                        if not spool.is_wanted:
                            return
                        spool.append(chunk)
        finally:
            spool.end()


class Answer:
    """What has been sent of one file."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_begun = self.has_ended = False

    async def write(self, chunk: bytes, export: Export) -> None:
        """Waits while the client is slow. Raises BrokenOff."""
        if not self.has_begun:
            self.has_begun = True
            headers = _head(export).raw_headers
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        try:
            async with asyncio.timeout(STALL_SECONDS):
                await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        except TimeoutError:
            raise BrokenOff(f"nothing was taken for {STALL_SECONDS} seconds") from None
        await asyncio.sleep(0)  # others are answered between two chunks, however fast both ends are

    async def end(self) -> None:
        self.has_ended = True
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive) -> End:
    while (await receive())["type"] != "http.disconnect":
        pass
    return End.GONE


async def _stopped(line: Line) -> End:
    await line.stopping.wait()
    return End.SERVER_STOPS


async def _cut(line: Line, receive: Receive) -> None:
    """What the client did not take yet is thrown away; the server sees that it is gone. Else it cuts when we return."""
    line.abort()
    with suppress(TimeoutError):
        async with asyncio.timeout(FAREWELL_SECONDS):
            await _gone(receive)


_SAFE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}


def _head(export: Export) -> Response:
    """Without a length: nobody has written the file yet."""
    disposition = f'attachment; filename="{export.file_name}"'
    response = Response(media_type="text/csv", headers={"Content-Disposition": disposition, **_SAFE})
    del response.headers["content-length"]
    return response


def _later(word: str, reason: str) -> Response:
    return _refusal(503, word, reason, {"Retry-After": str(RETRY_SECONDS)})


def _not_found() -> Response:
    return _refusal(404, "not found", "This link leads nowhere. Ask for a new one.")


def _refusal(status: int, word: str, reason: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"status": word, "reason": reason}, status, {**_SAFE, **(headers or {})})
