"""What partners hold: API keys, and endpoints that are told what happens, with what they were told."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from persistence.tables import Id, Json, UtcDateTime, of_company


class ApiKey(SQLModel, table=True):
    """A key is known by its hash alone; it was shown once."""

    __tablename__ = "api_key"
    company_id: UUID = Field(primary_key=True, sa_type=Id)
    id: UUID = Field(primary_key=True, sa_type=Id)
    name: str
    prefix: str
    """Its first characters, to recognise it by."""
    key_hash: bytes = Field(sa_type=LargeBinary)
    scopes: list[str] = Field(sa_type=Json)
    office_ids: list[str] | None = Field(sa_type=Json)
    """Hex; None: every office."""
    created_by: str
    created_at: datetime = Field(sa_type=UtcDateTime)
    last_used_at: datetime | None = Field(sa_type=UtcDateTime)
    """To the minute."""
    revoked_at: datetime | None = Field(sa_type=UtcDateTime)
    __table_args__ = (
        UniqueConstraint("company_id", "key_hash", name="uq_api_key_hash"),
        of_company([], "company", []),
        Index("ix_api_key_hash", "key_hash"),
    )


class WebhookEndpoint(SQLModel, table=True):
    """Where a partner is told; the secrets that sign are sealed with a key of the server's settings."""

    __tablename__ = "webhook_endpoint"
    company_id: UUID = Field(primary_key=True, sa_type=Id)
    id: UUID = Field(primary_key=True, sa_type=Id)
    url: str
    topics: list[str] = Field(sa_type=Json)
    is_enabled: bool
    sealed_secret: str
    earlier_sealed_secret: str | None
    """Signs beside the new one until `earlier_until`, so that a receiver can change over."""
    earlier_until: datetime | None = Field(sa_type=UtcDateTime)
    created_at: datetime = Field(sa_type=UtcDateTime)
    __table_args__ = (of_company([], "company", []),)


class WebhookDelivery(SQLModel, table=True):
    """One message to one endpoint: written in the transaction of what it tells, sent afterwards."""

    __tablename__ = "webhook_delivery"
    company_id: UUID = Field(primary_key=True, sa_type=Id)
    id: UUID = Field(primary_key=True, sa_type=Id)
    endpoint_id: UUID = Field(sa_type=Id)
    topic: str
    message_id: UUID = Field(sa_type=Id)
    """The same for every endpoint that is told and for every attempt: receivers know repeats by it."""
    body: str
    """JSON, exactly as it is signed and sent."""
    created_at: datetime = Field(sa_type=UtcDateTime)
    attempt_count: int
    round_attempt_count: int
    """Of the attempts, those since it was made or last replayed: which pause comes next."""
    status: int | None
    """HTTP status of the last answer; None: there was none."""
    problem: str | None
    """Why the last attempt failed, in words."""
    due_at: datetime | None = Field(sa_type=UtcDateTime)
    """When it is tried next; None: delivered, or given up."""
    delivered_at: datetime | None = Field(sa_type=UtcDateTime)
    __table_args__ = (
        of_company(["endpoint_id"], "webhook_endpoint", ["id"]),
        CheckConstraint("delivered_at IS NULL OR due_at IS NULL", name="ck_webhook_delivery_over"),
        Index("ix_webhook_delivery_endpoint", "company_id", "endpoint_id", "created_at", "id"),
        Index(
            "ix_webhook_delivery_due",
            "due_at",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
    )


API_KEY: Any = ApiKey.__table__  # type: ignore[attr-defined]
WEBHOOK_ENDPOINT: Any = WebhookEndpoint.__table__  # type: ignore[attr-defined]
WEBHOOK_DELIVERY: Any = WebhookDelivery.__table__  # type: ignore[attr-defined]
