"""Who is answered next, when more is asked than can be done: a few at once, the others in a fair line.

Queries have a lane, and so have the mutations that report usage, and all others: nobody who pays waits for somebody who
reads. In a lane callers take turns, however many operations each has waiting. A line that is too long helps nobody: who
would wait too long for his turn is told so at once, and when to come again.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from contextlib import asynccontextmanager, suppress
from time import monotonic

from api.limits import Limits

WRITES_AT_ONCE = 64
"""Of either lane of mutations. They stand in line for their rows anyway; this bounds who stands there."""
WRITES_WAIT = 5
"""How many times longer than a query a mutation may wait: it is worth more to whoever sent it."""
READS_BESIDE_WRITES = 2
"""So few queries go on to begin while mutations are being done, one upon the other. An answer of a hundred records
keeps the process busy for milliseconds at a time, and a mutation needs it a dozen times."""
GIVE_WAY_SECONDS = 0.03
"""So long no query begins, and one that has begun waits with what it has read, while a mutation is being done; most
are done by then."""
_WEIGHT = 0.1
"""Of the last operation in how long one takes."""


class Busy(Exception):
    """There is no turn within the time. `seconds`: when it is worth coming again."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Lane:
    """Of one event loop. `clock` tells seconds and never goes back."""

    def __init__(
        self,
        *,
        at_once: int,
        max_wait: float,
        clock: Callable[[], float] = monotonic,
        gives_way_to: "Sequence[Lane]" = (),
        most_of_one: int | None = None,
    ) -> None:
        self._at_once = at_once
        self._most_of_one = most_of_one or at_once
        """So many of one caller at once: whoever asks slow questions does not fill the lane."""
        self._running_of: Counter[Hashable] = Counter()
        self._gives_way_to = gives_way_to
        self._behind: list[Lane] = []
        """Those that give way to this one."""
        for lane in gives_way_to:
            lane._behind.append(self)
        self._max_wait = max_wait
        self._clock = clock
        self._lines: OrderedDict[Hashable, deque[asyncio.Future[None]]] = OrderedDict()
        """Who waits, by caller; the caller whose turn is next stands first."""
        self.running = 0
        self.calm = asyncio.Event()
        """Nothing is running."""
        self.calm.set()
        self._busy_since = 0.0
        self.waiting = 0
        self.refused = 0
        """Since the start."""
        self._seconds = 0.0
        """How long an operation takes once it is its turn, lately."""

    @property
    def places(self) -> int:
        busy = [lane for lane in self._gives_way_to if lane.running]
        if not busy:
            return self._at_once
        if any(lane.is_pressing for lane in busy):
            return 0
        return min(self._at_once, READS_BESIDE_WRITES)

    @property
    def is_pressing(self) -> bool:
        """It got busy a moment ago."""
        return self.running > 0 and self._clock() - self._busy_since < GIVE_WAY_SECONDS

    @property
    def is_full(self) -> bool:
        return self.running >= self.places

    def _has_place_for(self, who: Hashable) -> bool:
        return not self.is_full and self._running_of[who] < self._most_of_one

    def expected_wait(self, who: Hashable) -> float:
        """Seconds until the caller's next turn, as far as can be told."""
        if self._has_place_for(who):
            return 0
        mine = len(self._lines.get(who, ()))
        ahead = mine + sum(min(len(line), mine + 1) for other, line in self._lines.items() if other != who)
        return (ahead + 1) * self._seconds / (self.places or self._at_once)

    def check(self, who: Hashable) -> None:
        """Raises Busy when there is no point in standing in line."""
        wait = self.expected_wait(who)
        if wait > self._max_wait:
            self.refused += 1
            raise Busy(wait)

    @asynccontextmanager
    async def turn(self, who: Hashable) -> AsyncIterator[float]:
        """The caller's turn: gives the seconds that were waited for it. Raises Busy."""
        came = self._clock()
        if self._has_place_for(who):
            self._enter(who)
        else:
            self.check(who)
            await self._wait(who)
        began = self._clock()
        try:
            yield began - came
        finally:
            self._seconds += (self._clock() - began - self._seconds) * (_WEIGHT if self._seconds else 1)
            self._leave(who)

    async def _wait(self, who: Hashable) -> None:
        """Whoever is let in is counted as running already when this returns."""
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lines.setdefault(who, deque()).append(place)
        self.waiting += 1
        try:
            async with asyncio.timeout(self._max_wait):
                await place
        except BaseException as error:
            if place.done() and not place.cancelled():
                self._leave(who)  # it was his turn in the same moment
            else:
                self._forget(who, place)
            if not isinstance(error, TimeoutError):
                raise
            self.refused += 1
            raise Busy(max(self.expected_wait(who), self._max_wait)) from None

    def _forget(self, who: Hashable, place: asyncio.Future[None]) -> None:
        line = self._lines.get(who, deque())
        if place in line:
            line.remove(place)
            self.waiting -= 1
        if not line:
            self._lines.pop(who, None)

    def _enter(self, who: Hashable) -> None:
        if not self.running:
            self._busy_since = self._clock()
            self.calm.clear()
            for lane in self._behind:
                asyncio.get_running_loop().call_later(GIVE_WAY_SECONDS, lane._let_in)
        self.running += 1
        self._running_of[who] += 1

    def _leave(self, who: Hashable) -> None:
        self.running -= 1
        self._running_of[who] -= 1
        if not self._running_of[who]:
            del self._running_of[who]
        self._let_in()
        if not self.running:
            self.calm.set()
            for lane in self._behind:
                lane._let_in()

    def _let_in(self) -> None:
        while (who := next(filter(self._has_place_for, self._lines), None)) is not None:
            line = self._lines[who]
            place = line.popleft()
            self.waiting -= 1
            if line:
                self._lines.move_to_end(who)
            else:
                del self._lines[who]
            if not place.done():  # else its caller has gone, and does not know yet that he need not be taken out
                self._enter(who)
                place.set_result(None)


class Gate:
    """The lanes of one process."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = monotonic) -> None:
        wait = limits.max_wait_seconds
        self.reports = Lane(at_once=WRITES_AT_ONCE, max_wait=wait * WRITES_WAIT, clock=clock)
        self.desk = Lane(at_once=WRITES_AT_ONCE, max_wait=wait * WRITES_WAIT, clock=clock)
        self.reads = Lane(
            at_once=limits.reads_at_once,
            max_wait=wait,
            clock=clock,
            gives_way_to=(self.reports, self.desk),
            most_of_one=max(limits.reads_at_once // 2, 1),
        )
        self.lanes = {"reads": self.reads, "reports": self.reports, "desk": self.desk}

    @property
    def is_pressing(self) -> bool:
        """Somebody who pays is being answered, or somebody at the desk."""
        return self.reports.is_pressing or self.desk.is_pressing

    async def give_way(self) -> None:
        """Of a query that has read something, before it does anything with it."""
        if self.reports.calm.is_set() and self.desk.calm.is_set():
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(GIVE_WAY_SECONDS):
                for lane in (self.reports, self.desk):
                    await lane.calm.wait()
