"""Where the sums of a chart come from: the rollup by day, the one by cycle, or the charges themselves.

The first that keeps all that a question asks about answers it; charges are read for a bounded time only. All three give
the same figures, which are those of the list.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Date,
    Subquery,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    null,
    or_,
    select,
    true,
)

from domain.access import Scope
from domain.charts import Grouping, UsageDimension
from domain.errors import InvalidInput
from persistence.history import HistoryFilter, fitting, is_either_end, narrowed
from persistence.offices import visible
from persistence.stretches import Part, Stretches
from persistence.tables import NO_ONE, Id
from persistence.tables.charging import CHARGE, USAGE_BY_CYCLE, USAGE_BY_DAY
from persistence.tables.company import OFFICE

MAX_SCAN = timedelta(days=92, hours=1)
"""A quarter, and the hour by which clocks may be put back in it."""
MEASURES = ("charge_count", "quantity", "plan_micros", "commitment_micros", "universal_micros")
DAYS = frozenset({UsageDimension.DAY, UsageDimension.WEEK})

Key = UUID | str | None
"""What a row is of in one dimension. None: the usage has no such thing, as a call of no member."""

_PARTIES = frozenset({UsageDimension.MEMBER, UsageDimension.GROUP})
_COLUMNS = {
    UsageDimension.SERVICE: "service",
    UsageDimension.USAGE_TYPE: "usage_type",
    UsageDimension.OFFICE: "office_id",
    UsageDimension.MEMBER: "member_id",
    UsageDimension.GROUP: "group_id",
    UsageDimension.DESTINATION_REGION: "region_code",
}


class Source(Enum):
    BY_DAY = "usage_by_day"
    BY_CYCLE = "usage_by_cycle"
    CHARGES = "charge"

    @property
    def table(self) -> Any:
        return {Source.BY_DAY: USAGE_BY_DAY, Source.BY_CYCLE: USAGE_BY_CYCLE, Source.CHARGES: CHARGE}[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    wanted: HistoryFilter
    grouping: Grouping
    top: int
    """How many values of the other dimension have rows of their own."""
    compares: bool = False


def source_of(question: Question, stretches: Stretches) -> Source:
    """Raises InvalidInput when only the charges could tell, and the time is not bounded."""
    if fits_days(question) and stretches.are_whole_days:
        return Source.BY_DAY
    if fits_cycles(question):
        return Source.BY_CYCLE
    first, end = question.wanted.occurred_from, question.wanted.occurred_until
    is_short = first is not None and end is not None and end - first <= MAX_SCAN
    if question.wanted.month is None and not is_short:
        raise InvalidInput(
            "This has to be summed from the records themselves: bound it by `month`, or by both sides of `occurredAt`,"
            f" at most {MAX_SCAN.days} days apart.",
            field=("filter",),
        )
    return Source.CHARGES


def fits_days(question: Question) -> bool:
    """Whether the filter and the other dimension, the time aside, are keys of the rollup by day."""
    wanted = question.wanted
    is_of_parties = wanted.member_id or wanted.group_id or question.grouping.other in _PARTIES
    return not is_of_parties and not _is_of_charges(wanted)


def fits_cycles(question: Question) -> bool:
    wanted, (period, other) = question.wanted, question.grouping
    sides = (wanted.occurred_from, wanted.occurred_until, wanted.direction, wanted.destination_regions)
    is_of_keys = period not in DAYS and other is not UsageDimension.DESTINATION_REGION
    return is_of_keys and all(side is None for side in sides) and not _is_of_charges(wanted)


def _is_of_charges(wanted: HistoryFilter) -> bool:
    """Whether a side is asked for that no rollup keeps."""
    sides = (wanted.contact_id, wanted.phone_number, wanted.cost_min_micros, wanted.cost_max_micros)
    return any(side is not None for side in (*sides, wanted.is_booked_late))


@dataclass(frozen=True, slots=True)
class ChartFacts:
    """The rows of one source that answer one question."""

    scope: Scope
    question: Question
    source: Source
    is_sqlite: bool

    def of(self, parts: Sequence[Part], ranked: Sequence[Key] | None = None) -> Subquery:
        """As `period`, `shown`, `is_other`, `service`, `sources` and MEASURES.

        With `ranked`, the values of the other dimension that are not among them become one. `sources` is 0 unless
        the question is about them.
        """
        table, other = self.source.table, self.question.grouping.other
        shown: ColumnElement[Any] = table.c[_COLUMNS[other]] if other in _COLUMNS else null()
        is_other: ColumnElement[Any] = literal(0)
        if ranked is not None and other in _COLUMNS:
            is_own = is_among(shown, ranked)
            is_other, shown = case((is_own, 0), else_=1), case((is_own, shown), else_=null())
        sources = table.c.sources if other is UsageDimension.WALLET_SOURCE else literal(0)
        count = literal(1) if self.source is Source.CHARGES else table.c.charge_count
        return (
            select(
                self._period().label("period"),
                shown.label("shown"),
                is_other.label("is_other"),
                table.c.service,
                sources.label("sources"),
                count.label("charge_count"),
                *(table.c[name] for name in MEASURES[1:]),
            )
            .where(*self._conditions(parts))
            .subquery("facts")
        )

    def _period(self) -> ColumnElement[Any]:
        table, period = self.source.table, self.question.grouping.period
        if period is None:
            return null()
        if period is UsageDimension.MONTH:
            return table.c.month  # type: ignore[no-any-return]
        if period is UsageDimension.DAY:
            return table.c.local_day  # type: ignore[no-any-return]
        if self.is_sqlite:
            return func.date(table.c.local_day, "weekday 0", "-6 days", type_=Date)
        return cast(func.date_trunc("week", table.c.local_day), Date)

    def _conditions(self, parts: Sequence[Part]) -> list[ColumnElement[bool]]:
        table, wanted = self.source.table, self.question.wanted
        timeless = replace(wanted, month=None, occurred_from=None, occurred_until=None)
        in_time = or_(false(), *map(self._during, parts))
        conditions = [*narrowed(self.scope, wanted, table), *fitting(timeless, table), in_time]
        if wanted.phone_number is not None:
            conditions.append(is_either_end(wanted.phone_number))
        elif self.scope.office_ids is None and wanted.office_ids is None:
            # Office by office: keys and indexes lead to the month or days of each, and not to the whole company.
            offices = select(OFFICE.c.id).where(visible(self.scope, OFFICE.c.id, OFFICE.c.company_id))
            conditions.append(table.c.office_id.in_(offices))
        return conditions

    def _during(self, part: Part) -> ColumnElement[bool]:
        table, is_by_day = self.source.table, self.source is Source.BY_DAY
        first, end = part.days if is_by_day else part.moments
        at = table.c.local_day if is_by_day else CHARGE.c.occurred_at
        conditions: list[ColumnElement[bool]] = [true()]
        if part.office_ids is not None:
            conditions.append(table.c.office_id.in_(part.office_ids))
        if part.month is not None:
            conditions.append(table.c.month == part.month)
        if first is not None:
            conditions.append(at >= first)
        if end is not None:
            conditions.append(at < end)
        return and_(*conditions)


def is_among(column: ColumnElement[Any], keys: Sequence[Key]) -> ColumnElement[bool]:
    """Never null. Rollups write an empty text or the nil id where charges have null."""
    is_own = and_(column.is_not(None), column.in_([key for key in keys if key is not None]))
    nothing = NO_ONE if isinstance(column.type, Id) else ""
    return or_(is_own, column.is_(None), column == nothing) if None in keys else is_own


def key_of(value: Any) -> Key:
    return None if value in ("", NO_ONE) else value
