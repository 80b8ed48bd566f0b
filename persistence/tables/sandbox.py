"""What the sandbox processor remembers, as a real processor would: apart from Farebox's own books, and for good."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index
from sqlmodel import Field, SQLModel

from persistence.tables import Id, UtcDateTime


class SandboxSetup(SQLModel, table=True):
    __tablename__ = "sandbox_setup"
    company_id: UUID = Field(primary_key=True, sa_type=Id)
    id: UUID = Field(primary_key=True, sa_type=Id)
    card: str
    """The test card chosen so far."""
    created_at: datetime = Field(sa_type=UtcDateTime)


class SandboxPayment(SQLModel, table=True):
    __tablename__ = "sandbox_payment"
    company_id: UUID = Field(primary_key=True, sa_type=Id)
    id: UUID = Field(primary_key=True, sa_type=Id)
    top_up_id: UUID = Field(sa_type=Id)
    card: str
    amount_minor: int = Field(sa_type=BigInteger)
    currency: str
    state: str
    """CREATED, REQUIRES_ACTION, SUCCEEDED, DECLINED or CANCELED."""
    reason: str | None
    charge_count: int
    """How often money was taken: proof that it was once at most."""
    created_at: datetime = Field(sa_type=UtcDateTime)
    __table_args__ = (Index("ix_sandbox_payment_top_up", "company_id", "top_up_id"),)


class SandboxRefund(SQLModel, table=True):
    __tablename__ = "sandbox_refund"
    company_id: UUID = Field(primary_key=True, sa_type=Id)
    id: UUID = Field(primary_key=True, sa_type=Id)
    """Farebox's id of the refund: the same one is never paid twice."""
    payment_id: UUID = Field(sa_type=Id)
    amount_minor: int = Field(sa_type=BigInteger)
    created_at: datetime = Field(sa_type=UtcDateTime)
    __table_args__ = (Index("ix_sandbox_refund_payment", "company_id", "payment_id"),)


SANDBOX_SETUP: Any = SandboxSetup.__table__  # type: ignore[attr-defined]
SANDBOX_PAYMENT: Any = SandboxPayment.__table__  # type: ignore[attr-defined]
SANDBOX_REFUND: Any = SandboxRefund.__table__  # type: ignore[attr-defined]
