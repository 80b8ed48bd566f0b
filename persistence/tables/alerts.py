"""Spending alerts: what was raised, why, and who does not want to see it any more (R38, R39)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, text
from sqlmodel import Field, SQLModel

from persistence.tables import Id, UtcDateTime, of_company


class SpendingAlert(SQLModel, table=True):
    """One alert with its figures as they were when it was raised."""

    __tablename__ = "spending_alert"
    company_id: UUID = Field(primary_key=True, sa_type=Id)
    id: UUID = Field(primary_key=True, sa_type=Id)
    office_id: UUID = Field(sa_type=Id)
    kind: str
    state: str
    """ACTIVE: shown. SUPERSEDED: another of its kind stands in its place. ENDED: it fell back, or its time is over."""
    subject: str
    """What it is about, once per cycle: a rise's cause as `member:<hex>`, `group:<hex>`, `region:GB`,
    `usageType:LOCAL`, `service:CALLING`; else `commitment:CALLING`, `allowance:FAX`, `universal`."""
    month: int
    """The billing cycle it was raised in."""
    period_start: datetime = Field(sa_type=UtcDateTime)
    period_end: datetime = Field(sa_type=UtcDateTime)
    raised_at: datetime = Field(sa_type=UtcDateTime)
    ended_at: datetime | None = Field(sa_type=UtcDateTime)
    current_micros: int = Field(sa_type=BigInteger)
    previous_micros: int | None = Field(sa_type=BigInteger)
    latest_current_micros: int | None = Field(sa_type=BigInteger)
    """SPENDING_RISE: both figures when it was last looked at."""
    latest_previous_micros: int | None = Field(sa_type=BigInteger)
    cause_service: str | None
    cause_usage_type: str | None
    cause_region: str | None
    cause_member_id: UUID | None = Field(sa_type=Id)
    cause_group_id: UUID | None = Field(sa_type=Id)
    cause_current_micros: int | None = Field(sa_type=BigInteger)
    cause_previous_micros: int | None = Field(sa_type=BigInteger)
    wallet_id: UUID | None = Field(sa_type=Id)
    allowance_cycle_id: UUID | None = Field(sa_type=Id)
    limit_micros: int | None = Field(sa_type=BigInteger)
    """COMMITMENT_USED: what was committed. UNIVERSAL_LOW: the threshold."""
    used_percent: int | None
    """80, 90 or 100; follows downwards without a new alert."""
    spent_quantity: int | None = Field(sa_type=BigInteger)
    """ALLOWANCE_USED, and what was included."""
    committed_quantity: int | None = Field(sa_type=BigInteger)
    __table_args__ = (
        of_company(["office_id"], "office", ["id"]),
        of_company(["wallet_id"], "wallet", ["id"]),
        of_company(["allowance_cycle_id"], "allowance_cycle", ["id"]),
        of_company(["cause_member_id"], "directory_member", ["id"]),
        of_company(["cause_group_id"], "directory_group", ["id"]),
        CheckConstraint("(state = 'ENDED') = (ended_at IS NOT NULL)", name="ck_spending_alert_ended"),
        Index("ix_spending_alert_raised", "company_id", "office_id", "raised_at", "id"),
        Index(
            "uq_spending_alert_open",
            "company_id",
            "office_id",
            "kind",
            "subject",
            unique=True,
            sqlite_where=text("state <> 'ENDED'"),
            postgresql_where=text("state <> 'ENDED'"),
        ),
    )


class AlertDismissal(SQLModel, table=True):
    """One viewer's: the same alert may still be shown to others."""

    __tablename__ = "alert_dismissal"
    company_id: UUID = Field(primary_key=True, sa_type=Id)
    alert_id: UUID = Field(primary_key=True, sa_type=Id)
    subject: str = Field(primary_key=True)
    dismissed_at: datetime = Field(sa_type=UtcDateTime)
    __table_args__ = (of_company(["alert_id"], "spending_alert", ["id"]),)


SPENDING_ALERT: Any = SpendingAlert.__table__  # type: ignore[attr-defined]
ALERT_DISMISSAL: Any = AlertDismissal.__table__  # type: ignore[attr-defined]
