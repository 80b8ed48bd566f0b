"""Exports of the usage history: what is in a file is decided when it is asked for, and read when it is fetched.

Charges are only ever added, and each draws its office's next sequence number under the lock on that office. So the
numbers that offices were about to draw at one moment say exactly which charges there were, whenever they are read
again: what is recorded, charged late or taken back afterwards has a higher one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Row, and_, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.access import Scope, Viewer
from domain.activity import Change, act
from domain.money import Micros, money_text
from persistence.activity import insert_activity
from persistence.database import Database
from persistence.history import HistoryFilter, narrowed_offices, sum_history
from persistence.ids import new_id
from persistence.tables.company import COMPANY, OFFICE
from persistence.tables.exports import USAGE_EXPORT

LINK_LIFE = timedelta(minutes=15)
KEPT_AFTERWARDS = timedelta(days=1)
"""A link that has expired is told from one that never was for so long."""
OFFICES_AT_ONCE = 1_000
"""Read in so many, so that others are answered between them."""

_FILTER = TypeAdapter(HistoryFilter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """What a file shows of an office that is in it."""

    name: str
    time_zone: ZoneInfo
    watermark: int
    """The first sequence number that is not in the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The rows of a file, now and whenever they are read again, and their sums."""

    company_id: UUID
    currency: str
    offices: Mapping[UUID, Office]
    """Those whose charges are looked through; all others have nothing in the file."""
    wanted: HistoryFilter
    is_descending: bool
    row_count: int
    cost_micros: Micros
    as_of: datetime

    @property
    def file_name(self) -> str:
        """With the day on which it was asked for: where the office is; of several offices, in UTC."""
        zones = [office.time_zone for office in self.offices.values()]
        moment = self.as_of.astimezone(zones[0]) if len(zones) == 1 else self.as_of
        return f"usage-history-{moment:%Y-%m-%d}.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What a link stands for."""

    id: UUID
    company_id: UUID
    file_name: str
    expires_at: datetime


async def select_rows(
    connection: AsyncConnection, scope: Scope, *, wanted: HistoryFilter, is_descending: bool, now: datetime
) -> Selection:
    """What there is now, as one snapshot sees it. Raises NotFound for a caller of no company."""
    of_scope = narrowed_offices(scope, wanted)
    offices = await _read_offices(connection, *of_scope)
    currency = await _currency(connection, scope.company)
    totals = await sum_history(connection, scope, wanted=wanted)
    return Selection(
        company_id=scope.company,
        currency=currency,
        offices={row.id: _office(row, row.next_sequence) for row in offices},
        wanted=wanted,
        is_descending=is_descending,
        row_count=totals.record_count,
        cost_micros=totals.cost_micros,
        as_of=now,
    )


async def make_export(
    database: Database, scope: Scope, viewer: Viewer, *, wanted: HistoryFilter, is_descending: bool, now: datetime
) -> tuple[Export, Selection]:
    """Keeps what the caller sees now for a link to it, and says so in the audit trail. Raises NotFound."""
    async with database.snapshot() as connection:
        chosen = await select_rows(connection, scope, wanted=wanted, is_descending=is_descending, now=now)
    export = Export(id=new_id(), company_id=scope.company, file_name=chosen.file_name, expires_at=now + LINK_LIFE)
    told = (
        Change("rows", None, str(chosen.row_count)),
        Change("cost", None, money_text(chosen.cost_micros, chosen.currency)),
    )
    only = next(iter(chosen.offices)) if len(chosen.offices) == 1 else None
    async with database.writing() as connection:
        await connection.execute(_forgotten(export, now))
        await connection.execute(insert(USAGE_EXPORT).values(_stored(export, chosen, viewer.subject)))
        await insert_activity(
            connection, export.company_id, now, act(viewer, "exportUsageHistory", *told, office_id=only)
        )
    return export, chosen


def _forgotten(export: Export, now: datetime) -> Any:
    table = USAGE_EXPORT
    return delete(table).where(table.c.company_id == export.company_id, table.c.expires_at < now - KEPT_AFTERWARDS)


def _stored(export: Export, chosen: Selection, subject: str) -> Mapping[str, Any]:
    return {
        "company_id": export.company_id,
        "id": export.id,
        "subject": subject,
        "wanted": _FILTER.dump_python(chosen.wanted, mode="json"),
        "is_descending": chosen.is_descending,
        "watermarks": {office_id.hex: office.watermark for office_id, office in chosen.offices.items()},
        "row_count": chosen.row_count,
        "cost_micros": chosen.cost_micros,
        "file_name": export.file_name,
        "as_of": chosen.as_of,
        "expires_at": export.expires_at,
    }


async def find_export(database: Database, company_id: UUID, export_id: UUID) -> Export | None:
    """Asks for no scope: who has the link may fetch what it stands for."""
    table = USAGE_EXPORT
    columns = (table.c.id, table.c.company_id, table.c.file_name, table.c.expires_at)
    rows = await database.rows(select(*columns).where(table.c.company_id == company_id, table.c.id == export_id))
    return Export(**rows[0]._mapping) if rows else None


async def read_selection(connection: AsyncConnection, export: Export) -> Selection:
    """What was kept, with offices as they are called now."""
    table = USAGE_EXPORT
    mine = and_(table.c.company_id == export.company_id, table.c.id == export.id)
    row = (await connection.execute(select(table).where(mine))).one()
    watermarks = {UUID(hex=office_id): sequence for office_id, sequence in row.watermarks.items()}
    # All of the company's: an export may name more than a statement takes parameters.
    offices = await _read_offices(connection, OFFICE.c.company_id == export.company_id)
    return Selection(
        company_id=export.company_id,
        currency=await _currency(connection, export.company_id),
        offices={row.id: _office(row, watermarks[row.id]) for row in offices if row.id in watermarks},
        wanted=_FILTER.validate_python(row.wanted),
        is_descending=row.is_descending,
        row_count=row.row_count,
        cost_micros=row.cost_micros,
        as_of=row.as_of,
    )


async def _currency(connection: AsyncConnection, company_id: UUID) -> str:
    found: str = (
        await connection.execute(select(COMPANY.c.currency).where(COMPANY.c.company_id == company_id))
    ).scalar_one()
    return found


async def _read_offices(connection: AsyncConnection, *conditions: ColumnElement[bool]) -> Sequence[Row[Any]]:
    columns = (OFFICE.c.id, OFFICE.c.name, OFFICE.c.time_zone, OFFICE.c.next_sequence)
    found: list[Row[Any]] = []
    reading = connection.stream(select(*columns).where(*conditions), execution_options={"yield_per": OFFICES_AT_ONCE})
    async with reading as result:
        async for part in result.partitions():
            found.extend(part)
    return found


def _office(row: Any, watermark: int) -> Office:
    return Office(name=row.name, time_zone=ZoneInfo(row.time_zone), watermark=watermark)
