"""Holds over the wire: authorized, extended, captured, released; quotes, and what shows in wallets and offices."""

from datetime import timedelta
from typing import Any

import pytest
from graphql import DocumentNode, OperationDefinitionNode, parse, validate

from domain.access import PartnerScope, Role, Viewer
from schema.root import schema
from tests.schema.conftest import House
from tests.schema.test_operations import OPERATIONS
from tests.world import allowance, office, rate

HOLD = """{ id source eventId state service office { slug } granted { value unit } amount { amount }
  rate { amount unit billingIncrement { label } } allocations { source quantity { value } amount { amount } }
  captured { amount } expiresAt usageRecord { id } }"""
ERRORS = "userErrors { __typename code field ... on IdempotencyUserError { differingFields } }"
AUTHORIZE = f"""mutation ($input: AuthorizeUsageInput!) {{ authorizeUsage(input: $input) {{
  hold {HOLD} refusal {{ reason message }} isReplayed {ERRORS} }} }}"""
EXTEND = f"""mutation ($input: ExtendHoldInput!) {{ extendHold(input: $input) {{
  hold {HOLD} refusal {{ reason }} {ERRORS} }} }}"""
CAPTURE = f"""mutation ($input: CaptureHoldInput!) {{ captureHold(input: $input) {{ hold {HOLD}
  result {{ outcome record {{ id cost {{ amount }} }} rejection {{ code }} }} {ERRORS} }} }}"""
RELEASE = f"mutation ($input: ReleaseHoldInput!) {{ releaseHold(input: $input) {{ hold {HOLD} {ERRORS} }} }}"
QUOTE = """query ($input: QuoteUsageInput!) { quoteUsage(input: $input) { usageType quantity { value unit }
  rate { amount } listPrice { amount } allocations { source amount { amount } wallet { kind } }
  canStart refusal { reason } explanation } }"""
RESERVED = "{ wallets { office { slug } kind reserved { amount } available { amount } } }"
PHONE_SYSTEM = frozenset({PartnerScope.HOLDS_WRITE})
LONE = {"slug": "lone"}


def system(house: House, **changes: Any) -> Viewer:
    """A partner that may hold funds and nothing else."""
    return house.world.viewer(Role.PARTNER, name="Phone system", scopes=PHONE_SYSTEM, **changes)


def wanted(event_id: str = "e1", **changes: Any) -> dict[str, Any]:
    ends = {"from": "+14155550100", "to": "+442071234567"}
    kind = {"service": "CALLING", "direction": "OUTBOUND", "quantity": 300}
    return {"eventId": event_id, "office": LONE, **ends, **kind, **changes}


def call(house: House, event_id: str = "e1", seconds: int = 90) -> dict[str, Any]:
    usage = {"direction": "OUTBOUND", "from": "+14155550100", "to": "+442071234567", "durationSeconds": seconds}
    return {"eventId": event_id, "occurredAt": house.world.now.isoformat(), "usage": {"call": usage}}


async def send(house: House, query: str, input: dict[str, Any], viewer: Viewer | None = None) -> Any:
    [payload] = (await house.ask(query, {"input": input}, viewer or system(house))).values()
    return payload


async def authorized(house: House, **changes: Any) -> Any:
    payload = await send(house, AUTHORIZE, wanted(**changes))
    assert payload["userErrors"] == []
    return payload["hold"]


async def reserved(house: House, slug: str = "lone") -> list[tuple[str, str]]:
    wallets = (await house.ask(RESERVED))["wallets"]
    return [
        (wallet["reserved"]["amount"], wallet["available"]["amount"])
        for wallet in wallets
        if wallet["office"]["slug"] == slug and wallet["kind"] == "UNIVERSAL"
    ]


