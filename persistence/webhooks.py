"""Reads of partners' endpoints and of what they were told. For those who see the whole company."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, false, select

from domain.access import Scope
from persistence.database import Database
from persistence.keyset import Slice, Window, sliced, windowed
from persistence.tables.partners import WEBHOOK_DELIVERY, WEBHOOK_ENDPOINT

_NEWEST = (WEBHOOK_DELIVERY.c.created_at, WEBHOOK_DELIVERY.c.id)
_SHOWN = tuple(WEBHOOK_ENDPOINT.c[name] for name in ("company_id", "id", "url", "topics", "is_enabled", "created_at"))
"""Not the secrets, sealed as they are."""


def _mine(scope: Scope, table: Any) -> ColumnElement[bool]:
    """An office's administrator is no partner of the company."""
    return table.c.company_id == scope.company_id if scope.is_whole_company else false()


async def read_webhook_endpoints(
    database: Database, scope: Scope, *, ids: Collection[UUID] | None = None
) -> Sequence[Row[Any]]:
    """All of the company's, first made first; or those with these ids, in no other order."""
    statement = select(*_SHOWN).where(_mine(scope, WEBHOOK_ENDPOINT))
    if ids is not None:
        statement = statement.where(WEBHOOK_ENDPOINT.c.id.in_(sorted(ids)))
    return await database.rows(statement.order_by(WEBHOOK_ENDPOINT.c.created_at, WEBHOOK_ENDPOINT.c.id))


async def read_webhook_deliveries(database: Database, scope: Scope, *, ids: Collection[UUID]) -> Sequence[Row[Any]]:
    """The deliveries with these ids, in no order."""
    mine = and_(_mine(scope, WEBHOOK_DELIVERY), WEBHOOK_DELIVERY.c.id.in_(sorted(ids)))
    return await database.rows(select(WEBHOOK_DELIVERY).where(mine))


async def read_webhook_delivery_page(database: Database, scope: Scope, *, endpoint_id: UUID, window: Window) -> Slice:
    """What one endpoint was told, last first. Positions are (`created_at`, `id`)."""
    mine = and_(_mine(scope, WEBHOOK_DELIVERY), WEBHOOK_DELIVERY.c.endpoint_id == endpoint_id)
    statement = select(WEBHOOK_DELIVERY).where(mine)
    return sliced(await database.rows(windowed(statement, _NEWEST, window, is_descending=True)), window)
