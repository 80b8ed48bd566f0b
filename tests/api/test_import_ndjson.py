"""Our own events, one a line: the words are those of the API, and so are the refusals."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.imports.cdr import UsageFormat
from domain.catalogue import Direction, Service
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
    OfficeReference,
    Session,
    Traffic,
    UsageEvent,
)
from tests.api.import_words import call_of, documented, event_json, event_of, read


def test_the_documented_events_of_all_six_services(path: Path) -> None:
    rows = read(path, documented("json", "ndjson"), UsageFormat.NDJSON)
    events = [event_of(row) for row in rows]
    assert events[0] == UsageEvent(
        source="switch",
        event_id="c-1",
        occurred_at=datetime(2026, 3, 1, 9, 0, 8, tzinfo=UTC),
        usage=Call(
            direction=Direction.OUTBOUND,
            from_="1002",
            to="+442079460000",
            duration_seconds=83,
            quality_tenths=44,
        ),
        office=OfficeReference(slug="portland"),
        member=DirectoryReference("u-1"),
    )
    assert [event.usage for event in events[1:]] == [
        Message(
            direction=Direction.OUTBOUND,
            traffic=Traffic.P2P,
            from_="+15035550100",
            to="+15035550177",
            segment_count=1,
            encoding=Encoding.GSM_7,
        ),
        Message(
            direction=Direction.INBOUND,
            traffic=Traffic.P2P,
            is_mms=True,
            segment_count=1,
            media_count=1,
            from_="+15035550177",
            to="+15035550100",
        ),
        Fax(
            direction=Direction.INBOUND,
            from_="+442079460000",
            to="+15035550101",
            page_count=5,
            status=FaxStatus.COMPLETED,
        ),
        AiAgentSession(mode=AiAgentMode.VOICE, session_count=1, skills_triggered=("opening hours",)),
        Session(service=Service.SPEECH_IVR, duration_seconds=40),
        Session(service=Service.OMNICHANNEL, session_count=2, channel="web chat"),
    ]
    assert events[3].occurred_at == datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


def test_notes_and_references_of_an_event(path: Path) -> None:
    location = {"countryCode": "GB", "city": "London"}
    text = event_json(
        call={"location": location, "callId": "ref"},
        office={"id": f"off_{'0' * 31}1"},
        group={"externalId": "q", "name": "Support"},
        contact=None,
    )
    [row] = read(path, text, UsageFormat.NDJSON)
    assert call_of(row).location == CallLocation(country_code="GB", city="London")
    office = event_of(row).office
    assert office is not None
    assert office.id is not None
    assert office.id.int == 1
    assert event_of(row).group == DirectoryReference("q", "Support")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "this line is not one JSON object."),
        ("[" * 100_000, "this line is not one JSON object."),
        ('{"eventId": ' + "9" * 5_000 + "}", "this line is not one JSON object."),
        ('{"eventId": NaN}', "this line is not one JSON object."),
        ("[]", "the line is not an object."),
        ('{"eventId":"a","eventId":"b"}', "the field 'eventId' stands twice."),
        ("{}", "eventId is missing."),
        (event_json(eventID="x"), "there is no field 'eventID': did you mean eventId?"),
        (
            event_json(call={"duration": 5}),
            "there is no field 'usage.call.duration': did you mean durationSeconds?",
        ),
        (event_json(eventId=7), "eventId is not text in quotes."),
        (event_json(eventId="é"), "eventId: `eventId` must be 1 to 255 printable ASCII characters."),
        (
            event_json(occurredAt="2026-03-01T09:00:00"),
            "occurredAt '2026-03-01T09:00:00' is not RFC 3339 with an offset, as in 2026-01-31T23:59:59Z.",
        ),
        (
            event_json(occurredAt="2026-02-30T09:00:00Z"),
            "occurredAt '2026-02-30T09:00:00Z' is not a time, as 2026-01-31T23:59:59Z would be.",
        ),
        (
            event_json(call={"durationSeconds": 1.5}),
            "usage.call.durationSeconds is not a whole number from 0 to 604800.",
        ),
        (
            event_json(call={"durationSeconds": True}),
            "usage.call.durationSeconds is not a whole number from 0 to 604800.",
        ),
        (event_json(call={"direction": "UP"}), "usage.call.direction is not one of INBOUND, OUTBOUND."),
        (event_json(call={"direction": []}), "usage.call.direction is not one of INBOUND, OUTBOUND."),
        (event_json(call={"to": None}), "usage.call.to is missing."),
        (event_json(call={"to": "\ud800"}), "usage.call.to: Control characters do not belong here."),
        (
            event_json(call={"quality": "5.1"}),
            "quality '5.1' is not a mean opinion score from 1.0 to 5.0.",
        ),
        (event_json(call={"quality": "4.55"}), "usage.call.quality '4.55' has more than one decimal."),
        (
            event_json(usage={}),
            "usage needs exactly one of call, message, fax, aiAgent, speechIvr, omnichannel.",
        ),
        (
            event_json(usage={"speechIvr": {}, "omnichannel": {}}),
            "usage needs exactly one of call, message, fax, aiAgent, speechIvr, omnichannel.",
        ),
        (event_json(office={"slug": "a", "id": "b"}), "office.id is not the id of an office."),
        (event_json(office={}), "office needs exactly one of id, slug, phoneNumber."),
        (event_json(member="u-1"), "member is not an object."),
    ],
)
def test_an_event_the_api_would_refuse_is_reported(path: Path, line: str, problem: str) -> None:
    rows = read(path, f"{line.strip()}\n{event_json()}", UsageFormat.NDJSON)
    assert [(row.line, row.problem) for row in rows] == [(1, problem), (2, None)]
