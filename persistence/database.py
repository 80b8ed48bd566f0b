"""The one door to the database, for either engine.

SQLite: readers and the writer have engines of their own. The writer's pool holds a single connection, so writers of
this process stand in one fair line, and each begins IMMEDIATE: a plain BEGIN loses spends (two readers both think
they may write). PostgreSQL: READ COMMITTED, rows locked by whoever writes; readers have a pool of their own where their
statements are limited in time, so that slow ones keep no connection from who pays.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import copy
from pathlib import Path
from typing import Any, TypeVar, cast
from uuid import UUID

from sqlalchemy import Executable, QueuePool, Row, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from persistence.giving_way import wait_for_who_pays
from persistence.outages import MAY_BE_OUTAGES
from persistence.prepared import Prepared, Values
from persistence.replica import Replica
from persistence.sessions import WAIT_SECONDS, adapter_of, bound_to, postgresql_engine, session_of
from persistence.single_reads import fetch_alone
from persistence.sqlite_connection import BEGIN_TO_WRITE, driver_of, open_reader, open_writer
from persistence.statements import OnStatement, watch_statements

READERS = 8
DOORKEEPERS = 4
WRITERS = 16
"""On PostgreSQL; the readers share them where nothing limits their statements."""
BUSY_MILLISECONDS = 10_000
WRITER_CACHE_KIB, READER_CACHE_KIB = 65_536, 16_384
"""Of each connection of SQLite's, of which there are a dozen: what a process holds in the end is mostly these."""
WAL_PAGES = 8_000
"""Written before they are put in their places, 32 MB: a batch changes thousands, and many of them again and again."""
NOBODYS = UUID(int=0)
"""No company has this id."""
_NO_LIMIT = "SET LOCAL statement_timeout = 0;"

T = TypeVar("T")


