"""One transaction about money that goes back: see `domain.refund_work.RefundWork`."""

from collections.abc import Sequence
from uuid import UUID

from domain.ledger import Books
from domain.money import Micros
from domain.refunds import Refund, RefundState
from domain.top_ups import TopUp
from persistence import refunds
from persistence.unit import Unit


class RefundingWork(Unit):
    async def find_refund(self, refund_id: UUID) -> Refund | None:
        return await refunds.find_refund(self._connection, self._company_id, refund_id)

    async def refunds_of(self, top_up_ids: Sequence[UUID]) -> Sequence[Refund]:
        return await refunds.refunds_of(self._connection, self._company_id, top_up_ids)

    async def newer_micros(self, books: Books, top_up: TopUp) -> Micros:
        return await refunds.read_newer_micros(self._connection, books.funds.universal_wallet_id, top_up)

    async def save_refund(
        self, books: Books, refund: Refund, *, before: RefundState | None, rebooked: Sequence[Refund] = ()
    ) -> None:
        if before is None:
            await refunds.insert_refund(self._connection, refund)
        else:
            await self._change_refund(refund, before)
        for other in rebooked:
            await self._change_refund(other, other.state)
        await refunds.count_returned(self._connection, self._company_id, refund.top_up_id)
        await self.save_books(books)

    async def _change_refund(self, refund: Refund, before: RefundState) -> None:
        """Read under the lock, its state cannot have moved: that it did would mean that somebody wrote without it."""
        if not await refunds.change_refund(self._connection, refund, before):
            raise RuntimeError("A refund changed without the lock on its office.")

    async def postpone_refund(self, refund: Refund) -> None:
        await refunds.change_refund(self._connection, refund, RefundState.PENDING)

    async def owed_top_ups(self, office_id: UUID) -> Sequence[TopUp]:
        return await refunds.owed_top_ups(self._connection, self._company_id, office_id)

    async def mark_paid(self, top_ups: Sequence[TopUp]) -> None:
        for top_up in top_ups:
            if not await refunds.mark_paid(self._connection, top_up):
                raise RuntimeError("An invoice was paid without the lock on its office.")
