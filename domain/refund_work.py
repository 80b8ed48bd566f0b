"""What one transaction about money that goes back can do: kept by `persistence`."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from domain.fund_work import FundWork
from domain.ledger import Books
from domain.money import Micros
from domain.refunds import Refund, RefundState
from domain.top_ups import TopUp


class RefundWork(FundWork, Protocol):
    """States change by conditional update, under the lock of the office."""

    async def find_refund(self, refund_id: UUID) -> Refund | None: ...

    async def refunds_of(self, top_up_ids: Sequence[UUID]) -> Sequence[Refund]:
        """Every one there was of these top-ups, failed ones too, oldest first."""

    async def newer_micros(self, books: Books, top_up: TopUp) -> Micros:
        """What came into the wallet after a settled top-up: see `domain.refunds.Unspent`."""

    async def save_refund(
        self, books: Books, refund: Refund, *, before: RefundState | None, rebooked: Sequence[Refund] = ()
    ) -> None:
        """The refund, new or changed from the state it was in, what is returned of its top-up, and the books.

        `rebooked`: others of the same top-up, in their states, of which another part is booked now.
        """

    async def postpone_refund(self, refund: Refund) -> None:
        """When a pending one is asked for next, and the processor's id of it; one that is resolved stays as it is."""

    async def owed_top_ups(self, office_id: UUID) -> Sequence[TopUp]:
        """The office's settled invoiced top-ups that are not paid, oldest first."""

    async def mark_paid(self, top_ups: Sequence[TopUp]) -> None:
        """Those that were not paid: `paid_at` as it now is. Before whatever asks what the office owes."""
