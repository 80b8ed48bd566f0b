"""Proves the books: runs every invariant over one snapshot of the whole database (R41)."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple
from uuid import UUID

from persistence.database import Database
from persistence.invariants import INVARIANTS
from persistence.tables import NO_ONE

EXAMPLES = 3


class Finding(NamedTuple):
    name: str
    looked_at_count: int
    broken_count: int
    examples: tuple[str, ...]
    """Of what breaks it: columns and values, enough to find the rows."""


async def verify(database: Database) -> AsyncIterator[Finding]:
    """One finding per invariant, in their order; `broken_count` 0 where it holds."""
    no_one = f"X'{NO_ONE.hex}'" if database.is_sqlite else f"'{NO_ONE}'::uuid"
    async with database.snapshot() as connection:
        for invariant in INVARIANTS:
            looked_at = (await connection.exec_driver_sql(invariant.looked_at)).scalar_one()
            broken = await connection.exec_driver_sql(invariant.broken.replace("{no_one}", no_one))
            rows = broken.mappings().all()
            yield Finding(
                invariant.name,
                looked_at,
                len(rows),
                tuple(_described(dict(row)) for row in rows[:EXAMPLES]),
            )


def _described(row: dict[str, Any]) -> str:
    return ", ".join(f"{name}={_text(value)}" for name, value in row.items())


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return value.hex if isinstance(value, UUID) else str(value)
