"""Time-ordered 128-bit ids (RFC 9562, version 7): rows made together lie together."""

import os
import time
from collections.abc import Iterator
from struct import unpack
from uuid import UUID

_VERSION = 0x7 << 76
_VARIANT = 0x2 << 62
_RANDOM_BITS = (1 << 62) - 1
_DRAWN_BYTES = 8 * 512
"""Of randomness, at once: to ask the system for every id takes longer than all else."""


class IdSource:
    """Ids that rise even within one millisecond, so that the order of making is the order of ids in one process."""

    def __init__(self) -> None:
        self._last = 0
        self._random: Iterator[int] = iter(())
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """What a process was given is not for its children too."""
        self._random = iter(())

    def __call__(self) -> UUID:
        # 48 bits of milliseconds and 12 of the fraction below them, as one number that never stands still.
        ticks = max(time.time_ns() * 4096 // 1_000_000, self._last + 1)
        self._last = ticks
        random = next(self._random, None)
        if random is None:
            self._random = iter(unpack(f"{_DRAWN_BYTES // 8}Q", os.urandom(_DRAWN_BYTES)))
            random = next(self._random)
        id_ = (ticks >> 12) << 80 | _VERSION | (ticks & 0xFFF) << 64 | _VARIANT | random & _RANDOM_BITS
        return UUID(int=id_)


new_id = IdSource()
