"""Reads of top-ups: every purchase, recharge and skip of an office, newest first."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, func, select

from domain.access import Scope
from domain.top_ups import TopUpOrigin, TopUpState
from persistence.database import Database
from persistence.keyset import Slice, Window, sliced, windowed
from persistence.offices import visible
from persistence.tables.company import COMPANY
from persistence.tables.payments import TOP_UP

_NEWEST = (TOP_UP.c.created_at, TOP_UP.c.id)


class WantedTopUps(NamedTuple):
    """Which top-ups of one office; None: whichever, an empty collection: none."""

    office_id: UUID
    origins: Collection[TopUpOrigin] | None = None
    states: Collection[TopUpState] | None = None


def _conditions(scope: Scope, wanted: WantedTopUps) -> list[ColumnElement[bool]]:
    conditions = [visible(scope, TOP_UP.c.office_id, TOP_UP.c.company_id), TOP_UP.c.office_id == wanted.office_id]
    for column, values in ((TOP_UP.c.origin, wanted.origins), (TOP_UP.c.state, wanted.states)):
        if values is not None:
            conditions.append(column.in_(sorted({value.value for value in values})))
    return conditions


def _top_ups() -> Select[Any]:
    return select(TOP_UP, COMPANY.c.currency).join(COMPANY, COMPANY.c.company_id == TOP_UP.c.company_id)


async def read_top_up_page(database: Database, scope: Scope, *, wanted: WantedTopUps, window: Window) -> Slice:
    """Top-ups with their company's currency, last made first. Positions are (`created_at`, `id`)."""
    statement = windowed(_top_ups().where(*_conditions(scope, wanted)), _NEWEST, window, is_descending=True)
    return sliced(await database.rows(statement), window)


async def count_top_ups(database: Database, scope: Scope, *, wanted: WantedTopUps) -> int:
    statement = select(func.count()).select_from(TOP_UP).where(*_conditions(scope, wanted))
    return int((await database.rows(statement))[0][0])


async def read_top_ups(database: Database, scope: Scope, *, ids: Collection[UUID]) -> Sequence[Row[Any]]:
    """The top-ups with these ids, in no order."""
    mine = visible(scope, TOP_UP.c.office_id, TOP_UP.c.company_id)
    return await database.rows(_top_ups().where(mine, TOP_UP.c.id.in_(sorted(ids))))
