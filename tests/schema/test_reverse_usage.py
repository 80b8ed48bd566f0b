"""Taking a charge back over the wire: once, by key, and never another's."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import func, select

from domain.access import PartnerScope, Role, Viewer
from persistence.tables.charging import CHARGE
from persistence.tables.funds import POSTING
from tests.schema.conftest import House

REVERSE = """
mutation Reverse($input: ReverseUsageInput!) { reverseUsage(input: $input) { reversal { id cost { amount } }
  wallets { id balance { amount } } userErrors { code message } } }
"""
EVERYTHING = """
mutation ($input: ReverseUsageInput!) { reverseUsage(input: $input) {
  reversal { id state cost { amount } quantity { value } reverses { id } }
  usageRecord { id state reversedBy { id } } wallets { kind balance { amount } } isReplayed
  userErrors { __typename code field ... on IdempotencyUserError { differingFields } } } }
"""
NOBODY = "use_" + "0" * 31 + "1"


async def record_id(house: House, event_id: str = "call") -> str:
    rows = await house.database.rows(
        select(CHARGE.c.id).where(CHARGE.c.event_id == event_id, CHARGE.c.company_id == house.world.company_id)
    )
    return f"use_{rows[0].id.hex}"


def operator(house: House) -> Viewer:
    return house.world.viewer(Role.OPERATOR)


async def reverse(
    house: House, usage_record_id: str, *, key: str = "k1", reason: str = "Wrong call", viewer: Viewer | None = None
) -> Any:
    input = {"idempotencyKey": key, "usageRecordId": usage_record_id, "reason": reason}
    return (await house.ask(EVERYTHING, {"input": input}, viewer or operator(house)))["reverseUsage"]


async def moved(house: House) -> tuple[int, int]:
    charges = await house.database.rows(select(func.count()).select_from(CHARGE))
    postings = await house.database.rows(select(func.count()).select_from(POSTING))
    return charges[0][0], postings[0][0]


async def test_every_source_gets_back_what_it_paid(house: House) -> None:
    abroad = await record_id(house, "abroad")
    answer = await reverse(house, abroad)
    assert answer["userErrors"] == []
    assert answer["isReplayed"] is False
    assert (answer["usageRecord"]["id"], answer["usageRecord"]["state"]) == (abroad, "REVERSED")
    assert answer["usageRecord"]["reversedBy"]["id"] == answer["reversal"]["id"]
    assert (answer["reversal"]["state"], answer["reversal"]["reverses"]["id"]) == ("REVERSAL", abroad)
    assert answer["reversal"]["cost"]["amount"] == "-0.101667"
    # 0.708333 were left, and 0.101667 come back.
    assert answer["wallets"][0] == {"kind": "CALLING", "balance": {"amount": "0.810000"}}


async def test_the_operation_of_a_screen(house: House) -> None:
    input = {"idempotencyKey": "k", "usageRecordId": await record_id(house), "reason": "Wrong call"}
    data = await house.ask(REVERSE, {"input": input}, operator(house))
    assert data["reverseUsage"]["reversal"]["cost"]["amount"] == "-0.120000"
    assert len(data["reverseUsage"]["wallets"]) == 3


async def test_the_same_key_again_answers_the_same_and_changes_nothing(house: House) -> None:
    call = await record_id(house)
    first = await reverse(house, call)
    before = await moved(house)
    again = await reverse(house, call)
    assert again == {**first, "isReplayed": True}
    assert await moved(house) == before


async def test_the_same_key_for_something_else_is_a_conflict(house: House) -> None:
    await reverse(house, await record_id(house))
    before = await moved(house)
    answer = await reverse(house, await record_id(house, "abroad"), reason="Another")
    assert answer["userErrors"] == [
        {
            "__typename": "IdempotencyUserError",
            "code": "IDEMPOTENCY_CONFLICT",
            "field": ["idempotencyKey"],
            "differingFields": ["usageRecordId", "reason"],
        }
    ]
    assert (answer["reversal"], answer["usageRecord"], answer["wallets"]) == (None, None, None)
    assert await moved(house) == before


async def test_nothing_is_taken_back_twice(house: House) -> None:
    call = await record_id(house)
    reversal = (await reverse(house, call))["reversal"]["id"]
    for again in (call, reversal):
        [error] = (await reverse(house, again, key=f"again {again}"))["userErrors"]
        assert (error["__typename"], error["code"]) == ("InputUserError", "ALREADY_REVERSED")


@pytest.mark.parametrize(
    ("key", "reason", "field"),
    [
        ("", "Wrong call", "idempotencyKey"),
        ("k" * 256, "Wrong call", "idempotencyKey"),
        ("k\0", "Wrong call", "idempotencyKey"),
        ("k", " ", "reason"),
        ("k", "x" * 501, "reason"),
        ("k", "null\0byte", "reason"),
        ("k", "half \ud83d of a pair", "reason"),
    ],
)
async def test_key_and_reason_have_bounds(small_house: House, key: str, reason: str, field: str) -> None:
    answer = await reverse(small_house, await record_id(small_house), key=key, reason=reason)
    [error] = answer["userErrors"]
    assert (error["code"], error["field"]) == ("INVALID", [field])


async def test_two_reversals_in_one_request_see_each_other(house: House) -> None:
    """What the first one read is out of date when the second has written."""
    field = """reverseUsage(input: {idempotencyKey: "%s", usageRecordId: "%s", reason: "r"}) {
      reversal { id } usageRecord { state } wallets { kind balance { amount } } }"""
    first = field % ("1", await record_id(house, "abroad"))
    second = field % ("2", await record_id(house, "call"))
    data = await house.ask(f"mutation {{ a: {first} b: {second} }}", viewer=operator(house))
    assert data["a"]["wallets"][0]["balance"]["amount"] == "0.810000"
    assert data["b"]["wallets"][0]["balance"]["amount"] == "0.930000"
    assert data["b"]["usageRecord"]["state"] == "REVERSED"


async def test_who_may_take_back_what(house: House) -> None:
    world = house.world
    call, berlin = await record_id(house), await record_id(house, "berlin-0")
    hq = frozenset({await world.office_id("hq")})
    reverser = frozenset({PartnerScope.USAGE_REVERSE})
    before = await moved(house)
    for viewer in (
        world.viewer(Role.COMPANY_ADMIN),
        await house.office_admin("hq"),
        world.viewer(Role.PARTNER, scopes=frozenset(PartnerScope) - reverser),
    ):
        answer = await reverse(house, call, viewer=viewer)
        assert [error["code"] for error in answer["userErrors"]] == ["NOT_PERMITTED"]
        assert await reverse(house, "nonsense", viewer=viewer) == answer
    for viewer, target in (
        (world.viewer(Role.PARTNER, office_ids=hq), berlin),
        (house.neighbour.viewer(Role.PARTNER), call),
        (house.neighbour.viewer(Role.OPERATOR), call),
        (world.viewer(Role.OPERATOR, company_id=None), call),
    ):
        unknown = await reverse(house, NOBODY, viewer=viewer)
        assert [error["code"] for error in unknown["userErrors"]] == ["NOT_FOUND"]
        for text in (target, "nonsense", "off" + target[3:]):
            assert await reverse(house, text, viewer=viewer) == unknown
    assert await moved(house) == before
    limited = world.viewer(Role.PARTNER, scopes=reverser, office_ids=hq)
    answer = await reverse(house, call, viewer=limited)
    assert (answer["reversal"] is not None, answer["wallets"]) == (True, None)


async def test_another_s_key_and_record_are_not_found_even_together(house: House) -> None:
    """A replay must not confirm what a reversal would not."""
    berlin = await record_id(house, "berlin-0")
    await reverse(house, berlin, key="theirs")
    limited = house.world.viewer(Role.PARTNER, office_ids=frozenset({await house.world.office_id("hq")}))
    answer = await reverse(house, berlin, key="theirs", viewer=limited)
    assert [error["code"] for error in answer["userErrors"]] == ["NOT_FOUND"]
    assert answer["isReplayed"] is False


async def test_reversals_at_once_take_back_once(house: House) -> None:
    call, abroad = await record_id(house), await record_id(house, "abroad")
    same = await asyncio.gather(*(reverse(house, call, key="same") for _ in range(3)))
    assert sorted(answer["isReplayed"] for answer in same) == [False, True, True]
    assert len({answer["reversal"]["id"] for answer in same}) == 1
    others = await asyncio.gather(*(reverse(house, abroad, key=f"other {at}") for at in range(3)))
    codes = [error["code"] for answer in others for error in answer["userErrors"]]
    assert codes == ["ALREADY_REVERSED", "ALREADY_REVERSED"]
