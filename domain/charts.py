"""Charts: what usage is summed by, the sums, and which earlier period stands beside which.

A period is known by its first day: a local day itself, the Monday of a week, the first of the month that labels a
billing cycle. Where two stretches are compared, days and weeks are matched from the start and cycles from the end.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple

from domain.catalogue import USAGE_UNITS, Service, UsageUnit, WalletSource
from domain.errors import InvalidInput
from domain.explanation import sources_of
from domain.money import Micros
from domain.periods import YearMonth


class UsageDimension(StrEnum):
    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"
    SERVICE = "SERVICE"
    USAGE_TYPE = "USAGE_TYPE"
    WALLET_SOURCE = "WALLET_SOURCE"
    OFFICE = "OFFICE"
    MEMBER = "MEMBER"
    GROUP = "GROUP"
    DESTINATION_REGION = "DESTINATION_REGION"


PERIODS = frozenset({UsageDimension.DAY, UsageDimension.WEEK, UsageDimension.MONTH})


class Grouping(NamedTuple):
    """The two axes of a chart, either of which may be missing."""

    period: UsageDimension | None
    other: UsageDimension | None


def grouping(dimensions: Sequence[UsageDimension]) -> Grouping:
    """Raises InvalidInput unless they are one period, one other dimension, or one of each."""
    periods = [dimension for dimension in dimensions if dimension in PERIODS]
    others = [dimension for dimension in dimensions if dimension not in PERIODS]
    if not dimensions or len(periods) > 1 or len(others) > 1:
        raise InvalidInput(
            "Group by one or two dimensions: at most one of DAY, WEEK and MONTH, and at most one of the others.",
            field=("groupBy",),
        )
    return Grouping(periods[0] if periods else None, others[0] if others else None)


@dataclass(slots=True)
class Figures:
    """Sums of charges; those of reversals are negative."""

    count: int = 0
    plan_micros: Micros = 0
    cost_micros: Micros = 0
    """What wallets paid (R22)."""
    quantities: dict[UsageUnit, int] = field(default_factory=dict)

    @property
    def list_price_micros(self) -> Micros:
        return self.plan_micros + self.cost_micros

    @property
    def rank(self) -> tuple[int, int, int]:
        """What costs most sorts first."""
        return (-self.cost_micros, -self.list_price_micros, -self.count)

    def add(self, sums: "Sums") -> None:
        self.count += sums.charge_count
        self.plan_micros += sums.plan_micros
        self.cost_micros += sums.commitment_micros + sums.universal_micros
        unit = USAGE_UNITS[sums.service]
        self.quantities[unit] = self.quantities.get(unit, 0) + sums.quantity

    def join(self, others: "Figures") -> None:
        self.count += others.count
        self.plan_micros += others.plan_micros
        self.cost_micros += others.cost_micros
        for unit, quantity in others.quantities.items():
            self.quantities[unit] = self.quantities.get(unit, 0) + quantity


class Sums(NamedTuple):
    """Charges of one service, summed."""

    service: Service
    charge_count: int
    quantity: int
    plan_micros: Micros
    commitment_micros: Micros
    universal_micros: Micros


def by_source(sums: Sums, sources: int) -> Iterator[tuple[WalletSource | None, Sums]]:
    """What each of a set of payers paid of charges that these paid together; None where nobody paid anything.

    Every charge counts, with its whole quantity, for each of its payers.
    """
    payers = sources_of(sums.service, sources)
    if not payers:
        yield None, sums
    for payer in payers:
        yield (
            payer,
            sums._replace(
                plan_micros=sums.plan_micros if payer is WalletSource.PLAN else 0,
                commitment_micros=sums.commitment_micros
                if payer in (WalletSource.CALLING, WalletSource.AI_AGENT)
                else 0,
                universal_micros=sums.universal_micros if payer is WalletSource.UNIVERSAL else 0,
            ),
        )


class DayMatch(NamedTuple):
    """Days are matched from the start of two stretches; weeks likewise, when both begin on a Monday."""

    starts_on: date
    last_day: date
    earlier_starts_on: date

    def beside(self, day: date) -> date | None:
        """Where an earlier period is shown. None: it has no counterpart, as the 31st day beside a shorter cycle."""
        shown = self.starts_on + (day - self.earlier_starts_on)
        return None if shown > self.last_day else shown


class CycleMatch(NamedTuple):
    """Billing cycles are matched from the end: the last of two stretches with each other."""

    first_month: YearMonth
    shift: int
    """Cycles from the last of the earlier stretch to the last of the other."""

    def beside(self, starts_on: date) -> date | None:
        month = YearMonth(starts_on.year, starts_on.month).plus(self.shift)
        return None if month < self.first_month else first_day(month)


def first_day(month: YearMonth) -> date:
    """What a chart knows a cycle by."""
    return date(month.year, month.month, 1)


def monday(day: date) -> date:
    """The first day of its week."""
    return day - timedelta(days=day.weekday())
