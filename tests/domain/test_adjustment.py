"""An operator's adjustments move one account, and a commitment never goes below zero (R37)."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.adjustment import MAX_ADJUSTMENT_MICROS, adjust, wallet_balance
from domain.catalogue import WalletKind
from domain.errors import FareboxError, InvalidInput, NotFound, TooHigh, TooLow
from domain.ledger import ADJUSTMENT, EXPIRED
from domain.money import parse_micros
from tests.books import Office, committed
from tests.domain.test_renewal import day
from tests.world import START, call

CALLING = committed("10")
UNIVERSAL = UUID(int=4)
WALLETS = {"universal": UNIVERSAL, "calling": CALLING.wallet_id, "nobody's": UUID(int=99)}

# wallet | change || what it holds then, or why not
CASES = """
universal | 5           || 12
universal | -7          || 0
universal | -12.000001  || -5.000001
universal | 0           || InvalidInput
universal | 1000000000  || 1000000007
universal | 1000000000.000001  || TooHigh
universal | -1000000000.000001 || TooLow
calling   | 2.5         || 12.5
calling   | -10         || 0
calling   | -10.000001  || TooLow
nobody's  | 1           || NotFound
"""


def opened() -> Office:
    return Office.open(commitments=(CALLING, committed("0", WalletKind.AI_AGENT)), universal="7")


@pytest.mark.parametrize("row", CASES.strip().splitlines())
def test_a_wallet_holds_what_was_added_or_taken(row: str) -> None:
    given_text, expected = (part.strip() for part in row.split("||"))
    name, change = (cell.strip() for cell in given_text.split("|"))
    office, wallet = opened(), WALLETS[name]
    before = office.standing()
    refusals: dict[str, type[FareboxError]] = {
        kind.__name__: kind for kind in (InvalidInput, TooHigh, TooLow, NotFound)
    }
    if expected in refusals:
        with pytest.raises(refusals[expected]):
            adjust(office.books, wallet, parse_micros(change), reason="Test.", author="Olga")
        assert office.standing() == before
        return
    posting = adjust(office.books, wallet, parse_micros(change), reason="Test.", author="Olga")
    assert wallet_balance(office.funds, wallet) == parse_micros(expected) == posting.balance_after_micros
    assert (posting.note, posting.author, posting.wallet_id) == ("Test.", "Olga", wallet)
    assert ADJUSTMENT in (posting.source, posting.destination)
    office.assert_books_hold()


def test_nothing_is_committed_so_there_is_nothing_to_adjust() -> None:
    with pytest.raises(InvalidInput, match="current cycle"):
        adjust(opened().books, committed("0", WalletKind.AI_AGENT).wallet_id, 1, reason="Test.", author="Olga")


def test_what_was_added_to_a_cycle_is_spent_in_it_or_expires_with_it() -> None:
    office = Office.open(commitments=(CALLING,))
    adjust(office.books, CALLING.wallet_id, parse_micros("2"), reason="Goodwill.", author="Olga")
    office.record(call("long", START, seconds=550 * 60), now=START)
    [march] = office.funds.commitment_cycles
    assert (march.committed_micros, march.spent_micros, march.balance_micros) == (10_000_000, 11_000_000, 1_000_000)
    office.renew(day("2026-04-04"))
    march, april = office.funds.commitment_cycles
    assert (march.balance_micros, march.expired_micros, april.balance_micros) == (0, 1_000_000, 10_000_000)
    assert office.posted(EXPIRED) == 1_000_000
    office.assert_books_hold()


def test_in_the_late_window_the_new_cycle_is_adjusted() -> None:
    office = Office.open(commitments=(CALLING,))
    office.renew(day("2026-04-01"))
    adjust(office.books, CALLING.wallet_id, parse_micros("-4"), reason="Test.", author="Olga")
    assert [account.balance_micros for account in office.funds.commitment_cycles] == [10_000_000, 6_000_000]


@given(st.lists(st.tuples(st.sampled_from([UNIVERSAL, CALLING.wallet_id]), st.integers(-20_000_000, 20_000_000))))
def test_whatever_is_adjusted_the_books_hold_and_no_commitment_is_below_zero(changes: list[tuple[UUID, int]]) -> None:
    office = opened()
    expected = {UNIVERSAL: parse_micros("7"), CALLING.wallet_id: parse_micros("10")}
    for wallet, change in changes:
        is_refused = change == 0 or (wallet != UNIVERSAL and expected[wallet] + change < 0)
        try:
            adjust(office.books, wallet, change, reason="Test.", author="Olga")
        except (InvalidInput, TooLow):
            assert is_refused
        else:
            assert not is_refused
            expected[wallet] += change
    assert {wallet: wallet_balance(office.funds, wallet) for wallet in expected} == expected
    assert abs(max(expected.values())) < MAX_ADJUSTMENT_MICROS
    office.assert_books_hold()
