"""What one transaction about alerts can do: kept by `persistence`."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from domain.ledger import Books
from domain.money import Currency
from domain.spending_rise import Comparison, Spending, Thresholds
from domain.watching import Judged, WatchFacts
from domain.works import BookWork


class AlertSettings(NamedTuple):
    """A company's, as stored."""

    thresholds: Thresholds
    currency: Currency


class WatchWork(BookWork, Protocol):
    """All of it under the lock on the office's books, after the renewal."""

    async def watch_facts(self, books: Books) -> WatchFacts: ...

    async def spending(self, books: Books, compared: Comparison) -> Sequence[Spending]:
        """What the office's usage cost, by the local day on which it occurred; in no order."""

    async def save_alerts(self, books: Books, judged: Judged) -> None:
        """After the books: an alert names cycles that may have begun just now."""


class SettingsWork(Protocol):
    """What a company has set of its alerts. The transaction holds the lock on the company."""

    async def alert_settings(self) -> AlertSettings: ...

    async def save_alert_thresholds(self, thresholds: Thresholds) -> None: ...

    async def watch_offices(self) -> None:
        """Every office of the company is due to be judged."""
