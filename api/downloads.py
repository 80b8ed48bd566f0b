"""`GET /exports/<token>/<file>`: the download that `exportUsageHistory` made a link to.

A browser fetches it and cannot send a header, so the link carries the right by itself: it is signed, good for minutes,
and leads to what its maker saw when it was made. Neither the link nor its token is ever logged.
"""

import asyncio
import base64
import hashlib
import hmac
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from api.clock import utc_now
from api.payments.sandbox_links import LOCAL_ADDRESS
from api.usage_csv import RowsDiffer, csv_chunks
from persistence.database import Database
from persistence.exports import Export, find_export, read_selection
from persistence.outages import MAY_BE_OUTAGES, is_outage, told_briefly

logger = logging.getLogger(__name__)

PATH = "/exports/{token}/{file_name}"
MOST_AT_ONCE = 4
"""Each holds a connection and a snapshot while it runs; the other connections are for everybody else."""
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
    """Links that cannot be altered: the token names the export and says until when, and is signed."""

    def __init__(self, public_url: str | None, signing_key: str) -> None:
        self._address = public_url or LOCAL_ADDRESS
        self._key = hmac.digest(signing_key.encode(), b"downloads", hashlib.sha256)

    def url(self, company_id: UUID, export_id: UUID, expires_at: datetime, file_name: str) -> str:
        micros = (expires_at - _EPOCH) // timedelta(microseconds=1)
        named = company_id.bytes + export_id.bytes + micros.to_bytes(8, "big")
        token = base64.urlsafe_b64encode(named + self._seal(named)).decode()
        return f"{self._address}/exports/{token}/{file_name}"

    def read(self, token: str) -> Link | None:
        """None for a token that was not written here."""
        try:
            content = base64.b64decode(token, altchars=b"-_", validate=True)
        except ValueError:
            return None
        named, seal = content[:-_SEAL_BYTES], content[-_SEAL_BYTES:]
        if not hmac.compare_digest(self._seal(named), seal):
            return None
        expires_at = _EPOCH + timedelta(microseconds=int.from_bytes(named[32:], "big"))
        return Link(UUID(bytes=named[:16]), UUID(bytes=named[16:32]), expires_at)

    def _seal(self, named: bytes) -> bytes:
        return hmac.digest(self._key, named, hashlib.sha256)


class Downloads:
    """The route, as an ASGI application: it has to know when the client goes away."""

    def __init__(self, database: Database, links: DownloadLinks, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._links = links
        self._clock = clock
        self.running_count = 0

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
            refused = _refusal(503, "unavailable", "The database cannot be used right now.", {"Retry-After": "5"})
        # What has begun cannot be refused any more: the server cuts it off, which no client takes for the end.
        if refused is not None and not answer.has_begun:
            await refused(scope, receive, send)

    async def _find(self, request: Request) -> Export | Response:
        link = self._links.read(request.path_params["token"])
        if link is None:
            return _not_found()
        if link.expires_at <= self._clock():
            return _refusal(410, "expired", "This link has expired. Ask for a new one.")
        export = await find_export(self._database, link.company_id, link.export_id)
        is_right = export is not None and export.file_name == request.path_params["file_name"]
        return export if export is not None and is_right else _not_found()

    async def _serve(self, request: Request, export: Export, answer: "Answer") -> Response | None:
        if request.method == "HEAD":
            return _head(export)
        if self.running_count >= MOST_AT_ONCE:
            reason = f"{MOST_AT_ONCE} downloads are running already. Try again in a few seconds."
            return _refusal(503, "busy", reason, {"Retry-After": str(RETRY_SECONDS)})
        self.running_count += 1
        leaving = asyncio.ensure_future(_gone(request.receive))
        try:
            await self._stream(export, answer, leaving)
        except TimeoutError as error:
            logger.warning("A download was broken off: %s", error or f"nothing was taken for {STALL_SECONDS} seconds")
        except RowsDiffer as error:
            logger.error("A download was broken off: %s", error)
            return _refusal(500, "broken", "The file came out other than promised. Ask for a new link.")
        finally:
            self.running_count -= 1
            leaving.cancel()
            with suppress(asyncio.CancelledError):
                await leaving
        return None

    async def _stream(self, export: Export, answer: "Answer", leaving: asyncio.Future[None]) -> None:
        """Returns early when the client goes away; either way the snapshot is closed. Raises TimeoutError."""
        end = time.monotonic() + MOST_SECONDS
        async with self._database.snapshot() as connection:
            chosen = await read_selection(connection, export)
            async with aclosing(csv_chunks(connection, chosen)) as chunks:
                async for _, chunk in chunks:
                    if leaving.done():
                        return
                    if time.monotonic() > end:
                        raise TimeoutError(f"it took more than {MOST_SECONDS} seconds")
                    await answer.write(chunk, export)
        await answer.end()


class Answer:
    """What has been sent of one file."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_begun = False

    async def write(self, chunk: bytes, export: Export) -> None:
        """Waits while the client is slower than the database. Raises TimeoutError."""
        if not self.has_begun:
            self.has_begun = True
            headers = _head(export).raw_headers
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        async with asyncio.timeout(STALL_SECONDS):
            await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        await asyncio.sleep(0)  # others are answered between two chunks, however fast both ends are

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


_SAFE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}


def _head(export: Export) -> Response:
    """Without a length: nobody has written the file yet."""
    disposition = f'attachment; filename="{export.file_name}"'
    response = Response(media_type="text/csv", headers={"Content-Disposition": disposition, **_SAFE})
    del response.headers["content-length"]
    return response


def _not_found() -> Response:
    return _refusal(404, "not found", "This link leads nowhere. Ask for a new one.")


def _refusal(status: int, word: str, reason: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"status": word, "reason": reason}, status, {**_SAFE, **(headers or {})})
