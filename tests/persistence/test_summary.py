"""Charts say what the list says, from whichever source, for any question."""

import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.access import Scope
from domain.catalogue import Direction, Service, UsageType, WalletSource
from domain.charts import PERIODS, Grouping, UsageDimension
from domain.errors import InvalidInput
from persistence.chart_facts import ChartFacts, Question, Source, fits_cycles, fits_days, source_of
from persistence.database import Database
from persistence.history import HistoryFilter, read_history_totals
from persistence.stretches import read_stretches
from persistence.summary import SummaryRow, read_usage_summary, sum_up
from tests.conftest import FreshDatabases
from tests.persistence.charting import NUMBERS, ZONES, Look, as_plain, local_midnight, look, plainly, tell
from tests.persistence.test_reads import _fits

EXAMPLES = int(os.environ.get("FAREBOX_TEST_EXAMPLES", "100"))
"""More of them, and the laws are looked at for longer."""

MONTHS = (202512, 202601, 202602, 202603, 202604, 202605)


class Charted(NamedTuple):
    database: Database
    company_id: UUID
    look: Look

    def ids(self, column: str) -> list[UUID]:
        return sorted({row._mapping[column] for row in self.look.charges if row._mapping[column] is not None})


@pytest.fixture(scope="module")
def told() -> dict[str, str]:
    """Where the story was told, by engine."""
    return {}


async def _charted(engine: str, told: dict[str, str], kept: FreshDatabases) -> Charted:
    if engine not in told:
        url = await kept.url(engine)
        database = Database(url)
        await tell(database)
        await database.close()
        told[engine] = url
    database = Database(told[engine])
    found = await look(database)
    return Charted(database, found.charges[0].company_id, found)


@pytest.fixture
async def charted(told: dict[str, str], kept_databases: FreshDatabases) -> AsyncIterator[Charted]:
    """On SQLite."""
    charted = await _charted("sqlite", told, kept_databases)
    yield charted
    await charted.database.close()


@pytest.fixture
async def on_postgresql(
    postgresql_url: str, told: dict[str, str], kept_databases: FreshDatabases
) -> AsyncIterator[Charted]:
    charted = await _charted("postgresql", told, kept_databases)
    yield charted
    await charted.database.close()


# ---------- any question ----------

GROUPINGS = st.builds(
    Grouping,
    st.sampled_from([None, *sorted(PERIODS)]),
    st.sampled_from([None, *(one for one in UsageDimension if one not in PERIODS)]),
).filter(any)
DAYS = st.dates(date(2026, 1, 15), date(2026, 5, 15))


@st.composite
def times(draw: st.DrawFn) -> dict[str, Any]:
    """Local days of some office, any two moments, a cycle, or all time."""
    match draw(st.sampled_from(["days", "days", "moments", "month", "all"])):
        case "days":
            first, slug = draw(DAYS), draw(st.sampled_from(sorted(ZONES)))
            end = first + timedelta(days=draw(st.sampled_from([1, 7, 28, 31, 70, 120])))
            return {"occurred_from": local_midnight(first, slug), "occurred_until": local_midnight(end, slug)}
        case "moments":
            first_moment = datetime(2026, 1, 20, tzinfo=UTC) + timedelta(hours=draw(st.integers(0, 2_600)))
            return {
                "occurred_from": first_moment,
                "occurred_until": first_moment + timedelta(hours=draw(st.integers(1, 1_500))),
            }
        case "month":
            return {"month": draw(st.sampled_from(MONTHS))}
    return {}


@st.composite
def filters(draw: st.DrawFn, charted: Charted) -> HistoryFilter:
    regions = sorted({row.region_code for row in charted.look.charges if row.region_code})
    costs = sorted({row.cost_micros for row in charted.look.charges})
    some: dict[str, st.SearchStrategy[Any]] = {
        "services": st.lists(st.sampled_from(Service), max_size=3, unique=True).map(tuple),
        "usage_types": st.lists(st.sampled_from(UsageType), max_size=5, unique=True).map(tuple),
        "wallet_sources": st.lists(st.sampled_from(WalletSource), max_size=3, unique=True).map(tuple),
        "office_ids": st.lists(st.sampled_from(charted.ids("office_id")), max_size=3, unique=True).map(tuple),
        "direction": st.sampled_from(Direction),
        "destination_regions": st.lists(st.sampled_from(regions), max_size=2, unique=True).map(tuple),
        "member_id": st.sampled_from(charted.ids("member_id")),
        "group_id": st.sampled_from(charted.ids("group_id")),
        "phone_number": st.sampled_from(NUMBERS[:2]),
        "cost_min_micros": st.sampled_from(costs),
        "is_booked_late": st.booleans(),
    }
    chosen = draw(st.lists(st.sampled_from(sorted(some)), max_size=2, unique=True))
    return HistoryFilter(**draw(times()), **{name: draw(some[name]) for name in chosen})


