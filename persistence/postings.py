"""Reads of the ledger: what moved in and out of one wallet, newest first (R4)."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, select

from domain.access import Scope
from persistence.database import Database
from persistence.keyset import Slice, Window, sliced, windowed
from persistence.offices import visible
from persistence.tables.company import COMPANY
from persistence.tables.funds import BILLING_CYCLE, POSTING


def _postings(scope: Scope) -> Select[Any]:
    return (
        select(POSTING, COMPANY.c.currency)
        .join(COMPANY, COMPANY.c.company_id == POSTING.c.company_id)
        .where(visible(scope, POSTING.c.office_id, POSTING.c.company_id), POSTING.c.wallet_id.is_not(None))
    )


async def read_posting_page(
    database: Database, scope: Scope, *, wallet_id: UUID, month: int | None, window: Window
) -> Slice:
    """Postings of a wallet by the office's own numbering. Positions are (`sequence`,).

    `month` (202603) leaves those posted within that billing cycle of the office; there may be no such cycle.
    """
    statement = _postings(scope).where(POSTING.c.wallet_id == wallet_id)
    if month is not None:
        in_cycle = and_(
            BILLING_CYCLE.c.company_id == POSTING.c.company_id,
            BILLING_CYCLE.c.office_id == POSTING.c.office_id,
            BILLING_CYCLE.c.month == month,
            BILLING_CYCLE.c.starts_at <= POSTING.c.posted_at,
            BILLING_CYCLE.c.ends_at > POSTING.c.posted_at,
        )
        statement = statement.join(BILLING_CYCLE, in_cycle)
    page = windowed(statement, (POSTING.c.sequence,), window, is_descending=True)
    rows = await database.rows(page, may_lag=True)
    return sliced(rows, window)


async def read_postings(database: Database, scope: Scope, *, ids: Collection[UUID]) -> Sequence[Row[Any]]:
    """The postings on a wallet with these ids, in no order."""
    return await database.rows(_postings(scope).where(POSTING.c.id.in_(sorted(ids))))
