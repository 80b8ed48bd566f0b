"""Which days are compared, when spending counts as up, and what it is put down to (R38)."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.alerts import Cause, Dimension
from domain.funds import Cycle
from domain.periods import CycleTerms, cycle_containing, first_instant, label
from domain.spending_rise import Days, EarlierCycle, Spending, Thresholds, compare_days, is_risen, main_cause, totals_of

USUAL = Thresholds(25, 10_000_000)
UNIT = 1_000_000
Rows = list[Spending]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def cycle_at(at: datetime, zone: str = "UTC", anchor_day: int = 1) -> Cycle:
    terms = CycleTerms(time_zone=zone, anchor_day=anchor_day)
    period = cycle_containing(at, terms)
    closes_at = period.ends_at + timedelta(hours=72)
    return Cycle(
        starts_at=period.starts_at,
        ends_at=period.ends_at,
        closes_at=closes_at,
        month=label(period.starts_at, zone),
        terms=terms,
    )


def earlier_of(cycle: Cycle) -> EarlierCycle:
    before = cycle_containing(cycle.starts_at - timedelta(hours=1), cycle.terms)
    return EarlierCycle(before.starts_at, cycle.terms.time_zone)


# zone, anchor day, now || first day, end || first day before, end before
DAYS = """
UTC              |  1 | 2026-03-03 23:59 || nothing               || nothing
UTC              |  1 | 2026-03-04 00:00 || 2026-03-01 2026-03-04 || 2026-02-01 2026-02-04
UTC              |  1 | 2026-03-31 12:00 || 2026-03-01 2026-03-31 || 2026-02-01 2026-03-01
UTC              | 31 | 2026-03-20 12:00 || 2026-02-28 2026-03-20 || 2026-01-31 2026-02-20
America/New_York |  1 | 2026-03-04 04:59 || nothing               || nothing
America/New_York |  1 | 2026-03-04 05:00 || 2026-03-01 2026-03-04 || 2026-02-01 2026-02-04
Australia/Sydney | 15 | 2026-04-18 14:00 || 2026-04-15 2026-04-19 || 2026-03-15 2026-03-19
"""


@pytest.mark.parametrize("row", DAYS.strip().splitlines())
def test_which_days_are_compared(row: str) -> None:
    terms, current, previous = (cell.strip() for cell in row.split("||"))
    zone, anchor, now = (cell.strip() for cell in terms.split("|"))
    cycle = cycle_at(moment(now), zone, int(anchor))
    compared = compare_days(cycle, earlier_of(cycle), moment(now))
    if current == "nothing":
        assert compared is None
        return
    assert compared is not None
    assert compared.current == Days(*map(date.fromisoformat, current.split()))
    assert compared.previous == Days(*map(date.fromisoformat, previous.split()))
    assert compared.period == (cycle.starts_at, first_instant(compared.current.end, zone))


def test_an_office_in_its_first_cycle_is_compared_with_nothing() -> None:
    now = moment("2026-03-20 12:00")
    assert compare_days(cycle_at(now), None, now) is None


@given(st.integers(0, 3_650 * 24), st.integers(1, 31))
def test_no_day_counts_twice_and_never_more_days_before_than_now(hours: int, anchor_day: int) -> None:
    now = moment("2020-01-01") + timedelta(hours=hours)
    cycle = cycle_at(now, "Europe/Berlin", anchor_day)
    compared = compare_days(cycle, earlier_of(cycle), now)
    if compared is None:
        return
    assert compared.previous.end <= compared.current.first
    assert compared.previous.end - compared.previous.first <= compared.current.end - compared.current.first
    assert cycle.starts_at < compared.period.ends_at <= now


# current, previous || is it up
RISES = """
 50.000000 |  40.000000 || yes, exactly 25 % and exactly 10
 49.999999 |  40.000000 || no
 50.000000 |  40.000001 || no
 62.500000 |  50.000000 || yes
 62.499999 |  50.000000 || no, not 25 %
  9.999999 |   0.000000 || no, not 10
 10.000000 |   0.000000 || yes, from nothing
 10.000000 |  -3.000000 || yes, from less than nothing
  0.000000 | -10.000000 || yes
 -5.000000 |  -5.000000 || no
 40.000000 |  80.000000 || no
