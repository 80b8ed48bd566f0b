"""uvicorn's two protocols, each with a line in its scope: who keeps a connection open hears when the server stops,
and can cut off a peer that takes nothing.

uvicorn itself waits for every open answer before it stops, and closing a connection waits until the peer has
read what was sent: both could last for ever.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from api.line import FAREWELL_SECONDS, LINE, Line

MAX_FRAME_BYTES = 128_000
"""A socket's message may have 64 kB, and one beyond that is refused with a sentence; from here on without."""
PING_SECONDS = 20.0
PONG_SECONDS = 25.0
"""Pings of the transport; sockets also ping in the words of their protocol."""
STOP_SECONDS = 30
"""For requests that are being answered when the server is told to stop."""

OPTIONS: dict[str, Any] = {
    "http": "api.protocols:HttpLine",
    "ws": "api.protocols:SocketLine",
    "ws_max_size": MAX_FRAME_BYTES,
    "ws_ping_interval": PING_SECONDS,
    "ws_ping_timeout": PONG_SECONDS,
    "timeout_graceful_shutdown": STOP_SECONDS,
}
"""For uvicorn."""


class HttpLine(HttpToolsProtocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._line = Line(abort=transport.abort)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {LINE: self._line}  # type: ignore[dict-item]

    def shutdown(self) -> None:
        super().shutdown()
        self._line.stopping.set()


class SocketLine(WebSocketsSansIOProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._line = Line(abort=self.transport.abort)

    async def run_asgi(self) -> None:
        self.scope["extensions"][LINE] = self._line  # type: ignore[assignment]
        await super().run_asgi()

    def shutdown(self) -> None:
        """The application says good-bye in the words of its protocol; who does not hang up then is cut off."""
        if not self.handshake_complete:
            super().shutdown()
            return
        self.stop_keepalive()
        self._line.stopping.set()
        self.loop.call_later(2 * FAREWELL_SECONDS, self.transport.abort)
