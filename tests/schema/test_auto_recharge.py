"""Auto-recharge over the wire: its form, saving it, and what is seen of what it does."""

from datetime import timedelta
from typing import Any

import pytest

from domain.access import PartnerScope, Role
from domain.money import Currency
from domain.stories.recharge import judge_due
from persistence.database import Database
from tests.proof import assert_books_hold
from tests.schema.till import CONFIGURE, DECLINES, NOWHERE, Till, codes, open_till
from tests.world import call

READ = """query ($officeId: ID!) { autoRecharge(officeId: $officeId) { id isEnabled state threshold { amount }
  amount { amount } cycleCap { amount currencyCode } spentOfCap { amount } nextAttemptAt updatedAt
  thresholdOptions { amount } amountOptions { amount } minimumAmount { amount } maximumAmount { amount }
  lastTopUp { id origin state reason reasonText credits { amount } requestedBy } office { slug } } }"""


@pytest.fixture
async def till(database: Database) -> Till:
    return await open_till(database)


@pytest.fixture
async def small_till(sqlite_database: Database) -> Till:
    return await open_till(sqlite_database)


async def read(till: Till, slug: str = "hq") -> Any:
    return (await till.house.ask(READ, {"officeId": await till.house.office(slug)}))["autoRecharge"]


async def balance(till: Till) -> str:
    query = "query ($id: ID!) { office(id: $id) { wallets { kind balance { amount } autoRecharge { id } } } }"
    wallets = (await till.house.ask(query, {"id": await till.house.office()}))["office"]["wallets"]
    assert [(wallet["kind"], wallet["autoRecharge"] is None) for wallet in wallets] == [("UNIVERSAL", False)]
    amount: str = wallets[0]["balance"]["amount"]
    return amount


def amounts(options: list[dict[str, str]]) -> list[str]:
    return [option["amount"].removesuffix(".000000") for option in options]


async def test_it_is_there_before_anybody_touched_it(till: Till) -> None:
    recharge = await read(till)
    assert recharge["id"] == "aut" + (await till.house.office())[3:]
    assert (recharge["isEnabled"], recharge["state"], recharge["updatedAt"]) == (False, "OFF", None)
    assert (recharge["threshold"]["amount"], recharge["amount"]["amount"]) == ("5.000000", "20.000000")
    assert recharge["cycleCap"] == {"amount": "80.000000", "currencyCode": "USD"}
    assert (recharge["spentOfCap"]["amount"], recharge["nextAttemptAt"], recharge["lastTopUp"]) == (
        "0.000000",
        None,
        None,
    )
    assert amounts(recharge["thresholdOptions"]) == ["5", "10", "20", "50"]
    assert amounts(recharge["amountOptions"]) == ["20", "50", "100", "200", "500"]
    assert (recharge["minimumAmount"]["amount"], recharge["maximumAmount"]["amount"]) == ("5.000000", "2000.000000")
    assert recharge["office"] == {"slug": "hq"}
    node = "query ($id: ID!) { node(id: $id) { __typename id ... on AutoRecharge { state } } }"
    found = (await till.house.ask(node, {"id": recharge["id"]}))["node"]
    assert found == {"__typename": "AutoRecharge", "id": recharge["id"], "state": "OFF"}
    assert (await till.house.ask(node, {"id": "aut_" + "0" * 32}))["node"] is None


async def test_settings_are_saved_one_by_one(till: Till) -> None:
    saved = await till.configure(threshold=till.amount("1"), amount=till.amount("50"))
    assert (saved["userErrors"], saved["topUp"]) == ([], None)
    assert (saved["autoRecharge"]["isEnabled"], saved["autoRecharge"]["state"]) == (False, "OFF")
    saved = await till.configure(isEnabled=True)
    recharge = saved["autoRecharge"]
    assert (recharge["isEnabled"], recharge["state"]) == (True, "NO_PAYMENT_METHOD")
    assert (recharge["threshold"]["amount"], recharge["cycleCap"]["amount"]) == ("1.000000", "200.000000")
    assert recharge["updatedAt"] == "2026-03-01T01:00:00Z"
    await till.save_card()
    assert (await read(till))["state"] == "READY"
    saved = await till.configure(isEnabled=None, threshold=None, cycleCap=till.amount("100"))
    assert (saved["autoRecharge"]["isEnabled"], saved["autoRecharge"]["cycleCap"]["amount"]) == (True, "100.000000")
    assert (await till.configure(isEnabled=False))["autoRecharge"]["state"] == "OFF"


