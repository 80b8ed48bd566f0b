"""Reads of the phone system's directory: members, groups and contacts, by id and for the typeahead.

An office admin sees the members and groups of his offices and those of none; contacts belong to the whole company.
"""

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Text,
    cast,
    false,
    literal,
    null,
    or_,
    select,
    union_all,
)

from domain.access import Scope
from persistence.database import Database
from persistence.keyset import Slice, Window, sliced, windowed
from persistence.tables import Id, Json
from persistence.tables.company import CONTACT, GROUP, MEMBER


class PartyKind(StrEnum):
    """Whom usage can belong to."""

    MEMBER = "MEMBER"
    GROUP = "GROUP"
    CONTACT = "CONTACT"


_TABLES = {PartyKind.MEMBER: MEMBER, PartyKind.GROUP: GROUP, PartyKind.CONTACT: CONTACT}
_OWN_COLUMNS: dict[str, Any] = {"email": Text, "office_id": Id, "kind": Text, "phone_numbers": Json}


def _columns(kind: PartyKind) -> list[ColumnElement[Any]]:
    """The same columns for every kind, so that the three can be one list; null where a kind has none."""
    table = _TABLES[kind]
    own = [
        table.c[name] if name in table.c else cast(null(), column_type).label(name)
        for name, column_type in _OWN_COLUMNS.items()
    ]
    return [
        literal(kind.value, Text).label("party_kind"),
        table.c.id,
        table.c.external_id,
        table.c.name,
        table.c.search_name,
        table.c.is_active,
        *own,
    ]


def _visible(kind: PartyKind, scope: Scope) -> list[ColumnElement[bool]]:
    table = _TABLES[kind]
    conditions: list[ColumnElement[bool]] = [table.c.company_id == scope.company_id]
    if kind is not PartyKind.CONTACT and scope.office_ids is not None:
        conditions.append(or_(table.c.office_id.is_(None), table.c.office_id.in_(sorted(scope.office_ids))))
    return conditions


async def read_parties(
    database: Database, scope: Scope, *, kind: PartyKind, ids: Collection[UUID]
) -> Sequence[Row[Any]]:
    """The members, groups or contacts with these ids, in no order."""
    return await database.rows(
        select(*_columns(kind)).where(*_visible(kind, scope), _TABLES[kind].c.id.in_(sorted(ids)))
    )


async def read_party_page(
    database: Database,
    scope: Scope,
    *,
    search: str | None,
    office_id: UUID | None,
    kinds: Collection[PartyKind],
    window: Window,
) -> Slice:
    """Members, groups and contacts in one list by name. Positions are (`search_name`, `id`).

    `search` is a part of the name. `office_id` leaves only that office's members and groups, and those of none; an
    office outside the scope finds no member and no group.
    """
    wanted = [kind for kind in PartyKind if kind in kinds]
    if not wanted:
        return Slice([], has_more=False)
    parts = [_part(kind, scope, search, office_id, window) for kind in wanted]
    parties = union_all(*(select(part) for part in parts)).subquery()
    statement = windowed(select(parties), (parties.c.search_name, parties.c.id), window)
    return sliced(await database.rows(statement), window)


def _part(kind: PartyKind, scope: Scope, search: str | None, office_id: UUID | None, window: Window) -> Any:
    """One kind's share of the page: as many rows as the page could show of it."""
    table = _TABLES[kind]
    statement: Select[Any] = select(*_columns(kind)).where(*_visible(kind, scope))
    if search and search.strip():
        folded = search.strip().casefold()
        statement = statement.where(table.c.search_name.contains(folded, autoescape=True))
    if office_id is not None and kind is not PartyKind.CONTACT:
        of_office = or_(table.c.office_id.is_(None), table.c.office_id == office_id)
        statement = statement.where(of_office if scope.covers(office_id) else false())
    return windowed(statement, (table.c.search_name, table.c.id), window).subquery()
