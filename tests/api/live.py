"""A small schema with subscriptions behind a real server, and the words to listen to it with."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socket import SHUT_RDWR
from typing import Any

import strawberry
from starlette.applications import Starlette
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from api.auth import Claims
from domain.access import Viewer
from domain.errors import NotFound
from tests.api.edge import Mutation, Query, make_app, make_token, resolve, without_cost
from tests.api.edge import serve as serve_app

PROTOCOL = "graphql-transport-ws"
WAIT_SECONDS = 5.0


@dataclass
class Sources:
    """What became of the sources of the small schema."""

    opened: int = 0
    closed: int = 0
    sent: int = 0
    done: list[str] = field(default_factory=list)

    def until(self, is_true: Callable[["Sources"], bool], seconds: float = WAIT_SECONDS) -> None:
        end = time.monotonic() + seconds
        while not is_true(self):
            assert time.monotonic() < end, self
            time.sleep(0.01)


sources = Sources()


@strawberry.type
class Tick:
    number: int

    @strawberry.field
    def seen_by(self, info: strawberry.Info) -> str:
        return str(info.context.name)

    @strawberry.field
    def broken(self) -> str | None:
        raise RuntimeError("password=hunter2")


async def count(to: int, pause: float = 0.0, text: str = "") -> AsyncGenerator[Any, None]:
    sources.opened += 1
    try:
        for number in range(to):
            sources.sent += 1
            yield text or Tick(number=number)
            await asyncio.sleep(pause)
    finally:
        await asyncio.sleep(0)  # as a source that gives a connection back
        sources.closed += 1


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self, to: int, pause: float = 0.0) -> AsyncGenerator[Tick, None]:
        async for tick in count(to, pause):
            yield tick

    @strawberry.subscription
    async def silence(self) -> AsyncGenerator[Tick, None]:
        sources.opened += 1
        try:
            await asyncio.sleep(60)
            yield Tick(number=0)
        finally:
            sources.closed += 1

    @strawberry.subscription
    async def bulk(self, characters: int) -> AsyncGenerator[str, None]:
        async for text in count(10_000, text="x" * characters):
            yield text

    @strawberry.subscription
    async def breaks_off(self) -> AsyncGenerator[Tick, None]:
        yield Tick(number=0)
        raise RuntimeError("password=hunter2")

    @strawberry.subscription
    async def nowhere(self) -> AsyncGenerator[Tick, None]:
        raise NotFound("There is no such office.")
        yield Tick(number=0)


@strawberry.type
class SlowMutation(Mutation):
    @strawberry.mutation
    async def change_slowly(self, name: str) -> str:
        await asyncio.sleep(0.3)
        sources.done.append(name)
        return name


@strawberry.type
class SlowQuery(Query):
    @strawberry.field
    async def slow(self) -> str:
        await asyncio.sleep(60)
        return "late"


schema = strawberry.Schema(SlowQuery, SlowMutation, Subscription)


class Registry:
    """Who is known, as the database would say it; may change while a socket is open."""

    def __init__(self) -> None:
        self.change: Callable[[Viewer], Viewer | None] = lambda viewer: viewer
        self.outage: Exception | None = None
        self.hang: Callable[[Claims], Awaitable[Viewer | None]] | None = None

    async def resolve(self, claims: Claims) -> Viewer | None:
        if self.hang is not None:
            return await self.hang(claims)
        if self.outage is not None:
            raise self.outage
        viewer = await resolve(claims)
        return None if viewer is None else self.change(viewer)


def live_app(registry: Registry | None = None, **given: Any) -> Starlette:
    parts: dict[str, Any] = {"schema": schema, "resolve": (registry or Registry()).resolve}
    return make_app(**(parts | given))


@contextmanager
def serving(registry: Registry | None = None, **given: Any) -> Iterator[str]:
    sources.__init__()  # type: ignore[misc]
    with serve_app(live_app(registry, **given)) as address:
        yield address


def bearer(**claims: Any) -> str:
    return f"Bearer {make_token(**claims)}"


class Socket:
    """One client's end, which says and hears messages."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def say(self, message: Any) -> None:
        self.connection.send(message if isinstance(message, str | bytes) else json.dumps(message))

    def hear(self, seconds: float = WAIT_SECONDS) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.connection.recv(timeout=seconds))
        if message["type"] == "next" and "data" in message["payload"]:
            message["payload"] = without_cost(message["payload"])
        return message

    def subscribe(self, query: str, operation_id: str = "1", **payload: Any) -> None:
        self.say({"id": operation_id, "type": "subscribe", "payload": {"query": query, **payload}})

    def complete(self, operation_id: str = "1") -> None:
        self.say({"id": operation_id, "type": "complete"})

    def ask(self, query: str, **payload: Any) -> Any:
        """The one answer of a query or mutation."""
        self.subscribe(query, "ask", **payload)
        answer = self.hear()
        assert self.hear() == {"id": "ask", "type": "complete"}
        return answer["payload"]

    def hears_nothing(self, seconds: float = 0.3) -> bool:
        try:
            self.connection.recv(timeout=seconds)
        except TimeoutError:
            return True
        return False

    def hang_up(self) -> None:
        """Without a word."""
        self.connection.socket.shutdown(SHUT_RDWR)

    def end(self, seconds: float = WAIT_SECONDS) -> tuple[int, str]:
        """The code and reason of the close, whatever comes before it."""
        until = time.monotonic() + seconds
        with suppress(ConnectionClosed):
            while True:
                self.connection.recv(timeout=max(until - time.monotonic(), 0))
        assert self.connection.close_code is not None
        return self.connection.close_code, self.connection.close_reason or ""


@contextmanager
def opened(address: str, *protocols: str, headers: dict[str, str] | None = None) -> Iterator[Socket]:
    url = address.replace("http", "ws") + "/graphql"
    names: Any = list(protocols or (PROTOCOL,))
    with connect(url, subprotocols=names, additional_headers=headers, close_timeout=1) as connection:
        yield Socket(connection)


@contextmanager
def welcomed(address: str, token: str | None = None) -> Iterator[Socket]:
    """A socket that has said who it is and was let in."""
    with opened(address) as socket:
        socket.say({"type": "connection_init", "payload": {"Authorization": token or bearer()}})
        assert socket.hear() == {"type": "connection_ack"}
        yield socket
