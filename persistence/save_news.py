"""News, put down for every endpoint that asked for it: the outbox of webhooks, in the transaction of what it tells."""

from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import and_, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.funds import OfficeTerms
from domain.ledger import Books
from domain.news import News, moment_fact
from domain.public_ids import IdKind, public_id
from persistence.ids import new_id
from persistence.tables.company import COMPANY, OFFICE
from persistence.tables.partners import WEBHOOK_DELIVERY, WEBHOOK_ENDPOINT


async def save_news(connection: AsyncConnection, books: Books) -> int:
    """How many messages now wait to be delivered. Costs nothing when there is no news.

    News is told once, however often the books are saved. One message has one id, whoever is told.
    """
    told = list(books.news)
    books.news.clear()
    if not told:
        return 0
    office = books.funds.office
    mine = and_(WEBHOOK_ENDPOINT.c.company_id == office.company_id, WEBHOOK_ENDPOINT.c.is_enabled)
    endpoints = (await connection.execute(select(WEBHOOK_ENDPOINT.c.id, WEBHOOK_ENDPOINT.c.topics).where(mine))).all()
    if not any(news.topic.value in endpoint.topics for news in told for endpoint in endpoints):
        return 0
    place = await _place(connection, office)
    rows: list[dict[str, Any]] = []
    for news in told:
        message_id, body = new_id(), _body(news, place, books)
        rows += [
            _delivery(books, news, endpoint.id, message_id, body)
            for endpoint in endpoints
            if news.topic.value in endpoint.topics
        ]
    await connection.execute(insert(WEBHOOK_DELIVERY), rows)
    return len(rows)


async def _place(connection: AsyncConnection, office: OfficeTerms) -> dict[str, Any]:
    statement = (
        select(OFFICE.c.slug, OFFICE.c.name, COMPANY.c.slug.label("company_slug"))
        .join(COMPANY, COMPANY.c.company_id == OFFICE.c.company_id)
        .where(OFFICE.c.company_id == office.company_id, OFFICE.c.id == office.id)
    )
    row = (await connection.execute(statement)).one()
    return {
        "company": {"id": public_id(IdKind.COMPANY, office.company_id), "slug": row.company_slug},
        "office": {"id": public_id(IdKind.OFFICE, office.id), "slug": row.slug, "name": row.name},
    }


def _body(news: News, place: dict[str, Any], books: Books) -> str:
    """The text that is signed and sent: what is true at this moment, whenever it arrives."""
    told = {"type": news.topic.type_name, "timestamp": moment_fact(books.now), "data": {**place, **news.facts}}
    return orjson.dumps(told).decode()


def _delivery(books: Books, news: News, endpoint_id: UUID, message_id: UUID, body: str) -> dict[str, Any]:
    return {
        "company_id": books.funds.office.company_id,
        "id": new_id(),
        "endpoint_id": endpoint_id,
        "topic": news.topic.value,
        "message_id": message_id,
        "body": body,
        "created_at": books.now,
        "attempt_count": 0,
        "round_attempt_count": 0,
        "due_at": books.now,
    }
