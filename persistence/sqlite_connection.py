"""The driver's connections to SQLite, with fewer trips: a statement runs in a thread, and each way there and back
waits until the process has a moment.

The driver goes four times for one statement: for a cursor, to run it, for its rows, and to close. Here it goes once. A
connection that reads also stops its statement when nobody waits for it any more: to cancel the task that waits leaves
the thread at work until it is done, and the task waiting for the thread.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from time import perf_counter
from typing import Any

from aiosqlite import Connection, Cursor
from sqlalchemy.ext.asyncio import AsyncConnection

_FIRST_ROWS = 256
"""That come along with the statement. A longer answer is fetched as whoever asked goes on."""
_CHUNK = 64
"""Rows that are fetched at once by whoever asks for one after the other: the driver's own number."""


class OneTripCursor(Cursor):
    """`close` has nothing to do once all rows were fetched."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, None)  # type: ignore[arg-type] # it is made where the statement runs
        self._rows: list[Any] = []
        self._has_more = False

    async def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> Cursor:
        def run() -> tuple[list[Any], bool]:
            cursor = self._made()
            cursor.execute(sql, parameters or ())  # type: ignore[arg-type]
            rows = cursor.fetchmany(_FIRST_ROWS) if cursor.description else []
            return rows, len(rows) == _FIRST_ROWS

        self._rows, self._has_more = await self._execute(run)  # type: ignore[no-untyped-call]
        return self

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> Cursor:
        await self._execute(lambda: self._made().executemany(sql, parameters))  # type: ignore[no-untyped-call,arg-type]
        return self

    async def fetchone(self) -> Any:
        rows = await self.fetchmany(1)
        return rows[0] if rows else None

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        size = self.arraysize if size is None else size
        rows, self._rows = self._rows[:size], self._rows[size:]
        if len(rows) < size and self._has_more:
            more = await super().fetchmany(size - len(rows))
            rows += more
        return rows

    async def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        if self._has_more:
            rows += await super().fetchall()
            self._has_more = False
        return rows

    async def close(self) -> None:
        self._rows = []
        if self._has_more:
            await super().close()

    @property
    def description(self) -> Any:
        return self._cursor.description if self._cursor else None

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount if self._cursor else -1

    def _made(self) -> sqlite3.Cursor:
        if self._cursor is None:
            self._cursor = self._conn._conn.cursor()
        return self._cursor


Work = tuple[str, Sequence[Any]]
"""A statement, and its values; of one that writes, a list of rows of them."""


class OneTripConnection(Connection):
    def cursor(self) -> Any:
        return OneTripCursor(self)

    async def run_all(self, work: Sequence[Work]) -> list[tuple[list[Any], float]]:
        """Several statements, one after the other: of each the rows, and the seconds it took."""

        def run() -> list[tuple[list[Any], float]]:
            answers = []
            cursor = self._conn.cursor()
            for text, values in work:
                begun = perf_counter()
                if values and isinstance(values[0], list):
                    cursor.executemany(text, values)
                    rows = []
                else:
                    rows = cursor.execute(text, values).fetchall()
                answers.append((rows, perf_counter() - begun))
            cursor.close()
            return answers

        answers: list[tuple[list[Any], float]] = await self._execute(run)  # type: ignore[no-untyped-call]
        return answers

    async def rollback(self) -> None:
        """As the pool asks for whenever it gets a connection back: no trip where there is nothing to take back."""
        if self.in_transaction:
            await super().rollback()

    def __del__(self) -> None:
        """A task that was broken off with its loop leaves its connection to the collector: nobody did anything wrong,
        so nobody is warned. The pool tells of those that it misses."""
        if self._connection is not None:
            self.stop()


class InterruptibleConnection(OneTripConnection):
    """Not for one that writes: to interrupt a statement that does takes back all of its transaction."""

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        is_awaited = True

        def unless_in_vain() -> Any:
            if not is_awaited:
                raise sqlite3.OperationalError("interrupted")
            return fn(*args, **kwargs)

        try:
            return await super()._execute(unless_in_vain)  # type: ignore[no-untyped-call]
        except asyncio.CancelledError:
            is_awaited = False
            if self._connection is not None:
                self._connection.interrupt()
            raise


def open_writer(database: str, **options: Any) -> Connection:
    """In place of `aiosqlite.connect`: to be awaited."""
    return _opened(OneTripConnection, database, options)


def open_reader(database: str, **options: Any) -> Connection:
    """As `open_writer`."""
    return _opened(InterruptibleConnection, database, options)


def _opened(kind: type[Connection], database: str, options: dict[str, Any]) -> Connection:
    connection = kind(partial(sqlite3.connect, database, **options), _CHUNK)
    connection._thread.daemon = True  # as SQLAlchemy does with those it opens itself
    return connection


def driver_of(connection: AsyncConnection) -> OneTripConnection:
    """The driver's connection behind one of an SQLite engine."""
    assert connection.sync_connection is not None
    driver = connection.sync_connection.connection.driver_connection
    assert isinstance(driver, OneTripConnection)
    return driver
