"""Renewals over a real database: after long sleeps, when terms change, and when everybody comes at once (R7–R10)."""

import asyncio
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select

from domain.access import Role, Scope
from domain.catalogue import Cadence, WalletKind
from domain.charging import Outcome
from domain.stories.renew import renew_due
from persistence.database import Database
from persistence.overview import read_wallets
from persistence.tables.charging import CHARGE
from persistence.tables.funds import ALLOWANCE_CYCLE, BILLING_CYCLE, POSTING, WALLET_CYCLE
from tests.proof import assert_books_hold
from tests.world import World, allowance, call, commitment, office

ROOT = Path(__file__).parents[2]
ANNUAL = commitment("1200", WalletKind.AI_AGENT, Cadence.ANNUAL)
PROCESSES = 2
STEP_SECONDS = 0.05
WAITING = """
import pathlib, sys, time
from api.cli import app
pathlib.Path(sys.argv[2]).touch()
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.005)
app(["renew"])
"""


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


async def granted(world: World) -> tuple[int, int]:
    """How many grants were posted, and their sum."""
    statement = select(func.count(), func.sum(POSTING.c.amount_micros)).where(POSTING.c.source == "contract")
    [row] = await world.database.rows(statement)
    return row[0], int(row[1])


async def ends(world: World, kind: WalletKind) -> list[datetime]:
    mine = WALLET_CYCLE.c.kind == kind.value
    return [row.ends_at for row in await world.database.rows(WALLET_CYCLE.select().where(mine).order_by("starts_at"))]


async def test_an_office_wakes_after_thirteen_months_as_if_somebody_had_looked_every_day(world: World) -> None:
    await world.set_up(
        office(commitments=(commitment("100"), ANNUAL), allowances=(allowance(60),), opening_credits_micros=7_000_000)
    )
    world.now = day("2027-04-10")
    assert await renew_due(world.begin, None, world.now) == 1
    assert await renew_due(world.begin, None, world.now) == 0
    assert await granted(world) == (1 + 14 + 2, (7 + 14 * 100 + 2 * 1200) * 1_000_000)
    assert len(await world.database.rows(BILLING_CYCLE.select())) == 14
    assert len(await world.database.rows(ALLOWANCE_CYCLE.select())) == 14
    closed = await world.database.rows(WALLET_CYCLE.select().where(WALLET_CYCLE.c.closed_at.is_not(None)))
    assert {(row.balance_micros, row.expired_micros == row.committed_micros) for row in closed} == {(0, True)}
    [decision] = await world.record(call("late", day("2026-05-05")))
    assert decision.outcome is Outcome.CHARGED
    [charge] = await world.database.rows(CHARGE.select())
    assert (charge.month, charge.is_booked_late) == (202704, True)


async def test_terms_changed_and_changed_back_leave_the_year_and_the_month_as_they_were(world: World) -> None:
    """In July: the month in which the year began has closed long since, and still decides where it ends."""
    plan = {"commitments": (commitment("100"), ANNUAL)}
    await world.set_up(office(**plan))
    world.now = day("2026-05-10")
    await world.apply(office(anchor_day=15, **plan))
    assert await ends(world, WalletKind.AI_AGENT) == [day("2027-03-15")]
    world.now = day("2026-07-20")
    for anchor, zone in ((1, "UTC"), (31, "Asia/Tokyo"), (28, "America/Sao_Paulo")):
        await world.apply(office(anchor_day=anchor, time_zone=zone, **plan))
    await world.apply(office(anchor_day=15, **plan))
    assert await ends(world, WalletKind.AI_AGENT) == [day("2027-03-15")]
    assert (await ends(world, WalletKind.CALLING))[-1] == day("2026-08-15")
    world.now = day("2027-03-20")
    await renew_due(world.begin, None, world.now)
    assert await ends(world, WalletKind.AI_AGENT) == [day("2027-03-15"), day("2028-03-15")]
    months = [row.month for row in await world.database.rows(BILLING_CYCLE.select().order_by("starts_at"))]
    assert months == [*range(202603, 202613), 202701, 202702, 202703]