@st.composite
def questions(draw: st.DrawFn, charted: Charted, *, compares: bool = False) -> Question:
    return Question(
        wanted=draw(filters(charted)),
        grouping=draw(GROUPINGS),
        top=draw(st.sampled_from([1, 2, 3, 20])),
        compares=compares,
    )


def _scope(charted: Charted, data: st.DataObject) -> Scope:
    offices = st.sets(st.sampled_from(charted.ids("office_id")), max_size=3).map(frozenset)
    return Scope(charted.company_id, data.draw(st.none() | offices))


async def _stretches(connection: Any, charted: Charted, scope: Scope, question: Question) -> Any:
    return await read_stretches(
        connection,
        scope,
        wanted=question.wanted,
        period=question.grouping.period,
        needs_days=fits_days(question),
        compares=question.compares,
    )


async def _rows_or_refusal(charted: Charted, scope: Scope, question: Question) -> list[SummaryRow] | None:
    """None: only the charges could tell, and too many of them would have to be read."""
    if not fits_cycles(question) and question.wanted.month is None:
        with suppress(InvalidInput):
            return await read_usage_summary(charted.database, scope, question=question)
        return None
    return await read_usage_summary(charted.database, scope, question=question)


async def _agrees_with_the_list(charted: Charted, data: st.DataObject) -> None:
    question, scope = data.draw(questions(charted)), _scope(charted, data)
    rows = await _rows_or_refusal(charted, scope, question)
    if rows is None:
        return
    wanted = question.wanted
    found = [row for row in charted.look.charges if scope.covers(row.office_id) and _fits(row, wanted)]
    assert as_plain(rows) == plainly(found, question, charted.look.names)
    totals = await read_history_totals(charted.database, scope, wanted=wanted)
    assert sum(row.usage.cost_micros for row in rows) == totals.cost_micros
    if question.grouping.other is not UsageDimension.WALLET_SOURCE:
        assert sum(row.usage.count for row in rows) == totals.record_count
    assert [(row.period or date.min, row.is_other) for row in rows] == sorted(
        (row.period or date.min, row.is_other) for row in rows
    )


