"""Decks of rates, stored whole and held in memory by prefix: no call reads the table (R18–R20).

A company's `rates_version` tells a held book that it is old; it is read in the charging transaction.
"""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.catalogue import Direction, Service, UsageType
from domain.rate_cards import Card, Placement
from domain.rates import Increment, NewRate, Rate, RateBook
from persistence.bulk import insert_rows
from persistence.ids import new_id
from persistence.tables.company import COMPANY
from persistence.tables.rates import RATE, RATE_CARD

BOOKS_HELD = 64
RATE_COLUMNS = (
    *("company_id", "id", "card_id", "service", "usage_type", "direction", "prefix", "destination"),
    *("nanos_per_unit", "first_seconds", "next_seconds", "connection_fee_micros", "priority", "is_blocked"),
)
_OF_CARD = ("name", "effective_from", "effective_until")


class RateBooks:
    """The rate books of the companies charged lately, one of each."""

    def __init__(self) -> None:
        self._held: OrderedDict[UUID, tuple[int, RateBook]] = OrderedDict()

    async def get(self, connection: AsyncConnection, company_id: UUID, version: int | None) -> RateBook:
        """`version` as this transaction saw it; None: it has not looked yet."""
        if version is None:
            statement = select(COMPANY.c.rates_version).where(COMPANY.c.company_id == company_id)
            version = (await connection.execute(statement)).scalar_one()
        held = self._held.get(company_id)
        if held is None or held[0] != version:
            held = version, RateBook(await _load(connection, company_id))
            self._held[company_id] = held
            while len(self._held) > BOOKS_HELD:
                self._held.popitem(last=False)
        self._held.move_to_end(company_id)
        return held[1]


async def _load(connection: AsyncConnection, company_id: UUID) -> Sequence[Rate]:
    """One statement: a deck loaded between two of them would be half seen."""
    services = {service.value: service for service in Service}
    usage_types: dict[str | None, UsageType | None] = {None: None, **{kind.value: kind for kind in UsageType}}
    directions: dict[str | None, Direction | None] = {None: None, **{way.value: way for way in Direction}}
    increments: dict[tuple[int, int], Increment] = {}
    cards: dict[UUID, tuple[str, datetime, datetime | None]] = {}
    columns = [*(RATE.c[name] for name in RATE_COLUMNS[1:]), *(RATE_CARD.c[name] for name in _OF_CARD)]
    same_card = and_(RATE_CARD.c.company_id == RATE.c.company_id, RATE_CARD.c.id == RATE.c.card_id)
    decks = select(*columns).join(RATE_CARD, same_card).where(RATE.c.company_id == company_id)
    rates = []
    for row in (await connection.execute(decks)).all():
        rate_id, card_id, service, usage_type, direction, prefix, destination, nanos, *rest = row
        first, following, fee, priority, is_blocked, *of_card = rest
        card_name, effective_from, effective_until = cards.setdefault(card_id, tuple(of_card))
        increment = increments.setdefault((first, following), Increment(first, following))
        rates.append(
            Rate(
                rate_id,
                card_name,
                services[service],
                usage_types[usage_type],
                directions[direction],
                prefix,
                destination,
                nanos,
                increment,
                fee,
                priority,
                is_blocked,
                effective_from,
                effective_until,
            )
        )
    return rates


async def _cards(connection: AsyncConnection, company_id: UUID) -> Sequence[Any]:
    return (await connection.execute(select(RATE_CARD).where(RATE_CARD.c.company_id == company_id))).all()


async def find_cards(connection: AsyncConnection, company_id: UUID, name: str) -> list[Card]:
    return [
        Card(row.id, row.effective_from, row.effective_until, row.checksum)
        for row in await _cards(connection, company_id)
        if row.name == name
    ]


async def save_card(
    connection: AsyncConnection,
    company_id: UUID,
    name: str,
    rates: Sequence[NewRate],
    placement: Placement,
    now: datetime,
) -> UUID:
    """The new version, the end of its predecessor, and the sign that held books are old. The new version's id."""
    card_id = new_id()
    if placement.replaces_id is not None:
        await _take_away(connection, company_id, placement.replaces_id)
    if placement.predecessor_id is not None:
        mine = and_(RATE_CARD.c.company_id == company_id, RATE_CARD.c.id == placement.predecessor_id)
        await connection.execute(update(RATE_CARD).where(mine).values(effective_until=placement.effective_from))
    await connection.execute(
        insert(RATE_CARD).values(
            company_id=company_id,
            id=card_id,
            name=name,
            effective_from=placement.effective_from,
            effective_until=placement.effective_until,
            rate_count=len(rates),
            checksum=placement.checksum,
            imported_at=now,
        )
    )
    await insert_rows(connection, RATE, RATE_COLUMNS, [_row(company_id, card_id, rate) for rate in rates])
    await connection.execute(
        update(COMPANY).where(COMPANY.c.company_id == company_id).values(rates_version=COMPANY.c.rates_version + 1)
    )
    return card_id


async def _take_away(connection: AsyncConnection, company_id: UUID, card_id: UUID) -> None:
    await connection.execute(delete(RATE).where(RATE.c.company_id == company_id, RATE.c.card_id == card_id))
    await connection.execute(delete(RATE_CARD).where(RATE_CARD.c.company_id == company_id, RATE_CARD.c.id == card_id))


def _row(company_id: UUID, card_id: UUID, rate: NewRate) -> list[Any]:
    return [
        company_id,
        new_id(),
        card_id,
        rate.service.value,
        rate.usage_type.value if rate.usage_type else None,
        rate.direction.value if rate.direction else None,
        rate.prefix,
        rate.destination,
        rate.nanos_per_unit,
        rate.increment.first_seconds,
        rate.increment.next_seconds,
        rate.connection_fee_micros,
        rate.priority,
        rate.is_blocked,
    ]
