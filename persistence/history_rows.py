"""Pages of the usage history as row sets: only the columns that are asked for, as they leave, and only their joins.

Ids, amounts and quantities are made into text by the database. The statement of a shape (columns, filter, order, window
and scope) is put together once, and goes straight to the driver. The conditions are those of `persistence.history`.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, literal_column, select

from domain.access import Scope
from domain.public_ids import IdKind
from persistence.database import Database
from persistence.history import HistoryFilter, has_index_of_its_own, page_of
from persistence.keyset import Position, Slice, Window, sliced
from persistence.line_words import PostgresqlWords, SqliteWords
from persistence.samples import Samples, Text, text_of
from persistence.tables.charging import CHARGE
from persistence.tables.company import COMPANY, CONTACT, GROUP, MEMBER, OFFICE

ALWAYS = ("moment", "id")
"""The position of a record: PostgreSQL's moment or SQLite's microseconds since 1970, and the id as it leaves."""

_AMOUNTS = {"cost": 6, "list_price": 6, "connection_fee": 6, "rate": 9}
_IDS = {
    "id": ("charge.id", IdKind.USAGE_RECORD),
    "office_id": ("charge.office_id", IdKind.OFFICE),
    "member_id": ("charge.member_id", IdKind.MEMBER),
    "group_id": ("charge.group_id", IdKind.GROUP),
    "contact_id": ("charge.contact_id", IdKind.CONTACT),
}
_PLAIN = (
    "source",
    "event_id",
    "service",
    "usage_type",
    "direction",
    "is_booked_late",
    "duration_seconds",
    "sources",
    "first_seconds",
    "next_seconds",
    "destination",
)
_JOINS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "office": (OFFICE, ("slug", "name", "time_zone", "region_code", "anchor_day", "payment_terms")),
    "member": (MEMBER, ("external_id", "name", "is_active")),
    "group": (GROUP, ("external_id", "name", "kind", "is_active")),
    "contact": (CONTACT, ("external_id", "name", "is_active")),
}
_STATE = (
    "CASE WHEN charge.reverses_id IS NOT NULL THEN 'REVERSAL'"
    " WHEN charge.reversed_by_id IS NOT NULL THEN 'REVERSED' ELSE 'CHARGED' END"
)


def _own_end(name: str) -> str:
    """Of the office's own number."""
    inbound = f"WHEN charge.direction <> '' THEN charge.to_{name}"
    return f"CASE WHEN charge.direction = 'OUTBOUND' THEN charge.from_{name} {inbound} END"


def _columns(*, is_sqlite: bool) -> dict[str, str]:
    """SQL by the names that the wire's side knows."""
    words = SqliteWords() if is_sqlite else PostgresqlWords()
    number = "CAST({} AS TEXT)".format
    found = {name: f"charge.{name}" for name in _PLAIN}
    for name, (column, kind) in _IDS.items():
        # SQLite says an empty text for the digits of null.
        found[name] = f"CASE WHEN {column} IS NOT NULL THEN '{kind.value}_' || {words.hexadecimal(column)} END"
    for name, digits in _AMOUNTS.items():
        unit = "nanos" if digits == 9 else "micros"
        found[name] = number(words.decimal(f"charge.{name}_{unit}", digits))
    for name, (table, columns) in _JOINS.items():
        found |= {f"{name}_{column}": f"{table.name}.{column}" for column in columns}
    found |= {f"own_{name}": _own_end(name) for name in ("kind", "text", "number", "region")}
    return found | {
        "moment": "charge.occurred_at",
        "occurred_at": _moment("charge.occurred_at") if is_sqlite else "charge.occurred_at",
        "recorded_at": _moment("charge.recorded_at") if is_sqlite else "charge.recorded_at",
        "billing_month": words.month("charge.month"),
        "state": _STATE,
        "quantity": number("charge.quantity"),
        "increment": f"{number('charge.first_seconds')} || '/' || {number('charge.next_seconds')}",
        "currency": "company.currency",
    }


def _moment(micros: str) -> str:
    """`2026-03-01T09:30:00Z`; six decimals of a second where they are not zero. Before 1970 SQLite divides upwards."""
    rest = f"((({micros}) % 1000000 + 1000000) % 1000000)"
    text = f"strftime('%Y-%m-%dT%H:%M:%S', (({micros}) - {rest}) / 1000000, 'unixepoch')"
    return f"{text} || CASE WHEN {rest} THEN printf('.%06dZ', {rest}) ELSE 'Z' END"


NULLABLE = frozenset(
    {
        *(name for name in _PLAIN if CHARGE.c[name].nullable),
        *(name for name, (column, _) in _IDS.items() if CHARGE.c[column.removeprefix("charge.")].nullable),
        *(
            f"{name}_{column}"
            for name, (table, names) in _JOINS.items()
            for column in names
            if table.c[column].nullable
        ),
        *(f"own_{name}" for name in ("kind", "text", "number", "region")),
    }
)
"""Of a record, and of each party where there is one."""
COLUMNS = {is_sqlite: _columns(is_sqlite=is_sqlite) for is_sqlite in (False, True)}


