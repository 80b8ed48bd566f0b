"""The unit of work: `async with door.begin(...) as work`. A clean exit commits, an exception rolls back.

`again` is the one place that runs a story a second time: when PostgreSQL broke it off to order writers (40001, 40P01),
when SQLite was busy, or when two writers claimed the same new key at once and one of them has to look again.
"""

import asyncio
import random
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.exc import DBAPIError

from domain.access import Scope
from domain.alerts import Cause
from domain.cards import Cardholder
from domain.collection import Payer
from domain.holds import Hold
from domain.payments import ProcessorKind
from domain.ports import PlanWork, Work
from domain.purchases import Buyer
from domain.refunds import Refund
from domain.spending_rise import Comparison
from domain.top_ups import TopUp
from domain.usage import MAX_BATCH_EVENTS, OfficeReference, RejectionCode, UsageEvent
from persistence.alert_facts import read_spending_by_party
from persistence.auto_recharge import find_due_recharges
from persistence.cards import read_cardholder
from persistence.changes import Changes
from persistence.charging_work import ChargingWork
from persistence.database import Database
from persistence.due_offices import DueOffices
from persistence.event_store import event_from_json
from persistence.funding_work import FundingWork
from persistence.gathering import Gathering
from persistence.holding_work import HoldingWork
from persistence.holds import find_hold
from persistence.ids import new_id
from persistence.offices import read_offices
from persistence.plan_work import ProvisioningWork
from persistence.prepared import Prepared, Texts, one_of
from persistence.rate_index import RateBooks
from persistence.refunding_work import RefundingWork
from persistence.refunds import claim_refunds, find_payment
from persistence.slugs import Slugs
from persistence.tables.charging import REJECTED_USAGE
from persistence.tables.company import OFFICE, OFFICE_NUMBER
from persistence.tally import OnTally
from persistence.top_up_claims import claim_top_ups
from persistence.top_ups import find_top_up, read_buyer, read_payer
from persistence.watching_work import WatchingWork
from persistence.webhooking_work import WebhookingWork

T = TypeVar("T")
R = TypeVar("R")

TRIES = 8
PATIENCE_SECONDS = 20
"""No further try after that: where each one waits for a locked file, eight would keep the caller for minutes."""
FIRST_PAUSE_SECONDS = 0.01
RETRIED_STATES = frozenset({"40001", "40P01", "23505"})
"""Serialization failure, deadlock, and a key that somebody else claimed in between."""
RETRIED_MESSAGES = ("database is locked", "UNIQUE constraint failed")
"""The same, as SQLite says it."""


_BY_NUMBER = Prepared(
    select(OFFICE_NUMBER.c.phone_number, OFFICE_NUMBER.c.office_id).where(
        OFFICE_NUMBER.c.company_id == bindparam("company"),
        one_of(OFFICE_NUMBER.c.phone_number, bindparam("numbers", type_=Texts())),
    )
)


class UnitOfWork(ChargingWork, FundingWork, HoldingWork, RefundingWork, WatchingWork, WebhookingWork):
    """See `domain.ports.Work`."""


