"""Reporting usage over the wire: one answer an event, safe to send again, and nothing said that is not the caller's."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import select

from domain.access import PartnerScope, Role, Viewer
from domain.catalogue import Service
from persistence.tables.charging import CHARGE, REJECTED_USAGE
from persistence.tables.company import MEMBER
from tests.schema.conftest import NOON, House
from tests.world import rate

RECORD_USAGE = """
mutation RecordUsage($input: RecordUsageInput!) { recordUsage(input: $input) { chargedCount rejectedCount
  results { eventId outcome rejection { code message field } } userErrors { code message field } } }
"""
RECORD_USAGE_WITH_COST = """
mutation RecordUsageWithCost($input: RecordUsageInput!) { recordUsage(input: $input) {
  totalCost { amount currencyCode }
  results { eventId outcome differingFields record { id cost { amount } walletSources }
    rejection { code rejectedUsage { id } } }
  userErrors { code message } } }
"""
EVERYTHING = """
mutation ($input: RecordUsageInput!) { recordUsage(input: $input) {
  chargedCount replayedCount conflictCount rejectedCount totalCost { amount }
  results { eventId outcome differingFields record { id source details { __typename
      ... on CallDetails { callId location { city } quality { score } }
      ... on MessageDetails { segmentCount encoding mediaCount deliveryStatus } } }
    rejection { code message field rejectedUsage { id eventId office { slug } attemptCount } } }
  userErrors { __typename code message field } } }
"""
REPLAY = """
mutation Replay($input: ReplayRejectedUsageInput!) { replayRejectedUsage(input: $input) {
  chargedCount rejectedCount userErrors { code } } }
