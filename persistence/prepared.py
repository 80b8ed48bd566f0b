"""Statements that are compiled once and go straight to the driver: the paths on which every millisecond counts.

To build a statement, look its text up and adapt its values costs SQLAlchemy more than the database takes to answer. And
every trip to the driver and back is a turn of the process, which under load is long: so several go in one.
"""

import re
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from time import perf_counter
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import Dialect, Executable, LargeBinary, Text, TypeDecorator, Uuid
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql.asyncpg import dialect as postgresql
from sqlalchemy.dialects.sqlite.aiosqlite import dialect as sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeEngine

from persistence.sessions import session_of
from persistence.sqlite_connection import Work, driver_of
from persistence.statements import tell_statement

Values = Mapping[str, Any]
Convert = Callable[[Any], Any] | None
_POSTGRESQL: Dialect = postgresql()  # type: ignore[no-untyped-call]
_SQLITE: Dialect = sqlite()
_PLACE = re.compile(r"\$(\d+)")
_CUT_IN_SIXTEENS = (
    "WITH RECURSIVE cut(whole, at) AS"
    " (SELECT {}, 1 UNION ALL SELECT whole, at + 16 FROM cut WHERE at + 16 <= length(whole))"
    " SELECT substr(whole, at, 16) FROM cut"
)
"""SQLite's JSON carries no bytes."""


class Texts(TypeDecorator[Sequence[str]]):
    """A list as one value, however long: an array on PostgreSQL, JSON on SQLite. For `one_of`."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(ARRAY(Text()) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Sequence[str] | None, dialect: Dialect) -> Any:
        return value if value is None or dialect.name == "postgresql" else orjson.dumps(value).decode()


class Ids(TypeDecorator[Sequence[UUID]]):
    """A list of ids as one value: an array on PostgreSQL, their bytes in a row on SQLite. For `one_of`."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(ARRAY(Uuid()) if dialect.name == "postgresql" else LargeBinary())

    def process_bind_param(self, value: Sequence[UUID] | None, dialect: Dialect) -> Any:
        return value if value is None or dialect.name == "postgresql" else b"".join(one.bytes for one in value)


class one_of(GenericFunction[bool]):  # noqa: N801 - as SQL functions are called
    """`one_of(column, bindparam("names", type_=Texts()))`: whether the column has one of the names, or of the Ids."""

    inherit_cache = True


@compiles(one_of, "postgresql")
def _in_array(element: Any, compiler: Any, **kinds: Any) -> str:
    column, names = (compiler.process(clause, **kinds) for clause in element.clauses)
    return f"{column} = ANY ({names})"


@compiles(one_of, "sqlite")
def _in_list(element: Any, compiler: Any, **kinds: Any) -> str:
    column, names = (compiler.process(clause, **kinds) for clause in element.clauses)
    if isinstance(list(element.clauses)[1].type, Ids):
        return f"{column} IN ({_CUT_IN_SIXTEENS.format(names)})"
    return f"{column} IN (SELECT value FROM json_each({names}))"  # noqa: S608 - compiled


class _Compiled(NamedTuple):
    text: str
    places: Sequence[tuple[str, Any, Convert]]
    """Of each value: its name, the statement's own if it has one, and how the driver wants it."""
    row: Any
    columns: Sequence[tuple[int, Callable[[Any], Any]]]
    """Those of a row that are not what the driver gives."""

    def values(self, given: Values) -> list[Any]:
        return [
            given.get(name, own) if convert is None else convert(given.get(name, own))
            for name, own, convert in self.places
        ]

    def rows(self, found: Sequence[Any]) -> list[Any]:
        make, columns = self.row._make, self.columns
        rows = []
        for values in found:
            row = list(values)
            for at, convert in columns:
                row[at] = convert(row[at])
            rows.append(make(row))
        return rows


class Prepared:
    """A statement with named values. Made once, as a constant of its module."""

    def __init__(self, statement: Executable) -> None:
        self._statement = statement
        self._compiled: dict[bool, _Compiled] = {}

    def on(self, *, is_sqlite: bool) -> _Compiled:
        if is_sqlite not in self._compiled:
            self._compiled[is_sqlite] = _compile(self._statement, _SQLITE if is_sqlite else _POSTGRESQL)
        return self._compiled[is_sqlite]


