"""uvicorn's HTTP protocol, with bounds: on how long a peer may take, how much a head may hold, how many there may be.

uvicorn's own timer runs between two requests alone, and its parser has no limits: a byte now and then, a header
without end or an answer that nobody reads would each keep a connection for ever.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Any, cast

from starlette.responses import Response
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.line import FAREWELL_SECONDS, LINE, TURNED_AWAY, Line
from api.negotiation import JSON
from api.put_off import MOST_BYTES, WAIT_SECONDS, Again, Copying, PutOff, asker_of
from api.refusals import Code, Refused, refusal
from api.response_headers import ALWAYS, UNLESS_SAID

MAX_HEAD_BYTES = 32_000
"""Of a request's first line and headers together. A token has at most 8 kB."""
MAX_HEADERS = 100
FRAMING_BYTES = 8
"""For every byte of a body: what sending each in a chunk of its own takes."""

TAKE_SECONDS = 60.0
MIN_TAKEN_BYTES = 4_096
"""A peer that takes less of an answer in so long is cut off."""

RESERVED_CONNECTIONS = 50
"""Beyond the most, for health checks: who is neither healthy nor quick about it is turned away."""
RESERVED_SECONDS = 1.0
HEALTH = frozenset({b"/healthz", b"/readyz"})
RETRY_SECONDS = 5

logger = logging.getLogger(__name__)


