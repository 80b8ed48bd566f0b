"""A look that many need at about the same time is taken once, and serves all of them."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Generic, TypeVar

Found = TypeVar("Found")
MANY = 1_000
"""From so many on, those that serve nobody any more are forgotten."""


@dataclass(slots=True)
class _Look(Generic[Found]):
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    good_until: float = 0.0
    found: Found | None = None


class SharedLooks:
    def __init__(self) -> None:
        self._looks: dict[Hashable, _Look[Any]] = {}
        self._tidy_at = MANY

    def __len__(self) -> int:
        return len(self._looks)

    async def look(self, key: Hashable, find: Callable[[], Awaitable[Found]], *, within: float) -> Found:
        """What somebody found for this key less than `within` seconds ago, or what is found now. What `find` raises is
        the caller's alone: the next one looks for himself."""
        self._tidy()
        look: _Look[Found] = self._looks.setdefault(key, _Look())
        async with look.turn:
            if monotonic() >= look.good_until:
                look.found = await find()
                look.good_until = monotonic() + within
            return look.found  # type: ignore[return-value]  # None only where `find` gives it

    def _tidy(self) -> None:
        if len(self._looks) < self._tidy_at:
            return
        now = monotonic()
        self._looks = {key: look for key, look in self._looks.items() if look.turn.locked() or look.good_until > now}
        self._tidy_at = 2 * len(self._looks) + MANY