def _compile(statement: Any, dialect: Dialect) -> _Compiled:
    compiled = statement.compile(dialect=dialect)
    places = [
        (name, compiled.params[name], compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect))
        for name in compiled.positiontup or ()
    ]
    columns = list(getattr(statement, "selected_columns", ()))
    converts: list[Convert] = [None for _ in columns]
    if dialect.name == "sqlite":  # PostgreSQL's driver gives everything as we want it
        converts = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
    return _Compiled(
        compiled.string,
        places,
        namedtuple("Row", [column.key for column in columns]),
        [(at, convert) for at, convert in enumerate(converts) if convert is not None],
    )


async def read(connection: AsyncConnection, *asked: tuple[Prepared, Values]) -> list[list[Any]]:
    """The rows of each select, all in one trip and, on PostgreSQL, of one moment. The transaction must have begun, and
    nothing is locked."""
    is_sqlite = connection.dialect.name == "sqlite"
    plans = [one.on(is_sqlite=is_sqlite) for one, _ in asked]
    values = [plan.values(given) for plan, (_, given) in zip(plans, asked, strict=True)]
    if is_sqlite:
        answers = await run_all(connection, [(plan.text, row) for plan, row in zip(plans, values, strict=True)])
    elif len(plans) == 1 or await session_of(connection).is_citus():
        answers = [await fetch(connection, plan.text, row) for plan, row in zip(plans, values, strict=True)]
    else:
        texts = [plan.text for plan in plans]
        [answer] = await fetch(connection, *_as_one(texts, values), told=texts)
        answers = list(answer)
    return [plan.rows(rows) for plan, rows in zip(plans, answers, strict=True)]


def _as_one(texts: Sequence[str], values: Sequence[list[Any]]) -> tuple[str, list[Any]]:
    """Each select's rows as one array of records, and its places counted on from those before."""
    together: list[Any] = []
    arrays = []
    for at, (text, own) in enumerate(zip(texts, values, strict=True)):
        counted = _counted_on(text, len(together))
        arrays.append(f"ARRAY(SELECT ROW(q{at}.*) FROM ({counted}) AS q{at})")  # noqa: S608 - compiled
        together += own
    return f"SELECT {', '.join(arrays)}", together


@lru_cache(maxsize=256)
def _counted_on(text: str, before: int) -> str:
    return _PLACE.sub(lambda place: f"${int(place[1]) + before}", text)


async def write_together(connection: AsyncConnection, work: Sequence[Work]) -> None:
    """One trip. PostgreSQL looks at references between what is written when all of it is, and writes no row twice."""
    if connection.dialect.name == "sqlite":
        await run_all(connection, work)
        return
    if len(work) == 1 or await session_of(connection).is_citus():
        for text, values in work:
            await fetch(connection, text, values)
        return
    together: list[Any] = []
    counted = []
    for text, values in work:
        counted.append(_counted_on(text, len(together)))
        together += values
    steps = ", ".join(f"w{at} AS ({text})" for at, text in enumerate(counted[:-1]))
    await fetch(connection, f"WITH {steps} {counted[-1]}", together, told=[text for text, _ in work])


async def fetch(
    connection: AsyncConnection, text: str, values: Sequence[Any], told: Sequence[str] | None = None
) -> list[Any]:
    """PostgreSQL's alone. `told`: the statements that it was made of; they share its time."""
    begun = perf_counter()
    found: list[Any] = await session_of(connection).fetch(text, *values)
    seconds = perf_counter() - begun
    for one in told or (text,):
        tell_statement(connection, one, seconds / len(told or (text,)))
    return found


async def run_all(connection: AsyncConnection, work: Sequence[Work]) -> list[list[Any]]:
    answers = await driver_of(connection).run_all(work)
    for (text, _), (_, seconds) in zip(work, answers, strict=True):
        tell_statement(connection, text, seconds)
    return [rows for rows, _ in answers]
