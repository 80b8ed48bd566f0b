"""One transaction that buys, recharges or gives back: see `domain.fund_work.FundWork`."""

from domain.ledger import Books
from domain.top_ups import Billing
from persistence.top_ups import read_billing
from persistence.unit import Unit


class FundingWork(Unit):
    async def billing(self, books: Books) -> Billing:
        office = books.funds.office
        return await read_billing(self._connection, office.company_id, office.id, self._now)
