"""PostgreSQL connections, and the one message that begins a transaction: BEGIN with all that is set for it.

`SET LOCAL` ends with the transaction, whichever way it ends, so a connection goes back to the pool as it came. It takes
no parameters: a company's id is written out by the UUID itself, never taken from text.
"""

import math
from time import monotonic
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

WAIT_SECONDS = 30
CONNECT_SECONDS = 10
FRESH_SECONDS = 1.0
"""A PostgreSQL that takes connections and says nothing is given up after that."""
COMPANY_SETTING = "farebox.company"
"""What the policies of row-level security compare `company_id` with."""


class Session(asyncpg.Connection):  # type: ignore[misc] # the driver is not typed
    """The driver's connection. What is set for its next transaction travels with that one's BEGIN."""

    preamble = ""
    is_bound = False
    """Whether it is used for one company, under a role that sees no other."""

    used_at = -math.inf
    """By the monotonic clock, when it was last given back."""
    _is_citus: bool | None = None

    async def is_citus(self) -> bool:
        """Asked once a connection: there each statement has to name one table's shard, so none are put together."""
        if self._is_citus is None:
            self._is_citus = await self.fetchval("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')")
        return self._is_citus

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - the driver's
        if not self.preamble or not query.startswith("BEGIN"):
            return await super().execute(query, *args, timeout=timeout)
        query, self.preamble = query + self.preamble, ""
        try:
            return await super().execute(query, timeout=timeout)
        except BaseException:
            self.terminate()  # it may stand in a transaction that nobody would end
            raise


def session_of(connection: AsyncConnection) -> Session:
    """The driver's connection behind one of a PostgreSQL engine. Nothing is sent."""
    assert connection.sync_connection is not None
    session = connection.sync_connection.connection.driver_connection
    assert isinstance(session, Session)
    return session


def bound_to(company_id: UUID, role: str) -> str:
    """The preamble of a transaction that sees this company alone. `role` is a plain name."""
    return f"SET LOCAL ROLE {role};SET LOCAL {COMPANY_SETTING} = '{UUID(int=company_id.int)}';"


def postgresql_engine(url: URL, *, pool_size: int, statement_seconds: float | None = None) -> AsyncEngine:
    """A statement that takes longer than `statement_seconds` is broken off by the server."""
    options: dict[str, Any] = {"timeout": CONNECT_SECONDS, "connection_class": Session}
    if statement_seconds is not None:
        options["server_settings"] = {"statement_timeout": str(math.ceil(statement_seconds * 1000))}
    # No engine ever tells the values of a statement in an error: they are phone numbers and names.
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=WAIT_SECONDS,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args=options,
    )
    _ask_the_idle_alone(engine)
    return engine


def _ask_the_idle_alone(engine: AsyncEngine) -> None:
    """Whether a connection still answers is asked in a transaction of three trips, before each use. One that was used a
    moment ago does, unless the driver already saw it end."""
    pool, dialect = engine.sync_engine.pool, engine.sync_engine.dialect
    answers = dialect.do_ping

    @event.listens_for(pool, "checkin")
    def note(connection: Any, _record: Any) -> None:
        if connection is not None:
            connection.driver_connection.used_at = monotonic()

    def answers_still(connection: Any) -> bool:
        session = connection.driver_connection
        is_fresh = monotonic() - session.used_at < FRESH_SECONDS and not session.is_closed()
        return is_fresh or answers(connection)

    dialect.do_ping = answers_still  # type: ignore[method-assign, assignment]
