"""Which errors mean that the database cannot be used right now, rather than that we used it wrongly.

The operator can mend these, or they pass by themselves; whoever sends the same request again later may succeed.
"""

import sqlite3
from collections.abc import Iterator

import asyncpg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

_STATES = (
    "08",  # connection lost
    "25006",  # a standby that cannot be written
    "40",  # still in somebody's way after many tries
    "53",  # disk full, out of memory, too many connections
    "55P03",  # lock not available
    "57",  # shutting down, starting up, cancelled by the operator
    "58",  # disk error
)
"""PostgreSQL's own codes, whole or by their class."""
_CANCELLED = "57014"
_SQLITE_CODES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    }
)
_PRIMARY = 0xFF
"""SQLite's extended codes have the primary one in their last byte."""
_DRIVER = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, sqlite3.Error)
"""What counts, and new connections, go past SQLAlchemy, so the drivers' own errors come too."""
MAY_BE_OUTAGES = (SQLAlchemyError, OSError, *_DRIVER)
"""Outside of these there are none."""
_LOST = ("closed", "operation (2) is in progress")
"""What the driver says of a connection that was cut: the second while it reads the server's last words."""

MOST_TOLD = 200
"""Characters."""


def is_outage(error: BaseException) -> bool:
    """Also of what failed because something before it did, as taking back a transaction on a lost connection does."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_outage(each) for each in error.exceptions)
    if isinstance(error, (SQLAlchemyError, *_DRIVER)):
        return any(_tells_of_one(each) for each in _before(error))
    return isinstance(error, OSError)


def is_overdue(error: BaseException) -> bool:
    """Whether PostgreSQL broke a statement off because it took longer than statements may."""
    return any(
        getattr(each, "sqlstate", None) == _CANCELLED and "statement timeout" in str(each) for each in _before(error)
    )


def _before(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def _tells_of_one(error: BaseException) -> bool:
    if isinstance(error, OSError | PoolTimeout):
        return True
    if isinstance(error, DBAPIError):
        return error.connection_invalidated
    if isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError):
        return any(sign in str(error) for sign in _LOST)
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        return code & _PRIMARY in _SQLITE_CODES
    return str(getattr(error, "sqlstate", None) or "").startswith(_STATES)


def told_briefly(error: BaseException) -> str:
    """For the log, in one line and without the values of the statement: `OperationalError: disk is full`."""
    if isinstance(error, BaseExceptionGroup):
        return told_briefly(error.exceptions[0])
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    text = " ".join(str(cause).split())[:MOST_TOLD]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
