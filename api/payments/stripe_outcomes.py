"""What Stripe's answers mean here. Statuses: https://docs.stripe.com/payments/paymentintents/lifecycle"""

from typing import Any

import stripe

from domain.payments import NextAction, PaymentFailure, PaymentOutcome, PaymentState, RefundOutcome

_FAILURES = {
    "insufficient_funds": PaymentFailure.INSUFFICIENT_FUNDS,
    "expired_card": PaymentFailure.CARD_EXPIRED,
    "authentication_required": PaymentFailure.AUTHENTICATION_FAILED,
    "authentication_not_handled": PaymentFailure.AUTHENTICATION_FAILED,
    "payment_intent_authentication_failure": PaymentFailure.AUTHENTICATION_FAILED,
}
"""By decline code or error code; every other one is a card that was declined."""

_REFUNDS = {
    "succeeded": PaymentState.PAID,
    "failed": PaymentState.REFUSED,
    "canceled": PaymentState.REFUSED,
}


def payment_outcome(intent: stripe.PaymentIntent, publishable_key: str | None) -> PaymentOutcome:
    match intent.status:
        case "succeeded":
            return PaymentOutcome(PaymentState.PAID)
        case "canceled":
            return PaymentOutcome(PaymentState.REFUSED, failure_of(intent))
        case "requires_action":
            return PaymentOutcome(PaymentState.NEEDS_CARDHOLDER, next_action=_next_action(intent, publishable_key))
        case "requires_confirmation" | "requires_payment_method":
            return PaymentOutcome(PaymentState.NOT_STARTED)
        case _:
            return PaymentOutcome(PaymentState.PROCESSING)


def has_failed(intent: stripe.PaymentIntent) -> bool:
    """It was tried and no money came. Stripe would let it be tried again; here it is cancelled."""
    return intent.status == "requires_payment_method" and _part(intent, "last_payment_error") is not None


def failure_of(intent: stripe.PaymentIntent) -> PaymentFailure:
    error = _part(intent, "last_payment_error")
    if error is None:  # cancelled before anything was tried, or while the cardholder was asked
        return PaymentFailure.AUTHENTICATION_EXPIRED
    for name in ("decline_code", "code"):
        if found := _FAILURES.get(_part(error, name) or ""):
            return found
    return PaymentFailure.CARD_DECLINED


def refund_outcome(refund: stripe.Refund) -> RefundOutcome:
    return RefundOutcome(_REFUNDS.get(refund.status or "", PaymentState.PROCESSING), refund.id)


def _next_action(intent: stripe.PaymentIntent, publishable_key: str | None) -> NextAction:
    redirect = _part(_part(intent, "next_action"), "redirect_to_url")
    return NextAction(intent.client_secret, publishable_key, _part(redirect, "url"))


def _part(whole: Any, name: str) -> Any:
    """Stripe leaves out what a kind of payment does not have."""
    return getattr(whole, name, None)