async def test_a_call_is_authorized_extended_and_captured(house: House) -> None:
    hold = await authorized(house)
    assert (hold["source"], hold["state"], hold["office"]) == ("Phone system", "ACTIVE", LONE)
    assert hold["granted"] == {"value": "300", "unit": "SECOND"}
    assert (hold["amount"], hold["captured"], hold["usageRecord"]) == ({"amount": "0.500000"}, None, None)
    assert hold["rate"]["billingIncrement"] == {"label": "1/1"}
    universal = {"source": "UNIVERSAL", "quantity": {"value": "300"}, "amount": {"amount": "0.500000"}}
    assert hold["allocations"] == [universal]
    assert hold["expiresAt"] == "2026-03-03T01:00:00Z"
    assert await reserved(house) == [("0.500000", "1.500000")]

    more = await send(house, EXTEND, {"holdId": hold["id"], "quantity": 900})
    assert (more["refusal"], more["hold"]["granted"]["value"], more["userErrors"]) == (None, "900", [])
    assert await reserved(house) == [("1.500000", "0.500000")]

    done = await send(house, CAPTURE, {"holdId": hold["id"], "event": call(house)})
    assert (done["result"]["outcome"], done["result"]["record"]["cost"]) == ("CHARGED", {"amount": "0.150000"})
    assert (done["hold"]["state"], done["hold"]["captured"]) == ("CAPTURED", {"amount": "0.150000"})
    assert done["hold"]["usageRecord"] is None  # it may not read the history
    again = await send(house, CAPTURE, {"holdId": hold["id"], "event": call(house)})
    assert again["result"]["outcome"] == "REPLAYED"
    assert await reserved(house) == [("0.000000", "1.850000")]
    seen = await house.ask(
        "query ($id: ID!) { hold(id: $id) { usageRecord { id } } node(id: $id) { __typename } }", hold
    )
    assert seen["hold"]["usageRecord"]["id"] == again["result"]["record"]["id"]
    assert seen["node"] == {"__typename": "Hold"}


@pytest.mark.parametrize("name", ["Authorize", "Extend", "Capture", "Release", "Quote"])
def test_the_operation_a_phone_system_sends_is_understood(name: str) -> None:
    if not OPERATIONS.exists():
        pytest.skip("the proposal is not beside this checkout")
    [operation] = [
        node
        for node in parse(OPERATIONS.read_text()).definitions
        if isinstance(node, OperationDefinitionNode) and node.name and node.name.value == name
    ]
    assert validate(schema._schema, DocumentNode(definitions=(operation,))) == []


async def test_a_request_sent_again_answers_the_hold_as_it_is(house: House) -> None:
    first = await send(house, AUTHORIZE, wanted())
    again = await send(house, AUTHORIZE, wanted())
    assert again == {**first, "isReplayed": True}
    released = await send(house, RELEASE, {"holdId": first["hold"]["id"]})
    assert released["hold"]["state"] == "RELEASED"
    assert await send(house, RELEASE, {"holdId": first["hold"]["id"]}) == released
    third = await send(house, AUTHORIZE, wanted())
    assert (third["isReplayed"], third["hold"]) == (True, released["hold"])
    other = await send(house, AUTHORIZE, wanted(quantity=60, direction="INBOUND"))
    [error] = other["userErrors"]
    assert (error["code"], error["field"]) == ("IDEMPOTENCY_CONFLICT", ["eventId"])
    assert error["differingFields"] == ["direction", "quantity"]


async def test_a_refusal_is_an_answer(house: House) -> None:
    barred = await send(house, AUTHORIZE, wanted(to="+900123456789"))
    assert (barred["hold"], barred["refusal"]["reason"], barred["userErrors"]) == (None, "BLOCKED", [])
    await authorized(house, quantity=600, eventId="a")
    await authorized(house, quantity=600, eventId="b")
    poor = await send(house, AUTHORIZE, wanted())
    assert poor["refusal"]["reason"] == "INSUFFICIENT_FUNDS"
    assert await reserved(house) == [("2.000000", "0.000000")]


