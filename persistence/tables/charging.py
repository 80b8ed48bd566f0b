"""The usage history: one row a charge, with its three payers as columns; rejected usage; the two rollups."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from persistence.tables import Id, Json, UtcDateTime, of_company


def _history_index(name: str, *leading: str, where: str | None = None) -> Index:
    """Lists are read by keyset on (occurred_at, id), behind whatever narrows them."""
    condition = text(where) if where else None
    return Index(
        f"ix_charge_{name}",
        "company_id",
        *leading,
        "occurred_at",
        "id",
        sqlite_where=condition,
        postgresql_where=condition,
    )


class Charge(SQLModel, table=True):
    """A rated usage and where its money came from. Never changed but for its notes and `reversed_by_id`."""

    company_id: UUID = Field(primary_key=True, sa_type=Id)
    id: UUID = Field(primary_key=True, sa_type=Id)
    office_id: UUID = Field(sa_type=Id)
    sequence: int = Field(sa_type=BigInteger)
    source: str
    event_id: str
    fingerprint: bytes = Field(sa_type=LargeBinary)
    reverses_id: UUID | None = Field(sa_type=Id)
    """Set on a reversal: the charge it gives back."""
    reversed_by_id: UUID | None = Field(sa_type=Id)
    occurred_at: datetime = Field(sa_type=UtcDateTime)
    recorded_at: datetime = Field(sa_type=UtcDateTime)
    local_day: date
    """Of occurrence, in the office's zone as it was then: the day its rollup counts it on."""
    month: int
    """The billing cycle it is booked in, decided once (R6)."""
    is_booked_late: bool
    service: str
    usage_type: str
    direction: str | None
    member_id: UUID | None = Field(sa_type=Id)
    group_id: UUID | None = Field(sa_type=Id)
    contact_id: UUID | None = Field(sa_type=Id)
    from_kind: str | None
    from_text: str | None
    from_number: str | None
    """E.164, where it is one."""
    from_region: str | None
    to_kind: str | None
    to_text: str | None
    to_number: str | None
    to_region: str | None
    region_code: str | None
    """Of the number that decided the type: the destination region of charts and alerts."""
    duration_seconds: int | None
    """Measured, before increments."""
    quantity: int = Field(sa_type=BigInteger)
    """Billed, in the unit of the service; negative on a reversal, as are all amounts."""
    rate_id: UUID = Field(sa_type=Id)
    rate_nanos: int = Field(sa_type=BigInteger)
    first_seconds: int
    next_seconds: int
    connection_fee_micros: int = Field(sa_type=BigInteger)
    destination: str | None
    list_price_micros: int = Field(sa_type=BigInteger)
    cost_micros: int = Field(sa_type=BigInteger)
    plan_quantity: int = Field(sa_type=BigInteger)
    plan_micros: int = Field(sa_type=BigInteger)
    commitment_micros: int = Field(sa_type=BigInteger)
    universal_micros: int = Field(sa_type=BigInteger)
    sources: int
    """The set of payers: 1 plan, 2 the service's commitment, 4 universal credits."""
    coverage: str
    """Why the plan paid what it paid: the first sentence of the explanation."""
    has_commitment: bool
    details: dict[str, Any] = Field(sa_type=Json)
    """What only the side panel shows; its notes may be corrected by sending the event again."""
    __table_args__ = (
        UniqueConstraint("company_id", "source", "event_id", name="uq_charge_event"),
        UniqueConstraint("company_id", "office_id", "sequence", name="uq_charge_sequence"),
        # Elsewhere its billing cycle's reference to the office is enough.
        of_company(["office_id"], "office", ["id"]).ddl_if(dialect="sqlite"),
        of_company(["office_id", "month"], "billing_cycle", ["office_id", "month"]),
        of_company(["member_id"], "directory_member", ["id"]),
        of_company(["group_id"], "directory_group", ["id"]),
        of_company(["contact_id"], "directory_contact", ["id"]),
        CheckConstraint(
            "list_price_micros = plan_micros + cost_micros AND cost_micros = commitment_micros + universal_micros",
            name="ck_charge_parts",
        ),
        CheckConstraint("sources BETWEEN 0 AND 7", name="ck_charge_sources"),
        _history_index("office", "office_id"),
        _history_index("month", "office_id", "month"),
        _history_index("member", "member_id", where="member_id IS NOT NULL"),
        _history_index("group", "group_id", where="group_id IS NOT NULL"),
        _history_index("contact", "contact_id", where="contact_id IS NOT NULL"),
        _history_index("from_number", "from_number", where="from_number IS NOT NULL"),
        _history_index("to_number", "to_number", where="to_number IS NOT NULL"),
    )


