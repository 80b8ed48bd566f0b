"""Whether a batch is well-formed: the first fault names its place, and what is unusual but sound passes (R13)."""

from dataclasses import replace

import pytest

from domain.batch import check_batch
from domain.catalogue import Direction, Service
from domain.errors import InvalidInput, TooHigh
from domain.usage import (
    MAX_BATCH_EVENTS,
    AiAgentMode,
    AiAgentSession,
    Call,
    CallLocation,
    DirectoryReference,
    Fax,
    Message,
    Session,
    Traffic,
    UsageEvent,
)
from tests.world import START, call, usage_event

GOOD = call("good", START)
CALL = Call(direction=Direction.OUTBOUND, from_="+14155550100", to="+12125550123", duration_seconds=60)
MMS = Message(direction=Direction.INBOUND, traffic=Traffic.P2P, from_="1", to="2", is_mms=True)
FAX = Fax(direction=Direction.INBOUND, from_="1", to="2", page_count=1)
AI = AiAgentSession(mode=AiAgentMode.VOICE, session_count=1)

FAULTS = [
    (replace(GOOD, event_id=""), "eventId"),
    (replace(GOOD, event_id="x" * 256), "eventId"),
    (replace(GOOD, event_id="é"), "eventId"),
    (replace(GOOD, event_id="two\nlines"), "eventId"),
    (replace(GOOD, source=""), "source"),
    (replace(GOOD, member=DirectoryReference("")), "member.externalId"),
    (replace(GOOD, member=DirectoryReference("x" * 256)), "member.externalId"),
    (replace(GOOD, group=DirectoryReference("7", "x" * 201)), "group.name"),
    (replace(GOOD, contact=DirectoryReference("7", "\x00")), "contact.name"),
    (replace(GOOD, contact=DirectoryReference("\ud800")), "contact.externalId"),
    (usage_event("x", START, replace(CALL, to="1" * 65)), "usage.call.to"),
    (usage_event("x", START, replace(CALL, from_="\x7f")), "usage.call.from"),
    (usage_event("x", START, replace(CALL, quality_tenths=9)), "usage.call.quality"),
    (usage_event("x", START, replace(CALL, quality_tenths=51)), "usage.call.quality"),
    (usage_event("x", START, replace(CALL, location=CallLocation(city="\x1f"))), "usage.call.location.city"),
    (usage_event("x", START, replace(FAX, fax_line="x" * 65)), "usage.fax.faxLine"),
    (usage_event("x", START, replace(AI, skills_triggered=("",) * 101)), "usage.aiAgent.skillsTriggered"),
    (usage_event("x", START, replace(AI, actions_executed=("x" * 201,))), "usage.aiAgent.actionsExecuted"),
    (usage_event("x", START, replace(AI, conversation_id="x" * 256)), "usage.aiAgent.conversationId"),
]


@pytest.mark.parametrize(("event", "path"), FAULTS)
def test_a_fault_refuses_the_batch_and_names_its_place(event: UsageEvent, path: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_batch([GOOD, GOOD, event, replace(GOOD, event_id="")])
    assert refused.value.field == ("events", 2, *path.split("."))


def test_media_have_a_limit() -> None:
    with pytest.raises(InvalidInput) as refused:
        check_batch([usage_event("x", START, replace(MMS, media_count=101))])
    assert refused.value.field[:4] == ("events", 0, "usage", "message")


def test_a_batch_has_a_limit() -> None:
    check_batch([GOOD] * MAX_BATCH_EVENTS)
    with pytest.raises(TooHigh) as refused:
        check_batch([GOOD] * (MAX_BATCH_EVENTS + 1))
    assert refused.value.field == ("events",)


def test_what_is_unusual_but_sound_passes() -> None:
    check_batch([])
    check_batch(
        [
            replace(GOOD, event_id="~ any printable ASCII !", source="x" * 255),
            replace(GOOD, member=DirectoryReference("ü" * 255, "Café \U0001f600")),
            usage_event("a", START, replace(CALL, from_="", to="&", duration_seconds=-1, quality_tenths=10)),
            usage_event("b", START, replace(MMS, media_count=100)),
            usage_event("c", START, Session(service=Service.OMNICHANNEL, channel="chat")),
            usage_event("d", START, replace(AI, skills_triggered=("x",) * 100)),
        ]
    )
