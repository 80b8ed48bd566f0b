"""What the rules moved of an office's books, saved: found by comparing with what was loaded."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, insert, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.auto_recharge import AutoRecharge
from domain.funds import AllowanceCycle, CommitmentCycle
from domain.ledger import Books, Posting
from persistence.books import LoadedBooks
from persistence.bulk import Writes
from persistence.prepared import Prepared
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


def _row(table: Any, *keys: str) -> Any:
    """The one row of a company with these keys."""
    return and_(
        table.c.company_id == bindparam("of_company"), *(table.c[key] == bindparam(f"of_{key}") for key in keys)
    )


def _update(table: Any, *names: str, keys: tuple[str, ...] = ("id",)) -> Prepared:
    return Prepared(update(table).where(_row(table, *keys)).values({name: bindparam(name) for name in names}))


_UNIVERSAL = _update(WALLET, "balance_micros", "reserved_micros")
_RESERVED = _update(WALLET, "reserved_micros")
_COMMITMENT = _update(WALLET_CYCLE, *_MOVED, keys=("wallet_id", "starts_at"))
_ALLOWANCE = _update(ALLOWANCE_CYCLE, *_ALLOWED)
_OFFICE = _update(OFFICE, "next_sequence", "renew_due_at", "watch_due_at")


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
    mine = {"of_company": company_id}
    balance = {"balance_micros": funds.universal_micros, "reserved_micros": funds.universal_reserved_micros}
    writes.update(_UNIVERSAL, {**mine, "of_id": funds.universal_wallet_id, **balance})
    for terms in loaded.changed_reservations():
        writes.update(_RESERVED, {**mine, "of_id": terms.wallet_id, "reserved_micros": terms.reserved_micros})
    for account in loaded.changed_commitments():
        keys = {"of_wallet_id": account.wallet_id, "of_starts_at": account.starts_at}
        writes.update(_COMMITMENT, {**mine, **keys, **_movable(account)})
    for allowance in loaded.changed_allowances():
        writes.update(_ALLOWANCE, {**mine, "of_id": allowance.id, **_allowed(allowance)})
    counters = {name: getattr(funds, name) for name in ("next_sequence", "renew_due_at", "watch_due_at")}
    writes.update(_OFFICE, {**mine, "of_id": office_id, **counters})


async def _save_recharge(
    connection: AsyncConnection, company_id: UUID, office_id: UUID, recharge: AutoRecharge
) -> None:
    values = {**asdict(recharge), "skip_reason": recharge.skip_reason.value if recharge.skip_reason else None}
    keys = {"company_id": company_id, "office_id": office_id}
    insert_one = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    statement = insert_one(AUTO_RECHARGE).values(**keys, **values)
    await connection.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=values))


def insert_postings(writes: Writes, books: Books) -> None:
    office = books.funds.office
    rows = [[office.company_id, office.id, *posting] for posting in books.postings]
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
