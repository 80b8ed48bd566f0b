"""A statement's text, made once for all requests of one shape.

To put a statement together and look up its text costs more than the database takes for a page. So it is made for sample
values, each unlike all others, and its places are remembered by them: a request of the same shape fills in its own.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.dialects.postgresql.asyncpg import dialect as postgresql
from sqlalchemy.dialects.sqlite.aiosqlite import dialect as sqlite

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
    return Text(str(compiled), places, is_sqlite)


def _on_sqlite(value: Any) -> Any:
    if isinstance(value, UUID):
        return value.bytes
    return (value - EPOCH) // MICROSECOND if isinstance(value, datetime) else value