class _Shape(NamedTuple):
    """All that a statement's text depends on. Of values that are filled in, only whether they are there."""

    columns: tuple[str, ...]
    is_sqlite: bool
    is_descending: bool
    is_narrow: bool
    sides: tuple[Any, ...]
    offices: int | None
    has_company: bool
    window: tuple[bool, bool, bool]


async def read_history_rows(
    database: Database,
    scope: Scope,
    *,
    columns: tuple[str, ...],
    wanted: HistoryFilter,
    window: Window,
    is_descending: bool = True,
) -> Slice:
    """As `read_history_page`, of the columns that are named: of `COLUMNS`, first those of `ALWAYS`."""
    given = _given(scope, wanted, window)
    shape = _Shape(
        columns,
        database.is_sqlite,
        is_descending,
        has_index_of_its_own(scope, wanted),
        tuple(_side(name, getattr(wanted, name)) for name in _SIDES),
        None if scope.office_ids is None else len(scope.office_ids),
        scope.company_id is not None,
        (window.after is not None, window.before is not None, window.is_from_end),
    )
    text = _text(shape, scope, wanted, window)
    rows = await database.fetch(text.sql, text.values(given), may_lag=True)
    return sliced(rows, window)


_SIDES = tuple(field.name for field in fields(HistoryFilter))
_FREE = (
    "month",
    "occurred_from",
    "occurred_until",
    "member_id",
    "group_id",
    "contact_id",
    "phone_number",
    "cost_min_micros",
    "cost_max_micros",
)
_LISTS = ("office_ids", "destination_regions")


def _side(name: str, value: Any) -> Any:
    """What is not filled in, words and flags, belongs to the text."""
    if value is None or name in _FREE:
        return value is not None
    return len(value) + 1 if name in _LISTS else (value,)


def _given(scope: Scope, wanted: HistoryFilter, window: Window) -> dict[Any, Any]:
    given: dict[Any, Any] = {("company",): scope.company_id, ("limit",): window.limit + 1}
    for name in _FREE:
        given[(name,)] = getattr(wanted, name)
    for name in _LISTS:
        for at, value in enumerate(getattr(wanted, name) or ()):
            given[(name, at)] = value
    for at, value in enumerate(sorted(scope.office_ids or ())):
        given[("scope", at)] = value
    for name, position in (("after", window.after), ("before", window.before)):
        for at, value in enumerate(position or ()):
            given[(name, at)] = value
    return given


_TEXTS: dict[_Shape, Text] = {}
MAX_TEXTS = 512


def _text(shape: _Shape, scope: Scope, wanted: HistoryFilter, window: Window) -> Text:
    """For every request of the shape; made from the first."""
    found = _TEXTS.get(shape)
    if found is None:
        if len(_TEXTS) >= MAX_TEXTS:
            _TEXTS.clear()
        found = _TEXTS[shape] = _made(shape, scope, wanted, window)
    return found


def _made(shape: _Shape, scope: Scope, wanted: HistoryFilter, window: Window) -> Text:
    samples = Samples()
    offices = None
    if scope.office_ids is not None:
        offices = frozenset(samples.of(office, "scope", at) for at, office in enumerate(sorted(scope.office_ids)))
    page = page_of(
        _records(shape.columns, is_sqlite=shape.is_sqlite),
        Scope(samples.of(scope.company_id, "company"), offices),
        _sampled(samples, wanted),
        Window(
            samples.of(window.limit, "limit") - 1,
            _position(samples, "after", window.after),
            _position(samples, "before", window.before),
            window.is_from_end,
        ),
        is_descending=shape.is_descending,
        is_narrow=shape.is_narrow,
        is_sqlite=shape.is_sqlite,
    )
    return text_of(page, samples, is_sqlite=shape.is_sqlite)


def _sampled(samples: Samples, wanted: HistoryFilter) -> HistoryFilter:
    changes: dict[str, Any] = {name: samples.of(getattr(wanted, name), name) for name in _FREE}
    for name in _LISTS:
        values = getattr(wanted, name)
        if values is not None:
            changes[name] = tuple(samples.of(value, name, at) for at, value in enumerate(values))
    return replace(wanted, **changes)


def _position(samples: Samples, name: str, position: Position | None) -> Position | None:
    return None if position is None else tuple(samples.of(value, name, at) for at, value in enumerate(position))


def _records(columns: Sequence[str], *, is_sqlite: bool) -> Select[Any]:
    known = COLUMNS[is_sqlite]
    # No label is the name of a column: ORDER BY would mean the label then, and lose the index.
    chosen: list[Any] = [literal_column(known[name]).label(f"cell_{at}") for at, name in enumerate(columns)]
    # A record has an office and a company. Outer joins leave the charges outermost, in the order of their index: of one
    # company SQLite's planner would read that first, and sort all charges of the office.
    source = CHARGE
    if "currency" in columns:
        source = source.outerjoin(COMPANY, COMPANY.c.company_id == CHARGE.c.company_id)
    for name, (table, joined) in _JOINS.items():
        if any(f"{name}_{column}" in columns for column in joined):
            same = and_(table.c.company_id == CHARGE.c.company_id, table.c.id == CHARGE.c[f"{name}_id"])
            source = source.outerjoin(table, same)
    return select(*chosen).select_from(source)
