"""The tables, and the three column types that make both engines keep the same values.

Private to `persistence`. Declared with SQLModel, queried as Core columns (`CHARGE.c.cost_micros`): rows, not entities.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Dialect, ForeignKeyConstraint, LargeBinary, TypeDecorator, Uuid
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.types import JSON, TypeEngine

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
NO_ONE = UUID(int=0)
"""Stands for "no member" and "no group" in the keys of rollups, where a null would not be unique."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment. PostgreSQL: timestamptz; SQLite: microseconds since 1970, because its text loses the zone."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(TIMESTAMP(timezone=True))
        return dialect.type_descriptor(BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if dialect.name == "postgresql":
            moment: datetime = value
            return moment.astimezone(UTC)
        return EPOCH + timedelta(microseconds=value)


class Id(TypeDecorator[UUID]):
    """A time-ordered 128-bit id: uuid on PostgreSQL, 16 bytes on SQLite (its Uuid would be 32 characters)."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Uuid() if dialect.name == "postgresql" else LargeBinary(16))

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return value.bytes

    def process_result_value(self, value: Any, dialect: Dialect) -> UUID | None:
        if value is None or dialect.name == "postgresql":
            return value  # type: ignore[no-any-return]
        return UUID(bytes=value)


Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def of_company(columns: Sequence[str], target: str, target_columns: Sequence[str]) -> ForeignKeyConstraint:
    """A foreign key that stays within the company: `company_id` leads on both sides."""
    return ForeignKeyConstraint(
        ["company_id", *columns],
        [f"{target}.company_id", *(f"{target}.{column}" for column in target_columns)],
        name="_".join(["fk", target, *columns]),
    )
