"""The axes of a chart, its sums, and what stands beside what."""

from datetime import date

import pytest

from domain.catalogue import Service, UsageUnit, WalletSource
from domain.charts import CycleMatch, DayMatch, Figures, Sums, UsageDimension, by_source, grouping, monday
from domain.errors import InvalidInput
from domain.periods import YearMonth
from domain.waterfall import COMMITMENT_BIT, PLAN_BIT, UNIVERSAL_BIT

DAY, WEEK, MONTH, SERVICE, OFFICE = (
    *(UsageDimension.DAY, UsageDimension.WEEK, UsageDimension.MONTH),
    *(UsageDimension.SERVICE, UsageDimension.OFFICE),
)


@pytest.mark.parametrize(
    ("dimensions", "expected"),
    [
        ([DAY], (DAY, None)),
        ([SERVICE], (None, SERVICE)),
        ([DAY, SERVICE], (DAY, SERVICE)),
        ([OFFICE, MONTH], (MONTH, OFFICE)),
    ],
)
def test_a_chart_has_a_period_and_another_dimension_or_one_of_them(
    dimensions: list[UsageDimension], expected: tuple[UsageDimension | None, UsageDimension | None]
) -> None:
    assert grouping(dimensions) == expected


@pytest.mark.parametrize(
    "dimensions", [[], [DAY, DAY], [DAY, WEEK], [SERVICE, OFFICE], [SERVICE, SERVICE], [DAY, SERVICE, OFFICE]], ids=str
)
def test_anything_else_is_refused(dimensions: list[UsageDimension]) -> None:
    with pytest.raises(InvalidInput, match="one or two dimensions") as refused:
        grouping(dimensions)
    assert refused.value.field == ("groupBy",)


def test_what_several_paid_counts_for_each_and_its_amounts_are_divided() -> None:
    sums = Sums(Service.MESSAGING, 3, 40, 100, 20, 7)
    together = dict(by_source(sums, PLAN_BIT | COMMITMENT_BIT | UNIVERSAL_BIT))
    assert together == {
        WalletSource.PLAN: Sums(Service.MESSAGING, 3, 40, 100, 0, 0),
        WalletSource.CALLING: Sums(Service.MESSAGING, 3, 40, 0, 20, 0),
        WalletSource.UNIVERSAL: Sums(Service.MESSAGING, 3, 40, 0, 0, 7),
    }
    [(payer, _)] = by_source(sums._replace(service=Service.AI_AGENT), COMMITMENT_BIT)
    assert payer is WalletSource.AI_AGENT
    free = Sums(Service.CALLING, 2, 0, 0, 0, 0)
    assert list(by_source(free, 0)) == [(None, free)]


def test_figures_add_up_and_keep_units_apart() -> None:
    figures = Figures()
    figures.add(Sums(Service.CALLING, 2, 90, 100, 20, 3))
    figures.add(Sums(Service.FAX, 1, -4, 0, 0, -50))
    others = Figures()
    others.add(Sums(Service.AI_AGENT, 1, 1, 0, 5, 0))
    figures.join(others)
    assert (figures.count, figures.cost_micros, figures.list_price_micros) == (4, -22, 78)
    assert figures.quantities == {UsageUnit.SECOND: 90, UsageUnit.PAGE: -4, UsageUnit.SESSION: 1}


def test_days_are_matched_from_the_start_and_those_beyond_the_end_have_no_counterpart() -> None:
    match = DayMatch(date(2026, 2, 1), date(2026, 2, 28), date(2026, 1, 1))
    assert match.beside(date(2026, 1, 1)) == date(2026, 2, 1)
    assert match.beside(date(2026, 1, 28)) == date(2026, 2, 28)
    assert match.beside(date(2026, 1, 29)) is None
    # Booked late: it happened before its cycle began.
    assert match.beside(date(2025, 12, 30)) == date(2026, 1, 30)


def test_cycles_are_matched_from_the_end_and_those_before_the_first_have_no_counterpart() -> None:
    match = CycleMatch(YearMonth(2026, 1), 3)
    assert match.beside(date(2025, 12, 1)) == date(2026, 3, 1)
    assert match.beside(date(2025, 10, 1)) == date(2026, 1, 1)
    assert match.beside(date(2025, 9, 1)) is None


def test_a_week_begins_on_monday() -> None:
    assert [monday(date(2026, 3, day)) for day in (1, 2, 8)] == [date(2026, 2, 23), date(2026, 3, 2), date(2026, 3, 2)]
