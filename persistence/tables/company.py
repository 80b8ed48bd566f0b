"""Who pays and who uses: company, offices, their numbers, and the phone system's directory."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from persistence.tables import Id, Json, UtcDateTime, of_company


class Company(SQLModel, table=True):
    company_id: UUID = Field(primary_key=True, sa_type=Id)
    slug: str = Field(unique=True)
    name: str
    currency: str
    domestic_regions: list[str] = Field(sa_type=Json)
    late_usage_hours: int
    spending_alert_rise_percent: int
    spending_alert_minimum_micros: int = Field(sa_type=BigInteger)
    decks: list[str] = Field(sa_type=Json)
    purchase_minimum_micros: int = Field(sa_type=BigInteger)
    purchase_maximum_micros: int = Field(sa_type=BigInteger)
    purchase_daily_micros: int = Field(sa_type=BigInteger)
    """What an office may buy in one local day."""
    purchase_presets: list[int] = Field(sa_type=Json)
    """Amounts to choose from, in micros."""
    invoice_limit_micros: int = Field(sa_type=BigInteger)
    """What an invoiced office may owe (R31), unless the office says otherwise."""
    hold_grant_seconds: int
    """The most that one authorization of a call grants at once (R27)."""
    rates_version: int
    """Raised by every deck that is loaded: what tells a held rate book that it is old."""
    created_at: datetime = Field(sa_type=UtcDateTime)


class Office(SQLModel, table=True):
    company_id: UUID = Field(primary_key=True, sa_type=Id)
    id: UUID = Field(primary_key=True, sa_type=Id)
    slug: str
    name: str
    time_zone: str
    region_code: str
    anchor_day: int
    payment_terms: str
    tax_name: str | None
    tax_rate_micros: int
    """Millionths: 8.875 % is 88,750."""
    decks: list[str] = Field(sa_type=Json)
    is_suspended: bool
    """Nothing that has not happened yet is granted (R27); usage that happened is charged all the same (R26)."""
    invoice_limit_micros: int | None = Field(sa_type=BigInteger)
    """None: the company's."""
    next_sequence: int = Field(sa_type=BigInteger)
    """The number of the office's next charge or posting; drawn under the lock on this row."""
    renew_due_at: datetime = Field(sa_type=UtcDateTime)
    """When the next cycle has to be opened or closed (R9): the one moment every writer and reader looks at."""
    watch_due_at: datetime = Field(sa_type=UtcDateTime)
    """When its alerts are judged next (R38, R39): soon after it spent, and when its local day ends."""
    created_at: datetime = Field(sa_type=UtcDateTime)
    __table_args__ = (
        UniqueConstraint("company_id", "slug", name="uq_office_slug"),
        Index("ix_office_watch_due", "watch_due_at"),
        of_company([], "company", []),
        CheckConstraint("anchor_day BETWEEN 1 AND 31", name="ck_office_anchor_day"),
    )


class OfficeNumber(SQLModel, table=True):
    __tablename__ = "office_number"
    company_id: UUID = Field(primary_key=True, sa_type=Id)
    phone_number: str = Field(primary_key=True)
    office_id: UUID = Field(sa_type=Id)
    __table_args__ = (
        of_company(["office_id"], "office", ["id"]),
        Index("ix_office_number_office", "company_id", "office_id"),
    )


class DirectoryMember(SQLModel, table=True):
    __tablename__ = "directory_member"
    company_id: UUID = Field(primary_key=True, sa_type=Id)
    id: UUID = Field(primary_key=True, sa_type=Id)
    external_id: str
    name: str
    search_name: str
    """The name case-folded: what the typeahead looks through and sorts by."""
    email: str | None
    office_id: UUID | None = Field(sa_type=Id)
    group_external_ids: list[str] = Field(sa_type=Json)
    is_active: bool
    __table_args__ = (
        UniqueConstraint("company_id", "external_id", name="uq_directory_member_external_id"),
        of_company(["office_id"], "office", ["id"]),
        Index("ix_directory_member_name", "company_id", "search_name", "id"),
    )


class DirectoryGroup(SQLModel, table=True):
    __tablename__ = "directory_group"
    company_id: UUID = Field(primary_key=True, sa_type=Id)
    id: UUID = Field(primary_key=True, sa_type=Id)
    external_id: str
    name: str
    search_name: str
    kind: str
    office_id: UUID | None = Field(sa_type=Id)
    is_active: bool
    __table_args__ = (
        UniqueConstraint("company_id", "external_id", name="uq_directory_group_external_id"),
        of_company(["office_id"], "office", ["id"]),
        Index("ix_directory_group_name", "company_id", "search_name", "id"),
    )


class DirectoryContact(SQLModel, table=True):
    __tablename__ = "directory_contact"
    company_id: UUID = Field(primary_key=True, sa_type=Id)
    id: UUID = Field(primary_key=True, sa_type=Id)
    external_id: str
    name: str
    search_name: str
    phone_numbers: list[str] = Field(sa_type=Json)
    is_active: bool
    __table_args__ = (
        UniqueConstraint("company_id", "external_id", name="uq_directory_contact_external_id"),
        of_company([], "company", []),
        Index("ix_directory_contact_name", "company_id", "search_name", "id"),
    )


COMPANY: Any = Company.__table__  # type: ignore[attr-defined]
OFFICE: Any = Office.__table__  # type: ignore[attr-defined]
OFFICE_NUMBER: Any = OfficeNumber.__table__  # type: ignore[attr-defined]
MEMBER: Any = DirectoryMember.__table__  # type: ignore[attr-defined]
GROUP: Any = DirectoryGroup.__table__  # type: ignore[attr-defined]
CONTACT: Any = DirectoryContact.__table__  # type: ignore[attr-defined]