class RejectedUsage(SQLModel, table=True):
    """Usage that could not be priced, kept under its key until a rate makes it good (R23)."""

    __tablename__ = "rejected_usage"
    company_id: UUID = Field(primary_key=True, sa_type=Id)
    id: UUID = Field(primary_key=True, sa_type=Id)
    office_id: UUID = Field(sa_type=Id)
    source: str
    event_id: str
    occurred_at: datetime = Field(sa_type=UtcDateTime)
    received_at: datetime = Field(sa_type=UtcDateTime)
    service: str
    code: str
    message: str
    attempt_count: int
    event: dict[str, Any] = Field(sa_type=Json)
    """The whole event as reported, a message's body already counted and gone."""
    __table_args__ = (
        UniqueConstraint("company_id", "source", "event_id", name="uq_rejected_usage_event"),
        of_company(["office_id"], "office", ["id"]),
        Index("ix_rejected_usage_received", "company_id", "received_at", "id"),
    )


class UsageByCycle(SQLModel, table=True):
    """Totals of one office and billing cycle; what list, filter and plan figures are summed from."""

    __tablename__ = "usage_by_cycle"
    company_id: UUID = Field(primary_key=True, sa_type=Id)
    office_id: UUID = Field(primary_key=True, sa_type=Id)
    month: int = Field(primary_key=True)
    service: str = Field(primary_key=True)
    usage_type: str = Field(primary_key=True)
    sources: int = Field(primary_key=True)
    member_id: UUID = Field(primary_key=True, sa_type=Id)
    group_id: UUID = Field(primary_key=True, sa_type=Id)
    charge_count: int = Field(sa_type=BigInteger)
    quantity: int = Field(sa_type=BigInteger)
    plan_micros: int = Field(sa_type=BigInteger)
    commitment_micros: int = Field(sa_type=BigInteger)
    universal_micros: int = Field(sa_type=BigInteger)
    __table_args__ = (of_company(["office_id"], "office", ["id"]),)


class UsageByDay(SQLModel, table=True):
    """Totals of one office and local day of occurrence; what charts and alerts are drawn from."""

    __tablename__ = "usage_by_day"
    company_id: UUID = Field(primary_key=True, sa_type=Id)
    office_id: UUID = Field(primary_key=True, sa_type=Id)
    local_day: date = Field(primary_key=True)
    month: int = Field(primary_key=True)
    service: str = Field(primary_key=True)
    usage_type: str = Field(primary_key=True)
    direction: str = Field(primary_key=True)
    """Empty where usage has none."""
    region_code: str = Field(primary_key=True)
    """Empty where the number is no phone number."""
    sources: int = Field(primary_key=True)
    charge_count: int = Field(sa_type=BigInteger)
    quantity: int = Field(sa_type=BigInteger)
    plan_micros: int = Field(sa_type=BigInteger)
    commitment_micros: int = Field(sa_type=BigInteger)
    universal_micros: int = Field(sa_type=BigInteger)
    __table_args__ = (
        of_company(["office_id"], "office", ["id"]),
        Index("ix_usage_by_day_month", "company_id", "office_id", "month"),
    )


CHARGE: Any = Charge.__table__  # type: ignore[attr-defined]
REJECTED_USAGE: Any = RejectedUsage.__table__  # type: ignore[attr-defined]
USAGE_BY_CYCLE: Any = UsageByCycle.__table__  # type: ignore[attr-defined]
USAGE_BY_DAY: Any = UsageByDay.__table__  # type: ignore[attr-defined]
