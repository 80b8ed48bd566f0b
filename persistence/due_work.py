"""Whether anything waits for a worker: one short read that an idle server can afford twice a second."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import exists, select

from persistence.database import Database
from persistence.tables.company import OFFICE
from persistence.tables.partners import WEBHOOK_DELIVERY
from persistence.tables.payments import AUTO_RECHARGE, REFUND, TOP_UP


class DueWork(NamedTuple):
    top_ups: bool
    refunds: bool
    recharges: bool
    alerts: bool
    deliveries: bool


async def find_due_work(database: Database, now: datetime) -> DueWork:
    """Each is a look into an index; nothing is locked."""
    due = [exists(select(table.c.company_id).where(column <= now)) for table, column in _WAITING]
    return DueWork(*(bool(found) for found in (await database.rows(select(*due)))[0]))


_WAITING = (
    (TOP_UP, TOP_UP.c.due_at),
    (REFUND, REFUND.c.due_at),
    (AUTO_RECHARGE, AUTO_RECHARGE.c.judge_at),
    (OFFICE, OFFICE.c.watch_due_at),
    (WEBHOOK_DELIVERY, WEBHOOK_DELIVERY.c.due_at),
)
