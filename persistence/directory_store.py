"""The phone system's directory, written: whoever usage names for the first time, and whole synchronisations (R17)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.charging import Directory
from domain.errors import InvalidInput
from domain.ports import DirectoryCounts, DirectorySync
from domain.provisioning import DirectoryContact, DirectoryGroup, DirectoryMember, GroupKind
from domain.usage import DirectoryReference, UsageEvent
from persistence.ids import new_id
from persistence.tables.company import CONTACT, GROUP, MEMBER, OFFICE

Row = dict[str, Any]
_TABLES = {"members": MEMBER, "groups": GROUP, "contacts": CONTACT}
_EMPTY: dict[Any, dict[str, Any]] = {
    MEMBER: {"email": None, "group_external_ids": [], "is_active": True},
    GROUP: {"kind": GroupKind.OTHER.value, "is_active": True},
    CONTACT: {"phone_numbers": [], "is_active": True},
}
"""What is unknown of somebody of whom only an id and a name were heard."""


async def resolve(
    connection: AsyncConnection, company_id: UUID, events: Sequence[UsageEvent], office_id: UUID
) -> Directory:
    """Ids of everybody the events name. Unseen ones are created in the event's office, names are kept up to date."""
    return Directory(
        await _resolve(connection, MEMBER, company_id, office_id, [event.member for event in events]),
        await _resolve(connection, GROUP, company_id, office_id, [event.group for event in events]),
        await _resolve(connection, CONTACT, company_id, office_id, [event.contact for event in events]),
    )


async def _resolve(
    connection: AsyncConnection,
    table: Any,
    company_id: UUID,
    office_id: UUID,
    references: Iterable[DirectoryReference | None],
) -> Mapping[str, UUID]:
    names: dict[str, str | None] = {}
    for reference in references:
        if reference is not None:
            names[reference.external_id] = reference.name or names.get(reference.external_id)
    if not names:
        return {}
    found = await _existing(connection, table, company_id, names)
    unseen = sorted(set(names) - set(found))
    if unseen:
        await _create(connection, table, company_id, office_id, {key: names[key] or key for key in unseen})
        found = await _existing(connection, table, company_id, names)
    renamed = [
        {"row_id": row.id, "name": name, "search_name": name.casefold()}
        for external_id, row in sorted(found.items())
        if (name := names[external_id]) and name != row.name
    ]
    await _update(connection, table, company_id, renamed)
    return {external_id: row.id for external_id, row in found.items()}


async def _existing(
    connection: AsyncConnection, table: Any, company_id: UUID, external_ids: Iterable[str]
) -> dict[str, Any]:
    statement = select(table).where(table.c.company_id == company_id, table.c.external_id.in_(sorted(external_ids)))
    return {row.external_id: row for row in (await connection.execute(statement)).all()}


async def _create(
    connection: AsyncConnection, table: Any, company_id: UUID, office_id: UUID, names: Mapping[str, str]
) -> None:
    """In order of external id, so that two batches that name the same people never wait for each other in a ring."""
    home = {} if table is CONTACT else {"office_id": office_id}
    rows = [
        {
            "company_id": company_id,
            "id": new_id(),
            "external_id": external_id,
            "name": name,
            "search_name": name.casefold(),
            **home,
            **_EMPTY[table],
        }
        for external_id, name in sorted(names.items())
    ]
    dialect_insert = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    keys = ["company_id", "external_id"]
    await connection.execute(dialect_insert(table).on_conflict_do_nothing(index_elements=keys), rows)


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
