"""The phone system's directory as usage names it: members, groups, contacts, and the typeahead over all"
" three."""

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

import strawberry

from domain.access import Permission
from persistence.directory import PartyKind, read_party_page
from schema import ids
from schema.connections import After, Before, Connection, First, Last, page, window_of
from schema.context import Info
from schema.ids import IdKind, encode
from schema.loaders import AnyRow
from schema.nodes import Node
from schema.office import Office, office_of
from schema.scalars import PhoneNumber
from schema.search import searchable
from schema.words import GroupKind, describe

_BY_NAME = (str, UUID)

describe(
    PartyKind,
    "Whom usage can belong to.",
    {
        "MEMBER": "A user of the phone system.",
        "GROUP": "A group of members.",
        "CONTACT": "An outside party in the company's address book.",
    },
    name="UsagePartyKind",
)


async def _office_of(root: "Member | Group", info: Info) -> Office | None:
    row = await info.context.loaders.offices.load(root.office_key) if root.office_key else None
    return office_of(row) if row else None


def _email(root: "Member", info: Info) -> str | None:
    """A bill shows who used the office's phones; where to reach him is for those who see his own office."""
    is_visible = root.office_key is None or info.context.scope.covers(root.office_key)
    return root.address if is_visible else None


@strawberry.type(description="A user of the phone system.")
class Member(Node):
    office_key: strawberry.Private[UUID | None]
    address: strawberry.Private[str | None]
    external_id: str = strawberry.field(description="The phone system's own id of the user; unique.")
    name: str = strawberry.field(description="The user's name.")
    email: str | None = strawberry.field(
        resolver=_email,
        description="The user's address, when known and the user's office is visible to the caller.",
    )
    office: Office | None = strawberry.field(
        resolver=_office_of, description="The user's office, when known and visible to the caller."
    )
    is_active: bool = strawberry.field(
        description="False once the phone system no longer has the user; past usage keeps the name."
    )


@strawberry.type(description="A department, call center or other group of members.")
class Group(Node):
    office_key: strawberry.Private[UUID | None]
    external_id: str = strawberry.field(description="The phone system's own id of the group; unique.")
    name: str = strawberry.field(description="The group's name.")
    kind: GroupKind = strawberry.field(description="What the group is.")
    office: Office | None = strawberry.field(
        resolver=_office_of, description="The group's office, when known and visible to the caller."
    )
    is_active: bool = strawberry.field(
        description="False once the phone system no longer has the group; past usage keeps the name."
    )


@strawberry.type(description="An outside party that the company keeps in its address book.")
class Contact(Node):
    external_id: str = strawberry.field(description="The phone system's own id of the contact; unique.")
    name: str = strawberry.field(description="The contact's name.")
    phone_numbers: list[PhoneNumber] = strawberry.field(description="The contact's numbers.")
    is_active: bool = strawberry.field(
        description="False once the phone system no longer has the contact; past usage keeps the name."
    )


UsageParty = Annotated[
    Member | Group | Contact,
    strawberry.union(
        "UsageParty", description='Whom usage belongs to: what the filter "User, group, or contact" offers.'
    ),
]


@strawberry.type(description="A page of members, groups and contacts, by name.")
class UsagePartyConnection(Connection[UsageParty]):
    pass


def member_of(row: AnyRow) -> Member:
    return Member(
        id=encode(IdKind.MEMBER, row.id),
        office_key=row.office_id,
        external_id=row.external_id,
        name=row.name,
        address=row.email,
        is_active=row.is_active,
    )


def group_of(row: AnyRow) -> Group:
    return Group(
        id=encode(IdKind.GROUP, row.id),
        office_key=row.office_id,
        external_id=row.external_id,
        name=row.name,
        kind=GroupKind(row.kind),
        is_active=row.is_active,
    )


def member_of_record(row: AnyRow) -> Member | None:
    """The member of a row of history or of an alert, which carries what is shown of him."""
    if row.member_id is None:
        return None
    return Member(
        id=encode(IdKind.MEMBER, row.member_id),
        office_key=row.member_office_id,
        external_id=row.member_external_id,
        name=row.member_name,
        address=row.member_email,
        is_active=row.member_is_active,
    )


def group_of_record(row: AnyRow) -> Group | None:
    """The same of a group."""
    if row.group_id is None:
        return None
    return Group(
        id=encode(IdKind.GROUP, row.group_id),
        office_key=row.group_office_id,
        external_id=row.group_external_id,
        name=row.group_name,
        kind=GroupKind(row.group_kind),
        is_active=row.group_is_active,
    )


def contact_of(row: AnyRow) -> Contact:
    return Contact(
        id=encode(IdKind.CONTACT, row.id),
        external_id=row.external_id,
        name=row.name,
        phone_numbers=[PhoneNumber(number) for number in row.phone_numbers],
        is_active=row.is_active,
    )


def contact_of_record(row: AnyRow) -> Contact | None:
    """The same of a contact."""
    if row.contact_id is None:
        return None
    return Contact(
        id=encode(IdKind.CONTACT, row.contact_id),
        external_id=row.contact_external_id,
        name=row.contact_name,
        phone_numbers=[PhoneNumber(number) for number in row.contact_phone_numbers],
        is_active=row.contact_is_active,
    )


_PARTIES: dict[PartyKind, Callable[[AnyRow], Member | Group | Contact]] = {
    PartyKind.MEMBER: member_of,
    PartyKind.GROUP: group_of,
    PartyKind.CONTACT: contact_of,
}


def party_of(row: AnyRow) -> Member | Group | Contact:
    return _PARTIES[PartyKind(row.party_kind)](row)


async def resolve_usage_parties(
    info: Info,
    search: Annotated[
        str | None, strawberry.argument(description="Part of the name, in small or capital letters.")
    ] = None,
    office_id: Annotated[
        strawberry.ID | None,
        strawberry.argument(
            description="Only this office's members and groups, and those of no office; contacts belong to all."
        ),
    ] = None,
    kinds: Annotated[
        list[PartyKind] | None, strawberry.argument(description="Only these kinds; all three when left out.")
    ] = None,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
) -> UsagePartyConnection:
    context = info.context
    context.viewer.require(Permission.VIEW_USAGE)
    search = searchable(search, "search")
    office = ids.require(IdKind.OFFICE, office_id, "officeId") if office_id is not None else None
    wanted = tuple(PartyKind) if kinds is None else tuple(kind for kind in PartyKind if kind in kinds)
    seal = context.cursors(_BY_NAME, "usageParties", search, office_id, wanted)
    window = window_of(seal, first=first, after=after, last=last, before=before)
    found = await read_party_page(
        context.database, context.scope, search=search, office_id=office, kinds=wanted, window=window
    )
    return UsagePartyConnection(
        **page(seal, window, found, map(party_of, found.rows), lambda row: (row.search_name, row.id))
    )
