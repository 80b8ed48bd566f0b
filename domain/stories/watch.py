"""An office's alerts are judged: soon after it spent, when its local day ends, and when somebody asks (R38, R39)."""

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple
from uuid import UUID

from domain.alerts import Cause
from domain.ledger import WATCH_PAUSE, Books
from domain.ports import Door
from domain.renewal import renew
from domain.spending_rise import Rise, Upturn, compare_days, is_risen, main_cause, totals_of
from domain.watch_work import WatchWork
from domain.watching import WatchFacts, judge_alerts, next_watch

MOST_ON_DEMAND = 100
"""Offices that a reader waits for, the longest due first; a company where more spend at once leaves them to the
worker, seconds later."""


class Looked(NamedTuple):
    """Whose usage it was, for one upturn and no other."""

    upturn: Upturn
    parties: Sequence[Cause]


async def watch_due(door: Door, company_id: UUID | None, now: datetime) -> int:
    """Judges the alerts of every office that is due, of one company or of all; the number of offices.

    Safe to run anywhere, by many at once. One office that fails does not keep the others waiting. Raises
    ExceptionGroup with all that failed.
    """
    return await _watch(door, company_id, now, until=now, office_ids=None, limit=None)


async def watch_on_demand(
    door: Door, company_id: UUID, now: datetime, *, office_ids: Collection[UUID] | None = None
) -> int:
    """As `watch_due`, for a reader of these offices, or of all: without the pause after spending, so that an alert is
    never older than the page."""
    return await _watch(door, company_id, now, until=now + WATCH_PAUSE, office_ids=office_ids, limit=MOST_ON_DEMAND)


async def _watch(
    door: Door,
    company_id: UUID | None,
    now: datetime,
    *,
    until: datetime,
    office_ids: Collection[UUID] | None,
    limit: int | None,
) -> int:
    failures: list[Exception] = []
    due = await door.due_watches(company_id, until, office_ids=office_ids, limit=limit)
    for company, office in due:
        try:
            await _watch_office(door, company, office, now, until)
        except Exception as error:
            failures.append(error)
    if failures:
        raise ExceptionGroup(f"{len(failures)} of {len(due)} offices could not be watched.", failures)
    return len(due)


async def _watch_office(door: Door, company_id: UUID, office_id: UUID, now: datetime, until: datetime) -> None:
    """Whose usage it was takes a look at the charges: between two transactions, for whoever pays waits for the lock,
    and only of a rise whose figures are new."""
    judge = partial(_judge_office, door, company_id, office_id, now, until)
    upturn = await door.again(partial(judge, None))
    if upturn is not None:
        parties = await door.spending_by_party(company_id, office_id, upturn.compared)
        await door.again(partial(judge, Looked(upturn, parties)))


async def _judge_office(
    door: Door, company_id: UUID, office_id: UUID, now: datetime, until: datetime, looked: Looked | None
) -> Upturn | None:
    """The upturn of which somebody has to look whose usage it was; nothing is judged before.

    One that has changed since it was looked at has to wait for the next round, with the rises that stand; the rest is
    judged.
    """
    async with door.begin(company_id, now) as work:
        books = await work.lock_books(office_id)
        if books.funds.watch_due_at > until:
            return None  # another was here first
        renew(books)
        facts = await work.watch_facts(books)
        rise = await _find_rise(work, books, facts, looked)
        if isinstance(rise, Upturn) and looked is None:
            return rise
        judged = judge_alerts(books, facts, rise)
        # After everything that posts: a renewal brings the moment forward, and has just been judged.
        books.funds.watch_due_at = next_watch(books)
        if isinstance(rise, Upturn):
            books.watch_soon()
        await work.save_books(books)
        await work.save_alerts(books, judged)
    return None


async def _find_rise(work: WatchWork, books: Books, facts: WatchFacts, looked: Looked | None) -> Rise | Upturn | None:
    """With its cause: the one that stands while its figures do, or the main one of what was looked up for them."""
    compared = compare_days(books.funds.current, facts.earlier, books.now)
    if compared is None:
        return None
    spending = await work.spending(books, compared)
    upturn = Upturn(compared, *totals_of(spending))
    if not is_risen(upturn.current_micros, upturn.previous_micros, facts.thresholds):
        return None
    cause = facts.standing_cause(books.funds.current.month, upturn.current_micros, upturn.previous_micros)
    if cause is None and looked is not None and looked.upturn == upturn:
        cause = main_cause(spending, looked.parties)
    return Rise(compared.period, upturn.current_micros, upturn.previous_micros, cause) if cause else upturn
