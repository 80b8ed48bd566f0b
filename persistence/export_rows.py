"""The charges of an export as a query, `usage`, that lines are made of: with what is told of their office beside them.

Where an index has them in order they are read by it; else keys are put in order first: they are small, and the database
sorts them on disk.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Text,
    Uuid,
    and_,
    bindparam,
    func,
    literal_column,
    select,
    union_all,
)

from domain.csv_cells import text_cell
from persistence.exports import Selection
from persistence.history import fitting, is_either_end
from persistence.line_words import MARK, TEXT, quoted
from persistence.tables.charging import CHARGE

MOST_MERGED = 32
"""Offices whose rows PostgreSQL merges from as many indexes."""
MOST_NAMED = 500
"""Offices that a statement names. Of more, the whole company is looked through."""

_SHOWN = (
    *("company_id", "sequence", "source", "event_id", "reverses_id", "reversed_by_id", "recorded_at", "month"),
    *("is_booked_late", "service", "usage_type", "direction", "member_id", "group_id", "contact_id"),
    *("from_text", "from_number", "to_text", "to_number", "duration_seconds", "quantity", "rate_nanos"),
    *("first_seconds", "next_seconds", "connection_fee_micros", "destination", "list_price_micros", "cost_micros"),
    *("plan_quantity", "plan_micros", "commitment_micros", "universal_micros", "sources", "details"),
)
_OF_OFFICE = ("office_cell", "zone", "watermark")
_PLAIN = re.compile(r"[A-Za-z0-9 _.:@+/-]+")


class Source(NamedTuple):
    rows: FromClause
    is_ordered: bool
    """Whether they come in order, though the statement's end does not say so."""


class Shown(NamedTuple):
    """What a line says of an office."""

    id: UUID
    cell: str
    zone: int
    watermark: int


def source_of(chosen: Selection, zones: Sequence[ZoneInfo], *, is_sqlite: bool) -> Source:
    numbers = {zone: number for number, zone in enumerate(zones)}
    offices = [
        Shown(id_, office_cell(office.name), numbers[office.time_zone], office.watermark)
        for id_, office in chosen.offices.items()
    ]
    is_by_office = not _is_by_party(chosen) and chosen.wanted.phone_number is None
    if is_by_office and len(offices) <= (1 if is_sqlite else MOST_MERGED):
        each = [_of_one(chosen, office) for office in offices]
        return Source((union_all(*each) if len(each) > 1 else each[0]).subquery("usage"), is_ordered=False)
    keys = _keys(chosen, offices, is_sqlite=is_sqlite)
    key = literal_column("+keys.id") if is_sqlite else keys.c.id  # so that SQLite makes no index of them
    found = and_(CHARGE.c.company_id == chosen.company_id, CHARGE.c.id == key)
    columns = (*(keys.c[name] for name in ("id", "occurred_at", *_OF_OFFICE)), *(CHARGE.c[name] for name in _SHOWN))
    return Source(select(*columns).join_from(keys, CHARGE, found).subquery("usage"), is_ordered=is_sqlite)


def office_cell(name: str) -> str:
    """Without what COPY writes in a way of its own."""
    cell = text_cell(name)
    return cell if _PLAIN.fullmatch(cell) else f"{MARK}{TEXT}{name.encode('utf-8', 'replace').hex()}{MARK}"


def _of_one(chosen: Selection, office: Shown) -> Select[Any]:
    types = ("text", "integer", "bigint")
    values = (quoted(office.cell), office.zone, office.watermark)
    constants = (f"CAST({value} AS {kind})" for value, kind in zip(values, types, strict=True))
    return (
        select(
            *(CHARGE.c[name] for name in ("id", "occurred_at", *_SHOWN)),
            *(literal_column(sql).label(name) for name, sql in zip(_OF_OFFICE, constants, strict=True)),
        )
        .where(
            CHARGE.c.company_id == chosen.company_id,
            CHARGE.c.office_id == office.id,
            CHARGE.c.sequence < office.watermark,
            *fitting(chosen.wanted),
        )
        .order_by(*_in_order(chosen))
    )


def _keys(chosen: Selection, offices: Sequence[Shown], *, is_sqlite: bool) -> Any:
    of_office = _told_sqlite(offices) if is_sqlite else _told_postgresql(offices)
    office_id = func.hex(CHARGE.c.office_id) if is_sqlite else CHARGE.c.office_id
    in_file = and_(of_office.c.office_id == office_id, CHARGE.c.sequence < of_office.c.watermark)
    keys = ordered_keys(chosen).add_columns(*(of_office.c[name] for name in _OF_OFFICE))
    keys = keys.join_from(CHARGE, of_office, in_file)
    # Neither engine may take the query apart, and forget its order with that.
    whole = keys.limit(literal_column("-1")) if is_sqlite else keys.offset(literal_column("0"))
    return whole.subquery("keys")


def _told_postgresql(offices: Sequence[Shown]) -> Any:
    kinds: list[Any] = [Uuid(), Text(), Integer(), BigInteger()]
    values = zip(zip(*offices, strict=True), kinds, strict=True)
    arrays: list[Any] = [bindparam(None, list(each), type_=ARRAY(kind)) for each, kind in values]
    return func.unnest(*arrays).table_valued("office_id", *_OF_OFFICE).render_derived(name="told")


def _told_sqlite(offices: Sequence[Shown]) -> Any:
    """In a query that is not taken apart SQLite makes an index of them."""
    told = orjson.dumps([(office.id.hex.upper(), *office[1:]) for office in offices]).decode()
    each = func.json_each(bindparam(None, told, type_=Text())).table_valued("value", name="each")
    parts: list[Any] = [
        literal_column(f"value ->> {at}").label(name) for at, name in enumerate(("office_id", *_OF_OFFICE))
    ]
    return select(*parts).select_from(each).limit(literal_column("-1")).subquery("told")


def ordered_keys(chosen: Selection) -> Select[Any]:
    """In order of (`occurred_at`, `id`).

    Names no more than `MOST_NAMED` offices: each costs time whenever the statement is made, and PostgreSQL takes 32,767
    parameters.
    """
    return (
        select(CHARGE.c.id, CHARGE.c.occurred_at)
        .where(CHARGE.c.company_id == chosen.company_id, *fitting(chosen.wanted), *_range(chosen))
        .order_by(*_in_order(chosen))
    )


def _in_order(chosen: Selection) -> list[ColumnElement[Any]]:
    order = (CHARGE.c.occurred_at, CHARGE.c.id)
    return [column.desc() if chosen.is_descending else column.asc() for column in order]


def _is_by_party(chosen: Selection) -> bool:
    return any((chosen.wanted.member_id, chosen.wanted.group_id, chosen.wanted.contact_id))


def _range(chosen: Selection) -> list[ColumnElement[bool]]:
    """What leads to the rows by an index. A party's own index is better than the offices'."""
    if chosen.wanted.phone_number is not None:
        return [is_either_end(chosen.wanted.phone_number)]
    if _is_by_party(chosen) or len(chosen.offices) > MOST_NAMED:
        return []
    return [CHARGE.c.office_id.in_(list(chosen.offices))]
