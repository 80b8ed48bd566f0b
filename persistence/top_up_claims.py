"""Top-ups that are due, claimed by workers: each by one at a time, over all companies."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, select, update

from domain.top_ups import TopUp
from persistence.database import Database
from persistence.tables.payments import TOP_UP
from persistence.top_ups import is_in_flight, top_up_of


async def claim_top_ups(database: Database, now: datetime, until: datetime, *, limit: int) -> Sequence[TopUp]:
    """Looked for without a lock, so that looking costs nothing when nothing is due; then claimed one by one.

    A claim is a conditional update of one row of one company, in a transaction of its own: of two workers one wins,
    neither can wait for the other in a circle, and Citus runs it too (it locks no rows over several companies).
    """
    is_due = and_(TOP_UP.c.due_at <= now, is_in_flight())
    found = await database.rows(
        select(TOP_UP.c.company_id, TOP_UP.c.id).where(is_due).order_by(TOP_UP.c.due_at).limit(limit)
    )
    claimed: list[TopUp] = []
    for row in found:
        claim = (
            update(TOP_UP)
            .where(TOP_UP.c.company_id == row.company_id, TOP_UP.c.id == row.id, is_due)
            .values(due_at=until, attempt_count=TOP_UP.c.attempt_count + 1)
            .returning(TOP_UP)
        )
        async with database.of(row.company_id).writing() as connection:
            won = (await connection.execute(claim)).one_or_none()
        if won is not None:
            claimed.append(top_up_of(won))
    return claimed
