"""What comes for one office while its books are written in is written together next: one transaction for all.

Whoever comes alone goes at once, and waits for nobody. Transactions on one office stand in line for its row anyway;
here they stand in line before they take a connection, and the line is served at once when its turn comes.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")
Story = Callable[[Sequence[T]], Awaitable[Sequence[R]]]
Again = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]


class _Place(Generic[T, R]):
    """Of somebody in the line."""

    def __init__(self, items: Sequence[T], story: Story[T, R]) -> None:
        self.items, self.story = items, story
        self.turn: asyncio.Future[list[_Place[T, R]]] = asyncio.get_running_loop().create_future()
        """Those whose items he has to see to, himself first; none where somebody else has done his."""
        self.answers: Sequence[R] | None = None

    def pass_by(self, answers: Sequence[R] | None) -> None:
        self.answers = answers
        if not self.turn.done():
            self.turn.set_result([])


class Gathering:
    """The lines of one process, by what is written in. `again` runs one transaction, a few times if need be."""

    def __init__(self, again: Again, *, most: int) -> None:
        """`most`: items that go together."""
        self._again = again
        self._most = most
        self._lines: dict[Hashable, deque[_Place[Any, Any]]] = {}
        """By key; there is a line, be it empty, while somebody is at work."""

    async def done(self, key: Hashable, items: Sequence[T], story: Story[T, R]) -> Sequence[R]:
        """See `domain.ports.Door.together`."""
        place = _Place(items, story)
        if key in self._lines:
            self._lines[key].append(place)
            led = await self._turn(key, place)
        else:
            self._lines[key] = deque()
            led = [place]
        if led:
            try:
                await self._lead(led)
            finally:
                self._call_next(key)
        if place.answers is not None:
            return place.answers
        answers: Sequence[R] = await self._again(partial(story, items))  # with the others it was refused
        return answers

    async def _turn(self, key: Hashable, place: _Place[T, R]) -> list[_Place[T, R]]:
        try:
            return await place.turn
        except asyncio.CancelledError:
            line = self._lines.get(key, deque())
            if place in line:
                line.remove(place)
            elif not place.turn.cancelled() and (led := place.turn.result()):
                line.extendleft(reversed(led[1:]))  # it was his turn in the same moment
                self._call_next(key)
            raise

    async def _lead(self, led: list[_Place[Any, Any]]) -> None:
        """One that is alone is told of its error. Those that are together are not: each tries again by himself, so
        that nobody is refused for what another one sent."""
        first = led[0]
        if len(led) == 1:
            first.answers = await self._again(partial(first.story, first.items))
            return
        answers: list[Any] = []
        try:
            # The last one's story: his is the latest time.
            answers += await led[-1].story([item for place in led for item in place.items])
        except Exception:  # noqa: S110 - told to whoever it is about, when he tries again
            pass
        finally:
            rest = iter(answers)
            for place in led:
                place.pass_by([next(rest) for _ in place.items] if answers else None)

    def _call_next(self, key: Hashable) -> None:
        line = self._lines[key]
        led: list[_Place[Any, Any]] = []
        count = 0
        while line and (line[0].turn.done() or not led or count + len(line[0].items) <= self._most):
            place = line.popleft()
            if not place.turn.done():  # else he has gone
                led.append(place)
                count += len(place.items)
        if led:
            led[0].turn.set_result(led)
        else:
            del self._lines[key]
