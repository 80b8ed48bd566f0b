"""What the rules moved of an office's books, saved: found by comparing with what was loaded."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import insert, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.auto_recharge import AutoRecharge
from domain.funds import AllowanceCycle, CommitmentCycle
from domain.ledger import Books, Posting
from persistence.books import LoadedBooks
from persistence.bulk import Writes
from persistence.tables.company import OFFICE
from persistence.tables.funds import ALLOWANCE_CYCLE, BILLING_CYCLE, POSTING, WALLET, WALLET_CYCLE
from persistence.tables.payments import AUTO_RECHARGE
from persistence.top_ups import insert_top_ups

POSTING_COLUMNS = ("company_id", "office_id", *Posting._fields)


_MOVED = (
    *("ends_at", "closes_at", "closed_at"),
    *("committed_micros", "balance_micros", "spent_micros", "expired_micros"),
)
_ALLOWED = ("usage_types", "committed_quantity", "spent_quantity", "reserved_quantity")


_COUNTERS = ("next_sequence", "renew_due_at", "watch_due_at")


async def save_funds(connection: AsyncConnection, loaded: LoadedBooks, writes: Writes) -> None:
    """Cycles, balances, new top-ups and the office's counters: what the rules moved.

    Charges refer to what is new, and postings to charges and top-ups; what is there already is left to `writes`.
    """
    funds = loaded.books.funds
    company_id, office_id = funds.office.company_id, funds.office.id
    await _save_cycles(connection, loaded, company_id, office_id)
    await _save_new_accounts(connection, loaded.books, company_id, office_id)
    if loaded.is_recharge_changed():
        await _save_recharge(connection, company_id, office_id, funds.recharge)
    await insert_top_ups(connection, loaded.books.new_top_ups)
    balance = [funds.universal_micros, funds.universal_reserved_micros, funds.universal_wallet_id]
    writes.update(WALLET, company_id, ("balance_micros", "reserved_micros"), balance)
    for terms in loaded.changed_reservations():
        writes.update(WALLET, company_id, ("reserved_micros",), [terms.reserved_micros, terms.wallet_id])
    for account in loaded.changed_commitments():
        moved = [*_movable(account).values(), account.wallet_id, account.starts_at]
        writes.update(WALLET_CYCLE, company_id, _MOVED, moved, keys=("wallet_id", "starts_at"))
    for allowance in loaded.changed_allowances():
        writes.update(ALLOWANCE_CYCLE, company_id, _ALLOWED, [*_allowed(allowance).values(), allowance.id])
    writes.update(OFFICE, company_id, _COUNTERS, [*(getattr(funds, name) for name in _COUNTERS), office_id])


async def _save_recharge(
    connection: AsyncConnection, company_id: UUID, office_id: UUID, recharge: AutoRecharge
) -> None:
    values = {**asdict(recharge), "skip_reason": recharge.skip_reason.value if recharge.skip_reason else None}
    keys = {"company_id": company_id, "office_id": office_id}
    insert_one = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    statement = insert_one(AUTO_RECHARGE).values(**keys, **values)
    await connection.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=values))


def insert_postings(writes: Writes, all_books: Iterable[Books]) -> None:
    rows = [
        [books.funds.office.company_id, books.funds.office.id, *posting]
        for books in all_books
        for posting in books.postings
    ]
    writes.insert(POSTING, POSTING_COLUMNS, rows)


async def _save_cycles(connection: AsyncConnection, loaded: LoadedBooks, company_id: UUID, office_id: UUID) -> None:
    new = [
        {
            "company_id": company_id,
            "office_id": office_id,
            "starts_at": cycle.starts_at,
            "month": cycle.month.number,
            "ends_at": cycle.ends_at,
            "closes_at": cycle.closes_at,
            "closed_at": cycle.closed_at,
            "time_zone": cycle.terms.time_zone,
            "anchor_day": cycle.terms.anchor_day,
        }
        for cycle in loaded.books.new_cycles
    ]
    if new:
        await connection.execute(insert(BILLING_CYCLE), new)
    for cycle in loaded.changed_cycles():
        await connection.execute(
            update(BILLING_CYCLE)
            .where(
                BILLING_CYCLE.c.company_id == company_id,
                BILLING_CYCLE.c.office_id == office_id,
                BILLING_CYCLE.c.starts_at == cycle.starts_at,
            )
            .values(ends_at=cycle.ends_at, closes_at=cycle.closes_at, closed_at=cycle.closed_at)
        )


async def _save_new_accounts(connection: AsyncConnection, books: Books, company_id: UUID, office_id: UUID) -> None:
    accounts = [
        {
            "company_id": company_id,
            "wallet_id": item.wallet_id,
            "starts_at": item.starts_at,
            "office_id": office_id,
            "kind": item.kind.value,
            "month": item.month.number,
            "cadence": item.cadence.value,
            **_movable(item),
        }
        for item in books.new_commitment_cycles
    ]
    if accounts:
        await connection.execute(insert(WALLET_CYCLE), accounts)
    allowances = [
        {
            "company_id": company_id,
            "id": item.id,
            "office_id": office_id,
            "service": item.service.value,
            "month": item.month.number,
            **_allowed(item),
        }
        for item in books.new_allowance_cycles
    ]
    if allowances:
        await connection.execute(insert(ALLOWANCE_CYCLE), allowances)


def _movable(item: CommitmentCycle) -> dict[str, Any]:
    return {name: getattr(item, name) for name in _MOVED}


def _allowed(item: AllowanceCycle) -> dict[str, Any]:
    return {**{name: getattr(item, name) for name in _ALLOWED}, "usage_types": sorted(item.usage_types)}
