"""One transaction about endpoints and deliveries of webhooks: see `domain.webhook_work.WebhookWork`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.news import Topic
from domain.webhook_work import Delivery
from domain.webhooks import Endpoint
from persistence.tables.company import COMPANY
from persistence.tables.partners import WEBHOOK_DELIVERY, WEBHOOK_ENDPOINT
from persistence.unit import Unit

DISABLED = "The endpoint was disabled."


class WebhookingWork(Unit):
    async def lock_endpoints(self) -> Mapping[UUID, Endpoint]:
        """By the company's row: what is not there yet cannot be locked."""
        mine = COMPANY.c.company_id == self._company_id
        await self._connection.execute(select(COMPANY.c.company_id).where(mine).with_for_update(key_share=True))
        theirs = WEBHOOK_ENDPOINT.c.company_id == self._company_id
        rows = await self._connection.execute(select(WEBHOOK_ENDPOINT).where(theirs))
        return {row.id: _endpoint(row) for row in rows}

    async def add_endpoint(self, endpoint: Endpoint, sealed_secret: str) -> None:
        await self._connection.execute(
            insert(WEBHOOK_ENDPOINT).values(
                company_id=self._company_id,
                id=endpoint.id,
                sealed_secret=sealed_secret,
                created_at=self._now,
                **_changeable(endpoint),
            )
        )

    async def change_endpoint(self, endpoint: Endpoint) -> None:
        values = _changeable(endpoint)
        await self._connection.execute(update(WEBHOOK_ENDPOINT).where(self._is(endpoint.id)).values(values))
        if not endpoint.is_enabled:
            await stop_deliveries(self._connection, self._company_id, endpoint.id)

    async def replace_secret(self, endpoint_id: UUID, sealed_secret: str, *, both_until: datetime) -> None:
        await self._connection.execute(
            update(WEBHOOK_ENDPOINT)
            .where(self._is(endpoint_id))
            .values(
                earlier_sealed_secret=WEBHOOK_ENDPOINT.c.sealed_secret,
                earlier_until=both_until,
                sealed_secret=sealed_secret,
            )
        )

    async def find_delivery(self, delivery_id: UUID) -> Delivery | None:
        table = WEBHOOK_DELIVERY
        statement = select(table.c.endpoint_id, table.c.topic)
        mine = and_(table.c.company_id == self._company_id, table.c.id == delivery_id)
        row = (await self._connection.execute(statement.where(mine))).one_or_none()
        return None if row is None else Delivery(row.endpoint_id, Topic(row.topic))

    async def send_again(self, delivery_id: UUID) -> None:
        mine = and_(WEBHOOK_DELIVERY.c.company_id == self._company_id, WEBHOOK_DELIVERY.c.id == delivery_id)
        fresh = {"due_at": self._now, "delivered_at": None, "round_attempt_count": 0}
        await self._connection.execute(update(WEBHOOK_DELIVERY).where(mine).values(fresh))
        self._news_count += 1

    def _is(self, endpoint_id: UUID) -> Any:
        return and_(WEBHOOK_ENDPOINT.c.company_id == self._company_id, WEBHOOK_ENDPOINT.c.id == endpoint_id)


async def stop_deliveries(connection: AsyncConnection, company_id: UUID, endpoint_id: UUID) -> None:
    """Nothing waits for this endpoint any more; what it was to be told can be replayed."""
    table = WEBHOOK_DELIVERY
    waiting = and_(table.c.company_id == company_id, table.c.endpoint_id == endpoint_id, table.c.due_at.is_not(None))
    await connection.execute(update(table).where(waiting).values(due_at=None, problem=DISABLED))


def _changeable(endpoint: Endpoint) -> dict[str, Any]:
    topics = [topic.value for topic in endpoint.topics]
    return {"url": endpoint.url, "topics": topics, "is_enabled": endpoint.is_enabled}


def _endpoint(row: Any) -> Endpoint:
    topics = tuple(Topic(name) for name in row.topics)
    return Endpoint(id=row.id, url=row.url, topics=topics, is_enabled=row.is_enabled)
