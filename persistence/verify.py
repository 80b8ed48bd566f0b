"""Proves the books: runs every invariant over one snapshot of the whole database (R41)."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from persistence.database import Database
from persistence.invariants import INVARIANTS
from persistence.metadata import METADATA
from persistence.tables import NO_ONE

EXAMPLES = 3
REFERENCES = "Every row points to rows that are there"


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
        yield await _references(connection)


async def _references(connection: AsyncConnection) -> Finding:
    """Foreign keys, counted: a database that somebody repaired by hand may have got around them."""
    looked_at, broken = 0, []
    for table in METADATA.sorted_tables:
        looked_at += (await connection.execute(select(func.count()).select_from(table))).scalar_one()
        for constraint in table.foreign_key_constraints:
            target = constraint.referred_table.alias("target")
            pairs = [(key.parent, target.c[key.column.name]) for key in constraint.elements]
            lost = and_(*(own.is_not(None) for own, _ in pairs), pairs[0][1].is_(None))
            joined = table.outerjoin(target, and_(*(own == other for own, other in pairs)))
            rows = await connection.execute(select(*(own for own, _ in pairs)).select_from(joined).where(lost))
            broken += [{"table": table.name, **row} for row in rows.mappings()]
    examples = tuple(_described(dict(row)) for row in broken[:EXAMPLES])
    return Finding(REFERENCES, looked_at, len(broken), examples)


def _described(row: dict[str, Any]) -> str:
    return ", ".join(f"{name}={_text(value)}" for name, value in row.items())


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return value.hex if isinstance(value, UUID) else str(value)
