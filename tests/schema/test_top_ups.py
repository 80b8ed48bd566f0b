"""The list of top-ups, one of them, giving them back, and invoices that are paid."""

from datetime import timedelta
from typing import Any

import pytest

from domain.access import PartnerScope, Role, Scope
from persistence.database import Database
from persistence.payment_methods import read_billings
from persistence.top_ups import read_billing
from schema.ids import IdKind
from tests.proof import assert_books_hold
from tests.schema.till import DECLINES, NOTHING, NOWHERE, REFUND, SETTLE, Till, codes, open_till

TOP_UPS = """query TopUps($officeId: ID!, $filter: TopUpFilter, $first: Int, $after: String, $last: Int,
  $before: String) {
  topUps(officeId: $officeId, filter: $filter, first: $first, after: $after, last: $last, before: $before) {
    totalCount pageInfo { hasNextPage hasPreviousPage endCursor startCursor } edges { cursor }
    nodes { id state origin createdAt credits { amount } } } }"""
ONE = """query ($id: ID!) { topUp(id: $id) { id origin state credits { amount currencyCode } tax { amount }
  total { amount } refunded { amount } refundable { amount } createdAt settledAt paidAt requestedBy
  office { slug } paymentMethod { lastFour } wallet { kind balance { amount } } } }"""


@pytest.fixture
async def till(database: Database) -> Till:
    return await open_till(database)


@pytest.fixture
async def small_till(sqlite_database: Database) -> Till:
    return await open_till(sqlite_database)


async def listed(till: Till, slug: str = "hq", **variables: Any) -> Any:
    return (await till.house.ask(TOP_UPS, {"officeId": await till.house.office(slug), **variables}))["topUps"]


async def refund(till: Till, top_up_id: str, amount: str, key: str = "back", **more: Any) -> Any:
    viewer = more.pop("viewer", None)
    input = {"idempotencyKey": key, "topUpId": top_up_id, "amount": till.amount(amount), "reason": "Too many."}
    return await till.send(REFUND, input | more, viewer)


async def settle(till: Till, key: str = "paid", viewer: Any = None, **more: Any) -> Any:
    input = {"officeId": await till.house.office("paper"), "idempotencyKey": key, **more}
    return await till.send(SETTLE, input, viewer or till.world.viewer(Role.OPERATOR))


async def test_every_attempt_is_listed_last_made_first(till: Till) -> None:
    """Several in one moment, failed ones among them; pages of either direction lose none."""
    await till.save_card()
    for number in range(4):
        await till.buy("20", "21.78", f"k{number}")
    till.world.now += timedelta(minutes=1)
    await till.save_card(DECLINES)
    await till.buy("30", "32.66", "declined")
    whole = await listed(till)
    assert whole["totalCount"] == len(whole["nodes"]) == 5
    assert [node["state"] for node in whole["nodes"]] == ["FAILED"] + ["SETTLED"] * 4
    order = [(node["createdAt"], node["id"]) for node in whole["nodes"]]
    assert order == sorted(order, reverse=True)

    seen, after, has_more = [], None, True
    while has_more:
        page = await listed(till, first=2, after=after)
        seen += page["nodes"]
        after, has_more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert seen == whole["nodes"]
    end = await listed(till, last=2)
    assert end["nodes"] == whole["nodes"][-2:]
    assert (await listed(till, last=9, before=end["pageInfo"]["startCursor"]))["nodes"] == whole["nodes"][:-2]

    failed = await listed(till, filter={"states": ["FAILED", "SKIPPED", "FAILED"]})
    assert (failed["totalCount"], failed["nodes"]) == (1, whole["nodes"][:1])
    assert (await listed(till, filter={"origins": ["AUTO_RECHARGE"]}))["totalCount"] == 0
    assert (await listed(till, filter={"origins": ["PURCHASE"], "states": []}))["nodes"] == []
    assert (await listed(till, slug="paper"))["totalCount"] == 0


async def test_a_cursor_is_of_one_office_and_filter(small_till: Till) -> None:
    till = small_till
    await till.buy("20", "21.78", slug="paper")
    paper, hq = await till.house.office("paper"), await till.house.office()
    cursor = (await listed(till, "paper"))["pageInfo"]["endCursor"]
    same = {"states": ["SETTLED", "FAILED"]}
    mine = (await listed(till, "paper", filter=same))["pageInfo"]["endCursor"]
    assert (await listed(till, "paper", filter={"states": same["states"][::-1]}, after=mine))["nodes"] == []
    for variables in ({"officeId": hq}, {"officeId": paper, "filter": {"states": ["SETTLED"]}}):
        assert "another list" in await till.house.refusal(TOP_UPS, {**variables, "after": cursor})
    many = {"officeId": paper, "filter": {"states": ["SETTLED"] * 101}}
    assert "`states` may name at most 100" in await till.house.refusal(TOP_UPS, many)


