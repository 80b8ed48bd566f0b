"""What a processor answers to a refund, or does not (R29, R30): every story ends with the proof of the books."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from domain.errors import PaymentUnavailable
from domain.payments import PaymentState, ProcessorKind, RefundOrder, RefundOutcome
from domain.refunds import RefundState
from domain.top_ups import TopUpReason
from persistence.database import Database
from persistence.tables.activity import ACTIVITY
from tests.persistence.giving_back import Till, open_till
from tests.scripted_processor import Died, ScriptedProcessor


@pytest.fixture
async def till(database: Database) -> AsyncIterator[Till]:
    async with open_till(database) as till:
        yield till


async def test_a_processor_that_refuses_puts_the_credits_back(till: Till) -> None:
    top_up = await till.bought("20")
    till.processor.refuses_refunds = True
    assert isinstance(await till.refused(top_up, "5"), PaymentUnavailable)
    assert (await till.now_is(top_up)).refunded_micros == 0
    assert await till.universal() == 20_000_000
    assert (await till.posted(top_up.id))[2:] == [
        ("wallet:UNIVERSAL", "card", 5_000_000),
        ("tax", "card", 450_000),
        ("card", "wallet:UNIVERSAL", 5_000_000),
        ("card", "tax", 450_000),
    ]
    assert isinstance(await till.refused(top_up, "5"), PaymentUnavailable), "the same key, the same answer"
    till.processor.refuses_refunds = False
    later = await till.bought("30")
    assert await till.refundable(top_up, later) == [20_000_000, 30_000_000], "put back is not bought anew"
    assert (await till.refund(top_up, key="another")).top_up.refunded_micros == 20_000_000


@pytest.mark.parametrize("is_after", [False, True], ids=["before it heard", "after it paid"])
async def test_a_lost_answer_is_asked_for_again_and_nothing_goes_back_twice(till: Till, is_after: bool) -> None:
    top_up = await till.bought("20")
    till.processor.mishap("refund", after=is_after)
    done = await till.refund(top_up, "5")
    assert done.top_up.refunded_micros == 5_000_000
    assert await till.universal() == 15_000_000, "gone, and nobody can spend them meanwhile"
    [waiting] = await till.refunds()
    assert (waiting.state, waiting.due_at) == (RefundState.PENDING, till.world.now + timedelta(seconds=1))
    assert await till.refund_waiting() == 0, "not due yet"
    assert (await till.refund(top_up, "5")).is_replayed

    till.wait(seconds=1)
    assert await till.refund_waiting() == 1
    [settled] = await till.refunds()
    assert (settled.state, settled.due_at) == (RefundState.SETTLED, None)
    assert settled.processor_refund_id == f"refund_{settled.id.hex}"
    assert len(till.processor.refunds) == 1
    till.wait(days=1)
    assert await till.refund_waiting() == 0


async def test_a_processor_that_is_down_is_asked_at_growing_pauses(till: Till) -> None:
    top_up = await till.bought("20")
    till.processor.is_down = True
    await till.refund(top_up)
    pauses = []
    for _ in range(8):
        [waiting] = await till.refunds()
        assert waiting.due_at is not None
        pauses.append((waiting.due_at - till.world.now).seconds)
        till.world.now = waiting.due_at
        assert await till.refund_waiting() == 1
    assert pauses == [1, 2, 5, 15, 60, 300, 300, 300]
    till.processor.is_down, till.processor.refuses_refunds = False, True
    till.wait(minutes=5)
    assert await till.refund_waiting() == 1
    assert await till.universal() == 20_000_000
    rows = await till.world.database.rows(ACTIVITY.select().where(ACTIVITY.c.action == "refundTopUp"))
    assert {row.actor for row in rows} == {till.admin.name, "Farebox"}


async def test_a_processor_that_does_not_know_yet_is_asked_again(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    top_up = await till.bought("20")

    async def undecided(order: RefundOrder) -> RefundOutcome:
        return RefundOutcome(PaymentState.PROCESSING, "refund_of_theirs")

    monkeypatch.setattr(till.processor, "refund", undecided)
    await till.refund(top_up)
    [waiting] = await till.refunds()
    assert (waiting.state, waiting.processor_refund_id) == (RefundState.PENDING, "refund_of_theirs")


class Another(ScriptedProcessor):
    kind = ProcessorKind.STRIPE


async def test_nothing_is_taken_when_the_processor_is_no_longer_set_up(till: Till) -> None:
    top_up = await till.bought("20")
    await till.refund(top_up, "5", "before")
    first, till.processor = till.processor, Another()
    error = await till.refused(top_up, "5")
    assert isinstance(error, PaymentUnavailable)
    assert (error.reason, error.top_up_id) == (TopUpReason.PROCESSOR_UNAVAILABLE, top_up.id)
    assert await till.universal() == 15_000_000
    assert len(await till.refunds()) == 1
    assert (await till.refund(top_up, "5", "before")).is_replayed, "what was done stays done"
    till.processor = first
    assert (await till.refund(top_up, "5")).top_up.refunded_micros == 10_000_000, "the key is not used up"


@pytest.mark.parametrize("is_after", [False, True], ids=["before it paid", "after it paid"])
async def test_when_the_process_dies_a_worker_takes_the_refund_up(till: Till, is_after: bool) -> None:
    top_up = await till.bought("20")
    till.processor.mishap("refund", after=is_after, error=Died())
    with pytest.raises(Died):
        await till.refund(top_up)
    till.wait(seconds=59)
    assert await till.refund_waiting() == 0, "somebody may still be at it"
    till.wait(seconds=1)
    rounds = await asyncio.gather(*(till.refund_waiting() for _ in range(3)))
    assert sum(rounds) == 1
    assert len(till.processor.refunds) == 1
    assert [one.state for one in await till.refunds()] == [RefundState.SETTLED]


async def test_one_refund_that_breaks_does_not_keep_the_others_waiting(till: Till) -> None:
    for credits in ("20", "30"):
        top_up = await till.bought(credits)
        till.processor.mishap("refund")
        await till.refund(top_up, key=credits)
    till.wait(seconds=5)
    till.processor.mishap("refund", error=ValueError("broken"))
    with pytest.raises(ExceptionGroup) as raised:
        await till.refund_waiting()
    assert raised.group_contains(ValueError, match="broken")
    assert [one.state for one in await till.refunds()] == [RefundState.PENDING, RefundState.SETTLED]
    till.wait(minutes=1)
    assert await till.refund_waiting() == 1
