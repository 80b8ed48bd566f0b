"""Whether a directory that is to be synchronised is well-formed: all or nothing, the first fault names its place (R17).

The groups a member belongs to need not be known: they are the phone system's own ids, and may come later.
"""

import re
from collections.abc import Sequence

from domain.batch import has_control_characters
from domain.errors import InvalidInput, TooHigh
from domain.provisioning import (
    MAX_EMAIL_CHARACTERS,
    MAX_NAME_CHARACTERS,
    DirectoryContact,
    DirectoryGroup,
    DirectoryMember,
)
from domain.usage import MAX_REFERENCE_CHARACTERS

MAX_DIRECTORY_ENTRIES = 10_000
MAX_GROUPS_OF_MEMBER = 100
MAX_NUMBERS_OF_CONTACT = 20

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")

Entry = DirectoryMember | DirectoryGroup | DirectoryContact


def check_directory(
    members: Sequence[DirectoryMember] | None,
    groups: Sequence[DirectoryGroup] | None,
    contacts: Sequence[DirectoryContact] | None,
) -> None:
    """Raises InvalidInput or TooHigh with the path of the first fault, as in `members`, 17, `email`."""
    _check_entries(members or (), "members")
    _check_entries(groups or (), "groups")
    _check_entries(contacts or (), "contacts")


def _check_entries(entries: Sequence[Entry], kind: str) -> None:
    _check_count(entries, MAX_DIRECTORY_ENTRIES, kind)
    seen: set[str] = set()
    for at, entry in enumerate(entries):
        _check_entry(entry, kind, at)
        if entry.external_id in seen:
            raise InvalidInput("This external id is named twice.", field=(kind, at, "externalId"))
        seen.add(entry.external_id)


def _check_entry(entry: Entry, kind: str, at: int) -> None:
    _check_text(entry.external_id, MAX_REFERENCE_CHARACTERS, kind, at, "externalId")
    _check_text(entry.name, MAX_NAME_CHARACTERS, kind, at, "name")
    if isinstance(entry, DirectoryMember):
        if entry.email is not None:
            _check_text(entry.email, MAX_EMAIL_CHARACTERS, kind, at, "email")
            if not _EMAIL.fullmatch(entry.email):
                raise InvalidInput("This is no e-mail address.", field=(kind, at, "email"))
        _check_count(entry.group_external_ids, MAX_GROUPS_OF_MEMBER, kind, at, "groupExternalIds")
        for place, group in enumerate(entry.group_external_ids):
            _check_text(group, MAX_REFERENCE_CHARACTERS, kind, at, "groupExternalIds", place)
    if isinstance(entry, DirectoryContact):
        _check_count(entry.phone_numbers, MAX_NUMBERS_OF_CONTACT, kind, at, "phoneNumbers")
        for place, number in enumerate(entry.phone_numbers):
            if not _E164.fullmatch(number):
                raise InvalidInput(
                    "This is no phone number in international form: write it as +14155550100.",
                    field=(kind, at, "phoneNumbers", place),
                )


def _check_count(entries: Sequence[object], most: int, *field: str | int) -> None:
    if len(entries) > most:
        raise TooHigh(f"At most {most} entries, here are {len(entries)}.", field=field)


def _check_text(text: str, most: int, *field: str | int) -> None:
    if not text.strip() or len(text) > most:
        raise InvalidInput(f"Write 1 to {most} characters.", field=field)
    if has_control_characters(text):
        raise InvalidInput("Control characters do not belong here.", field=field)
