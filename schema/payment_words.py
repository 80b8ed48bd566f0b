"""The vocabulary of buying on the wire: each enum with a description, and each reason in a sentence for a person."""

from types import MappingProxyType

from domain.auto_recharge import RechargeState
from domain.payments import ProcessorKind
from domain.top_ups import TopUpOrigin, TopUpReason, TopUpState
from schema.words import describe

describe(
    TopUpOrigin,
    "What made a top-up.",
    {"PURCHASE": "Somebody bought credits.", "AUTO_RECHARGE": "The balance fell below the threshold of auto-recharge."},
)
describe(
    TopUpState,
    "Where a top-up stands.",
    {
        "PENDING": "The processor has not answered yet. It settles or fails by itself; nothing has to be done.",
        "REQUIRES_ACTION": "The cardholder has to confirm the payment: see `nextAction`.",
        "SETTLED": "The credits are in the wallet.",
        "FAILED": "No money came, and no credits were added: see `reason`.",
        "SKIPPED": "Auto-recharge was due and did not try: see `reason`.",
    },
)
describe(
    TopUpReason,
    "Why a top-up failed or was skipped. `reasonText` says the same to a person.",
    {
        "CARD_DECLINED": "The bank refused the card.",
        "INSUFFICIENT_FUNDS": "The card has not enough money.",
        "AUTHENTICATION_FAILED": "The cardholder did not confirm the payment, or was not there to do it.",
        "AUTHENTICATION_EXPIRED": "The cardholder did not confirm the payment in time.",
        "CARD_EXPIRED": "The saved card is no longer valid.",
        "NO_PAYMENT_METHOD": "No card is saved.",
        "PROCESSOR_UNAVAILABLE": "The card processor could not be reached, and nothing was charged.",
        "CYCLE_CAP": "Auto-recharge has reached its cap for the billing cycle.",
        "DAILY_CAP": "Auto-recharge has made all the attempts it may make in a day.",
        "BACKING_OFF": "The card was declined lately, and the pause after it is not over.",
        "ALREADY_IN_FLIGHT": "Another recharge is not settled yet.",
        "INVOICE_LIMIT": "The office owes as much as it may.",
    },
)
describe(
    ProcessorKind,
    "Who handles the cards.",
    {
        "SANDBOX": "The built-in one for trying things out: no real card, no real money.",
        "STRIPE": "Stripe.",
    },
    name="PaymentProcessor",
)

describe(
    RechargeState,
    "Where auto-recharge stands.",
    {
        "OFF": "It is switched off.",
        "READY": "It recharges as soon as the balance falls below the threshold.",
        "IN_FLIGHT": "A recharge is being paid: see `lastTopUp`.",
        "BACKING_OFF": "The card was declined: it tries again at `nextAttemptAt`, or when another card is saved.",
        "CAP_REACHED": "It has charged, tried or owes as much as it may: it goes on at `nextAttemptAt`, or once an"
        " invoice is paid.",
        "SWITCHED_OFF_AFTER_DECLINES": "It switched itself off, because the card was declined again and again.",
        "NO_PAYMENT_METHOD": "There is no card, or it has expired: it waits for another one.",
    },
    name="AutoRechargeState",
)

REASON_TEXTS = MappingProxyType(
    {
        TopUpReason.CARD_DECLINED: "The card was declined. Use another card, or ask the bank that issued it.",
        TopUpReason.INSUFFICIENT_FUNDS: "The card was declined for insufficient funds. Use another card or buy less.",
        TopUpReason.AUTHENTICATION_FAILED: "The payment was not confirmed with the bank. Try again and confirm it.",
        TopUpReason.AUTHENTICATION_EXPIRED: "The payment was not confirmed in time. Try again and confirm it.",
        TopUpReason.CARD_EXPIRED: "The saved card has expired. Save another card.",
        TopUpReason.NO_PAYMENT_METHOD: "No card is saved. Save a card first.",
        TopUpReason.PROCESSOR_UNAVAILABLE: "The card processor cannot be reached, and nothing was charged. Try again"
        " later.",
        TopUpReason.CYCLE_CAP: "Auto-recharge has reached its cap for this billing cycle.",
        TopUpReason.DAILY_CAP: "Auto-recharge has made all the attempts it may make in one day.",
        TopUpReason.BACKING_OFF: "The card was declined lately; auto-recharge waits before it tries again.",
        TopUpReason.ALREADY_IN_FLIGHT: "Another recharge is still being settled.",
        TopUpReason.INVOICE_LIMIT: "The office owes as much as it may. An invoice has to be paid first.",
    }
)

__all__ = ["REASON_TEXTS", "ProcessorKind", "RechargeState", "TopUpOrigin", "TopUpReason", "TopUpState"]
