"""After the fire: is everything there that anybody was told, and nothing twice?

Reads the tables as they are, beside `farebox verify`: the journal of the clients, the books, and the processor's own
memory must tell one story.
"""

import asyncio
import time
from collections import Counter, defaultdict
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from api.clock import utc_now
from api.deliveries import Deliveries
from api.sealing import FernetBox
from api.worker import run_once
from domain.purchases import LEASE
from persistence.begin import Begin
from persistence.database import Database
from persistence.tables.charging import CHARGE
from persistence.tables.company import OFFICE
from persistence.tables.funds import POSTING
from persistence.tables.holds import HOLD
from persistence.tables.payments import AUTO_RECHARGE, REFUND, TOP_UP
from persistence.tables.sandbox import SANDBOX_PAYMENT, SANDBOX_REFUND
from tests.fire.company import processors_of
from tests.fire.journal import Journal

REST_SECONDS = 180
AHEAD = LEASE + timedelta(seconds=5)
MICROS_PER_CENT = 10_000


def wire_id(prefix: str, row_id: UUID) -> str:
    return f"{prefix}_{row_id.hex}"


async def until_at_rest(database: Database, *, own_seconds: float, ahead: timedelta = AHEAD) -> float:
    """Waits until nothing is left to be collected or given back; how long that took, in seconds.

    What the killed server had claimed is free again only when its lease ends. After `own_seconds` another worker, whose
    clock is further, takes it up: nobody has to wait for that minute in the suite.
    """
    begun = time.monotonic()
    processors, door = processors_of(database), Begin(database)
    deliveries = Deliveries(database, FernetBox("a key for tests"))
    pending: list[object] = []
    while (waited := time.monotonic() - begun) < REST_SECONDS:
        pending = [
            *await database.rows(select(TOP_UP.c.id, TOP_UP.c.due_at).where(TOP_UP.c.state == "PENDING")),
            *await database.rows(select(REFUND.c.id, REFUND.c.due_at).where(REFUND.c.state == "PENDING")),
        ]
        if not pending:
            return waited
        if waited > own_seconds:
            await run_once(door, processors, deliveries, utc_now() + ahead)
        await asyncio.sleep(0.2)
    raise AssertionError(f"Not at rest after {REST_SECONDS} seconds: {pending}")


async def contradictions(database: Database, journal: Journal) -> list[str]:
    """Sentences about what does not agree; none is what everybody hopes for."""
    found = list(journal.contradictions)
    slugs = {row.id: row.slug for row in await database.rows(OFFICE.select())}
    found += await _usage(database, journal, slugs)
    found += await _payments(database, journal)
    found += await _refunds(database, journal)
    found += await _settings(database, journal, slugs)
    held = {wire_id("hld", row.id): row.state for row in await database.rows(HOLD.select())}
    found += [
        f"{hold} was {state}, is {held.get(hold)}" for hold, state in journal.holds.items() if held.get(hold) != state
    ]
    return found


async def _usage(database: Database, journal: Journal, slugs: dict[UUID, str]) -> list[str]:
    """Every acknowledged event is there once, at the cost that was told; every acknowledged reversal is there."""
    rows = await database.rows(CHARGE.select())
    first = [row for row in rows if row.reverses_id is None]
    costs = {(slugs[row.office_id], row.event_id): row.cost_micros for row in first}
    found = [f"{event} is missing" for event in journal.charged if event not in costs]
    found += [
        f"{event} cost {costs[event]}, told {told}"
        for event, told in journal.charged.items()
        if costs.get(event, told) != told
    ]
    if len(first) != len(costs):
        found.append(f"{len(first) - len(costs)} events are there twice")
    unknown = [event for event in costs if event not in journal.charged]
    found += [f"{event} was charged, and nobody was told" for event in unknown]
    taken_back = {(slugs[row.office_id], row.event_id) for row in first if row.reversed_by_id is not None}
    return found + [
        f"{event} was reversed, and is not" for event in journal.reversed.values() if event not in taken_back
    ]