@settings(max_examples=EXAMPLES // 3)
@given(data=st.data())
async def test_any_chart_is_what_a_plain_look_at_the_list_finds(charted: Charted, data: st.DataObject) -> None:
    await _agrees_with_the_list(charted, data)


@settings(max_examples=EXAMPLES // 10)
@given(data=st.data())
async def test_so_it_is_on_postgresql(on_postgresql: Charted, data: st.DataObject) -> None:
    await _agrees_with_the_list(on_postgresql, data)


async def _is_the_same_from_every_source(charted: Charted, data: st.DataObject) -> list[Source]:
    question, scope = data.draw(questions(charted, compares=True)), _scope(charted, data)
    async with charted.database.reading() as connection:
        stretches = await _stretches(connection, charted, scope, question)
        able = [Source.CHARGES]
        if fits_days(question) and stretches.are_whole_days:
            able.append(Source.BY_DAY)
        if fits_cycles(question):
            able.append(Source.BY_CYCLE)
        answers = [
            await sum_up(connection, ChartFacts(scope, question, source, charted.database.is_sqlite), stretches)
            for source in able
        ]
    assert all(answer == answers[0] for answer in answers)
    return able


@settings(max_examples=EXAMPLES // 3)
@given(data=st.data())
async def test_every_source_that_can_answer_gives_the_same_answer(charted: Charted, data: st.DataObject) -> None:
    await _is_the_same_from_every_source(charted, data)


@settings(max_examples=EXAMPLES // 10)
@given(data=st.data())
async def test_so_does_it_on_postgresql(on_postgresql: Charted, data: st.DataObject) -> None:
    await _is_the_same_from_every_source(on_postgresql, data)


@settings(max_examples=EXAMPLES // 4)
@given(data=st.data())
async def test_what_is_compared_with_a_cycle_is_the_cycle_before(charted: Charted, data: st.DataObject) -> None:
    question, scope = data.draw(questions(charted, compares=True)), _scope(charted, data)
    month = data.draw(st.sampled_from(range(1, len(MONTHS))))
    question = replace(
        question,
        wanted=replace(question.wanted, month=MONTHS[month], occurred_from=None, occurred_until=None),
        grouping=question.grouping._replace(period=data.draw(st.sampled_from([None, UsageDimension.MONTH]))),
    )
    rows = await read_usage_summary(charted.database, scope, question=question)
    before = replace(question.wanted, month=MONTHS[month - 1])
    totals = await read_history_totals(charted.database, scope, wanted=before)
    assert sum(row.previous.cost_micros for row in rows if row.previous) == totals.cost_micros
    assert all(row.usage.count or (row.previous and row.previous.count) for row in rows)


def test_the_story_has_everything_in_it(charted: Charted) -> None:
    charges = charted.look.charges
    assert {row.sources for row in charges} >= {0, 1, 2, 3, 4, 6}
    assert Counter(row.month for row in charges).keys() >= set(MONTHS[1:])
    assert [row for row in charges if row.is_booked_late]
    assert [row for row in charges if row.reverses_id and row.cost_micros < 0]
    assert {row.region_code for row in charges} >= {None, "US", "GB", "DE"}
    assert len({cycle.time_zone for cycle in charted.look.cycles}) == len(ZONES) + 1


# ---------- which source ----------

ALL, ONE_DAY = HistoryFilter(), timedelta(days=1)
NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("dimensions", "wanted", "expected"),
    [
        ("DAY SERVICE", ALL, Source.BY_DAY),
        ("WEEK DESTINATION_REGION", HistoryFilter(month=202603, direction=Direction.INBOUND), Source.BY_DAY),
        ("- OFFICE", HistoryFilter(destination_regions=("GB",), wallet_sources=(WalletSource.PLAN,)), Source.BY_DAY),
        ("MONTH MEMBER", ALL, Source.BY_CYCLE),
        ("MONTH GROUP", HistoryFilter(month=202603, services=(Service.FAX,)), Source.BY_CYCLE),
        ("- SERVICE", HistoryFilter(member_id=UUID(int=1)), Source.BY_CYCLE),
        ("DAY MEMBER", HistoryFilter(month=202603), Source.CHARGES),
        ("- MEMBER", HistoryFilter(month=202603, direction=Direction.INBOUND), Source.CHARGES),
        ("- SERVICE", HistoryFilter(month=202603, is_booked_late=True), Source.CHARGES),
        ("- SERVICE", HistoryFilter(occurred_from=NOON, occurred_until=NOON + 92 * ONE_DAY), Source.CHARGES),
        ("- SERVICE", HistoryFilter(occurred_from=NOON, occurred_until=NOON + 93 * ONE_DAY), None),
        ("- SERVICE", HistoryFilter(occurred_from=NOON), None),
        ("DAY MEMBER", ALL, None),
        ("- DESTINATION_REGION", ALL, Source.BY_DAY),
        ("- SERVICE", HistoryFilter(cost_min_micros=0), None),
    ],
)
async def test_the_quickest_source_that_knows_is_read(
    charted: Charted, dimensions: str, wanted: HistoryFilter, expected: Source | None
) -> None:
    period, other = (None if word == "-" else UsageDimension(word) for word in dimensions.split())
    question = Question(wanted=wanted, grouping=Grouping(period, other), top=5)
    async with charted.database.reading() as connection:
        stretches = await _stretches(connection, charted, Scope(charted.company_id, None), question)
    if expected is None:
        with pytest.raises(InvalidInput, match="at most 92 days apart"):
            source_of(question, stretches)
    else:
        assert source_of(question, stretches) is expected
