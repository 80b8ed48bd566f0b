"""Whether this process can serve: asked by load balancers all the time, and by anybody who likes.

So it is looked up once a second at most, by one caller for all. An event loop that stands still answers nothing here,
which load balancers take for a no as well.
"""

import asyncio
from time import monotonic

from api.worker import Worker
from persistence.database import Database
from persistence.revision import is_current

KEPT_SECONDS = 1.0
PATIENCE_SECONDS = 5.0


class Readiness:
    """`worker`: None where this process has none."""

    def __init__(self, database: Database, worker: Worker | None) -> None:
        self._database = database
        self._worker = worker
        self._turn = asyncio.Lock()
        self._missing: str | None = None
        self._looked_at = -KEPT_SECONDS

    async def missing(self) -> str | None:
        """None when requests can be served; otherwise what is missing, in words for the operator."""
        async with self._turn:
            if monotonic() - self._looked_at >= KEPT_SECONDS:
                self._missing = await self._look()
                self._looked_at = monotonic()
            return self._missing

    async def _look(self) -> str | None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                if not await is_current(self._database):
                    return "The database is not at the newest schema: run `farebox migrate`."
        except Exception:  # new connections go past SQLAlchemy: the driver's own errors come too
            return "The database does not answer."
        if self._worker is not None and not self._worker.is_well:
            return "The worker of this process has stopped: start the process anew."
        return None
