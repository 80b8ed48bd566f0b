"""An office's alerts are judged: soon after it spent, when its local day ends, and when somebody asks (R38, R39)."""

from datetime import datetime
from functools import partial
from uuid import UUID

from domain.ledger import WATCH_PAUSE, Books
from domain.ports import Door
from domain.renewal import renew
from domain.spending_rise import Rise, compare_days, is_risen, main_cause, totals_of
from domain.watch_work import WatchWork
from domain.watching import WatchFacts, judge_alerts, next_watch

MOST_ON_DEMAND = 100
"""Offices that a reader waits for, the longest due first; a company where more spend at once leaves them to the
worker, seconds later."""


async def watch_due(door: Door, company_id: UUID | None, now: datetime) -> int:
    """Judges the alerts of every office that is due, of one company or of all; the number of offices.

    Safe to run anywhere, by many at once. One office that fails does not keep the others waiting. Raises
    ExceptionGroup with all that failed.
    """
    return await _watch(door, company_id, now, until=now, limit=None)


async def watch_on_demand(door: Door, company_id: UUID, now: datetime) -> int:
    """As `watch_due`, for a reader: without the pause after spending, so that an alert is never older than the page."""
    return await _watch(door, company_id, now, until=now + WATCH_PAUSE, limit=MOST_ON_DEMAND)


async def _watch(door: Door, company_id: UUID | None, now: datetime, *, until: datetime, limit: int | None) -> int:
    failures: list[Exception] = []
    due = await door.due_watches(company_id, until, limit=limit)
    for company, office in due:
        try:
            await door.again(partial(_watch_office, door, company, office, now, until))
        except Exception as error:
            failures.append(error)
    if failures:
        raise ExceptionGroup(f"{len(failures)} of {len(due)} offices could not be watched.", failures)
    return len(due)


async def _watch_office(door: Door, company_id: UUID, office_id: UUID, now: datetime, until: datetime) -> None:
    async with door.begin(company_id, now) as work:
        books = await work.lock_books(office_id)
        if books.funds.watch_due_at > until:
            return  # another was here first
        renew(books)
        facts = await work.watch_facts(books)
        judged = judge_alerts(books, facts, await _find_rise(work, books, facts))
        # After everything that posts: a renewal brings the moment forward, and has just been judged.
        books.funds.watch_due_at = next_watch(books)
        await work.save_books(books)
        await work.save_alerts(books, judged)


async def _find_rise(work: WatchWork, books: Books, facts: WatchFacts) -> Rise | None:
    """Whose usage it was takes a look at the charges: only when spending is up, and not again until figures change."""
    compared = compare_days(books.funds.current, facts.earlier, books.now)
    if compared is None:
        return None
    spending = await work.spending(books, compared)
    current, previous = totals_of(spending)
    if not is_risen(current, previous, facts.thresholds):
        return None
    cause = facts.standing_cause(books.funds.current.month, current, previous)
    if cause is None:
        cause = main_cause(spending, await work.spending_by_party(books, compared))
    return Rise(compared.period, current, previous, cause)
