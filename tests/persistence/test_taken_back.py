"""Money that others take back: a cardholder's bank, or somebody at the processor itself (R30). News come twice and in
any order; every story ends with the proof of the books."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from domain.errors import NotRefundable, PaymentUnavailable, WrongCurrency
from domain.payments import DisputeState, RefundOrder, RefundOutcome
from domain.refunds import RefundKind, RefundState
from persistence.database import Database
from persistence.tables.activity import ACTIVITY
from tests.persistence.giving_back import Till, open_till
from tests.persistence.story import fax
from tests.scripted_processor import Deed

OPEN, WON, LOST = DisputeState.OPEN, DisputeState.WON, DisputeState.LOST


@pytest.fixture
async def till(database: Database) -> AsyncIterator[Till]:
    async with open_till(database) as till:
        yield till


async def states(till: Till) -> list[RefundState]:
    return [one.state for one in await till.refunds()]


# ---------- disputes ----------


async def test_a_dispute_takes_spent_credits_too_and_the_wallet_below_zero(till: Till) -> None:
    top_up = await till.bought("20")
    await till.world.record(fax("fax", till.world.now, 15))
    assert await till.dispute(top_up, OPEN)
    assert await till.universal() == -15_000_000
    assert (await till.now_is(top_up)).refunded_micros == 20_000_000
    assert (await till.posted(top_up.id))[2:] == [
        ("wallet:UNIVERSAL", "card", 20_000_000),
        ("tax", "card", 1_780_000),
    ]
    [dispute] = await till.refunds()
    assert (dispute.kind, dispute.state, dispute.due_at) == (RefundKind.DISPUTE, RefundState.PENDING, None)
    rows = await till.world.database.rows(ACTIVITY.select().where(ACTIVITY.c.action == "disputeTopUp"))
    assert [row.actor for row in rows] == ["Farebox"]
    assert isinstance(await till.refused(top_up, "1"), NotRefundable)

    later = await till.bought("50")
    assert await till.universal() == 35_000_000, "it repays first"
    assert await till.refundable(top_up, later) == [0, 35_000_000]


@pytest.mark.parametrize(
    ("news", "balance", "state"),
    [
        ([OPEN, OPEN], 0, RefundState.PENDING),
        ([OPEN, LOST, LOST], 0, RefundState.SETTLED),
        ([OPEN, WON, WON], 20_000_000, RefundState.FAILED),
        ([LOST, OPEN], 0, RefundState.SETTLED),
        ([LOST, WON], 20_000_000, RefundState.FAILED),
        ([WON, OPEN], 20_000_000, RefundState.FAILED),
        ([WON, WON, OPEN, LOST], 20_000_000, RefundState.FAILED),
    ],
    ids=lambda value: "-".join(value).lower() if isinstance(value, list) else "",
)
async def test_news_of_a_dispute_may_come_twice_and_in_any_order(
    till: Till, news: list[DisputeState], balance: int, state: RefundState
) -> None:
    top_up = await till.bought("20")
    for one in news:
        assert await till.dispute(top_up, one)
        till.wait(minutes=1)
    assert await till.universal() == balance
    assert await states(till) == [state]
    assert (await till.now_is(top_up)).refunded_micros == 20_000_000 - balance
    assert await till.refundable(top_up) == [balance]


async def test_the_same_news_at_once_are_taken_once(till: Till) -> None:
    top_up = await till.bought("20")
    assert all(await asyncio.gather(*(till.dispute(top_up, OPEN) for _ in range(6))))
    assert await till.universal() == 0
    assert await states(till) == [RefundState.PENDING]


async def test_a_part_that_is_disputed_is_split_as_the_whole_was(till: Till) -> None:
    top_up = await till.bought("20")
    await till.dispute(top_up, OPEN, minor=1_000)
    # 10.00 of 21.78: 20 × 10 ÷ 21.78 = 9.1827…
    assert (await till.posted(top_up.id))[2:] == [("wallet:UNIVERSAL", "card", 9_180_000), ("tax", "card", 820_000)]
    await till.refund(top_up)
    [_, rest] = await till.refunds()
    assert (rest.credits_micros, rest.tax_micros) == (10_820_000, 960_000)
    assert await till.universal() == 0


async def test_a_bank_takes_no_more_than_what_is_left_of_the_charge(till: Till) -> None:
    top_up = await till.bought("20")
    await till.refund(top_up, "5")
    await till.dispute(top_up, OPEN)
    assert await till.universal() == 0
    assert sum(one.total_micros for one in await till.refunds()) == 21_780_000
    await till.dispute(top_up, OPEN, dispute_id="dp_2")
    assert sum(one.total_micros for one in await till.refunds()) == 21_780_000
    assert await till.universal() == 0, "nothing is left that a second one could take"
    await till.dispute(top_up, WON)
    assert await till.universal() == 0, "the second one still stands"
    await till.dispute(top_up, WON, dispute_id="dp_2")
    assert await till.universal() == 15_000_000


async def test_news_that_come_too_early_or_in_another_currency_change_nothing(till: Till) -> None:
    await till.save_card(deed=Deed.PROCESS)
    waiting = await till.bought("20")
    with pytest.raises(NotRefundable):
        await till.dispute(waiting, OPEN)
    with pytest.raises(NotRefundable):
        await till.outside(waiting, 545)
    till.processor.decide(waiting.id, is_paid=True)
    await till.hear(waiting)
    with pytest.raises(WrongCurrency):
        await till.dispute(waiting, OPEN, currency="EUR")
    assert await till.dispute(waiting, OPEN, minor=0)
    assert await till.refunds() == []
    assert await till.dispute(waiting, OPEN, currency="usd")
    assert await till.universal() == 0


# ---------- refunds made at the processor ----------


async def test_a_refund_made_at_the_processor_is_booked_once(till: Till) -> None:
    top_up = await till.bought("20")
    for _ in range(2):
        assert await till.outside(top_up, 545)
    assert await till.outside(top_up, 545, refund_id="re_2")
    # Of 10.90 in all, 20 × 10.90 ÷ 21.78 are credits: 10.01.
    assert await till.universal() == 9_990_000
    made = await till.refunds()
    assert [(one.kind, one.state, one.processor_refund_id) for one in made] == [
        (RefundKind.PROCESSOR, RefundState.SETTLED, "re_1"),
        (RefundKind.PROCESSOR, RefundState.SETTLED, "re_2"),
    ]
    assert (await till.now_is(top_up)).refunded_micros == 10_010_000


async def test_one_that_failed_in_the_end_comes_back_whatever_is_told_first(till: Till) -> None:
    top_up = await till.bought("20")
    await till.outside(top_up, 545)
    await till.outside(top_up, 545, is_failed=True)
    await till.outside(top_up, 545)
    assert await till.universal() == 20_000_000
    await till.outside(top_up, 1_000, refund_id="re_2", is_failed=True)
    await till.outside(top_up, 1_000, refund_id="re_2")
    assert await till.universal() == 20_000_000
    assert await states(till) == [RefundState.FAILED] * 2
    assert (await till.refund(top_up)).top_up.refunded_micros == 20_000_000


@pytest.mark.parametrize("is_named", [False, True], ids=["by its amount", "by our id"])
async def test_our_own_refund_is_known_again_before_its_answer_came(till: Till, is_named: bool) -> None:
    top_up = await till.bought("20")
    till.processor.mishap("refund", after=True)
    await till.refund(top_up, "5")
    [ours] = await till.refunds()
    there = f"refund_{ours.id.hex}"
    await till.outside(top_up, 545, refund_id=there, our_refund_id=ours.id if is_named else None)
    assert await states(till) == [RefundState.SETTLED]
    till.wait(minutes=1)
    assert await till.refund_waiting() == 0
    await till.outside(top_up, 545, refund_id=there)
    assert await till.universal() == 15_000_000
    assert len(await till.refunds()) == 1


async def test_our_own_refund_may_fail_after_it_was_settled(till: Till) -> None:
    top_up = await till.bought("20")
    await till.refund(top_up, "5")
    [ours] = await till.refunds()
    assert ours.processor_refund_id is not None
    till.processor.refunds.clear()  # the cardholder's bank sent it back
    await till.outside(top_up, 545, refund_id=ours.processor_refund_id, is_failed=True)
    assert await states(till) == [RefundState.FAILED]
    assert await till.universal() == 20_000_000


async def test_money_that_went_back_though_the_refund_was_refused_is_booked(till: Till) -> None:
    top_up = await till.bought("20")
    till.processor.refuses_refunds = True
    await till.refused(top_up, "5")
    [refused] = await till.refunds()
    await till.outside(top_up, 545, our_refund_id=refused.id)
    assert await till.universal() == 15_000_000
    assert await states(till) == [RefundState.FAILED, RefundState.SETTLED]


async def test_the_news_and_the_answer_at_once_settle_one_refund(till: Till) -> None:
    top_up = await till.bought("20")
    till.processor.mishap("refund", after=True)
    await till.refund(top_up, "5")
    [ours] = await till.refunds()
    till.wait(minutes=1)
    await asyncio.gather(
        till.refund_waiting(),
        *(till.outside(top_up, 545, refund_id=f"refund_{ours.id.hex}", our_refund_id=ours.id) for _ in range(3)),
    )
    assert await states(till) == [RefundState.SETTLED]
    assert await till.universal() == 15_000_000


@pytest.mark.parametrize("is_failed", [False, True])
async def test_news_that_overtake_the_answer_count(
    till: Till, is_failed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    top_up = await till.bought("20")
    refund = till.processor.refund

    async def overtaken(order: RefundOrder) -> RefundOutcome:
        answer = await refund(order)
        there = answer.processor_refund_id or ""
        await till.outside(top_up, 545, refund_id=there, our_refund_id=order.refund_id, is_failed=is_failed)
        if is_failed:
            till.processor.refunds.clear()  # the cardholder's bank sent it back
        return answer

    monkeypatch.setattr(till.processor, "refund", overtaken)
    if is_failed:
        assert isinstance(await till.refused(top_up, "5"), PaymentUnavailable)
    else:
        assert (await till.refund(top_up, "5")).top_up.refunded_micros == 5_000_000
    assert await states(till) == [RefundState.FAILED if is_failed else RefundState.SETTLED]
    assert await till.universal() == (20_000_000 if is_failed else 15_000_000)


async def test_what_is_told_of_unknown_payments_is_not_ours(till: Till) -> None:
    top_up = await till.bought("20")
    stranger = replace(top_up, processor_payment_id="pay_of_another_installation")
    assert not await till.dispute(stranger, OPEN)
    assert not await till.outside(stranger, 545)
    assert await till.refunds() == []
