"""Administrators manage the endpoints of partners: shown once is shown once, and only to whom it may be."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from api.deliveries import Deliveries
from api.sealing import FernetBox
from domain.access import Role
from domain.ledger import Books
from domain.news import News, Topic
from schema.ids import IdKind, decode, encode
from tests.schema.conftest import House

ERRORS = "userErrors { code field message }"
CREATE = f"""mutation ($url: URL!, $topics: [WebhookTopic!]!) {{
  createWebhookEndpoint(input: {{ url: $url, topics: $topics }}) {{
    webhookEndpoint {{ id url topics isEnabled }} secret {ERRORS} }} }}"""
UPDATE = f"""mutation ($input: UpdateWebhookEndpointInput!) {{
  updateWebhookEndpoint(input: $input) {{ webhookEndpoint {{ id url topics isEnabled }} {ERRORS} }} }}"""
ROTATE = f"""mutation ($id: ID!) {{
  rotateWebhookSecret(input: {{ id: $id }}) {{ webhookEndpoint {{ id }} secret {ERRORS} }} }}"""
REPLAY = f"""mutation ($id: ID!) {{
  replayWebhookDelivery(input: {{ id: $id }}) {{ webhookDelivery {{ id nextAttemptAt deliveredAt }} {ERRORS} }} }}"""
ENDPOINTS = "{ company { webhookEndpoints { id url topics isEnabled } } }"
DELIVERIES = """query ($first: Int, $after: String, $last: Int, $before: String) {
  company { webhookEndpoints { deliveries(first: $first, after: $after, last: $last, before: $before) {
    nodes { id topic createdAt attemptCount status nextAttemptAt deliveredAt messageId problem body }
    edges { cursor node { id } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } } }"""
ACTIVITY = """{ company { activity(first: 20) { nodes {
  action actor changes { field before after }
  target { __typename ... on WebhookEndpoint { url } ... on WebhookDelivery { topic } } } } } }"""
URL = "https://partner.example/farebox?key=theirs"


async def create(house: House, url: str = URL, *topics: str) -> Any:
    answer = await house.ask(CREATE, {"url": url, "topics": list(topics) or ["WALLET_LOW", "ALERT_RAISED"]})
    return answer["createWebhookEndpoint"]


async def happens(house: House, *topics: Topic) -> None:
    world = house.world
    async with world.begin.begin(world.company_id, world.now) as work:
        books: Books = await work.lock_books(await world.office_id())
        books.news += [News(topic, {}) for topic in topics or (Topic.WALLET_LOW,)]
        await work.save_books(books)


async def test_an_endpoint_is_made_and_its_secret_shown_once(house: House) -> None:
    made = await create(house)
    assert made["userErrors"] == []
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", made["secret"])
    endpoint = made["webhookEndpoint"]
    assert endpoint | {"id": ""} == {
        "id": "",
        "url": URL,
        "topics": ["WALLET_LOW", "ALERT_RAISED"],
        "isEnabled": True,
    }
    assert await house.ask(ENDPOINTS) == {"company": {"webhookEndpoints": [endpoint]}}
    everything = str(await house.ask(ACTIVITY)) + str(await house.ask(ENDPOINTS))
    assert made["secret"] not in everything
    assert (await create(house))["secret"] != made["secret"]


async def test_topics_come_back_in_one_order(small_house: House) -> None:
    made = await create(small_house, URL, "USAGE_REJECTED", "WALLET_LOW", "RECHARGE_SETTLED")
    assert made["webhookEndpoint"]["topics"] == ["WALLET_LOW", "RECHARGE_SETTLED", "USAGE_REJECTED"]


@pytest.mark.parametrize(
    ("url", "topics", "code", "field"),
    [
        (URL, [], "REQUIRED", ["topics"]),
        (URL, ["WALLET_LOW", "WALLET_LOW"], "INVALID", ["topics"]),
        ("http://partner.example/", ["WALLET_LOW"], "INVALID", ["url"]),
        ("https://127.0.0.1/", ["WALLET_LOW"], "INVALID", ["url"]),
        ("https://partner.example/#part", ["WALLET_LOW"], "INVALID", ["url"]),
    ],
)
async def test_what_is_wrong_with_an_endpoint_is_told(
    small_house: House, url: str, topics: list[str], code: str, field: list[str]
) -> None:
    for document, variables, name in (
        (CREATE, {"url": url, "topics": topics}, "createWebhookEndpoint"),
        (UPDATE, {"input": {"id": "ID", "url": url, "topics": topics}}, "updateWebhookEndpoint"),
    ):
        if name == "updateWebhookEndpoint":
            variables["input"]["id"] = (await create(small_house))["webhookEndpoint"]["id"]  # type: ignore[index]
        answer = (await small_house.ask(document, variables))[name]
        assert answer["webhookEndpoint"] is None
        assert answer.get("secret") is None
        [error] = answer["userErrors"]
        assert (error["code"], error["field"]) == (code, field)


async def test_a_company_has_ten_endpoints_at_most(house: House) -> None:
    for _ in range(10):
        assert (await create(house))["userErrors"] == []
    eleventh = await create(house)
    assert eleventh["webhookEndpoint"] is None
    assert eleventh["secret"] is None
    assert [error["code"] for error in eleventh["userErrors"]] == ["TOO_HIGH"]
    assert len((await house.ask(ENDPOINTS))["company"]["webhookEndpoints"]) == 10


async def test_an_endpoint_is_changed_in_what_is_named(house: House) -> None:
    made = (await create(house))["webhookEndpoint"]
    for changes in ({"isEnabled": False}, {"topics": ["USAGE_REJECTED"]}, {"url": "https://partner.example/other"}, {}):
        answer = await house.ask(UPDATE, {"input": {"id": made["id"], **changes}})
        made = {**made, **changes}
        assert answer["updateWebhookEndpoint"] == {"webhookEndpoint": made, "userErrors": []}


async def test_the_audit_trail_names_who_is_told_but_not_what_the_address_may_hide(house: House) -> None:
    made = (await create(house))["webhookEndpoint"]
    await house.ask(UPDATE, {"input": {"id": made["id"], "url": "https://partner.example/farebox?key=new"}})
    await house.ask(UPDATE, {"input": {"id": made["id"], "isEnabled": True}})
    await house.ask(ROTATE, {"id": made["id"]})
    nodes = (await house.ask(ACTIVITY))["company"]["activity"]["nodes"]
    rotated, updated, created = (node for node in nodes if "Webhook" in node["action"])
    assert [rotated["action"], updated["action"], created["action"]] == [
        *("rotateWebhookSecret", "updateWebhookEndpoint", "createWebhookEndpoint"),
    ]
    assert created["changes"] == [
        {"field": "url", "before": None, "after": "https://partner.example/…"},
        {"field": "topics", "before": None, "after": "WALLET_LOW, ALERT_RAISED"},
        {"field": "isEnabled", "before": None, "after": "on"},
    ]
    where = "https://partner.example/…"
    assert updated["changes"] == [{"field": "url", "before": where, "after": where}]
    assert rotated["changes"] == []
    assert created["target"] == {
        "__typename": "WebhookEndpoint",
        "url": "https://partner.example/farebox?key=new",
    }


async def test_a_rotated_secret_is_shown_once(house: House) -> None:
    made = await create(house)
    rotated = (await house.ask(ROTATE, {"id": made["webhookEndpoint"]["id"]}))["rotateWebhookSecret"]
    assert rotated["userErrors"] == []
    assert rotated["webhookEndpoint"] == {"id": made["webhookEndpoint"]["id"]}
    assert rotated["secret"].startswith("whsec_")
    assert rotated["secret"] != made["secret"]


async def test_the_delivery_log_is_read_in_pages_last_told_first(house: House) -> None:
    await create(house)
    for _ in range(5):
        await happens(house, Topic.WALLET_LOW)
        house.world.now += timedelta(seconds=1)

    async def page(**window: Any) -> Any:
        [endpoint] = (await house.ask(DELIVERIES, window))["company"]["webhookEndpoints"]
        return endpoint["deliveries"]

    everything = await page()
    moments = [node["createdAt"] for node in everything["nodes"]]
    assert moments == sorted(moments, reverse=True)
    assert len(moments) == 5
    first = await page(first=2)
    second = await page(first=2, after=first["pageInfo"]["endCursor"])
    last = await page(last=1)
    ids = [node["id"] for part in (first, second, last) for node in part["nodes"]]
    assert ids == [node["id"] for node in everything["nodes"]]
    assert (first["pageInfo"]["hasNextPage"], last["pageInfo"]["hasNextPage"]) == (True, False)
    newest = everything["nodes"][0]
    assert newest | {"id": "", "body": "", "messageId": "", "createdAt": "", "nextAttemptAt": ""} == {
        "id": "",
        "topic": "WALLET_LOW",
        "createdAt": "",
        "attemptCount": 0,
        "status": None,
        "nextAttemptAt": "",
        "deliveredAt": None,
        "messageId": "",
        "problem": None,
        "body": "",
    }
    assert newest["nextAttemptAt"] == newest["createdAt"]
    assert re.fullmatch(r"msg_[0-9a-f]{32}", newest["messageId"])
    assert newest["body"].startswith('{"type":"wallet.low","timestamp":"')


async def test_a_cursor_belongs_to_one_endpoint(small_house: House) -> None:
    await create(small_house)
    await create(small_house)
    await happens(small_house, Topic.WALLET_LOW)
    [first, _] = (await small_house.ask(DELIVERIES))["company"]["webhookEndpoints"]
    cursor = first["deliveries"]["edges"][0]["cursor"]
    assert "belongs to another list" in await small_house.refusal(DELIVERIES, {"after": cursor})


async def test_a_message_is_replayed_while_its_endpoint_is_enabled(house: House) -> None:
    made = (await create(house))["webhookEndpoint"]
    await happens(house, Topic.WALLET_LOW)
    deliveries = Deliveries(house.database, FernetBox("another key than the house's"))
    await deliveries.deliver_due(house.world.now)
    house.world.now += timedelta(hours=1)
    [endpoint] = (await house.ask(DELIVERIES))["company"]["webhookEndpoints"]
    [delivery] = endpoint["deliveries"]["nodes"]
    assert delivery["attemptCount"] == 1
    replayed = (await house.ask(REPLAY, {"id": delivery["id"]}))["replayWebhookDelivery"]
    moment = house.world.now.isoformat().replace("+00:00", "Z")
    shown = {"id": delivery["id"], "nextAttemptAt": moment, "deliveredAt": None}
    assert replayed == {"webhookDelivery": shown, "userErrors": []}
    node = (await house.ask(ACTIVITY))["company"]["activity"]["nodes"][0]
    assert node["action"] == "replayWebhookDelivery"
    assert node["target"] == {"__typename": "WebhookDelivery", "topic": "WALLET_LOW"}
    await house.ask(UPDATE, {"input": {"id": made["id"], "isEnabled": False}})
    refused = (await house.ask(REPLAY, {"id": delivery["id"]}))["replayWebhookDelivery"]
    assert refused["webhookDelivery"] is None
    assert [error["code"] for error in refused["userErrors"]] == ["INVALID"]


async def test_only_administrators_of_the_company_manage_webhooks(small_house: House) -> None:
    made = (await create(small_house))["webhookEndpoint"]
    await happens(small_house, Topic.WALLET_LOW)
    [endpoint] = (await small_house.ask(DELIVERIES))["company"]["webhookEndpoints"]
    delivery = endpoint["deliveries"]["nodes"][0]["id"]
    world = small_house.world
    for viewer in (
        world.viewer(Role.OPERATOR),
        world.viewer(Role.PARTNER),
        await small_house.office_admin("hq"),
    ):
        for document, variables in (
            (CREATE, {"url": URL, "topics": ["WALLET_LOW"]}),
            (UPDATE, {"input": {"id": made["id"], "isEnabled": False}}),
            (ROTATE, {"id": made["id"]}),
            (REPLAY, {"id": delivery}),
        ):
            [answer] = (await small_house.ask(document, variables, viewer)).values()
            assert [error["code"] for error in answer["userErrors"]] == ["NOT_PERMITTED"]
            assert answer.get("secret") is None
        assert "MANAGE_WEBHOOKS" in await small_house.refusal(ENDPOINTS, viewer=viewer)


async def test_another_company_s_endpoint_is_not_found(house: House) -> None:
    made = (await create(house))["webhookEndpoint"]
    await happens(house, Topic.WALLET_LOW)
    [endpoint] = (await house.ask(DELIVERIES))["company"]["webhookEndpoints"]
    stranger = house.neighbour.viewer(Role.COMPANY_ADMIN)
    value = decode(IdKind.WEBHOOK_ENDPOINT, made["id"])
    assert isinstance(value, UUID)
    for document, variables in (
        (UPDATE, {"input": {"id": made["id"], "isEnabled": False}}),
        (ROTATE, {"id": made["id"]}),
        (REPLAY, {"id": endpoint["deliveries"]["nodes"][0]["id"]}),
        (ROTATE, {"id": encode(IdKind.OFFICE, value)}),
    ):
        [answer] = (await house.ask(document, variables, stranger)).values()
        assert [error["code"] for error in answer["userErrors"]] == ["NOT_FOUND"]
    assert await house.ask(ENDPOINTS, viewer=stranger) == {"company": {"webhookEndpoints": []}}
    for text in (made["id"], endpoint["deliveries"]["nodes"][0]["id"]):
        node = "query ($id: ID!) { node(id: $id) { id } }"
        assert await house.ask(node, {"id": text}, stranger) == {"node": None}
        assert await house.ask(node, {"id": text}) == {"node": {"id": text}}