class Begin:
    """The way into the database for stories. See `domain.ports.Door`."""

    def __init__(
        self, database: Database, *, changes: Changes | None = None, on_intent: Callable[[], None] | None = None
    ) -> None:
        """`changes` is told after a commit whose books were opened; `on_intent` is called after one that left something
        to a worker, so that he need not be waited for."""
        self._database = database
        self._rate_books = RateBooks()
        self._due = DueOffices(database)
        self._slugs = Slugs(database)
        self._gathering = Gathering(self.again, most=MAX_BATCH_EVENTS)
        self._changes = changes
        self.on_intent = on_intent
        self.on_tally: OnTally | None = None
        """Called after a commit with what it did."""

    @asynccontextmanager
    async def begin(self, company_id: UUID, now: datetime) -> AsyncIterator[Work]:
        async with self._database.of(company_id).writing() as connection:
            work = UnitOfWork(connection, company_id, now, self._rate_books)
            yield work
        self._tell(company_id, work.office_ids)
        if self.on_intent is not None and work.has_intents:
            self.on_intent()
        if self.on_tally is not None:
            self.on_tally(work.tally)

    def _tell(self, company_id: UUID, office_ids: Collection[UUID]) -> None:
        self._due.note_change(company_id)
        if self._changes is not None and office_ids:
            self._changes.tell(company_id, office_ids)

    @asynccontextmanager
    async def provision(
        self, company: UUID | str, now: datetime, *, is_dry_run: bool = False
    ) -> AsyncIterator[PlanWork]:
        # By its slug a company may be about to be made.
        database = self._database.of(company) if isinstance(company, UUID) else self._database
        async with database.writing() as connection:
            work = await ProvisioningWork.of(connection, company, now)
            yield work
            if is_dry_run:
                await connection.rollback()
        if work.office_ids and not is_dry_run:
            self._tell(work.company_id, work.office_ids)

    async def again(self, story: Callable[[], Awaitable[T]]) -> T:
        pause, end = FIRST_PAUSE_SECONDS, time.monotonic() + PATIENCE_SECONDS
        for _ in range(TRIES - 1):
            try:
                return await story()
            except Exception as error:
                if not _is_worth_another_try(error) or time.monotonic() > end:
                    raise
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
            pause *= 2
        return await story()

    async def together(
        self, key: Hashable, items: Sequence[T], story: Callable[[Sequence[T]], Awaitable[Sequence[R]]]
    ) -> Sequence[R]:
        return await self._gathering.done(key, items, story)

    async def find_offices(
        self, company_id: UUID, references: Collection[OfficeReference]
    ) -> Mapping[OfficeReference, UUID]:
        database = self._database.of(company_id)
        found: dict[OfficeReference, UUID] = {}
        if ids := {reference.id for reference in references if reference.id is not None}:
            rows = await read_offices(database, Scope(company_id, None), ids=ids)
            found |= {OfficeReference(id=row.id): row.id for row in rows}
        if slugs := {reference.slug for reference in references if reference.slug is not None}:
            ids_by_slug = await self._slugs.offices(company_id, slugs)
            found |= {OfficeReference(slug=slug): id_ for slug, id_ in ids_by_slug.items()}
        if numbers := {reference.phone_number for reference in references if reference.phone_number is not None}:
            rows = await database.look_up(_BY_NUMBER, {"company": company_id, "numbers": sorted(numbers)})
            found |= {OfficeReference(phone_number=row.phone_number): row.office_id for row in rows}
        return found

    async def find_hold(self, company_id: UUID, hold_id: UUID) -> Hold | None:
        async with self._database.of(company_id).reading() as connection:
            return await find_hold(connection, company_id, hold_id)

    async def due_offices(self, company_id: UUID | None, now: datetime) -> Sequence[tuple[UUID, UUID]]:
        return await (self._due.anywhere(now) if company_id is None else self._due.of_company(company_id, now))

    async def due_watches(
        self,
        company_id: UUID | None,
        until: datetime,
        *,
        office_ids: Collection[UUID] | None,
        limit: int | None,
    ) -> Sequence[tuple[UUID, UUID]]:
        statement = select(OFFICE.c.company_id, OFFICE.c.id).where(OFFICE.c.watch_due_at <= until)
        if company_id is not None:
            statement = statement.where(OFFICE.c.company_id == company_id)
        if office_ids is not None:
            statement = statement.where(OFFICE.c.id.in_(sorted(office_ids)))
        rows = await self._over(company_id).rows(statement.order_by(OFFICE.c.watch_due_at, OFFICE.c.id).limit(limit))
        return [(row.company_id, row.id) for row in rows]

    def _over(self, company_id: UUID | None) -> Database:
        """None: over all companies, as a worker looks."""
        return self._database if company_id is None else self._database.of(company_id)

    async def spending_by_party(self, company_id: UUID, office_id: UUID, compared: Comparison) -> Sequence[Cause]:
        async with self._database.of(company_id).reading() as connection:
            return await read_spending_by_party(connection, company_id, office_id, compared)

    async def due_recharges(self, now: datetime) -> Sequence[tuple[UUID, UUID]]:
        return await find_due_recharges(self._database, now)

    def new_id(self) -> UUID:
        return new_id()

    async def find_buyer(self, company_id: UUID, office_id: UUID, now: datetime) -> Buyer:
        async with self._database.of(company_id).reading() as connection:
            return await read_buyer(connection, company_id, office_id, now)

    async def find_cardholder(self, company_id: UUID, office_id: UUID, kind: ProcessorKind) -> Cardholder:
        async with self._database.of(company_id).reading() as connection:
            return await read_cardholder(connection, company_id, office_id, kind)

    async def find_top_up(self, company_id: UUID, top_up_id: UUID) -> TopUp | None:
        async with self._database.of(company_id).reading() as connection:
            return await find_top_up(connection, company_id, top_up_id)

    async def find_payer(self, top_up: TopUp) -> Payer:
        async with self._database.of(top_up.company_id).reading() as connection:
            return await read_payer(connection, top_up)

    async def claim_top_ups(self, now: datetime, until: datetime, *, limit: int) -> Sequence[TopUp]:
        return await claim_top_ups(self._database, now, until, limit=limit)

    async def claim_refunds(self, now: datetime, until: datetime, *, limit: int) -> Sequence[Refund]:
        return await claim_refunds(self._database, now, until, limit=limit)

    async def find_payment(self, kind: ProcessorKind, payment_id: str) -> tuple[UUID, UUID] | None:
        return await find_payment(self._database, kind, payment_id)

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
        rows = await self._database.of(company_id).rows(statement.order_by(table.c.received_at, table.c.id))
        return [(row.office_id, event_from_json(row.event)) for row in rows]


def _is_worth_another_try(error: Exception) -> bool:
    """What counts goes past SQLAlchemy, so errors also come as the drivers' own."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if getattr(cause, "sqlstate", None) in RETRIED_STATES:
        return True
    return isinstance(error, DBAPIError | sqlite3.Error) and any(message in str(cause) for message in RETRIED_MESSAGES)
