"""Renewals when things change under them: plans, terms, the clocks of a country; and long sleeps (R6–R11)."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.catalogue import Cadence, Service, WalletKind
from domain.ledger import CONTRACT, EXPIRED
from domain.money import parse_micros
from domain.periods import CycleTerms, next_boundary
from domain.renewal import change_terms, raise_commitment
from tests.books import LATE_WINDOW, UTC_FIRST, Office, committed, included
from tests.domain.test_renewal import TERMS, change, day, months
from tests.world import START, call

HOUR = timedelta(hours=1)
FIFTEENTH = CycleTerms(time_zone="UTC", anchor_day=15)
ANNUAL = committed("1200", WalletKind.AI_AGENT, Cadence.ANNUAL)

# zone | anchor | a day in the first cycle || when cycles begin, in UTC
CLOCKS = """
America/Sao_Paulo |  4 | 2018-10-10 || 2018-10-04T03 2018-11-04T03 2018-12-04T02 | 4 November begins at 01:00
America/Sao_Paulo | 17 | 2019-01-20 || 2019-01-17T02 2019-02-17T03 2019-03-17T03 | 23:00 came twice the night before
Asia/Beirut       | 29 | 2026-02-01 || 2026-01-28T22 2026-02-27T22 2026-03-28T22 2026-04-28T21 | no midnight on 29 March
America/New_York  | 31 | 2026-02-05 || 2026-01-31T05 2026-02-28T05 2026-03-31T04 2026-04-30T04 | summer time in March
America/New_York  | 31 | 2026-11-05 || 2026-10-31T04 2026-11-30T05 2026-12-31T05 2027-01-31T05 | and back
Europe/London     | 29 | 2028-01-29 || 2028-01-29T00 2028-02-29T00 2028-03-28T23 | a leap year
Europe/London     | 30 | 2028-01-30 || 2028-01-30T00 2028-02-29T00 2028-03-29T23 | a leap year
America/Havana    |  1 | 2026-10-05 || 2026-10-01T04 2026-11-01T04 2026-12-01T05 | midnight comes twice
Pacific/Apia      | 30 | 2011-12-01 || 2011-11-30T10 2011-12-30T10 2012-01-29T10 | the day left out
"""


@pytest.mark.parametrize("row", CLOCKS.strip().splitlines())
@pytest.mark.parametrize("cadence", Cadence)
def test_clocks_that_are_changed_move_the_instant_and_grant_nothing_twice(row: str, cadence: Cadence) -> None:
    given_text, told = row.split("||")
    zone, anchor, first = (cell.strip() for cell in given_text.split("|"))
    begins = [datetime.strptime(text, "%Y-%m-%dT%H").replace(tzinfo=UTC) for text in told.split("|")[0].split()]
    office = Office.open(
        terms=CycleTerms(time_zone=zone, anchor_day=int(anchor)),
        opened_at=day(first),
        commitments=(committed("100", cadence=cadence),),
        allowances=(included(60),),
    )
    for moment in begins[1:]:
        office.renew(moment - timedelta(microseconds=1))
        known = len(office.funds.cycles)
        office.renew(moment)
        assert len(office.funds.cycles) == known + 1
    assert [cycle.starts_at for cycle in office.funds.cycles] == begins
    assert len(office.funds.allowance_cycles) == len(begins)
    grants = 1 if cadence is Cadence.ANNUAL else len(begins)
    assert office.posted(CONTRACT) == -grants * parse_micros("100")
    office.assert_books_hold()


# ---------- long sleeps ----------


def test_usage_of_months_slept_through_is_booked_late_and_paid_from_today_s_funds() -> None:
    office = Office.open(commitments=(committed("100"),), allowances=(included(60),))
    charged = office.record(call("march", day("2026-03-20"), seconds=120), now=day("2026-06-10"))
    [charge] = charged.charges
    assert (charge.cycle.month.text, charge.is_booked_late) == ("2026-06", True)
    assert [account.spent_micros for account in office.funds.commitment_cycles] == [0, 0, 0, 20_000]
    assert [account.expired_micros for account in office.funds.commitment_cycles] == [100_000_000] * 3 + [0]
    assert office.funds.renew_due_at == day("2026-07-01")
    office.assert_books_hold()


def test_thirteen_months_of_sleep_end_a_year_and_begin_the_next() -> None:
    office = Office.open(commitments=(committed("100"), ANNUAL), universal="7")
    office.renew(day("2027-04-10"))
    assert len(office.funds.cycles) == 14
    years = [account for account in office.funds.commitment_cycles if account.cadence is Cadence.ANNUAL]
    assert [(account.starts_at, account.ends_at, account.expired_micros, account.closed_at) for account in years] == [
        (day("2026-03-01"), day("2027-03-01"), 1_200_000_000, day("2027-03-01") + LATE_WINDOW),
        (day("2027-03-01"), day("2028-03-01"), 0, None),
    ]
    assert office.posted(CONTRACT) == -parse_micros(f"{7 + 14 * 100 + 2 * 1200}")
    assert office.posted(EXPIRED) == parse_micros(f"{13 * 100 + 1200}")
    assert office.funds.universal_micros == 7_000_000
    office.assert_books_hold()


# ---------- other terms ----------


def test_an_anchor_day_changed_by_mistake_and_back_costs_no_month() -> None:
    office = Office.open(commitments=(committed("100"), ANNUAL), allowances=(included(60),))
    change(office, FIFTEENTH, day("2026-03-10"))
    change(office, UTC_FIRST, day("2026-03-11"))
    assert [account.ends_at for account in office.funds.commitment_cycles] == [day("2026-04-01"), day("2027-03-01")]
    assert office.funds.renew_due_at == day("2026-04-01")
    office.renew(day("2026-06-10"))
    assert months(office) == ["2026-03", "2026-04", "2026-05", "2026-06"]


def test_in_the_part_that_was_stretched_the_next_boundary_to_come_counts() -> None:
    """March was granted to 1 April and stretched to 15 April. The past cannot become April's."""
    office = Office.open(commitments=(committed("100"),))
    change(office, FIFTEENTH, day("2026-03-10"))
    change(office, CycleTerms(time_zone="UTC", anchor_day=12), day("2026-04-10"))
    assert office.funds.current.ends_at == day("2026-04-12")
    change(office, UTC_FIRST, day("2026-04-11"))
    assert office.funds.current.ends_at == office.funds.commitment_cycles[0].ends_at == day("2026-05-01")
    office.renew(day("2026-05-01"))
    assert months(office) == ["2026-03", "2026-05"]
    assert office.posted(CONTRACT) == -parse_micros("200")


