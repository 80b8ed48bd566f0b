"""Many rows at once, the fastest way each engine has: COPY on PostgreSQL, one prepared statement on SQLite.

Whom row-level security binds, PostgreSQL takes no COPY from: there the columns go as arrays. All three bypass
SQLAlchemy's per-row work, so values are turned here into what the drivers take.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Date, Dialect
from sqlalchemy.dialects.postgresql import dialect as postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from persistence.sessions import session_of
from persistence.tables import EPOCH, MICROSECOND, Id, Json, UtcDateTime

Encoder = Callable[[Any], Any]
_POSTGRESQL: Dialect = postgresql()  # type: ignore[no-untyped-call]


async def insert_rows(
    connection: AsyncConnection, table: Any, columns: tuple[str, ...], rows: Sequence[list[Any]]
) -> None:
    """Inserts rows whose values stand in the order of `columns`; the rows are encoded in place."""
    if not rows:
        return
    is_sqlite = connection.dialect.name == "sqlite"
    for at, encode in encoders(table, columns, is_sqlite=is_sqlite):
        for row in rows:
            if row[at] is not None:
                row[at] = encode(row[at])
    if is_sqlite:
        marks = ", ".join("?" * len(columns))
        statement = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - our own names
        await connection.exec_driver_sql(statement, [tuple(row) for row in rows])
        return
    session = session_of(connection)
    if session.is_bound:
        await connection.exec_driver_sql(_from_arrays(table, columns), tuple(zip(*rows, strict=True)))
    else:
        await session.copy_records_to_table(table.name, records=rows, columns=columns)


@lru_cache(maxsize=256)
def _from_arrays(table: Any, columns: tuple[str, ...]) -> str:
    kinds = [table.c[name].type.compile(dialect=_POSTGRESQL) for name in columns]
    arrays = ", ".join(f"${at}::{kind}[]" for at, kind in enumerate(kinds, 1))
    return f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT * FROM unnest({arrays})"  # noqa: S608 - our own names


@lru_cache(maxsize=256)
def encoders(table: Any, columns: tuple[str, ...], *, is_sqlite: bool) -> tuple[tuple[int, Encoder], ...]:
    """The places of a row that the driver cannot take as they are."""
    found: list[tuple[int, Encoder]] = []
    for at, name in enumerate(columns):
        kind = table.c[name].type
        if kind is Json or isinstance(kind, type(Json)):
            found.append((at, _json))
        elif is_sqlite and isinstance(kind, Id):
            found.append((at, _id))
        elif is_sqlite and isinstance(kind, UtcDateTime):
            found.append((at, _moment))
        elif is_sqlite and isinstance(kind, Date):
            found.append((at, _day))
    return tuple(found)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _id(value: UUID) -> bytes:
    return value.bytes


def _moment(value: datetime) -> int:
    return (value - EPOCH) // MICROSECOND


def _day(value: date) -> str:
    return value.isoformat()
