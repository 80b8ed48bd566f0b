"""One transaction that charges, renews or reverses: `domain.ports.Work` over one connection."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.access import Scope
from domain.catalogue import Direction, Service, UsageType
from domain.charging import Charged, Directory, Known
from domain.ledger import Books
from domain.periods import YearMonth
from domain.ports import UsedKey
from domain.rates import RateBook
from domain.reversal import PastCharge, Reversal
from domain.usage import UsageEvent
from domain.waterfall import Payment
from persistence import directory_store, save_charges
from persistence.books import LoadedBooks, lock_books, save_funds, save_postings
from persistence.rate_index import RateBooks
from persistence.tables.charging import CHARGE
from persistence.tables.funds import IDEMPOTENCY_KEY


class ChargingWork:
    """See `domain.ports.Work`. Rows are saved in the order in which they refer to each other."""

    def __init__(self, connection: AsyncConnection, company_id: UUID, now: datetime, rate_books: RateBooks) -> None:
        self._connection = connection
        self._company_id = company_id
        self._now = now
        self._rate_books = rate_books
        self._loaded: dict[UUID, LoadedBooks] = {}
        self._named = directory_store.NOBODY

    async def lock_books(self, office_id: UUID, *, with_history: bool = False) -> Books:
        loaded = await lock_books(self._connection, self._company_id, office_id, self._now, with_history=with_history)
        self._loaded[office_id] = loaded
        return loaded.books

    async def known(self, keys: Sequence[tuple[str, str]]) -> Known:
        return await save_charges.find_known(self._connection, self._company_id, keys)

    async def directory(self, events: Sequence[UsageEvent]) -> Directory:
        self._named = await directory_store.resolve(self._connection, self._company_id, events)
        return self._named.directory

    async def save_names(self, events: Sequence[UsageEvent], office_id: UUID, scope: Scope) -> None:
        await directory_store.save_names(self._connection, scope, office_id, self._named, events)

    async def rate_book(self) -> RateBook:
        return await self._rate_books.get(self._connection, self._company_id)

    async def save_charges(self, books: Books, charged: Charged, known: Known) -> None:
        await save_funds(self._connection, self._loaded[books.funds.office.id])
        await save_charges.save_charges(self._connection, books, charged, known)
        await save_postings(self._connection, books)

    async def save_books(self, books: Books) -> None:
        await save_funds(self._connection, self._loaded[books.funds.office.id])
        await save_postings(self._connection, books)

    async def find_charge(self, charge_id: UUID) -> PastCharge | None:
        mine = and_(CHARGE.c.company_id == self._company_id, CHARGE.c.id == charge_id)
        row = (await self._connection.execute(select(CHARGE).where(mine))).one_or_none()
        return None if row is None else _past_charge(row)

    async def used_key(self, key: str) -> UsedKey | None:
        table = IDEMPOTENCY_KEY
        mine = and_(table.c.company_id == self._company_id, table.c.key == key)
        row = (await self._connection.execute(select(table).where(mine))).one_or_none()
        return None if row is None else UsedKey(row.operation, row.facts, row.result_id)

    async def save_reversal(self, books: Books, reversal: Reversal, key: str, used: UsedKey) -> None:
        await save_funds(self._connection, self._loaded[books.funds.office.id])
        await save_charges.save_reversal(self._connection, self._company_id, reversal, books.now)
        await save_postings(self._connection, books)
        await self._connection.execute(
            insert(IDEMPOTENCY_KEY).values(
                company_id=self._company_id,
                key=key,
                operation=used.operation,
                facts=dict(used.facts),
                result_id=used.result_id,
                created_at=books.now,
            )
        )


def _past_charge(row: Any) -> PastCharge:
    return PastCharge(
        id=row.id,
        office_id=row.office_id,
        month=YearMonth.from_number(row.month),
        service=Service(row.service),
        usage_type=UsageType(row.usage_type),
        direction=Direction(row.direction) if row.direction else None,
        region_code=row.region_code,
        member_id=row.member_id,
        group_id=row.group_id,
        occurred_at=row.occurred_at,
        quantity=row.quantity,
        payment=Payment(row.plan_quantity, row.plan_micros, row.commitment_micros, row.universal_micros),
        is_reversal=row.reverses_id is not None,
        is_reversed=row.reversed_by_id is not None,
    )
