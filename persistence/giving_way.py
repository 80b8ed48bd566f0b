"""Reads that give way to whoever is paying just now.

An answer of a hundred records keeps a process busy for milliseconds at a time, and a charge needs it a dozen times.
So a read of a query waits, once it has its rows, until nothing is being charged, for a moment at most; and only then
makes an answer of them.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

GiveWay = Callable[[], Awaitable[None]]
"""Returns when it may go on."""

_GIVE_WAY: ContextVar[GiveWay | None] = ContextVar("give_way", default=None)


@contextmanager
def giving_way(give_way: GiveWay) -> Iterator[None]:
    """All reads in here, and in the tasks that are begun in here."""
    token = _GIVE_WAY.set(give_way)
    try:
        yield
    finally:
        _GIVE_WAY.reset(token)


async def wait_for_who_pays() -> None:
    give_way = _GIVE_WAY.get()
    if give_way is not None:
        await give_way()
