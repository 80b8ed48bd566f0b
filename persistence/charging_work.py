"""One transaction that charges, renews or reverses."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select

from domain.access import Scope
from domain.catalogue import Direction, Service, UsageType
from domain.charging import Directory, OfficeCharged
from domain.known import Known
from domain.ledger import Books
from domain.periods import YearMonth
from domain.rates import RateBook
from domain.reversal import PastCharge, Reversal
from domain.usage import UsageEvent
from domain.waterfall import Payment
from persistence import directory_store, save_charges
from persistence.holds import find_running_holds
from persistence.tables.charging import CHARGE
from persistence.unit import Unit


class ChargingWork(Unit):
    """See `domain.works.ChargeWork`."""

    _named = directory_store.NOBODY

    async def known(self, keys: Sequence[tuple[str, str]]) -> Known:
        known = await save_charges.find_known(self._connection, self._company_id, keys)
        holding = [office for office, loaded in self._loaded.items() if loaded.books.funds.next_hold_ends_at]
        if not holding:
            return known
        running = await find_running_holds(self._connection, self._company_id, holding, keys, self._now)
        return known._replace(holds=running)

    async def directory(self, events: Sequence[UsageEvent]) -> Directory:
        self._named = await directory_store.resolve(self._connection, self._company_id, events)
        return self._named.directory

    async def save_names(self, charges: Sequence[OfficeCharged], scope: Scope) -> None:
        believed = [(one.office_id, one.charged.believed) for one in charges]
        await directory_store.save_names(self._connection, scope, self._named, believed)

    async def rate_book(self) -> RateBook:
        seen = [loaded.rates_version for loaded in self._loaded.values()]
        return await self._rate_books.get(self._connection, self._company_id, max(seen, default=None))

    async def save_charges(self, charges: Sequence[OfficeCharged]) -> None:
        all_books = [one.books for one in charges]
        writes = await self._save_funds(all_books)
        save_charges.insert_charges(writes, [(one.books, one.charged.charges) for one in charges])
        await self._save_postings(writes, all_books)
        for books, charged, known in charges:
            await save_charges.save_charges(self._connection, books, charged, known)
            self.tally.add_charged(charged, books.funds.office.currency)

    async def find_charge(self, charge_id: UUID) -> PastCharge | None:
        mine = and_(CHARGE.c.company_id == self._company_id, CHARGE.c.id == charge_id)
        row = (await self._connection.execute(select(CHARGE).where(mine))).one_or_none()
        return None if row is None else _past_charge(row)

    async def save_reversal(self, books: Books, reversal: Reversal) -> None:
        writes = await self._save_funds([books])
        await save_charges.save_reversal(self._connection, writes, self._company_id, reversal, books.now)
        await self._save_postings(writes, [books])
        self.tally.reversals[reversal.original.service] += 1


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
