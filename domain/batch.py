"""Whether a batch of usage is well-formed: all or nothing, and the first fault names its place (R13).

Everything else about an event is decided event by event, by `domain.charging`.
"""

import re
from collections.abc import Sequence

from domain.errors import InvalidInput, TooHigh
from domain.usage import (
    MAX_ADDRESS_CHARACTERS,
    MAX_BATCH_EVENTS,
    MAX_KEY_CHARACTERS,
    MAX_NAME_CHARACTERS,
    MAX_NOTED_NAMES,
    MAX_REFERENCE_CHARACTERS,
    AiAgentSession,
    Call,
    DirectoryReference,
    Fax,
    Message,
    UsageEvent,
    UsageFacts,
    kind_name,
)

_PRINTABLE_ASCII = re.compile(r"[\x20-\x7e]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_REFERENCES = {
    "call_id": "callId",
    "message_id": "messageId",
    "fax_id": "faxId",
    "conversation_id": "conversationId",
    "session_id": "sessionId",
    "channel": "channel",
}
"""Attribute of the usage, and its name on the wire."""

MIN_QUALITY_TENTHS = 10
MAX_QUALITY_TENTHS = 50
MAX_MEDIA = 100
OWN_SOURCES = "farebox:"
"""Records that Farebox makes by itself are known by sources of this beginning; no reporter may take their keys."""


def check_batch(events: Sequence[UsageEvent]) -> None:
    """Raises InvalidInput or TooHigh with the path of the first fault, as in `events`, 17, `eventId`."""
    if len(events) > MAX_BATCH_EVENTS:
        raise TooHigh(f"At most {MAX_BATCH_EVENTS} events a batch, this one has {len(events)}.", field=("events",))
    for at, event in enumerate(events):
        try:
            check_event(event)
        except InvalidInput as problem:
            raise InvalidInput(problem.message, field=("events", at, *problem.field)) from None


def check_event(event: UsageEvent) -> None:
    """Raises InvalidInput for what no reporter may send: lengths, control characters, impossible notes."""
    check_source(event.source)
    _check_key(event.event_id, "eventId")
    if _is_plain_call(event):
        return
    for name, reference in (("member", event.member), ("group", event.group), ("contact", event.contact)):
        if reference is not None:
            _check_reference(reference, name)
    usage = event.usage
    kind = kind_name(usage)
    for end, text in (("from", usage.from_), ("to", usage.to)):
        _check_text(text, MAX_ADDRESS_CHARACTERS, "usage", kind, end)
    for attribute, name in _REFERENCES.items():
        _check_text(getattr(usage, attribute, None), MAX_REFERENCE_CHARACTERS, "usage", kind, name)
    _check_notes(usage, kind)


def _is_plain_call(event: UsageEvent) -> bool:
    """Whether nothing needs a closer look: most events are calls with short texts, and come by the thousand."""
    call = event.usage
    if type(call) is not Call or call.location is not None or call.quality_tenths is not None:
        return False
    texts = [call.from_, call.to]
    if call.call_id is not None:
        texts.append(call.call_id)
    for reference in (event.member, event.group, event.contact):
        if reference is not None:
            if not reference.external_id:
                return False
            texts += (reference.external_id, reference.name or "")
    whole = "".join(texts)
    if len(whole) > MAX_ADDRESS_CHARACTERS and max(map(len, texts)) > MAX_ADDRESS_CHARACTERS:
        return False
    return whole.isprintable() or not has_control_characters(whole)


def check_source(source: str) -> None:
    """Raises InvalidInput for what cannot name a reporting system."""
    _check_key(source, "source")
    if source.startswith(OWN_SOURCES):
        raise InvalidInput(f"Sources that begin with `{OWN_SOURCES}` are Farebox's own.", field=("source",))


def has_control_characters(text: str) -> bool:
    """Half of a surrogate pair counts as one: no database keeps it."""
    return _CONTROL.search(text) is not None


def _check_key(text: str, name: str) -> None:
    if not _PRINTABLE_ASCII.fullmatch(text) or len(text) > MAX_KEY_CHARACTERS:
        raise InvalidInput(f"`{name}` must be 1 to {MAX_KEY_CHARACTERS} printable ASCII characters.", field=(name,))


def _check_reference(reference: DirectoryReference, name: str) -> None:
    if not 0 < len(reference.external_id) <= MAX_REFERENCE_CHARACTERS:
        raise InvalidInput(
            f"An external id has 1 to {MAX_REFERENCE_CHARACTERS} characters.", field=(name, "externalId")
        )
    _check_text(reference.external_id, MAX_REFERENCE_CHARACTERS, name, "externalId")
    _check_text(reference.name, MAX_NAME_CHARACTERS, name, "name")


def _check_text(text: str | None, most: int, *field: str) -> None:
    if text is None:
        return
    if len(text) > most:
        raise InvalidInput(f"At most {most} characters.", field=field)
    if has_control_characters(text):
        raise InvalidInput("Control characters do not belong here.", field=field)


def _check_notes(usage: UsageFacts, kind: str) -> None:
    match usage:
        case Call(quality_tenths=int(tenths)) if not MIN_QUALITY_TENTHS <= tenths <= MAX_QUALITY_TENTHS:
            raise InvalidInput("A mean opinion score lies between 1.0 and 5.0.", field=("usage", kind, "quality"))
        case Call(location=location) if location is not None:
            for name, text in zip(("countryCode", "region", "city"), location, strict=True):
                _check_text(text, MAX_NAME_CHARACTERS, "usage", kind, "location", name)
        case Message(media_count=int(count)) if not 0 <= count <= MAX_MEDIA:
            raise InvalidInput(
                f"Between 0 and {MAX_MEDIA} media.", field=("usage", kind, "content", "mms", "mediaCount")
            )
        case Fax(fax_line=str(line)):
            _check_text(line, MAX_ADDRESS_CHARACTERS, "usage", kind, "faxLine")
        case AiAgentSession():
            for name, texts in (
                ("skillsTriggered", usage.skills_triggered),
                ("actionsExecuted", usage.actions_executed),
            ):
                if len(texts) > MAX_NOTED_NAMES:
                    raise InvalidInput(f"At most {MAX_NOTED_NAMES} names.", field=("usage", kind, name))
                for text in texts:
                    _check_text(text, MAX_NAME_CHARACTERS, "usage", kind, name)
