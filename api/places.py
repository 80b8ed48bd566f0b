"""How many lasting connections one caller has, and how many subscriptions on them, in this process.

A caller is a person or a system within a company, whatever token he comes with. Who has not said yet who he is stands
for his address.
"""

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager

from api.limits import Limits
from api.refusals import Code, Refused, refusal
from domain.access import Viewer

RETRY_SECONDS = 10


class Places:
    def __init__(self, limits: Limits) -> None:
        self._max_sockets = limits.max_sockets
        self._max_subscriptions = limits.max_subscriptions
        self._sockets: Counter[Hashable] = Counter()
        self._subscriptions: Counter[Hashable] = Counter()

    def __len__(self) -> int:
        """WebSockets and event streams."""
        return self._sockets.total()

    def of_address(self, address: str | None) -> "Place":
        """Raises Refused."""
        return Place(self, address)

    def of_caller(self, viewer: Viewer) -> "Place":
        """Raises Refused."""
        return Place(self, viewer.identity)

    def enter(self, who: Hashable) -> None:
        if self._sockets[who] >= self._max_sockets:
            raise _too_many(f"You have {self._max_sockets} sockets and event streams open: close one first.")
        self._sockets[who] += 1

    def leave(self, who: Hashable) -> None:
        _take_off(self._sockets, who)

    @contextmanager
    def subscription(self, who: Hashable) -> Iterator[None]:
        if self._subscriptions[who] >= self._max_subscriptions:
            raise _too_many(f"You have {self._max_subscriptions} subscriptions running: complete one first.")
        self._subscriptions[who] += 1
        try:
            yield
        finally:
            _take_off(self._subscriptions, who)


class Place:
    """Of one connection, until it leaves."""

    def __init__(self, places: Places, who: Hashable) -> None:
        places.enter(who)
        self._places = places
        self._who = who

    def give_to(self, viewer: Viewer) -> None:
        """Once it is known who it is. Raises Refused."""
        who = viewer.identity
        self._places.enter(who)
        self._places.leave(self._who)
        self._who = who

    def subscription(self) -> AbstractContextManager[None]:
        """For as long as one runs. Raises Refused."""
        return self._places.subscription(self._who)

    def leave(self) -> None:
        self._places.leave(self._who)


def _take_off(counter: Counter[Hashable], who: Hashable) -> None:
    counter[who] -= 1
    if not counter[who]:
        del counter[who]  # memory holds those who are here


def _too_many(message: str) -> Refused:
    return refusal(429, message, Code.THROTTLED, headers={"Retry-After": str(RETRY_SECONDS)})
