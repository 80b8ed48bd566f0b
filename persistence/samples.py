"""A statement's text, made once for all requests of one shape.

To put a statement together and look up its text costs more than the database takes for a page. So it is made for sample
values, each unlike all others, and its places are remembered by them: a request of the same shape fills in its own.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.dialects.postgresql.asyncpg import dialect as postgresql
from sqlalchemy.dialects.sqlite.aiosqlite import dialect as sqlite

from domain.access import Scope
from persistence.database import Database
from persistence.tables import EPOCH, MICROSECOND

_FIRST = 7_300_000_000_000_000
"""No statement has numbers of its own as large."""
_DIALECTS = {False: postgresql(), True: sqlite()}  # type: ignore[no-untyped-call]


class Samples:
    """Values that stand for those of a request, of the same kinds."""

    def __init__(self) -> None:
        self._numbers = count(_FIRST, 1_000)
        self.places: dict[Any, tuple[Any, ...]] = {}

    def of(self, value: Any, *place: Any) -> Any:
        """A sample in the place of this value. None stays None: it is another shape."""
        if value is None:
            return None
        sample = self._another(value)
        self.places[sample] = place
        return sample

    def all_of(self, value: Any, name: str) -> Any:
        """Of each of several, in their order."""
        if isinstance(value, tuple):
            return tuple(self.of(one, name, at) for at, one in enumerate(value))
        return self.of(value, name)

    def _another(self, value: Any) -> Any:
        number = next(self._numbers)
        if isinstance(value, UUID):
            return UUID(int=number)
        if isinstance(value, datetime):
            return EPOCH + timedelta(microseconds=number)
        if isinstance(value, str):
            return f"sample {number}"
        assert isinstance(value, int), "A sample is an id, a moment, a text or a number."
        return number


class Text(NamedTuple):
    sql: str
    places: Sequence[tuple[Any, Any]]
    """Of each value: where in a request it is found, or None and the value itself."""
    is_sqlite: bool
    row: Any
    converts: Sequence[tuple[int, Callable[[Any], Any]]]
    """Of the columns that SQLite's driver does not give as we want them."""

    def rows(self, found: Sequence[Any]) -> list[Any]:
        """With the statement's names and types."""
        rows = []
        for values in found:
            row = list(values)
            for at, convert in self.converts:
                row[at] = convert(row[at])
            rows.append(self.row._make(row))
        return rows

    def values(self, given: Mapping[Any, Any]) -> list[Any]:
        found = [own if place is None else given[place] for place, own in self.places]
        return [_on_sqlite(value) for value in found] if self.is_sqlite else found


def text_of(statement: Select[Any], samples: Samples, *, is_sqlite: bool) -> Text:
    compiled = statement.compile(
        dialect=_DIALECTS[is_sqlite],
        compile_kwargs={"render_postcompile": True},
    )
    values = [compiled.params[name] for name in compiled.positiontup or ()]
    places = [(samples.places.get(value), value) for value in values]
    assert {place for place, _ in places} >= set(samples.places.values()), "A value of the request is not asked for."
    columns = list(statement.selected_columns)
    dialect = _DIALECTS[is_sqlite]
    converts = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
    return Text(
        str(compiled),
        places,
        is_sqlite,
        namedtuple("Row", [str(column.key) for column in columns]),
        [(at, convert) for at, convert in enumerate(converts) if convert is not None and is_sqlite],
    )


_TEXTS: dict[Any, Text] = {}
MAX_TEXTS = 512

Build = Callable[..., Select[Any]]


async def read_alike(database: Database, build: Build, scope: Scope, **given: Any) -> list[Any]:
    """The rows of `build(scope, **given)`, which is called once for all that differ in nothing but their values.

    It may ask whether one is None, and how many ids there are; not what they are.
    """
    sizes = tuple(len(value) if isinstance(value, tuple) else -2 if value is None else -1 for value in given.values())
    offices = None if scope.office_ids is None else tuple(sorted(scope.office_ids))
    size = None if offices is None else len(offices)
    key = (build, database.is_sqlite, scope.company_id is None, size, sizes)
    text = _TEXTS.get(key)
    if text is None:
        if len(_TEXTS) >= MAX_TEXTS:
            _TEXTS.clear()
        samples = Samples()
        sampled = {name: samples.all_of(value, name) for name, value in given.items()}
        named = None if offices is None else frozenset(samples.all_of(offices, "scope"))
        sample = Scope(samples.of(scope.company_id, "company"), named)
        text = _TEXTS[key] = text_of(build(sample, **sampled), samples, is_sqlite=database.is_sqlite)
    values: dict[Any, Any] = {("company",): scope.company_id}
    for name, value in {**given, "scope": offices}.items():
        if isinstance(value, tuple):
            values |= {(name, at): one for at, one in enumerate(value)}
        else:
            values[(name,)] = value
    return text.rows(await database.fetch(text.sql, text.values(values)))


def _on_sqlite(value: Any) -> Any:
    if isinstance(value, UUID):
        return value.bytes
    return (value - EPOCH) // MICROSECOND if isinstance(value, datetime) else value
