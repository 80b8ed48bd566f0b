"""What the rules moved of an office's books, saved: found by comparing with what was loaded."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, insert, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.auto_recharge import AutoRecharge
from domain.funds import CommitmentCycle
from domain.ledger import Books, Posting
from persistence.books import LoadedBooks
from persistence.bulk import insert_rows
from persistence.holds import save_holds
from persistence.tables.company import OFFICE
from persistence.tables.funds import ALLOWANCE_CYCLE, BILLING_CYCLE, POSTING, WALLET, WALLET_CYCLE
from persistence.tables.payments import AUTO_RECHARGE
from persistence.top_ups import insert_top_ups

POSTING_COLUMNS = ("company_id", "office_id", *Posting._fields)


async def save_funds(connection: AsyncConnection, loaded: LoadedBooks) -> None:
    """Cycles, balances, new top-ups and the office's counters: what the rules moved.

    Charges refer to it, and postings to charges and top-ups.
    """
    funds = loaded.books.funds
    company_id, office_id = funds.office.company_id, funds.office.id
    await _save_cycles(connection, loaded, company_id, office_id)
    await _save_commitments(connection, loaded, company_id, office_id)
    await _save_allowances(connection, loaded, company_id, office_id)
    await connection.execute(
        update(WALLET)
        .where(WALLET.c.company_id == company_id, WALLET.c.id == funds.universal_wallet_id)
        .values(balance_micros=funds.universal_micros, reserved_micros=funds.universal_reserved_micros)
    )
    for terms in loaded.changed_reservations():
        mine = and_(WALLET.c.company_id == company_id, WALLET.c.id == terms.wallet_id)
        await connection.execute(update(WALLET).where(mine).values(reserved_micros=terms.reserved_micros))
    if loaded.is_recharge_changed():
        await _save_recharge(connection, company_id, office_id, funds.recharge)
    await insert_top_ups(connection, loaded.books.new_top_ups)
    await connection.execute(
        update(OFFICE)
        .where(OFFICE.c.company_id == company_id, OFFICE.c.id == office_id)
        .values(next_sequence=funds.next_sequence, renew_due_at=funds.renew_due_at, watch_due_at=funds.watch_due_at)
    )


async def _save_recharge(
    connection: AsyncConnection, company_id: UUID, office_id: UUID, recharge: AutoRecharge
) -> None:
    values = {**asdict(recharge), "skip_reason": recharge.skip_reason.value if recharge.skip_reason else None}
    keys = {"company_id": company_id, "office_id": office_id}
    insert_one = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    statement = insert_one(AUTO_RECHARGE).values(**keys, **values)
    await connection.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=values))


async def save_postings(connection: AsyncConnection, books: Books) -> None:
    """What refers to charges: postings, and holds that ended in one."""
    office = books.funds.office
    rows = [[office.company_id, office.id, *posting] for posting in books.postings]
    await insert_rows(connection, POSTING, POSTING_COLUMNS, rows)
    await save_holds(connection, books)


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


async def _save_commitments(
    connection: AsyncConnection, loaded: LoadedBooks, company_id: UUID, office_id: UUID
) -> None:
    new = [
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
        for item in loaded.books.new_commitment_cycles
    ]
    if new:
        await connection.execute(insert(WALLET_CYCLE), new)
    for item in loaded.changed_commitments():
        await connection.execute(
            update(WALLET_CYCLE)
            .where(
                WALLET_CYCLE.c.company_id == company_id,
                WALLET_CYCLE.c.wallet_id == item.wallet_id,
                WALLET_CYCLE.c.starts_at == item.starts_at,
            )
            .values(**_movable(item))
        )


def _movable(item: CommitmentCycle) -> dict[str, Any]:
    return {
        "ends_at": item.ends_at,
        "closes_at": item.closes_at,
        "closed_at": item.closed_at,
        "committed_micros": item.committed_micros,
        "balance_micros": item.balance_micros,
        "spent_micros": item.spent_micros,
        "expired_micros": item.expired_micros,
    }


async def _save_allowances(connection: AsyncConnection, loaded: LoadedBooks, company_id: UUID, office_id: UUID) -> None:
    new = [
        {
            "company_id": company_id,
            "id": item.id,
            "office_id": office_id,
            "service": item.service.value,
            "month": item.month.number,
            "usage_types": sorted(item.usage_types),
            "committed_quantity": item.committed_quantity,
            "spent_quantity": item.spent_quantity,
            "reserved_quantity": item.reserved_quantity,
        }
        for item in loaded.books.new_allowance_cycles
    ]
    if new:
        await connection.execute(insert(ALLOWANCE_CYCLE), new)
    changed = [
        {
            "row_id": item.id,
            "usage_types": sorted(item.usage_types),
            "committed_quantity": item.committed_quantity,
            "spent_quantity": item.spent_quantity,
            "reserved_quantity": item.reserved_quantity,
        }
        for item in loaded.changed_allowances()
    ]
    if changed:
        mine = and_(ALLOWANCE_CYCLE.c.company_id == company_id, ALLOWANCE_CYCLE.c.id == bindparam("row_id"))
        names = ("usage_types", "committed_quantity", "spent_quantity", "reserved_quantity")
        values: dict[str, Any] = {name: bindparam(name) for name in names}
        await connection.execute(update(ALLOWANCE_CYCLE).where(mine).values(values), changed)
