"""Reads of followers: few at once, and one for all who ask the same.

Hundreds may follow one busy office. They must not keep the database, or this process, from who pays.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Hashable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Generic, NamedTuple, TypeVar

LOOKS_AT_ONCE = 2
LEAST_SECONDS = 0.25
"""Between one look at a question and the next."""
PART_OF_THE_TIME = 4
"""The next look comes no sooner than so many times as long as the last one took."""
MOST_SECONDS = 10.0

T = TypeVar("T")


class Found(NamedTuple, Generic[T]):
    rows: T
    began: float
    """By the monotonic clock. The wait for its turn counts, a pause before that does not."""


def rest(seconds: float) -> float:
    """How long after its beginning what took `seconds` may begin anew."""
    return min(max(LEAST_SECONDS, PART_OF_THE_TIME * seconds), MOST_SECONDS)


class SharedLook(Generic[T]):
    """One question, as long as anybody follows it. Who asks is answered by a look that begins after he asked, and waits
    for it together with everybody who asks until then: what was committed before is seen."""

    def __init__(self, turn: asyncio.Semaphore, look: Callable[[], Awaitable[T]]) -> None:
        self._turn = turn
        self._look = look
        self._next: asyncio.Task[Found[T]] | None = None
        """Has not looked yet."""
        self._tasks: set[asyncio.Task[Found[T]]] = set()
        self._rests_until = 0.0
        self.follower_count = 0

    async def found(self) -> Found[T]:
        """Raises what the look raises."""
        if self._next is None:
            self._next = asyncio.create_task(self._look_once())
            self._tasks.add(self._next)
            self._next.add_done_callback(self._forget)
        return await asyncio.shield(self._next)

    async def _look_once(self) -> Found[T]:
        await asyncio.sleep(self._rests_until - monotonic())
        began = monotonic()
        async with self._turn:
            self._next = None
            try:
                return Found(await self._look(), began)
            finally:
                self._rests_until = began + rest(monotonic() - began)

    def _forget(self, task: asyncio.Task[Found[T]]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited was told; if nobody did, nobody needs to be

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Looks:
    """One for each process."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(LOOKS_AT_ONCE)
        self._shared: dict[Hashable, SharedLook[Any]] = {}

    async def found(self, look: Callable[[], Awaitable[T]]) -> Found[T]:
        """What a look finds that nobody shares, when it is its turn."""
        began = monotonic()
        async with self._turn:
            return Found(await look(), began)

    @asynccontextmanager
    async def shared(
        self, question: Hashable, look: Callable[[], Awaitable[T]]
    ) -> AsyncIterator[Callable[[], Coroutine[Any, Any, Found[T]]]]:
        """For who follows `question`: how to have it looked at. The look of the first of them serves all: it finds the
        same whoever asks."""
        one: SharedLook[T] = self._shared.setdefault(question, SharedLook(self._turn, look))
        one.follower_count += 1
        try:
            yield one.found
        finally:
            one.follower_count -= 1
            if not one.follower_count:
                del self._shared[question]
                await one.close()
