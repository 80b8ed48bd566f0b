"""Bringing members, groups and contacts up to date with the phone system (R17)."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated

import strawberry
from strawberry import UNSET

from domain.access import Permission
from domain.directory import MAX_DIRECTORY_ENTRIES, MAX_GROUPS_OF_MEMBER, MAX_NUMBERS_OF_CONTACT
from domain.errors import NotFound, TooHigh
from domain.numbers import parse_address
from domain.ports import DirectoryCounts
from domain.provisioning import (
    MAX_EMAIL_CHARACTERS,
    MAX_NAME_CHARACTERS,
    DirectoryContact,
    DirectoryGroup,
    DirectoryMember,
)
from domain.stories.provision import sync_directory
from domain.usage import MAX_REFERENCE_CHARACTERS, OfficeReference
from persistence.offices import read_offices
from schema.context import Context, Info
from schema.errors import UserError
from schema.usage_event import OfficeReferenceInput, office_reference
from schema.usage_input import given
from schema.words import GroupKind, describe

_EXTERNAL_ID = f"The phone system's own id, 1 to {MAX_REFERENCE_CHARACTERS} characters."
_NAME = f"The name to show, 1 to {MAX_NAME_CHARACTERS} characters."
_IS_ACTIVE = "False: no longer there. Past usage keeps the name."
_LISTED = f" At most {MAX_DIRECTORY_ENTRIES}, each external id once. Left out: this kind is left alone, in any mode."
_ANY_REGION = "ZZ"

Slugs = Mapping[OfficeReference, str]


class DirectorySyncMode(StrEnum):
    UPSERT = "UPSERT"
    REPLACE = "REPLACE"


describe(
    DirectorySyncMode,
    "What happens to entries that are not named.",
    {
        "UPSERT": "They stay as they are.",
        "REPLACE": "They become inactive: each list that is given is the whole of its kind, an empty one nobody.",
    },
)


@strawberry.input(description="A user of the phone system, as it now is: what is left out counts as unknown.")
class DirectoryMemberInput:
    external_id: str = strawberry.field(description=_EXTERNAL_ID)
    name: str = strawberry.field(description=_NAME)
    email: str | None = strawberry.field(
        default=UNSET, description=f"The user's address; at most {MAX_EMAIL_CHARACTERS} characters."
    )
    office: OfficeReferenceInput | None = strawberry.field(
        default=UNSET, description="The user's office; none when left out: then admins of every office see the user."
    )
    is_active: bool = strawberry.field(default=True, description=_IS_ACTIVE)
    group_external_ids: list[str] | None = strawberry.field(
        default=UNSET,
        description=f"The groups the user belongs to, by the phone system's own ids, at most {MAX_GROUPS_OF_MEMBER}."
        " They need not be known yet.",
    )


@strawberry.input(description="A group of members, as it now is: what is left out counts as unknown.")
class DirectoryGroupInput:
    external_id: str = strawberry.field(description=_EXTERNAL_ID)
    name: str = strawberry.field(description=_NAME)
    kind: GroupKind = strawberry.field(default=GroupKind.OTHER, description="What the group is.")
    office: OfficeReferenceInput | None = strawberry.field(
        default=UNSET, description="The group's office; none when left out: then admins of every office see the group."
    )
    is_active: bool = strawberry.field(default=True, description=_IS_ACTIVE)


@strawberry.input(
    description="An entry of the company's address book, as it now is: what is left out counts as unknown."
)
class DirectoryContactInput:
    external_id: str = strawberry.field(description=_EXTERNAL_ID)
    name: str = strawberry.field(description=_NAME)
    phone_numbers: list[str] | None = strawberry.field(
        default=UNSET,
        description=f"The contact's numbers in international form, `+14155550100`, at most {MAX_NUMBERS_OF_CONTACT}."
        " Spaces, hyphens and brackets are taken out.",
    )
    is_active: bool = strawberry.field(default=True, description=_IS_ACTIVE)


@strawberry.input(description="The phone system's directory, or a part of it. All of it is taken in, or nothing.")
class SyncDirectoryInput:
    mode: DirectorySyncMode = strawberry.field(
        default=DirectorySyncMode.UPSERT, description="What happens to entries that are not named."
    )
    members: list[DirectoryMemberInput] | None = strawberry.field(default=UNSET, description="Users." + _LISTED)
    groups: list[DirectoryGroupInput] | None = strawberry.field(
        default=UNSET, description="Departments, call centers and other groups." + _LISTED
    )
    contacts: list[DirectoryContactInput] | None = strawberry.field(
        default=UNSET, description="Outside parties." + _LISTED
    )


@strawberry.type(description="What a synchronisation did to one kind of entries.")
class DirectorySyncCounts:
    created_count: int = strawberry.field(description="How many are new.")
    updated_count: int = strawberry.field(description="How many were known and are changed.")
    unchanged_count: int = strawberry.field(description="How many were known as they are.")
    deactivated_count: int = strawberry.field(description="How many became inactive because REPLACE did not name them.")


@strawberry.type(description="What a synchronisation did.")
class SyncDirectoryPayload:
    members: DirectorySyncCounts | None = strawberry.field(
        default=None, description="Users. Null when there are `userErrors`."
    )
    groups: DirectorySyncCounts | None = strawberry.field(
        default=None, description="Groups. Null when there are `userErrors`."
    )
    contacts: DirectorySyncCounts | None = strawberry.field(
        default=None, description="Contacts. Null when there are `userErrors`."
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="What is wrong with the directory; then nothing was changed."
    )


async def resolve_sync_directory(
    info: Info, input: Annotated[SyncDirectoryInput, strawberry.argument(description="The directory.")]
) -> SyncDirectoryPayload:
    context = info.context
    context.viewer.require(Permission.SYNC_DIRECTORY)
    members, groups, contacts = given(input.members), given(input.groups), given(input.contacts)
    for kind, entries in (("members", members), ("groups", groups), ("contacts", contacts)):
        if entries and len(entries) > MAX_DIRECTORY_ENTRIES:
            # Before offices are looked up for them.
            raise TooHigh(f"At most {MAX_DIRECTORY_ENTRIES} entries, here are {len(entries)}.", field=(kind,))
    slugs = await _slugs(context, [*(members or ()), *(groups or ())])
    done = await sync_directory(
        context.begin,
        context.viewer,
        members=None if members is None else [_member(at, member, slugs) for at, member in enumerate(members)],
        groups=None if groups is None else [_group(at, group, slugs) for at, group in enumerate(groups)],
        contacts=None if contacts is None else [_contact(contact) for contact in contacts],
        is_replace=input.mode is DirectorySyncMode.REPLACE,
        now=context.now,
    )
    return SyncDirectoryPayload(
        members=_counts(done.members), groups=_counts(done.groups), contacts=_counts(done.contacts)
    )


async def _slugs(context: Context, entries: Sequence[DirectoryMemberInput | DirectoryGroupInput]) -> Slugs:
    """The short names of the offices that the entries mean, as far as the caller can see them."""
    references = {office_reference(entry.office) for entry in entries if entry.office}
    if not references or context.scope.company_id is None:
        return {}
    found = await context.begin.find_offices(context.scope.company_id, references)
    rows = await read_offices(context.database, context.scope, ids=set(found.values()))
    slugs = {row.id: row.slug for row in rows}
    return {reference: slugs[office] for reference, office in found.items() if office in slugs}


def _slug(slugs: Slugs, office: OfficeReferenceInput | None, kind: str, at: int) -> str | None:
    if not office:
        return None
    slug = slugs.get(office_reference(office))
    if slug is None:
        raise NotFound("There is no such office.", field=(kind, at, "office"))
    return slug


def _member(at: int, member: DirectoryMemberInput, slugs: Slugs) -> DirectoryMember:
    return DirectoryMember(
        external_id=member.external_id,
        name=member.name,
        email=given(member.email),
        office=_slug(slugs, member.office, "members", at),
        is_active=member.is_active,
        group_external_ids=tuple(given(member.group_external_ids) or ()),
    )


def _group(at: int, group: DirectoryGroupInput, slugs: Slugs) -> DirectoryGroup:
    return DirectoryGroup(
        external_id=group.external_id,
        name=group.name,
        kind=group.kind,
        office=_slug(slugs, group.office, "groups", at),
        is_active=group.is_active,
    )


def _contact(contact: DirectoryContactInput) -> DirectoryContact:
    return DirectoryContact(
        external_id=contact.external_id,
        name=contact.name,
        phone_numbers=tuple(_international(number) for number in given(contact.phone_numbers) or ()),
        is_active=contact.is_active,
    )


def _international(number: str) -> str:
    """In E.164 where it is a number with a plus; other text as it came, to be refused with its place."""
    return (parse_address(number, _ANY_REGION).e164 or number) if number.strip().startswith("+") else number


def _counts(counts: DirectoryCounts) -> DirectorySyncCounts:
    return DirectorySyncCounts(
        created_count=counts.created_count,
        updated_count=counts.updated_count,
        unchanged_count=counts.unchanged_count,
        deactivated_count=counts.deactivated_count,
    )