"""


@pytest.mark.parametrize("row", RISES.strip().splitlines())
def test_when_spending_is_up(row: str) -> None:
    figures, expected = row.split("||")
    current, previous = (int(cell.strip().replace(".", "")) for cell in figures.split("|"))
    assert is_risen(current, previous, USUAL) is expected.strip().startswith("yes")


@given(st.integers(1, 10**12), st.integers(1, 1_000), st.integers(0, 10**9))
def test_exactly_the_percentage_is_up_and_a_micro_less_is_not(previous: int, percent: int, minimum: int) -> None:
    least = max(-(-percent * previous // 100), minimum)
    thresholds = Thresholds(percent, minimum)
    assert is_risen(previous + least, previous, thresholds)
    assert not is_risen(previous + least - 1, previous, thresholds)


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9), st.integers(1, 1_000))
def test_what_did_not_grow_is_never_up(current: int, previous: int, percent: int) -> None:
    if current <= previous:
        assert not is_risen(current, previous, Thresholds(percent, 0))


def spending(usage_type: str, region: str, current: int, previous: int, service: str = "CALLING") -> Spending:
    return Spending(service, usage_type, region, current * UNIT, previous * UNIT)


def party(dimension: Dimension, key: str, current: int, previous: int) -> Cause:
    return Cause(dimension, key, current * UNIT, previous * UNIT, key.title())


INDIA = spending("INTERNATIONAL", "IN", 100, 10)
PAKISTAN = spending("INTERNATIONAL", "PK", 90, 10)
LOCAL = spending("LOCAL", "US", 80, 10)
HOME = spending("DOMESTIC", "US", 50, 50)
FAXES = spending("FAX_SENT", "US", 20, 15, service="FAX")
ANN, ABE = (party(Dimension.MEMBER, name, 100, 10) for name in ("ann", "abe"))
BOB = party(Dimension.MEMBER, "bob", 30, 25)
SALES = party(Dimension.GROUP, "sales", 95, 5)

CAUSES: list[tuple[str, Rows, list[Cause], str]] = [
    ("a member who explains it all is named before the region he calls", [INDIA, HOME], [ANN, BOB], "member:ann"),
    ("a group before a region", [INDIA, HOME], [SALES, BOB], "group:sales"),
    ("nobody in particular called there", [INDIA, HOME], [BOB], "region:IN"),
    ("regions share it, the type does not", [INDIA, PAKISTAN], [], "usageType:INTERNATIONAL"),
    ("all of calling, to everywhere", [LOCAL, INDIA], [], "service:CALLING"),
    ("less than nine tenths does not name a member", [INDIA], [party(Dimension.MEMBER, "ann", 90, 10)], "region:IN"),
    ("nine tenths do", [INDIA], [party(Dimension.MEMBER, "ann", 91, 10)], "member:ann"),
    ("the larger of two members", [INDIA], [ANN, party(Dimension.MEMBER, "bob", 95, 4)], "member:bob"),
    ("of two alike the one whose key comes first", [INDIA], [ANN, ABE], "member:abe"),
    ("a region without a name is none", [spending("LOCAL", "", 100, 0)], [], "usageType:LOCAL"),
    ("other usage fell meanwhile", [INDIA, spending("DOMESTIC", "US", 0, 60), FAXES], [], "region:IN"),
]  # fmt: skip


@pytest.mark.parametrize(("why", "rows", "parties", "subject"), CAUSES, ids=[case[0] for case in CAUSES])
def test_what_a_rise_is_put_down_to(why: str, rows: Rows, parties: list[Cause], subject: str) -> None:
    assert main_cause(rows, parties).subject == subject


_ROWS = st.builds(
    Spending,
    st.sampled_from(["CALLING", "FAX"]),
    st.sampled_from(["LOCAL", "INTERNATIONAL", "FAX_SENT"]),
    st.sampled_from(["", "US", "IN", "GB"]),
    st.integers(-(10**9), 10**9),
    st.integers(-(10**9), 10**9),
)


@given(st.lists(_ROWS, min_size=1, max_size=12))
def test_a_cause_explains_at_least_nine_tenths_of_what_any_service_does(rows: Rows) -> None:
    current, previous = totals_of(rows)
    if current <= previous:
        return
    cause = main_cause(rows, [])
    services = {row.service for row in rows}
    largest = max(
        sum(row.current_micros - row.previous_micros for row in rows if row.service == name) for name in services
    )
    assert 0 < 9 * largest <= 10 * cause.rise_micros
