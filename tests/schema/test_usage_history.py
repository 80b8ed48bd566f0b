"""The usage history as screens ask for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from domain.access import PartnerScope, Role
from domain.stories.charge import reverse_usage
from persistence.database import Database
from schema.ids import IdKind, require
from tests.schema.conftest import House
from tests.world import call, office

MONEY = "{ amount currencyCode }"
ROW = f"""
  id source eventId occurredAt recordedAt service usageType direction durationSeconds isBookedLate state billingMonth
  office {{ id name }} member {{ id name }} group {{ id name kind }} contact {{ id name phoneNumbers }}
  phoneNumber {{ text kind phoneNumber regionCode }} quantity {{ value unit }} walletSources
  cost {MONEY} listPrice {MONEY} rate {{ amount currencyCode unit billingIncrement {{ label }} destination
  connectionFee {MONEY} }}
"""
PANEL = f"""
  allocations {{ source wallet {{ id kind }} quantity {{ value unit }} amount {MONEY} }} explanation
  reverses {{ id occurredAt }} reversedBy {{ id occurredAt }}
  details {{ __typename
    ... on CallDetails {{ callId from {{ text }} to {{ text kind }} direction durationSeconds billedSeconds
      location {{ countryCode region city }} ratePerMinute billingIncrement {{ label }} quality {{ score }} }}
    ... on MessageDetails {{ messageId from {{ text }} to {{ text }} direction segmentCount encoding mediaCount
      ratePerMessage deliveryStatus }}
    ... on FaxDetails {{ faxId faxLine {{ text }} from {{ text }} to {{ text }} pageCount ratePerPage status }}
    ... on AiAgentDetails {{ conversationId mode durationSeconds skillsTriggered actionsExecuted
      sessionsConsumedCount }}
    ... on SessionDetails {{ sessionId channel durationSeconds sessionsConsumedCount }}
  }}
