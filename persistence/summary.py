"""Sums of usage for charts: by period, by one more dimension, with the stretch before beside them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, and_, distinct, func, not_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.access import Scope
from domain.catalogue import Service
from domain.charts import Figures, Sums, UsageDimension, by_source, first_day
from domain.errors import InvalidInput
from domain.periods import YearMonth
from persistence.chart_facts import DAYS, MEASURES, ChartFacts, Key, Question, fits_days, is_among, key_of, source_of
from persistence.database import Database
from persistence.stretches import Part, Stretches, read_stretches
from persistence.tables.company import GROUP, MEMBER, OFFICE

MAX_PERIODS = 400
_A_DAY = timedelta(days=1)

_NAMED_IN: Mapping[UsageDimension | None, Any] = {
    UsageDimension.OFFICE: OFFICE,
    UsageDimension.MEMBER: MEMBER,
    UsageDimension.GROUP: GROUP,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryRow:
    period: date | None
    key: Key
    named: Row[Any] | None
    """The office, member or group that the key is of."""
    is_other: bool
    usage: Figures
    previous: Figures | None


async def read_usage_summary(database: Database, scope: Scope, *, question: Question) -> list[SummaryRow]:
    """By period, then by rank: what cost most in the whole time first, the rest last. Raises InvalidInput."""

    async def look(connection: AsyncConnection) -> list[SummaryRow]:
        stretches = await read_stretches(
            connection,
            scope,
            wanted=question.wanted,
            period=question.grouping.period,
            needs_days=fits_days(question),
            compares=question.compares,
        )
        facts = ChartFacts(scope, question, source_of(question, stretches), database.is_sqlite)
        return await sum_up(connection, facts, stretches)

    return await database.read(look, may_lag=True)


async def sum_up(connection: AsyncConnection, facts: ChartFacts, stretches: Stretches) -> list[SummaryRow]:
    reading = _Reading(connection, facts, stretches)
    await reading.refuse_too_many_periods()
    ranked = await reading.ranked()
    usage = await reading.cells(stretches.asked, ranked)
    previous = None if stretches.earlier is None else await reading.previous(stretches.earlier, ranked)
    cells = usage.keys() | (previous or {}).keys()
    if len({cell.period for cell in cells}) > MAX_PERIODS:
        raise _too_many_periods()
    places = {key: place for place, key in enumerate(ranked)}
    named = await reading.named(ranked)
    return [
        SummaryRow(
            period=cell.period,
            key=cell.key,
            named=named.get(cell.key),
            is_other=cell.is_other,
            usage=usage.get(cell, Figures()),
            previous=None if previous is None else previous.get(cell, Figures()),
        )
        for cell in sorted(cells, key=lambda cell: (cell.period or date.min, cell.is_other, places.get(cell.key, 0)))
    ]


class _Cell(NamedTuple):
    """Where a sum belongs."""

    period: date | None
    key: Key
    is_other: bool


Cells = dict[_Cell, Figures]


class _Reading:
    """One question being answered from one source."""

    def __init__(self, connection: AsyncConnection, facts: ChartFacts, stretches: Stretches) -> None:
        self._connection = connection
        self._facts = facts
        self._stretches = stretches
        self._period, self._other = facts.question.grouping
        self._top = facts.question.top
        self._is_of_sources = self._other is UsageDimension.WALLET_SOURCE

    async def refuse_too_many_periods(self) -> None:
        """Before they are read; in a cycle or a short time there are few, and those are counted when they are there."""
        if self._period in DAYS and not self._is_short():
            facts = self._facts.of(self._stretches.asked)
            counted = await self._connection.execute(select(func.count(distinct(facts.c.period))))
            if counted.scalar_one() > MAX_PERIODS:
                raise _too_many_periods()

    def _is_short(self) -> bool:
        wanted = self._facts.question.wanted
        first, end = wanted.occurred_from, wanted.occurred_until
        is_bounded = first is not None and end is not None and end - first < MAX_PERIODS * _A_DAY
        return wanted.month is not None or is_bounded

    async def ranked(self) -> list[Key]:
        """The values that have rows of their own; where the asked time has too few, those of the earlier one too."""
        if self._other is None:
            return [None]
        ranked: list[Key] = []
        for parts in (self._stretches.asked, self._stretches.earlier):
            if parts and len(ranked) < self._top:
                lead = self._leading_sources if self._is_of_sources else self._leading
                ranked += await lead(parts, ranked, self._top - len(ranked))
        return ranked

    async def _leading(self, parts: Sequence[Part], besides: Sequence[Key], limit: int) -> list[Key]:
        facts = self._facts.of(parts).c
        cost = func.sum(facts.commitment_micros + facts.universal_micros).label("cost")
        plan, count = func.sum(facts.plan_micros).label("plan"), func.sum(facts.charge_count).label("records")
        sums = select(facts.shown, cost, plan, count).group_by(facts.shown).subquery("sums")
        statement = select(sums.c.shown)
        name: ColumnElement[Any] = sums.c.shown
        table = _NAMED_IN.get(self._other)
        if table is not None:
            is_named = and_(table.c.company_id == self._facts.scope.company_id, table.c.id == sums.c.shown)
            statement, name = statement.outerjoin(table, is_named), func.coalesce(func.lower(table.c.name), "")
        if besides:
            statement = statement.where(not_(is_among(sums.c.shown, besides)))
        order = (sums.c.cost.desc(), (sums.c.cost + sums.c.plan).desc(), sums.c.records.desc(), name, sums.c.shown)
        rows = await self._connection.execute(statement.order_by(*order).limit(limit))
        return [key_of(row.shown) for row in rows]

    async def _leading_sources(self, parts: Sequence[Part], besides: Sequence[Key], limit: int) -> list[Key]:
        figures: dict[Key, Figures] = {}
        for cell, sums in _by_source(await self._sums(parts, None)):
            if cell.key not in besides:
                figures.setdefault(cell.key, Figures()).add(sums)
        return sorted(figures, key=lambda key: (*figures[key].rank, str(key or "")))[:limit]

    async def _sums(self, parts: Sequence[Part], ranked: Sequence[Key] | None) -> Sequence[Row[Any]]:
        facts = self._facts.of(parts, ranked).c
        keys = [facts[name] for name in ("period", "shown", "is_other", "service", "sources")]
        measures = [func.sum(facts[name]).label(name) for name in MEASURES]
        return (await self._connection.execute(select(*keys, *measures).group_by(*keys))).all()

    async def cells(self, parts: Sequence[Part], ranked: Sequence[Key]) -> Cells:
        rows = await self._sums(parts, ranked)
        cells: Cells = {}
        for cell, sums in _by_source(rows) if self._is_of_sources else map(_cell, rows):
            if self._is_of_sources and cell.key not in ranked:
                cell = cell._replace(key=None, is_other=True)
            cells.setdefault(cell, Figures()).add(sums)
        return cells

    async def previous(self, earlier: Sequence[Part], ranked: Sequence[Key]) -> Cells:
        """The figures of the earlier stretch, each beside the period that is its counterpart."""
        cells: Cells = {}
        for part in earlier:
            for cell, figures in (await self.cells([part], ranked)).items():
                shown = cell.period
                if part.match is not None and cell.period is not None:
                    shown = part.match.beside(cell.period)
                    if shown is None:
                        continue
                cells.setdefault(cell._replace(period=shown), Figures()).join(figures)
        return cells

    async def named(self, ranked: Sequence[Key]) -> Mapping[Key, Row[Any]]:
        """Whoever can be seen to have used something can be named, as in the list."""
        table = _NAMED_IN.get(self._other)
        ids = [key for key in ranked if key is not None]
        if table is None or not ids:
            return {}
        mine = and_(table.c.company_id == self._facts.scope.company_id, table.c.id.in_(ids))
        return {row.id: row for row in await self._connection.execute(select(table).where(mine))}


def _too_many_periods() -> InvalidInput:
    return InvalidInput(
        f"That would be more than {MAX_PERIODS} periods: ask for a shorter time, or for longer periods.",
        field=("groupBy",),
    )


def _cell(row: Row[Any]) -> tuple[_Cell, Sums]:
    period = first_day(YearMonth.from_number(row.period)) if isinstance(row.period, int) else row.period
    measures = (int(row._mapping[name]) for name in MEASURES)
    return _Cell(period, key_of(row.shown), bool(row.is_other)), Sums(Service(row.service), *measures)


def _by_source(rows: Iterable[Row[Any]]) -> Iterable[tuple[_Cell, Sums]]:
    for row in rows:
        cell, together = _cell(row)
        for source, sums in by_source(together, row.sources):
            yield cell._replace(key=source), sums
