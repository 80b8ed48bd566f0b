"""Exports that were asked for: what a download link stands for."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index
from sqlmodel import Field, SQLModel

from persistence.tables import Id, Json, UtcDateTime, of_company


class UsageExport(SQLModel, table=True):
    """The list as its viewer saw it at one moment. The link names the row; who holds it sees no more than that."""

    __tablename__ = "usage_export"
    company_id: UUID = Field(primary_key=True, sa_type=Id)
    id: UUID = Field(primary_key=True, sa_type=Id)
    subject: str
    """Who asked."""
    wanted: dict[str, Any] = Field(sa_type=Json)
    """The filter, in the form that `persistence.exports` writes and reads."""
    is_descending: bool
    watermarks: dict[str, int] = Field(sa_type=Json)
    """By office id (hex): the first sequence number that is not in the file. Offices left out have nothing in it."""
    row_count: int = Field(sa_type=BigInteger)
    cost_micros: int = Field(sa_type=BigInteger)
    file_name: str
    as_of: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    __table_args__ = (
        of_company([], "company", []),
        Index("ix_usage_export_expires", "company_id", "expires_at"),
    )


USAGE_EXPORT: Any = UsageExport.__table__  # type: ignore[attr-defined]
