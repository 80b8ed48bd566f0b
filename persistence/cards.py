"""Cards about to be saved, and saved ones, as stories need them: one is current, the earlier ones stay for history."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.cards import Cardholder, CardSetup
from domain.errors import NotFound
from domain.payments import ProcessorKind
from domain.top_ups import Card
from persistence.tables.company import OFFICE
from persistence.tables.payments import CARD_SETUP, PAYMENT_METHOD
from persistence.top_ups import card_of


async def read_cardholder(
    connection: AsyncConnection, company_id: UUID, office_id: UUID, kind: ProcessorKind
) -> Cardholder:
    """With the customer of the office's latest setup at this processor. Raises NotFound."""
    mine = and_(OFFICE.c.company_id == company_id, OFFICE.c.id == office_id)
    office = (await connection.execute(select(OFFICE.c.name).where(mine))).one_or_none()
    if office is None:
        raise NotFound("There is no such office.", field=("officeId",))
    table = CARD_SETUP
    setups = select(table.c.processor_customer_id).where(
        table.c.company_id == company_id, table.c.office_id == office_id, table.c.processor == kind.value
    )
    latest = setups.order_by(table.c.created_at.desc(), table.c.id.desc()).limit(1)
    customer_id: str | None = (await connection.execute(latest)).scalar_one_or_none()
    return Cardholder(office.name, customer_id)


async def find_setup(connection: AsyncConnection, company_id: UUID, setup_id: UUID) -> CardSetup | None:
    mine = and_(CARD_SETUP.c.company_id == company_id, CARD_SETUP.c.id == setup_id)
    row = (await connection.execute(select(CARD_SETUP).where(mine))).one_or_none()
    return _setup_of(row) if row else None


def _setup_of(row: Any) -> CardSetup:
    return CardSetup(
        id=row.id,
        office_id=row.office_id,
        processor=ProcessorKind(row.processor),
        customer_id=row.processor_customer_id,
        processor_setup_id=row.processor_setup_id,
        created_at=row.created_at,
        payment_method_id=row.payment_method_id,
    )


async def insert_setup(connection: AsyncConnection, company_id: UUID, setup: CardSetup) -> None:
    await connection.execute(
        insert(CARD_SETUP).values(
            company_id=company_id,
            id=setup.id,
            office_id=setup.office_id,
            processor=setup.processor.value,
            processor_customer_id=setup.customer_id,
            processor_setup_id=setup.processor_setup_id,
            created_at=setup.created_at,
            payment_method_id=setup.payment_method_id,
        )
    )


async def find_card(connection: AsyncConnection, company_id: UUID, card_id: UUID) -> Card | None:
    mine = and_(PAYMENT_METHOD.c.company_id == company_id, PAYMENT_METHOD.c.id == card_id)
    row = (await connection.execute(select(PAYMENT_METHOD).where(mine))).one_or_none()
    return card_of(row) if row else None


async def replace_card(
    connection: AsyncConnection, company_id: UUID, setup: CardSetup, card: Card, now: datetime
) -> None:
    """The old card makes room first: only one of an office may be current."""
    table = PAYMENT_METHOD
    current = and_(
        table.c.company_id == company_id, table.c.office_id == setup.office_id, table.c.replaced_at.is_(None)
    )
    await connection.execute(update(table).where(current).values(replaced_at=now))
    await connection.execute(
        insert(table).values(
            company_id=company_id,
            id=card.id,
            office_id=setup.office_id,
            processor=card.processor.value,
            processor_customer_id=card.customer_id,
            processor_method_id=card.method_id,
            brand=card.brand,
            last_four=card.last_four,
            expires_month=card.expires_month,
            created_at=now,
            replaced_at=None,
        )
    )
    mine = and_(CARD_SETUP.c.company_id == company_id, CARD_SETUP.c.id == setup.id)
    await connection.execute(update(CARD_SETUP).where(mine).values(payment_method_id=card.id))
