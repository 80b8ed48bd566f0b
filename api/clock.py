"""The clock, read at the edge and passed in everywhere else (R5)."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    return datetime.now(UTC)
