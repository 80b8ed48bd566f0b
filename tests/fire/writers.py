"""A process full of writers: it reads its orders from standard input, and prints what was acknowledged.

Started by `test_writers`, several at once on one database. Its writers share events and purchases with those of the
other processes, as reporters do that send a file twice.
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from uuid import UUID

from domain.access import Role
from domain.authorization import UsageRequest
from domain.catalogue import Service
from domain.charging import Decision, Outcome
from domain.money import Amount, Currency
from domain.payments import Processors
from domain.stories.buy import purchase_credits
from domain.stories.charge import reverse_usage
from domain.stories.hold import authorize_usage, capture_hold
from domain.top_ups import TopUpState
from domain.usage import Call, UsageEvent
from persistence.database import Database
from tests.fire.company import processors_of
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
    tasks: int = TASKS
    rounds: int = 1


@dataclass
class Ledger:
    """What one process was told."""

    costs: dict[str, int] = field(default_factory=dict)
    """Micros, by the id of each event whose sending was charged."""
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

    async def record(self, *events: UsageEvent) -> list[Decision]:
        decisions = await self.world.record(*events)
        self.keep(decisions)
        return decisions

    def keep(self, decisions: Sequence[Decision]) -> None:
        """A replay tells no cost: what an event costs is told to the one whose sending was charged."""
        for decision in decisions:
            self.ledger.outcomes[decision.outcome] += 1
            if decision.outcome is Outcome.CHARGED:
                self.ledger.costs[decision.event.event_id] = decision.cost_micros
            elif decision.outcome is not Outcome.REPLAYED:
                self.ledger.errors.append(f"{decision.event.event_id}: {decision.outcome}")

    async def single(self, turn: int) -> None:
        await self.record(self.event(f"single-{self.number}-{turn}", self.number))

    async def batch(self, turn: int) -> None:
        start = 7 * self.number + 31 * turn
        places = [(start + step) % POOL for step in range(BATCH)]
        await self.record(*(self.event(f"pool-{place}", place) for place in places))

    async def buy(self, turn: int) -> None:
        """The writers of the same place in each process use the same key."""
        buyer = self.number % TASKS
        key, slug = f"purchase-{buyer}-{turn}", self.slugs[buyer % len(self.slugs)]
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
        """Half of the holds are captured, the others end when the usage is reported as any other."""
        event = self.event(f"held-{self.number}-{turn}", self.number)
        assert isinstance(event.usage, Call)
        assert event.office is not None
        request = UsageRequest(
            source=event.source,
            event_id=event.event_id,
            office=event.office,
            service=Service.CALLING,
            direction=event.usage.direction,
            from_=event.usage.from_,
            to=event.usage.to,
            quantity=300,
            hold_seconds=600,
        )
        door, viewer = self.world.begin, self.world.viewer()
        authorized = await authorize_usage(door, viewer, request, now=self.world.now)
        if authorized.hold is None:
            self.ledger.errors.append(f"{event.event_id}: {authorized.refusal}")
            return
        if (self.number + turn) % 2:
            await self.record(event)
        else:
            captured = await capture_hold(door, viewer, authorized.hold.id, event, now=self.world.now)
            self.keep([captured.decision])
        self.ledger.captured.append(authorized.hold.id.hex)

    async def take_back(self, turn: int) -> None:
        """A call of its own, and the same one again for somebody who presses twice."""
        event = self.event(f"wrong-{self.number}-{turn}", self.number)
        [decision] = await self.record(event)
        assert decision.charge_id is not None
        door, viewer, key = self.world.begin, self.world.viewer(), f"reverse-{event.event_id}"
        reverse = partial(reverse_usage, door, viewer, decision.charge_id, key=key, reason="twice", now=self.world.now)
        first, second = await asyncio.gather(reverse(), reverse())
        if first.reversal_id != second.reversal_id:
            self.ledger.errors.append(f"{event.event_id} was reversed twice")
        self.ledger.reversed.append(event.event_id)


async def write(orders: Orders) -> Ledger:
    database, ledger = Database(orders.database_url), Ledger()
    world = World(database, now=START + timedelta(days=1))
    world.company_id = UUID(orders.company_id)
    processors = processors_of(database)
    writers = [Writer(world, processors, orders, orders.process * TASKS + task, ledger) for task in range(orders.tasks)]
    try:
        await asyncio.gather(*(writer.run() for writer in writers))
    finally:
        await database.close()
    return ledger


if __name__ == "__main__":
    print(json.dumps(vars(asyncio.run(write(Orders(**json.load(sys.stdin)))))))
