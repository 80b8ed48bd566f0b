"""A reported event on its way in: who it belongs to, when it happened, which office pays.

However a reporter knows an office, a reference that means none is answered like one that is not his to charge.
"""

from collections.abc import Sequence
from datetime import datetime

import strawberry
from strawberry import UNSET

from domain.access import Viewer
from domain.batch import check_source
from domain.errors import InvalidInput, Required
from domain.usage import (
    MAX_KEY_CHARACTERS,
    MAX_NAME_CHARACTERS,
    MAX_REFERENCE_CHARACTERS,
    DirectoryReference,
    OfficeReference,
    UsageEvent,
)
from schema import ids
from schema.ids import IdKind, decode
from schema.scalars import PhoneNumber
from schema.usage_facts import facts_of
from schema.usage_input import UsageInput, given


@strawberry.input(description="An office, however the reporter knows it. Exactly one.", one_of=True)
class OfficeReferenceInput:
    id: strawberry.ID | None = strawberry.field(default=UNSET, description="Its id, as in `office { id }`.")
    slug: str | None = strawberry.field(default=UNSET, description="Its short name.")
    phone_number: PhoneNumber | None = strawberry.field(default=UNSET, description="One of its own phone numbers.")


@strawberry.input(
    description="A member, group or contact by the phone system's own id. One never seen before is created with the"
    " name given."
)
class DirectoryReferenceInput:
    external_id: str = strawberry.field(
        description=f"The phone system's own id, 1 to {MAX_REFERENCE_CHARACTERS} characters."
    )
    name: str | None = strawberry.field(
        default=UNSET,
        description="The name to show; a new one replaces the old, but not of somebody whose office the token does not"
        f" cover. Left out: the known one is kept. At most {MAX_NAME_CHARACTERS} characters.",
    )


@strawberry.input(description="One billable fact.")
class UsageEventInput:
    event_id: str = strawberry.field(
        description="The reporter's own id of this billable fact. An event is known by company, source and this id:"
        f" 1 to {MAX_KEY_CHARACTERS} printable ASCII characters."
    )
    office: OfficeReferenceInput | None = strawberry.field(
        default=UNSET, description="The office that pays; the batch's when left out."
    )
    occurred_at: datetime = strawberry.field(
        description="When it began: the call was answered, the message accepted, the fax or session started. The"
        " rate and the billing cycle of this moment count. At most ten years ago and an hour ahead."
    )
    member: DirectoryReferenceInput | None = strawberry.field(
        default=UNSET,
        description="The user who placed or received it. A call answered by a member for a group names both.",
    )
    group: DirectoryReferenceInput | None = strawberry.field(
        default=UNSET, description="The department, call center or other group that placed or received it."
    )
    contact: DirectoryReferenceInput | None = strawberry.field(
        default=UNSET, description="The outside party, when the directory knows it."
    )
    usage: UsageInput = strawberry.field(description="What was used.")


def source_of(viewer: Viewer, source: str | None) -> str:
    """The reporting system as named, else the caller's name; a name that cannot be a source gives way to his id.

    Raises InvalidInput for one named that cannot be a source.
    """
    if source is not None:
        check_source(source)
        return source
    try:
        check_source(viewer.name)
    except InvalidInput:
        return ids.encode(IdKind.VIEWER, ids.viewer_value(viewer.company_id, viewer.subject))
    return viewer.name


def only_office(viewer: Viewer) -> OfficeReference | None:
    """The office of a caller who is limited to a single one: he need not name it."""
    if viewer.office_ids is None or len(viewer.office_ids) != 1:
        return None
    [office_id] = viewer.office_ids
    return OfficeReference(id=office_id)


def office_reference(reference: OfficeReferenceInput) -> OfficeReference:
    """An id that is none of an office's means no office."""
    return OfficeReference(
        decode(IdKind.OFFICE, reference.id) if reference.id else None,
        given(reference.slug),
        given(reference.phone_number),
    )


def events_of(events: Sequence[UsageEventInput], *, source: str, office: OfficeReference | None) -> list[UsageEvent]:
    """The batch in the domain's words. Raises InvalidInput and Required with the path of the first fault."""
    return [_event_at(at, event, source, office) for at, event in enumerate(events)]


def _event_at(at: int, event: UsageEventInput, source: str, office: OfficeReference | None) -> UsageEvent:
    try:
        return event_of(event, source=source, office=office)
    except (InvalidInput, Required) as problem:
        raise type(problem)(problem.message, field=("events", at, *problem.field)) from None


def event_of(event: UsageEventInput, *, source: str, office: OfficeReference | None) -> UsageEvent:
    """`office` pays unless the event names another. Raises InvalidInput and Required."""
    if event.office:
        office = office_reference(event.office)
    if office is None:
        raise Required("Say which office pays: name it here or for the whole batch.", field=("office",))
    return UsageEvent(
        source=source,
        event_id=event.event_id,
        occurred_at=event.occurred_at,
        usage=facts_of(event.usage),
        office=office,
        member=_reference(event.member),
        group=_reference(event.group),
        contact=_reference(event.contact),
    )


def _reference(reference: DirectoryReferenceInput | None) -> DirectoryReference | None:
    return DirectoryReference(reference.external_id, reference.name or None) if reference else None