"""
HISTORY = f"""query History($filter: UsageHistoryFilter, $orderBy: UsageOrder, $first: Int, $after: String, $last: Int,
    $before: String) {{
  usageHistory(filter: $filter, orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before) {{
    totalCount totalCost {MONEY} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}
    edges {{ cursor node {{ {ROW} {PANEL} }} }}
  }}
}}"""
IDS = """query ($filter: UsageHistoryFilter, $orderBy: UsageOrder, $first: Int, $after: String, $last: Int,
    $before: String) {
  usageHistory(filter: $filter, orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before) {
    totalCount totalCost { amount } nodes { eventId cost { amount } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor } } }"""


async def found(house: House, filter: dict[str, Any], **more: Any) -> list[str]:
    data = await house.ask(IDS, {"filter": filter, "first": 100}, **more)
    nodes = data["usageHistory"]["nodes"]
    assert data["usageHistory"]["totalCount"] == len(nodes)
    total = sum(int(node["cost"]["amount"].replace(".", "")) for node in nodes)
    assert int(data["usageHistory"]["totalCost"]["amount"].replace(".", "")) == total
    return [node["eventId"] for node in nodes]


async def test_every_service_shows_its_details(house: House) -> None:
    edges = (await house.ask(HISTORY, {"filter": {"officeIds": [await house.office()]}}))["usageHistory"]["edges"]
    records = {edge["node"]["eventId"]: edge["node"] for edge in edges}
    assert list(records)[:5] == ["chat", "ivr", "ai", "fax", "sms"]
    assert set(records) == {"chat", "ivr", "ai", "fax", "sms", "abroad", "missed", "call"}

    made = records["call"]
    assert (made["member"]["name"], made["group"]["name"], made["contact"]["name"]) == (
        "Front desk",
        "Support",
        "Zürich's depot 100%",
    )
    assert made["phoneNumber"] == {
        "text": "+14155550100",
        "kind": "E164",
        "phoneNumber": "+14155550100",
        "regionCode": "US",
    }
    assert (made["listPrice"]["amount"], made["cost"]["amount"]) == ("0.200000", "0.120000")
    assert [(part["source"], part["quantity"]["value"], part["amount"]["amount"]) for part in made["allocations"]] == [
        ("PLAN", "240", "0.080000"),
        ("CALLING", "360", "0.120000"),
    ]
    assert made["allocations"][0]["wallet"] is None
    assert made["allocations"][1]["wallet"]["kind"] == "CALLING"
    assert made["explanation"] == [
        "The call lasted 600 seconds and was billed as 600 seconds: in steps of 1 second.",
        "At 0.02 USD per minute its price is 0.20 USD.",
        "The plan allowance covered 240 of the 600 seconds, worth 0.08 USD; then it was used up.",
        "Calling credits paid 0.12 USD.",
    ]
    details = made["details"]
    assert (details["callId"], details["location"]["city"], details["quality"]["score"]) == ("sip-1", "New York", "4.3")
    assert details["ratePerMinute"] == "0.020000000"
    assert records["missed"]["explanation"][0] == "The call was not answered: nothing is billed."
    assert records["missed"]["walletSources"] == []
    assert records["sms"]["details"]["deliveryStatus"] == "DELIVERED"
    assert records["fax"]["details"]["pageCount"] == 5
    assert records["fax"]["details"]["faxLine"]["text"] == "+14155550100"
    assert records["ai"]["details"]["actionsExecuted"] == ["mail", "book"]
    assert records["ai"]["rate"]["billingIncrement"] is None
    assert records["ivr"]["details"]["sessionsConsumedCount"] == 2
    assert records["chat"]["details"]["channel"] == "web chat"
    assert "No prepaid commitment pays for omnichannel usage." in records["chat"]["explanation"]


async def test_filters_narrow_and_totals_agree(house: House) -> None:
    hq = await house.office()
    assert len(await found(house, {})) == 20
    assert await found(house, {"services": ["FAX", "AI_AGENT"]}) == ["ai", "fax"]
    assert await found(house, {"usageTypes": ["INTERNATIONAL"], "officeIds": [hq]}) == ["abroad"]
    assert await found(house, {"walletSources": ["PLAN"]}) == ["fax", "call"]
    assert await found(house, {"walletSources": ["AI_AGENT"]}) == ["ai"]
    assert await found(house, {"walletSources": ["CALLING"]}) == ["fax", "sms", "abroad", "call"]
    assert await found(house, {"walletSources": ["UNIVERSAL"], "officeIds": [hq]}) == ["chat", "ivr"]
    assert await found(house, {"walletSources": []}) == []
    assert await found(house, {"officeIds": []}) == []
    assert await found(house, {"officeIds": ["off_" + "0" * 32]}) == []
    assert await found(house, {"direction": "INBOUND"}) == ["missed"]
    assert await found(house, {"cost": {"min": "0.1", "max": "0.2"}}) == ["ivr", "abroad", "call"]
    assert await found(house, {"cost": {"max": "0"}}) == ["missed"]
    assert await found(house, {"bookedLate": True}) == []
    assert len(await found(house, {"bookedLate": False, "month": "2026-03"})) == 8
    assert len(await found(house, {"month": "2026-02"})) == 12
    assert await found(house, {"occurredAt": {"from": "2026-03-01T17:00:00Z", "until": "2026-03-01T18:00:00Z"}}) == [
        "ivr"
    ]


async def test_a_party_s_usage_is_found(house: House) -> None:
    parties = (await house.ask("{ usageParties { nodes { __typename ... on Node { id } } } }"))["usageParties"]["nodes"]
    ids = {party["__typename"]: party["id"] for party in parties}
    assert await found(house, {"party": {"memberId": ids["Member"]}}) == ["abroad", "call"]
    assert await found(house, {"party": {"groupId": ids["Group"]}, "services": ["MESSAGING"]}) == ["sms"]
    assert await found(house, {"party": {"contactId": ids["Contact"]}}) == ["call"]
    assert await found(house, {"party": {"phoneNumber": "+12125550199"}}) == ["fax"]
    assert set(await found(house, {"party": {"phoneNumber": "+14155550100"}})) == {
        *("call", "abroad", "missed", "sms", "fax")
    }


@pytest.mark.parametrize("order", ["OCCURRED_AT_DESC", "OCCURRED_AT_ASC"])
async def test_pages_from_either_end_make_the_whole_list(house: House, order: str) -> None:
    whole = (await house.ask(IDS, {"orderBy": order, "first": 100}))["usageHistory"]["nodes"]
    assert len(whole) == 20
    forward, after = [], None
    while True:
        page = (await house.ask(IDS, {"orderBy": order, "first": 7, "after": after}))["usageHistory"]
        assert page["pageInfo"]["hasPreviousPage"] == (after is not None)
        forward += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    backward: list[Any] = []
    before = None
    while True:
        page = (await house.ask(IDS, {"orderBy": order, "last": 7, "before": before}))["usageHistory"]
        backward = page["nodes"] + backward
        before = page["pageInfo"]["startCursor"]
        if not page["pageInfo"]["hasPreviousPage"]:
            break
    assert forward == backward == whole


async def test_a_page_between_two_cursors_holds_what_lies_between(small_house: House) -> None:
    edges = (await small_house.ask(IDS, {"first": 20}))["usageHistory"]
    cursors = [edge["cursor"] for edge in edges["edges"]]
    part = (await small_house.ask(IDS, {"after": cursors[2], "before": cursors[8], "last": 2}))["usageHistory"]
    assert part["nodes"] == edges["nodes"][6:8]
    assert part["pageInfo"]["hasPreviousPage"]
    assert (await small_house.ask(IDS, {"first": 0}))["usageHistory"]["nodes"] == []


async def test_cursors_are_good_for_their_own_list_alone(small_house: House) -> None:
    cursor = (await small_house.ask(IDS, {"first": 3}))["usageHistory"]["pageInfo"]["endCursor"]
    changed = ("A" if cursor[0] != "A" else "B") + cursor[1:]
    for variables in (
        {"after": changed},
        {"after": cursor + "="},
        {"after": cursor[:-2]},
        {"after": "ü"},
        {"after": ""},
        {"after": cursor, "filter": {"services": ["FAX"]}},
        {"after": cursor, "orderBy": "OCCURRED_AT_ASC"},
    ):
        assert "belongs to another list" in await small_house.refusal(IDS, variables)
    neighbour = small_house.neighbour.viewer(Role.COMPANY_ADMIN)
    assert "belongs to another list" in await small_house.refusal(IDS, {"after": cursor}, neighbour)


async def test_bad_arguments_are_refused_with_a_way_out(small_house: House) -> None:
    wallet = (await small_house.ask("{ wallets { id } }"))["wallets"][0]["id"]
    cases: list[tuple[dict[str, Any], str]] = [
        ({"first": 1, "last": 1}, "not both"),
        ({"first": 101}, "0 to 100"),
        ({"last": -1}, "0 to 100"),
        ({"filter": {"month": "2026-03", "occurredAt": {}}}, "not both"),
        ({"filter": {"occurredAt": {"from": "2026-03-02T00:00:00Z", "until": "2026-03-01T00:00:00Z"}}}, "before"),
        ({"filter": {"cost": {"min": "2", "max": "1"}}}, "above"),
        ({"filter": {"cost": {"min": "0.0000001"}}}, "more than 6 decimals"),
        ({"filter": {"officeIds": [wallet]}}, "is not the id of an office"),
        ({"filter": {"officeIds": ["off_" + "0" * 32] * 101}}, "at most 100"),
        ({"filter": {"party": {"memberId": wallet}}}, "not the id of a member"),
    ]
    for variables, words in cases:
        assert words in await small_house.refusal(IDS, variables), variables


async def test_an_office_admin_sees_only_his_offices(house: House) -> None:
    berlin = await house.office_admin("berlin")
    assert len(await found(house, {}, viewer=berlin)) == 12
    assert await found(house, {"officeIds": [await house.office()]}, viewer=berlin) == []
    assert len(await found(house, {}, viewer=await house.office_admin("berlin", "hq"))) == 20
    assert await found(house, {}, viewer=await house.office_admin()) == []


async def test_partners_need_the_scope_and_see_wallets_only_with_theirs(small_house: House) -> None:
    writer = small_house.world.viewer(Role.PARTNER, scopes=frozenset({PartnerScope.USAGE_WRITE}))
    assert "VIEW_USAGE" in await small_house.refusal(IDS, viewer=writer)
    reader = small_house.world.viewer(Role.PARTNER, scopes=frozenset({PartnerScope.USAGE_READ}))
    data = await small_house.ask(HISTORY, viewer=reader)
    parts = [part for edge in data["usageHistory"]["edges"] for part in edge["node"]["allocations"]]
    assert parts
    assert all(part["wallet"] is None for part in parts)


async def test_a_reversal_shows_both_halves(house: House) -> None:
    record = await house.ask(IDS.replace("eventId", "id eventId"), {"filter": {"services": ["FAX"]}})
    fax = record["usageHistory"]["nodes"][0]["id"]
    await reverse_usage(
        house.world.begin,
        house.world.viewer(),
        charge_id=require(IdKind.USAGE_RECORD, fax),
        key="k1",
        reason="by mistake",
        now=house.world.now,
    )
    edges = (await house.ask(HISTORY, {"filter": {"services": ["FAX"]}}))["usageHistory"]
    back, original = (edge["node"] for edge in edges["edges"])
    assert (back["state"], original["state"]) == ("REVERSAL", "REVERSED")
    assert back["reverses"]["id"] == original["id"] == fax
    assert original["reversedBy"]["id"] == back["id"]
    assert (back["cost"]["amount"], back["quantity"]["value"]) == ("-0.060000", "-5")
    assert back["details"]["pageCount"] == 5
    assert [part["quantity"]["value"] for part in back["allocations"]] == ["-3", "-2"]
    assert back["explanation"] == [
        "This takes back an earlier charge of 0.15 USD.",
        "The plan allowance got back 3 pages, worth 0.09 USD.",
        "Calling credits got back 0.06 USD.",
    ]
    assert (edges["totalCount"], edges["totalCost"]["amount"]) == (2, "0.000000")


async def test_one_record_is_found_by_its_id_or_not_at_all(house: House) -> None:
    query = f"query ($id: ID!) {{ usageRecord(id: $id) {{ {ROW} {PANEL} }} }}"
    listed = (await house.ask(HISTORY, {"first": 1}))["usageHistory"]["edges"][0]["node"]
    assert (await house.ask(query, {"id": listed["id"]}))["usageRecord"] == listed
    theirs = await house.ask(IDS.replace("eventId", "id"), viewer=house.neighbour.viewer(Role.COMPANY_ADMIN))
    for other in (theirs["usageHistory"]["nodes"][0]["id"], "garbage", "use_" + "0" * 32, listed["office"]["id"]):
        assert (await house.ask(query, {"id": other}))["usageRecord"] is None
    lone = await house.office_admin("lone")
    assert (await house.ask(query, {"id": listed["id"]}, lone))["usageRecord"] is None


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement != "BEGIN":
            statements.append(statement)

    engine = database._readers.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def test_a_page_of_a_hundred_with_everything_costs_a_few_statements(house: House) -> None:
    slugs = [f"branch-{number}" for number in range(20)]
    house.world.slug = "many"
    await house.world.set_up(*(office(slug, phone_numbers=()) for slug in slugs))
    noon = house.world.now - timedelta(hours=1)
    await house.world.record(
        *(call(f"{slug}-{n}", noon + timedelta(seconds=n), office=slug) for slug in slugs for n in range(7))
    )
    with counted(house.database) as statements:
        few = (await house.ask(HISTORY, {"first": 5}))["usageHistory"]
    with counted(house.database) as more_statements:
        many = (await house.ask(HISTORY, {"first": 100}))["usageHistory"]
    assert (len(few["edges"]), len(many["edges"]), many["totalCount"]) == (5, 100, 140)
    assert len([text for text in more_statements if "FROM charge" in text]) == 1
    # The page; the totals; their currency; what is due for renewal; the wallets behind the allocations.
    assert len(more_statements) == len(statements) <= 6, more_statements
