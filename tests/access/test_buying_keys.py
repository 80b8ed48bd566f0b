"""Keys of purchases, refunds and invoices are each company's own; a second id beside an office opens no other's."""

from typing import Any

import pytest

from domain.access import Role
from schema.ids import IdKind
from tests.access.estate import MARKS, Estate, token
from tests.proof import assert_books_hold

FIVE = {"amount": "5", "currencyCode": "USD"}
ERRORS = "userErrors { code message field ... on IdempotencyUserError { differingFields } }"


def _mutation(name: str, input_: str, told: str) -> str:
    return f"mutation ($input: {input_}!) {{ it: {name}(input: $input) {{ {told} {ERRORS} }} }}"


PURCHASE = _mutation("purchaseCredits", "PurchaseCreditsInput", "isReplayed topUp { id }")
REFUND = _mutation("refundTopUp", "RefundTopUpInput", "isReplayed topUp { id }")
SETTLE = _mutation("settleInvoice", "SettleInvoiceInput", "isReplayed topUps { id }")
SAVE = _mutation("savePaymentMethod", "SavePaymentMethodInput", "paymentMethod { id }")

ADMIN: dict[str, Any] = {}
GLOBEX: dict[str, Any] = {"company": "globex"}
HQ: dict[str, Any] = {"role": Role.OFFICE_ADMIN, "offices": ("hq",), "has_billing": True}
OPERATOR: dict[str, Any] = {"role": Role.OPERATOR}


async def send(estate: Estate, claims: dict[str, Any], query: str, **input: Any) -> Any:
    answer = await estate.ask(token(**claims), query, input=input)
    if claims is HQ:
        assert not MARKS.search(answer.body.decode())
    return answer.data["it"]


def codes(answer: Any) -> list[str]:
    return [error["code"] for error in answer["userErrors"]]


async def test_a_key_of_another_company_is_free_here(any_estate: Estate) -> None:
    """`buy-hq` bought credits in acme."""
    estate, vault = any_estate, any_estate.one(IdKind.OFFICE, "vault")
    bought = await send(
        estate, GLOBEX, PURCHASE, officeId=vault, idempotencyKey="buy-hq", credits=FIVE, expectedTotal=FIVE
    )
    assert (codes(bought), bought["isReplayed"]) == ([], False)
    given = {"topUpId": bought["topUp"]["id"], "amount": FIVE, "reason": "Wrong."}
    # The key is no conflict; that all credits of vault are spent comes after it.
    assert codes(await send(estate, GLOBEX, REFUND, idempotencyKey="buy-berlin", **given)) == ["NOT_REFUNDABLE"]
    paid = await send(estate, OPERATOR | GLOBEX, SETTLE, officeId=vault, idempotencyKey="buy-lone")
    assert (codes(paid), paid["isReplayed"]) == ([], False)
    await assert_books_hold(estate.database)


@pytest.mark.parametrize("key", ["buy-berlin", "unused"])
async def test_a_key_of_another_office_opens_nothing_of_it(estate: Estate, key: str) -> None:
    before = await estate.everything_stored()
    berlin = estate.one(IdKind.OFFICE, "berlin")
    twenty = {"amount": "20", "currencyCode": "USD"}
    facts = {"credits": twenty, "expectedTotal": twenty}
    theirs = await send(estate, HQ, PURCHASE, officeId=berlin, idempotencyKey=key, **facts)
    assert codes(theirs) == ["NOT_FOUND"]
    hidden = estate.one(IdKind.TOP_UP, "berlin")
    given = {"topUpId": hidden, "amount": FIVE, "reason": "Wrong."}
    assert codes(await send(estate, HQ, REFUND, idempotencyKey=key, **given)) == ["NOT_FOUND"]
    assert await estate.everything_stored() == before


async def test_a_key_that_another_office_used_tells_only_that_it_is_taken(estate: Estate) -> None:
    before = await estate.everything_stored()
    own = {"officeId": estate.one(IdKind.OFFICE, "hq"), "credits": FIVE, "expectedTotal": FIVE}
    assert codes(await send(estate, HQ, PURCHASE, idempotencyKey="buy-berlin", **own)) == ["IDEMPOTENCY_CONFLICT"]
    given = {"topUpId": estate.one(IdKind.TOP_UP, "hq"), "amount": FIVE, "reason": "Wrong."}
    assert codes(await send(estate, HQ, REFUND, idempotencyKey="buy-berlin", **given)) == ["IDEMPOTENCY_CONFLICT"]
    assert await estate.everything_stored() == before


async def test_a_card_that_was_entered_elsewhere_is_not_saved_here(estate: Estate) -> None:
    """Not with one's own office, nor with theirs; and unknown is the same answer."""
    before = await estate.everything_stored()
    setups = {place: estate.ids[IdKind.CARD_SETUP][place][-1] for place in ("hq", "berlin", "vault")}
    hq = estate.one(IdKind.OFFICE, "hq")
    for claims in (ADMIN, HQ):
        unknown = await send(estate, claims, SAVE, officeId=hq, setupId="set_" + "0" * 32)
        assert codes(unknown) == ["NOT_FOUND"]
        for text in (setups["berlin"], setups["vault"], "garbage", setups["hq"].upper(), "top" + setups["hq"][3:]):
            assert await send(estate, claims, SAVE, officeId=hq, setupId=text) == unknown
    vault = estate.one(IdKind.OFFICE, "vault")
    for claims in (ADMIN, HQ):
        assert codes(await send(estate, claims, SAVE, officeId=vault, setupId=setups["vault"])) == ["NOT_FOUND"]
    assert await estate.everything_stored() == before


async def test_an_invoice_is_paid_by_the_office_that_owes_it(estate: Estate) -> None:
    before = await estate.everything_stored()
    hq = {"officeId": estate.one(IdKind.OFFICE, "hq"), "idempotencyKey": "paid"}
    unknown = await send(estate, OPERATOR, SETTLE, topUpIds=["top_" + "0" * 32], **hq)
    assert codes(unknown) == ["NOT_FOUND"]
    for place in ("berlin", "vault"):
        assert await send(estate, OPERATOR, SETTLE, topUpIds=[estate.one(IdKind.TOP_UP, place)], **hq) == unknown
    for text in ("garbage", hq["officeId"]):
        assert codes(await send(estate, OPERATOR, SETTLE, topUpIds=[text], **hq)) == ["INVALID"]
    assert await estate.everything_stored() == before