async def test_one_top_up_tells_everything_about_it(till: Till) -> None:
    await till.save_card()
    bought = (await till.buy("20", "21.78"))["topUp"]
    top_up = (await till.house.ask(ONE, {"id": bought["id"]}))["topUp"]
    assert top_up == {
        "id": bought["id"],
        "origin": "PURCHASE",
        "state": "SETTLED",
        "credits": {"amount": "20.000000", "currencyCode": "USD"},
        "tax": {"amount": "1.780000"},
        "total": {"amount": "21.780000"},
        "refunded": {"amount": "0.000000"},
        "refundable": {"amount": "20.000000"},
        "createdAt": "2026-03-01T01:00:00Z",
        "settledAt": "2026-03-01T01:00:00Z",
        "paidAt": None,
        "requestedBy": "Company admin",
        "office": {"slug": "hq"},
        "paymentMethod": {"lastFour": "4242"},
        "wallet": {"kind": "UNIVERSAL", "balance": {"amount": "22.000000"}},
    }
    node = "query ($id: ID!) { node(id: $id) { __typename id ... on TopUp { state } } }"
    assert (await till.house.ask(node, {"id": bought["id"]}))["node"]["state"] == "SETTLED"


async def test_the_ledger_leads_to_the_top_up(till: Till) -> None:
    await till.save_card()
    bought = (await till.buy("20", "21.78"))["topUp"]
    query = """query ($id: ID!) { topUp(id: $id) { wallet { id } } }"""
    wallet = (await till.house.ask(query, {"id": bought["id"]}))["topUp"]["wallet"]["id"]
    ledger = """query ($id: ID!) { ledger(walletId: $id) { nodes { source change { amount } note
      topUp { id origin } usageRecord { id } } } }"""
    newest, opening = (await till.house.ask(ledger, {"id": wallet}))["ledger"]["nodes"]
    assert newest == {
        "source": "card",
        "change": {"amount": "20.000000"},
        "note": "Universal credits bought.",
        "topUp": {"id": bought["id"], "origin": "PURCHASE"},
        "usageRecord": None,
    }
    assert opening["topUp"] is None


async def test_who_may_see_top_ups(small_till: Till) -> None:
    till = small_till
    await till.save_card()
    top_up = (await till.buy("20", "21.78"))["topUp"]["id"]
    office = await till.house.office()
    for name, viewer in (await till.strangers()).items():
        data = await till.house.ask(TOP_UPS, {"officeId": office}, viewer)
        one = await till.house.ask(ONE, {"id": top_up}, viewer)
        assert (data["topUps"] is None) == (one["topUp"] is None) == name.startswith("of another"), name
    scopes = frozenset(PartnerScope) - {PartnerScope.WALLETS_READ}
    blind = till.world.viewer(Role.PARTNER, scopes=scopes)
    for query, variables in ((TOP_UPS, {"officeId": office}), (ONE, {"id": top_up})):
        assert "VIEW_WALLETS" in await till.house.refusal(query, variables, blind)
    for field in ("paymentMethod { id }", "invoiceLimitRemaining { amount }", "purchaseOptions { taxPercent }"):
        query = f"query ($id: ID!) {{ office(id: $id) {{ {field} }} }}"
        assert "VIEW_WALLETS" in await till.house.refusal(query, {"id": office}, blind)
    for nowhere in (NOWHERE, "nonsense", "top" + office[3:]):
        assert (await till.house.ask(TOP_UPS, {"officeId": nowhere}))["topUps"] is None


async def test_unspent_credits_are_given_back_once(till: Till) -> None:
    await till.save_card()
    top_up = (await till.buy("20", "21.78"))["topUp"]["id"]
    first = await refund(till, top_up, "5")
    assert (first["userErrors"], first["isReplayed"]) == ([], False)
    assert (first["topUp"]["refunded"], first["topUp"]["refundable"]) == (
        {"amount": "5.000000"},
        {"amount": "15.000000"},
    )
    assert first["wallet"] == {"balance": {"amount": "17.000000"}}
    assert await refund(till, top_up, "5") == {**first, "isReplayed": True}
    [error] = (await refund(till, top_up, "15.01", "more"))["userErrors"]
    assert (error["__typename"], error["code"], error["field"]) == ("LimitUserError", "TOO_HIGH", ["amount"])
    assert error["maximum"] == {"amount": "15.000000"}
    assert codes(await refund(till, top_up, "15", "rest")) == []
    assert codes(await refund(till, top_up, "1", "again")) == ["NOT_REFUNDABLE"]
    await assert_books_hold(till.house.database)


