"""A read-only copy of a PostgreSQL database: whether it can be used, and how far behind it is.

How far is told by the log, not by clocks: what the primary had written at a moment, the copy has replayed or not. So it
holds on an idle primary too, on machines whose clocks differ, and when the copy has lost the primary without noticing.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from persistence.outages import MAY_BE_OUTAGES, told_briefly

logger = logging.getLogger(__name__)

MOST_LAG_SECONDS = 10.0
CHECK_SECONDS = 1.0
"""Between one check and the next: whoever reads then waits for it, the others do not."""
PATIENCE_SECONDS = 1.0
"""A check that takes longer has failed."""
REST_SECONDS = 5.0
"""So long a copy that failed is left alone."""

_WRITTEN = text("SELECT pg_current_wal_lsn()::text")
_REPLAYED = text("SELECT pg_is_in_recovery(), pg_last_wal_replay_lsn()::text")

Primary = Callable[[Callable[[AsyncConnection], Awaitable[str]]], Awaitable[str]]


class Replica:
    """One for each process. `primary` runs a read on the primary."""

    def __init__(self, engine: AsyncEngine, primary: Primary) -> None:
        self.engine = engine
        self._primary = primary
        self._written: deque[tuple[float, int]] = deque(maxlen=32)
        """(moment by the monotonic clock, how far the primary had written by then), where the copy may not be yet."""
        self._true_at: float | None = None
        """What the copy shows is what was true then, or later."""
        self._check_at = 0.0
        self._is_checking = False
        self._was_usable: bool | None = None

    async def is_usable(self) -> bool:
        if not self._is_checking and monotonic() >= self._check_at:
            self._is_checking = True
            try:
                await self._check()
            finally:
                self._is_checking = False
        return self._is_near()

    def fail(self, error: Exception) -> None:
        """To be told of an error that came up while it was used."""
        self._true_at = None
        self._written.clear()
        self._check_at = monotonic() + REST_SECONDS
        self._tell(f"it cannot be used: {told_briefly(error)}")

    def _is_near(self) -> bool:
        return self._true_at is not None and monotonic() - self._true_at <= MOST_LAG_SECONDS

    async def _check(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                began = monotonic()
                self._written.append((began, _position(await self._primary(_written))))
                async with self.engine.connect() as connection, connection.begin():
                    is_copy, replayed = (await connection.execute(_REPLAYED)).one()
        except (TimeoutError, *MAY_BE_OUTAGES) as error:
            self.fail(error)
            return
        self._check_at = began + CHECK_SECONDS
        if not is_copy or replayed is None:
            self._true_at = None
            self._tell("it is no copy that follows a primary")
            return
        while self._written and self._written[0][1] <= _position(replayed):
            self._true_at = self._written.popleft()[0]
        self._tell(None if self._is_near() else f"it is more than {MOST_LAG_SECONDS:.0f} s behind")

    def _tell(self, problem: str | None) -> None:
        """Of a change, and of nothing else."""
        if self._was_usable is not (problem is None):
            if problem is not None:
                logger.warning("The replica is not read from: %s", problem)
            elif self._was_usable is not None:
                logger.warning("The replica is read from again")
            self._was_usable = problem is None


async def _written(connection: AsyncConnection) -> str:
    return str((await connection.execute(_WRITTEN)).scalar_one())


def _position(lsn: str) -> int:
    """`16/B374D848` → bytes of log."""
    high, low = lsn.split("/")
    return (int(high, 16) << 32) | int(low, 16)
