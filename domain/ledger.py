"""The office's books while one transaction writes in them: postings, and the funds they move (R4).

A posting takes an amount from a source account to a destination. Accounts: `wallet:UNIVERSAL`, `wallet:CALLING:2026-03`
(one per commitment and cycle), `usage:CALLING`, `contract`, `expired`, `adjustment`, `card`, `receivable`, `tax`, and
`bank`, from which invoices are paid.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from domain.catalogue import Service, WalletKind
from domain.funds import AllowanceCycle, CommitmentCycle, Cycle, Funds
from domain.holds import Hold
from domain.money import Micros
from domain.news import News
from domain.top_ups import TopUp

UNIVERSAL = f"wallet:{WalletKind.UNIVERSAL}"
CONTRACT = "contract"
EXPIRED = "expired"
ADJUSTMENT = "adjustment"
CARD = "card"
RECEIVABLE = "receivable"
BANK = "bank"
TAX = "tax"

WATCH_PAUSE = timedelta(seconds=2)
"""Alerts are judged so long after an office spent: a burst of usage is looked at once."""


def usage_account(service: Service) -> str:
    return f"usage:{service}"


class Details(NamedTuple):
    """What a posting says besides its amount and accounts."""

    occurred_at: datetime | None = None
    """When what it stands for happened; now, unless said."""
    charge_id: UUID | None = None
    top_up_id: UUID | None = None
    note: str | None = None
    author: str | None = None


_NO_DETAILS = Details()


class Posting(NamedTuple):
    id: UUID
    sequence: int
    posted_at: datetime
    occurred_at: datetime
    source: str
    destination: str
    amount_micros: Micros
    """Above zero, always."""
    wallet_id: UUID | None
    balance_after_micros: Micros | None
    """What the wallet's account holds now; of a commitment, the account of that cycle."""
    charge_id: UUID | None
    top_up_id: UUID | None
    note: str | None
    author: str | None


@dataclass(slots=True)
class Books:
    """What one transaction does to one office. Rules write in it; persistence saves it whole, or not at all."""

    funds: Funds
    now: datetime
    new_id: Callable[[], UUID]
    postings: list[Posting] = field(default_factory=list)
    new_cycles: list[Cycle] = field(default_factory=list)
    new_commitment_cycles: list[CommitmentCycle] = field(default_factory=list)
    new_allowance_cycles: list[AllowanceCycle] = field(default_factory=list)
    new_top_ups: list[TopUp] = field(default_factory=list)
    """Recharges begun or skipped by this transaction: the intent is saved with what caused it (R33)."""
    new_holds: list[Hold] = field(default_factory=list)
    changed_holds: dict[UUID, Hold] = field(default_factory=dict)
    """Earlier holds as they now are; a hold read once more is looked up here first."""
    news: list[News] = field(default_factory=list)
    """What partners are told of it; put down for every endpoint that asked, in the same transaction."""

    def draw_sequence(self) -> int:
        """The number of a charge or posting. Whatever draws one may bring an alert, which is judged soon after."""
        number = self.funds.next_sequence
        self.funds.next_sequence = number + 1
        self.watch_soon()
        return number

    def watch_soon(self) -> None:
        """Also to be called by what moves no money but may bring an alert or end one: settings and plans."""
        self.funds.watch_due_at = min(self.funds.watch_due_at, self.now + WATCH_PAUSE)

    def into_universal(self, amount: Micros, source: str, details: Details = _NO_DETAILS) -> None:
        """Adds to universal credits; an amount of nothing leaves no posting."""
        self._move_universal(amount, source, UNIVERSAL, amount, details)

    def out_of_universal(self, amount: Micros, destination: str, details: Details = _NO_DETAILS) -> None:
        """Takes from universal credits, below zero if need be."""
        self._move_universal(amount, UNIVERSAL, destination, -amount, details)

    def into_commitment(
        self, account: CommitmentCycle, amount: Micros, source: str, details: Details = _NO_DETAILS
    ) -> None:
        account.balance_micros += amount
        self._post(amount, source, account.account, account.wallet_id, account.balance_micros, details)

    def out_of_commitment(
        self, account: CommitmentCycle, amount: Micros, destination: str, details: Details = _NO_DETAILS
    ) -> None:
        account.balance_micros -= amount
        self._post(amount, account.account, destination, account.wallet_id, account.balance_micros, details)

    def move(self, amount: Micros, source: str, destination: str, details: Details = _NO_DETAILS) -> None:
        """Between two accounts that are no wallets: taxes, and invoices that are paid."""
        self._post(amount, source, destination, None, None, details)

    def _move_universal(
        self, amount: Micros, source: str, destination: str, change: Micros, details: Details = _NO_DETAILS
    ) -> None:
        funds = self.funds
        funds.universal_micros += change
        self._post(amount, source, destination, funds.universal_wallet_id, funds.universal_micros, details)

    def _post(
        self,
        amount: Micros,
        source: str,
        destination: str,
        wallet_id: UUID | None,
        balance_after: Micros | None,
        details: Details,
    ) -> None:
        if amount == 0:
            return
        self.postings.append(
            Posting(
                id=self.new_id(),
                sequence=self.draw_sequence(),
                posted_at=self.now,
                occurred_at=details.occurred_at or self.now,
                source=source,
                destination=destination,
                amount_micros=amount,
                wallet_id=wallet_id,
                balance_after_micros=balance_after,
                charge_id=details.charge_id,
                top_up_id=details.top_up_id,
                note=details.note,
                author=details.author,
            )
        )
