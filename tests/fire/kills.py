"""One run: a server under load is killed again and again, at random moments, and started again on its database.

What counts is said in `judge`. The seed makes the moments and the clients' choices repeatable; the machine's own
timing is not, which is why many kills are worth more than one.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Executable, func, select

from domain.access import Role
from domain.money import MICROS_PER_UNIT, Micros
from persistence.database import Database
from persistence.tables.charging import CHARGE
from persistence.tables.payments import REFUND, TOP_UP
from persistence.tables.sandbox import SANDBOX_PAYMENT
from tests.fire.caller import Caller
from tests.fire.company import FireOffice, found_company, save_cards
from tests.fire.journal import Journal
from tests.fire.judge import contradictions, until_at_rest
from tests.fire.load import Load
from tests.fire.server import Server, token

SOONEST_SECONDS, LATEST_SECONDS = 0.05, 1.5
OPENING_MICROS = 6 * MICROS_PER_UNIT
"""Soon below the threshold of auto-recharge."""
LIVES_A_BLOCK = 4
"""Offices are changed every few lives: an office is recharged six times a day at most."""

KillDatabase = Callable[[], Awaitable[None]]
"""Kills the database itself, and starts it again."""


@dataclass
class Report:
    """The numbers of one run."""

    kill_count: int = 0
    database_kill_count: int = 0
    seconds: float = 0
    rest_seconds: float = 0
    counts: dict[str, int] = field(default_factory=dict)
    contradictions: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        rows = {
            "kills of the server": self.kill_count,
            "kills of the database": self.database_kill_count,
            **self.counts,
            "contradictions": len(self.contradictions),
            "seconds": round(self.seconds),
            "seconds to rest": round(self.rest_seconds, 1),
        }
        return [f"{name:<36}{number:>10,}" for name, number in rows.items()]


@dataclass
class Fire:
    """A company, its server and its people."""

    server: Server
    database: Database
    blocks: list[list[FireOffice]]
    admin: Caller
    partner: Caller
    journal: Journal

    @classmethod
    @asynccontextmanager
    async def lit(
        cls, database_url: str, folder: Path, *, blocks: int, workers: int = 1, opening_micros: Micros = OPENING_MICROS
    ) -> AsyncIterator["Fire"]:
        """Ready to burn; afterwards no process of it is left."""
        world, offices = await found_company(database_url, blocks, opening_micros)
        server = Server(database_url, folder, workers=workers)
        admin, partner = (
            Caller(server.address, token("fire", role), server.ready) for role in (Role.COMPANY_ADMIN, Role.PARTNER)
        )
        try:
            await server.start()
            await save_cards(admin, [each for block in offices for each in block])
            yield cls(server, world.database, offices, admin, partner, Journal())
        finally:
            server.kill()
            await admin.close()
            await partner.close()
            await world.database.close()

    async def judged(self) -> list[str]:
        """Everything that is wrong, once nothing is left to do."""
        found = await contradictions(self.database, self.journal)
        verified = self.server.farebox("verify")
        if verified.returncode:
            found.append(f"farebox verify: {verified.stdout}{verified.stderr}")
        return found


async def burn(
    fire: Fire,
    *,
    kills: int,
    seed: int,
    own_seconds: float = 3,
    kill_database: KillDatabase | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Report:
    """Kills the server so often. Every fifth time its database is killed first, and it lives on for a moment."""
    chance, begun, report = random.Random(seed), time.monotonic(), Report()
    fire.admin.is_patient = fire.partner.is_patient = kill_database is not None
    for first in range(0, kills, LIVES_A_BLOCK):
        block = fire.blocks[first // LIVES_A_BLOCK % len(fire.blocks)]
        load = Load(fire.admin, fire.partner, fire.journal, seed=seed * 1_000 + first)
        people = asyncio.create_task(load.run(block))
        try:
            for _ in range(min(LIVES_A_BLOCK, kills - first)):
                await _until_killed(people, chance.uniform(SOONEST_SECONDS, LATEST_SECONDS))
                if kill_database is not None and report.kill_count % 5 == 4:
                    await kill_database()
                    report.database_kill_count += 1
                    await _until_killed(people, chance.uniform(SOONEST_SECONDS, LATEST_SECONDS))
                fire.server.kill()
                report.kill_count += 1
                await fire.server.start()
            load.stop.set()
            await people
        finally:
            people.cancel()
        tell(f"{report.kill_count} kills, {len(fire.journal.charged)} events, {len(fire.journal.top_ups)} top-ups")
    report.rest_seconds = await until_at_rest(fire.database, own_seconds=own_seconds)
    report.contradictions = await fire.judged()
    report.counts = await _counts(fire)
    report.seconds = time.monotonic() - begun
    return report


async def _until_killed(people: "asyncio.Task[None]", seconds: float) -> None:
    """The load of a life may not end before it, or nothing would be killed."""
    await asyncio.wait([people], timeout=seconds)
    if people.done():
        people.result()
        raise AssertionError("The clients stopped before the server was killed.")


async def _counts(fire: Fire) -> dict[str, int]:
    async def count(statement: Executable) -> int:
        [[number]] = await fire.database.rows(statement)
        return int(number or 0)

    callers = (fire.admin, fire.partner)
    origins = {origin: TOP_UP.c.origin == origin for origin in ("PURCHASE", "AUTO_RECHARGE")}
    settled = TOP_UP.c.state == "SETTLED"
    return {
        "requests answered": sum(each.counts["answers"] for each in callers),
        "requests that got no answer": sum(each.counts["no answer"] + each.counts["server faults"] for each in callers),
        "events charged": await count(select(func.count()).select_from(CHARGE).where(CHARGE.c.reverses_id.is_(None))),
        "reversals": len(fire.journal.reversed),
        "holds captured or released": len(fire.journal.holds),
        "purchases settled": await count(select(func.count()).where(origins["PURCHASE"], settled)),
        "purchases failed": await count(select(func.count()).where(origins["PURCHASE"], TOP_UP.c.state == "FAILED")),
        "recharges settled": await count(select(func.count()).where(origins["AUTO_RECHARGE"], settled)),
        "recharges failed or skipped": await count(select(func.count()).where(origins["AUTO_RECHARGE"], ~settled)),
        "refunds settled": await count(select(func.count()).where(REFUND.c.state == "SETTLED")),
        "payments prepared at the processor": await count(select(func.count()).select_from(SANDBOX_PAYMENT)),
        "times a card was charged": await count(select(func.sum(SANDBOX_PAYMENT.c.charge_count))),
    }
