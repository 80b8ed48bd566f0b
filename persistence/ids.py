"""Time-ordered 128-bit ids (RFC 9562, version 7): rows made together lie together."""

import os
import time
from uuid import UUID

_VERSION = 0x7 << 76
_VARIANT = 0x2 << 62
_RANDOM_BITS = (1 << 62) - 1


class IdSource:
    """Ids that rise even within one millisecond, so that the order of making is the order of ids in one process."""

    def __init__(self) -> None:
        self._last = 0

    def __call__(self) -> UUID:
        # 48 bits of milliseconds and 12 of the fraction below them, as one number that never stands still.
        ticks = max(time.time_ns() * 4096 // 1_000_000, self._last + 1)
        self._last = ticks
        random = int.from_bytes(os.urandom(8), "big") & _RANDOM_BITS
        return UUID(int=(ticks >> 12) << 80 | _VERSION | (ticks & 0xFFF) << 64 | _VARIANT | random)


new_id = IdSource()
