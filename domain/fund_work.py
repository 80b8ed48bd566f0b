"""What one transaction about buying, recharging and giving back can do: kept by `persistence`."""

from typing import Protocol

from domain.ledger import Books
from domain.top_ups import Billing
from domain.works import BookWork


class FundWork(BookWork, Protocol):
    """New top-ups stand in `books.new_top_ups` and are saved with the books."""

    async def billing(self, books: Books) -> Billing:
        """How the office buys and what it bought lately, as of this transaction."""
