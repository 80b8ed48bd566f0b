"""Putting a wallet right over the wire: what a support desk sends and is told."""

from typing import Any

import pytest

from domain.access import Role, Viewer
from domain.money import decimal_text, parse_micros
from tests.schema.conftest import House

ADJUST = """mutation ($input: AdjustWalletInput!) { adjustWallet(input: $input) {
  wallet { id kind balance { amount } } posting { id source destination change { amount } balanceAfter { amount } note }
  isReplayed userErrors { __typename code message field ... on IdempotencyUserError { differingFields } } } }"""
NOTHING = {"wallet": None, "posting": None, "isReplayed": False}


def operator(house: House, **changes: object) -> Viewer:
    return house.world.viewer(Role.OPERATOR, **changes)


async def wallet_id(house: House, kind: str = "UNIVERSAL") -> str:
    query = "query ($id: ID!) { wallets(officeId: $id) { id kind } }"
    wallets = (await house.ask(query, {"id": await house.office()}))["wallets"]
    found: str = next(wallet["id"] for wallet in wallets if wallet["kind"] == kind)
    return found


async def adjust(
    house: House,
    wallet: str,
    amount: str,
    *,
    key: str = "a1",
    currency: str = "USD",
    reason: str = "Goodwill",
    viewer: Viewer | None = None,
) -> Any:
    change = {"amount": amount, "currencyCode": currency}
    input_ = {"idempotencyKey": key, "walletId": wallet, "change": change, "reason": reason}
    return (await house.ask(ADJUST, {"input": input_}, viewer or operator(house)))["adjustWallet"]


async def test_credits_are_added_and_taken_and_the_ledger_says_why(house: House) -> None:
    wallet = await wallet_id(house)
    added = await adjust(house, wallet, "100")
    assert added["userErrors"] == []
    posting = added["posting"]
    assert (posting["source"], posting["destination"]) == ("adjustment", "wallet:UNIVERSAL")
    assert (posting["change"]["amount"], posting["note"]) == ("100.000000", "Goodwill")
    assert added["wallet"] == {"id": wallet, "kind": "UNIVERSAL", "balance": posting["balanceAfter"]}
    taken = await adjust(house, wallet, "-250", key="a2")
    assert taken["posting"]["change"]["amount"] == "-250.000000"
    left = parse_micros(posting["balanceAfter"]["amount"]) - parse_micros("250")
    assert taken["wallet"]["balance"]["amount"] == decimal_text(left)
    assert left < 0


async def test_the_same_key_answers_the_same_posting(house: House) -> None:
    wallet = await wallet_id(house)
    first = await adjust(house, wallet, "1")
    assert await adjust(house, wallet, "1.000000") == {**first, "isReplayed": True}
    other = await adjust(house, wallet, "1", reason="Another")
    [error] = other.pop("userErrors")
    assert other == NOTHING
    assert (error["code"], error["differingFields"]) == ("IDEMPOTENCY_CONFLICT", ["reason"])


@pytest.mark.parametrize(
    ("kind", "amount", "more", "code", "field"),
    [
        ("CALLING", "-12.000001", {}, "TOO_LOW", ["change", "amount"]),
        ("UNIVERSAL", "0", {}, "INVALID", ["change", "amount"]),
        ("UNIVERSAL", "1000000001", {}, "INVALID", ["change", "amount"]),
        ("UNIVERSAL", "0.0000001", {}, "INVALID", ["change", "amount"]),
        ("UNIVERSAL", "1", {"currency": "EUR"}, "WRONG_CURRENCY", ["change", "currencyCode"]),
        ("UNIVERSAL", "1", {"reason": " "}, "INVALID", ["reason"]),
        ("UNIVERSAL", "1", {"reason": "two\nlines"}, "INVALID", ["reason"]),
        ("UNIVERSAL", "1", {"key": ""}, "INVALID", ["idempotencyKey"]),
    ],
)
async def test_what_cannot_be_says_which_value_is_to_blame(
    small_house: House, kind: str, amount: str, more: dict[str, str], code: str, field: list[str]
) -> None:
    answer = await adjust(small_house, await wallet_id(small_house, kind), amount, **more)
    [error] = answer.pop("userErrors")
    assert answer == NOTHING
    assert (error["code"], error["field"]) == (code, field)


async def test_only_operators_of_the_company_adjust(small_house: House) -> None:
    house, wallet = small_house, await wallet_id(small_house)
    for viewer in (house.world.viewer(Role.COMPANY_ADMIN, has_billing=True), house.world.viewer(Role.PARTNER)):
        [error] = (await adjust(house, wallet, "1", viewer=viewer))["userErrors"]
        assert error["code"] == "NOT_PERMITTED"
    for viewer, named in (
        (house.neighbour.viewer(Role.OPERATOR), wallet),
        (operator(house, company_id=None), wallet),
        (operator(house), "wal_" + "0" * 32),
        (operator(house), "nonsense"),
        (operator(house), await house.office()),
    ):
        [error] = (await adjust(house, named, "1", viewer=viewer))["userErrors"]
        assert (error["code"], error["field"], error["message"]) == (
            "NOT_FOUND",
            ["walletId"],
            "There is no such wallet.",
        )
