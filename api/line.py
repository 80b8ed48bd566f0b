"""The line to one peer, as far as the server lets an application see it, and how to wait for several things on it.

`api.protocols` puts a line into the scope of every connection. Under another server than ours there is none:
then nothing tells of the server's stop, and a peer that reads nothing is left to TCP.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.types import Scope

from api.put_off import Again

LINE = "farebox.line"
"""The name of the ASGI extension."""
STOPPING = "farebox.stopping"
"""In the state that every request's scope has, from when the server is told to stop."""

TURNED_AWAY = "farebox.turned_away"
"""In the same state: hears of whoever is refused on his line, before there is an operation to tell of. See Watch."""

SEND_SECONDS = 10.0
"""A peer that does not take a message for so long is dropped, not buffered."""
FAREWELL_SECONDS = 1.0
"""For the last words to a peer, and for the end of open lines when the server stops."""

Found = TypeVar("Found")


def _nothing(*_: object) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Line:
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server stops."""
    abort: Callable[[], None] = _nothing
    """Cuts the line; what was not taken yet is thrown away."""
    put_off: Callable[[Scope, Again], None] = _nothing
    """The request of this scope is about to be answered that it should come again later."""
    farewells: list[Callable[[], None]] = field(default_factory=list)
    """Called when the server stops."""

    def stop(self) -> None:
        self.stopping.set()
        for farewell in self.farewells:
            farewell()


def line_of(scope: Scope) -> Line:
    line = (scope.get("extensions") or {}).get(LINE)
    return line if isinstance(line, Line) else Line()


async def first_of(*works: Coroutine[Any, Any, Found] | asyncio.Future[Found]) -> Found:
    """What the first of them to end returns or raises. The others are cancelled, and have ended before this returns."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task in done).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
