"""Many rows at once, the fastest way each engine has: COPY or arrays on PostgreSQL, one prepared statement on SQLite.

Whom row-level security binds, PostgreSQL takes no COPY from: there the columns go as arrays. All bypass SQLAlchemy's
per-row work, so values are turned here into what the drivers take.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import Date, Dialect
from sqlalchemy.dialects.postgresql import dialect as postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from persistence.prepared import write_together
from persistence.sessions import session_of
from persistence.sqlite_connection import Work
from persistence.tables import EPOCH, MICROSECOND, Id, Json, UtcDateTime

Encoder = Callable[[Any], Any]
_POSTGRESQL: Dialect = postgresql()  # type: ignore[no-untyped-call]
COPIED_FROM = 50
"""Rows; fewer go along with other statements, which saves a trip."""


class _Copy(NamedTuple):
    table: str
    columns: tuple[str, ...]
    rows: Sequence[list[Any]]


class Writes:
    """What a transaction writes at its end, gathered and sent in as few trips as can be."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._is_sqlite = connection.dialect.name == "sqlite"
        self._work: list[Work | _Copy] = []
        self._updates: dict[tuple[Any, tuple[str, ...], tuple[str, ...], UUID], list[list[Any]]] = {}

    def insert(
        self, table: Any, columns: tuple[str, ...], rows: Sequence[list[Any]], *, adds: tuple[str, ...] = ()
    ) -> None:
        """Rows whose values stand in the order of `columns`; they are encoded in place.

        Where a row has the primary key of one that is there, the columns in `adds` are added to that one's.
        """
        if not rows:
            return
        self._encode(table, columns, rows)
        if self._is_sqlite:
            self._work.append((_one_by_one(table, columns, adds), rows))
        elif len(rows) < COPIED_FROM or adds or session_of(self._connection).is_bound:
            self._work.append((_from_arrays(table, columns, adds), list(zip(*rows, strict=True))))
        else:
            self._work.append(_Copy(table.name, columns, rows))

    def update(
        self, table: Any, company_id: UUID, columns: tuple[str, ...], row: list[Any], *, keys: tuple[str, ...] = ("id",)
    ) -> None:
        """One row: what is new in `columns`, and then its keys. All of a kind go together, before what is inserted."""
        self._updates.setdefault((table, columns, keys, company_id), []).append(row)

    def _take_updates(self) -> list[Work]:
        updates, self._updates = self._updates, {}
        work: list[Work] = []
        for (table, columns, keys, company_id), rows in updates.items():
            self._encode(table, columns + keys, rows)
            if self._is_sqlite:
                text, mine = _update_one_by_one(table, columns, keys), company_id.bytes
                work.append((text, [[*row, mine] for row in rows]))
            else:
                text = _update_from_arrays(table, columns, keys)
                work.append((text, [*zip(*rows, strict=True), company_id]))
        return work

    def _encode(self, table: Any, columns: tuple[str, ...], rows: Sequence[list[Any]]) -> None:
        """In place."""
        for at, encode in encoders(table, columns, is_sqlite=self._is_sqlite):
            for row in rows:
                if row[at] is not None:
                    row[at] = encode(row[at])

    async def send(self) -> None:
        """In the order in which it came: what is written may refer to what was written before."""
        work: list[Work | _Copy] = [*self._take_updates(), *self._work]
        self._work = []
        together: list[Work] = []
        for one in work:
            if isinstance(one, _Copy):
                await self._send(together)
                session = session_of(self._connection)
                await session.copy_records_to_table(one.table, records=one.rows, columns=one.columns)
            else:
                together.append(one)
        await self._send(together)

    async def _send(self, together: list[Work]) -> None:
        if together:
            await write_together(self._connection, together)
            together.clear()


async def insert_rows(
    connection: AsyncConnection, table: Any, columns: tuple[str, ...], rows: Sequence[list[Any]]
) -> None:
    """At once. See `Writes.insert`."""
    writes = Writes(connection)
    writes.insert(table, columns, rows)
    await writes.send()


@lru_cache(maxsize=256)
def _one_by_one(table: Any, columns: tuple[str, ...], adds: tuple[str, ...]) -> str:
    return f"{_into(table, columns)} VALUES ({', '.join('?' * len(columns))}){_adding(table, adds)}"


@lru_cache(maxsize=256)
def _from_arrays(table: Any, columns: tuple[str, ...], adds: tuple[str, ...]) -> str:
    rows = f"unnest({_arrays(table, columns)})"
    return f"{_into(table, columns)} SELECT * FROM {rows}{_adding(table, adds)}"  # noqa: S608 - our own names


@lru_cache(maxsize=256)
def _update_one_by_one(table: Any, columns: tuple[str, ...], keys: tuple[str, ...]) -> str:
    new, mine = [f"{name} = ?" for name in columns], [f"{name} = ?" for name in (*keys, "company_id")]
    return f"UPDATE {table.name} SET {', '.join(new)} WHERE {' AND '.join(mine)}"  # noqa: S608 - our own names


@lru_cache(maxsize=256)
def _update_from_arrays(table: Any, columns: tuple[str, ...], keys: tuple[str, ...]) -> str:
    names = columns + keys
    new, mine = [f"{name} = v.{name}" for name in columns], [f"{table.name}.{name} = v.{name}" for name in keys]
    rows = f"unnest({_arrays(table, names)}) AS v ({', '.join(names)})"
    of_company = f"{table.name}.company_id = ${len(names) + 1}"
    return f"UPDATE {table.name} SET {', '.join(new)} FROM {rows} WHERE {' AND '.join([*mine, of_company])}"  # noqa: S608


def _arrays(table: Any, columns: tuple[str, ...]) -> str:
    kinds = [table.c[name].type.compile(dialect=_POSTGRESQL) for name in columns]
    return ", ".join(f"${at}::{kind}[]" for at, kind in enumerate(kinds, 1))


def _into(table: Any, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table.name} ({', '.join(columns)})"


def _adding(table: Any, adds: tuple[str, ...]) -> str:
    if not adds:
        return ""
    keys = ", ".join(column.name for column in table.primary_key.columns)
    sums = ", ".join(f"{name} = {table.name}.{name} + excluded.{name}" for name in adds)
    return f" ON CONFLICT ({keys}) DO UPDATE SET {sums}"


@lru_cache(maxsize=256)
def encoders(table: Any, columns: tuple[str, ...], *, is_sqlite: bool) -> tuple[tuple[int, Encoder], ...]:
    """The places of a row that the driver cannot take as they are."""
    found: list[tuple[int, Encoder]] = []
    for at, name in enumerate(columns):
        kind = table.c[name].type
        if kind is Json or isinstance(kind, type(Json)):
            found.append((at, _json))
        elif is_sqlite and isinstance(kind, Id):
            found.append((at, attrgetter("bytes")))
        elif is_sqlite and isinstance(kind, UtcDateTime):
            found.append((at, _moment))
        elif is_sqlite and isinstance(kind, Date):
            found.append((at, _day))
    return tuple(found)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _moment(value: datetime) -> int:
    return (value - EPOCH) // MICROSECOND


def _day(value: date) -> str:
    return value.isoformat()
