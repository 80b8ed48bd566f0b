"""The unit of work: `async with door.begin(...) as work`. A clean exit commits, an exception rolls back.

`again` is the one place that runs a story a second time: when PostgreSQL broke it off to order writers (40001, 40P01),
when SQLite was busy, or when two writers claimed the same new key at once and one of them has to look again.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.exc import DBAPIError

from domain.ports import PlanWork, Work
from domain.usage import OfficeReference, RejectionCode, UsageEvent
from persistence.charging_work import ChargingWork
from persistence.database import Database
from persistence.event_store import event_from_json
from persistence.funding_work import FundingWork
from persistence.holding_work import HoldingWork
from persistence.plan_work import ProvisioningWork
from persistence.rate_index import RateBooks
from persistence.tables.charging import REJECTED_USAGE
from persistence.tables.company import OFFICE, OFFICE_NUMBER

T = TypeVar("T")

TRIES = 8
FIRST_PAUSE_SECONDS = 0.01
RETRIED_STATES = frozenset({"40001", "40P01", "23505"})
"""Serialization failure, deadlock, and a key that somebody else claimed in between."""
RETRIED_MESSAGES = ("database is locked", "UNIQUE constraint failed")
"""The same, as SQLite says it."""


class UnitOfWork(ChargingWork, FundingWork, HoldingWork):
    """See `domain.ports.Work`."""


class Begin:
    """The way into the database for stories. See `domain.ports.Door`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rate_books = RateBooks()

    @asynccontextmanager
    async def begin(self, company_id: UUID, now: datetime) -> AsyncIterator[Work]:
        async with self._database.writing() as connection:
            yield UnitOfWork(connection, company_id, now, self._rate_books)

    @asynccontextmanager
    async def provision(self, company: UUID | str, now: datetime) -> AsyncIterator[PlanWork]:
        async with self._database.writing() as connection:
            yield await ProvisioningWork.of(connection, company, now)

    async def again(self, story: Callable[[], Awaitable[T]]) -> T:
        pause = FIRST_PAUSE_SECONDS
        for _ in range(TRIES - 1):
            try:
                return await story()
            except Exception as error:
                if not _is_worth_another_try(error):
                    raise
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
            pause *= 2
        return await story()

    async def find_offices(
        self, company_id: UUID, references: Collection[OfficeReference]
    ) -> Mapping[OfficeReference, UUID]:
        if not references:
            return {}
        statement = select(OFFICE.c.id, OFFICE.c.slug).where(OFFICE.c.company_id == company_id)
        offices = await self._database.rows(statement)
        ids = {row.id for row in offices}
        slugs = {row.slug: row.id for row in offices}
        asked = [reference.phone_number for reference in references if reference.phone_number]
        numbers: dict[str, UUID] = {}
        if asked:
            table = OFFICE_NUMBER
            mine = and_(table.c.company_id == company_id, table.c.phone_number.in_(asked))
            rows = await self._database.rows(select(table.c.phone_number, table.c.office_id).where(mine))
            numbers = {row.phone_number: row.office_id for row in rows}
        found = {
            reference: (reference.id if reference.id in ids else None)
            or slugs.get(reference.slug or "")
            or numbers.get(reference.phone_number or "")
            for reference in references
        }
        return {reference: office_id for reference, office_id in found.items() if office_id is not None}

    async def due_offices(self, company_id: UUID | None, now: datetime) -> Sequence[tuple[UUID, UUID]]:
        statement = select(OFFICE.c.company_id, OFFICE.c.id).where(OFFICE.c.renew_due_at <= now)
        if company_id is not None:
            statement = statement.where(OFFICE.c.company_id == company_id)
        rows = await self._database.rows(statement.order_by(OFFICE.c.company_id, OFFICE.c.id))
        return [(row.company_id, row.id) for row in rows]

    async def rejected_events(
        self,
        company_id: UUID,
        office_ids: Collection[UUID] | None,
        *,
        code: RejectionCode | None,
        ids: Collection[UUID] | None,
    ) -> Sequence[tuple[UUID, UsageEvent]]:
        table = REJECTED_USAGE
        statement = select(table.c.office_id, table.c.event).where(table.c.company_id == company_id)
        if office_ids is not None:
            statement = statement.where(table.c.office_id.in_(office_ids))
        if code is not None:
            statement = statement.where(table.c.code == code.value)
        if ids is not None:
            statement = statement.where(table.c.id.in_(ids))
        rows = await self._database.rows(statement.order_by(table.c.received_at, table.c.id))
        return [(row.office_id, event_from_json(row.event)) for row in rows]


def _is_worth_another_try(error: Exception) -> bool:
    """COPY goes past SQLAlchemy, so PostgreSQL's errors also come as the driver's own."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if getattr(cause, "sqlstate", None) in RETRIED_STATES:
        return True
    return isinstance(error, DBAPIError) and any(message in str(cause) for message in RETRIED_MESSAGES)
