"""One statement that reads, with no transaction around it: it sees one moment by itself.

A connection is taken from the engine's pool and given back; a transaction would be two trips more, and a thread's turn
for each of them on SQLite. Only what has to be set for a statement (whose rows it may see) makes one necessary.
"""

from asyncio import ensure_future, shield
from collections.abc import Sequence
from time import perf_counter
from typing import Any, cast

from sqlalchemy import QueuePool
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import greenlet_spawn

from persistence.sessions import Session
from persistence.sqlite_connection import OneTripConnection
from persistence.statements import tell_engine


async def fetch_alone(engine: AsyncEngine, text: str, values: Sequence[Any], *, preamble: str = "") -> list[Any]:
    """The rows as the driver gives them; `text` and `values` are in its words. Raises the driver's errors."""
    kept = await _taken(engine)
    try:
        driver = kept.driver_connection
        begun = perf_counter()
        if isinstance(driver, OneTripConnection):
            [(rows, seconds)] = await driver.run_all([(text, values)])
        else:
            assert isinstance(driver, Session)
            rows = await _fetch(driver, text, values, preamble)
            seconds = perf_counter() - begun
        tell_engine(engine.sync_engine, text, seconds)
    except BaseException:
        # Also when nobody waits any more: it has to be given back.
        await shield(ensure_future(greenlet_spawn(kept.close)))
        raise
    kept._checkin(transaction_was_reset=True)  # nothing is open: to roll back would be work for nothing
    return rows


async def _taken(engine: AsyncEngine) -> Any:
    """From the pool. SQLAlchemy needs a greenlet of its own only for what may have to be waited for: on SQLite, for a
    connection that has to be opened first."""
    pool = cast(QueuePool, engine.sync_engine.pool)
    if engine.dialect.name == "sqlite" and pool.checkedin():
        return pool.connect()
    return await greenlet_spawn(pool.connect)


async def _fetch(session: Session, text: str, values: Sequence[Any], preamble: str) -> list[Any]:
    if not preamble:
        return await session.fetch(text, *values)  # type: ignore[no-any-return]
    session.preamble = preamble
    try:
        await session.execute("BEGIN;")
        try:
            return await session.fetch(text, *values)  # type: ignore[no-any-return]
        finally:
            await session.execute("ROLLBACK;")
    finally:
        session.preamble = ""
