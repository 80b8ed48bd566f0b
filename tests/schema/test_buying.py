"""Buying over the wire: a card is saved, the cost reviewed, credits bought; and every way it cannot be."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from domain.access import Role
from domain.money import Currency
from persistence.database import Database
from schema.ids import IdKind
from tests.proof import assert_books_hold
from tests.schema.till import (
    ASKS,
    DECLINES,
    EXPIRED,
    FORGETFUL,
    NOTHING,
    NOWHERE,
    POOR,
    PURCHASE,
    QUOTE,
    SAVE,
    START,
    Till,
    codes,
    open_till,
)


@pytest.fixture
async def till(database: Database) -> Till:
    return await open_till(database)


@pytest.fixture
async def small_till(sqlite_database: Database) -> Till:
    return await open_till(sqlite_database)


ADD_CREDITS = """query AddCredits($officeId: ID!) { office(id: $officeId) { id invoiceLimitRemaining { amount }
  purchaseOptions { presets { amount currencyCode } minimum { amount } maximum { amount } remainingToday { amount }
    taxName taxPercent }
  paymentMethod { id brand lastFour expiresMonth isExpired } } }"""


async def test_the_screen_before_anything_is_bought(till: Till) -> None:
    office = (await till.house.ask(ADD_CREDITS, {"officeId": await till.house.office()}))["office"]
    options = office["purchaseOptions"]
    assert [preset["amount"] for preset in options["presets"]][:2] == ["20.000000", "50.000000"]
    assert (options["minimum"], options["maximum"]) == ({"amount": "5.000000"}, {"amount": "2000.000000"})
    assert options["remainingToday"] == {"amount": "5000.000000"}
    assert (options["taxName"], options["taxPercent"]) == ("Sales tax", "8.875")
    assert (office["paymentMethod"], office["invoiceLimitRemaining"]) == (None, None)


async def test_a_card_is_saved_and_credits_are_bought_with_it(till: Till) -> None:
    begun = await till.start(returnUrl="https://app.example/credits?step=2")
    assert begun["nextAction"]["processor"] == "SANDBOX"
    assert begun["nextAction"]["redirectUrl"].startswith("https://farebox.example/sandbox/cards/")
    assert begun["nextAction"]["expiresAt"] == "2026-03-01T02:00:00Z"
    saved = await till.save(begun["setupId"])
    card = saved["paymentMethod"]
    assert (card["brand"], card["lastFour"], card["expiresMonth"], card["isExpired"]) == (
        "visa",
        "4242",
        "2028-03",
        False,
    )
    assert saved["office"]["paymentMethod"]["id"] == card["id"]
    assert await till.save(begun["setupId"]) == saved

    quote = await till.quote("20")
    assert (quote["credits"]["amount"], quote["tax"]["amount"]) == ("20.000000", "1.780000")
    assert (quote["total"]["amount"], quote["balanceAfter"]["amount"]) == ("21.780000", "22.000000")
    assert (quote["userErrors"], quote["paymentMethod"]["id"], quote["office"]["slug"]) == ([], card["id"], "hq")

    bought = await till.buy("20", "21.78")
    assert (bought["userErrors"], bought["isReplayed"]) == ([], False)
    top_up = bought["topUp"]
    assert (top_up["state"], top_up["reason"], top_up["reasonText"], top_up["nextAction"]) == (
        "SETTLED",
        None,
        None,
        None,
    )
    assert (top_up["total"]["amount"], top_up["requestedBy"]) == ("21.780000", "Company admin")
    assert bought["wallet"] == {"kind": "UNIVERSAL", "balance": {"amount": "22.000000"}}
    assert await till.buy("20.00", "21.780000") == {**bought, "isReplayed": True}
    assert await till.charges() == [1]
    office = (await till.house.ask(ADD_CREDITS, {"officeId": await till.house.office()}))["office"]
    assert office["purchaseOptions"]["remainingToday"] == {"amount": "4980.000000"}
    await assert_books_hold(till.house.database)


async def test_twenty_clients_at_once_with_one_key_are_one_charge(till: Till) -> None:
    await till.save_card()
    answers = await asyncio.gather(*(till.buy("20", "21.78") for _ in range(20)))
    assert len({answer["topUp"]["id"] for answer in answers}) == 1
    assert sorted(answer["isReplayed"] for answer in answers) == [False] + [True] * 19
    assert await till.charges() == [1]
    await assert_books_hold(till.house.database)


@pytest.mark.parametrize(
    ("number", "reason", "words"),
    [(DECLINES, "CARD_DECLINED", "declined"), (POOR, "INSUFFICIENT_FUNDS", "insufficient funds")],
)
async def test_a_refused_card_says_why_and_leaves_no_trace_on_the_balance(
    till: Till, number: str, reason: str, words: str
) -> None:
    await till.save_card(number)
    answer = await till.buy("20", "21.78")
    [error] = answer["userErrors"]
    top_up = answer["topUp"]
    assert (error["__typename"], error["code"], error["reason"]) == ("PaymentUserError", "PAYMENT_DECLINED", reason)
    assert error["topUp"] == {"id": top_up["id"], "state": "FAILED"}
    assert (top_up["state"], top_up["reason"]) == ("FAILED", reason)
    assert error["message"] == top_up["reasonText"]
    assert words in error["message"]
    assert answer["wallet"]["balance"]["amount"] == "2.000000"
    assert await till.buy("20", "21.78") == {**answer, "isReplayed": True}
    office = (await till.house.ask(ADD_CREDITS, {"officeId": await till.house.office()}))["office"]
    assert office["purchaseOptions"]["remainingToday"] == {"amount": "5000.000000"}
    await assert_books_hold(till.house.database)


async def test_a_payment_that_the_cardholder_confirms(till: Till) -> None:
    await till.save_card(ASKS)
    asked = await till.buy("20", "21.78", returnUrl="https://app.example/done")
    top_up = asked["topUp"]
    assert (top_up["state"], asked["userErrors"]) == ("REQUIRES_ACTION", [])
    assert asked["wallet"]["balance"]["amount"] == "2.000000"
    action = top_up["nextAction"]
    assert (action["processor"], action["clientSecret"], action["publishableKey"]) == ("SANDBOX", None, None)
    assert action["redirectUrl"].startswith("https://farebox.example/sandbox/payments/")
    assert action["expiresAt"] == "2026-03-01T02:00:00Z"
    waiting = await till.complete(top_up["id"])
    assert (waiting["topUp"]["state"], waiting["userErrors"]) == ("REQUIRES_ACTION", [])
    seen = "query ($id: ID!) { topUp(id: $id) { state nextAction { redirectUrl } } }"
    reader = await till.house.office_admin("hq")  # sees it, and cannot pay
    assert (await till.house.ask(seen, {"id": top_up["id"]}, reader))["topUp"] == {
        "state": "REQUIRES_ACTION",
        "nextAction": None,
    }
    await till.confirm(top_up["id"])
    done = await till.complete(top_up["id"])
    assert (done["topUp"]["state"], done["topUp"]["nextAction"]) == ("SETTLED", None)
    assert done["wallet"]["balance"]["amount"] == "22.000000"
    assert await till.complete(top_up["id"]) == done
    await assert_books_hold(till.house.database)


async def test_a_payment_that_nobody_confirms_in_time(till: Till) -> None:
    await till.save_card(ASKS)
    top_up = (await till.buy("20", "21.78"))["topUp"]
    till.world.now += timedelta(hours=1)
    assert await till.settle() == 1
    done = await till.complete(top_up["id"])
    [error] = done["userErrors"]
    assert (error["code"], error["reason"]) == ("PAYMENT_DECLINED", "AUTHENTICATION_EXPIRED")
    assert done["topUp"]["state"] == "FAILED"
    assert done["wallet"]["balance"]["amount"] == "2.000000"
    await assert_books_hold(till.house.database)


async def test_an_answer_that_was_lost_is_pending_and_no_error(till: Till) -> None:
    await till.save_card(FORGETFUL)
    bought = await till.buy("20", "21.78")
    assert (bought["topUp"]["state"], bought["userErrors"]) == ("PENDING", [])
    done = await till.complete(bought["topUp"]["id"])
    assert (done["topUp"]["state"], done["wallet"]["balance"]["amount"]) == ("SETTLED", "22.000000")
    assert await till.charges() == [1]
    await assert_books_hold(till.house.database)


async def test_an_invoiced_office_has_its_credits_at_once_and_a_limit(till: Till) -> None:
    bought = await till.buy("200", "217.75", slug="paper")
    assert (bought["topUp"]["state"], bought["wallet"]["balance"]["amount"]) == ("SETTLED", "200.000000")
    office = (await till.house.ask(ADD_CREDITS, {"officeId": await till.house.office("paper")}))["office"]
    assert (office["invoiceLimitRemaining"], office["paymentMethod"]) == ({"amount": "32.250000"}, None)
    refused = await till.buy("30", "32.66", "k2", slug="paper")
    [error] = refused["userErrors"]
    assert (error["__typename"], error["code"], error["field"]) == ("LimitUserError", "LIMIT_REACHED", ["credits"])
    assert (error["maximum"], error["remaining"]) == ({"amount": "250.000000"}, {"amount": "32.250000"})
    assert (refused["topUp"], refused["wallet"]) == (None, None)
    assert codes(await till.buy("29", "31.57", "k3", slug="paper")) == []
    await assert_books_hold(till.house.database)


@pytest.mark.parametrize(
    ("credits", "code", "limits"),
    [
        ("4.99", "TOO_LOW", {"minimum": "5.000000", "maximum": "2000.000000", "remaining": None}),
        ("-20", "TOO_LOW", {"minimum": "5.000000", "maximum": "2000.000000", "remaining": None}),
        ("2000.01", "TOO_HIGH", {"minimum": "5.000000", "maximum": "2000.000000", "remaining": None}),
    ],
)
async def test_one_purchase_has_bounds(
    small_till: Till, credits: str, code: str, limits: dict[str, str | None]
) -> None:
    await small_till.save_card()
    shown = {name: limit and {"amount": limit} for name, limit in limits.items()}
    [told] = [error for error in (await small_till.quote(credits))["userErrors"] if error["code"] == code]
    [error] = (await small_till.buy(credits, credits))["userErrors"]
    for one in (told, error):
        assert (one["__typename"], one["code"], one["field"]) == ("LimitUserError", code, ["credits"])
        assert {name: one[name] for name in limits} == shown
    assert await small_till.top_up_count() == 0


async def test_a_day_has_a_limit_and_the_next_day_has_it_anew(sqlite_database: Database) -> None:
    till = await open_till(sqlite_database, purchase_daily_micros=30_000_000)
    await till.save_card()
    await till.buy("20", "21.78")
    [error] = (await till.buy("20", "21.78", "k2"))["userErrors"]
    assert (error["code"], error["remaining"], error["maximum"]) == (
        "LIMIT_REACHED",
        {"amount": "10.000000"},
        {"amount": "30.000000"},
    )
    till.world.now += timedelta(days=1)
    assert codes(await till.buy("20", "21.78", "k2")) == []


async def test_what_else_stops_a_purchase_is_told_before_anyone_confirms(small_till: Till) -> None:
    till = small_till
    assert codes(await till.quote("20")) == ["NO_PAYMENT_METHOD"]
    [error] = (await till.buy("20", "21.78"))["userErrors"]
    assert (error["__typename"], error["reason"], error["topUp"]) == ("PaymentUserError", "NO_PAYMENT_METHOD", None)
    await till.save_card(EXPIRED)
    [error] = (await till.quote("20"))["userErrors"]
    assert (error["code"], error["reason"]) == ("NO_PAYMENT_METHOD", "CARD_EXPIRED")
    [error] = (await till.buy("20", "21.78"))["userErrors"]
    assert (error["code"], error["reason"]) == ("NO_PAYMENT_METHOD", "CARD_EXPIRED")
    await till.save_card()
    assert codes(await till.quote("20.001")) == ["INVALID"]
    [error] = (await till.buy("20", "21.77"))["userErrors"]
    assert (error["__typename"], error["code"], error["field"]) == (
        "InputUserError",
        "QUOTE_CHANGED",
        ["expectedTotal"],
    )
    assert "21.78 USD" in error["message"]
    euros = {"amount": "20", "currencyCode": "EUR"}
    for name in ("credits", "expectedTotal"):
        input = _purchase(till) | {"officeId": await till.house.office(), name: euros}
        [error] = (await till.send(PURCHASE, input))["userErrors"]
        assert (error["code"], error["field"]) == ("WRONG_CURRENCY", [name])
    assert await till.top_up_count() == 0


async def test_an_amount_has_no_more_than_six_decimals_and_ten_digits(small_till: Till) -> None:
    till = small_till
    query = QUOTE + "fragment M on Money { amount } fragment Errors on UserError { code }"
    for credits, words in (("20.0000001", "more than 6 decimals"), ("1000000000.01", "at most 1000000000")):
        [error] = (await till.buy(credits, "21.78"))["userErrors"]
        assert (error["code"], error["field"]) == ("INVALID", ["credits", "amount"])
        input = {"officeId": await till.house.office(), "credits": till.amount(credits)}
        assert words in await till.house.refusal(query, {"input": input})


async def test_the_same_key_for_something_else_is_a_conflict(small_till: Till) -> None:
    await small_till.save_card()
    await small_till.buy("20", "21.78")
    [error] = (await small_till.buy("30", "32.66"))["userErrors"]
    assert (error["__typename"], error["differingFields"]) == ("IdempotencyUserError", ["credits", "expectedTotal"])
    for key in ("", "k" * 256, "k\0"):
        [error] = (await small_till.buy("20", "21.78", key))["userErrors"]
        assert (error["code"], error["field"]) == ("INVALID", ["idempotencyKey"])


@pytest.mark.parametrize(
    "url",
    [
        *("javascript:alert(1)", "//app.example", "ftp://app.example", "https://", "https:///path", "app.example"),
        *(
            "https://app.example/a b",
            "https://app.example/\n",
            "https://user:word@app.example/",
            "https://app.example:x/",
        ),
        *('https://app.example/"', "https://app.example/<", "https://bücher.example/", "https://[::1"),
        "https://app.example/" + "x" * 1_981,
    ],
)
async def test_nobody_is_sent_back_to_what_is_no_page(small_till: Till, url: str) -> None:
    office = await small_till.house.office()
    message = await small_till.house.refusal(
        START + "fragment Errors on UserError { code }", {"input": {"officeId": office, "returnUrl": url}}
    )
    assert "$input" in message
    assert "not an address of the web" in message


async def test_a_page_to_go_back_to_may_be_as_long_as_they_are(small_till: Till) -> None:
    for url in (
        "http://localhost:3000/#/credits",
        "https://app.example/" + "x" * 1_980,
        "https://[::1]:8080/?a=b&c=%20",
    ):
        assert codes(await small_till.start(returnUrl=url)) == []


async def test_yen_have_no_decimals(sqlite_database: Database) -> None:
    yen = {"purchase_minimum_micros": 500_000_000, "purchase_maximum_micros": 100_000_000_000}
    more = {"purchase_daily_micros": 100_000_000_000, "purchase_presets": (1_000_000_000,)}
    till = await open_till(sqlite_database, Currency.JPY, **yen, **more)
    await till.save_card()
    [error] = (await till.quote("1000.5"))["userErrors"]
    assert (error["code"], error["field"]) == ("INVALID", ["credits"])
    assert codes(await till.buy("1000.5", "1089")) == ["INVALID"]
    quote = await till.quote("1000")
    assert (quote["tax"], quote["total"]["amount"]) == ({"amount": "89.000000", "currencyCode": "JPY"}, "1089.000000")
    bought = await till.buy("1000", "1089")
    assert (bought["topUp"]["state"], bought["wallet"]["balance"]["amount"]) == ("SETTLED", "1002.000000")
    await assert_books_hold(till.house.database)


async def test_who_may_buy_and_for_whom(till: Till) -> None:
    await till.save_card()
    strangers = await till.strangers()
    office = await till.house.office()
    for name, viewer in strangers.items():
        expected = "NOT_FOUND" if name.startswith("of another") else "NOT_PERMITTED"
        answers = [
            await till.buy("20", "21.78", viewer=viewer),
            await till.complete(NOTHING[IdKind.TOP_UP], viewer),
            await till.send(START, {"officeId": office}, viewer),
            await till.send(SAVE, {"officeId": office, "setupId": NOTHING[IdKind.CARD_SETUP]}, viewer),
        ]
        assert [codes(answer) for answer in answers] == [[expected]] * 4, name
    assert await till.top_up_count() == 0
    hq = frozenset({await till.world.office_id()})
    billing = till.world.viewer(Role.OFFICE_ADMIN, office_ids=hq, has_billing=True)
    bought = await till.buy("20", "21.78", viewer=billing)
    assert (bought["topUp"]["state"], bought["topUp"]["requestedBy"]) == ("SETTLED", "Office admin")
    # His key, and theirs: known within the company, and opening nothing.
    assert codes(await till.buy("20", "21.78", viewer=strangers["of another office"])) == ["NOT_FOUND"]


async def test_who_may_see_a_quote(small_till: Till) -> None:
    till = small_till
    query = QUOTE + "fragment M on Money { amount } fragment Errors on UserError { code }"
    input: dict[str, Any] = {"officeId": await till.house.office(), "credits": till.amount("20")}
    for name, viewer in (await till.strangers()).items():
        if name.startswith("of another"):
            assert await till.quote("20", viewer=viewer) is None
        else:
            assert "PURCHASE_CREDITS" in await till.house.refusal(query, {"input": input}, viewer)
    for nowhere in (NOWHERE, "nonsense", "wal" + input["officeId"][3:]):
        assert (await till.send(QUOTE, {**input, "officeId": nowhere})) is None
        answer: Any = await till.send(PURCHASE, {**_purchase(till), "officeId": nowhere})
        assert codes(answer) == ["NOT_FOUND"]


def _purchase(till: Till) -> dict[str, Any]:
    return {"idempotencyKey": "k", "credits": till.amount("20"), "expectedTotal": till.amount("21.78")}


async def test_a_card_belongs_to_the_office_it_was_entered_for(small_till: Till) -> None:
    setup = (await small_till.start("paper"))["setupId"]
    for setup_id in (setup, "nonsense", "top" + setup[3:]):
        assert codes(await small_till.save(setup_id, "hq")) == ["NOT_FOUND"]
    small_till.world.now += timedelta(hours=1)
    [error] = (await small_till.save(setup, "paper"))["userErrors"]
    assert (error["code"], error["field"]) == ("INVALID", ["setupId"])


async def test_a_card_that_was_replaced_is_still_seen_on_what_it_paid(till: Till) -> None:
    first = await till.save_card()
    top_up = (await till.buy("20", "21.78"))["topUp"]
    second = await till.save_card(ASKS)
    query = """query ($office: ID!, $top: ID!, $card: ID!) { office(id: $office) { paymentMethod { lastFour } }
      topUp(id: $top) { paymentMethod { id lastFour } } node(id: $card) { ... on PaymentMethod { id lastFour } } }"""
    variables = {"office": await till.house.office(), "top": top_up["id"], "card": first["id"]}
    data = await till.house.ask(query, variables)
    assert data["office"]["paymentMethod"] == {"lastFour": "3155"} != second
    assert data["topUp"]["paymentMethod"] == data["node"] == {"id": first["id"], "lastFour": "4242"}
    till.world.now += timedelta(days=800)
    node = "query ($id: ID!) { node(id: $id) { ... on PaymentMethod { isExpired expiresMonth } } }"
    aged = await till.house.ask(node, {"id": second["id"]}, till.world.viewer(Role.COMPANY_ADMIN))
    assert aged["node"] == {"isExpired": True, "expiresMonth": "2028-03"}