class Database:
    """Engines and the two ways to use them: `reading()` for short consistent reads, `writing()` for one transaction.

    `of` and `lagging` give the same engines to somebody who may do less with them.
    """

    def __init__(
        self,
        url: str | URL,
        *,
        statement_seconds: float | None = None,
        tenant_role: str | None = None,
        replica_url: str | URL | None = None,
    ) -> None:
        """Of PostgreSQL alone: a statement of a reader takes `statement_seconds` at most; what is done for one company
        is done under `tenant_role`; some reads may come from the copy at `replica_url`."""
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.tenant_role = None if self.is_sqlite else tenant_role
        self._company_id: UUID | None = None
        self._may_lag = False
        self._door: AsyncEngine | None = None
        self._replica: Replica | None = None
        self._snapshot_preamble = ""
        if self.is_sqlite:
            if self.url.database and self.url.database != ":memory:":
                Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
            self._readers = _sqlite_engine(self.url, begin="BEGIN", pool_size=READERS)
            self._writer = _sqlite_engine(self.url, begin=BEGIN_TO_WRITE, pool_size=1)
            return
        self._readers = self._writer = postgresql_engine(self.url, pool_size=WRITERS)
        if statement_seconds is not None:
            self._readers = postgresql_engine(self.url, pool_size=READERS, statement_seconds=statement_seconds)
            self._snapshot_preamble = _NO_LIMIT
        if replica_url is not None:
            seconds, copy_url = statement_seconds, make_url(replica_url)
            engine = postgresql_engine(copy_url, pool_size=READERS, statement_seconds=seconds)
            self._replica = Replica(engine, self.read)

    def of(self, company_id: UUID | None) -> "Database":
        """The same for one company: PostgreSQL shows and takes no row of another, whatever a statement says, when there
        is a tenant role. None: for who is in no company, and nothing is seen."""
        if self.tenant_role is None:
            return self
        bound = copy(self)
        bound._company_id = company_id or NOBODYS
        return bound

    def at_the_door(self) -> "Database":
        """The same with a few connections of its own for short reads: who somebody is can be told while all others
        are in use."""
        if self._door is None:
            size = DOORKEEPERS
            self._door = (
                _sqlite_engine(self.url, begin="BEGIN", pool_size=size)
                if self.is_sqlite
                else postgresql_engine(self.url, pool_size=size)
            )
        door = copy(self)
        door._readers = self._door
        return door

    def lagging(self) -> "Database":
        """The same for reads that need not see the last seconds: what says `may_lag` may come from a copy."""
        if self._replica is None:
            return self
        lagging = copy(self)
        lagging._may_lag = True
        return lagging

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A short read; on SQLite every statement inside sees the same snapshot. Never shared by two resolvers."""
        async with self._begun(self._readers) as connection:
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """A long read that sees one moment of the database on either engine, however long its statements take: exports
        and `verify`."""
        async with self._begun(self._readers, self._snapshot_preamble, isolation="REPEATABLE READ") as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """One transaction: a clean exit commits, an exception rolls back, nobody else calls commit."""
        async with self._begun(self._writer) as connection:
            yield connection

    async def rows(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None, *, may_lag: bool = False
    ) -> Sequence[Row[Any]]:
        """The rows of one statement. It sees one moment by itself, so no transaction is begun and ended for it where
        none has to carry whom it is for: two trips less."""

        async def look(connection: AsyncConnection) -> Sequence[Row[Any]]:
            return (await connection.execute(statement, parameters)).all()

        return await self.read(look, may_lag=may_lag, is_single=True)

    async def fetch(self, text: str, values: Sequence[Any], *, may_lag: bool = False) -> Sequence[Any]:
        """The rows of one statement that is already in the driver's words, as the driver gives them."""
        preamble = self._preamble
        return await self._found(lambda engine: fetch_alone(engine, text, values, preamble=preamble), may_lag=may_lag)

    async def look_up(self, asked: Prepared, values: Values) -> Sequence[Any]:
        """The rows of one statement that was made before."""
        plan = asked.on(is_sqlite=self.is_sqlite)
        return plan.rows(await self.fetch(plan.text, plan.values(values)))

    async def read(
        self,
        look: Callable[[AsyncConnection], Awaitable[T]],
        *,
        may_lag: bool = False,
        is_single: bool = False,
    ) -> T:
        """What `look` finds in one short read. `may_lag`: from a copy where both the caller and the moment allow it.
        `is_single`: by one statement."""

        async def begun(engine: AsyncEngine) -> T:
            async with self._begun(engine, is_single=is_single) as connection:
                return await look(connection)

        return await self._found(begun, may_lag=may_lag)

    async def _found(self, look: Callable[[AsyncEngine], Awaitable[T]], *, may_lag: bool) -> T:
        found = await self._looked(look, may_lag=may_lag)
        await wait_for_who_pays()
        return found

    async def _looked(self, look: Callable[[AsyncEngine], Awaitable[T]], *, may_lag: bool) -> T:
        """What fails in the copy is looked for again in the database itself."""
        if may_lag and self._may_lag and self._replica is not None and await self._replica.is_usable():
            try:
                return await look(self._replica.engine)
            except MAY_BE_OUTAGES as error:
                self._replica.fail(error)
        return await look(self._readers)

    @asynccontextmanager
    async def _begun(
        self, engine: AsyncEngine, preamble: str = "", *, isolation: str | None = None, is_single: bool = False
    ) -> AsyncIterator[AsyncConnection]:
        """`is_single`: nothing is begun for its one statement, unless it has to be told for whom it is."""
        async with engine.connect() as connection:
            if self.is_sqlite:
                async with connection.begin():
                    if is_single:
                        driver_of(connection).due = ""
                    yield connection
                return
            if isolation is not None:
                connection = await connection.execution_options(isolation_level=isolation)
            session = session_of(connection)
            session.is_bound = bool(self._preamble)
            session.preamble = preamble + self._preamble
            adapter = adapter_of(connection)
            adapter.autocommit = is_single and not session.preamble
            try:
                async with connection.begin():
                    yield connection
            finally:
                # Where nothing was sent it was not used, and must not be left to whoever gets the connection next.
                session.preamble, session.is_bound, adapter.autocommit = "", False, False

    @property
    def _preamble(self) -> str:
        """What makes a transaction one company's."""
        if self._company_id is None or self.tenant_role is None:
            return ""
        return bound_to(self._company_id, self.tenant_role)

    @property
    def _engines(self) -> set[AsyncEngine]:
        others = {self._door, self._replica.engine if self._replica else None} - {None}
        return {self._readers, self._writer} | cast("set[AsyncEngine]", others)

    @property
    def connections_in_use(self) -> int:
        """Of all pools, by whoever has them now."""
        return sum(cast(QueuePool, engine.pool).checkedout() for engine in self._engines)

    def watch_statements(self, told: OnStatement) -> None:
        """See `persistence.statements`. Once, before the first of them."""
        for engine in self._engines:
            watch_statements(engine, told)

    async def close(self) -> None:
        for engine in self._engines:
            await engine.dispose()


def _sqlite_engine(url: URL, *, begin: str, pool_size: int) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=WAIT_SECONDS,
        hide_parameters=True,
        connect_args={"async_creator_fn": open_writer if begin == BEGIN_TO_WRITE else open_reader},
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # The driver's own transaction handling would begin too late and never IMMEDIATE.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout = {BUSY_MILLISECONDS}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "temp_store = MEMORY",
            f"cache_size = -{WRITER_CACHE_KIB if begin == BEGIN_TO_WRITE else READER_CACHE_KIB}",
            f"wal_autocheckpoint = {WAL_PAGES}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def start(connection: Any) -> None:
        connection.connection.driver_connection.due = begin

    return engine
