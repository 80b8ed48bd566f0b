"""What an office can spend, and the postings that prove every figure of it (R4, R6–R11)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from persistence.tables import Id, Json, UtcDateTime, of_company


class BillingCycle(SQLModel, table=True):
    """One month of one office, from its anchor to the next. Known by its start, and by its label `month`."""

    __tablename__ = "billing_cycle"
    company_id: UUID = Field(primary_key=True, sa_type=Id)
    office_id: UUID = Field(primary_key=True, sa_type=Id)
    starts_at: datetime = Field(primary_key=True, sa_type=UtcDateTime)
    month: int
    """202603 for 2026-03."""
    ends_at: datetime = Field(sa_type=UtcDateTime)
    closes_at: datetime = Field(sa_type=UtcDateTime)
    """Until when late usage is charged here (R10)."""
    closed_at: datetime | None = Field(sa_type=UtcDateTime)
    time_zone: str
    anchor_day: int
    """The terms this cycle was cut by; the office's may have changed since (R7)."""
    __table_args__ = (
        UniqueConstraint("company_id", "office_id", "month", name="uq_billing_cycle_month"),
        of_company(["office_id"], "office", ["id"]),
        CheckConstraint("starts_at < ends_at", name="ck_billing_cycle_order"),
    )


class Wallet(SQLModel, table=True):
    """One kind of credits of one office. Universal credits stand here; a commitment's stand in its wallet cycles."""

    company_id: UUID = Field(primary_key=True, sa_type=Id)
    id: UUID = Field(primary_key=True, sa_type=Id)
    office_id: UUID = Field(sa_type=Id)
    kind: str
    balance_micros: int | None = Field(sa_type=BigInteger)
    """Universal credits alone; may be below zero (R26)."""
    committed_micros: int | None = Field(sa_type=BigInteger)
    """What the next cycle grants; universal credits have none."""
    cadence: str | None
    reserved_micros: int = Field(sa_type=BigInteger)
    """Held for usage in progress; of the balance, and never more than was available when it was held (R27)."""
    __table_args__ = (
        UniqueConstraint("company_id", "office_id", "kind", name="uq_wallet_kind"),
        CheckConstraint("reserved_micros >= 0", name="ck_wallet_reserved"),
        of_company(["office_id"], "office", ["id"]),
        CheckConstraint(
            "(kind = 'UNIVERSAL') = (balance_micros IS NOT NULL)"
            " AND (kind = 'UNIVERSAL') = (committed_micros IS NULL)"
            " AND (kind = 'UNIVERSAL') = (cadence IS NULL)",
            name="ck_wallet_kind",
        ),
    )


class WalletCycle(SQLModel, table=True):
    """The commitment of one wallet for one of its cycles: an account of its own (R9). Never below zero."""

    __tablename__ = "wallet_cycle"
    company_id: UUID = Field(primary_key=True, sa_type=Id)
    wallet_id: UUID = Field(primary_key=True, sa_type=Id)
    starts_at: datetime = Field(primary_key=True, sa_type=UtcDateTime)
    office_id: UUID = Field(sa_type=Id)
    kind: str
    month: int
    ends_at: datetime = Field(sa_type=UtcDateTime)
    closes_at: datetime = Field(sa_type=UtcDateTime)
    closed_at: datetime | None = Field(sa_type=UtcDateTime)
    cadence: str
    committed_micros: int = Field(sa_type=BigInteger)
    balance_micros: int = Field(sa_type=BigInteger)
    spent_micros: int = Field(sa_type=BigInteger)
    expired_micros: int = Field(sa_type=BigInteger)
    __table_args__ = (
        UniqueConstraint("company_id", "wallet_id", "month", name="uq_wallet_cycle_month"),
        of_company(["wallet_id"], "wallet", ["id"]),
        of_company(["office_id"], "office", ["id"]),
        CheckConstraint("balance_micros >= 0", name="ck_wallet_cycle_balance"),
        Index("ix_wallet_cycle_office", "company_id", "office_id", "starts_at"),
    )


class Allowance(SQLModel, table=True):
    """What the plan includes of one service in every coming cycle (R25)."""

    company_id: UUID = Field(primary_key=True, sa_type=Id)
    id: UUID = Field(primary_key=True, sa_type=Id)
    office_id: UUID = Field(sa_type=Id)
    service: str
    quantity: int = Field(sa_type=BigInteger)
    usage_types: list[str] = Field(sa_type=Json)
    __table_args__ = (
        UniqueConstraint("company_id", "office_id", "service", name="uq_allowance_service"),
        of_company(["office_id"], "office", ["id"]),
    )


