"""Reservations for usage in progress (R27, R28)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from persistence.tables import Id, UtcDateTime, of_company

_IS_ACTIVE = text("state = 'ACTIVE'")


class Hold(SQLModel, table=True):
    """What is kept for one usage to come, under the key it will be recorded by. It resolves once."""

    company_id: UUID = Field(primary_key=True, sa_type=Id)
    id: UUID = Field(primary_key=True, sa_type=Id)
    office_id: UUID = Field(sa_type=Id)
    source: str
    event_id: str
    state: str
    """ACTIVE, CAPTURED, RELEASED or EXPIRED."""
    service: str
    usage_type: str
    direction: str
    from_text: str
    to_text: str
    wanted_quantity: int = Field(sa_type=BigInteger)
    """As the first request said: with service, direction and both ends the facts that a repeated one must match."""
    granted_quantity: int = Field(sa_type=BigInteger)
    """Whole increments."""
    rate_id: UUID = Field(sa_type=Id)
    rate_nanos: int = Field(sa_type=BigInteger)
    first_seconds: int
    next_seconds: int
    connection_fee_micros: int = Field(sa_type=BigInteger)
    destination: str | None
    month: int
    """The billing cycle whose allowance and commitment are held."""
    plan_quantity: int = Field(sa_type=BigInteger)
    plan_micros: int = Field(sa_type=BigInteger)
    commitment_micros: int = Field(sa_type=BigInteger)
    universal_micros: int = Field(sa_type=BigInteger)
    created_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    resolved_at: datetime | None = Field(sa_type=UtcDateTime)
    charge_id: UUID | None = Field(sa_type=Id)
    """CAPTURED: the charge it ended in."""
    __table_args__ = (
        UniqueConstraint("company_id", "source", "event_id", name="uq_hold_event"),
        of_company(["office_id"], "office", ["id"]),
        of_company(["charge_id"], "charge", ["id"]),
        CheckConstraint("(state = 'ACTIVE') = (resolved_at IS NULL)", name="ck_hold_resolved"),
        CheckConstraint("(state = 'CAPTURED') = (charge_id IS NOT NULL)", name="ck_hold_captured"),
        CheckConstraint(
            "plan_quantity >= 0 AND plan_micros >= 0 AND commitment_micros >= 0 AND universal_micros >= 0",
            name="ck_hold_amounts",
        ),
        Index(
            "ix_hold_active",
            "company_id",
            "office_id",
            "expires_at",
            sqlite_where=_IS_ACTIVE,
            postgresql_where=_IS_ACTIVE,
        ),
    )


HOLD: Any = Hold.__table__  # type: ignore[attr-defined]
