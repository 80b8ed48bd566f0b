"""Who may report usage, under which source and for which offices; and what was rejected, replayed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from domain.access import PartnerScope, Role, Viewer
from persistence.tables.charging import CHARGE
from tests.schema.conftest import NOON, House
from tests.schema.reporting import REJECTED, REPLAY, call, charge_count, partner, record
from tests.world import rate


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
    return house.world.viewer(Role.PARTNER, name="Zürich's phones")


@pytest.mark.parametrize("source", ["", "Zürich", "farebox:reversal"])
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
    before = await charge_count(house)
    answer = await record(
        house, *(call(str(at), office=office) for at, office in enumerate(references)), viewer=limited
    )
    assert {str(result["rejection"]) for result in answer["results"]} == {str(answer["results"][0]["rejection"])}
    assert answer["results"][0]["rejection"]["code"] == "UNKNOWN_OFFICE"
    assert await charge_count(house) == before


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
    before = await charge_count(house)
    for viewer in nobody:
        answer = await record(house, call(), viewer=viewer)
        assert [error["code"] for error in answer["userErrors"]] == ["NOT_PERMITTED"]
        assert (answer["results"], answer["chargedCount"]) == (None, 0)
        replay = await house.ask(REPLAY, {"input": {}}, viewer)
        assert replay["replayRejectedUsage"]["userErrors"] == [{"code": "NOT_PERMITTED"}]
    assert await charge_count(house) == before
    for viewer in (world.viewer(Role.OPERATOR), partner(house, scopes=frozenset({PartnerScope.USAGE_WRITE}))):
        assert (await record(house, call(viewer.name), viewer=viewer))["chargedCount"] == 1
    homeless = world.viewer(Role.OPERATOR, company_id=None)
    assert (await record(house, call(), viewer=homeless))["userErrors"][0]["code"] == "NOT_FOUND"


async def test_an_outsider_s_key_is_his_own(house: House) -> None:
    await record(house, call("same"), source="pbx")
    outsider = house.neighbour.viewer(Role.PARTNER)
    [result] = (await record(house, call("same"), source="pbx", viewer=outsider))["results"]
    assert result["outcome"] == "CHARGED"
