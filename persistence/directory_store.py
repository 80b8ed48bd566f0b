"""The phone system's directory, written: whoever usage names for the first time, and whole synchronisations (R17)."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import and_, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.access import Scope
from domain.charging import Directory
from domain.errors import InvalidInput
from domain.ports import DirectoryCounts, DirectorySync
from domain.provisioning import DirectoryContact, DirectoryGroup, DirectoryMember, GroupKind
from domain.usage import UsageEvent
from persistence.ids import new_id
from persistence.prepared import Prepared, Texts, one_of, read
from persistence.tables.company import CONTACT, GROUP, MEMBER, OFFICE

Row = dict[str, Any]
_TABLES = {"members": MEMBER, "groups": GROUP, "contacts": CONTACT}
_EMPTY: dict[Any, dict[str, Any]] = {
    MEMBER: {"email": None, "group_external_ids": [], "is_active": True},
    GROUP: {"kind": GroupKind.OTHER.value, "is_active": True},
    CONTACT: {"phone_numbers": [], "is_active": True},
}
"""What is unknown of somebody of whom only an id and a name were heard."""


class Named(NamedTuple):
    """Whom a batch names: those who are stored, and the ids that the others will have."""

    directory: Directory
    stored: Mapping[Any, Mapping[str, Any]]
    """Rows by table and external id."""


NOBODY = Named(Directory({}, {}, {}), {})


def _with_ids(table: Any) -> Prepared:
    listed = one_of(table.c.external_id, bindparam("external_ids", type_=Texts()))
    return Prepared(select(table).where(table.c.company_id == bindparam("company"), listed))


_STORED = {table: _with_ids(table) for table in _TABLES.values()}


async def resolve(connection: AsyncConnection, company_id: UUID, events: Sequence[UsageEvent]) -> Named:
    """Ids of everybody the events name. Nothing is written: usage that is not charged makes nobody known."""
    names = _names(events)
    asked = [table for table, external_ids in names.items() if external_ids]
    if not asked:
        return NOBODY
    values = [{"company": company_id, "external_ids": sorted(names[table])} for table in asked]
    found = await read(connection, *[(_STORED[table], own) for table, own in zip(asked, values, strict=True)])
    stored = {table: {row.external_id: row for row in rows} for table, rows in zip(asked, found, strict=True)}
    ids = [
        {key: rows[key].id if key in rows else new_id() for key in sorted(names[table])}
        for table in names
        for rows in (stored.get(table, {}),)
    ]
    return Named(Directory(*ids), stored)


async def save_names(
    connection: AsyncConnection, scope: Scope, named: Named, told: Sequence[tuple[UUID, Sequence[UsageEvent]]]
) -> None:
    """Creates whom the events of each office name for the first time, in the office that does so first, and renames
    whom the reporter answers for.

    Who is of an office outside the scope keeps the name he has; who is of none belongs to every office.
    """
    homes: dict[Any, dict[str, UUID]] = {table: {} for table in _EMPTY}
    for office_id, events in told:
        for table, names in _names(events).items():
            homes[table] |= {key: office_id for key in names if key not in homes[table]}
    names_of = _names([event for _, events in told for event in events])
    for (table, names), ids in zip(names_of.items(), named.directory, strict=True):
        stored = named.stored.get(table, {})
        unseen = {key: (ids[key], homes[table][key], name or key) for key, name in names.items() if key not in stored}
        await _create(connection, table, scope.company, unseen)
        renamed = [
            {"row_id": ids[key], "name": name, "search_name": name.casefold()}
            for key, name in sorted(names.items())
            if name and key in stored and name != stored[key].name and _is_renamed_by(scope, stored[key])
        ]
        await _update(connection, table, scope.company, renamed)


def _names(events: Sequence[UsageEvent]) -> dict[Any, dict[str, str | None]]:
    """By table and external id the last name given, None where none is; in the order of `Directory`."""
    names: dict[Any, dict[str, str | None]] = {MEMBER: {}, GROUP: {}, CONTACT: {}}
    for event in events:
        for table, reference in ((MEMBER, event.member), (GROUP, event.group), (CONTACT, event.contact)):
            if reference is not None:
                known = names[table]
                known[reference.external_id] = reference.name or known.get(reference.external_id)
    return names


def _is_renamed_by(scope: Scope, row: Any) -> bool:
    home: UUID | None = getattr(row, "office_id", None)
    return home is None or scope.covers(home)


async def _create(
    connection: AsyncConnection, table: Any, company_id: UUID, people: Mapping[str, tuple[UUID, UUID, str]]
) -> None:
    """`people`: id, office and name by external id. In order of those, so that two batches that name the same people
    never wait for each other in a ring.

    When both create the same one, the second finds the key taken, and its story runs again (`begin.again`).
    """
    rows = [
        {
            "company_id": company_id,
            "id": person_id,
            "external_id": external_id,
            "name": name,
            "search_name": name.casefold(),
            **({} if table is CONTACT else {"office_id": office_id}),
            **_EMPTY[table],
        }
        for external_id, (person_id, office_id, name) in sorted(people.items())
    ]
    if rows:
        await connection.execute(insert(table), rows)


async def _update(connection: AsyncConnection, table: Any, company_id: UUID, rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    mine = and_(table.c.company_id == company_id, table.c.id == bindparam("row_id"))
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in rows[0] if name != "row_id"}
    renamed = [{name if name == "row_id" else f"new_{name}": value for name, value in row.items()} for row in rows]
    await connection.execute(update(table).where(mine).values(values), renamed)


async def synchronise(
    connection: AsyncConnection,
    company_id: UUID,
    members: Sequence[DirectoryMember] | None,
    groups: Sequence[DirectoryGroup] | None,
    contacts: Sequence[DirectoryContact] | None,
    *,
    is_replace: bool,
) -> DirectorySync:
    """A kind that is None is left alone, even by a replacement.

    Raises InvalidInput for an office nobody knows, and for an external id that is named twice.
    """
    statement = select(OFFICE.c.slug, OFFICE.c.id).where(OFFICE.c.company_id == company_id)
    offices = {row.slug: row.id for row in (await connection.execute(statement)).all()}
    wanted: dict[str, Sequence[Row] | None] = {
        "members": None if members is None else [_member_row(offices, at, item) for at, item in enumerate(members)],
        "groups": None if groups is None else [_group_row(offices, at, item) for at, item in enumerate(groups)],
        "contacts": None if contacts is None else [_contact_row(item) for item in contacts],
    }
    return DirectorySync(
        *[
            DirectoryCounts()
            if rows is None
            else await _synchronise(connection, _TABLES[kind], company_id, rows, kind, is_replace=is_replace)
            for kind, rows in wanted.items()
        ]
    )


def _member_row(offices: Mapping[str, UUID], at: int, member: DirectoryMember) -> Row:
    return {
        "external_id": member.external_id,
        "name": member.name,
        "search_name": member.name.casefold(),
        "email": member.email,
        "office_id": _office(offices, member.office, "members", at),
        "group_external_ids": list(member.group_external_ids),
        "is_active": member.is_active,
    }


def _group_row(offices: Mapping[str, UUID], at: int, group: DirectoryGroup) -> Row:
    return {
        "external_id": group.external_id,
        "name": group.name,
        "search_name": group.name.casefold(),
        "kind": group.kind.value,
        "office_id": _office(offices, group.office, "groups", at),
        "is_active": group.is_active,
    }


def _contact_row(contact: DirectoryContact) -> Row:
    return {
        "external_id": contact.external_id,
        "name": contact.name,
        "search_name": contact.name.casefold(),
        "phone_numbers": list(contact.phone_numbers),
        "is_active": contact.is_active,
    }


def _office(offices: Mapping[str, UUID], slug: str | None, kind: str, at: int) -> UUID | None:
    if slug is None:
        return None
    if slug not in offices:
        raise InvalidInput(f"There is no office {slug!r}.", field=(kind, at, "office"))
    return offices[slug]


async def _synchronise(
    connection: AsyncConnection,
    table: Any,
    company_id: UUID,
    wanted: Sequence[dict[str, Any]],
    kind: str,
    *,
    is_replace: bool,
) -> DirectoryCounts:
    seen: set[str] = set()
    for at, row in enumerate(wanted):
        if row["external_id"] in seen:
            raise InvalidInput(f"{row['external_id']!r} is named twice.", field=(kind, at, "externalId"))
        seen.add(row["external_id"])
    statement = select(table).where(table.c.company_id == company_id)
    stored = {row.external_id: row._mapping for row in (await connection.execute(statement)).all()}
    created = [{"company_id": company_id, "id": new_id(), **row} for row in wanted if row["external_id"] not in stored]
    changed = [
        {"row_id": stored[row["external_id"]]["id"], **row}
        for row in wanted
        if row["external_id"] in stored
        and any(stored[row["external_id"]][name] != value for name, value in row.items())
    ]
    gone = [row["id"] for key, row in stored.items() if is_replace and key not in seen and row["is_active"]]
    if created:
        await connection.execute(insert(table), created)
    await _update(connection, table, company_id, changed)
    await _update(connection, table, company_id, [{"row_id": row_id, "is_active": False} for row_id in gone])
    unchanged = len(wanted) - len(created) - len(changed)
    return DirectoryCounts(len(created), len(changed), unchanged, len(gone))
