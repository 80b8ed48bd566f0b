"""A process full of writers: it reads its orders from standard input, and prints what was acknowledged.

Started by `test_writers`, several at once on one database. Its writers share events and purchases with those of the
other processes, as reporters do that send a file twice.
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from domain.access import Role
from domain.catalogue import Direction, Service
from domain.charging import Outcome
from domain.money import Amount, Currency
from domain.payments import Processors
from domain.stories.buy import purchase_credits
from domain.stories.charge import reverse_usage
from domain.stories.hold import AuthorizeRequest, authorize_usage, capture_hold
from domain.top_ups import TopUpState
from domain.usage import OfficeReference, UsageEvent
from persistence.database import Database
from tests.world import START, World, call

TASKS = 16
POOL = 240
"""Events that several writers send, whoever comes first."""
BATCH = 12
CREDITS = Amount(10_000_000, Currency.USD)


@dataclass
class Orders:
    database_url: str
    company_id: str
    offices: dict[str, str]
    """Ids by slug."""
    process: int
    rounds: int


@dataclass
class Ledger:
    """What one process was told. Costs are in micros, by event id."""

    costs: dict[str, int] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    reversed: list[str] = field(default_factory=list)
    purchases: dict[str, str] = field(default_factory=dict)
    """The top-up, by key."""
    captured: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    """Everything that reached a caller and should not have."""


@dataclass
class Writer:
    world: World
    processors: Processors
    orders: Orders
    number: int
    ledger: Ledger

    @property
    def slugs(self) -> Sequence[str]:
        return list(self.orders.offices)

    async def run(self) -> None:
        for turn in range(self.orders.rounds):
            for act in (self.single, self.batch, self.buy, self.hold, self.take_back):
                try:
                    await act(turn)
                except Exception as error:
                    self.ledger.errors.append(f"writer {self.number}, {act.__name__}: {error!r}")

    def event(self, event_id: str, place: int) -> UsageEvent:
        return call(event_id, START + timedelta(minutes=place % 1_000), office=self.slugs[place % len(self.slugs)])

    async def record(self, *events: UsageEvent) -> None:
        for decision in await self.world.record(*events):
            self.ledger.outcomes[decision.outcome] += 1
            told = self.ledger.costs.setdefault(decision.event.event_id, decision.cost_micros)
            if decision.outcome is Outcome.CHARGED:
                self.ledger.costs[decision.event.event_id] = decision.cost_micros
            elif decision.outcome is not Outcome.REPLAYED:
                self.ledger.errors.append(f"{decision.event.event_id}: {decision.outcome}, told {told}")

    async def single(self, turn: int) -> None:
        await self.record(self.event(f"single-{self.number}-{turn}", self.number))

    async def batch(self, turn: int) -> None:
        start = 7 * self.number + 31 * turn
        places = [(start + step) % POOL for step in range(BATCH)]
        await self.record(*(self.event(f"pool-{place}", place) for place in places))

    async def buy(self, turn: int) -> None:
        """Neighbours of two processes use the same key."""
        key = f"purchase-{self.number % (2 * TASKS)}-{turn}"
        slug = self.slugs[self.number % len(self.slugs)]
        bought = await purchase_credits(
            self.world.begin,
            self.processors,
            self.world.viewer(Role.COMPANY_ADMIN),
            UUID(self.orders.offices[slug]),
            credits=CREDITS,
            expected_total=CREDITS,
            key=key,
            return_url=None,
            now=self.world.now,
        )
        if bought.top_up.state not in {TopUpState.SETTLED, TopUpState.PENDING}:
            self.ledger.errors.append(f"{key}: {bought.top_up.state} {bought.top_up.reason}")
        self.ledger.purchases[key] = bought.top_up.id.hex

    async def hold(self, turn: int) -> None:
        raise NotImplementedError

    async def take_back(self, turn: int) -> None:
        raise NotImplementedError


async def write(orders: Orders) -> Ledger:
    database, ledger = Database(orders.database_url), Ledger()
    world = World(database, now=START + timedelta(days=1))
    world.company_id = UUID(orders.company_id)
    writers = [Writer(world, None, orders, orders.process * TASKS + task, ledger) for task in range(TASKS)]
    try:
        await asyncio.gather(*(writer.run() for writer in writers))
    finally:
        await database.close()
    return ledger


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(write(Orders(**json.load(sys.stdin)))))))
