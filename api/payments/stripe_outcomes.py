"""What Stripe's answers mean here. Statuses: https://docs.stripe.com/payments/paymentintents/lifecycle"""

from http import HTTPStatus
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


ABANDONED = "abandoned"
"""The reason of a cancellation that was asked for; one that follows a refusal has none."""


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
    # Cancelled before anything was tried, or while the cardholder was asked.
    if error is None and _part(intent, "cancellation_reason") is not None:
        return PaymentFailure.AUTHENTICATION_EXPIRED
    return _failure(error)


def refusal_of(error: stripe.StripeError) -> PaymentFailure:
    """Of a request that Stripe answered. A card or customer that is gone, or an amount it does not take: declined."""
    return _failure(error.error)


def is_missing(error: stripe.StripeError) -> bool:
    """What the request names is deleted, or another account's, or of the other mode (test, live)."""
    return error.code == "resource_missing" or error.http_status == HTTPStatus.NOT_FOUND


def _failure(error: Any) -> PaymentFailure:
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
