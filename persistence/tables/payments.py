"""Money that comes in: cards, attempts to add credits, what was given back, and the settings of auto-recharge."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, text
from sqlmodel import Field, SQLModel

from persistence.tables import Id, Json, UtcDateTime, of_company

_IS_DUE = text("due_at IS NOT NULL")
_IN_FLIGHT = text("origin = 'AUTO_RECHARGE' AND state IN ('PENDING', 'REQUIRES_ACTION')")
_HAS_PAYMENT = text("processor_payment_id IS NOT NULL")


class CardSetup(SQLModel, table=True):
    """A card about to be saved: the cardholder enters it at the processor, Farebox never sees its number."""

    __tablename__ = "card_setup"
    company_id: UUID = Field(primary_key=True, sa_type=Id)
    id: UUID = Field(primary_key=True, sa_type=Id)
    office_id: UUID = Field(sa_type=Id)
    processor: str
    processor_customer_id: str
    processor_setup_id: str
    created_at: datetime = Field(sa_type=UtcDateTime)
    payment_method_id: UUID | None = Field(sa_type=Id)
    """The card it became, once it was saved."""
    __table_args__ = (
        of_company(["office_id"], "office", ["id"]),
        of_company(["payment_method_id"], "payment_method", ["id"]),
        Index("ix_card_setup_office", "company_id", "office_id", "id"),
    )


class PaymentMethod(SQLModel, table=True):
    """A saved card of an office, as the processor describes it. One is current; the earlier ones stay for history."""

    __tablename__ = "payment_method"
    company_id: UUID = Field(primary_key=True, sa_type=Id)
    id: UUID = Field(primary_key=True, sa_type=Id)
    office_id: UUID = Field(sa_type=Id)
    processor: str
    processor_customer_id: str
    processor_method_id: str
    brand: str
    last_four: str
    expires_month: int
    """202803 for 2028-03: good until that month's end."""
    created_at: datetime = Field(sa_type=UtcDateTime)
    replaced_at: datetime | None = Field(sa_type=UtcDateTime)
    __table_args__ = (
        of_company(["office_id"], "office", ["id"]),
        Index(
            "uq_payment_method_current",
            "company_id",
            "office_id",
            unique=True,
            sqlite_where=text("replaced_at IS NULL"),
            postgresql_where=text("replaced_at IS NULL"),
        ),
    )


class AutoRecharge(SQLModel, table=True):
    """An office's auto-recharge (R33–R35). No row: never touched, off, with the defaults."""

    __tablename__ = "auto_recharge"
    company_id: UUID = Field(primary_key=True, sa_type=Id)
    office_id: UUID = Field(primary_key=True, sa_type=Id)
    is_enabled: bool
    threshold_micros: int = Field(sa_type=BigInteger)
    amount_micros: int = Field(sa_type=BigInteger)
    cycle_cap_micros: int | None = Field(sa_type=BigInteger)
    """None: four times the amount (R34)."""
    decline_count: int
    """Declines since the last success or change of settings."""
    retry_at: datetime | None = Field(sa_type=UtcDateTime)
    """The end of the back-off after a decline."""
    is_switched_off: bool
    """By declines, not by a person."""
    skip_reason: str | None
    """Of the last skip, until something is tried again: a skip is written down when its reason changes (R35)."""
    judge_at: datetime | None = Field(sa_type=UtcDateTime)
    """When the worker has to look again without anything having been spent."""
    updated_at: datetime = Field(sa_type=UtcDateTime)
    """When a person changed the settings last."""
    __table_args__ = (
        of_company(["office_id"], "office", ["id"]),
        CheckConstraint("threshold_micros >= 0 AND amount_micros > 0", name="ck_auto_recharge_amounts"),
        Index(
            "ix_auto_recharge_judge",
            "judge_at",
            sqlite_where=text("judge_at IS NOT NULL"),
            postgresql_where=text("judge_at IS NOT NULL"),
        ),
    )


