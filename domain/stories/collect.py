"""The money of a top-up is collected from a card, once (R29): charge, ask, settle. By requests and by the worker.

Between any two steps the process may die. What is written down then says how far it came: without a payment's id no
money can have moved, with one only that payment can ever be charged, and the processor is asked what became of it.
"""

import asyncio
from contextlib import suppress
from datetime import datetime
from functools import partial
from uuid import UUID

from domain.collection import (
    after,
    asked_again,
    failed,
    is_given_up,
    is_unwanted,
    not_charged,
    order_of,
    reason_to_cancel,
    unanswered,
    unprepared,
)
from domain.fund_work import FundWork
from domain.ledger import Books
from domain.payments import (
    PaymentFailure,
    PaymentOrder,
    PaymentOutcome,
    PaymentProcessor,
    PaymentRefused,
    PaymentState,
    ProcessorNotSetUp,
    Processors,
    ProcessorUnavailable,
)
from domain.ports import Door
from domain.purchases import LEASE, post_top_up
from domain.renewal import renew
from domain.stories.recharge import judge_recharge, note_recharge
from domain.top_ups import IN_FLIGHT, TopUp, TopUpOrigin, TopUpReason, TopUpState

AT_ONCE = 4
"""So many top-ups are taken up together."""
ROUNDS = 5
"""So often one run of the worker looks for more of them, before it turns to its other work."""
_OVER = (TopUpState.SETTLED, TopUpState.SKIPPED)
_UNDECIDED = (PaymentState.NOT_STARTED, PaymentState.PROCESSING)


async def collect(door: Door, processors: Processors, top_up: TopUp, *, now: datetime) -> TopUp:
    """Whatever has to be done next about a top-up that is in flight; the top-up as it is afterwards.

    Safe to be interrupted anywhere, and to be done by several at once.
    """
    if top_up.state not in IN_FLIGHT or top_up.processor is None:
        return top_up
    order = order_of(top_up, await door.find_payer(top_up))
    if top_up.processor_payment_id is None:
        return await _begin(door, processors, order, top_up, now)
    is_wanted = True
    try:
        processor = processors.of(top_up.processor)
        outcome = await processor.ask(top_up.company_id, top_up.processor_payment_id)
        if outcome.state is PaymentState.NOT_STARTED and not is_given_up(top_up, now):
            is_wanted = await door.again(partial(_is_wanted, door, top_up, now))
            if is_wanted:
                outcome = await processor.charge(order, top_up.processor_payment_id)
            else:
                outcome = await _cancel(processor, top_up, PaymentFailure.PROCESSOR_UNAVAILABLE)
        outcome = await _final(processor, top_up, outcome, now)
    except ProcessorUnavailable as error:
        changed = unanswered(top_up, now, is_set_up=not isinstance(error, ProcessorNotSetUp))
        return await door.again(partial(_change, door, top_up, changed, now))
    return await door.again(partial(_settle, door, top_up, outcome, now, is_decline=is_wanted))


async def _begin(door: Door, processors: Processors, order: PaymentOrder, top_up: TopUp, now: datetime) -> TopUp:
    """There is no payment yet: one is prepared, written down, and only then charged."""
    try:
        if top_up.processor is None or is_given_up(top_up, now):
            raise ProcessorUnavailable("It is too late to begin.")
        processor = processors.of(top_up.processor)
        payment_id = await processor.prepare(order)
    except PaymentRefused as refusal:
        changed = failed(top_up, TopUpReason(refusal.failure))
        return await door.again(partial(_change, door, top_up, changed, now))
    except ProcessorNotSetUp:
        # A decline for a recharge: nobody else would ever be told, and it ends by switching itself off.
        return await door.again(partial(_change, door, top_up, not_charged(top_up), now))
    except ProcessorUnavailable:
        return await door.again(partial(_change, door, top_up, unprepared(top_up, now), now, is_decline=False))
    stored = await door.again(partial(_write_down, door, top_up, payment_id, now))
    if stored.processor_payment_id != payment_id:
        # Somebody else was faster, or gave it up: this payment must never be charged.
        with suppress(ProcessorUnavailable):
            await processor.cancel(top_up.company_id, payment_id)
        return stored
    try:
        outcome = await processor.charge(order, payment_id)
        outcome = await _final(processor, stored, outcome, now)
    except ProcessorUnavailable:
        return await door.again(partial(_change, door, stored, asked_again(stored, now), now))
    return await door.again(partial(_settle, door, stored, outcome, now))


async def _write_down(door: Door, top_up: TopUp, payment_id: str, now: datetime) -> TopUp:
    """The top-up as it stands then: with this payment, with whatever was there before, or ended as unwanted.

    Under the lock for a recharge: what it is charged for may have been changed by a person meanwhile.
    """
    async with door.begin(top_up.company_id, now) as work:
        if top_up.origin is TopUpOrigin.AUTO_RECHARGE:
            books = await work.lock_books(top_up.office_id)
            if await _is_unwanted(work, books, top_up):
                if await work.change_top_up(top_up, dropped := not_charged(top_up)):
                    await _end(work, books, dropped, is_decline=False)
                return await _found(work, top_up)
        await work.save_payment(top_up, payment_id)
        return await _found(work, top_up)


