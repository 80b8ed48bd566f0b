"""The demo company: half a year of usage of three offices, charged by the real engine in the order of time.

Nothing here writes past the rules. The company and its deck go in by their stories, usage by `record_usage`, a few
local days at a time with the clock at their end, so that billing cycles begin, end and close on the way.

A load that was broken off is completed by the next one, and one that runs weeks later adds the days since: a day of
an office is recorded in one transaction, so it is there as a whole or not at all. What is there is left alone.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row

from api.company_file import read_company_file
from api.demo.usage import SOURCE, DemoOffice
from api.imports.rates import read_deck
from domain.access import Role, Scope, Viewer
from domain.charging import Outcome
from domain.errors import AlreadyReversed, NotFound, RateConflict
from domain.periods import YearMonth
from domain.provisioning import CompanyPlan
from domain.stories.charge import record_usage, reverse_usage
from domain.stories.provision import apply_company, load_deck
from persistence.begin import Begin
from persistence.database import Database
from persistence.offices import read_billing_cycles, read_company

COMPANY_FILE = Path(__file__).with_name("company.yaml")
RATES_FILE = Path(__file__).with_name("rates.csv")
DEMO_COMPANY = "harrowgale"
"""Its slug, as it stands in the file."""
CARD = "demo"
MONTHS = 6
STRETCH_DAYS = 3
"""Recorded at once. A cycle that ends on the first of them is still open at the end of the last: its window is longer
than the two days between (R10)."""
RATES_LEAD = timedelta(days=31)
"""The deck is in force before the first usage, also where the first day begins earlier than in Greenwich."""
REVERSAL_KEY = "demo-conference"
REVERSAL_REASON = "A conference bridge did not hang up."
AN_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSummary:
    """What one run did."""

    company_slug: str
    is_new: bool
    """Whether this run made the company."""
    begins_on: date
    day_count: int
    """Office days recorded in this run; 0 when everything was there."""
    outcomes: Mapping[Outcome, int]
    """Events by what became of them in this run."""

    @property
    def text(self) -> str:
        """One line for whoever asked for the demo."""
        if not self.day_count:
            return f"The demo company {self.company_slug} is complete, nothing to do."
        counts = ", ".join(f"{count:,} {outcome.lower()}" for outcome, count in sorted(self.outcomes.items()))
        what = "Loaded the" if self.is_new else "Completed the"
        return f"{what} demo company {self.company_slug}, from {self.begins_on} on: {counts}."


class _Stretch(NamedTuple):
    """A few local days of an office, recorded at once. Sorts by when they are over."""

    ends_at: datetime
    slug: str
    days: tuple[date, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Demo:
    """The demo company as a load finds it."""

    begin: Begin
    viewer: Viewer
    company_id: UUID
    now: datetime
    offices: Mapping[str, DemoOffice]
    newest_cycles: Mapping[str, datetime]
    """When each office's newest billing cycle starts."""

    def clock(self, stretch: _Stretch, first_day: date) -> tuple[datetime, bool]:
        """The moment at which a stretch is recorded from a day on, and whether that is a backfill.

        That is its end, unless the office is in a later cycle already, because somebody looked at a demo that
        was never completed, or is older than a month. Then it comes afterwards, and is booked as if it had not (R10).
        """
        has_moved_on = self.newest_cycles[stretch.slug] > self.offices[stretch.slug].starts_at(first_day)
        return (self.now, True) if has_moved_on else (stretch.ends_at, False)


async def load_demo(
    begin: Begin,
    database: Database,
    *,
    now: datetime,
    report: Callable[[int, int], None] | None = None,
    days: int | None = None,
) -> DemoSummary:
    """Load the demo company, complete it, or bring it up to date. Safe to run at any time.

    Every local day is recorded that is over when the UTC day of `now` begins: a date has the same figures at any hour.
    `days` stops after so many days of each office. `report` hears how many batches are done, and of how many.
    """
    plan = read_company_file(COMPANY_FILE)
    company, is_new = await _set_up(begin, database, plan, now)
    demo = await _look(begin, database, plan, company, now)
    midnight = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    stretches = [_stretches(office, office.days_until(midnight)[:days]) for office in demo.offices.values()]
    calendar = sorted(chain.from_iterable(stretches))
    recorded = await _recorded(demo, calendar)
    outcomes: Counter[Outcome] = Counter()
    for place, stretch in enumerate(calendar, start=1):
        outcomes += await _record(demo, stretch, recorded)
        await _give_back(demo, stretch)
        if report is not None:
            report(place, len(calendar))
    return DemoSummary(
        company_slug=plan.slug,
        is_new=is_new,
        begins_on=company.created_at.date(),
        day_count=sum(len(stretch.days) for stretch in calendar) - len(recorded),
        outcomes=outcomes,
    )