async def test_a_balance_that_is_low_already_is_recharged_at_once(till: Till) -> None:
    await till.save_card()
    saved = await till.configure(isEnabled=True)
    top_up, recharge = saved["topUp"], saved["autoRecharge"]
    assert (top_up["state"], top_up["credits"]["amount"], top_up["total"]["amount"]) == (
        "PENDING",
        "20.000000",
        "21.780000",
    )
    assert (recharge["state"], recharge["spentOfCap"]["amount"]) == ("IN_FLIGHT", "20.000000")
    assert recharge["lastTopUp"]["id"] == top_up["id"]
    assert await balance(till) == "2.000000"
    assert await till.settle() == 1
    recharge = await read(till)
    assert (recharge["state"], recharge["lastTopUp"]["state"]) == ("READY", "SETTLED")
    assert (recharge["lastTopUp"]["origin"], recharge["lastTopUp"]["requestedBy"]) == ("AUTO_RECHARGE", "Auto-recharge")
    assert await balance(till) == "22.000000"
    await assert_books_hold(till.house.database)


async def test_usage_that_makes_it_low_is_enough(till: Till) -> None:
    await till.save_card()
    await till.configure(isEnabled=True, threshold=till.amount("1.5"))
    await till.world.deck()
    await till.world.record(call("long", till.world.now, seconds=1_800))
    recharge = await read(till)
    assert (recharge["state"], recharge["lastTopUp"]["state"]) == ("IN_FLIGHT", "PENDING")
    await till.settle()
    assert await balance(till) == "21.400000"
    assert await till.charges() == [1]


async def test_a_declined_card_backs_off_until_another_one_is_saved(till: Till) -> None:
    await till.save_card(DECLINES)
    await till.configure(isEnabled=True)
    await till.settle()
    recharge = await read(till)
    assert (recharge["state"], recharge["nextAttemptAt"]) == ("BACKING_OFF", "2026-03-01T02:00:00Z")
    last = recharge["lastTopUp"]
    assert (last["state"], last["reason"]) == ("FAILED", "CARD_DECLINED")
    assert "declined" in last["reasonText"]
    assert recharge["spentOfCap"]["amount"] == "0.000000"
    await till.save_card()
    assert (await read(till))["state"] == "READY"
    assert await judge_due(till.world.begin, now=till.world.now) == 1
    await till.settle()
    assert await balance(till) == "22.000000"
    await assert_books_hold(till.house.database)


async def test_it_switches_itself_off_and_is_switched_on_by_a_person(till: Till) -> None:
    await till.save_card(DECLINES)
    await till.configure(isEnabled=True)
    for hours in (1, 6, 24, 1):
        await till.settle()
        till.world.now += timedelta(hours=hours)
        await judge_due(till.world.begin, now=till.world.now)
    recharge = await read(till)
    assert (recharge["isEnabled"], recharge["state"]) == (False, "SWITCHED_OFF_AFTER_DECLINES")
    assert await till.charges() == [0] * 4
    await till.save_card()
    saved = await till.configure(isEnabled=True)
    assert (saved["topUp"]["state"], saved["autoRecharge"]["state"]) == ("PENDING", "IN_FLIGHT")


async def test_a_full_cap_is_a_skip_with_its_reason(till: Till) -> None:
    await till.save_card()
    await till.configure(isEnabled=True, cycleCap=till.amount("20"))
    await till.settle()
    await till.world.deck()
    await till.world.record(call("long", till.world.now, seconds=57_000))
    recharge = await read(till)
    assert (recharge["state"], recharge["spentOfCap"]["amount"]) == ("CAP_REACHED", "20.000000")
    assert recharge["nextAttemptAt"] == "2026-04-01T00:00:00Z"
    last = recharge["lastTopUp"]
    assert (last["state"], last["reason"]) == ("SKIPPED", "CYCLE_CAP")
    skips = """query ($id: ID!) { topUps(officeId: $id, filter: { states: [SKIPPED], origins: [AUTO_RECHARGE] }) {
      totalCount nodes { reasonText settledAt refundable { amount } paymentMethod { lastFour } } } }"""
    found = (await till.house.ask(skips, {"id": await till.house.office()}))["topUps"]
    assert (found["totalCount"], found["nodes"][0]["settledAt"]) == (1, None)
    assert found["nodes"][0]["reasonText"] == last["reasonText"]
    assert found["nodes"][0]["refundable"] == {"amount": "0.000000"}


