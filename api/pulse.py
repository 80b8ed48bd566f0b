"""How late the event loop is, how much of the database's pool is taken, whether the worker looks for work: told twice
a second.

A loop that is late answers everybody late, and no figure of a single operation says so.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api.metrics import Metrics
from api.worker import Worker
from persistence.database import Database

BEAT_SECONDS = 0.5
LOOKED_BACK = 30
"""Beats: whoever asks every 15 seconds misses none."""


@asynccontextmanager
async def beating(metrics: Metrics, database: Database, worker: Worker | None) -> AsyncIterator[None]:
    """`worker`: None where this process has none."""
    task = asyncio.create_task(_beat(metrics, database, worker), name="farebox pulse")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _beat(metrics: Metrics, database: Database, worker: Worker | None) -> None:
    loop, lags = asyncio.get_running_loop(), deque([0.0], LOOKED_BACK)
    while True:
        metrics.loop_lag.set(max(lags))
        metrics.connections.set(database.connections_in_use)
        if worker is not None:
            metrics.worker_looked.set(worker.looked_at.timestamp())
        due = loop.time() + BEAT_SECONDS
        await asyncio.sleep(BEAT_SECONDS)
        lags.append(max(loop.time() - due, 0.0))