class TopUp(SQLModel, table=True):
    """One attempt to add universal credits (R29): bought, by auto-recharge, or skipped with a reason."""

    __tablename__ = "top_up"
    company_id: UUID = Field(primary_key=True, sa_type=Id)
    id: UUID = Field(primary_key=True, sa_type=Id)
    office_id: UUID = Field(sa_type=Id)
    origin: str
    state: str
    reason: str | None
    payment_terms: str
    credits_micros: int = Field(sa_type=BigInteger)
    """What the wallet gets."""
    tax_micros: int = Field(sa_type=BigInteger)
    total_micros: int = Field(sa_type=BigInteger)
    """What the card or the receivable pays (R30)."""
    refunded_micros: int = Field(sa_type=BigInteger)
    """Of the credits: what was given back, by refund or dispute."""
    month: int
    """The office's billing cycle when it was made: the cycle whose cap it counts against (R34)."""
    payment_method_id: UUID | None = Field(sa_type=Id)
    processor: str | None
    processor_payment_id: str | None
    """Written down before any money moves: no second payment can ever be charged for the same top-up (R29)."""
    next_action: dict[str, Any] | None = Field(sa_type=Json)
    action_expires_at: datetime | None = Field(sa_type=UtcDateTime)
    return_url: str | None
    requested_by: str
    created_at: datetime = Field(sa_type=UtcDateTime)
    settled_at: datetime | None = Field(sa_type=UtcDateTime)
    paid_at: datetime | None = Field(sa_type=UtcDateTime)
    """When the invoice was paid that an invoiced top-up stood on (R31)."""
    due_at: datetime | None = Field(sa_type=UtcDateTime)
    """When a worker may take it up: a lease while one is at it, None when nothing is left to do."""
    attempt_count: int
    __table_args__ = (
        of_company(["office_id"], "office", ["id"]),
        of_company(["payment_method_id"], "payment_method", ["id"]),
        CheckConstraint("credits_micros > 0 AND tax_micros >= 0", name="ck_top_up_amounts"),
        CheckConstraint("total_micros = credits_micros + tax_micros", name="ck_top_up_total"),
        CheckConstraint("refunded_micros BETWEEN 0 AND credits_micros", name="ck_top_up_refunded"),
        CheckConstraint("(state = 'SETTLED') = (settled_at IS NOT NULL)", name="ck_top_up_settled"),
        Index("ix_top_up_office", "company_id", "office_id", "created_at", "id"),
        Index("ix_top_up_due", "due_at", sqlite_where=_IS_DUE, postgresql_where=_IS_DUE),
        # A webhook knows a payment by the processor's id alone, and no company.
        Index("ix_top_up_payment", "processor_payment_id", sqlite_where=_HAS_PAYMENT, postgresql_where=_HAS_PAYMENT),
        Index(
            "uq_top_up_in_flight",
            "company_id",
            "office_id",
            unique=True,
            sqlite_where=_IN_FLIGHT,
            postgresql_where=_IN_FLIGHT,
        ),
        Index(
            "uq_top_up_payment",
            "company_id",
            "processor",
            "processor_payment_id",
            unique=True,
            sqlite_where=_HAS_PAYMENT,
            postgresql_where=_HAS_PAYMENT,
        ),
    )


class Refund(SQLModel, table=True):
    """Money of a top-up that went back to the card or off the invoice, or was taken back by a bank (R30)."""

    company_id: UUID = Field(primary_key=True, sa_type=Id)
    id: UUID = Field(primary_key=True, sa_type=Id)
    office_id: UUID = Field(sa_type=Id)
    top_up_id: UUID = Field(sa_type=Id)
    kind: str
    """REFUND: asked for here. PROCESSOR: made at the processor. DISPUTE: taken back by the cardholder's bank."""
    state: str
    """PENDING: the credits are gone, the processor has not answered. SETTLED. FAILED: the credits were put back."""
    credits_micros: int = Field(sa_type=BigInteger)
    tax_micros: int = Field(sa_type=BigInteger)
    total_micros: int = Field(sa_type=BigInteger)
    """What is booked of it."""
    told_micros: int = Field(sa_type=BigInteger)
    """What was asked for here, or others took. More than is booked when no more was left of the charge."""
    reason: str
    author: str
    processor_refund_id: str | None
    """The processor's id of the refund or dispute."""
    created_at: datetime = Field(sa_type=UtcDateTime)
    settled_at: datetime | None = Field(sa_type=UtcDateTime)
    due_at: datetime | None = Field(sa_type=UtcDateTime)
    attempt_count: int
    __table_args__ = (
        of_company(["office_id"], "office", ["id"]),
        of_company(["top_up_id"], "top_up", ["id"]),
        CheckConstraint("credits_micros >= 0 AND tax_micros >= 0", name="ck_refund_amounts"),
        CheckConstraint(
            "told_micros > 0 AND (total_micros = told_micros OR kind <> 'REFUND' AND total_micros < told_micros)",
            name="ck_refund_told",
        ),
        CheckConstraint("total_micros = credits_micros + tax_micros", name="ck_refund_total"),
        Index("ix_refund_top_up", "company_id", "top_up_id"),
        Index("ix_refund_due", "due_at", sqlite_where=_IS_DUE, postgresql_where=_IS_DUE),
        Index(
            "uq_refund_processor",
            "company_id",
            "top_up_id",
            "processor_refund_id",
            unique=True,
            sqlite_where=text("processor_refund_id IS NOT NULL"),
            postgresql_where=text("processor_refund_id IS NOT NULL"),
        ),
    )


CARD_SETUP: Any = CardSetup.__table__  # type: ignore[attr-defined]
PAYMENT_METHOD: Any = PaymentMethod.__table__  # type: ignore[attr-defined]
AUTO_RECHARGE: Any = AutoRecharge.__table__  # type: ignore[attr-defined]
TOP_UP: Any = TopUp.__table__  # type: ignore[attr-defined]
REFUND: Any = Refund.__table__  # type: ignore[attr-defined]