@pytest.mark.parametrize(
    ("settings", "kind", "code", "field"),
    [
        ({"threshold": "-1"}, "InputUserError", "TOO_LOW", "threshold"),
        ({"threshold": "1000000.01"}, "InputUserError", "TOO_HIGH", "threshold"),
        ({"amount": "4.99"}, "LimitUserError", "TOO_LOW", "amount"),
        ({"amount": "2000.01"}, "LimitUserError", "TOO_HIGH", "amount"),
        ({"amount": "20.001"}, "InputUserError", "INVALID", "amount"),
        ({"cycleCap": "19.99"}, "InputUserError", "TOO_LOW", "cycleCap"),
        ({"amount": "100", "cycleCap": "99"}, "InputUserError", "TOO_LOW", "cycleCap"),
    ],
)
async def test_settings_have_bounds(
    small_till: Till, settings: dict[str, str], kind: str, code: str, field: str
) -> None:
    input: Any = {name: small_till.amount(amount) for name, amount in settings.items()}
    refused = await small_till.configure(isEnabled=True, **input)
    [error] = refused["userErrors"]
    assert (error["__typename"], error["code"], error["field"]) == (kind, code, [field])
    assert (refused["autoRecharge"], refused["topUp"]) == (None, None)
    if kind == "LimitUserError":
        assert (error["minimum"], error["maximum"]) == ({"amount": "5.000000"}, {"amount": "2000.000000"})
    assert (await read(small_till))["updatedAt"] is None


async def test_settings_are_in_the_company_s_currency(small_till: Till) -> None:
    small_till.currency = "EUR"
    for name in ("threshold", "amount", "cycleCap"):
        settings: Any = {name: small_till.amount("20")}
        [error] = (await small_till.configure(**settings))["userErrors"]
        assert (error["code"], error["field"]) == ("WRONG_CURRENCY", [name])
        settings = {name: small_till.amount("0.1234567")}
        [error] = (await small_till.configure(**settings))["userErrors"]
        assert (error["code"], error["field"]) == ("INVALID", [name, "amount"])


async def test_yen_have_no_decimals(sqlite_database: Database) -> None:
    till = await open_till(sqlite_database, Currency.JPY)
    assert codes(await till.configure(amount=till.amount("20.5"))) == ["INVALID"]
    assert codes(await till.configure(amount=till.amount("21"), threshold=till.amount("0.5"))) == []


async def test_who_may_change_it_and_who_may_look(small_till: Till) -> None:
    till, office = small_till, await small_till.house.office()
    for name, viewer in (await till.strangers()).items():
        expected = "NOT_FOUND" if name.startswith("of another") else "NOT_PERMITTED"
        assert codes(await till.configure(isEnabled=True, viewer=viewer)) == [expected], name
        seen = (await till.house.ask(READ, {"officeId": office}, viewer))["autoRecharge"]
        assert (seen is None) == name.startswith("of another"), name
    scopes = frozenset(PartnerScope) - {PartnerScope.WALLETS_READ}
    blind = till.world.viewer(Role.PARTNER, scopes=scopes)
    assert "VIEW_WALLETS" in await till.house.refusal(READ, {"officeId": office}, blind)
    node = "query ($id: ID!) { node(id: $id) { id } }"
    assert (await till.house.ask(node, {"id": "aut" + office[3:]}, blind))["node"] is None
    for nowhere in (NOWHERE, "nonsense"):
        assert (await till.house.ask(READ, {"officeId": nowhere}))["autoRecharge"] is None
        assert codes(await till.send(CONFIGURE, {"officeId": nowhere, "isEnabled": True})) == ["NOT_FOUND"]
    hq = frozenset({await till.world.office_id()})
    billing = till.world.viewer(Role.OFFICE_ADMIN, office_ids=hq, has_billing=True)
    assert (await till.configure(isEnabled=True, viewer=billing))["autoRecharge"]["isEnabled"] is True
    assert (await read(till, "paper"))["isEnabled"] is False