async def test_what_has_ended_cannot_be_extended_or_released(house: House) -> None:
    hold = await authorized(house)
    await send(house, CAPTURE, {"holdId": hold["id"], "event": call(house)})
    for query, input in ((EXTEND, {"quantity": 900}), (RELEASE, {})):
        [error] = (await send(house, query, {"holdId": hold["id"], **input}))["userErrors"]
        assert (error["code"], error["field"]) == ("HOLD_RESOLVED", ["holdId"])
    other = await authorized(house, eventId="other", holdSeconds=60)
    house.world.now += timedelta(seconds=60)
    [error] = (await send(house, EXTEND, {"holdId": other["id"], "quantity": 900}))["userErrors"]
    assert error["code"] == "HOLD_EXPIRED"
    seen = await house.ask("query ($id: ID!) { hold(id: $id) { state } }", {"id": other["id"]})
    assert seen["hold"] == {"state": "EXPIRED"}
    assert await reserved(house) == [("0.000000", "1.850000")]
    [error] = (await send(house, AUTHORIZE, wanted("again", eventId="call", source="test")))["userErrors"]
    assert (error["code"], error["field"]) == ("HOLD_RESOLVED", ["eventId"])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"quantity": 0}, "quantity"),
        ({"quantity": 604_801}, "quantity"),
        ({"service": "MESSAGING", "quantity": 256}, "quantity"),
        ({"holdSeconds": 59}, "holdSeconds"),
        ({"holdSeconds": 86_401}, "holdSeconds"),
        ({"eventId": ""}, "eventId"),
        ({"source": "farebox:own"}, "source"),
        ({"to": ""}, "to"),
        ({"to": "1" * 65}, "to"),
        ({"service": "MESSAGING", "from": None, "quantity": 1}, "from"),
    ],
)
async def test_a_request_has_bounds(small_house: House, changes: dict[str, Any], field: str) -> None:
    payload = await send(small_house, AUTHORIZE, wanted(**changes))
    [error] = payload["userErrors"]
    assert (payload["hold"], error["code"], error["field"]) == (None, "INVALID", [field])


async def test_an_extension_and_a_capture_have_bounds(small_house: House) -> None:
    hold = await authorized(small_house)
    for query, input, code, field in (
        (EXTEND, {}, "REQUIRED", ["quantity"]),
        (EXTEND, {"quantity": 0}, "INVALID", ["quantity"]),
        (EXTEND, {"expiresAt": small_house.world.now.isoformat()}, "INVALID", ["expiresAt"]),
        (CAPTURE, {"event": call(small_house, "another")}, "INVALID", ["event", "eventId"]),
        (CAPTURE, {"event": {**call(small_house), "office": {"slug": "hq"}}}, "INVALID", ["event", "office"]),
    ):
        [error] = (await send(small_house, query, {"holdId": hold["id"], **input}))["userErrors"]
        assert (error["code"], error["field"]) == (code, field)


@pytest.mark.parametrize(
    ("service", "quantity", "granted", "amount"),
    [("MESSAGING", 3, "3", "0.030000"), ("FAX", 4, "4", "0.120000"), ("AI_AGENT", 9, "4", "2.000000"),
     ("SPEECH_IVR", 2, "2", "0.100000"), ("OMNICHANNEL", 1, "1", "0.070000")],
)  # fmt: skip
async def test_every_service_can_be_authorized(
    small_house: House, service: str, quantity: int, granted: str, amount: str
) -> None:
    hold = await authorized(small_house, service=service, quantity=quantity)
    assert (hold["granted"]["value"], hold["amount"]["amount"]) == (granted, amount)


async def test_plan_and_commitment_are_held_in_their_order(house: House) -> None:
    """Of hq: 240 seconds of the plan are used up; AI agent credits pay for AI, and calling credits for calls."""
    hold = await authorized(house, office={"slug": "hq"}, quantity=600)
    assert [part["source"] for part in hold["allocations"]] == ["CALLING", "UNIVERSAL"]
    assert [part["amount"]["amount"] for part in hold["allocations"]] == ["0.708333", "0.291667"]
    fax = await authorized(house, eventId="f", office={"slug": "hq"}, service="FAX", quantity=2)
    assert [part["source"] for part in fax["allocations"]] == ["UNIVERSAL"]


async def test_a_quote_says_what_a_call_would_cost_and_whether_it_may_begin(house: House) -> None:
    usage = {"call": call(house, seconds=60)["usage"]["call"]}
    admin = house.world.viewer(Role.COMPANY_ADMIN)
    told = await send(house, QUOTE, {"office": {"slug": "hq"}, "usage": usage}, admin)
    assert (told["usageType"], told["quantity"]) == ("INTERNATIONAL", {"value": "60", "unit": "SECOND"})
    assert told["listPrice"] == {"amount": "0.100000"}
    assert told["allocations"] == [
        {"source": "CALLING", "amount": {"amount": "0.100000"}, "wallet": {"kind": "CALLING"}}
    ]
    assert (told["canStart"], told["refusal"]) == (True, None)
    assert told["explanation"][0].startswith("The call lasted 60 seconds")
    await authorized(house, quantity=600, eventId="a")
    await authorized(house, quantity=600, eventId="b")
    held = await send(house, QUOTE, {"office": LONE, "usage": usage}, admin)
    assert (held["canStart"], held["refusal"]) == (False, {"reason": "INSUFFICIENT_FUNDS"})
    assert held["allocations"][0]["amount"] == {"amount": "0.100000"}  # a charge draws on balances all the same
    usage["call"]["to"] = "+900123456789"
    barred = await send(house, QUOTE, {"office": LONE, "usage": usage}, admin)
    assert (barred["rate"], barred["allocations"], barred["refusal"]) == (None, [], {"reason": "BLOCKED"})
    assert await send(house, QUOTE, {"office": {"slug": "nowhere"}, "usage": usage}, admin) is None


