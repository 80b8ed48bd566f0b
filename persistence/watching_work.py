"""One transaction that judges an office's alerts: see `domain.watch_work.WatchWork`."""

from collections.abc import Sequence

from domain.ledger import Books
from domain.spending_rise import Comparison, Spending
from domain.watching import Judged, WatchFacts
from persistence import alert_facts, alerts
from persistence.unit import Unit


class WatchingWork(Unit):
    async def watch_facts(self, books: Books) -> WatchFacts:
        return await alert_facts.read_watch_facts(self._connection, books)

    async def spending(self, books: Books, compared: Comparison) -> Sequence[Spending]:
        return await alert_facts.read_spending(self._connection, books.funds, compared)

    async def save_alerts(self, books: Books, judged: Judged) -> None:
        await alerts.save_alerts(self._connection, books.funds.office, judged)
        self.tally.add_alerts(judged)