"""
REJECTED = (
    "query Rejected { rejectedUsage(code: NO_RATE, first: 50) { nodes { id eventId message occurredAt } totalCount } }"
)
HQ = {"slug": "hq"}
TO_LONDON = "+442071234567"
BODY = "Your code is 4711. Do not tell anybody."


def call(event_id: str = "new", **changes: Any) -> dict[str, Any]:
    usage = {"direction": "OUTBOUND", "from": "+14155550100", "to": TO_LONDON, "durationSeconds": 60}
    top = {name: changes.pop(name) for name in ("office", "member", "occurredAt") if name in changes}
    return {"eventId": event_id, "occurredAt": "2026-03-01T13:00:00+01:00", "usage": {"call": usage | changes}, **top}


def usage(event_id: str, **kind: Any) -> dict[str, Any]:
    return {"eventId": event_id, "occurredAt": "2026-03-01T12:00:00Z", "usage": kind}


def message(event_id: str, content: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    ends = {"direction": "OUTBOUND", "traffic": "A2P", "from": "+14155550100", "to": "+12125550123"}
    return usage(event_id, message={**ends, "content": content, **changes})


def partner(house: House, **changes: Any) -> Viewer:
    return house.world.viewer(Role.PARTNER, name="Phone system", **changes)


async def record(
    house: House, *events: Mapping[str, Any], viewer: Viewer | None = None, query: str = EVERYTHING, **more: Any
) -> Any:
    input = {"office": HQ, "events": list(events), **more}
    data = await house.ask(query, {"input": input}, viewer or partner(house))
    return data["recordUsage"]


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
        (call("Zoë"), ["eventId"]),
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
    before = await _charge_count(small_house)
    answer = await record(small_house, call("good"), event)
    [error] = answer["userErrors"]
    assert (error["code"], error["field"]) == ("INVALID", ["events", "1", *field])
    assert (answer["results"], answer["totalCost"], answer["chargedCount"]) == (None, None, 0)
    assert await _charge_count(small_house) == before


async def _charge_count(house: House) -> int:
    return len(await house.database.rows(select(CHARGE.c.id)))


async def test_too_many_events_and_none_at_all(small_house: House) -> None:
    answer = await record(small_house, *(call(str(at)) for at in range(1001)))
    assert answer["userErrors"][0]["code"] == "TOO_HIGH"
    assert answer["userErrors"][0]["field"] == ["events"]
    nothing = await record(small_house)
    assert (nothing["results"], nothing["totalCost"], nothing["userErrors"]) == ([], {"amount": "0.000000"}, [])


async def test_the_source_is_the_caller_s_name_unless_named(small_house: House) -> None:
    named = await record(small_house, call(), source="sbc-7")
    own = await record(small_house, call())
    odd = await record(small_house, call(), viewer=_odd(small_house))
    viewer_id = (await small_house.ask("{ viewer { id } }", viewer=_odd(small_house)))["viewer"]["id"]
    assert [answer["results"][0]["outcome"] for answer in (named, own, odd)] == ["CHARGED"] * 3
    assert named["results"][0]["record"]["source"] == "sbc-7"
    assert own["results"][0]["record"]["source"] == "Phone system"
    assert odd["results"][0]["record"]["source"] == viewer_id


def _odd(house: House) -> Viewer:
    return house.world.viewer(Role.PARTNER, name="Zoë's phones")


@pytest.mark.parametrize("source", ["", "Zoë", "farebox:reversal"])
async def test_a_source_that_cannot_be_one_is_refused(small_house: House, source: str) -> None:
    [error] = (await record(small_house, call(), source=source))["userErrors"]
    assert (error["code"], error["field"]) == ("INVALID", ["source"])


async def test_an_office_may_be_named_by_id_slug_or_number_or_go_without_saying(house: House) -> None:
    berlin = {"office": {"phoneNumber": "+493012345678"}}
    answer = await record(
        house, call("slug"), call("id", office={"id": await house.office("lone")}), call("number", **berlin)
    )
    assert answer["chargedCount"] == 3
    rows = await house.database.rows(select(CHARGE.c.event_id, CHARGE.c.office_id))
    offices = {row.event_id: row.office_id for row in rows}
    world = house.world
    assert offices["slug"] == await world.office_id("hq")
    assert offices["id"] == await world.office_id("lone")
    assert offices["number"] == await world.office_id("berlin")
    limited = partner(house, office_ids=frozenset({await world.office_id("lone")}))
    assert (await record(house, call("mine"), office=None, viewer=limited))["chargedCount"] == 1
    [error] = (await record(house, call("whose"), office=None))["userErrors"]
    assert (error["code"], error["field"]) == ("REQUIRED", ["events", "0", "office"])


async def test_offices_of_others_malformed_ids_and_unknown_ones_get_one_answer(house: House) -> None:
    limited = partner(house, office_ids=frozenset({await house.world.office_id("lone")}))
    references = [
        {"id": f"off_{(await house.neighbour.office_id()).hex}"},
        {"phoneNumber": "+13125550100"},
        {"id": await house.office("hq")},
        {"slug": "berlin"},
        {"id": "nonsense"},
        {"id": "use_" + "0" * 32},
        {"slug": ""},
    ]
    before = await _charge_count(house)
    answer = await record(
        house, *(call(str(at), office=office) for at, office in enumerate(references)), viewer=limited
    )
    assert {str(result["rejection"]) for result in answer["results"]} == {str(answer["results"][0]["rejection"])}
    assert answer["results"][0]["rejection"]["code"] == "UNKNOWN_OFFICE"
    assert await _charge_count(house) == before


async def test_a_conflict_with_another_office_s_record_tells_nothing_of_it(house: House) -> None:
    await record(house, call("shared", office={"slug": "hq"}))
    lone = await house.world.office_id("lone")
    limited = partner(house, office_ids=frozenset({lone}))
    other = call("shared", office={"slug": "lone"}, durationSeconds=999)
    [result] = (await record(house, other, viewer=limited))["results"]
    assert (result["outcome"], result["record"], result["differingFields"]) == ("CONFLICT", None, ["office"])
    [whole] = (await record(house, other))["results"]
    assert whole["differingFields"] == ["office", "usage.call.durationSeconds"]


async def test_who_may_not_read_usage_sees_his_own_record_but_not_one_in_conflict(house: House) -> None:
    writer = partner(house, scopes=frozenset({PartnerScope.USAGE_WRITE}))
    [mine] = (await record(house, call(), viewer=writer))["results"]
    [conflict] = (await record(house, call(durationSeconds=1), viewer=writer))["results"]
    assert mine["record"] is not None
    assert (conflict["outcome"], conflict["record"]) == ("CONFLICT", None)


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


async def test_rejected_usage_is_listed_and_charged_by_a_replay(house: House) -> None:
    await record(house, call("early", occurredAt="2019-05-01T12:00:00Z"), call("kept", to="+900123456789"))
    listed = (await house.ask(REJECTED, viewer=partner(house)))["rejectedUsage"]
    assert (listed["totalCount"], listed["nodes"][0]["eventId"]) == (1, "early")
    assert await _replay(house, code="NO_RATE") == (0, 1)
    await house.world.deck([rate("0.50")], card="old", at=datetime(2019, 1, 1, tzinfo=UTC))
    assert await _replay(house, ids=[], code="NO_RATE") == (0, 0)
    assert await _replay(house, code="NO_RATE") == (1, 0)
    assert (await house.ask(REJECTED, viewer=partner(house)))["rejectedUsage"]["totalCount"] == 0
    blocked = await house.ask("{ rejectedUsage(code: BLOCKED) { nodes { id eventId } } }", viewer=partner(house))
    ids = {node["eventId"]: node["id"] for node in blocked["rejectedUsage"]["nodes"]}
    assert ids.keys() == {"barred", "kept"}
    await house.world.deck([rate("0.40", prefix="900", priority=1)], card="premium", at=NOON - timedelta(days=9))
    assert await _replay(house, ids=[ids["kept"]]) == (1, 0)
    assert await _replay(house) == (1, 0)
    assert await _replay(house) == (0, 0)


async def _replay(house: House, viewer: Viewer | None = None, **input: Any) -> tuple[int, int]:
    answer = (await house.ask(REPLAY, {"input": input}, viewer or partner(house)))["replayRejectedUsage"]
    assert answer["userErrors"] == []
    return answer["chargedCount"], answer["rejectedCount"]


async def test_a_replay_reaches_the_caller_s_offices_alone(house: House) -> None:
    blocked = await house.ask("{ rejectedUsage { nodes { id } } }", viewer=partner(house))
    [theirs] = [node["id"] for node in blocked["rejectedUsage"]["nodes"]]
    lone = partner(house, office_ids=frozenset({await house.world.office_id("lone")}))
    outsider = house.neighbour.viewer(Role.PARTNER)
    for viewer in (lone, outsider):
        assert await _replay(house, viewer, ids=[theirs]) == (0, 0)
        assert await _replay(house, viewer) == (0, 0)
    wrong = await house.ask(REPLAY, {"input": {"ids": ["use_" + "0" * 32]}}, partner(house))
    assert wrong["replayRejectedUsage"]["userErrors"] == [{"code": "INVALID"}]


async def test_who_may_report(house: House) -> None:
    world = house.world
    nobody = [
        world.viewer(Role.COMPANY_ADMIN),
        await house.office_admin("hq"),
        partner(house, scopes=frozenset(PartnerScope) - {PartnerScope.USAGE_WRITE}),
    ]
    before = await _charge_count(house)
    for viewer in nobody:
        answer = await record(house, call(), viewer=viewer)
        assert [error["code"] for error in answer["userErrors"]] == ["NOT_PERMITTED"]
        assert (answer["results"], answer["chargedCount"]) == (None, 0)
        replay = await house.ask(REPLAY, {"input": {}}, viewer)
        assert replay["replayRejectedUsage"]["userErrors"] == [{"code": "NOT_PERMITTED"}]
    assert await _charge_count(house) == before
    for viewer in (world.viewer(Role.OPERATOR), partner(house, scopes=frozenset({PartnerScope.USAGE_WRITE}))):
        assert (await record(house, call(viewer.name), viewer=viewer))["chargedCount"] == 1
    homeless = world.viewer(Role.OPERATOR, company_id=None)
    assert (await record(house, call(), viewer=homeless))["userErrors"][0]["code"] == "NOT_FOUND"


async def test_an_outsider_s_key_is_his_own(house: House) -> None:
    await record(house, call("same"), source="pbx")
    outsider = house.neighbour.viewer(Role.PARTNER)
    [result] = (await record(house, call("same"), source="pbx", viewer=outsider))["results"]
    assert result["outcome"] == "CHARGED"


async def test_members_are_created_with_the_name_given(house: House) -> None:
    await record(house, call(member={"externalId": "u77", "name": "Zoë"}))
    rows = await house.database.rows(MEMBER.select().where(MEMBER.c.external_id == "u77"))
    assert [(row.name, row.company_id) for row in rows] == [("Zoë", house.world.company_id)]


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