class AllowanceCycle(SQLModel, table=True):
    """What the plan included in one cycle, and how much of it is used: a row of the plan usage table."""

    __tablename__ = "allowance_cycle"
    company_id: UUID = Field(primary_key=True, sa_type=Id)
    id: UUID = Field(primary_key=True, sa_type=Id)
    office_id: UUID = Field(sa_type=Id)
    service: str
    month: int
    usage_types: list[str] = Field(sa_type=Json)
    committed_quantity: int = Field(sa_type=BigInteger)
    spent_quantity: int = Field(sa_type=BigInteger)
    reserved_quantity: int = Field(sa_type=BigInteger)
    """Held for usage in progress (R27)."""
    __table_args__ = (
        UniqueConstraint("company_id", "office_id", "month", "service", name="uq_allowance_cycle_service"),
        of_company(["office_id"], "office", ["id"]),
        CheckConstraint("reserved_quantity >= 0", name="ck_allowance_cycle_reserved"),
        CheckConstraint("spent_quantity BETWEEN 0 AND committed_quantity", name="ck_allowance_cycle_spent"),
    )


class Posting(SQLModel, table=True):
    """An amount from a source account to a destination. Append-only; a correction is a new posting (R4)."""

    company_id: UUID = Field(primary_key=True, sa_type=Id)
    id: UUID = Field(primary_key=True, sa_type=Id)
    office_id: UUID = Field(sa_type=Id)
    sequence: int = Field(sa_type=BigInteger)
    posted_at: datetime = Field(sa_type=UtcDateTime)
    occurred_at: datetime = Field(sa_type=UtcDateTime)
    source: str
    destination: str
    amount_micros: int = Field(sa_type=BigInteger)
    wallet_id: UUID | None = Field(sa_type=Id)
    """The wallet on either side; there is at most one."""
    balance_after_micros: int | None = Field(sa_type=BigInteger)
    """What that wallet's account (of a commitment: of that cycle) held afterwards."""
    charge_id: UUID | None = Field(sa_type=Id)
    top_up_id: UUID | None = Field(sa_type=Id)
    note: str | None
    author: str | None
    __table_args__ = (
        UniqueConstraint("company_id", "office_id", "sequence", name="uq_posting_sequence"),
        of_company(["office_id"], "office", ["id"]),
        of_company(["wallet_id"], "wallet", ["id"]),
        of_company(["charge_id"], "charge", ["id"]),
        of_company(["top_up_id"], "top_up", ["id"]),
        CheckConstraint("amount_micros > 0 AND source <> destination", name="ck_posting_amount"),
        Index("ix_posting_wallet", "company_id", "wallet_id", "sequence"),
        Index(
            "ix_posting_into_universal",
            "company_id",
            "wallet_id",
            "sequence",
            sqlite_where=text("destination = 'wallet:UNIVERSAL'"),
            postgresql_where=text("destination = 'wallet:UNIVERSAL'"),
        ),
        Index(
            "ix_posting_adjusted",
            "company_id",
            "wallet_id",
            "sequence",
            sqlite_where=text("destination = 'adjustment'"),
            postgresql_where=text("destination = 'adjustment'"),
        ),
        Index(
            "ix_posting_charge",
            "company_id",
            "charge_id",
            sqlite_where=text("charge_id IS NOT NULL"),
            postgresql_where=text("charge_id IS NOT NULL"),
        ),
        Index(
            "ix_posting_top_up",
            "company_id",
            "top_up_id",
            sqlite_where=text("top_up_id IS NOT NULL"),
            postgresql_where=text("top_up_id IS NOT NULL"),
        ),
    )


class IdempotencyKey(SQLModel, table=True):
    """A key that was used, by what, with which facts, and what came of it (R32)."""

    __tablename__ = "idempotency_key"
    company_id: UUID = Field(primary_key=True, sa_type=Id)
    key: str = Field(primary_key=True)
    operation: str
    facts: dict[str, str] = Field(sa_type=Json)
    result_id: UUID = Field(sa_type=Id)
    created_at: datetime = Field(sa_type=UtcDateTime)
    __table_args__ = (of_company([], "company", []),)


BILLING_CYCLE: Any = BillingCycle.__table__  # type: ignore[attr-defined]
WALLET: Any = Wallet.__table__  # type: ignore[attr-defined]
WALLET_CYCLE: Any = WalletCycle.__table__  # type: ignore[attr-defined]
ALLOWANCE: Any = Allowance.__table__  # type: ignore[attr-defined]
ALLOWANCE_CYCLE: Any = AllowanceCycle.__table__  # type: ignore[attr-defined]
POSTING: Any = Posting.__table__  # type: ignore[attr-defined]
IDEMPOTENCY_KEY: Any = IdempotencyKey.__table__  # type: ignore[attr-defined]