def test_a_year_stretched_in_its_second_month_is_stretched_once_however_often_one_thinks_again() -> None:
    office = Office.open(commitments=(ANNUAL,))
    change(office, FIFTEENTH, day("2026-03-10"))
    for anchor in (28, 1, 31, 20):
        change(office, CycleTerms(time_zone="UTC", anchor_day=anchor), day("2026-05-20"))
    [year] = office.funds.commitment_cycles
    assert year.ends_at == day("2027-03-20")
    change(office, FIFTEENTH, day("2026-05-21"))
    assert year.ends_at == day("2027-03-15")
    office.renew(day("2027-03-15"))
    assert [account.starts_at for account in office.funds.commitment_cycles] == [START, day("2027-03-15")]


CHANGES = st.lists(st.tuples(TERMS, TERMS, st.integers(1, 26), st.integers(0, 40)), max_size=3)


@given(TERMS, CHANGES, st.sampled_from(list(Cadence)))
def test_of_several_changes_within_a_cycle_only_the_last_counts(
    first: CycleTerms, changes: Sequence[tuple[CycleTerms, CycleTerms, int, int]], cadence: Cadence
) -> None:
    """As long as the cycle has not outlived what it was granted for: moments lie in its first 26 days."""

    def new() -> Office:
        return Office.open(terms=first, commitments=(committed("9"), committed("4", WalletKind.AI_AGENT, cadence)))

    hasty, wise = new(), new()
    for passing, final, days, cycles_later in changes:
        moment = wise.funds.current.starts_at
        for _ in range(cycles_later % 15):
            moment = next_boundary(moment, wise.funds.office.terms)
            wise.renew(moment)
        moment = wise.funds.current.starts_at + timedelta(days=days)
        if moment < wise.books.now:
            continue
        change(hasty, passing, moment)
        change(hasty, final, moment + HOUR)
        change(wise, final, moment + HOUR)
    end = wise.books.now + timedelta(days=800)
    hasty.renew(end)
    wise.renew(end)
    assert hasty.standing() == wise.standing()
    hasty.assert_books_hold()


# ---------- other plans ----------


