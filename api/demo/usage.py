"""The usage of one office of the demo company on one local day: always the same, whenever it is asked for.

The dice are thrown anew for every office and day, and ids are made of both, so that a load that was broken off, or is
run again weeks later, meets the same events under the same ids.
"""

from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate
from random import Random
from zoneinfo import ZoneInfo

from api.demo.desk import Desk, Happening, reference
from api.demo.recipes import happen
from api.demo.traffic import (
    AROUND_THE_CLOCK,
    GROWTH,
    GROWTH_DAYS,
    NEW_YORK,
    OFFICE_HOURS,
    OFFICE_WEEK,
    OFFICES,
    QUIET_DAYS,
    QUIET_PART,
    ROUND_HOURS,
    ROUND_WEEK,
    Recipe,
)
from domain.periods import CycleTerms, YearMonth, cycle_containing, first_instant, local_day
from domain.provisioning import CompanyPlan
from domain.usage import OfficeReference, UsageEvent

SOURCE = "demo"
REVERSED_ON = 172
"""The day, counted from the first, on which New York holds the conference that is given back."""
NEGOTIATED_IN = 6
"""Months after the first: the one in which the demo is loaded."""
SATURDAY = 5
FORGOTTEN_FOR = timedelta(days=7)
REPORTED_IN = 5
"""On its fifth day a cycle hears of a fax from the one before, which is closed by then (R10)."""
HOURS = 24
SECONDS_AN_HOUR = 3_600

_OFFICE_CURVE = tuple(accumulate(OFFICE_HOURS))
_ROUND_CURVE = tuple(accumulate(ROUND_HOURS))


class DemoOffice:
    """One office: its clock, its cycles, and its usage day by day."""

    def __init__(self, plan: CompanyPlan, slug: str, begins_on: date) -> None:
        office = next(office for office in plan.offices if office.slug == slug)
        traffic = next(traffic for traffic in OFFICES if traffic.slug == slug)
        self.slug = slug
        self.reference = OfficeReference(slug=slug)
        self._volumes = tuple(traffic.volumes.items())
        self._unwelcome_every_days = traffic.unwelcome_every_days
        self._desk = Desk(traffic, plan)
        self._terms = CycleTerms(time_zone=office.time_zone, anchor_day=office.anchor_day)
        self._zone = ZoneInfo(office.time_zone)
        self._begins_on = begins_on

    def starts_at(self, day: date) -> datetime:
        """When a local day begins."""
        return first_instant(day, self._terms.time_zone)

    def ends_at(self, day: date) -> datetime:
        """When a local day is over."""
        return self.starts_at(day + timedelta(days=1))

    def days_until(self, until: datetime) -> list[date]:
        """All days since the demo began that are over by then."""
        count = (local_day(until, self._terms.time_zone) - self._begins_on).days
        return [self._begins_on + timedelta(days=at) for at in range(count)]

    def any_event_of(self, day: date) -> str:
        """An id that is known exactly when the day's usage has been recorded, which happens all at once."""
        return self._event_id(day, 0)

    def reversed_event(self, day: date) -> str | None:
        """The id of the day's usage that is given back when the day is over; nearly always none."""
        is_the_day = self.slug == NEW_YORK.slug and day == self._begins_on + timedelta(days=REVERSED_ON)
        return f"{self._event_id(day, 0)}-conference" if is_the_day else None

    def is_negotiating(self, day: date) -> bool:
        """Every weekday of New York's newest month when the demo is loaded: the rise that its banner shows."""
        begins = YearMonth(self._begins_on.year, self._begins_on.month)
        month = YearMonth(day.year, day.month)
        is_the_month = self.slug == NEW_YORK.slug and month == begins.plus(NEGOTIATED_IN)
        return is_the_month and day.weekday() < SATURDAY

    def events(self, day: date) -> list[UsageEvent]:
        """Everything reported on a day, in order of time; never nothing."""
        dice = Random(f"{self.slug} {day.isoformat()}")  # noqa: S311 - a story, not a secret
        happened = [
            (self._moment(dice, day, recipe), happen(self._desk, recipe, dice))
            for recipe, count in self._counts(dice, day)
            for _ in range(count)
        ]
        if day.toordinal() % self._unwelcome_every_days == 0:
            happened.append((self._moment(dice, day, Recipe.CALL_ABROAD), self._desk.unwelcome_call(dice)))
        happened.sort(key=lambda entry: entry[0])
        events = [self._event(self._event_id(day, at), *entry) for at, entry in enumerate(happened)]
        return [*events, *self._oddities(dice, day)]

    def _oddities(self, dice: Random, day: date) -> list[UsageEvent]:
        oddities: list[UsageEvent] = []
        reversed_event = self.reversed_event(day)
        if reversed_event is not None:
            at = self._moment(dice, day, Recipe.CALL_ABROAD)
            oddities.append(self._event(reversed_event, at, self._desk.endless_call(dice)))
        if self.is_negotiating(day):
            at = self._moment(dice, day, Recipe.CALL_ABROAD)
            oddities.append(self._event(f"{self._event_id(day, 0)}-supplier", at, self._desk.negotiation(dice)))
        cycle = cycle_containing(self.starts_at(day), self._terms)
        then = day - FORGOTTEN_FOR
        is_day = day - local_day(cycle.starts_at, self._terms.time_zone) == timedelta(days=REPORTED_IN - 1)
        if is_day and then >= self._begins_on:
            at = self._moment(dice, then, Recipe.FAX_IN)
            oddities.append(self._event(f"{self._event_id(day, 0)}-late", at, happen(self._desk, Recipe.FAX_IN, dice)))
        return oddities

    def _counts(self, dice: Random, day: date) -> list[tuple[Recipe, int]]:
        """How often each recipe happens: its volume, by weekday and growth, fractions by chance."""
        grown = 1 + GROWTH * min((day - self._begins_on).days / GROWTH_DAYS, 1)
        quiet = QUIET_PART if (day.month, day.day) in QUIET_DAYS else 1
        office = OFFICE_WEEK[day.weekday()] * grown * quiet * dice.uniform(0.85, 1.15)
        machines = ROUND_WEEK[day.weekday()] * grown * dice.uniform(0.85, 1.15)
        counts = [
            (recipe, int(volume * (machines if recipe in AROUND_THE_CLOCK else office) + dice.random()))
            for recipe, volume in self._volumes
        ]
        return counts if any(count for _, count in counts) else [(Recipe.CALL_IN, 1)]

    def _moment(self, dice: Random, day: date, recipe: Recipe) -> datetime:
        curve = _ROUND_CURVE if recipe in AROUND_THE_CLOCK else _OFFICE_CURVE
        hour = dice.choices(range(HOURS), cum_weights=curve)[0]
        seconds = hour * SECONDS_AN_HOUR + dice.randrange(SECONDS_AN_HOUR)
        return (datetime.combine(day, time(), self._zone) + timedelta(seconds=seconds)).astimezone(UTC)

    def _event_id(self, day: date, number: int) -> str:
        return f"{self.slug}-{day:%Y%m%d}-{number:03d}"

    def _event(self, event_id: str, at: datetime, happening: Happening) -> UsageEvent:
        return UsageEvent(
            source=SOURCE,
            event_id=event_id,
            occurred_at=at,
            usage=happening.usage,
            office=self.reference,
            member=reference(happening.member),
            group=reference(happening.group),
            contact=reference(happening.contact),
        )
