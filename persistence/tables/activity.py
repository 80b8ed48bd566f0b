"""The audit trail: who did what, when, from where, and what it was before and after."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from persistence.tables import Id, Json, UtcDateTime, of_company


class Activity(SQLModel, table=True):
    """Append-only; written in the transaction of the act itself."""

    company_id: UUID = Field(primary_key=True, sa_type=Id)
    id: UUID = Field(primary_key=True, sa_type=Id)
    at: datetime = Field(sa_type=UtcDateTime)
    actor: str
    """The name in the token, or `Farebox` for what it did by itself."""
    subject: str | None
    """Who that is to the identity provider."""
    address: str | None
    """The caller's network address; None on the command line and for Farebox itself."""
    action: str
    office_id: UUID | None = Field(sa_type=Id)
    target_kind: str | None
    target_id: UUID | None = Field(sa_type=Id)
    changes: list[dict[str, Any]] = Field(sa_type=Json)
    """`field`, `before`, `after` as texts."""
    __table_args__ = (
        of_company([], "company", []),
        of_company(["office_id"], "office", ["id"]),
        Index("ix_activity_at", "company_id", "at", "id"),
    )


ACTIVITY: Any = Activity.__table__  # type: ignore[attr-defined]
