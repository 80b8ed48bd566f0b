"""A subscription as server-sent events, in the form of graphql-sse's "distinct connections mode".

One stream an operation: `next` for every answer, `complete` at the end, a comment now and then so that nobody on
the way takes the silence for the end. A stream that is cut without `complete` asks the client to come again.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from enum import Enum, auto
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.admission import EXPIRED, Admission, Ended
from api.error_answers import Incident
from api.line import FAREWELL_SECONDS, SEND_SECONDS, Line, first_of, line_of
from api.places import Place
from api.refusals import Code
from api.watch import seen

KEEP_ALIVE_SECONDS = 15.0
EVENT_STREAM_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx hands on what it gets
}
ENDS = (Code.UNAUTHENTICATED, Code.SERVICE_UNAVAILABLE)
"""Of an admission."""
COMPLETE = b"event: complete\ndata:\n\n"
COMMENT = b":\n\n"


class End(Enum):
    COMPLETE = auto()
    GONE = auto()
    """Nobody reads any more, or not fast enough."""
    SERVER_STOPS = auto()


def next_event(answer: bytes) -> bytes:
    """`answer` is JSON, which has no line breaks."""
    return b"event: next\ndata: " + answer + b"\n\n"


def single_answer(answer: bytes) -> Response:
    """Of a query or mutation: there is nothing to wait for."""
    return Response(next_event(answer) + COMPLETE, headers=EVENT_STREAM_HEADERS)


class EventStream:
    """An answer that lasts. `answers` are JSON and are closed with it, and `place` is left; it is over when `admission`
    is."""

    def __init__(self, answers: AsyncGenerator[bytes, None], admission: Admission, place: Place) -> None:
        self._place = place
        self._answers = answers
        self._admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._tell(scope, receive, send)
        finally:
            self._place.leave()

    async def _tell(self, scope: Scope, receive: Receive, send: Send) -> None:
        line = line_of(scope)
        headers = [(name.lower().encode(), value.encode()) for name, value in EVENT_STREAM_HEADERS.items()]
        async with aclosing(self._answers):
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            try:
                end = await first_of(
                    self._send_all(send), _until_gone(receive), _until_the_server_stops(line), self._admission.ended()
                )
            except Exception as error:  # the last guard: a fault of ours never shows what it is
                told = Incident().tell(error)
                seen().note_fault(told)
                end = Ended(told["extensions"]["code"], told["message"])
        if isinstance(end, Ended) and end.code in ENDS:
            seen().cut_off(end.code)
        elif end is End.SERVER_STOPS:
            seen().cut_off()
        try:
            # Nothing is said to a peer who is gone; the call only lets the server see that this answer is over.
            async with asyncio.timeout(0 if end is End.GONE else FAREWELL_SECONDS):
                await send({"type": "http.response.body", "body": _last_words(end), "more_body": False})
        except TimeoutError:
            line.abort()
            with suppress(TimeoutError):
                async with asyncio.timeout(FAREWELL_SECONDS):
                    await _until_gone(receive)

    async def _send_all(self, send: Send) -> End | Ended:
        waiting: asyncio.Task[bytes] | None = None
        try:
            while True:
                waiting = waiting or asyncio.ensure_future(anext(self._answers))
                await asyncio.wait([waiting], timeout=KEEP_ALIVE_SECONDS)
                part = COMMENT
                if waiting.done():
                    part, waiting = next_event(waiting.result()), None
                if self._admission.is_expired:
                    return Ended(Code.UNAUTHENTICATED, EXPIRED)
                async with asyncio.timeout(SEND_SECONDS):
                    await send({"type": "http.response.body", "body": part, "more_body": True})
        except StopAsyncIteration:
            return End.COMPLETE
        except TimeoutError:
            return End.GONE
        finally:
            if waiting is not None:
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)


async def _until_gone(receive: Receive) -> End | Ended:
    while (await receive())["type"] != "http.disconnect":
        pass
    return End.GONE


async def _until_the_server_stops(line: Line) -> End | Ended:
    await line.stopping.wait()
    return End.SERVER_STOPS


def _last_words(end: End | Ended) -> bytes:
    if isinstance(end, Ended):
        error: dict[str, Any] = {"message": end.message, "extensions": {"code": end.code}}
        return next_event(orjson.dumps({"errors": [error]})) + COMPLETE
    return COMPLETE if end is End.COMPLETE else b""
