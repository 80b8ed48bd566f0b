"""`/graphql` as a WebSocket: queries, mutations and subscriptions in the words of `graphql-transport-ws`.

One conversation a socket. It has a reader, a writer, a watch over the caller's admission, and timers; the first of them
to end ends the socket. Operations run beside them and speak through one bounded outbox, so that a
peer who does not read stops his own sources, and nobody else's. Each is a request of its own: before it begins the
caller is admitted anew.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, aclosing
from time import monotonic

from graphql import OperationType
from starlette.websockets import WebSocket, WebSocketDisconnect

from api import socket_messages as messages
from api.admission import EXPIRED, Admission, Ended
from api.auth import AuthenticationError, KeySetError
from api.error_answers import Incident
from api.limits import Limits
from api.line import FAREWELL_SECONDS, SEND_SECONDS, Line, first_of
from api.operations import Operation, Operations
from api.outbox import Outbox
from api.places import Place
from api.refusals import Code, Refused, refusal
from api.socket_messages import Close, Message, read_message
from api.watch import Seen, Transport, Watch, client_of
from domain.access import Viewer
from persistence.outages import is_outage

INIT_SECONDS = 5.0
CHECK_SECONDS = 10.0
PING_SECONDS = 20.0
SILENT_SECONDS = 45.0
MAX_OPERATIONS = 50

NOBODY_THERE = Close(None)
CLOSED_ALREADY = (WebSocketDisconnect, RuntimeError)
"""By the peer; or by the server itself, for a frame that breaks the rules: it says so by a RuntimeError."""


class Conversation:
    """With one peer, from the accepted handshake to the end of the socket."""

    def __init__(
        self,
        socket: WebSocket,
        line: Line,
        place: Place,
        operations: Operations,
        admission: Callable[[str | None], Admission],
        limits: Limits,
        watch: Watch,
    ) -> None:
        self._limits = limits
        self._watched_by = watch
        self._client = client_of(socket.headers)
        self._socket = socket
        self._line = line
        self._place = place
        self._operations = operations
        self._admit = admission
        self._admission: Admission | None = None
        self._is_initialised = False
        self._acknowledged = asyncio.Event()
        self._over: asyncio.Future[Close] = asyncio.get_running_loop().create_future()
        """Why: no admission for an operation, silence, or the server stops."""
        self._in_order = asyncio.Lock()
        """Operations are admitted, and so begun, one after the other as they came."""
        self._outbox = Outbox()
        self._running: dict[str, asyncio.Task[None]] = {}
        """By id: those whose answers the peer waits for."""
        self._tasks: set[asyncio.Task[None]] = set()
        """All of them, mutations that the peer no longer waits for too."""
        self._cut_short: set[asyncio.Task[None]] = set()
        """Those that end when nobody waits: all but mutations."""
        self._heard_at = self._pinged_at = monotonic()
        self._is_ended_here = False
        """By the server, not by the peer."""

    async def run(self) -> None:
        self._line.farewells.append(self._say_farewell)
        init = asyncio.get_running_loop().call_later(INIT_SECONDS, self._judge_initialisation)
        self._beat()
        try:
            close = await first_of(self._read(), self._write(), self._watch(), self._over)
            self._is_ended_here = close.code is not None
        except Exception as error:  # the last guard: a fault of ours never shows what it is
            close = Close(messages.INTERNAL_ERROR, Incident().tell(error)["message"])
            self._is_ended_here = True
        finally:
            self._line.farewells.remove(self._say_farewell)
            init.cancel()
            self._next_beat.cancel()
            self._running.clear()
            for task in self._cut_short:
                task.cancel()
        await self._hang_up(close)
        # The sources close what they hold, and mutations are done whoever waits for them.
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def _viewer(self) -> Viewer:
        """Only once the peer is acknowledged."""
        assert self._admission is not None
        return self._admission.viewer

    @property
    def _is_expired(self) -> bool:
        return self._acknowledged.is_set() and self._admission is not None and self._admission.is_expired

    # ---------- what ends a socket ----------

    async def _read(self) -> Close:
        while True:
            frame = await self._socket.receive()
            if frame["type"] == "websocket.disconnect":
                return NOBODY_THERE
            self._heard_at = monotonic()
            try:
                await self._hear(read_message(frame.get("text"), self._limits.max_message_bytes))
            except Close as close:
                return close

    async def _write(self) -> Close:
        while True:
            text = await self._outbox.take()
            if self._is_expired:
                return _ended(Ended(Code.UNAUTHENTICATED, EXPIRED))
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    await self._socket.send_text(text)
            except TimeoutError:
                self._line.abort()
                return NOBODY_THERE
            except CLOSED_ALREADY:
                return NOBODY_THERE

    async def _watch(self) -> Close:
        await self._acknowledged.wait()
        assert self._admission is not None
        return _ended(await self._admission.ended())

    def _beat(self) -> None:
        """Timers and no task: thousands of sockets wait most of the time."""
        now = monotonic()
        if now >= self._heard_at + SILENT_SECONDS:
            told = f"Nothing was heard for {SILENT_SECONDS:.0f} seconds."
            self._end_all(Close(messages.TRY_AGAIN_LATER, told))
            return
        if now >= self._pinged_at + PING_SECONDS:
            self._pinged_at += PING_SECONDS
            self._outbox.offer(messages.ping())
        due = min(self._pinged_at + PING_SECONDS, self._heard_at + SILENT_SECONDS)
        self._next_beat = asyncio.get_running_loop().call_later(max(due - now, 0), self._beat)

    def _judge_initialisation(self) -> None:
        if not self._is_initialised:
            self._end_all(Close(messages.INIT_TIMEOUT, "Connection initialisation timeout"))

    def _say_farewell(self) -> None:
        self._end_all(Close(messages.GOING_AWAY, "The server stops."))

    def _end_all(self, close: Close) -> None:
        if not self._over.done():
            self._over.set_result(close)

    async def _hang_up(self, close: Close) -> None:
        if close.code is None:
            return
        if close.code != messages.GOING_AWAY:
            self._watched_by.note_turned_away(close.code)
        try:
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self._socket.close(close.code, close.reason)
        except TimeoutError:
            self._line.abort()
        except CLOSED_ALREADY:
            pass

    # ---------- what a peer says ----------

    async def _hear(self, message: Message) -> None:
        match message.kind:
            case "connection_init":
                await self._welcome(message)
            case "ping":
                await self._outbox.put(messages.pong(message.payload))
            case "subscribe":
                await self._begin(message)
            case "complete":
                self._end(message.id)

    async def _welcome(self, message: Message) -> None:
        if self._is_initialised:
            raise Close(messages.TOO_MANY_INITS, "Too many initialisation requests")
        self._is_initialised = True
        self._client = client_of(message.payload) or self._client
        self._admission = self._admit(messages.authorization_in(message.payload))
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self._admission.check()
        except AuthenticationError as error:
            raise Close(messages.FORBIDDEN, f"Forbidden: {error}") from None
        except Exception as error:
            if not isinstance(error, KeySetError) and not is_outage(error):
                raise
            raise Close(messages.TRY_AGAIN_LATER, "Tokens cannot be checked right now.") from error
        self._take_place(self._admission.viewer)
        self._acknowledged.set()
        await self._outbox.put(messages.ack())

    def _take_place(self, viewer: Viewer) -> None:
        try:
            self._place.give_to(viewer)
        except Refused as refused:
            raise Close(messages.TOO_MANY_SOCKETS, f"Too many sockets. {refused.errors[0]['message']}") from None

    async def _begin(self, message: Message) -> None:
        if not self._acknowledged.is_set():
            raise Close(messages.UNAUTHORIZED, "Unauthorized")
        if message.id in self._running:
            raise Close(messages.ID_IN_USE, f"Subscriber for {message.id} already exists")
        if self._is_expired:
            raise _ended(Ended(Code.UNAUTHENTICATED, EXPIRED))
        try:
            if len(self._tasks) >= MAX_OPERATIONS:
                raise refusal(400, f"A socket runs at most {MAX_OPERATIONS} operations at once.")
            operation = self._operations.find(messages.request_in(message), self._viewer)
        except Refused as refused:
            with self._watching() as seen:
                seen.viewer = self._viewer
                seen.note_refusal(refused)
            await self._outbox.put(messages.errors(message.id, refused.errors), message.id)
        else:
            self._start(message.id, operation)

    def _start(self, operation_id: str, operation: Operation) -> None:
        task = asyncio.create_task(self._answer(operation_id, operation))
        self._running[operation_id] = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if operation.kind is not OperationType.MUTATION:
            self._cut_short.add(task)
            task.add_done_callback(self._cut_short.discard)

    def _end(self, operation_id: str) -> None:
        self._outbox.forget(operation_id)
        task = self._running.pop(operation_id, None)
        if task in self._cut_short:
            task.cancel()

    # ---------- what is answered ----------

    def _watching(self) -> AbstractContextManager[Seen]:
        return self._watched_by.operation(Transport.WEBSOCKET, self._client, self._socket.headers)

    async def _answer(self, operation_id: str, operation: Operation) -> None:
        with self._watching() as seen:
            seen.note_operation(operation.name, operation.kind.value)
            last = await self._last_word(operation_id, operation, seen)
        if last is not None and self._is_awaited(operation_id):
            del self._running[operation_id]  # the peer may use it again as soon as it has read this
            await self._outbox.put(last, operation_id)

    async def _last_word(self, operation_id: str, operation: Operation, seen: Seen) -> str | None:
        """What ends the operation, once it has been answered. None: the whole socket ends."""
        incident = Incident(operation.name)
        try:
            await self._run(operation_id, operation, incident, seen)
            return messages.complete(operation_id)
        except Close as close:
            seen.cut_off()
            self._end_all(close)
            return None
        except Refused as refused:
            seen.note_refusal(refused)
            return messages.errors(operation_id, refused.lone_errors)
        except asyncio.CancelledError:
            if self._is_ended_here:
                seen.cut_off()
            raise
        except Exception as error:  # the last guard
            told = incident.tell(error)
            seen.note_fault(told)
            return messages.errors(operation_id, [told])

    async def _run(self, operation_id: str, operation: Operation, incident: Incident, seen: Seen) -> None:
        admission = self._admission
        assert admission is not None
        seen.viewer = viewer = await self._admitted(admission)
        if not operation.is_subscription:
            await self._send(operation_id, await self._operations.run(operation, viewer, incident))
            return
        with self._place.subscription():
            async with aclosing(await self._operations.subscribe(operation, lambda: admission.viewer)) as answers:
                seen.begin()
                async for answer in answers:
                    await self._send(operation_id, answer)

    async def _admitted(self, admission: Admission) -> Viewer:
        """Raises Close when the caller may not go on; Refused or an outage when nobody can tell."""
        try:
            async with asyncio.timeout(CHECK_SECONDS), self._in_order:
                return await admission.check()
        except AuthenticationError as error:
            raise _ended(Ended(Code.UNAUTHENTICATED, str(error))) from None
        except KeySetError as error:
            raise refusal(503, str(error), Code.SERVICE_UNAVAILABLE) from None

    async def _send(self, operation_id: str, answer: bytes) -> None:
        if self._is_awaited(operation_id):
            await self._outbox.put(messages.next_answer(operation_id, answer), operation_id)

    def _is_awaited(self, operation_id: str) -> bool:
        return self._running.get(operation_id) is asyncio.current_task()


def _ended(ended: Ended) -> Close:
    if ended.code is Code.UNAUTHENTICATED:
        return Close(messages.FORBIDDEN, f"Forbidden: {ended.message}")
    return Close(messages.TRY_AGAIN_LATER, ended.message)
