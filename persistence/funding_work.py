"""One transaction that buys, recharges or gives back: see `domain.fund_work.FundWork`."""

from uuid import UUID

from domain.auto_recharge import RechargeFacts
from domain.cards import CardSetup
from domain.ledger import Books
from domain.top_ups import Billing, Card, TopUp
from persistence import cards, top_ups
from persistence.auto_recharge import read_recharge_facts
from persistence.unit import Unit


class FundingWork(Unit):
    async def billing(self, books: Books) -> Billing:
        office = books.funds.office
        return await top_ups.read_billing(self._connection, office.company_id, office.id, self._now)

    async def recharge_facts(self, books: Books) -> RechargeFacts:
        return await read_recharge_facts(self._connection, books)

    async def find_top_up(self, top_up_id: UUID) -> TopUp | None:
        return await top_ups.find_top_up(self._connection, self._company_id, top_up_id)

    async def change_top_up(self, before: TopUp, after: TopUp) -> bool:
        is_changed = await top_ups.change_top_up(self._connection, before, after)
        if is_changed and after.state is not before.state:
            self.tally.add_top_ups([after])
        return is_changed

    async def save_payment(self, top_up: TopUp, payment_id: str) -> bool:
        return await top_ups.save_payment(self._connection, top_up, payment_id)

    async def find_setup(self, setup_id: UUID) -> CardSetup | None:
        return await cards.find_setup(self._connection, self._company_id, setup_id)

    async def save_setup(self, setup: CardSetup) -> None:
        await cards.insert_setup(self._connection, self._company_id, setup)

    async def find_card(self, card_id: UUID) -> Card | None:
        return await cards.find_card(self._connection, self._company_id, card_id)

    async def replace_card(self, setup: CardSetup, card: Card) -> None:
        await cards.replace_card(self._connection, self._company_id, setup, card, self._now)