@pytest.mark.parametrize("before", list(Cadence))
def test_another_cadence_waits_for_the_next_cycle_even_when_it_is_asked_for_at_once(before: Cadence) -> None:
    """A year's amount is no raise of a month's: granted now, it would expire with the month."""
    after = Cadence.MONTHLY if before is Cadence.ANNUAL else Cadence.ANNUAL
    office = Office.open(commitments=(committed("100", cadence=before),))
    raised = committed("1200", cadence=after)
    raise_commitment(office.books, raised)
    assert office.posted(CONTRACT) == -parse_micros("100")
    office.funds.commitments = [raised]
    office.renew(office.funds.commitment_cycles[0].ends_at)
    old, new = office.funds.commitment_cycles
    assert (new.starts_at, new.cadence, new.committed_micros) == (old.ends_at, after, 1_200_000_000)
    assert months(office)[-1] == new.month.text


def test_plans_that_change_every_month_grant_what_they_are_when_a_cycle_begins() -> None:
    office = Office.open(commitments=(committed("10"),), allowances=(included(60),))
    for month, (amount, seconds) in enumerate([("20", 120), ("0", 0), ("5", 30)], start=4):
        office.funds.commitments, office.funds.allowances = [committed(amount)], [included(seconds)]
        office.renew(day(f"2026-{month:02}-01"))
    granted = {account.month.text: account.committed_micros for account in office.funds.commitment_cycles}
    assert granted == {"2026-03": 10_000_000, "2026-04": 20_000_000, "2026-06": 5_000_000}
    included_seconds = {key.text: item.committed_quantity for (key, _), item in office.funds.allowance_cycles.items()}
    assert included_seconds == {"2026-03": 60, "2026-04": 120, "2026-06": 30}
    office.assert_books_hold()


# ---------- a country changes its clocks at short notice ----------


def _worked_out_by_old_rules(office: Office, shift: timedelta) -> None:
    """As if the ends stored were those of the zone as it was known then."""
    for ending in (office.funds.current, *office.funds.commitment_cycles):
        ending.ends_at += shift
        ending.closes_at += shift
    office.funds.renew_due_at += shift


@pytest.mark.parametrize("hours", [-24, -1, 0, 1, 24])
@pytest.mark.parametrize("anchor_day", [1, 15])
def test_an_end_beside_its_boundary_makes_no_cycle_of_an_hour_and_loses_no_grant(hours: int, anchor_day: int) -> None:
    terms = CycleTerms(time_zone="America/Asuncion", anchor_day=anchor_day)
    opened_at = datetime(2024, 5, 20, tzinfo=UTC)
    commitments = (committed("9"), committed("100", WalletKind.AI_AGENT, Cadence.ANNUAL))
    plan = {"terms": terms, "opened_at": opened_at, "commitments": commitments, "allowances": (included(60),)}
    office, sound = Office.open(**plan), Office.open(**plan)  # type: ignore[arg-type]
    _worked_out_by_old_rules(office, timedelta(hours=hours))
    moment = opened_at
    while moment < opened_at + timedelta(days=450):
        office.renew(moment)
        moment += timedelta(hours=12)
    sound.renew(moment)
    assert months(office) == months(sound)
    assert office.posted(CONTRACT) == sound.posted(CONTRACT)
    assert len(office.funds.allowance_cycles) == len(sound.funds.allowance_cycles)
    assert office.funds.cycles[2:] == sound.funds.cycles[2:]
    for cycle in office.funds.cycles:
        assert timedelta(days=26) < cycle.ends_at - cycle.starts_at < timedelta(days=33)
        for service in (Service.CALLING, Service.AI_AGENT):
            account = office.funds.commitment_for(service, cycle)
            assert account is not None
            assert account.starts_at <= cycle.starts_at < cycle.ends_at <= account.ends_at + timedelta(days=2)
    office.assert_books_hold()


def test_a_change_of_terms_after_the_clocks_were_changed_counts_from_the_new_boundary() -> None:
    terms = CycleTerms(time_zone="America/Asuncion", anchor_day=1)
    office = Office.open(terms=terms, opened_at=datetime(2024, 5, 20, tzinfo=UTC), commitments=(committed("9"),))
    right = office.funds.current.ends_at
    _worked_out_by_old_rules(office, -HOUR)
    change_terms(office.books, terms)
    assert office.funds.current.ends_at == office.funds.commitment_cycles[0].ends_at == right
