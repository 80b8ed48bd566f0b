"""Deliveries that are due, claimed by workers over all companies, and what became of each attempt.

A claim is a conditional update of one row of one company, in a transaction of its own, as of top-ups: of two workers
one wins, and Citus runs it too. It lasts until `until`; what a process that died had claimed is due again then, so a
message may arrive twice, and never not at all.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import and_, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.activity import Change, TargetKind, act
from domain.webhooks import CHANGE_ENDPOINT
from persistence.activity import insert_activity
from persistence.database import Database
from persistence.tables.partners import WEBHOOK_DELIVERY, WEBHOOK_ENDPOINT
from persistence.webhooking_work import DISABLED, stop_deliveries

_D, _E = WEBHOOK_DELIVERY, WEBHOOK_ENDPOINT


class Due(NamedTuple):
    """A delivery that is due, not claimed yet."""

    company_id: UUID
    id: UUID
    endpoint_id: UUID


class Claimed(NamedTuple):
    """A message that nobody else sends until `until`, and all that is needed to send it."""

    company_id: UUID
    id: UUID
    endpoint_id: UUID
    message_id: UUID
    body: str
    url: str
    sealed_secrets: tuple[str, ...]
    """The newest first."""
    failed_count: int
    """Attempts since it was made or replayed, should this one fail too."""
    until: datetime


async def find_due(database: Database, now: datetime, *, but_of: Collection[UUID], limit: int) -> Sequence[Due]:
    """Longest due first, without a lock; none of the endpoints `but_of`."""
    statement = select(_D.c.company_id, _D.c.id, _D.c.endpoint_id).where(_D.c.due_at <= now)
    if but_of:
        statement = statement.where(_D.c.endpoint_id.not_in(sorted(but_of)))
    rows = await database.rows(statement.order_by(_D.c.due_at).limit(limit))
    return [Due(row.company_id, row.id, row.endpoint_id) for row in rows]


async def claim(database: Database, due: Due, now: datetime, until: datetime) -> Claimed | None:
    """None when somebody else was faster, or the endpoint is not to be told any more."""
    mine = and_(_D.c.company_id == due.company_id, _D.c.id == due.id)
    of_endpoint = and_(_E.c.company_id == due.company_id, _E.c.id == due.endpoint_id)
    async with database.of(due.company_id).writing() as connection:
        endpoint = (await connection.execute(select(_E).where(of_endpoint))).one()
        if not endpoint.is_enabled:
            await connection.execute(update(_D).where(mine).values(due_at=None, problem=DISABLED))
            return None
        counts = {name: _D.c[name] + 1 for name in ("attempt_count", "round_attempt_count")}
        statement = update(_D).where(mine, _D.c.due_at <= now).values(due_at=until, **counts).returning(_D)
        row = (await connection.execute(statement)).one_or_none()
    if row is None:
        return None
    is_both = endpoint.earlier_until is not None and now < endpoint.earlier_until
    secrets = (endpoint.sealed_secret, *([endpoint.earlier_sealed_secret] if is_both else []))
    return Claimed(
        company_id=due.company_id,
        id=due.id,
        endpoint_id=due.endpoint_id,
        message_id=row.message_id,
        body=row.body,
        url=endpoint.url,
        sealed_secrets=secrets,
        failed_count=row.round_attempt_count,
        until=until,
    )


def _row_of(claimed: Claimed) -> Any:
    return and_(_D.c.company_id == claimed.company_id, _D.c.id == claimed.id)


async def note_delivered(database: Database, claimed: Claimed, status: int, now: datetime) -> None:
    """Whoever else may have claimed it meanwhile: it has arrived."""
    values = {"status": status, "problem": None, "due_at": None, "delivered_at": now}
    async with database.of(claimed.company_id).writing() as connection:
        await connection.execute(update(_D).where(_row_of(claimed)).values(values))


async def note_failed(
    database: Database, claimed: Claimed, *, status: int | None, problem: str, due_at: datetime | None
) -> None:
    """`due_at` None: it is given up. Nothing is noted where the claim holds no more: stopped, replayed, or too late."""
    async with database.of(claimed.company_id).writing() as connection:
        await _note_failed(connection, claimed, status=status, problem=problem, due_at=due_at)


async def _note_failed(
    connection: AsyncConnection, claimed: Claimed, *, status: int | None, problem: str, due_at: datetime | None
) -> None:
    values = {"status": status, "problem": problem, "due_at": due_at}
    held = and_(_row_of(claimed), _D.c.due_at == claimed.until)
    await connection.execute(update(_D).where(held).values(values))


async def note_gone(database: Database, claimed: Claimed, *, status: int, problem: str, now: datetime) -> None:
    """The receiver wants nothing any more: its endpoint is disabled, unless it was moved elsewhere meanwhile."""
    mine = and_(_E.c.company_id == claimed.company_id, _E.c.id == claimed.endpoint_id)
    same = and_(mine, _E.c.is_enabled, _E.c.url == claimed.url)
    async with database.of(claimed.company_id).writing() as connection:
        disable = update(_E).where(same).values(is_enabled=False).returning(_E.c.id)
        is_disabled = (await connection.execute(disable)).one_or_none() is not None
        await _note_failed(connection, claimed, status=status, problem=problem, due_at=None)
        if is_disabled:
            await stop_deliveries(connection, claimed.company_id, claimed.endpoint_id)
            why = (Change("isEnabled", "on", "off"), Change("reason", None, problem))
            target = (TargetKind.WEBHOOK_ENDPOINT, claimed.endpoint_id)
            await insert_activity(connection, claimed.company_id, now, act(None, CHANGE_ENDPOINT, *why, target=target))


async def forget_old(database: Database, made_before: datetime, *, limit: int) -> int:
    """Removes deliveries that wait no more, at most `limit` of each endpoint; how many."""
    count = 0
    for endpoint in await database.rows(select(_E.c.company_id, _E.c.id)):
        mine = and_(_D.c.company_id == endpoint.company_id, _D.c.endpoint_id == endpoint.id)
        old = select(_D.c.id).where(mine, _D.c.created_at < made_before, _D.c.due_at.is_(None))
        found = [row.id for row in await database.rows(old.order_by(_D.c.created_at).limit(limit))]
        if not found:
            continue
        still = and_(_D.c.company_id == endpoint.company_id, _D.c.id.in_(found), _D.c.due_at.is_(None))
        async with database.writing() as connection:
            count += (await connection.execute(delete(_D).where(still))).rowcount
    return count
