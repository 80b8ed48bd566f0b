"""An office's books: locked and loaded (R4, R9).

The office row is locked alone and everything else is read after it: a joined read would be stale under PostgreSQL's
READ COMMITTED. What the rules moved is found by comparing with what was loaded.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.auto_recharge import AutoRecharge
from domain.catalogue import Cadence, Service, UsageType, WalletKind
from domain.errors import NotFound
from domain.funds import (
    AllowanceCycle,
    AllowanceTerms,
    CommitmentCycle,
    CommitmentTerms,
    Cycle,
    Funds,
    OfficeTerms,
)
from domain.holds import Hold
from domain.ledger import Books
from domain.money import Currency
from domain.numbers import office_line
from domain.periods import CycleTerms, YearMonth
from domain.top_ups import TopUpReason
from persistence.holds import find_due_holds, first_ends
from persistence.ids import new_id
from persistence.prepared import Ids, Prepared, one_of, read
from persistence.tables.company import COMPANY, OFFICE, OFFICE_NUMBER
from persistence.tables.funds import ALLOWANCE, ALLOWANCE_CYCLE, BILLING_CYCLE, WALLET, WALLET_CYCLE
from persistence.tables.holds import HOLD
from persistence.tables.payments import AUTO_RECHARGE


class LoadedBooks:
    """Books together with what they looked like when they were loaded."""

    def __init__(self, books: Books, rates_version: int) -> None:
        self.books = books
        self.rates_version = rates_version
        funds = books.funds
        self._cycles = {cycle.starts_at: replace(cycle) for cycle in funds.cycles}
        self._accounts = {(item.wallet_id, item.starts_at): replace(item) for item in funds.commitment_cycles}
        self._allowances = {key: replace(item) for key, item in funds.allowance_cycles.items()}
        self._reserved = {terms.wallet_id: terms.reserved_micros for terms in funds.commitments}
        self._recharge = replace(funds.recharge)

    def changed_cycles(self) -> list[Cycle]:
        cycles = self.books.funds.cycles
        return [cycle for cycle in cycles if self._cycles.get(cycle.starts_at, cycle) != cycle]

    def changed_commitments(self) -> list[CommitmentCycle]:
        accounts = self.books.funds.commitment_cycles
        return [item for item in accounts if self._accounts.get((item.wallet_id, item.starts_at), item) != item]

    def changed_reservations(self) -> list[CommitmentTerms]:
        terms = self.books.funds.commitments
        return [item for item in terms if self._reserved.get(item.wallet_id) != item.reserved_micros]

    def is_recharge_changed(self) -> bool:
        recharge = self.books.funds.recharge
        return recharge.updated_at is not None and recharge != self._recharge

    def changed_allowances(self) -> list[AllowanceCycle]:
        allowances = self.books.funds.allowance_cycles
        return [item for key, item in allowances.items() if self._allowances.get(key, item) != item]


_OFFICES = bindparam("offices", type_=Ids())
_LOCKED = (
    select(OFFICE)
    .where(OFFICE.c.company_id == bindparam("company"), one_of(OFFICE.c.id, _OFFICES))
    .order_by(OFFICE.c.id)
    .with_for_update(key_share=True)
)


def _of_offices(table: Any, *conditions: Any, by: Any = None) -> Prepared:
    mine = and_(table.c.company_id == bindparam("company"), one_of(table.c.office_id, _OFFICES), *conditions)
    return Prepared(select(table).where(mine).order_by(by))


_COMPANY = Prepared(select(COMPANY).where(COMPANY.c.company_id == bindparam("company")))
_HOLD_ENDS = Prepared(first_ends(bindparam("company"), one_of(HOLD.c.office_id, _OFFICES), bindparam("now")))
_IS_OPEN = BILLING_CYCLE.c.closed_at.is_(None)


def _allowance_cycles(*conditions: Any) -> Prepared:
    """Of these cycles, and of any older one that a hold still keeps something of."""
    table, cycle = ALLOWANCE_CYCLE, BILLING_CYCLE
    mine = and_(cycle.c.company_id == bindparam("company"), cycle.c.office_id == table.c.office_id, *conditions)
    first = select(func.min(cycle.c.month)).where(mine).correlate(table).scalar_subquery()
    return _of_offices(table, or_(table.c.month >= first, table.c.reserved_quantity > 0))


_ALWAYS = tuple(map(_of_offices, (WALLET, ALLOWANCE, OFFICE_NUMBER, AUTO_RECHARGE)))
_OPEN = (
    _of_offices(BILLING_CYCLE, _IS_OPEN, by=BILLING_CYCLE.c.starts_at),
    _of_offices(WALLET_CYCLE, WALLET_CYCLE.c.closed_at.is_(None), by=WALLET_CYCLE.c.starts_at),
    _allowance_cycles(_IS_OPEN),
)
_ALL = (
    _of_offices(BILLING_CYCLE, by=BILLING_CYCLE.c.starts_at),
    _of_offices(WALLET_CYCLE, by=WALLET_CYCLE.c.starts_at),
    _allowance_cycles(),
)


async def lock_books(
    connection: AsyncConnection, company_id: UUID, office_ids: Collection[UUID], now: datetime, *, with_history: bool
) -> list[LoadedBooks]:
    """In the order of the ids, in which they are also locked: who needs several offices waits in no ring.

    Raises NotFound for an office the company does not have.
    """
    keys = {"company": company_id, "offices": sorted(office_ids)}
    locked = (await connection.execute(_LOCKED, keys)).all()
    if len(locked) < len(office_ids):
        raise NotFound("There is no such office.", field=("officeId",))
    asked = (_COMPANY, _HOLD_ENDS, *_ALWAYS, *(_ALL if with_history else _OPEN))
    [company], *found = await read(connection, *[(one, {**keys, "now": now}) for one in asked])
    by_office = [_by_office(rows) for rows in found]
    loaded = []
    for office in locked:
        due = await find_due_holds(connection, company_id, office.id, now) if office.renew_due_at <= now else []
        funds = _funds(office, company, *(rows.get(office.id, ()) for rows in by_office), due_holds=due)
        loaded.append(LoadedBooks(Books(funds, now, new_id), company.rates_version))
    return loaded


def _by_office(rows: Sequence[Any]) -> dict[UUID, list[Any]]:
    found: dict[UUID, list[Any]] = {}
    for row in rows:
        found.setdefault(row.office_id, []).append(row)
    return found


def _funds(
    office: Any,
    company: Any,
    ends: Sequence[Any],
    wallets: Sequence[Any],
    allowances: Sequence[Any],
    numbers: Sequence[Any],
    recharges: Sequence[Any],
    cycles: Sequence[Any],
    accounts: Sequence[Any],
    allowance_cycles: Sequence[Any],
    *,
    due_holds: list[Hold],
) -> Funds:
    universal = next((row for row in wallets if row.kind == WalletKind.UNIVERSAL), None)
    if universal is None:
        raise NotFound("This office has no wallet for universal credits yet.")
    return Funds(
        office=_terms(office, company, sorted(number.phone_number for number in numbers)),
        cycles=[_cycle(row) for row in cycles],
        commitments=[commitment_terms(row) for row in wallets if row.kind != WalletKind.UNIVERSAL],
        commitment_cycles=[_commitment_cycle(row) for row in accounts],
        allowances=[allowance_terms(row) for row in allowances],
        allowance_cycles={(item.month, item.service): item for item in map(_allowance_cycle, allowance_cycles)},
        universal_wallet_id=universal.id,
        universal_micros=universal.balance_micros,
        next_sequence=office.next_sequence,
        renew_due_at=office.renew_due_at,
        watch_due_at=office.watch_due_at,
        universal_reserved_micros=universal.reserved_micros,
        due_holds=due_holds,
        next_hold_ends_at=ends[0].next_hold_ends_at if ends else None,
        recharge=auto_recharge_of(recharges[0]) if recharges else AutoRecharge(),
    )


def _terms(office: Any, company: Any, numbers: Sequence[str]) -> OfficeTerms:
    return OfficeTerms(
        company_id=office.company_id,
        id=office.id,
        region=office.region_code,
        line=_line(office.region_code, tuple(company.domestic_regions), tuple(numbers)),
        terms=CycleTerms(time_zone=office.time_zone, anchor_day=office.anchor_day),
        late_window=timedelta(hours=company.late_usage_hours),
        decks=tuple(office.decks or company.decks),
        currency=Currency(company.currency),
        is_suspended=office.is_suspended,
        hold_grant_seconds=company.hold_grant_seconds,
    )


_line = lru_cache(maxsize=1024)(office_line)


def auto_recharge_of(row: Any) -> AutoRecharge:
    return AutoRecharge(
        is_enabled=row.is_enabled,
        threshold_micros=row.threshold_micros,
        amount_micros=row.amount_micros,
        cycle_cap_micros=row.cycle_cap_micros,
        decline_count=row.decline_count,
        retry_at=row.retry_at,
        is_switched_off=row.is_switched_off,
        skip_reason=TopUpReason(row.skip_reason) if row.skip_reason else None,
        judge_at=row.judge_at,
        updated_at=row.updated_at,
    )


def commitment_terms(row: Any) -> CommitmentTerms:
    return CommitmentTerms(
        wallet_id=row.id,
        kind=WalletKind(row.kind),
        committed_micros=row.committed_micros,
        cadence=Cadence(row.cadence),
        reserved_micros=row.reserved_micros,
    )


def allowance_terms(row: Any) -> AllowanceTerms:
    return AllowanceTerms(
        id=row.id,
        service=Service(row.service),
        quantity=row.quantity,
        usage_types=frozenset(UsageType(name) for name in row.usage_types),
    )


def _cycle(row: Any) -> Cycle:
    return Cycle(
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        closes_at=row.closes_at,
        month=YearMonth.from_number(row.month),
        terms=CycleTerms(time_zone=row.time_zone, anchor_day=row.anchor_day),
        closed_at=row.closed_at,
    )


def _commitment_cycle(row: Any) -> CommitmentCycle:
    return CommitmentCycle(
        wallet_id=row.wallet_id,
        kind=WalletKind(row.kind),
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        closes_at=row.closes_at,
        month=YearMonth.from_number(row.month),
        cadence=Cadence(row.cadence),
        committed_micros=row.committed_micros,
        balance_micros=row.balance_micros,
        spent_micros=row.spent_micros,
        expired_micros=row.expired_micros,
        closed_at=row.closed_at,
    )


def _allowance_cycle(row: Any) -> AllowanceCycle:
    return AllowanceCycle(
        id=row.id,
        service=Service(row.service),
        month=YearMonth.from_number(row.month),
        usage_types=frozenset(UsageType(name) for name in row.usage_types),
        committed_quantity=row.committed_quantity,
        spent_quantity=row.spent_quantity,
        reserved_quantity=row.reserved_quantity,
    )