class HttpLine(HttpToolsProtocol):
    def __init__(self, *args: Any, request_seconds: float, max_connections: int, put_off: PutOff, **given: Any) -> None:
        super().__init__(*args, **given)
        self._put_off = put_off
        self._body: list[bytes] = []
        """Of the request, while it is short."""
        self._body_bytes = 0
        self._again: Again | None = None
        """The last who asked here, if he was refused on his line."""
        self._unread = b""
        self._reading: asyncio.TimerHandle | None = None
        """When that is read."""
        self._is_held = False
        """The request may be refused on its line: nobody is told of it yet."""
        self._request_seconds = request_seconds
        self._max_connections = max_connections
        self._deadline: asyncio.TimerHandle | None = None
        """When the rest of what the peer has begun to send must be here. None: nothing is awaited."""
        self._taking: asyncio.TimerHandle | None = None
        self._has_taken = False
        self._extra = 0
        """Bytes of the request that are no body."""
        self._head = 0
        self._is_in_head = True
        self._is_surplus = False
        self._is_last = False
        self._is_refused = False
        self._fault: Refused | None = None

    # ---------- a connection ----------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._line = Line(abort=transport.abort, put_off=self._note_put_off)
        count = len(self.connections)
        self._is_surplus = count > self._max_connections
        if count > self._max_connections + RESERVED_CONNECTIONS:
            self._refuse(_too_many())
            self.transport.close()
        else:
            self._expect(RESERVED_SECONDS if self._is_surplus else self._request_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel(self._deadline, self._taking, self._reading)
        super().connection_lost(exc)

    def shutdown(self) -> None:
        self._line.stop()
        if self._reading is not None:
            self._read_on()
        is_free = self.cycle is None or self.cycle.response_complete
        if is_free and self._extra and self._deadline is not None and not self.transport.is_closing():
            self._is_last = True  # it is being sent: it is answered, and then this is over
        else:
            super().shutdown()

    # ---------- what a peer sends ----------

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        if self._reading is not None or self._has_to_wait():
            self._read_later(data)
            return
        if self._deadline is None:
            self._expect(self._request_seconds)
        self._extra += len(data)
        super().data_received(data)
        if self._extra > MAX_HEAD_BYTES and not self.transport.is_closing() and self._deadline is not None:
            self._refuse(_too_large())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._deadline is None:
            self._expect(self._request_seconds)
        self._head, self._is_in_head = 0, True
        self._body, self._body_bytes, self._is_held = [], 0, False
        self.scope["extensions"] = {LINE: self._line}  # type: ignore[dict-item]

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Those that come behind a body are not read: it was judged by those before it."""
        if self._is_in_head:
            super().on_header(name, value)
        self._count(len(name) + len(value))

    def _count(self, size: int) -> None:
        self._head += size
        if self._head > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS:
            raise self._faulty(_too_large())

    def on_headers_complete(self) -> None:
        if self._is_surplus and self.url.partition(b"?")[0] not in HEALTH:
            raise self._faulty(_too_many())
        if not self.url.isascii():
            raise self._faulty(refusal(400, "The address of a request is in ASCII."))
        self._is_in_head = False
        self._is_held = bool(self._put_off) and self._is_plain()
        if not self._is_held:
            self._begin()
        self._expect(self._request_seconds)

    def _begin(self) -> None:
        self._again = None
        super().on_headers_complete()
        if self.cycle is not None and (self._is_surplus or self._is_last):
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes <= MOST_BYTES:
            self._body.append(body)
        elif self._is_held:
            self._release()
        if not self._is_held:
            super().on_body(body)
        self._extra -= (1 + FRAMING_BYTES) * len(body)

    def on_message_complete(self) -> None:
        if self._is_held and not self._is_refused_again():
            self._release()
        if not self._is_held:
            super().on_message_complete()
        self._cancel(self._deadline)
        self._deadline = None
        self._extra = 0

    # ---------- who asks again before his time ----------

    def _is_plain(self) -> bool:
        """A POST that is the only one on its line."""
        is_alone = self.cycle is None or self.cycle.response_complete
        is_usual = self.parser.get_method() == b"POST" and self.parser.get_http_version() == "1.1"
        return (
            is_alone
            and is_usual
            and not (self._is_surplus or self._is_last or self.expect_100_continue or self.parser.should_upgrade())
        )

    def _release(self) -> None:
        """It is a request like any other."""
        self._is_held = False
        self._begin()
        for part in self._body:
            super().on_body(part)

    def _has_to_wait(self) -> bool:
        is_between = not self._extra and self._deadline is None
        return is_between and self._again is not None and self._again.has_to_wait()

    def _read_later(self, data: bytes) -> None:
        self._unread += data
        if self._reading is None:
            self._unset_keepalive_if_required()
            self.flow.pause_reading()
            self._reading = self.loop.call_later(WAIT_SECONDS, self._read_on)

    def _read_on(self) -> None:
        self._cancel(self._reading)
        self._reading = self._again = None
        data, self._unread = self._unread, b""
        self.flow.resume_reading()
        self.data_received(data)

    def _is_refused_again(self) -> bool:
        earlier = None if self._is_last else self._put_off.find(asker_of(self.url, self.headers))
        response = None if earlier is None else earlier.again.refuse(b"".join(self._body))
        if earlier is None or response is None:
            return False
        self._again = earlier.again
        if (hear := self.app_state.get(TURNED_AWAY)) is not None:
            hear(response.status_code)
        is_over = not self.parser.should_keep_alive()
        response.raw_headers += [*earlier.headers, *([(b"connection", b"close")] if is_over else ())]
        self.transport.write(self._bytes_of(response))
        if is_over:
            self.transport.close()
        self.on_response_complete()
        return True

    def _note_put_off(self, scope: Scope, again: Again) -> None:
        """Of the request with this scope, before it is answered."""
        if self.scope is not scope or scope["method"] != "POST":
            return  # the next has begun to arrive: what is here is its head
        cycle, asker, copying = self.cycle, asker_of(self.url, self.headers), Copying(self.transport)

        def note() -> None:
            self._put_off.note(asker, again, copying.written)
            self.on_response_complete()

        cycle.transport = cast(asyncio.Transport, copying)
        cycle.on_response = note

    def handle_websocket_upgrade(self) -> None:
        if self._is_last:
            self._refuse(refusal(503, "The server stops.", Code.SERVICE_UNAVAILABLE))
        else:
            self._cancel(self._deadline)
            super().handle_websocket_upgrade()

    def _unsupported_upgrade_warning(self) -> None:
        """The request is answered as if it had not asked."""

    # ---------- what a peer takes ----------

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_taking()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._has_taken = True

    def on_response_complete(self) -> None:
        self._body, self._body_bytes = [], MOST_BYTES + 1
        super().on_response_complete()
        self._watch_taking()

    def _watch_taking(self) -> None:
        size = self.transport.get_write_buffer_size()
        if size and self._taking is None:
            self._has_taken = False
            self._taking = self.loop.call_later(TAKE_SECONDS, self._look_what_was_taken, size)

    def _look_what_was_taken(self, before: int) -> None:
        self._taking = None
        taken = before - self.transport.get_write_buffer_size()
        if self._has_taken or taken >= min(MIN_TAKEN_BYTES, before):
            self._watch_taking()
        else:
            self.transport.abort()

    # ---------- how it ends ----------

    def _expect(self, seconds: float) -> None:
        self._cancel(self._deadline)
        self._deadline = self.loop.call_later(seconds, self._is_late)

    def _is_late(self) -> None:
        if self.flow.read_paused:  # it is us who do not read
            self._expect(self._request_seconds)
            return
        self._deadline = None
        if self._extra or self.cycle is not None:
            self._refuse(refusal(408, f"A request must arrive within {self._request_seconds:g} seconds."))
        else:
            self.transport.close()

    def _faulty(self, fault: Refused) -> Refused:
        self._fault = fault
        return fault

    def send_400_response(self, msg: str) -> None:
        logger.debug("A request cannot be read: %s", "too much of it" if self._fault else "no HTTP")
        self._refuse(self._fault or refusal(400, "This is no HTTP request that can be read."))

    def _refuse(self, fault: Refused) -> None:
        """Says so, unless an answer is on its way already, and closes.

        What still comes is read for a moment: a line that is closed on it loses the answer.
        """
        self._cancel(self._deadline)
        cycle = self.cycle
        if self._is_refused or self.transport.is_closing():
            return
        if (hear := self.app_state.get(TURNED_AWAY)) is not None:
            hear(fault.status)
        is_silent = cycle is None or not (cycle.response_started if cycle.more_body else not cycle.response_complete)
        if is_silent:
            self.transport.write(self._answer(fault))
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        self._is_refused = True
        if self.transport.can_write_eof():
            with suppress(OSError):  # who is gone already need not be told that this was all
                self.transport.write_eof()
        self._deadline = self.loop.call_later(FAREWELL_SECONDS, self.transport.abort)

    def _answer(self, fault: Refused) -> bytes:
        response = fault.response(JSON)
        response.headers.update(ALWAYS | UNLESS_SAID | {"connection": "close"})
        return self._bytes_of(response)

    def _bytes_of(self, response: Response) -> bytes:
        headers = [*self.server_state.default_headers, *response.raw_headers]
        lines = [name + b": " + value + b"\r\n" for name, value in headers]
        return b"".join([STATUS_LINE[response.status_code], *lines, b"\r\n", bytes(response.body)])

    def _cancel(self, *timers: asyncio.TimerHandle | None) -> None:
        for timer in timers:
            if timer is not None:
                timer.cancel()


def _too_large() -> Refused:
    return refusal(431, f"A request's head has at most {MAX_HEAD_BYTES} bytes and {MAX_HEADERS} headers.")


def _too_many() -> Refused:
    headers = {"Retry-After": str(RETRY_SECONDS)}
    return refusal(503, "There are too many connections.", Code.SERVICE_UNAVAILABLE, headers=headers)