def _stretches(office: DemoOffice, days: Sequence[date]) -> Iterator[_Stretch]:
    """Always cut at the same days, however many there are."""
    for first in range(0, len(days), STRETCH_DAYS):
        some = tuple(days[first : first + STRETCH_DAYS])
        yield _Stretch(office.ends_at(some[-1]), office.slug, some)


async def _set_up(begin: Begin, database: Database, plan: CompanyPlan, now: datetime) -> tuple[Row[Any], bool]:
    """The company, and whether it is new. Whoever changed it or its rates since keeps his changes."""
    operator = Scope.of(_operator(None, now))
    company = await read_company(database, operator, slug=plan.slug)
    is_new = company is None
    if company is None:
        await apply_company(begin, plan, now=_beginning(now))
        company = await read_company(database, operator, slug=plan.slug)
    if company is None:
        raise NotFound(f"The company {plan.slug!r} is not there although it was just applied: run this again.")
    rates = [rate for _, rate in read_deck(RATES_FILE).rates]
    since = company.created_at - RATES_LEAD
    with suppress(RateConflict):
        await load_deck(begin, company.company_id, card=CARD, rates=rates, effective_from=since, now=company.created_at)
    return company, is_new


def _beginning(now: datetime) -> datetime:
    """The first of the month half a year ago, at noon: it is that day in each of the demo's zones."""
    today = now.astimezone(UTC)
    month = YearMonth(today.year, today.month).plus(-MONTHS)
    return datetime(month.year, month.month, 1, 12, tzinfo=UTC)


def _operator(company_id: UUID | None, now: datetime) -> Viewer:
    return Viewer(
        subject=SOURCE,
        name="Demo",
        role=Role.OPERATOR,
        company_id=company_id,
        office_ids=None,
        has_billing=False,
        scopes=frozenset(),
        expires_at=now + AN_HOUR,
    )


async def _look(begin: Begin, database: Database, plan: CompanyPlan, company: Row[Any], now: datetime) -> _Demo:
    viewer = _operator(company.company_id, now)
    offices = [DemoOffice(plan, office.slug, company.created_at.date()) for office in plan.offices]
    ids = await begin.find_offices(company.company_id, [office.reference for office in offices])
    cycles = await read_billing_cycles(database, Scope.of(viewer), office_ids=ids.values(), now=now, limit=1)
    newest = {cycle.office_id: cycle.starts_at for cycle in cycles}
    return _Demo(
        begin=begin,
        viewer=viewer,
        company_id=company.company_id,
        now=now,
        offices={office.slug: office for office in offices},
        newest_cycles={office.slug: newest[ids[office.reference]] for office in offices},
    )


async def _recorded(demo: _Demo, calendar: Sequence[_Stretch]) -> set[tuple[str, date]]:
    """(Slug, day) of what is there already. A day comes whole or not at all, so any of its events tells."""
    keys = {
        (SOURCE, demo.offices[stretch.slug].any_event_of(day)): (stretch.slug, day)
        for stretch in calendar
        for day in stretch.days
    }
    async with demo.begin.begin(demo.company_id, demo.now) as work:
        known = await work.known(list(keys))
    return {day for key, day in keys.items() if key in known.charges or key in known.rejections}


async def _record(demo: _Demo, stretch: _Stretch, recorded: Container[tuple[str, date]]) -> Counter[Outcome]:
    office = demo.offices[stretch.slug]
    days = [day for day in stretch.days if (stretch.slug, day) not in recorded]
    if not days:
        return Counter()
    events = [event for day in days for event in office.events(day)]
    moment, is_backfill = demo.clock(stretch, days[0])
    decisions = await record_usage(demo.begin, demo.viewer, events, now=moment, is_backfill=is_backfill)
    return Counter(decision.outcome for decision in decisions)


async def _give_back(demo: _Demo, stretch: _Stretch) -> None:
    """One charge of the whole demo. Asked for in every run, because a load may have ended just before it."""
    office = demo.offices[stretch.slug]
    key = SOURCE, next(filter(None, map(office.reversed_event, stretch.days)), "")
    if not key[1]:
        return
    async with demo.begin.begin(demo.company_id, demo.now) as work:
        known = await work.known([key])
    if key in known.charges:
        charge_id, (moment, _) = known.charges[key].id, demo.clock(stretch, stretch.days[0])
        with suppress(AlreadyReversed):
            await reverse_usage(
                demo.begin, demo.viewer, charge_id, key=REVERSAL_KEY, reason=REVERSAL_REASON, now=moment
            )