async def _payments(database: Database, journal: Journal) -> list[str]:
    """No card was charged twice, no money came without credits, no credits without money."""
    top_ups = {row.id: row for row in await database.rows(TOP_UP.select())}
    payments = await database.rows(SANDBOX_PAYMENT.select())
    found = [f"payment {row.id} was charged {row.charge_count} times" for row in payments if row.charge_count > 1]
    paid = [row for row in payments if row.charge_count]
    by_top_up = Counter(row.top_up_id for row in paid)
    found += [f"{top_up} was paid {count} times" for top_up, count in by_top_up.items() if count > 1]
    settled = {row.id: row for row in top_ups.values() if row.state == "SETTLED" and row.payment_terms == "CARD"}
    found += [f"{each} was paid, and is {top_ups[each].state}" for each in by_top_up if each not in settled]
    found += [f"{each} is settled without money" for each in settled if each not in by_top_up]
    for row in paid:
        if row.amount_minor * MICROS_PER_CENT != top_ups[row.top_up_id].total_micros:
            found.append(f"{row.top_up_id} took {row.amount_minor} for {top_ups[row.top_up_id].total_micros}")
    found += await _postings(database, settled)
    told = {wire_id("top", row.id): row.state for row in top_ups.values()}
    for top_up, state in journal.top_ups.items():
        if top_up not in told or (state == "SETTLED" and told[top_up] != "SETTLED"):
            found.append(f"{top_up} was told as {state}, is {told.get(top_up)}")
    return found


async def _postings(database: Database, settled: dict[UUID, Any]) -> list[str]:
    """What the books took from cards for a top-up is what it cost, once."""
    posted: dict[UUID, int] = defaultdict(int)
    for row in await database.rows(POSTING.select().where(POSTING.c.source == "card")):
        if row.destination.startswith("wallet:") or row.destination == "tax":
            posted[row.top_up_id] += row.amount_micros
    failed = await database.rows(REFUND.select().where(REFUND.c.state == "FAILED"))
    for row in failed:
        posted[row.top_up_id] -= row.total_micros
    wanted = {each: row.total_micros for each, row in settled.items()}
    return [
        f"{each} posted {posted.get(each)}, wanted {wanted.get(each)}"
        for each in {*posted, *wanted}
        if posted.get(each) != wanted.get(each)
    ]


async def _refunds(database: Database, journal: Journal) -> list[str]:
    """Acknowledged refunds are there, and the processor gave back what the books say, once."""
    rows = await database.rows(REFUND.select())
    given: dict[str, int] = defaultdict(int)
    for row in rows:
        if row.state != "FAILED":
            given[wire_id("top", row.top_up_id)] += row.credits_micros
    wanted: dict[str, int] = defaultdict(int)
    for top_up, credits in journal.refunds.values():
        wanted[top_up] += credits
    found = [
        f"{each}: {given[each]} given back, {wanted[each]} told"
        for each in {*given, *wanted}
        if given[each] != wanted[each]
    ]
    card = {row.id: row.payment_terms == "CARD" for row in await database.rows(TOP_UP.select())}
    booked = {row.id: row.total_micros for row in rows if row.state == "SETTLED" and card[row.top_up_id]}
    at_processor = {row.id: row.amount_minor * MICROS_PER_CENT for row in await database.rows(SANDBOX_REFUND.select())}
    if booked != at_processor:
        found.append(f"refunds differ: {set(booked.items()) ^ set(at_processor.items())}")
    return found


async def _settings(database: Database, journal: Journal, slugs: dict[UUID, str]) -> list[str]:
    """Auto-recharge is as it was acknowledged last, unless declines switched it off."""
    rows = {slugs[row.office_id]: row for row in await database.rows(AUTO_RECHARGE.select())}
    found = []
    for slug, (is_enabled, amount) in journal.settings.items():
        row = rows.get(slug)
        kept = row and (row.is_enabled or row.is_switched_off, row.amount_micros)
        if kept != (is_enabled, amount) and not (row and row.is_switched_off):
            found.append(f"auto-recharge of {slug}: told {(is_enabled, amount)}, is {kept}")
    return found
