"""Callers who were here a moment ago, by what they showed at the door.

Who somebody is and what he may see is looked up anew for every operation. A caller who was let in within the last
minute is looked up when it is his turn, and not before: to be told to wait nobody needs to be known that well, and to
find out who each of a crowd is would take more than to answer some of them.
"""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from hashlib import blake2b
from time import monotonic

from domain.access import Viewer

REMEMBERED_SECONDS = 60.0
MAX_REGULARS = 10_000


class Regulars:
    """`clock` tells seconds and never goes back. What was shown is kept as a hash."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[Viewer, float]] = OrderedDict()

    def note(self, authorization: str | None, viewer: Viewer) -> None:
        """He was let in just now."""
        key = _hash(authorization)
        self._known[key] = viewer, self._clock()
        self._known.move_to_end(key)
        if len(self._known) > MAX_REGULARS:
            self._known.popitem(last=False)

    def forget(self, authorization: str | None) -> None:
        """He was not let in again."""
        self._known.pop(_hash(authorization), None)

    def find(self, authorization: str | None, now: datetime) -> Viewer | None:
        """Not once his token has expired."""
        viewer, at = self._known.get(_hash(authorization), (None, 0.0))
        if viewer is None or self._clock() - at > REMEMBERED_SECONDS:
            return None
        return viewer if viewer.expires_at is None or now < viewer.expires_at else None


def _hash(authorization: str | None) -> bytes:
    return blake2b((authorization or "").encode(errors="replace"), digest_size=16).digest()
