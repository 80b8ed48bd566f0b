"""uvicorn's WebSocket protocol, with bounds: on how long a message may take, on its parts, and on what is left unread.

A message that is sent bit by bit is heard of by nobody else: the application sees whole ones alone.
"""

import asyncio
import logging
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import StatusLike

from api.line import FAREWELL_SECONDS, LINE, SEND_SECONDS, TURNED_AWAY, Line
from api.negotiation import JSON
from api.refusals import Code, refusal
from api.response_headers import ALWAYS, UNLESS_SAID

MAX_FRAGMENTS = 1_000
"""Of one message. Empty ones do not count towards its size."""
MAX_UNREAD_BYTES = 65_536
"""Of answers to a peer's pings. He is not slowed down by them, so he is cut off."""
REQUEST_TIMEOUT = 4408


class _Handshakes(ServerProtocol):
    """Refuses a handshake in the form of every other refusal."""

    def process_request(self, request: Request) -> tuple[str, str | None, str | None]:
        try:
            return super().process_request(request)
        except ValueError as error:  # a header that is not ASCII: taken for a fault of ours, and logged as one
            raise InvalidHandshake("a header cannot be read") from error

    def reject(self, status: StatusLike, text: str) -> Response:
        """`text` is not told: it may repeat what the peer sent."""
        status = HTTPStatus(status)
        if status is HTTPStatus.INTERNAL_SERVER_ERROR:
            fault = refusal(status, "The server cannot answer this.", Code.INTERNAL_SERVER_ERROR)
        else:
            fault = refusal(status, "This is no handshake of a WebSocket that can be read.")
        answer = fault.response(JSON)
        answer.headers.update(ALWAYS | UNLESS_SAID | {"date": formatdate(usegmt=True), "connection": "close"})
        return Response(status.value, status.phrase, Headers(answer.headers.items()), bytes(answer.body))


class SocketLine(WebSocketsSansIOProtocol):
    def __init__(self, *args: Any, request_seconds: float, **given: Any) -> None:
        super().__init__(*args, **given)
        self.conn = _Handshakes(
            extensions=self.conn.available_extensions,
            max_size=self.config.ws_max_size,
            logger=logging.getLogger("uvicorn.error"),
        )
        self._request_seconds = request_seconds
        self._deadline: asyncio.TimerHandle | None = None
        """When a message must be here whole. None: none has begun."""
        self._has_failed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._line = Line(abort=self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._has_failed:
            return
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_complete:
            self._end_handshake()
        elif not (self.frames or self.conn.reader.buffer):
            self._stop_waiting()
        elif self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(self._request_seconds, self._is_late)

    def _end_handshake(self) -> None:
        """uvicorn would leave it without an answer, and open."""
        self.handshake_complete = self.close_sent = True
        told = b"".join(self.conn.data_to_send())
        self.transport.write(told or self.conn.reject(HTTPStatus.BAD_REQUEST, "").serialize())
        self._tell_turned_away(HTTPStatus.BAD_REQUEST)
        self.transport.close()

    def _tell_turned_away(self, code: int) -> None:
        if (hear := self.app_state.get(TURNED_AWAY)) is not None:
            hear(code)

    def _is_late(self) -> None:
        self._deadline = None
        if self.read_paused:  # it is us who do not read
            self._deadline = self.loop.call_later(self._request_seconds, self._is_late)
        elif not self.close_sent and not self.transport.is_closing():
            self._fail(REQUEST_TIMEOUT, f"A message must arrive within {self._request_seconds:g} seconds.")

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def send_receive_event_to_app(self) -> None:
        self._stop_waiting()
        super().send_receive_event_to_app()

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) < MAX_FRAGMENTS:
            super().handle_cont(event)
        elif not self.transport.is_closing():
            self._fail(CloseCode.MESSAGE_TOO_BIG, f"A message has at most {MAX_FRAGMENTS} parts.")

    def handle_ping(self) -> None:
        if self.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            self.transport.abort()
        if not self.transport.is_closing():
            super().handle_ping()

    def _fail(self, code: int, reason: str) -> None:
        self.conn.fail(code, reason)
        self.handle_parser_exception()

    def handle_parser_exception(self) -> None:
        """Unlike uvicorn's, reads on for a moment: a line that is closed on what is still coming loses the reason."""
        told = self.conn.close_sent
        assert told is not None
        self._has_failed = self.close_sent = True
        self._tell_turned_away(told.code)
        self.queue.put_nowait({"type": "websocket.disconnect", "code": told.code, "reason": told.reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_timer = self.loop.call_later(FAREWELL_SECONDS, self.transport.close)
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    async def run_asgi(self) -> None:
        self.scope["extensions"][LINE] = self._line  # type: ignore[assignment]
        await super().run_asgi()
        # Whoever does not read the last words either is not waited for.
        self.loop.call_later(SEND_SECONDS, self.transport.abort)

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True  # by a refusal; uvicorn would log that it was never completed

    def shutdown(self) -> None:
        """The application says good-bye in the words of its protocol; who does not hang up then is cut off."""
        if not self.handshake_complete:
            super().shutdown()
            return
        self.stop_keepalive()
        self._line.stop()
        self.loop.call_later(2 * FAREWELL_SECONDS, self.transport.abort)
