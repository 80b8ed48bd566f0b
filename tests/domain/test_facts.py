"""The same event again, or another one under its key (R12): every fact counts and names itself, no note does."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from domain.catalogue import Direction, Service
from domain.facts import differing_fields, fingerprint
from domain.usage import (
    AiAgentMode,
    AiAgentSession,
    Call,
    CallLocation,
    DirectoryReference,
    Encoding,
    Fax,
    FaxStatus,
    Message,
    MessageStatus,
    Session,
    Traffic,
    UsageEvent,
)
from tests.world import START, usage_event

OFFICE = UUID(int=1)
CALL = Call(direction=Direction.OUTBOUND, from_="+14155550100", to="+12125550123", duration_seconds=60, call_id="c")
MESSAGE = Message(
    direction=Direction.OUTBOUND,
    traffic=Traffic.A2P,
    from_="+14155550100",
    to="+12125550123",
    segment_count=1,
    encoding=Encoding.GSM_7,
)
FAX = Fax(direction=Direction.OUTBOUND, from_="+14155550100", to="+12125550123", page_count=2)
AI = AiAgentSession(mode=AiAgentMode.VOICE, session_count=1)
SPEECH = Session(service=Service.SPEECH_IVR)

FACTS = [
    (CALL, "direction", Direction.INBOUND, "usage.call.direction"),
    (CALL, "from_", "+14155550101", "usage.call.from"),
    (CALL, "to", "+12125550124", "usage.call.to"),
    (CALL, "duration_seconds", 61, "usage.call.durationSeconds"),
    (CALL, "call_id", "d", "usage.call.callId"),
    (MESSAGE, "direction", Direction.INBOUND, "usage.message.direction"),
    (MESSAGE, "from_", "short", "usage.message.from"),
    (MESSAGE, "to", "+12125550124", "usage.message.to"),
    (MESSAGE, "traffic", Traffic.P2P, "usage.message.traffic"),
    (MESSAGE, "message_id", "m", "usage.message.messageId"),
    (MESSAGE, "segment_count", 2, "usage.message.content"),
    (MESSAGE, "encoding", Encoding.UCS_2, "usage.message.content"),
    (MESSAGE, "is_mms", True, "usage.message.content"),
    (MESSAGE, "media_count", 1, "usage.message.content"),
    (FAX, "direction", Direction.INBOUND, "usage.fax.direction"),
    (FAX, "from_", "x", "usage.fax.from"),
    (FAX, "to", "x", "usage.fax.to"),
    (FAX, "page_count", 3, "usage.fax.pageCount"),
    (FAX, "fax_line", "+14155550100", "usage.fax.faxLine"),
    (FAX, "fax_id", "f", "usage.fax.faxId"),
    (AI, "mode", AiAgentMode.DIGITAL, "usage.aiAgent.mode"),
    (AI, "session_count", 0, "usage.aiAgent.sessionCount"),
    (AI, "conversation_id", "x", "usage.aiAgent.conversationId"),
    (AI, "duration_seconds", 5, "usage.aiAgent.durationSeconds"),
    (AI, "from_", "x", "usage.aiAgent.from"),
    (AI, "to", "x", "usage.aiAgent.to"),
    (AI, "direction", Direction.INBOUND, "usage.aiAgent.direction"),
    (SPEECH, "session_count", 2, "usage.speechIvr.sessionCount"),
    (SPEECH, "session_id", "s", "usage.speechIvr.sessionId"),
    (SPEECH, "duration_seconds", 1, "usage.speechIvr.durationSeconds"),
    (SPEECH, "direction", Direction.INBOUND, "usage.speechIvr.direction"),
    (SPEECH, "from_", "x", "usage.speechIvr.from"),
    (SPEECH, "to", "x", "usage.speechIvr.to"),
    (SPEECH, "service", Service.OMNICHANNEL, "usage"),
]
NOTES = [
    (CALL, "location", CallLocation("US", "CA", "San Francisco")),
    (CALL, "quality_tenths", 42),
    (MESSAGE, "delivery_status", MessageStatus.DELIVERED),
    (FAX, "status", FaxStatus.COMPLETED),
    (AI, "skills_triggered", ("billing",)),
    (AI, "actions_executed", ("refund",)),
    (SPEECH, "channel", "chat"),
]


def _differing(old: UsageEvent, new: UsageEvent) -> tuple[str, ...]:
    first, second = fingerprint(old, OFFICE), fingerprint(new, OFFICE)
    assert (first == second) == (not differing_fields(new, second, first))
    return differing_fields(new, second, first)


@pytest.mark.parametrize(("usage", "name", "value", "path"), FACTS)
def test_every_fact_names_itself(usage: Call, name: str, value: object, path: str) -> None:
    event = usage_event("one", START, usage)
    changed = replace(usage, **{name: value})  # type: ignore[arg-type]
    assert _differing(event, usage_event("one", START, changed)) == (path,)


@pytest.mark.parametrize(("usage", "name", "value"), NOTES)
def test_notes_are_no_facts(usage: Call, name: str, value: object) -> None:
    changed = replace(usage, **{name: value})  # type: ignore[arg-type]
    assert _differing(usage_event("one", START, usage), usage_event("one", START, changed)) == ()


def test_time_office_and_people_are_facts_names_are_not() -> None:
    event = usage_event("one", START, CALL)
    assert _differing(event, replace(event, occurred_at=START + timedelta(microseconds=1))) == ("occurredAt",)
    for name in ("member", "group", "contact"):
        known = replace(event, **{name: DirectoryReference("7", "Desk")})  # type: ignore[arg-type]
        renamed = replace(event, **{name: DirectoryReference("7", "Front desk")})  # type: ignore[arg-type]
        assert _differing(event, known) == (name,)
        assert _differing(known, renamed) == ()
    facts = fingerprint(event, OFFICE)
    assert differing_fields(event, fingerprint(event, UUID(int=2)), facts) == ("office",)


def test_another_kind_of_usage_is_one_difference() -> None:
    old = replace(usage_event("one", START, CALL), member=DirectoryReference("7"))
    assert _differing(old, usage_event("one", START, FAX)) == ("member", "usage")


def test_a_fingerprint_fits_its_column_and_tells_neighbours_apart() -> None:
    moved = replace(CALL, from_="+14155550100+", to="12125550123")
    events = [usage_event("one", START, usage) for usage in (CALL, moved, MESSAGE, FAX, AI, SPEECH)]
    prints = [fingerprint(event, OFFICE) for event in events]
    assert max(map(len, prints)) <= 70
    assert len(set(prints)) == len(prints)
