"""Invoiced offices owe what they bought until it is paid (R31): every story ends with the proof of the books."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest

from domain.access import Role
from domain.errors import IdempotencyConflict, InvalidInput, LimitReached, NotFound, NotPermitted
from domain.stories.recharge import configure_recharge
from domain.top_ups import TopUpOrigin, TopUpReason, TopUpState
from persistence.database import Database
from persistence.tables.activity import ACTIVITY
from tests.persistence.giving_back import Till, invoiced, open_till, taxed
from tests.persistence.story import fax


@pytest.fixture
async def till(database: Database) -> AsyncIterator[Till]:
    async with open_till(database) as till:
        await till.world.apply(invoiced(), taxed("annex"))
        yield till


async def test_paying_clears_what_is_owed_and_frees_the_limit(till: Till) -> None:
    first, second = await till.bought("100"), await till.bought("120")
    assert await till.owed() == 239_530_000
    with pytest.raises(LimitReached):
        await till.bought("20")

    paid = await till.pay_invoice()

    assert (paid.top_up_ids, paid.total_micros, paid.is_replayed) == ((first.id, second.id), 239_530_000, False)
    assert await till.owed() == 0
    assert (await till.now_is(first)).paid_at == till.world.now
    assert (await till.posted(first.id))[2:] == [("bank", "receivable", 108_880_000)]
    assert (await till.bought("20")).state is TopUpState.SETTLED
    assert await till.universal() == 240_000_000
    rows = await till.world.database.rows(ACTIVITY.select().where(ACTIVITY.c.action == "settleInvoice"))
    assert [row.changes for row in rows] == [[{"field": "paid", "before": None, "after": "239.53 USD"}]]


async def test_the_same_key_pays_once_and_answers_the_same_again(till: Till) -> None:
    first = await till.bought("20")
    paid = await till.pay_invoice()
    second = await till.bought("30")
    assert await till.pay_invoice() == paid._replace(is_replayed=True)
    assert (await till.now_is(second)).paid_at is None
    with pytest.raises(IdempotencyConflict) as raised:
        await till.pay_invoice(first)
    assert raised.value.differing_fields == ("topUpIds",)
    many = await asyncio.gather(*(till.pay_invoice(key="second") for _ in range(6)))
    assert sorted(one.is_replayed for one in many) == [False] + [True] * 5
    assert {one.top_up_ids for one in many} == {(second.id,)}


async def test_those_named_are_paid_and_what_was_returned_is_not_paid_for(till: Till) -> None:
    first, second, third = [await till.bought("20") for _ in range(3)]
    await till.refund(first, "5", "part")
    await till.refund(third, key="whole")
    paid = await till.pay_invoice(third, first)
    assert (paid.top_up_ids, paid.total_micros) == ((first.id, third.id), 16_330_000)
    assert await till.owed() == 21_780_000
    again = await till.pay_invoice(first, second, key="again")
    assert (again.top_up_ids, again.total_micros) == ((second.id,), 21_780_000)
    nothing = await till.pay_invoice(key="nothing")
    assert (nothing.top_up_ids, nothing.total_micros) == ((), 0)


async def test_what_stands_on_no_invoice_of_the_office_cannot_be_paid(till: Till) -> None:
    await till.save_card("annex")
    by_card = await till.bought("20", slug="annex")
    with pytest.raises(NotFound) as raised:
        await till.pay_invoice(await till.bought("20"), by_card)
    assert raised.value.field == ("topUpIds", 1)
    with pytest.raises(InvalidInput):
        await till.pay_invoice(by_card, slug="annex")
    with pytest.raises(NotFound):
        await till.pay_invoice(replace(by_card, id=uuid4()), slug="annex")
    assert await till.owed() == 21_780_000


async def test_only_an_operator_says_that_an_invoice_was_paid(till: Till) -> None:
    await till.bought("20")
    for role in (Role.COMPANY_ADMIN, Role.OFFICE_ADMIN, Role.PARTNER):
        with pytest.raises(NotPermitted):
            await till.pay_invoice(viewer=till.world.viewer(role, has_billing=True))
    elsewhere = till.world.viewer(office_ids=frozenset({await till.world.office_id("annex")}))
    with pytest.raises(NotFound):
        await till.pay_invoice(viewer=elsewhere)
    assert await till.owed() == 21_780_000


async def test_a_recharge_that_the_limit_stopped_is_made_once_it_is_free(till: Till) -> None:
    bought = await till.bought("225")
    await till.world.record(fax("fax", till.world.now, 222))
    await configure_recharge(
        till.world.begin, till.admin, bought.office_id, is_enabled=True, threshold=None, amount=None, cycle_cap=None,
        now=till.world.now,
    )  # fmt: skip
    [_, skipped] = await till.top_ups()
    assert skipped.reason is TopUpReason.INVOICE_LIMIT
    await till.pay_invoice()
    [recharge] = [one for one in await till.top_ups() if one.origin is TopUpOrigin.AUTO_RECHARGE and not one.reason]
    assert recharge.state is TopUpState.SETTLED
    assert await till.universal() == 23_000_000
    assert await till.owed() == 21_780_000
