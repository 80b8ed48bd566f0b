"""Reads of usage that could not be priced and waits for a rate that makes it good (R23)."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, select

from domain.access import Scope
from domain.usage import RejectionCode
from persistence.database import Database
from persistence.keyset import Slice, Window, sliced, windowed
from persistence.offices import visible
from persistence.tables.charging import REJECTED_USAGE

_NEWEST = (REJECTED_USAGE.c.received_at, REJECTED_USAGE.c.id)
_SHOWN = tuple(column for column in REJECTED_USAGE.c if column.name != "event")


def _conditions(scope: Scope, code: RejectionCode | None) -> list[ColumnElement[bool]]:
    conditions = [visible(scope, REJECTED_USAGE.c.office_id, REJECTED_USAGE.c.company_id)]
    if code is not None:
        conditions.append(REJECTED_USAGE.c.code == code.value)
    return conditions


async def read_rejection_page(database: Database, scope: Scope, *, code: RejectionCode | None, window: Window) -> Slice:
    """Rejected usage, last received first. Positions are (`received_at`, `id`)."""
    statement = select(*_SHOWN).where(*_conditions(scope, code))
    rows = await database.rows(windowed(statement, _NEWEST, window, is_descending=True))
    return sliced(rows, window)


async def count_rejections(database: Database, scope: Scope, *, code: RejectionCode | None) -> int:
    statement = select(func.count()).select_from(REJECTED_USAGE).where(*_conditions(scope, code))
    return int((await database.rows(statement))[0][0])


async def read_rejections(database: Database, scope: Scope, *, ids: Collection[UUID]) -> Sequence[Row[Any]]:
    """The rejections with these ids, in no order."""
    return await database.rows(select(*_SHOWN).where(*_conditions(scope, None), REJECTED_USAGE.c.id.in_(sorted(ids))))
