"""Reporting usage over the wire: one answer an event, safe to send again, and nothing said that is not the caller's."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event as sqlalchemy_event

from domain.catalogue import Service
from persistence.tables.charging import CHARGE, REJECTED_USAGE
from persistence.tables.company import MEMBER
from tests.schema.conftest import NOON, House
from tests.schema.reporting import (
    BODY,
    EVERYTHING,
    RECORD_USAGE,
    RECORD_USAGE_WITH_COST,
    TO_LONDON,
    call,
    charge_count,
    message,
    record,
    usage,
)
from tests.world import rate


async def test_each_event_gets_its_answer_in_the_order_of_the_batch(house: House) -> None:
    await record(house, call("known"), call("other"))
    answer = await record(
        house,
        call("later", occurredAt="2026-03-01T14:00:00Z"),
        call("known"),
        call("other", durationSeconds=61),
        call("barred", to="+900123456789"),
        call("lost", office={"slug": "nowhere"}),
        call("sooner", occurredAt="2026-03-01T12:30:00Z"),
    )
    assert [(result["eventId"], result["outcome"]) for result in answer["results"]] == [
        ("later", "CHARGED"),
        ("known", "REPLAYED"),
        ("other", "CONFLICT"),
        ("barred", "REJECTED"),
        ("lost", "REJECTED"),
        ("sooner", "CHARGED"),
    ]
    counts = [answer[f"{name}Count"] for name in ("charged", "replayed", "conflict", "rejected")]
    assert counts == [2, 1, 1, 2]
    assert answer["totalCost"] == {"amount": "0.200000"}
    _, known, other, barred, lost, _ = answer["results"]
    assert known["record"]["source"] == "Phone system"
    assert (other["record"] is not None, other["differingFields"]) == (True, ["usage.call.durationSeconds"])
    assert known["differingFields"] is None
    assert (barred["record"], barred["rejection"]["code"]) == (None, "BLOCKED")
    kept = barred["rejection"]["rejectedUsage"]
    assert (kept["eventId"], kept["office"], kept["attemptCount"]) == ("barred", {"slug": "hq"}, 1)
    assert (lost["rejection"]["code"], lost["rejection"]["field"]) == ("UNKNOWN_OFFICE", ["office"])
    assert lost["rejection"]["rejectedUsage"] is None


async def test_the_operations_of_a_partner(house: House) -> None:
    plain = await record(house, call(), call("barred", to="+900123456789"), query=RECORD_USAGE)
    assert (plain["chargedCount"], plain["rejectedCount"], plain["userErrors"]) == (1, 1, [])
    assert plain["results"][1]["rejection"]["field"] == ["usage"]
    again = await record(house, call(), call("second"), query=RECORD_USAGE_WITH_COST)
    assert again["totalCost"] == {"amount": "0.100000", "currencyCode": "USD"}
    first, second = again["results"]
    assert (first["outcome"], second["outcome"]) == ("REPLAYED", "CHARGED")
    assert first["record"]["cost"] == second["record"]["cost"] == {"amount": "0.100000"}
    assert second["record"]["walletSources"] == ["CALLING"]


async def test_usage_of_every_service(house: House) -> None:
    from_us = {"direction": "OUTBOUND", "from": "+14155550100"}
    answer = await record(
        house,
        call(location={"countryCode": "GB", "city": "London"}, quality="4.3", callId="sip-9"),
        message("sms", {"smsBody": BODY}),
        message("mms", {"mms": {"mediaCount": 2}}, deliveryStatus="SENT"),
        usage("fax", fax={**from_us, "to": "+12125550199", "pageCount": 2, "status": "FAILED"}),
        usage("ai", aiAgent={"mode": "ROUTING", "sessionCount": 1, "skillsTriggered": ["a"]}),
        usage("ivr", speechIvr={}),
        usage("chat", omnichannel={"sessionCount": 2, "channel": "web chat", "durationSeconds": 90}),
    )
    details = [result["record"]["details"] for result in answer["results"]]
    assert answer["chargedCount"] == 7, answer
    assert details[0] == {
        "__typename": "CallDetails",
        "callId": "sip-9",
        "location": {"city": "London"},
        "quality": {"score": "4.3"},
    }
    assert details[1] == {
        "__typename": "MessageDetails",
        "segmentCount": 1,
        "encoding": "GSM_7",
        "mediaCount": None,
        "deliveryStatus": "UNKNOWN",
    }
    assert (details[2]["segmentCount"], details[2]["mediaCount"], details[2]["encoding"]) == (1, 2, None)
    assert [found["__typename"] for found in details[3:]] == [
        "FaxDetails",
        "AiAgentDetails",
        "SessionDetails",
        "SessionDetails",
    ]


@pytest.mark.parametrize(
    ("event", "code", "field"),
    [
        (message("e", {"smsBody": ""}), "EMPTY_MESSAGE", ["usage", "message", "content"]),
        (message("e", {"smsSegmentCount": 256}), "BAD_QUANTITY", ["usage", "message", "content"]),
        (call(durationSeconds=-1), "BAD_QUANTITY", ["usage", "call", "durationSeconds"]),
        (call(to=" "), "BAD_NUMBER", ["usage", "call", "to"]),
        (call(occurredAt="3000-01-01T00:00:00Z"), "IN_THE_FUTURE", ["occurredAt"]),
        (call(occurredAt="1999-01-01T00:00:00Z"), "TOO_OLD", ["occurredAt"]),
        (usage("e", speechIvr={"sessionCount": 1001}), "BAD_QUANTITY", ["usage", "speechIvr", "sessionCount"]),
        (usage("e", omnichannel={"durationSeconds": -5}), "BAD_QUANTITY", ["usage", "omnichannel", "durationSeconds"]),
    ],
)
async def test_one_bad_event_disturbs_nothing(
    small_house: House, event: dict[str, Any], code: str, field: list[str]
) -> None:
    answer = await record(small_house, {**event, "eventId": "bad"}, call("good"))
    bad, good = answer["results"]
    assert (bad["rejection"]["code"], bad["rejection"]["field"]) == (code, field)
    assert (good["outcome"], answer["userErrors"]) == ("CHARGED", [])


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (call(""), ["eventId"]),
        (call("Café"), ["eventId"]),
        (call(quality="4.35"), ["usage", "call", "quality"]),
        (call(quality="5.1"), ["usage", "call", "quality"]),
        (call(callId="x" * 256), ["usage", "call", "callId"]),
        (call(**{"from": "x" * 65}), ["usage", "call", "from"]),
        (call(to="\0"), ["usage", "call", "to"]),
        (call(location={"city": "x" * 201}), ["usage", "call", "location", "city"]),
        (call(member={"externalId": ""}), ["member", "externalId"]),
        (message("e", {"mms": {"mediaCount": 101}}), ["usage", "message", "content", "mms", "mediaCount"]),
        (usage("e", speechIvr={"sessionId": "x" * 256}), ["usage", "speechIvr", "sessionId"]),
        (usage("e", omnichannel={"channel": "\n"}), ["usage", "omnichannel", "channel"]),
        (
            usage("e", aiAgent={"mode": "VOICE", "sessionCount": 1, "actionsExecuted": ["x"] * 101}),
            ["usage", "aiAgent", "actionsExecuted"],
        ),
    ],
)
async def test_a_batch_out_of_bounds_is_refused_whole_and_names_the_place(
    small_house: House, event: dict[str, Any], field: list[str]
) -> None:
    before = await charge_count(small_house)
    answer = await record(small_house, call("good"), event)
    [error] = answer["userErrors"]
    assert (error["code"], error["field"]) == ("INVALID", ["events", "1", *field])
    assert (answer["results"], answer["totalCost"], answer["chargedCount"]) == (None, None, 0)
    assert await charge_count(small_house) == before


async def test_too_many_events_and_none_at_all(small_house: House) -> None:
    answer = await record(small_house, *(call(str(at)) for at in range(1001)))
    assert answer["userErrors"][0]["code"] == "TOO_HIGH"
    assert answer["userErrors"][0]["field"] == ["events"]
    nothing = await record(small_house)
    assert (nothing["results"], nothing["totalCost"], nothing["userErrors"]) == ([], {"amount": "0.000000"}, [])


async def test_notes_are_brought_up_to_date_by_sending_again(house: House) -> None:
    sms = {"smsBody": BODY}
    await record(house, message("sms-2", sms, deliveryStatus="QUEUED"))
    [again] = (await record(house, message("sms-2", sms, deliveryStatus="DELIVERED")))["results"]
    assert again["outcome"] == "REPLAYED"
    assert again["record"]["details"]["deliveryStatus"] == "DELIVERED"


async def test_a_message_s_body_is_kept_nowhere(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="farebox")
    await house.world.deck([rate("0", service=Service.MESSAGING, is_blocked=True, prefix="44")], card="bar")
    answer = await record(
        house,
        message("kept", {"smsBody": BODY}),
        message("barred-sms", {"smsBody": BODY}, to=TO_LONDON),
    )
    assert [result["outcome"] for result in answer["results"]] == ["CHARGED", "REJECTED"]
    stored = [
        *await house.database.rows(CHARGE.select().where(CHARGE.c.event_id == "kept")),
        *await house.database.rows(REJECTED_USAGE.select().where(REJECTED_USAGE.c.event_id == "barred-sms")),
    ]
    assert len(stored) == 2
    assert "4711" not in repr(stored) + repr(answer) + caplog.text


async def test_members_are_created_with_the_name_given(house: House) -> None:
    await record(house, call(member={"externalId": "u77", "name": "Zürich desk"}))
    rows = await house.database.rows(MEMBER.select().where(MEMBER.c.external_id == "u77"))
    assert [(row.name, row.company_id) for row in rows] == [("Zürich desk", house.world.company_id)]


async def test_the_records_of_a_batch_are_read_at_once(small_house: House) -> None:
    """As many reads for a large batch as for a small one; what is not selected is not read."""
    few = await _reads(small_house, 2, EVERYTHING)
    many = await _reads(small_house, 40, EVERYTHING)
    without = await _reads(small_house, 40, RECORD_USAGE)
    assert many == few
    assert without < many


async def _reads(house: House, count: int, query: str) -> int:
    statements: list[str] = []
    engine = house.database._readers.sync_engine

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    sqlalchemy_event.listen(engine, "before_cursor_execute", note)
    events = [call(f"{len(query)}-{count}-{at}") for at in range(count - 1)]
    answer = await record(house, *events, call(f"barred-{count}", to="+900123456789"), query=query)
    sqlalchemy_event.remove(engine, "before_cursor_execute", note)
    assert answer["chargedCount"] == count - 1
    return sum(statement.startswith("SELECT") for statement in statements)


async def test_a_batch_of_a_thousand(house: House) -> None:
    events = [call(f"m{at}", occurredAt=(NOON + timedelta(seconds=at)).isoformat()) for at in range(1_000)]
    answer = await record(house, *reversed(events), query=RECORD_USAGE_WITH_COST)
    assert [result["eventId"] for result in answer["results"]] == [event["eventId"] for event in reversed(events)]
    assert {result["outcome"] for result in answer["results"]} == {"CHARGED"}
    assert answer["totalCost"]["amount"] == "100.000000"
    assert all(result["record"] for result in answer["results"])


async def test_the_same_batch_sent_four_times_at_once_is_charged_once(house: House) -> None:
    events = [call(str(at), member={"externalId": f"m{at}"}) for at in range(20)]
    before = await charge_count(house)
    answers = await asyncio.gather(*(record(house, *events, *events) for _ in range(4)))
    assert sum(answer["chargedCount"] for answer in answers) == 20
    assert sum(answer["replayedCount"] for answer in answers) == 140
    assert await charge_count(house) == before + 20
