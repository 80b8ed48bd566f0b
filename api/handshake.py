"""The handshake of a WebSocket at `/graphql`: from which page, how many already, in which protocol."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from api import socket_messages as messages
from api.admission import Admission, address_of
from api.auth import Authenticator
from api.limits import Limits
from api.line import line_of
from api.negotiation import JSON
from api.operations import Operations
from api.origins import Origins
from api.places import Place, Places
from api.refusals import Code, Refused, refusal
from api.socket import Conversation
from api.watch import Watch


class GraphQLSocket:
    """An ASGI application for one WebSocket route."""

    def __init__(
        self,
        operations: Operations,
        *,
        authenticator: Authenticator,
        clock: Callable[[], datetime],
        limits: Limits,
        watch: Watch,
        origins: Origins,
        places: Places,
    ) -> None:
        self._origins = origins
        self._places = places
        self._operations = operations
        self._limits = limits
        self._watch = watch
        self._authenticator = authenticator
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = WebSocket(scope, receive, send)
        with suppress(WebSocketDisconnect):
            try:
                place = self._let_in(socket)
            except Refused as refused:
                await _turn_away(socket, refused)
                return
            try:
                await self._converse(socket, place)
            finally:
                place.leave()

    def _let_in(self, socket: WebSocket) -> Place:
        """Before anything is agreed upon. Raises Refused."""
        if not self._origins.admits(socket):
            raise refusal(403, "Pages of this site may not call this server.", Code.FORBIDDEN)
        return self._places.of_address(address_of(socket))

    async def _converse(self, socket: WebSocket, place: Place) -> None:
        if messages.PROTOCOL not in socket.scope["subprotocols"]:
            await socket.accept()
            await socket.close(messages.WRONG_PROTOCOL, f"Speak {messages.PROTOCOL}.")
            return
        await socket.accept(messages.PROTOCOL)
        line, admission = line_of(socket.scope), self._admission(socket)
        with self._watch.socket():
            await Conversation(socket, line, place, self._operations, admission, self._limits, self._watch).run()

    def _admission(self, socket: WebSocket) -> Callable[[str | None], Admission]:
        def admission(authorization: str | None) -> Admission:
            given = authorization or socket.headers.get("authorization")
            return Admission(self._authenticator, self._clock, given, address=address_of(socket))

        return admission


async def _turn_away(socket: WebSocket, refused: Refused) -> None:
    """Without a handshake, where the server can answer so."""
    if "websocket.http.response" in socket.scope.get("extensions", {}):
        await socket.send_denial_response(refused.response(JSON))
    else:
        await socket.close()
