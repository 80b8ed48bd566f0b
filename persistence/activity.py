"""The audit trail: written with the act, read newest first."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.access import Scope
from domain.activity import Activity
from persistence.database import Database
from persistence.ids import new_id
from persistence.keyset import Slice, Window, sliced, windowed
from persistence.offices import visible
from persistence.tables.activity import ACTIVITY

_NEWEST = (ACTIVITY.c.at, ACTIVITY.c.id)


async def insert_activity(connection: AsyncConnection, company_id: UUID, now: datetime, activity: Activity) -> None:
    await connection.execute(
        insert(ACTIVITY).values(
            company_id=company_id,
            id=new_id(),
            at=now,
            actor=activity.actor,
            subject=activity.subject,
            address=activity.address,
            action=activity.action,
            office_id=activity.office_id,
            target_kind=activity.target_kind.value if activity.target_kind else None,
            target_id=activity.target_id,
            changes=[change._asdict() for change in activity.changes],
        )
    )


def _visible(scope: Scope) -> Select[Any]:
    """What concerns no single office is for those who see the whole company."""
    return select(ACTIVITY).where(visible(scope, ACTIVITY.c.office_id, ACTIVITY.c.company_id))


async def read_activity_page(database: Database, scope: Scope, *, window: Window) -> Slice:
    """Last done first. Positions are (`at`, `id`)."""
    rows = await database.rows(windowed(_visible(scope), _NEWEST, window, is_descending=True))
    return sliced(rows, window)


async def read_activities(database: Database, scope: Scope, *, ids: Collection[UUID]) -> Sequence[Row[Any]]:
    """The activities with these ids, in no order."""
    return await database.rows(_visible(scope).where(ACTIVITY.c.id.in_(sorted(ids))))
