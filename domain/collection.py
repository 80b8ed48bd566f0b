"""What a processor's answer makes of a top-up (R29). Pure rules; the asking is done by `domain.stories.collect`.

PENDING and REQUIRES_ACTION are in flight. Money that came is never missing: whatever state it finds, except skipped,
a paid top-up is settled, once. Nothing else leaves FAILED, and nothing leaves SETTLED.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.auto_recharge import AutoRecharge
from domain.money import Currency, minor_units
from domain.payments import PaymentFailure, PaymentOrder, PaymentOutcome, PaymentState
from domain.provisioning import PaymentTerms
from domain.top_ups import IN_FLIGHT, Billing, Card, TopUp, TopUpOrigin, TopUpReason, TopUpState

ACTION_LIFE = timedelta(hours=1)
"""So long a cardholder may take to confirm a payment; then it is cancelled."""
ACTION_PAUSE = timedelta(minutes=1)
"""While he takes it, the processor is asked that often: its webhook may never come, and he may never come back."""
PURCHASE_LIFE = timedelta(hours=1)
"""A purchase whose card could not even be charged by then is given up: nobody expects it any more."""
RECHARGE_LIFE = timedelta(days=1)
"""A recharge that got no payment by then is given up, and judged again: by then another amount may be needed."""
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (1, 2, 5, 15, 60, 300))
"""Between one question and the next, while the processor does not answer; the last one from then on."""


class Payer(NamedTuple):
    """Who pays a top-up: what its processor has to be told besides the amount."""

    office_name: str
    currency: Currency
    card: Card


def order_of(top_up: TopUp, payer: Payer) -> PaymentOrder:
    return PaymentOrder(
        company_id=top_up.company_id,
        top_up_id=top_up.id,
        amount_minor=minor_units(top_up.total_micros, payer.currency),
        currency=payer.currency,
        customer_id=payer.card.customer_id,
        method_id=payer.card.method_id,
        is_off_session=top_up.origin is TopUpOrigin.AUTO_RECHARGE,
        description=f"Universal credits, {payer.office_name}",
        return_url=top_up.return_url,
    )


def is_given_up(top_up: TopUp, now: datetime) -> bool:
    """Whether it is too late to begin to charge its card."""
    return top_up.origin is TopUpOrigin.PURCHASE and now >= top_up.created_at + PURCHASE_LIFE


def reason_to_cancel(top_up: TopUp, outcome: PaymentOutcome, now: datetime) -> PaymentFailure | None:
    """Why a payment that is not paid must not be any more; None: it may."""
    if outcome.state is PaymentState.NEEDS_CARDHOLDER:
        if top_up.origin is TopUpOrigin.AUTO_RECHARGE:
            return PaymentFailure.AUTHENTICATION_FAILED
        if top_up.action_expires_at is not None and now >= top_up.action_expires_at:
            return PaymentFailure.AUTHENTICATION_EXPIRED
    if outcome.state is PaymentState.NOT_STARTED and is_given_up(top_up, now):
        return PaymentFailure.PROCESSOR_UNAVAILABLE
    return None


def asked_again(top_up: TopUp, now: datetime) -> TopUp:
    """The processor does not know yet, or did not answer: somebody asks again after a pause that grows."""
    pause = PAUSES[min(top_up.attempt_count, len(PAUSES) - 1)]
    return replace(top_up, due_at=now + pause)


def unprepared(top_up: TopUp, now: datetime) -> TopUp:
    """There is no payment, and the processor makes none: nothing can have been charged. A person is told so at once;
    a recharge is tried again for a day."""
    if top_up.origin is TopUpOrigin.AUTO_RECHARGE and now < top_up.created_at + RECHARGE_LIFE:
        return asked_again(top_up, now)
    return not_charged(top_up)


def unanswered(top_up: TopUp, now: datetime, *, is_set_up: bool) -> TopUp:
    """There is a payment, and the processor does not tell what became of it: money may have moved, so it is asked
    again. Only a confirmation that is over is not waited for where nobody will answer."""
    is_over = top_up.action_expires_at is not None and now >= top_up.action_expires_at
    if is_over and not is_set_up:
        return failed(top_up, TopUpReason.AUTHENTICATION_EXPIRED)
    return asked_again(top_up, now)


def is_unwanted(top_up: TopUp, recharge: AutoRecharge, billing: Billing) -> bool:
    """Whether a recharge that was not charged yet must not be any more: it was switched off meanwhile, its card is
    not the office's any more, or the office pays by invoice."""
    has_its_card = billing.card is not None and billing.card.id == top_up.payment_method_id
    return not (recharge.is_enabled and billing.payment_terms is PaymentTerms.CARD and has_its_card)


def not_charged(top_up: TopUp) -> TopUp:
    """It could not be charged as long as it was wanted, and nothing was."""
    return failed(top_up, TopUpReason.PROCESSOR_UNAVAILABLE)


def after(top_up: TopUp, outcome: PaymentOutcome, now: datetime) -> TopUp:
    """The top-up as the outcome leaves it; the same when it changes nothing."""
    if outcome.state is PaymentState.PAID and top_up.state not in (TopUpState.SETTLED, TopUpState.SKIPPED):
        paid = replace(top_up, state=TopUpState.SETTLED, reason=None, settled_at=now)
        return replace(paid, due_at=None, next_action=None, action_expires_at=None)
    if top_up.state not in IN_FLIGHT:
        return top_up
    match outcome.state:
        case PaymentState.REFUSED:
            return failed(top_up, TopUpReason(outcome.failure or TopUpReason.CARD_DECLINED))
        case PaymentState.NEEDS_CARDHOLDER:
            expires_at = top_up.action_expires_at or now + ACTION_LIFE
            # The one from the charge leads back to where the purchase was begun.
            action = top_up.next_action or outcome.next_action
            waiting = replace(top_up, state=TopUpState.REQUIRES_ACTION, next_action=action)
            return replace(waiting, action_expires_at=expires_at, due_at=min(expires_at, now + ACTION_PAUSE))
        case _:
            begun = replace(top_up, state=TopUpState.PENDING, next_action=None, action_expires_at=None)
            return asked_again(begun, now)


def failed(top_up: TopUp, reason: TopUpReason) -> TopUp:
    done = replace(top_up, state=TopUpState.FAILED, reason=reason)
    return replace(done, due_at=None, next_action=None, action_expires_at=None)
