"""Reading a part of a long list by where it starts, never by counting rows from its head.

A position is the values of the columns a list is sorted by, the last of them unique. All columns of a list are sorted
the same way, so that one row comparison finds the next row and an index answers it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, Select, literal, tuple_

Position = tuple[Any, ...]


class Window(NamedTuple):
    """Which part of a list: at most `limit` rows between two positions, both left out."""

    limit: int
    after: Position | None = None
    before: Position | None = None
    is_from_end: bool = False
    """Whether rows are counted from the end of what lies between, towards its beginning."""


class Slice(NamedTuple):
    """Rows in the order of the list, and whether there are more beyond the side they were counted towards."""

    rows: Sequence[Row[Any]]
    has_more: bool


def beyond(columns: Sequence[ColumnElement[Any]], window: Window, *, is_descending: bool) -> list[ColumnElement[bool]]:
    """The conditions that a row lies between the window's two positions."""
    conditions: list[ColumnElement[bool]] = []
    for position, is_after in ((window.after, True), (window.before, False)):
        if position is not None:
            values = tuple_(*(literal(value, column.type) for value, column in zip(position, columns, strict=True)))
            key = tuple_(*columns)
            conditions.append(key < values if is_after == is_descending else key > values)
    return conditions


def ordering(columns: Sequence[ColumnElement[Any]], window: Window, *, is_descending: bool) -> list[ColumnElement[Any]]:
    """The order in which a window's rows are read; from the end, that is the list's order turned round."""
    if is_descending != window.is_from_end:
        return [column.desc() for column in columns]
    return [column.asc() for column in columns]


def windowed(
    statement: Select[Any], columns: Sequence[ColumnElement[Any]], window: Window, *, is_descending: bool = False
) -> Select[Any]:
    """The statement narrowed to the window; it reads one row more, which tells whether there are more."""
    return (
        statement.where(*beyond(columns, window, is_descending=is_descending))
        .order_by(*ordering(columns, window, is_descending=is_descending))
        .limit(window.limit + 1)
    )


def sliced(rows: Sequence[Row[Any]], window: Window) -> Slice:
    """The rows that `windowed` read, in the order of the list and without the one too many."""
    kept = list(rows[: window.limit])
    if window.is_from_end:
        kept.reverse()
    return Slice(kept, len(rows) > window.limit)
