"""The audit trail: written with the act, read newest first."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.activity import Activity
from persistence.ids import new_id
from persistence.tables.activity import ACTIVITY


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
