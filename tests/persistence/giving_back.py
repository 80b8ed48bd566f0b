"""Words to tell stories of money that goes back with: a shop whose customers, bank and processor take some of it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from domain.access import Scope, Viewer
from domain.errors import FareboxError
from domain.money import Micros
from domain.payments import DisputeNews, DisputeState, OutsideRefundNews, ProcessorKind
from domain.provisioning import OfficePlan, PaymentTerms
from domain.rates import NewRate
from domain.refunds import Refund, RefundState
from domain.stories.give_back import Refunded, hear_of_dispute, hear_of_refund, refund_due, refund_top_up
from domain.stories.invoice import InvoicesPaid, settle_invoice
from domain.top_ups import TopUp
from persistence.database import Database
from persistence.refunds import read_refundable, refund_of
from persistence.tables.funds import WALLET
from persistence.tables.payments import REFUND
from persistence.top_ups import read_owed
from tests.persistence.story import LONG_AGO, ONE_A_PAGE
from tests.proof import assert_books_hold
from tests.shop import Shop
from tests.world import START, World, office

TAX_RATE = 88_750
"""8.875 %: 20.00 costs 21.78."""


def taxed(slug: str = "hq", **changes: object) -> OfficePlan:
    return office(slug, **{"tax_rate_micros": TAX_RATE, **changes})


def invoiced(slug: str = "hq", **changes: object) -> OfficePlan:
    return taxed(slug, payment_terms=PaymentTerms.INVOICE, **changes)


@dataclass
class Till(Shop):
    async def bought(self, credits: str = "20", key: str | None = None, slug: str = "hq") -> TopUp:
        return (await self.buy(credits, key or f"buy {len(await self.top_ups())}", slug=slug)).top_up

    async def refund(
        self,
        top_up: TopUp,
        credits: str | None = None,
        key: str = "refund",
        *,
        viewer: Viewer | None = None,
        reason: str = "Bought by mistake.",
    ) -> Refunded:
        return await refund_top_up(
            self.world.begin,
            self.processors,
            viewer or self.admin,
            top_up.id,
            amount=self.money(credits) if credits else None,
            reason=reason,
            key=key,
            now=self.world.now,
        )

    async def refused(self, top_up: TopUp, credits: str | None = None, key: str = "refund") -> FareboxError:
        try:
            await self.refund(top_up, credits, key)
        except FareboxError as error:
            return error
        raise AssertionError("It was given back.")

    async def refund_waiting(self) -> int:
        """One round of a worker."""
        return await refund_due(self.world.begin, self.processors, now=self.world.now)

    async def dispute(
        self, top_up: TopUp, state: DisputeState, *, minor: int = 2_178, dispute_id: str = "dp_1", currency: str = "USD"
    ) -> bool:
        payment_id = top_up.processor_payment_id or "unknown"
        news = DisputeNews(payment_id, dispute_id, minor, currency, state, self.world.now)
        return await hear_of_dispute(self.world.begin, ProcessorKind.SANDBOX, news, now=self.world.now)

    async def outside(
        self,
        top_up: TopUp,
        minor: int,
        *,
        refund_id: str = "re_1",
        is_failed: bool = False,
        our_refund_id: UUID | None = None,
    ) -> bool:
        payment_id = top_up.processor_payment_id or "unknown"
        news = OutsideRefundNews(payment_id, refund_id, minor, "USD", is_failed, our_refund_id)
        return await hear_of_refund(self.world.begin, ProcessorKind.SANDBOX, news, now=self.world.now)

    async def pay_invoice(
        self, *top_ups: TopUp, key: str = "paid", slug: str = "hq", viewer: Viewer | None = None
    ) -> InvoicesPaid:
        return await settle_invoice(
            self.world.begin,
            viewer or self.world.viewer(),
            await self.world.office_id(slug),
            top_up_ids=tuple(top_up.id for top_up in top_ups) or None,
            key=key,
            now=self.world.now,
        )

    async def owed(self, slug: str = "hq") -> Micros:
        async with self.world.database.reading() as connection:
            return await read_owed(connection, self.world.company_id, await self.world.office_id(slug))

    async def refundable(self, *top_ups: TopUp, viewer: Viewer | None = None) -> list[Micros]:
        """What a reader is told, in the order of the top-ups; the invisible are left out."""
        scope = Scope.of(viewer or self.admin)
        found = await read_refundable(self.world.database, scope, ids=[top_up.id for top_up in top_ups])
        return [found[top_up.id] for top_up in top_ups if top_up.id in found]

    async def refunds(self) -> list[Refund]:
        """Oldest first."""
        rows: Any = await self.world.database.rows(REFUND.select().order_by(REFUND.c.created_at, REFUND.c.id))
        return [refund_of(row) for row in rows]

    async def wallet_id(self, kind: str = "UNIVERSAL") -> UUID:
        rows = await self.world.database.rows(WALLET.select().where(WALLET.c.kind == kind))
        found: UUID = rows[0].id
        return found


@asynccontextmanager
async def open_till(database: Database, deck: Sequence[NewRate] = ONE_A_PAGE) -> AsyncIterator[Till]:
    """An office with a card. The proof at the end is part of every story, and so is that the processor gave back what
    the books say."""
    till = Till(World(database, now=START + timedelta(days=1)))
    await till.world.apply(taxed())
    await till.world.deck(deck, at=LONG_AGO)
    await till.save_card()
    yield till
    booked = {one.id: one for one in await till.refunds()}
    for refund_id, order in till.processor.refunds.items():
        assert booked[refund_id].total_micros == order.amount_minor * 10_000
        assert booked[refund_id].state is not RefundState.FAILED
    await assert_books_hold(database)
