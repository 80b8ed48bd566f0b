"""Our own usage event, one JSON object a line: exactly the shape of `UsageEventInput` in schema.graphql.

What the API would refuse is refused here with the same strictness: unknown fields, two kinds of usage in one
event, times without an offset, numbers where text belongs.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from api.imports.fields import BadField, quality_tenths
from api.imports.fields import read_text as bounded_text
from api.imports.json_fields import (
    Field,
    Shape,
    enum,
    parse_json,
    read_body,
    read_names,
    read_object,
    read_one_of,
    read_text,
    whole,
)
from domain.batch import MAX_MEDIA, check_event
from domain.catalogue import Direction, Service
from domain.errors import InvalidInput
from domain.segments import count_segments
from domain.usage import (
    MAX_ADDRESS_CHARACTERS,
    MAX_CALL_SECONDS,
    MAX_PAGES,
    MAX_SEGMENTS,
    MAX_SESSIONS,
    AiAgentMode,
    AiAgentSession,
    Call,
    CallLocation,
    DirectoryReference,
    Fax,
    FaxStatus,
    Message,
    MessageStatus,
    OfficeReference,
    Session,
    Traffic,
    UsageEvent,
    UsageFacts,
)

_RFC_3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_OFFICE_ID = re.compile(r"off_([0-9a-f]{32})")
_COUNTRY = re.compile(r"[A-Z]{2}")


def read_event(line: str, source: str) -> UsageEvent:
    """One line. Raises BadField."""
    given = read_object(parse_json(line), _EVENT, "")
    event = UsageEvent(
        source=source,
        event_id=given["eventId"],
        occurred_at=given["occurredAt"],
        usage=given["usage"],
        office=given.get("office"),
        member=given.get("member"),
        group=given.get("group"),
        contact=given.get("contact"),
    )
    try:
        check_event(event)
    except InvalidInput as error:
        path = ".".join(map(str, error.field))
        raise BadField(f"{path}: {error.message}" if path else error.message) from None
    return event


def _time(value: Any, path: str) -> datetime:
    text = read_text(value, path)
    if not _RFC_3339.fullmatch(text):
        raise BadField(f"{path} {text[:40]!r} is not RFC 3339 with an offset, as in 2026-01-31T23:59:59Z.")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadField(f"{path} {text[:40]!r} is not a time, as 2026-01-31T23:59:59Z would be.") from None


def _country(value: Any, path: str) -> str:
    text = read_text(value, path)
    if not _COUNTRY.fullmatch(text):
        raise BadField(f"{path} {text[:40]!r} is not an ISO 3166 country code.")
    return text


def _quality(value: Any, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise BadField(f"{path} is not a decimal.")
    text = str(value)
    if len(text.partition(".")[2]) > 1:
        raise BadField(f"{path} {text[:40]!r} has more than one decimal.")
    return quality_tenths(text)


def _id(value: Any, path: str) -> UUID:
    found = _OFFICE_ID.fullmatch(read_text(value, path))
    if not found:
        raise BadField(f"{path} is not the id of an office.")
    return UUID(found[1])


def _office(value: Any, path: str) -> OfficeReference:
    name, given = read_one_of(value, _OFFICE, path)
    if isinstance(given, str):
        bounded_text(given, f"{path}.{name}", MAX_ADDRESS_CHARACTERS)
    return OfficeReference(**{"phone_number" if name == "phoneNumber" else name: given})


def _directory(value: Any, path: str) -> DirectoryReference:
    given = read_object(value, _DIRECTORY, path)
    return DirectoryReference(given["externalId"], given.get("name"))


def _usage(value: Any, path: str) -> UsageFacts:
    facts: UsageFacts = read_one_of(value, _USAGE, path)[1]
    return facts


def _call(value: Any, path: str) -> Call:
    return Call(**_renamed(read_object(value, _CALL, path)))


def _location(value: Any, path: str) -> CallLocation:
    return CallLocation(**_renamed(read_object(value, _LOCATION, path)))


def _message(value: Any, path: str) -> Message:
    given = read_object(value, _MESSAGE, path)
    content = given.pop("content")
    return Message(**_renamed(given | content))


def _content(value: Any, path: str) -> dict[str, Any]:
    """The body of a message is counted and forgotten (R14)."""
    kind, given = read_one_of(value, _CONTENT, path)
    if kind == "mms":
        return {"segmentCount": 1, "isMms": True, **given}
    if kind == "smsSegmentCount":
        return {"segmentCount": given}
    counted = count_segments(given)
    return {"segmentCount": counted.segment_count, "encoding": counted.encoding}


def _mms(value: Any, path: str) -> dict[str, Any]:
    return read_object(value, _MMS, path)


def _fax(value: Any, path: str) -> Fax:
    return Fax(**_renamed(read_object(value, _FAX, path)))


def _ai_agent(value: Any, path: str) -> AiAgentSession:
    return AiAgentSession(**_renamed(read_object(value, _AI_AGENT, path)))


def _session(service: Service) -> Field:
    def read(value: Any, path: str) -> Session:
        return Session(service=service, **_renamed(read_object(value, _SESSION, path)))

    return read


_FIELD_NAMES = {"from": "from_", "quality": "quality_tenths"}
_CAPITAL = re.compile(r"[A-Z]")


def _renamed(given: Mapping[str, Any]) -> dict[str, Any]:
    """From the names on the wire to those of `domain.usage`."""
    return {_renamed_field(name): value for name, value in given.items()}


@lru_cache(maxsize=64)
def _renamed_field(name: str) -> str:
    snake = _CAPITAL.sub(lambda found: f"_{found[0].lower()}", name)
    return _FIELD_NAMES.get(snake, snake)


_ENDS: Mapping[str, Field] = {"from": read_text, "to": read_text, "direction": enum(Direction)}
_ENDS_REQUIRED = {f"{name}!": read for name, read in _ENDS.items()}
_SECONDS = whole(0, MAX_CALL_SECONDS)
_SESSIONS = whole(0, MAX_SESSIONS)

_OFFICE = Shape({"id": _id, "slug": read_text, "phoneNumber": read_text})
_DIRECTORY = Shape({"externalId!": read_text, "name": read_text})
_LOCATION = Shape({"countryCode": _country, "region": read_text, "city": read_text})
_CALL = Shape(
    {
        **_ENDS_REQUIRED,
        "durationSeconds!": _SECONDS,
        "callId": read_text,
        "location": _location,
        "quality": _quality,
    }
)
_MMS = Shape({"segmentCount": whole(0, MAX_SEGMENTS), "mediaCount": whole(0, MAX_MEDIA)})
_CONTENT = Shape({"smsBody": read_body, "smsSegmentCount": whole(1, MAX_SEGMENTS), "mms": _mms})
_MESSAGE = Shape(
    {
        **_ENDS_REQUIRED,
        "traffic!": enum(Traffic),
        "content!": _content,
        "messageId": read_text,
        "deliveryStatus": enum(MessageStatus),
    }
)
_FAX = Shape(
    {
        **_ENDS_REQUIRED,
        "pageCount!": whole(0, MAX_PAGES),
        "faxId": read_text,
        "faxLine": read_text,
        "status": enum(FaxStatus),
    }
)
_AI_AGENT = Shape(
    {
        **_ENDS,
        "mode!": enum(AiAgentMode),
        "sessionCount!": _SESSIONS,
        "conversationId": read_text,
        "durationSeconds": _SECONDS,
        "skillsTriggered": read_names,
        "actionsExecuted": read_names,
    }
)
_SESSION = Shape(
    {
        **_ENDS,
        "sessionId": read_text,
        "sessionCount": _SESSIONS,
        "durationSeconds": _SECONDS,
        "channel": read_text,
    }
)
_USAGE = Shape(
    {
        "call": _call,
        "message": _message,
        "fax": _fax,
        "aiAgent": _ai_agent,
        "speechIvr": _session(Service.SPEECH_IVR),
        "omnichannel": _session(Service.OMNICHANNEL),
    }
)
_EVENT = Shape(
    {
        "eventId!": read_text,
        "occurredAt!": _time,
        "usage!": _usage,
        "office": _office,
        "member": _directory,
        "group": _directory,
        "contact": _directory,
    }
)
