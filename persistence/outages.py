"""Which errors mean that the database cannot be used right now, rather than that we used it wrongly.

The operator can mend these, or they pass by themselves; whoever sends the same request again later may succeed.
"""

import sqlite3

import asyncpg
from sqlalchemy.exc import DBAPIError
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


def is_outage(error: BaseException) -> bool:
    """COPY and new connections go past SQLAlchemy, so the driver's own errors are known too."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_outage(each) for each in error.exceptions)
    if isinstance(error, OSError | PoolTimeout):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, asyncpg.InterfaceError) and "closed" in str(cause):
        return True
    code = getattr(cause, "sqlite_errorcode", None)
    if code is not None:
        return code & _PRIMARY in _SQLITE_CODES
    return str(getattr(cause, "sqlstate", None) or "").startswith(_STATES)


def told_briefly(error: BaseException) -> str:
    """For the log, in one line and without the values of the statement: `OperationalError: disk is full`."""
    if isinstance(error, BaseExceptionGroup):
        return told_briefly(error.exceptions[0])
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return f"{type(error).__name__}: {' '.join(str(cause).split())[:200]}"
