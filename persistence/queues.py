"""What waits for the worker, and for how long: one read over the indexes it looks for due work with."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select

from persistence.database import Database
from persistence.tables.company import OFFICE
from persistence.tables.partners import WEBHOOK_DELIVERY
from persistence.tables.payments import AUTO_RECHARGE, REFUND, TOP_UP

MOST_COUNTED = 10_000
"""Of each queue: what is longer is told as this."""


class Queue(NamedTuple):
    length: float
    """Of what is due, not of what only will be."""
    age_seconds: float
    """For how long the oldest has been due; 0.0 when nothing waits."""


QUEUES = {
    "renewals": (OFFICE, OFFICE.c.renew_due_at),
    "alerts": (OFFICE, OFFICE.c.watch_due_at),
    "recharges": (AUTO_RECHARGE, AUTO_RECHARGE.c.judge_at),
    "top_ups": (TOP_UP, TOP_UP.c.due_at),
    "refunds": (REFUND, REFUND.c.due_at),
    "webhooks": (WEBHOOK_DELIVERY, WEBHOOK_DELIVERY.c.due_at),
}


async def read_queues(database: Database, now: datetime) -> Mapping[str, Queue]:
    """Of all companies, by name. What a worker has claimed is due again when its claim ends, and not before."""
    parts = []
    for table, column in QUEUES.values():
        due = select(column.label("at")).select_from(table).where(column <= now).order_by(column).limit(MOST_COUNTED)
        waiting = due.subquery()
        parts += [
            select(func.count()).select_from(waiting).scalar_subquery(),
            select(func.min(waiting.c.at)).scalar_subquery(),
        ]
    row = (await database.rows(select(*parts)))[0]
    return {
        name: Queue(row[2 * at], max((now - row[2 * at + 1]).total_seconds(), 0.0) if row[2 * at] else 0.0)
        for at, name in enumerate(QUEUES)
    }
