"""Cycles begin, end and close: the worked months, and the laws that hold however often somebody looks (R6–R11)."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.catalogue import Cadence, Service, WalletKind
from domain.ledger import CONTRACT, EXPIRED
from domain.money import parse_micros
from domain.periods import CycleTerms, label
from domain.renewal import change_terms, raise_allowance, raise_commitment
from tests.books import LATE_WINDOW, Office, committed, included
from tests.world import START, call

MOMENTS = st.integers(0, 500 * 24).map(lambda hours: START + timedelta(hours=hours))
TERMS = st.builds(
    lambda zone, day: CycleTerms(time_zone=zone, anchor_day=day),
    st.sampled_from(["UTC", "America/New_York", "Australia/Sydney", "Pacific/Apia", "America/Santiago"]),
    st.integers(1, 31),
)


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def months(office: Office) -> list[str]:
    return [cycle.month.text for cycle in office.funds.cycles]


def starts(office: Office) -> list[str]:
    return [f"{cycle.starts_at:%Y-%m-%d}" for cycle in office.funds.cycles]


def change(office: Office, terms: CycleTerms, now: datetime) -> None:
    """As `apply` does it: what is due was due under the old terms."""
    office.renew(now)
    change_terms(office.books, terms)


def test_a_month_ends_the_next_is_granted_and_what_is_left_expires_when_the_old_one_closes() -> None:
    office = Office.open(commitments=(committed("100"),), allowances=(included(600),))
    office.record(call("one", START, seconds=3_600), now=START)
    assert office.funds.renew_due_at == day("2026-04-01")
    office.renew(day("2026-04-01"))
    march, april = office.funds.commitment_cycles
    assert (march.balance_micros, april.balance_micros) == (99_000_000, 100_000_000)
    assert office.funds.renew_due_at == march.closes_at == day("2026-04-01") + LATE_WINDOW
    office.renew(march.closes_at - timedelta(microseconds=1))
    assert march.closed_at is None
    office.renew(march.closes_at)
    [march, _] = office.funds.commitment_cycles
    assert (march.balance_micros, march.expired_micros, march.closed_at) == (0, 99_000_000, march.closes_at)
    assert {key[0].text: item.spent_quantity for key, item in office.funds.allowance_cycles.items()} == {
        "2026-03": 600,
        "2026-04": 0,
    }
    office.assert_books_hold()


def test_an_office_that_slept_for_three_months_passes_through_each_of_them() -> None:
    office = Office.open(commitments=(committed("100"),), universal="7")
    office.renew(day("2026-06-10"))
    assert months(office) == ["2026-03", "2026-04", "2026-05", "2026-06"]
    assert [account.expired_micros for account in office.funds.commitment_cycles] == [100_000_000] * 3 + [0]
    granted = [posting for posting in office.books.postings if posting.source == CONTRACT]
    # The opening credits first, then every grant at the start of its own cycle.
    assert [f"{posting.occurred_at:%m-%d}" for posting in granted] == ["03-01", "03-01", "04-01", "05-01", "06-01"]
    assert office.funds.universal_micros == 7_000_000


@given(st.lists(MOMENTS, max_size=12), TERMS, st.integers(0, 744), st.sampled_from(list(Cadence)))
def test_renewing_at_any_moments_comes_to_the_same_as_once_at_the_end(
    moments: list[datetime], terms: CycleTerms, window_hours: int, cadence: Cadence
) -> None:
    def new() -> Office:
        return Office.open(
            terms=terms,
            window=timedelta(hours=window_hours),
            commitments=(committed("9"), committed("4", WalletKind.AI_AGENT, cadence)),
            allowances=(included(60),),
        )

    end = START + timedelta(days=500)
    once, often = new(), new()
    once.renew(end)
    for moment in sorted(moments):
        often.renew(moment)
        often.renew(moment)
    often.renew(end)
    assert often.standing() == once.standing()
    assert _amounts(often) == _amounts(once)
    assert often.funds.renew_due_at == once.funds.renew_due_at > end
    often.assert_books_hold()


def _amounts(office: Office) -> list[tuple[object, ...]]:
    return sorted(
        (posting.source, posting.destination, posting.amount_micros, posting.occurred_at)
        for posting in office.books.postings
    )


# anchor day | zone | first day || starts of the cycles from the first on
ANCHORS = """
31 | UTC              | 2026-01-31 || 2026-01-31 2026-02-28 2026-03-31 2026-04-30 2026-05-31
31 | UTC              | 2028-01-31 || 2028-01-31 2028-02-29 2028-03-31 2028-04-30
30 | UTC              | 2026-01-30 || 2026-01-30 2026-02-28 2026-03-30 2026-04-30
1  | UTC              | 2026-01-17 || 2026-01-01 2026-02-01 2026-03-01
15 | UTC              | 2026-01-14 || 2025-12-15 2026-01-15 2026-02-15
"""


@pytest.mark.parametrize("row", ANCHORS.strip().splitlines())
def test_cycles_are_clamped_to_the_month_s_end_and_do_not_drift(row: str) -> None:
    given_text, expected = row.split("||")
    anchor, zone, first = (cell.strip() for cell in given_text.split("|"))
    office = Office.open(terms=CycleTerms(time_zone=zone, anchor_day=int(anchor)), opened_at=day(first))
    office.renew(day(expected.split()[-1]))
    assert starts(office) == expected.split()


def test_an_anchor_day_changed_in_mid_cycle_stretches_it_without_a_second_grant() -> None:
    office = Office.open(commitments=(committed("100"),), allowances=(included(60),))
    change(office, CycleTerms(time_zone="UTC", anchor_day=15), day("2026-03-10"))
    [march] = office.funds.cycles
    [account] = office.funds.commitment_cycles
    assert march.ends_at == account.ends_at == office.funds.renew_due_at == day("2026-04-15")
    assert march.closes_at == account.closes_at == day("2026-04-15") + LATE_WINDOW
    office.renew(day("2026-04-14"))
    assert len(office.funds.commitment_cycles) == len(office.funds.allowance_cycles) == 1
    office.renew(day("2026-05-15"))
    assert months(office) == ["2026-03", "2026-04", "2026-05"]
    assert starts(office)[1:] == ["2026-04-15", "2026-05-15"]
    assert office.posted(CONTRACT) == -parse_micros("300")


def test_a_moved_time_zone_stretches_the_cycle_to_the_new_midnight() -> None:
    office = Office.open(commitments=(committed("100"),))
    change(office, CycleTerms(time_zone="America/New_York", anchor_day=1), day("2026-03-10"))
    assert office.funds.current.ends_at == datetime(2026, 4, 1, 4, tzinfo=UTC)
    office.renew(datetime(2026, 4, 1, 4, tzinfo=UTC))
    assert months(office) == ["2026-03", "2026-04"]


def test_a_cycle_in_its_late_window_keeps_its_end_when_terms_change() -> None:
    office = Office.open(commitments=(committed("100"),))
    change(office, CycleTerms(time_zone="UTC", anchor_day=20), day("2026-04-02"))
    march, april = office.funds.commitment_cycles
    assert (march.ends_at, april.ends_at) == (day("2026-04-01"), day("2026-04-20") + timedelta(days=30))
    office.renew(day("2026-04-05"))
    assert march.expired_micros == 100_000_000


@given(st.lists(st.tuples(MOMENTS, TERMS), max_size=5), TERMS, st.sampled_from(list(Cadence)))
def test_however_terms_change_cycles_tile_time_with_labels_of_their_own_and_one_grant_each(
    changes: list[tuple[datetime, CycleTerms]], first: CycleTerms, cadence: Cadence
) -> None:
    office = Office.open(
        terms=first,
        commitments=(committed("9"), committed("4", WalletKind.AI_AGENT, cadence)),
        allowances=(included(60),),
    )
    for moment, terms in sorted(changes, key=lambda item: item[0]):
        change(office, terms, moment)
    office.renew(START + timedelta(days=1_000))
    cycles = office.funds.cycles
    assert [cycle.month for cycle in cycles] == sorted({cycle.month for cycle in cycles})
    assert all(one.ends_at == other.starts_at for one, other in itertools.pairwise(cycles))
    for cycle in cycles:
        assert cycle.month == label(cycle.starts_at, cycle.terms.time_zone)
        for service in (Service.CALLING, Service.AI_AGENT):
            account = office.funds.commitment_for(service, cycle)
            assert account is not None
            assert account.starts_at <= cycle.starts_at < cycle.ends_at <= account.ends_at
        assert (cycle.month, Service.CALLING) in office.funds.allowance_cycles
    monthly = [account for account in office.funds.commitment_cycles if account.kind is WalletKind.CALLING]
    assert [(account.starts_at, account.ends_at) for account in monthly] == [
        (cycle.starts_at, cycle.ends_at) for cycle in cycles
    ]
    office.assert_books_hold()


def test_an_annual_commitment_on_the_31st_lasts_twelve_cycles() -> None:
    office = Office.open(
        terms=CycleTerms(time_zone="UTC", anchor_day=31),
        opened_at=day("2026-01-31"),
        commitments=(committed("1200", cadence=Cadence.ANNUAL),),
    )
    office.renew(day("2027-01-30"))
    [account] = office.funds.commitment_cycles
    assert (account.ends_at, account.month.text) == (day("2027-01-31"), "2026-01")
    office.renew(day("2027-02-27"))
    first, second = office.funds.commitment_cycles
    assert len(office.funds.cycles) == 13
    assert (first.expired_micros, second.starts_at, second.ends_at) == (
        1_200_000_000,
        day("2027-01-31"),
        day("2028-01-31"),
    )


def test_a_raise_is_granted_at_once_and_a_cut_waits() -> None:
    office = Office.open(commitments=(committed("100"),), allowances=(included(600),))
    funds = office.funds
    raise_commitment(office.books, committed("150"))
    assert funds.commitment_cycles[0].balance_micros == 150_000_000
    raise_commitment(office.books, committed("150"))
    raise_commitment(office.books, committed("20"))
    assert funds.commitment_cycles[0].committed_micros == 150_000_000
    raise_allowance(office.books, included(900))
    raise_allowance(office.books, included(10))
    [allowance] = funds.allowance_cycles.values()
    assert allowance.committed_quantity == 900
    funds.commitments, funds.allowances = [committed("20")], [included(10)]
    office.renew(day("2026-04-01"))
    assert funds.commitment_cycles[-1].committed_micros == 20_000_000
    assert funds.allowance_cycles[funds.current.month, Service.CALLING].committed_quantity == 10
    office.assert_books_hold()


def test_a_commitment_or_allowance_that_is_new_and_immediate_begins_in_the_running_cycle() -> None:
    office = Office.open()
    raise_commitment(office.books, committed("10", WalletKind.AI_AGENT, Cadence.ANNUAL))
    raise_allowance(office.books, included(60))
    [account] = office.funds.commitment_cycles
    assert (account.starts_at, account.ends_at) == (START, day("2027-03-01"))
    assert [item.committed_quantity for item in office.funds.allowance_cycles.values()] == [60]


def test_an_immediate_annual_commitment_in_a_stretched_cycle_ends_with_a_cycle() -> None:
    """Else its last weeks would belong to no commitment: closed already, and the next not begun."""
    office = Office.open()
    change(office, CycleTerms(time_zone="UTC", anchor_day=15), day("2026-03-10"))
    terms = committed("10", cadence=Cadence.ANNUAL)
    raise_commitment(office.books, terms)
    office.funds.commitments = [terms]
    office.renew(day("2027-06-01"))
    first, second = office.funds.commitment_cycles
    assert first.ends_at == second.starts_at == day("2027-03-15")


def test_a_commitment_of_nothing_opens_no_account_and_what_expires_is_what_was_left() -> None:
    office = Office.open(commitments=(committed("0"), committed("5", WalletKind.AI_AGENT)), allowances=(included(0),))
    office.renew(day("2026-05-01"))
    assert {account.kind for account in office.funds.commitment_cycles} == {WalletKind.AI_AGENT}
    assert office.funds.allowance_cycles == {}
    assert office.posted(EXPIRED) == 5_000_000