async def test_a_quote_of_another_moment_has_that_moments_rate(house: House) -> None:
    world = house.world
    await world.deck((rate("9", prefix="44"),), card="dear", at=world.now + timedelta(minutes=30))
    usage = {"call": call(house, seconds=60)["usage"]["call"]}
    for minutes, price in ((0, "0.100000"), (31, "9.000000")):
        at = (world.now + timedelta(minutes=minutes)).isoformat()
        told = await send(house, QUOTE, {"office": LONE, "at": at, "usage": usage}, system(house))
        assert told["listPrice"]["amount"] == price
    at = (world.now + timedelta(minutes=61)).isoformat()
    assert "hour" in await house.refusal(QUOTE, {"input": {"office": LONE, "at": at, "usage": usage}}, system(house))


async def test_an_office_can_spend_while_anything_is_left_above_holds(house: House) -> None:
    query = "{ offices { nodes { slug canSpend } } }"

    async def able() -> dict[str, bool]:
        nodes = (await house.ask(query))["offices"]["nodes"]
        return {node["slug"]: node["canSpend"] for node in nodes}

    assert await able() == {"hq": True, "berlin": False, "lone": True}
    await authorized(house, quantity=600, eventId="a")
    await authorized(house, quantity=600, eventId="b")
    assert (await able())["lone"] is False
    await house.world.apply(office("hq", is_suspended=True), office("berlin"), office("lone"))
    assert await able() == {"hq": False, "berlin": False, "lone": False}


async def test_who_may_hold_and_see_holds(house: House) -> None:
    hold = await authorized(house)
    admin = house.world.viewer(Role.COMPANY_ADMIN)
    reader = house.world.viewer(Role.PARTNER, scopes=frozenset({PartnerScope.USAGE_READ}))
    for viewer in (admin, reader):
        for query, input in (
            (AUTHORIZE, wanted("x")),
            (EXTEND, {"holdId": hold["id"], "quantity": 900}),
            (CAPTURE, {"holdId": hold["id"], "event": call(house)}),
            (RELEASE, {"holdId": hold["id"]}),
        ):
            [error] = (await send(house, query, input, viewer))["userErrors"]
            assert error["code"] == "NOT_PERMITTED"
    show = "query ($id: ID!) { hold(id: $id) { id } }"
    assert (await house.ask(show, hold, admin))["hold"] == {"id": hold["id"]}
    assert "permission" in await house.refusal(show, hold, reader)
    hq = system(house, office_ids=frozenset({await house.world.office_id("hq")}))
    assert (await house.ask(show, hold, hq))["hold"] is None
    [error] = (await send(house, RELEASE, {"holdId": hold["id"]}, hq))["userErrors"]
    assert (error["code"], error["field"]) == ("NOT_FOUND", ["holdId"])
    assert await reserved(house) == [("0.500000", "1.500000")]


async def test_what_is_held_of_the_plan_is_shown_as_held(small_house: House) -> None:
    await small_house.world.apply(office("pier", allowances=(allowance(600),)))
    hold = await authorized(small_house, office={"slug": "pier"}, to="+12125550123", quantity=180)
    assert hold["granted"] == {"value": "180", "unit": "SECOND"}
    usage = "{ service committed spent reserved available }"
    query = f"{{ company {{ planUsageTotals {usage} }} offices {{ nodes {{ slug planUsage {usage} }} }} }}"
    answer = await small_house.ask(query)
    held = {"service": "CALLING", "committed": "600", "spent": "0", "reserved": "180", "available": "420"}
    assert [node["planUsage"] for node in answer["offices"]["nodes"] if node["slug"] == "pier"] == [[held]]
    assert answer["company"]["planUsageTotals"][0] == {**held, "committed": "840", "spent": "240"}
