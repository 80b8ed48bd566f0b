"""Words for any operation on two offices with one plan: one pays with the sandbox's cards, the other by invoice."""

import itertools
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from api.payments.sandbox import SandboxProcessor
from api.payments.sandbox_links import SandboxLinks
from domain.access import Scope
from domain.catalogue import Direction, Service
from domain.money import Amount, Micros
from domain.payments import Processors
from domain.provisioning import OfficePlan, PaymentTerms
from domain.stories.adjust import adjust_wallet
from domain.stories.buy import save_card, start_card_setup
from domain.stories.recharge import configure_recharge, judge_due
from domain.stories.renew import renew_due
from domain.usage import AiAgentMode, AiAgentSession, Fax, UsageEvent
from persistence.auto_recharge import OfficeRecharge, read_auto_recharges
from persistence.database import Database
from persistence.sandbox_store import SandboxStore
from persistence.tables.funds import ALLOWANCE_CYCLE, WALLET, WALLET_CYCLE
from persistence.tables.payments import TOP_UP
from tests.persistence.giving_back import Till
from tests.world import START, World, allowance, call, commitment, office, usage_event

OPENING = 10_000_000
TAX_RATE = 100_000
"""A tenth, so that every whole amount has a whole tax."""
OFFICES = ("hq", "firm")
SERVICES = {"call": Service.CALLING, "fax": Service.FAX, "agent": Service.AI_AGENT}
GOOD, DECLINED, ASKS, LOSES_ANSWER = "4242424242424242", "4000000000000002", "4000002500003155", "4000000000000408"
_numbers = itertools.count(1)


class Facts(NamedTuple):
    """What makes usage what it is."""

    office: str
    kind: str
    quantity: int
    at: datetime


def event_of(event_id: str, facts: Facts) -> UsageEvent:
    from_, to, quantity = "+14155550100", "+12125550123", facts.quantity
    if facts.kind == "call":
        return call(event_id, facts.at, seconds=quantity, office=facts.office)
    if facts.kind == "fax":
        fax = Fax(direction=Direction.OUTBOUND, from_=from_, to=to, page_count=quantity)
        return usage_event(event_id, facts.at, fax, office=facts.office)
    session = AiAgentSession(
        mode=AiAgentMode.VOICE, direction=Direction.OUTBOUND, from_=from_, to=to, session_count=quantity
    )
    return usage_event(event_id, facts.at, session, office=facts.office)


class Shown(NamedTuple):
    """The figures of one office."""

    universal: Micros
    universal_held: Micros
    commitment_held: Micros
    commitments: Mapping[int, Micros]
    """Left, by the number of the month: 202603."""
    plan: Mapping[int, tuple[int, int]]
    """Seconds left and held."""
    recharges: list[Any]
    """Rows of those that settled."""


def plan_of(slug: str, terms: PaymentTerms) -> OfficePlan:
    return office(
        slug,
        payment_terms=terms,
        tax_rate_micros=TAX_RATE,
        opening_credits_micros=OPENING,
        commitments=(commitment("3"),),
        allowances=(allowance(600),),
    )


class Counter(Till):
    """A company of its own in the database, whatever else is there."""

    office_ids: dict[str, UUID]

    @classmethod
    async def open(cls, database: Database) -> "Counter":
        counter = cls(World(database, now=START + timedelta(days=1), slug=f"acme-{next(_numbers)}"))
        await counter.world.apply(
            plan_of("hq", PaymentTerms.CARD),
            plan_of("firm", PaymentTerms.INVOICE),
            purchase_daily_micros=10**12,
            invoice_limit_micros=10**12,
        )
        await counter.world.deck(at=START - timedelta(days=1_000))
        counter.office_ids = {slug: await counter.world.office_id(slug) for slug in OFFICES}
        await counter.choose_card(GOOD)
        return counter

    @property
    def processors(self) -> Processors:
        links = SandboxLinks("http://localhost:8000", "key")
        return Processors(SandboxProcessor(SandboxStore(self.world.database), links, clock=lambda: self.world.now))

    async def choose_card(self, number: str) -> None:
        world = self.world
        setup = await self.start_setup()
        await SandboxStore(world.database).choose_card(world.company_id, setup, number)
        await save_card(world.begin, self.processors, self.admin, self.office_ids["hq"], setup, now=world.now)

    async def start_setup(self) -> UUID:
        world = self.world
        begun = await start_card_setup(
            world.begin, self.processors, self.admin, self.office_ids["hq"], return_url=None, now=world.now
        )
        return begun.setup_id

    async def configure(self, slug: str, *, is_enabled: bool, threshold: Micros) -> None:
        await configure_recharge(
            self.world.begin,
            self.admin,
            self.office_ids[slug],
            is_enabled=is_enabled,
            threshold=Amount(threshold, self.currency),
            amount=None,
            cycle_cap=None,
            now=self.world.now,
        )

    async def shown_recharge(self, slug: str) -> OfficeRecharge:
        scope, ids = Scope.of(self.admin), [self.office_ids[slug]]
        [found] = await read_auto_recharges(self.world.database, scope, office_ids=ids, now=self.world.now)
        return found

    async def adjust(self, slug: str, kind: str, change: Micros, key: str) -> None:
        mine = (WALLET.c.office_id == self.office_ids[slug]) & (WALLET.c.kind == kind)
        [wallet] = await self.world.database.rows(WALLET.select().where(mine))
        await adjust_wallet(
            self.world.begin,
            self.world.viewer(),
            wallet.id,
            change=Amount(change, self.currency),
            reason="put right",
            key=key,
            now=self.world.now,
        )

    async def work(self) -> None:
        """Rounds of a worker, until what they start is collected too."""
        for _ in range(3):
            await renew_due(self.world.begin, None, self.world.now)
            await judge_due(self.world.begin, now=self.world.now)
            await self.settle()
            await self.refund_waiting()
            self.wait(seconds=10)

    async def shown(self) -> dict[str, Shown]:
        """By office, after whatever is due (R9)."""
        world = self.world
        await renew_due(world.begin, world.company_id, world.now)
        async with world.database.reading() as connection:
            tables = (WALLET, WALLET_CYCLE, ALLOWANCE_CYCLE, TOP_UP)
            mine = [
                (await connection.execute(table.select().where(table.c.company_id == world.company_id))).all()
                for table in tables
            ]
        return {
            slug: _shown(*([row for row in rows if row.office_id == office_id] for rows in mine))
            for slug, office_id in self.office_ids.items()
        }


def _shown(wallets: list[Any], cycles: list[Any], allowances: list[Any], top_ups: list[Any]) -> Shown:
    by_kind = {row.kind: row for row in wallets}
    return Shown(
        by_kind["UNIVERSAL"].balance_micros,
        by_kind["UNIVERSAL"].reserved_micros,
        by_kind["CALLING"].reserved_micros,
        {row.month: row.balance_micros for row in cycles},
        {row.month: (row.committed_quantity - row.spent_quantity, row.reserved_quantity) for row in allowances},
        [row for row in top_ups if (row.origin, row.state) == ("AUTO_RECHARGE", "SETTLED")],
    )
