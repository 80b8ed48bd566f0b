"""Saving a card: entered by the cardholder at the processor, known here by its brand and last four digits."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from domain.errors import InvalidInput
from domain.payments import CardFacts, ProcessorKind
from domain.top_ups import Card

SETUP_LIFE = timedelta(hours=1)
"""So long a cardholder may take to enter a card."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardSetup:
    """A card about to be saved."""

    id: UUID
    office_id: UUID
    processor: ProcessorKind
    customer_id: str
    processor_setup_id: str
    created_at: datetime
    payment_method_id: UUID | None = None
    """The card it became."""

    @property
    def expires_at(self) -> datetime:
        return self.created_at + SETUP_LIFE


class Cardholder(NamedTuple):
    """An office as a processor is told of it."""

    office_name: str
    customer_id: str | None
    """As the processor called it when it saved a card there before."""


def check_setup(setup: CardSetup, now: datetime) -> None:
    """Raises InvalidInput for one that is over."""
    if now >= setup.expires_at:
        raise InvalidInput("The time to enter this card is over: start again.", field=("setupId",))


def card_from(setup: CardSetup, facts: CardFacts, card_id: UUID) -> Card:
    return Card(
        id=card_id,
        processor=setup.processor,
        customer_id=setup.customer_id,
        method_id=facts.method_id,
        brand=facts.brand,
        last_four=facts.last_four,
        expires_month=facts.expires_month,
    )


def card_text(card: Card | None) -> str | None:
    """As the audit trail names it."""
    return f"{card.brand.capitalize()} ending in {card.last_four}" if card else None