async def test_a_wallet_says_the_cadence_of_its_cycle_and_not_of_the_one_to_come(world: World) -> None:
    await world.set_up(office(commitments=(commitment("100"),)))
    annual = commitment("1200", cadence=Cadence.ANNUAL)
    await world.apply(office(commitments=(annual,)))
    told = {}
    for now in (world.now, day("2026-04-02")):
        await renew_due(world.begin, None, now)
        rows = await read_wallets(world.database, Scope.of(world.viewer(Role.COMPANY_ADMIN)), now=now)
        [wallet] = [row for row in rows if row.kind == WalletKind.CALLING]
        told[now] = (wallet.cadence, wallet.ends_at)
    assert list(told.values()) == [("MONTHLY", day("2026-04-01")), ("ANNUAL", day("2027-04-01"))]


class Commands:
    """`farebox renew` in processes of their own, as cron would start them, all let go at one moment."""

    def __init__(self, url: str, folder: Path) -> None:
        self._go = folder / "go"
        environment = {**os.environ, "FAREBOX_DATABASE_URL": url, "FAREBOX_SECRET_KEY": "k" * 40}
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-c", WAITING, str(self._go), str(folder / f"ready-{at}")],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for at in range(PROCESSES)
        ]
        self._ready = [folder / f"ready-{at}" for at in range(PROCESSES)]

    def let_go(self) -> None:
        deadline = time.monotonic() + 60
        while not all(file.exists() for file in self._ready):
            assert time.monotonic() < deadline, "a command did not start"
            time.sleep(0.01)
        self._go.touch()

    async def told(self) -> list[str]:
        """What each said; they must have ended well."""
        ended = await asyncio.gather(*(asyncio.to_thread(one.communicate, timeout=60) for one in self._processes))
        assert [one.returncode for one in self._processes] == [0] * PROCESSES, ended
        return [text for text, _ in ended]

    def stop(self) -> None:
        for process in self._processes:
            process.kill()


async def test_the_command_twice_a_reader_and_a_writer_at_one_moment_grant_once(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    """By the real clock, because the commands know no other: the offices were opened 100 days ago."""
    now = datetime.now(UTC)
    opened = now - timedelta(days=100)
    world, other = World(database, now=opened), World(Database(database_url), now=now)
    slugs = ("hq", "annex", "depot")
    plan = {"commitments": (commitment("5"), ANNUAL), "allowances": (allowance(60),), "opened_on": opened.date()}
    await world.apply(*(office(slug, **plan) for slug in slugs))
    await world.deck(at=day("2020-01-01"))
    world.now, other.company_id = now, world.company_id

    async def write(at: int) -> None:
        await asyncio.sleep(at * STEP_SECONDS)
        found = await other.record(*(call(f"{slug}-{at}", now, office=slug) for slug in slugs))
        assert {decision.outcome for decision in found} == {Outcome.CHARGED}

    async def read(at: int) -> None:
        await asyncio.sleep(at * STEP_SECONDS)
        await renew_due(other.begin, other.company_id, now)
        rows = await read_wallets(other.database, Scope.of(other.viewer(Role.COMPANY_ADMIN)), now=now)
        assert len(rows) == 3 * len(slugs)

    commands = Commands(database_url, tmp_path)
    try:
        await asyncio.to_thread(commands.let_go)
        await asyncio.gather(commands.told(), *(work(at) for at in range(8) for work in (write, read)))
    finally:
        commands.stop()
        await other.database.close()
    cycles = await database.rows(BILLING_CYCLE.select())
    monthly = await database.rows(WALLET_CYCLE.select().where(WALLET_CYCLE.c.cadence == "MONTHLY"))
    yearly = await database.rows(WALLET_CYCLE.select().where(WALLET_CYCLE.c.cadence == "ANNUAL"))
    included = await database.rows(ALLOWANCE_CYCLE.select())
    per_office = len(cycles) // len(slugs)
    assert per_office in (4, 5)
    assert len(cycles) == len(monthly) == len(included) == per_office * len(slugs)
    assert len(yearly) == len(slugs)
    count, sum_micros = await granted(world)
    assert (count, sum_micros) == (len(monthly) + len(yearly), (5 * len(monthly) + 1200 * len(yearly)) * 1_000_000)
    await assert_books_hold(database)
