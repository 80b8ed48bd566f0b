"""Reads of subscriptions: what is new since a listener looked last. Each costs one index lookup when nothing is.

Charges are told by their office's sequence. It is drawn under the lock on the office's row, which is held until the
commit shows: whoever sees a charge sees every earlier one of the office too, and nothing ever comes in below it. So
"from here on" neither misses a charge nor finds one twice, on either engine, without a clock.
"""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, and_, func, or_, select

from domain.access import Scope
from domain.alerts import AlertState
from persistence.database import Database
from persistence.history import read_history_records
from persistence.offices import visible
from persistence.tables.alerts import SPENDING_ALERT
from persistence.tables.charging import CHARGE
from persistence.tables.company import COMPANY, OFFICE
from persistence.tables.payments import TOP_UP
from persistence.top_ups import is_in_flight


class NewCharges(NamedTuple):
    rows: Sequence[Row[Any]]
    """The newest, as a page of history has them, in order of sequence."""
    omitted_count: int
    """How many earlier ones there are besides."""
    next_sequence: int
    """Where to go on."""


async def read_next_sequence(database: Database, scope: Scope, office_id: UUID) -> int | None:
    """The number below which every charge of the office is committed, and above which none is. None: not visible."""
    mine = and_(OFFICE.c.id == office_id, visible(scope, OFFICE.c.id, OFFICE.c.company_id))
    rows = await database.rows(select(OFFICE.c.next_sequence).where(mine))
    return rows[0].next_sequence if rows else None


async def read_new_charges(
    database: Database, scope: Scope, office_id: UUID, *, from_sequence: int, limit: int
) -> NewCharges | None:
    """The charges of an office from a sequence on, reversals included; None when there is none."""
    new = [
        visible(scope, CHARGE.c.office_id, CHARGE.c.company_id),
        CHARGE.c.office_id == office_id,
        CHARGE.c.sequence >= from_sequence,
    ]
    newest = select(CHARGE.c.id, CHARGE.c.sequence).where(*new).order_by(CHARGE.c.sequence.desc()).limit(limit)
    found = await database.rows(newest)
    if not found:
        return None
    omitted_count = 0
    if len(found) == limit:
        # Below what was found nothing can be added meanwhile: the count is exact in a read of its own.
        earlier = select(func.count()).select_from(CHARGE).where(*new, CHARGE.c.sequence < found[-1].sequence)
        omitted_count = int((await database.rows(earlier))[0][0])
    records = await read_history_records(database, scope, ids=[row.id for row in found])
    ordered = sorted(records, key=lambda row: int(row.sequence))
    return NewCharges(ordered, omitted_count, found[0].sequence + 1)


async def read_live_top_ups(
    database: Database, scope: Scope, office_id: UUID, *, ids: Collection[UUID], newest: int
) -> Sequence[Row[Any]]:
    """An office's newest top-ups, those in flight, and those with these ids, with their currency; first made first."""
    mine = and_(visible(scope, TOP_UP.c.office_id, TOP_UP.c.company_id), TOP_UP.c.office_id == office_id)
    last_made = select(TOP_UP.c.id).where(mine).order_by(TOP_UP.c.created_at.desc(), TOP_UP.c.id.desc()).limit(newest)
    wanted = or_(TOP_UP.c.id.in_(last_made), is_in_flight(), TOP_UP.c.id.in_(sorted(ids)))
    statement = select(TOP_UP, COMPANY.c.currency).join(COMPANY, COMPANY.c.company_id == TOP_UP.c.company_id)
    return await database.rows(statement.where(mine, wanted).order_by(TOP_UP.c.created_at, TOP_UP.c.id))


async def read_open_alerts(database: Database, scope: Scope, office_id: UUID | None) -> Sequence[Row[Any]]:
    """(`id`, `state`) of the alerts that have not ended, of an office or of all that are visible; raised first first.

    An alert that has ended stays so.
    """
    table = SPENDING_ALERT
    statement = select(table.c.id, table.c.state).where(
        visible(scope, table.c.office_id, table.c.company_id), table.c.state != AlertState.ENDED.value
    )
    if office_id is not None:
        statement = statement.where(table.c.office_id == office_id)
    return await database.rows(statement.order_by(table.c.raised_at, table.c.id))
