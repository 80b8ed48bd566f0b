"""Rate decks: a version of a deck is a rate card, in force from one moment until its successor's (R18, R19)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from persistence.tables import Id, UtcDateTime, of_company


class RateCard(SQLModel, table=True):
    __tablename__ = "rate_card"
    company_id: UUID = Field(primary_key=True, sa_type=Id)
    id: UUID = Field(primary_key=True, sa_type=Id)
    name: str
    effective_from: datetime = Field(sa_type=UtcDateTime)
    effective_until: datetime | None = Field(sa_type=UtcDateTime)
    rate_count: int
    checksum: str
    """Of its rates: tells the same deck loaded again."""
    imported_at: datetime = Field(sa_type=UtcDateTime)
    __table_args__ = (
        UniqueConstraint("company_id", "name", "effective_from", name="uq_rate_card_effective"),
        of_company([], "company", []),
    )


class CardRate(SQLModel, table=True):
    __tablename__ = "rate"
    company_id: UUID = Field(primary_key=True, sa_type=Id)
    id: UUID = Field(primary_key=True, sa_type=Id)
    card_id: UUID = Field(sa_type=Id)
    service: str
    usage_type: str | None
    direction: str | None
    prefix: str
    destination: str | None
    nanos_per_unit: int = Field(sa_type=BigInteger)
    first_seconds: int
    next_seconds: int
    connection_fee_micros: int = Field(sa_type=BigInteger)
    priority: int
    is_blocked: bool
    __table_args__ = (
        of_company(["card_id"], "rate_card", ["id"]),
        CheckConstraint("nanos_per_unit >= 0 AND connection_fee_micros >= 0", name="ck_rate_price"),
        Index("ix_rate_prefix", "company_id", "prefix", "id"),
        Index("ix_rate_card", "company_id", "card_id"),
    )


RATE_CARD: Any = RateCard.__table__  # type: ignore[attr-defined]
RATE: Any = CardRate.__table__  # type: ignore[attr-defined]
