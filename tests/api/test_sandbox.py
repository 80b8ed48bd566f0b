"""The sandbox processor: cards that always do the same, money that is taken once, and its own truth of it."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import select

from api.payments.sandbox import SandboxProcessor
from api.payments.sandbox_cards import CARDS, SUCCESS, SandboxCard
from api.payments.sandbox_links import SandboxLinks
from domain.payments import (
    PaymentFailure,
    PaymentOutcome,
    PaymentState,
    ProcessorKind,
    Processors,
    ProcessorUnavailable,
    RefundOutcome,
)
from persistence.database import Database
from persistence.sandbox_store import SandboxStore
from persistence.tables.sandbox import SANDBOX_PAYMENT, SANDBOX_REFUND
from tests.api.payment_words import ADDRESS, COMPANY, SIGNING_KEY, order, refund_order

NOW = datetime(2026, 1, 20, tzinfo=UTC)
DECLINED, POOR, ASKS, EXPIRED, LOSES, SILENT = [card.method_id for card in CARDS[1:]]
PAID = PaymentOutcome(PaymentState.PAID)


@pytest.fixture
def sandbox(database: Database) -> SandboxProcessor:
    return SandboxProcessor(SandboxStore(database), SandboxLinks(ADDRESS, SIGNING_KEY), clock=lambda: NOW)


async def charge_counts(database: Database) -> list[int]:
    return [row.charge_count for row in await database.rows(select(SANDBOX_PAYMENT.c.charge_count))]


async def test_a_payment_that_is_prepared_has_taken_nothing(sandbox: SandboxProcessor, database: Database) -> None:
    payment_id = await sandbox.prepare(order(SUCCESS.method_id))

    assert await sandbox.ask(COMPANY, payment_id) == PaymentOutcome(PaymentState.NOT_STARTED)
    assert await charge_counts(database) == [0]


async def test_each_order_to_prepare_is_a_payment_of_its_own(sandbox: SandboxProcessor) -> None:
    """As at a processor that knows no idempotency: whoever calls must not lean on it."""
    asked = order(SUCCESS.method_id)
    assert await sandbox.prepare(asked) != await sandbox.prepare(asked)


@pytest.mark.parametrize(
    ("card", "failure"),
    [
        (DECLINED, PaymentFailure.CARD_DECLINED),
        (POOR, PaymentFailure.INSUFFICIENT_FUNDS),
        (EXPIRED, PaymentFailure.CARD_EXPIRED),
    ],
)
async def test_a_card_refuses_for_its_reason_and_for_good(
    sandbox: SandboxProcessor, database: Database, card: str, failure: PaymentFailure
) -> None:
    refused = PaymentOutcome(PaymentState.REFUSED, failure)
    asked = order(card)
    payment_id = await sandbox.prepare(asked)

    assert await sandbox.charge(asked, payment_id) == refused
    assert await sandbox.charge(asked, payment_id) == refused
    assert await sandbox.ask(COMPANY, payment_id) == refused
    assert await sandbox.cancel(COMPANY, payment_id) == refused
    assert await charge_counts(database) == [0]


async def test_thirty_charges_at_once_take_money_once(sandbox: SandboxProcessor, database: Database) -> None:
    asked = order(SUCCESS.method_id)
    payment_id = await sandbox.prepare(asked)

    told = await asyncio.gather(*(sandbox.charge(asked, payment_id) for _ in range(30)))

    assert told == [PAID] * 30
    assert await charge_counts(database) == [1]


async def test_a_charge_and_a_cancellation_at_once_agree_on_what_happened(
    sandbox: SandboxProcessor, database: Database
) -> None:
    for _ in range(5):
        asked = order(SUCCESS.method_id)
        payment_id = await sandbox.prepare(asked)
        told = await asyncio.gather(sandbox.charge(asked, payment_id), sandbox.cancel(COMPANY, payment_id))
        assert told[0] == told[1] == await sandbox.ask(COMPANY, payment_id)
        assert told[0].state in {PaymentState.PAID, PaymentState.REFUSED}
    assert max(await charge_counts(database)) <= 1


async def test_the_answer_is_lost_after_the_money_was_taken(sandbox: SandboxProcessor, database: Database) -> None:
    asked = order(LOSES)
    payment_id = await sandbox.prepare(asked)
    with pytest.raises(ProcessorUnavailable):
        await sandbox.charge(asked, payment_id)

    assert await sandbox.ask(COMPANY, payment_id) == PAID
    assert await sandbox.charge(asked, payment_id) == PAID
    assert await charge_counts(database) == [1]


async def test_a_silent_payment_tells_when_it_is_asked_for_the_third_time(
    sandbox: SandboxProcessor, database: Database
) -> None:
    asked = order(SILENT)
    payment_id = await sandbox.prepare(asked)
    with pytest.raises(ProcessorUnavailable):
        await sandbox.charge(asked, payment_id)
    for _ in range(2):
        with pytest.raises(ProcessorUnavailable):
            await sandbox.ask(COMPANY, payment_id)

    assert await sandbox.ask(COMPANY, payment_id) == PAID
    assert await sandbox.ask(COMPANY, payment_id) == PAID
    assert await charge_counts(database) == [1]


async def test_a_payment_that_asks_for_its_cardholder_waits_and_can_be_cancelled(
    sandbox: SandboxProcessor, database: Database
) -> None:
    asked = order(ASKS, return_url="https://shop.example/back")
    payment_id = await sandbox.prepare(asked)
    told = await sandbox.charge(asked, payment_id)

    assert told.state is PaymentState.NEEDS_CARDHOLDER
    assert told.next_action is not None
    assert str(told.next_action.redirect_url).startswith(f"{ADDRESS}/sandbox/payments/{payment_id}?")
    assert "return=https%3A%2F%2Fshop.example%2Fback" in str(told.next_action.redirect_url)
    assert (await sandbox.ask(COMPANY, payment_id)).state is PaymentState.NEEDS_CARDHOLDER
    expired = PaymentOutcome(PaymentState.REFUSED, PaymentFailure.AUTHENTICATION_EXPIRED)
    assert await sandbox.cancel(COMPANY, payment_id) == expired
    assert await sandbox.charge(asked, payment_id) == expired
    assert await charge_counts(database) == [0]


async def test_what_is_paid_cannot_be_cancelled(sandbox: SandboxProcessor) -> None:
    asked = order(SUCCESS.method_id)
    payment_id = await sandbox.prepare(asked)
    await sandbox.charge(asked, payment_id)

    assert await sandbox.cancel(COMPANY, payment_id) == PAID


async def test_the_card_that_pays_is_saved_unless_another_was_chosen(
    sandbox: SandboxProcessor, database: Database
) -> None:
    begun = await sandbox.start_setup(COMPANY, uuid4(), None, "HQ", None)
    facts = await sandbox.finish_setup(COMPANY, begun.setup_id)

    assert facts is not None
    assert (facts.brand, facts.last_four, facts.expires_month) == ("visa", "4242", 202801)
    again = await sandbox.start_setup(COMPANY, uuid4(), begun.customer_id, "HQ", None)
    assert again.customer_id == begun.customer_id


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.number)
async def test_a_chosen_card_is_the_one_that_is_charged(
    sandbox: SandboxProcessor, database: Database, card: SandboxCard
) -> None:
    setup_id = uuid4()
    begun = await sandbox.start_setup(COMPANY, setup_id, None, "HQ", None)
    await SandboxStore(database).choose_card(COMPANY, setup_id, card.number)
    facts = await sandbox.finish_setup(COMPANY, begun.setup_id)
    assert facts is not None
    await sandbox.prepare(order(facts.method_id))

    [row] = await database.rows(select(SANDBOX_PAYMENT.c.card))
    assert row.card == card.number
    assert facts.expires_month == (202512 if card.is_expired else 202801)


async def test_a_setup_that_is_started_again_keeps_its_card(sandbox: SandboxProcessor, database: Database) -> None:
    setup_id = uuid4()
    for _ in range(2):
        begun = await sandbox.start_setup(COMPANY, setup_id, None, "HQ", None)
        await SandboxStore(database).choose_card(COMPANY, setup_id, "4000000000000002")
    assert await sandbox.finish_setup(COMPANY, begun.setup_id) == CARDS[1].facts(NOW)


async def paid(sandbox: SandboxProcessor) -> str:
    asked = order(SUCCESS.method_id)
    payment_id = await sandbox.prepare(asked)
    await sandbox.charge(asked, payment_id)
    return payment_id


async def test_the_same_refund_again_gives_nothing_more_back(sandbox: SandboxProcessor, database: Database) -> None:
    asked = refund_order(await paid(sandbox), 2178)
    told = await asyncio.gather(*(sandbox.refund(asked) for _ in range(8)))

    assert told == [RefundOutcome(PaymentState.PAID, asked.refund_id.hex)] * 8
    assert [row.amount_minor for row in await database.rows(select(SANDBOX_REFUND))] == [2178]


async def test_refunds_at_once_never_give_more_back_than_was_paid(sandbox: SandboxProcessor) -> None:
    payment_id = await paid(sandbox)
    told = await asyncio.gather(*(sandbox.refund(refund_order(payment_id)) for _ in range(4)))

    assert sorted(outcome.state for outcome in told) == ["PAID", "PAID", "REFUSED", "REFUSED"]
    assert (await sandbox.refund(refund_order(payment_id, 178))).state is PaymentState.PAID
    assert (await sandbox.refund(refund_order(payment_id, 1))).state is PaymentState.REFUSED


async def test_what_was_not_paid_cannot_be_refunded(sandbox: SandboxProcessor) -> None:
    payment_id = await sandbox.prepare(order(SUCCESS.method_id))
    assert await sandbox.refund(refund_order(payment_id)) == RefundOutcome(PaymentState.REFUSED)


async def test_another_company_knows_nothing_of_a_payment(sandbox: SandboxProcessor, database: Database) -> None:
    payment_id = await paid(sandbox)
    with pytest.raises(ProcessorUnavailable):
        await sandbox.ask(uuid4(), payment_id)
    with pytest.raises(ProcessorUnavailable):
        await sandbox.ask(COMPANY, "not an id")
    assert (await sandbox.refund(refund_order(payment_id, company_id=uuid4()))).state is PaymentState.REFUSED
    assert await database.rows(select(SANDBOX_REFUND)) == []


async def test_a_memory_that_cannot_be_reached_is_a_processor_that_does_not_answer(tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}")
    sandbox = SandboxProcessor(SandboxStore(database), SandboxLinks(ADDRESS, SIGNING_KEY))
    with pytest.raises(ProcessorUnavailable):
        await sandbox.prepare(order(SUCCESS.method_id))
    await database.close()


async def test_cards_of_another_processor_are_not_charged_here(sandbox: SandboxProcessor) -> None:
    with pytest.raises(ProcessorUnavailable):
        await sandbox.prepare(order("pm_1"))
    with pytest.raises(ProcessorUnavailable):
        Processors(sandbox).of(ProcessorKind.STRIPE)