async def test_what_cannot_be_given_back(small_till: Till) -> None:
    till = small_till
    await till.save_card()
    top_up = (await till.buy("20", "21.78"))["topUp"]["id"]
    await till.save_card(DECLINES)
    failed = (await till.buy("20", "21.78", "failed"))["topUp"]["id"]
    assert codes(await refund(till, failed, "5")) == ["NOT_REFUNDABLE"]
    assert codes(await refund(till, top_up, "0.001")) == ["INVALID"]
    [error] = (await refund(till, top_up, "5", reason=" "))["userErrors"]
    assert (error["code"], error["field"]) == ("INVALID", ["reason"])
    till.currency = "EUR"
    assert codes(await refund(till, top_up, "5")) == ["WRONG_CURRENCY"]
    till.currency = "USD"
    for name, viewer in (await till.strangers()).items():
        expected = {"office admin without billing": ["NOT_PERMITTED"], "partner": ["NOT_PERMITTED"], "operator": []}
        assert codes(await refund(till, top_up, "1", f"by {name}", viewer=viewer)) == expected.get(name, ["NOT_FOUND"])
    for nothing in (NOTHING[IdKind.TOP_UP], "nonsense"):
        assert codes(await refund(till, nothing, "1")) == ["NOT_FOUND"]


async def test_an_invoice_is_paid_and_the_limit_is_free_again(till: Till) -> None:
    first = (await till.buy("100", "108.88", slug="paper"))["topUp"]["id"]
    second = (await till.buy("50", "54.44", "k2", slug="paper"))["topUp"]["id"]
    till.world.now += timedelta(days=3)
    paid = await settle(till, topUpIds=[first])
    assert (paid["userErrors"], paid["isReplayed"]) == ([], False)
    assert paid["topUps"] == [{"id": first, "paidAt": "2026-03-04T01:00:00Z"}]
    assert paid["totalPaid"] == {"amount": "108.880000", "currencyCode": "USD"}
    assert await settle(till, topUpIds=[first]) == {**paid, "isReplayed": True}
    assert codes(await settle(till, topUpIds=[second])) == ["IDEMPOTENCY_CONFLICT"]
    rest = await settle(till, "rest")
    assert ([top_up["id"] for top_up in rest["topUps"]], rest["totalPaid"]["amount"]) == ([second], "54.440000")
    limit = "query ($id: ID!) { office(id: $id) { invoiceLimitRemaining { amount } } }"
    office = (await till.house.ask(limit, {"id": await till.house.office("paper")}))["office"]
    assert office["invoiceLimitRemaining"] == {"amount": "250.000000"}
    await assert_books_hold(till.house.database)


async def test_only_operators_say_that_an_invoice_was_paid(small_till: Till) -> None:
    till = small_till
    await till.buy("100", "108.88", slug="paper")
    for viewer in (till.buyer(), till.world.viewer(Role.PARTNER), await till.house.office_admin("paper")):
        refused = await settle(till, viewer=viewer)
        assert (codes(refused), refused["topUps"], refused["totalPaid"]) == (["NOT_PERMITTED"], None, None)
    assert codes(await settle(till, officeId=NOWHERE)) == ["NOT_FOUND"]
    assert codes(await settle(till, viewer=till.house.neighbour.viewer(Role.OPERATOR))) == ["NOT_FOUND"]
    [error] = (await settle(till, topUpIds=["nonsense"]))["userErrors"]
    assert (error["code"], error["field"]) == ("INVALID", ["topUpIds", "0"])
    assert codes(await settle(till, topUpIds=[NOTHING[IdKind.TOP_UP]])) == ["NOT_FOUND"]
    assert codes(await settle(till, topUpIds=[NOTHING[IdKind.TOP_UP]] * 101)) == ["INVALID"]


async def test_what_is_shown_of_many_offices_is_what_a_purchase_of_one_is_judged_by(till: Till) -> None:
    await till.save_card()
    await till.buy("20", "21.78")
    paper = (await till.buy("100", "108.88", "p", slug="paper"))["topUp"]["id"]
    await refund(till, paper, "10")
    await settle(till, topUpIds=[(await till.buy("30", "32.66", "q", slug="paper"))["topUp"]["id"]])
    world = till.world
    ids = [await world.office_id(slug) for slug in ("hq", "paper")]
    scope = Scope.of(till.buyer())
    shown = await read_billings(world.database, scope, office_ids=ids, now=world.now)
    async with world.database.reading() as connection:
        judged = {office: await read_billing(connection, world.company_id, office, world.now) for office in ids}
    assert shown == judged
    assert (shown[ids[0]].bought_today_micros, shown[ids[1]].owed_micros > 0) == (20_000_000, True)
    strangers = Scope.of(till.house.neighbour.viewer(Role.COMPANY_ADMIN))
    assert await read_billings(world.database, strangers, office_ids=ids, now=world.now) == {}
