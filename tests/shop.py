"""Words to tell stories of buying with: an office of a `World`, its card at a processor outside, and a worker."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from api.deliveries import Deliveries
from api.sealing import FernetBox
from domain.access import Role, Viewer
from domain.money import Amount, Micros, parse_micros
from domain.payments import Processors
from domain.stories.buy import (
    Bought,
    Quote,
    SetupBegun,
    complete_purchase,
    purchase_credits,
    quote_purchase,
    save_card,
    start_card_setup,
)
from domain.stories.collect import hear_of_payment, settle_due
from domain.top_ups import Card, TopUp
from persistence.tables.funds import POSTING, WALLET
from persistence.tables.payments import CARD_SETUP, TOP_UP
from tests.scripted_processor import Deed, ScriptedProcessor
from tests.world import World


@dataclass
class Shop:
    world: World
    processor: ScriptedProcessor = field(default_factory=ScriptedProcessor)
    currency: str = "USD"

    @property
    def processors(self) -> Processors:
        return Processors(self.processor)

    @property
    def deliveries(self) -> Deliveries:
        return Deliveries(self.world.database, FernetBox("a key for tests"), allows_private=True)

    @property
    def admin(self) -> Viewer:
        return self.world.viewer(Role.COMPANY_ADMIN)

    def wait(self, **time: float) -> None:
        self.world.now += timedelta(**time)

    def money(self, text: str) -> Amount:
        return Amount(parse_micros(text), self.currency)

    async def set_up_card(self, slug: str = "hq", **entered: Any) -> SetupBegun:
        """The cardholder has entered it; it is not saved yet."""
        world, office_id = self.world, await self.world.office_id(slug)
        setup = await start_card_setup(
            world.begin, self.processors, self.admin, office_id, return_url=None, now=world.now
        )
        [row] = await world.database.rows(CARD_SETUP.select().where(CARD_SETUP.c.id == setup.setup_id))
        self.processor.enter_card(row.processor_setup_id, **entered)
        return setup

    async def save_card(self, slug: str = "hq", deed: Deed = Deed.PAY, **entered: Any) -> Card:
        setup = await self.set_up_card(slug, deed=deed, **entered)
        return await self.finish_card(setup, slug)

    async def finish_card(self, setup: SetupBegun, slug: str = "hq") -> Card:
        world, office_id = self.world, await self.world.office_id(slug)
        return await save_card(world.begin, self.processors, self.admin, office_id, setup.setup_id, now=world.now)

    async def quote(self, credits: str, slug: str = "hq") -> Quote:
        office_id = await self.world.office_id(slug)
        return await quote_purchase(self.world.begin, self.admin, office_id, self.money(credits), now=self.world.now)

    async def buy(
        self, credits: str = "20", key: str = "key", *, total: str | None = None, slug: str = "hq",
        viewer: Viewer | None = None, return_url: str | None = None,
    ) -> Bought:  # fmt: skip
        """At the price of the quote, unless the total is told."""
        world, amount = self.world, self.money(credits)
        expected = self.money(total) if total else Amount((await self.quote(credits, slug)).total_micros, self.currency)
        return await purchase_credits(
            world.begin,
            self.processors,
            viewer or self.admin,
            await world.office_id(slug),
            credits=amount,
            expected_total=expected,
            key=key,
            return_url=return_url,
            now=world.now,
        )

    async def complete(self, top_up: TopUp) -> TopUp:
        return await complete_purchase(self.world.begin, self.processors, self.admin, top_up.id, now=self.world.now)

    async def settle(self) -> int:
        """One round of a worker."""
        return await settle_due(self.world.begin, self.processors, now=self.world.now)

    async def hear(self, top_up: TopUp) -> TopUp | None:
        """The processor's webhook."""
        return await hear_of_payment(
            self.world.begin, self.processors, top_up.company_id, top_up.id, now=self.world.now
        )

    async def now_is(self, top_up: TopUp) -> TopUp:
        found = await self.world.begin.find_top_up(top_up.company_id, top_up.id)
        assert found is not None
        return found

    async def top_ups(self) -> list[TopUp]:
        """Oldest first."""
        rows = await self.world.database.rows(TOP_UP.select().order_by(TOP_UP.c.created_at, TOP_UP.c.id))
        found = [await self.world.begin.find_top_up(row.company_id, row.id) for row in rows]
        return [top_up for top_up in found if top_up is not None]

    async def universal(self, slug: str = "hq") -> Micros:
        mine = (WALLET.c.office_id == await self.world.office_id(slug)) & (WALLET.c.kind == "UNIVERSAL")
        [row] = await self.world.database.rows(WALLET.select().where(mine))
        balance: Micros = row.balance_micros
        return balance

    async def posted(self, top_up_id: UUID) -> list[tuple[str, str, Micros]]:
        rows = await self.world.database.rows(
            POSTING.select().where(POSTING.c.top_up_id == top_up_id).order_by(POSTING.c.sequence)
        )
        return [(row.source, row.destination, row.amount_micros) for row in rows]
