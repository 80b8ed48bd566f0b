"""Buying universal credits: what it costs, what is allowed, and the states of one attempt (R29–R31)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.money import Currency, Micros, share_in_minor_units
from domain.payments import NextAction, ProcessorKind
from domain.periods import YearMonth
from domain.provisioning import PaymentTerms


class TopUpOrigin(StrEnum):
    PURCHASE = "PURCHASE"
    AUTO_RECHARGE = "AUTO_RECHARGE"


class TopUpState(StrEnum):
    PENDING = "PENDING"
    REQUIRES_ACTION = "REQUIRES_ACTION"
    SETTLED = "SETTLED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


class TopUpReason(StrEnum):
    """Why a top-up failed or was skipped."""

    CARD_DECLINED = "CARD_DECLINED"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    AUTHENTICATION_FAILED = "AUTHENTICATION_FAILED"
    AUTHENTICATION_EXPIRED = "AUTHENTICATION_EXPIRED"
    CARD_EXPIRED = "CARD_EXPIRED"
    NO_PAYMENT_METHOD = "NO_PAYMENT_METHOD"
    PROCESSOR_UNAVAILABLE = "PROCESSOR_UNAVAILABLE"
    CYCLE_CAP = "CYCLE_CAP"
    DAILY_CAP = "DAILY_CAP"
    BACKING_OFF = "BACKING_OFF"
    ALREADY_IN_FLIGHT = "ALREADY_IN_FLIGHT"
    INVOICE_LIMIT = "INVOICE_LIMIT"


IN_FLIGHT = frozenset({TopUpState.PENDING, TopUpState.REQUIRES_ACTION})

WHOLE_RATE_MICROS = 1_000_000
"""A tax rate of 100 %."""


def tax_of(credits_micros: Micros, rate_micros: int, currency: Currency) -> Micros:
    """What credits are taxed with, half up to a minor unit; purchases and recharges alike (R30)."""
    return share_in_minor_units(credits_micros, rate_micros, WHOLE_RATE_MICROS, currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """An office's saved card."""

    id: UUID
    processor: ProcessorKind
    customer_id: str
    method_id: str
    brand: str
    last_four: str
    expires_month: int
    """202803 for 2028-03: good until that month's end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Billing:
    """How an office buys, and what it bought lately."""

    currency: Currency
    payment_terms: PaymentTerms
    tax_name: str
    tax_rate_micros: int
    """Millionths: 8.875 % is 88,750."""
    minimum_micros: Micros
    maximum_micros: Micros
    daily_micros: Micros
    presets: tuple[Micros, ...]
    invoice_limit_micros: Micros
    card: Card | None
    bought_today_micros: Micros
    """Credits of purchases of the office's local day, failed ones left out; auto-recharge has its own caps."""
    owed_micros: Micros
    """Gross, of invoiced top-ups that are not paid yet, refunds taken off (R31)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUp:
    """One attempt to add credits. Rules make a changed one; nothing changes in place."""

    id: UUID
    company_id: UUID
    office_id: UUID
    origin: TopUpOrigin
    state: TopUpState
    payment_terms: PaymentTerms
    credits_micros: Micros
    tax_micros: Micros
    month: YearMonth
    requested_by: str
    created_at: datetime
    reason: TopUpReason | None = None
    refunded_micros: Micros = 0
    payment_method_id: UUID | None = None
    processor: ProcessorKind | None = None
    processor_payment_id: str | None = None
    next_action: NextAction | None = None
    action_expires_at: datetime | None = None
    return_url: str | None = None
    settled_at: datetime | None = None
    paid_at: datetime | None = None
    due_at: datetime | None = None
    attempt_count: int = 0

    @property
    def total_micros(self) -> Micros:
        return self.credits_micros + self.tax_micros
