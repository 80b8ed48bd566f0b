"""Money goes back: refunds, disputes, refunds made at the processor (R30).

The credits of a refund are gone before the processor is asked, so nobody can spend them meanwhile; they are put back
when it refuses. It is asked outside any transaction, by the refund's own id, until it answers. None of this makes
auto-recharge look at the balance (R33).
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import NamedTuple
from uuid import UUID

from domain.access import Permission, Scope, Viewer
from domain.errors import AboveMaximum, InvalidInput, NotFound, NotRefundable, PaymentUnavailable, WrongCurrency
from domain.idempotency import check_key, check_same
from domain.money import Amount, Currency, Micros, minor_unit_micros, money_text
from domain.payments import (
    DisputeNews,
    DisputeState,
    OutsideRefundNews,
    PaymentState,
    ProcessorKind,
    Processors,
    ProcessorUnavailable,
    RefundOutcome,
)
from domain.ports import Door
from domain.provisioning import PaymentTerms
from domain.purchases import LEASE
from domain.reasons import check_reason
from domain.refund_work import RefundWork
from domain.refunds import (
    Part,
    Refund,
    RefundKind,
    RefundState,
    after_dispute,
    asked_again,
    failed,
    order_of,
    part_of_credits,
    post_return,
    refundable_micros,
    same_refund,
    settled,
)
from domain.stories.returning import REFUND, Case, Told, fail_refund, new_refund, open_case, save_case
from domain.top_ups import TopUp, TopUpReason, TopUpState
from domain.works import UsedKey

MAX_CLAIMED = 20


class Refunded(NamedTuple):
    top_up: TopUp
    is_replayed: bool


class _Asked(NamedTuple):
    top_up_id: UUID
    amount: Amount | None
    reason: str
    key: str


async def refund_top_up(
    door: Door,
    processors: Processors,
    viewer: Viewer,
    top_up_id: UUID,
    *,
    amount: Amount | None,
    reason: str,
    key: str,
    now: datetime,
) -> Refunded:
    """Give credits back for money, pro rata with tax; None: all that can be. Idempotent by key.

    While the processor has not answered, the credits are gone and the refund is taken up by `refund_due`.
    Raises NotPermitted, NotFound, InvalidInput, WrongCurrency, NotRefundable, AboveMaximum, IdempotencyConflict,
    PaymentUnavailable when the processor refused and the credits were put back, or is no longer set up.
    """
    viewer.require(Permission.REFUND_PURCHASES)
    check_key(key)
    asked = _Asked(top_up_id, amount, check_reason(reason), key)
    told = await door.again(partial(_begin_refund, door, processors, viewer, asked, now))
    if told.refund.state is RefundState.PENDING and not told.is_replayed:
        told = await _ask(door, processors, told, now)
    if told.refund.state is RefundState.FAILED:
        raise PaymentUnavailable(
            "The processor refused to refund this payment: the credits were put back.",
            reason=TopUpReason.PROCESSOR_UNAVAILABLE,
            top_up_id=top_up_id,
        )
    return Refunded(told.top_up, told.is_replayed)


async def _begin_refund(door: Door, processors: Processors, viewer: Viewer, asked: _Asked, now: datetime) -> Told:
    scope = Scope.of(viewer)
    async with door.begin(scope.company, now) as work:
        found = await work.find_top_up(asked.top_up_id)
        if found is None or not scope.covers(found.office_id):
            raise NotFound("There is no such top-up.", field=("topUpId",))
        case = await open_case(work, found)
        # Asked under the lock: of two requests with one key, the second waits here and finds what the first did.
        used = await work.used_key(asked.key)
        if used is not None:
            check_same(used, REFUND, _facts(asked))
            earlier = await work.find_refund(used.result_id)
            if earlier is None:
                raise NotFound("There is no such refund.")
            return Told(earlier, case.top_up, case.currency, is_replayed=True)
        credits = await _credits_to_return(work, case, asked.amount)
        _check_processor(processors, case.top_up)
        part = part_of_credits(case.top_up, case.returned, credits, case.currency)
        # From here nothing may be refused.
        post_return(case.books, case.top_up, part, note=asked.reason, author=viewer.name)
        told_micros = part.total_micros
        refund = new_refund(case, RefundKind.REFUND, part, told=told_micros, reason=asked.reason, author=viewer.name)
        if case.top_up.payment_terms is PaymentTerms.INVOICE:
            refund = settled(refund, now)
        told = await save_case(work, case, refund, before=None, viewer=viewer)
        await work.save_key(asked.key, UsedKey(REFUND, _facts(asked), refund.id))
    return told


def _facts(asked: _Asked) -> dict[str, str]:
    amount = f"{asked.amount.micros} {asked.amount.currency}" if asked.amount else "all"
    return {"topUpId": asked.top_up_id.hex, "amount": amount, "reason": asked.reason}


async def _credits_to_return(work: RefundWork, case: Case, amount: Amount | None) -> Micros:
    """Raises NotRefundable, WrongCurrency, InvalidInput, AboveMaximum."""
    top_up, currency, funds = case.top_up, case.currency, case.books.funds
    if top_up.state is not TopUpState.SETTLED:
        raise NotRefundable("This top-up is not settled: there is nothing to give back.", field=("topUpId",))
    most = refundable_micros(
        left_micros=top_up.credits_micros - case.returned.credits_micros,
        available_micros=funds.universal_micros - funds.universal_reserved_micros,
        newer_micros=await work.newer_micros(case.books, top_up),
        currency=currency,
    )
    if amount is None and most:
        return most
    if amount is not None:
        _check_amount(amount, currency)
    if most == 0:
        raise NotRefundable("Nothing of this top-up is left unspent and not held.", field=("topUpId",))
    if amount is not None and amount.micros > most:
        text = f"{money_text(most, currency)} of this top-up can be given back now."
        raise AboveMaximum(text, currency=currency, field=("amount",), maximum_micros=most)
    return amount.micros if amount else most


def _check_processor(processors: Processors, top_up: TopUp) -> None:
    """Raises PaymentUnavailable for one that is no longer set up: the credits would go, and nobody could be asked."""
    try:
        if top_up.processor is not None:
            processors.of(top_up.processor)
    except ProcessorUnavailable:
        raise PaymentUnavailable(
            "The processor that took this payment is not set up any more: nothing was given back.",
            reason=TopUpReason.PROCESSOR_UNAVAILABLE,
            top_up_id=top_up.id,
        ) from None


def _check_amount(amount: Amount, currency: Currency) -> None:
    if amount.currency != currency:
        raise WrongCurrency(f"This top-up is in {currency}, not in {amount.currency}.", field=("amount",))
    if amount.micros <= 0:
        raise InvalidInput("Say an amount above zero.", field=("amount",))
    if amount.micros % minor_unit_micros(currency):
        smallest = money_text(minor_unit_micros(currency), currency)
        raise InvalidInput(f"Credits are given back in whole steps of {smallest}.", field=("amount",))


async def _ask(door: Door, processors: Processors, told: Told, now: datetime) -> Told:
    """The processor is asked outside any transaction; asked again, the same refund is the same (R29)."""
    refund, top_up, currency, _ = told
    outcome = RefundOutcome(PaymentState.PROCESSING)
    try:
        if top_up.processor is not None:
            outcome = await processors.of(top_up.processor).refund(order_of(refund, top_up, currency))
    except ProcessorUnavailable:
        pass
    return await door.again(partial(_settle, door, told, outcome, now))


async def _settle(door: Door, told: Told, outcome: RefundOutcome, now: datetime) -> Told:
    async with door.begin(told.refund.company_id, now) as work:
        if outcome.state not in (PaymentState.PAID, PaymentState.REFUSED):
            waiting = asked_again(told.refund, outcome, now)
            await work.postpone_refund(waiting)
            return told._replace(refund=waiting)
        case = await open_case(work, told.top_up)
        refund = next(one for one in case.refunds if one.id == told.refund.id)
        if refund.state is not RefundState.PENDING:
            return Told(refund, case.top_up, case.currency)
        if outcome.state is PaymentState.PAID:
            after = settled(refund, now, outcome.processor_refund_id)
            return await save_case(work, case, after, before=refund.state)
        return await fail_refund(work, case, refund, outcome.processor_refund_id)


async def refund_due(door: Door, processors: Processors, *, now: datetime) -> int:
    """Takes up every refund whose processor has not answered; the number of them. Safe to run by many at once.

    One that fails does not keep the others waiting. Raises ExceptionGroup with all that failed.
    """
    failures: list[Exception] = []
    claimed = await door.claim_refunds(now, now + LEASE, limit=MAX_CLAIMED)
    for refund in claimed:
        try:
            await _ask(door, processors, await _look_up(door, refund), now)
        except Exception as error:
            failures.append(error)
    if failures:
        raise ExceptionGroup(f"{len(failures)} of {len(claimed)} refunds could not be settled.", failures)
    return len(claimed)


async def _look_up(door: Door, refund: Refund) -> Told:
    top_up = await door.find_top_up(refund.company_id, refund.top_up_id)
    if top_up is None:
        raise NotFound("There is no such top-up.")
    return Told(refund, top_up, (await door.find_payer(top_up)).currency)


async def hear_of_dispute(door: Door, kind: ProcessorKind, news: DisputeNews, *, now: datetime) -> bool:
    """The cardholder's bank took money back, or returned it. False when there is no such payment here.

    Repeated or out of order, the news leave the same. Raises NotRefundable while the top-up is not settled, and
    WrongCurrency: nothing is changed then, and the processor may tell again.
    """

    async def note(work: RefundWork, case: Case) -> None:
        known = next((one for one in case.refunds if one.processor_refund_id == news.dispute_id), None)
        if known is None:
            await _take_back(work, case, _of_dispute(news))
            return
        after = after_dispute(known, news.state, now)
        if after.state is RefundState.FAILED and after is not known:
            await fail_refund(work, case, known)
        elif after is not known:
            await save_case(work, case, after, before=known.state)

    return await _hear(door, kind, news.payment_id, note, now)


async def hear_of_refund(door: Door, kind: ProcessorKind, news: OutsideRefundNews, *, now: datetime) -> bool:
    """Somebody refunded at the processor itself. False when there is no such payment here.

    One that was asked for here is only settled, or put back when it failed in the end. Repeated or out of order, the
    news leave the same. Raises NotRefundable and WrongCurrency as `hear_of_dispute` does.
    """

    async def note(work: RefundWork, case: Case) -> None:
        known = same_refund(case.refunds, news, case.currency)
        if known is None:
            await _take_back(work, case, _of_refund(news))
        elif news.is_failed and known.state is not RefundState.FAILED:
            await fail_refund(work, case, known, news.refund_id)
        elif not news.is_failed and known.state is RefundState.PENDING:
            await save_case(work, case, settled(known, now, news.refund_id), before=known.state)

    return await _hear(door, kind, news.payment_id, note, now)


class _Taken(NamedTuple):
    """What somebody else did with the money of a payment."""

    kind: RefundKind
    outside_id: str
    total_minor: int
    currency: str
    state: RefundState
    reason: str
    author: str


def _of_dispute(news: DisputeNews) -> _Taken:
    states = {DisputeState.OPEN: RefundState.PENDING, DisputeState.LOST: RefundState.SETTLED}
    state, reason = states.get(news.state, RefundState.FAILED), f"Dispute {news.dispute_id}."
    return _Taken(
        RefundKind.DISPUTE, news.dispute_id, news.amount_minor, news.currency, state, reason, "Cardholder's bank"
    )


def _of_refund(news: OutsideRefundNews) -> _Taken:
    state = RefundState.FAILED if news.is_failed else RefundState.SETTLED
    reason = f"Refund {news.refund_id} at the processor."
    return _Taken(
        RefundKind.PROCESSOR, news.refund_id, news.amount_minor, news.currency, state, reason, "Card processor"
    )


async def _hear(
    door: Door,
    kind: ProcessorKind,
    payment_id: str,
    note: Callable[[RefundWork, Case], Awaitable[None]],
    now: datetime,
) -> bool:
    found = await door.find_payment(kind, payment_id)
    if found is None:
        return False
    company_id, top_up_id = found

    async def story() -> None:
        async with door.begin(company_id, now) as work:
            top_up = await work.find_top_up(top_up_id)
            if top_up is None:
                raise NotFound("There is no such top-up.")
            case = await open_case(work, top_up)
            if case.top_up.state is not TopUpState.SETTLED:
                raise NotRefundable("This top-up is not settled yet: tell it again later.")
            await note(work, case)

    await door.again(story)
    return True


async def _take_back(work: RefundWork, case: Case, taken: _Taken) -> None:
    """Its fact is kept, whatever is left of the charge: what fits is booked, now or when something is put back."""
    if taken.currency.upper() != case.currency:
        raise WrongCurrency(f"This top-up is in {case.currency}, not in {taken.currency}.")
    total = taken.total_minor * minor_unit_micros(case.currency)
    if total <= 0:
        return
    refund = new_refund(case, taken.kind, Part(0, 0), told=total, reason=taken.reason, author=taken.author)
    refund = replace(refund, processor_refund_id=taken.outside_id)
    if taken.state is RefundState.SETTLED:
        refund = settled(refund, case.books.now)
    elif taken.state is RefundState.FAILED:
        refund = failed(refund)
    await save_case(work, case, refund, before=None)
