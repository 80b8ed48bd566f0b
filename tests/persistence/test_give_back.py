"""Credits are given back for money on real databases (R28, R30, R32): every story ends with the proof of the books."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from domain.access import Role
from domain.errors import (
    AboveMaximum,
    FareboxError,
    IdempotencyConflict,
    InvalidInput,
    NotFound,
    NotPermitted,
    NotRefundable,
    WrongCurrency,
)
from domain.money import Amount, Currency
from domain.refunds import RefundState
from domain.stories.adjust import adjust_wallet
from domain.stories.charge import reverse_usage
from domain.stories.give_back import Refunded
from domain.stories.recharge import configure_recharge
from persistence.database import Database
from persistence.tables.activity import ACTIVITY
from tests.persistence.giving_back import Till, invoiced, open_till, taxed
from tests.persistence.holding import held, released, request
from tests.persistence.story import ONE_A_PAGE, fax
from tests.proof import assert_books_hold
from tests.scripted_processor import Deed
from tests.world import START, World, commitment, rate

DECK = (*ONE_A_PAGE, rate("1"))
"""A page of fax costs 1, a minute of a call too."""


@pytest.fixture
async def till(database: Database) -> AsyncIterator[Till]:
    async with open_till(database, DECK) as till:
        yield till


async def spend(till: Till, pages: int, name: str = "fax") -> None:
    await till.world.record(fax(name, till.world.now, pages))


async def adjust(till: Till, change: str) -> None:
    await adjust_wallet(
        till.world.begin,
        till.world.viewer(),
        await till.wallet_id(),
        change=till.money(change),
        reason="Sorry.",
        key=f"adjusted {till.world.now}",
        now=till.world.now,
    )
    till.wait(seconds=1)


# ---------- how much ----------


async def test_a_part_and_then_the_rest_go_back_with_their_tax(till: Till) -> None:
    top_up = await till.bought("20")

    done = await till.refund(top_up, "5", "first")

    assert done == Refunded(await till.now_is(top_up), is_replayed=False)
    assert done.top_up.refunded_micros == 5_000_000
    assert await till.universal() == 15_000_000
    assert await till.posted(top_up.id) == [
        ("card", "wallet:UNIVERSAL", 20_000_000),
        ("card", "tax", 1_780_000),
        ("wallet:UNIVERSAL", "card", 5_000_000),
        ("tax", "card", 450_000),
    ]
    assert [order.amount_minor for order in till.processor.refunds.values()] == [545]

    rest = await till.refund(top_up, key="second")

    assert (rest.top_up.refunded_micros, await till.universal()) == (20_000_000, 0)
    assert sum(order.amount_minor for order in till.processor.refunds.values()) == 2_178
    assert [one.state for one in await till.refunds()] == [RefundState.SETTLED] * 2
    assert isinstance(await till.refused(top_up, "0.01", "third"), NotRefundable)
    assert await till.refundable(top_up) == [0]


async def test_what_was_done_stands_in_the_audit_trail_and_on_the_postings(till: Till) -> None:
    top_up = await till.bought("20")
    await till.refund(top_up, "5", reason="  Bought twice. ")
    rows = await till.world.database.rows(ACTIVITY.select().where(ACTIVITY.c.action == "refundTopUp"))
    changes = [
        {"field": "refunded", "before": "0.00 USD", "after": "5.00 USD"},
        {"field": "reason", "before": None, "after": "Bought twice."},
    ]
    assert [(row.actor, row.target_id, row.changes) for row in rows] == [(till.admin.name, top_up.id, changes)]
    [refund] = await till.refunds()
    assert (refund.reason, refund.author) == ("Bought twice.", till.admin.name)


async def test_only_what_was_not_spent_goes_back(till: Till) -> None:
    top_up = await till.bought("20")
    await spend(till, 15)
    error = await till.refused(top_up, "5.01")
    assert isinstance(error, AboveMaximum)
    assert (error.maximum_micros, error.field) == (5_000_000, ("amount",))
    assert await till.refundable(top_up) == [5_000_000]

    assert (await till.refund(top_up)).top_up.refunded_micros == 5_000_000
    assert await till.universal() == 0
    assert await till.refundable(top_up) == [0]


async def test_what_is_held_does_not_go_back_until_the_hold_is_over(till: Till) -> None:
    top_up = await till.bought("20")
    hold = await held(till.world, request(quantity=8 * 60))
    assert await till.refundable(top_up) == [12_000_000]
    assert isinstance(await till.refused(top_up, "12.01"), AboveMaximum)
    await released(till.world, hold)
    assert (await till.refund(top_up)).top_up.refunded_micros == 20_000_000


async def test_a_hold_whose_time_is_over_keeps_nothing_back(till: Till) -> None:
    top_up = await till.bought("20")
    await held(till.world, request(quantity=8 * 60, hold_seconds=60))
    till.wait(minutes=2)
    assert (await till.refund(top_up)).top_up.refunded_micros == 20_000_000


async def test_the_oldest_credits_are_spent_first(till: Till) -> None:
    first, second, third = [await till.bought(credits) for credits in ("10", "20", "30")]
    assert await till.refundable(first, second, third) == [10_000_000, 20_000_000, 30_000_000]
    await spend(till, 14)
    assert await till.refundable(first, second, third) == [0, 16_000_000, 30_000_000]
    assert isinstance(await till.refused(first), NotRefundable)
    await till.refund(third, "25", "of the third")
    assert await till.refundable(third, second, first) == [5_000_000, 16_000_000, 0]
    await till.refund(second, key="of the second")
    assert await till.refundable(first, second, third) == [0, 0, 5_000_000]
    assert await till.universal() == 5_000_000


async def test_older_credits_are_spent_before_and_adjustments_after(till: Till) -> None:
    top_up = await till.bought("20")
    await adjust(till, "7")
    await spend(till, 12)
    assert await till.refundable(top_up) == [8_000_000]
    assert (await till.refund(top_up)).top_up.refunded_micros == 8_000_000
    assert await till.universal() == 7_000_000, "nobody paid for these"


@pytest.mark.parametrize(
    ("changes", "refundable"),
    [
        pytest.param(("50", "-50"), 20, id="a mistake put right"),
        pytest.param(("50", "-30"), 20, id="in part"),
        pytest.param(("-10", "10"), 20, id="the other way round"),
        pytest.param(("-10",), 10, id="what was taken is gone"),
        pytest.param(("7", "-10"), 17, id="more than was given"),
    ],
)
async def test_an_adjustment_taken_back_came_never(till: Till, changes: tuple[str, ...], refundable: int) -> None:
    top_up = await till.bought("20")
    for change in changes:
        await adjust(till, change)
    assert await till.refundable(top_up) == [refundable * 1_000_000]
    assert (await till.refund(top_up)).top_up.refunded_micros == refundable * 1_000_000


async def test_an_adjustment_taken_back_later_counts_for_the_top_ups_before_it(till: Till) -> None:
    first = await till.bought("20")
    await adjust(till, "50")
    second = await till.bought("10")
    assert await till.refundable(first, second) == [20_000_000, 10_000_000]
    await adjust(till, "-50")
    assert await till.refundable(first, second) == [20_000_000, 10_000_000]
    await spend(till, 25)
    assert await till.refundable(first, second) == [0, 5_000_000]


async def test_usage_that_was_taken_back_counts_as_never_spent(till: Till) -> None:
    top_up = await till.bought("20")
    [wrong] = await till.world.record(fax("wrong", till.world.now, 12))
    assert wrong.charge_id is not None
    assert await till.refundable(top_up) == [8_000_000]
    await reverse_usage(
        till.world.begin, till.world.viewer(), wrong.charge_id, key="r", reason="wrong", now=till.world.now
    )
    assert await till.refundable(top_up) == [20_000_000]
    assert (await till.refund(top_up)).top_up.refunded_micros == 20_000_000


async def test_commitment_money_that_a_reversal_made_universal_does_not_go_back(till: Till) -> None:
    plan = taxed(commitments=(commitment("5"),))
    await till.world.apply(plan)
    till.world.now = START + timedelta(days=32)
    [wrong] = await till.world.record(fax("wrong", till.world.now, 8))
    assert wrong.charge_id is not None
    top_up = await till.bought("20")
    assert await till.refundable(top_up) == [17_000_000], "three were paid from universal credits"
    till.wait(days=40)
    await reverse_usage(
        till.world.begin, till.world.viewer(), wrong.charge_id, key="r", reason="wrong", now=till.world.now
    )
    assert await till.universal() == 25_000_000, "five of the commitment, three of universal credits"
    assert await till.refundable(top_up) == [20_000_000]
    await spend(till, 10)  # the new cycle's commitment pays five of them
    await till.refund(top_up)
    assert await till.universal() == 5_000_000


async def test_what_a_reader_is_told_is_for_his_own_offices_and_for_settled_top_ups(till: Till) -> None:
    await till.world.apply(taxed(), taxed("annex"))
    await till.save_card("annex")
    mine, others = await till.bought("20"), await till.bought("30", slug="annex")
    till.processor.deed = Deed.PROCESS
    await till.save_card(deed=Deed.PROCESS)
    waiting = await till.bought("10")
    await spend(till, 1)
    assert await till.refundable(mine, others, waiting) == [19_000_000, 30_000_000, 0]
    assert isinstance(await till.refused(waiting), NotRefundable)
    office_admin = till.world.viewer(Role.OFFICE_ADMIN, office_ids=frozenset({mine.office_id}), has_billing=True)
    assert await till.refundable(mine, others, viewer=office_admin) == [19_000_000]
    with pytest.raises(NotFound):
        await till.refund(others, viewer=office_admin)


@pytest.mark.parametrize(
    ("amount", "error"),
    [
        (Amount(5_000_000, "EUR"), WrongCurrency),
        (Amount(5_001_000, "USD"), InvalidInput),
        (Amount(0, "USD"), InvalidInput),
        (Amount(-5_000_000, "USD"), InvalidInput),
        (Amount(20_010_000, "USD"), AboveMaximum),
    ],
)
async def test_an_amount_that_cannot_go_back_is_refused(till: Till, amount: Amount, error: type[FareboxError]) -> None:
    top_up = await till.bought("20")
    till.currency = amount.currency
    with pytest.raises(error) as raised:
        await till.refund(top_up, f"{amount.micros / 10**6:.6f}")
    assert raised.value.field == ("amount",)
    assert await till.refunds() == []


async def test_who_may_not_buy_may_not_give_back_either(till: Till) -> None:
    top_up = await till.bought("20")
    for viewer in (till.world.viewer(Role.OFFICE_ADMIN), till.world.viewer(Role.PARTNER)):
        with pytest.raises(NotPermitted):
            await till.refund(top_up, viewer=viewer)
    with pytest.raises(InvalidInput):
        await till.refund(top_up, key="")
    with pytest.raises(InvalidInput):
        await till.refund(top_up, reason=" ")
    assert (await till.refund(top_up, viewer=till.world.viewer())).top_up.refunded_micros == 20_000_000


async def test_yen_have_no_decimals(database: Database) -> None:
    till = Till(World(database, now=START + timedelta(days=1)), currency="JPY")
    await till.world.apply(taxed(tax_rate_micros=100_000), currency=Currency.JPY)
    await till.save_card()
    top_up = await till.bought("105")
    for at, credits in enumerate(("1", "4", "100")):
        await till.refund(top_up, credits, f"part {at}")
    # 10.5 of tax are 11 yen; of 1 yen's share 0.1, of 5 yen's 0.52.
    assert [order.amount_minor for order in till.processor.refunds.values()] == [1, 5, 110]
    assert await till.universal() == 0
    await assert_books_hold(database)


# ---------- once ----------


async def test_the_same_key_gives_back_once_and_other_facts_are_a_conflict(till: Till) -> None:
    top_up = await till.bought("20")
    await till.refund(top_up, "5")
    again = await till.refund(top_up, "5")
    assert again == Refunded(await till.now_is(top_up), is_replayed=True)
    error = await till.refused(top_up, "6")
    assert isinstance(error, IdempotencyConflict)
    assert error.differing_fields == ("amount",)
    error = await till.refused(top_up, "5", key="buy 0")
    assert isinstance(error, IdempotencyConflict)
    assert await till.universal() == 15_000_000


async def test_twelve_clients_with_one_key_get_one_refund(till: Till) -> None:
    top_up = await till.bought("20")
    done = await asyncio.gather(*(till.refund(top_up, "5") for _ in range(12)))
    assert sorted(one.is_replayed for one in done) == [False] + [True] * 11
    assert await till.universal() == 15_000_000
    assert till.processor.call_count("refund") == 1


async def test_of_many_refunds_at_once_no_more_go_through_than_there_is(till: Till) -> None:
    top_up = await till.bought("20")
    done = await asyncio.gather(
        *(till.refund(top_up, "6", f"key {at}") for at in range(6)),
        *(till.world.record(fax(f"fax {at}", till.world.now, 1)) for at in range(2)),
        return_exceptions=True,
    )
    refunded = [one for one in done if isinstance(one, Refunded)]
    assert len(refunded) in (2, 3)
    refused = {type(one) for one in done if isinstance(one, Exception)}
    assert refused <= {AboveMaximum, NotRefundable}, "three of them and both pages leave nothing at all"
    assert await till.universal() == 18_000_000 - 6_000_000 * len(refunded)


# ---------- invoices ----------


async def test_an_invoiced_refund_lowers_what_is_owed_and_is_settled_at_once(till: Till) -> None:
    await till.world.apply(invoiced())
    top_up = await till.bought("20")
    done = await till.refund(top_up, "5")
    assert (done.top_up.refunded_micros, await till.owed()) == (5_000_000, 16_330_000)
    assert [one.state for one in await till.refunds()] == [RefundState.SETTLED]
    assert (await till.posted(top_up.id))[2:] == [
        ("wallet:UNIVERSAL", "receivable", 5_000_000),
        ("tax", "receivable", 450_000),
    ]
    assert till.processor.call_count("refund") == 0


async def test_an_invoice_that_was_paid_is_refunded_from_the_bank(till: Till) -> None:
    await till.world.apply(invoiced())
    top_up = await till.bought("20")
    await till.pay_invoice()
    await till.refund(top_up, "5")
    assert (await till.posted(top_up.id))[2:] == [
        ("bank", "receivable", 21_780_000),
        ("wallet:UNIVERSAL", "bank", 5_000_000),
        ("tax", "bank", 450_000),
    ]
    assert await till.owed() == 0


async def test_a_refund_does_not_make_auto_recharge_look(till: Till) -> None:
    top_up = await till.bought("20")
    await configure_recharge(
        till.world.begin, till.admin, top_up.office_id, is_enabled=True, threshold=None, amount=None, cycle_cap=None,
        now=till.world.now,
    )  # fmt: skip
    await till.refund(top_up)
    assert await till.universal() == 0
    assert await till.top_ups() == [await till.now_is(top_up)]
