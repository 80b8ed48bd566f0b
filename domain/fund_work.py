"""What one transaction about buying, recharging and giving back can do: kept by `persistence`."""

from typing import Protocol
from uuid import UUID

from domain.auto_recharge import RechargeFacts
from domain.cards import CardSetup
from domain.ledger import Books
from domain.top_ups import Billing, Card, TopUp
from domain.works import BookWork


class FundWork(BookWork, Protocol):
    """New top-ups stand in `books.new_top_ups` and are saved with the books."""

    async def billing(self, books: Books) -> Billing:
        """How the office buys and what it bought lately, as of this transaction."""

    async def recharge_facts(self, books: Books) -> RechargeFacts:
        """What the office's auto-recharge has done in the current cycle and day, as of this transaction.

        The books must be renewed first, and states of top-ups changed in this transaction already: a top-up that was
        settled just now is not in flight.
        """

    async def find_top_up(self, top_up_id: UUID) -> TopUp | None: ...

    async def change_top_up(self, before: TopUp, after: TopUp) -> bool:
        """State, reason, moments and what the cardholder has to do; False when it is no longer as it was before.

        Of one state only one change can succeed, so a top-up settles once (R29). Changes of state need the lock on
        the office's books.
        """

    async def save_payment(self, top_up: TopUp, payment_id: str) -> bool:
        """The processor's id of the payment, before any money moves; False when another one stands there, or the
        top-up is no longer in flight. Needs no lock."""

    async def find_setup(self, setup_id: UUID) -> CardSetup | None: ...

    async def save_setup(self, setup: CardSetup) -> None: ...

    async def find_card(self, card_id: UUID) -> Card | None: ...

    async def replace_card(self, setup: CardSetup, card: Card) -> None:
        """The office's card from now on, and what the setup became. Under the lock on the office's books."""