async def _is_wanted(door: Door, top_up: TopUp, now: datetime) -> bool:
    if top_up.origin is not TopUpOrigin.AUTO_RECHARGE:
        return True
    async with door.begin(top_up.company_id, now) as work:
        return not await _is_unwanted(work, await work.lock_books(top_up.office_id), top_up)


async def _is_unwanted(work: FundWork, books: Books, top_up: TopUp) -> bool:
    is_recharge = top_up.origin is TopUpOrigin.AUTO_RECHARGE
    return is_recharge and is_unwanted(top_up, books.funds.recharge, await work.billing(books))


async def _final(processor: PaymentProcessor, top_up: TopUp, outcome: PaymentOutcome, now: datetime) -> PaymentOutcome:
    """The outcome, unless the payment must not go on: then it is cancelled, and the money may still have come first."""
    failure = reason_to_cancel(top_up, outcome, now)
    return outcome if failure is None else await _cancel(processor, top_up, failure)


async def _cancel(processor: PaymentProcessor, top_up: TopUp, failure: PaymentFailure) -> PaymentOutcome:
    assert top_up.processor_payment_id is not None, "only a payment that was written down is cancelled here"
    cancelled = await processor.cancel(top_up.company_id, top_up.processor_payment_id)
    if cancelled.state is PaymentState.REFUSED:
        return PaymentOutcome(PaymentState.REFUSED, failure)
    return cancelled


async def _change(door: Door, before: TopUp, changed: TopUp, now: datetime, *, is_decline: bool = True) -> TopUp:
    """Without money. The top-up as it stands then, if it was no longer as it had been.

    Without a payment, a recharge that nobody wants any more ends whatever else was to be changed, and declines nothing.
    """
    async with door.begin(before.company_id, now) as work:
        books = await work.lock_books(before.office_id)
        if before.processor_payment_id is None and await _is_unwanted(work, books, before):
            changed, is_decline = not_charged(before), False
        if await work.change_top_up(before, changed) and changed.state not in IN_FLIGHT:
            await _end(work, books, changed, is_decline=is_decline)
        return await _found(work, before)


async def _settle(
    door: Door, top_up: TopUp, outcome: PaymentOutcome, now: datetime, *, is_decline: bool = True
) -> TopUp:
    """Books the outcome, once: read again under the lock, and changed only from what was read."""
    async with door.begin(top_up.company_id, now) as work:
        books = await work.lock_books(top_up.office_id)
        before = await _found(work, top_up)
        changed = after(before, outcome, now)
        # Before anything is judged: a recharge that has settled is no longer in flight.
        if changed == before or not await work.change_top_up(before, changed):
            return before
        if changed.state not in IN_FLIGHT:
            await _end(work, books, changed, is_decline=is_decline)
        return changed


async def _end(work: FundWork, books: Books, top_up: TopUp, *, is_decline: bool) -> None:
    """What follows when a top-up, whose state was changed already, is in flight no longer. `is_decline`: what a
    failed recharge counts as."""
    renew(books)
    if top_up.state is TopUpState.SETTLED:
        post_top_up(books, top_up)
    if top_up.origin is TopUpOrigin.AUTO_RECHARGE:
        await note_recharge(work, books, top_up, is_decline=is_decline)
    elif top_up.state is TopUpState.SETTLED:
        await judge_recharge(work, books)
    await work.save_books(books)


async def _found(work: FundWork, top_up: TopUp) -> TopUp:
    return await work.find_top_up(top_up.id) or top_up


async def hear_of_payment(
    door: Door, processors: Processors, company_id: UUID, top_up_id: UUID, *, now: datetime
) -> TopUp | None:
    """A processor's webhook named a payment: it is asked what became of it. None when there is no such top-up.

    A payment that is not decided yet is left to whoever is at it. A top-up that failed is settled all the same when
    the money came after all. Raises ProcessorUnavailable: the news should be told again.
    """
    top_up = await door.find_top_up(company_id, top_up_id)
    if top_up is None or top_up.state in _OVER or top_up.processor is None or top_up.processor_payment_id is None:
        return top_up
    processor = processors.of(top_up.processor)
    outcome = await processor.ask(company_id, top_up.processor_payment_id)
    if outcome.state in _UNDECIDED:
        return top_up
    outcome = await _final(processor, top_up, outcome, now)
    return await door.again(partial(_settle, door, top_up, outcome, now))


async def settle_due(door: Door, processors: Processors, *, now: datetime) -> int:
    """Takes up every top-up that is due; the number of them. Safe to run anywhere, by many workers at once.

    One that fails does not keep the others waiting. Raises ExceptionGroup with all that failed: they are due again
    when their lease ends.
    """
    count, failures = 0, list[BaseException]()
    for _ in range(ROUNDS):
        claimed = await door.claim_top_ups(now, now + LEASE, limit=AT_ONCE)
        if not claimed:
            break
        done = await asyncio.gather(
            *(collect(door, processors, top_up, now=now) for top_up in claimed), return_exceptions=True
        )
        failures += [one for one in done if isinstance(one, BaseException)]
        count += len(claimed)
    if failures:
        raise BaseExceptionGroup(f"{len(failures)} of {count} top-ups could not be collected.", failures)
    return count
