"""What a person is told about an office's auto-recharge, and how many amounts an invoiced one may owe (R31–R35)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.auto_recharge import AutoRecharge, RechargeFacts, RechargeState, Standing, multiples_owable, standing_of
from domain.money import Currency
from domain.top_ups import TopUpReason, tax_of
from tests.domain.test_auto_recharge import BILLING, HOUR, INVOICED, NOW

# settings and facts || state | possible again, in hours
STATES = """
off                       || OFF                         | -
off, declines             || SWITCHED_OFF_AFTER_DECLINES | -
off, in flight            || OFF                         | -
in flight, backing off    || IN_FLIGHT                   | -
in flight, suspended      || IN_FLIGHT                   | -
suspended, backing off    || OFF                         | -
off, declines, suspended  || SWITCHED_OFF_AFTER_DECLINES | -
backing off, no card      || BACKING_OFF                 | 1
back-off over             || READY                       | -
no card, cap spent        || NO_PAYMENT_METHOD           | -
expired                   || NO_PAYMENT_METHOD           | -
cap spent, six attempts   || CAP_REACHED                 | 660
six attempts              || CAP_REACHED                 | 12
invoice limit             || CAP_REACHED                 | -
nothing                   || READY                       | -
"""


@pytest.mark.parametrize("row", STATES.strip().splitlines())
def test_what_a_person_is_told(row: str) -> None:
    matter, expected = row.split("||")
    matters = matter.strip().split(", ")
    state, hours = (cell.strip() for cell in expected.split("|"))
    recharge = AutoRecharge(
        is_enabled="off" not in matters,
        is_switched_off="declines" in matters,
        retry_at=NOW + HOUR if "backing off" in matters else NOW if "back-off over" in matters else None,
    )
    troubles = {
        "no card": TopUpReason.NO_PAYMENT_METHOD,
        "expired": TopUpReason.CARD_EXPIRED,
        "invoice limit": TopUpReason.INVOICE_LIMIT,
    }
    standing = standing_of(
        recharge,
        RechargeFacts("in flight" in matters, 6 * ("six attempts" in matters), 80_000_000 * ("cap spent" in matters)),
        now=NOW,
        trouble=next((troubles[matter] for matter in matters if matter in troubles), None),
        next_day_at=NOW + 12 * HOUR,
        cycle_ends_at=NOW + 660 * HOUR,
        is_suspended="suspended" in matters,
    )
    assert standing == Standing(RechargeState(state), None if hours == "-" else NOW + int(hours) * HOUR)


@given(st.integers(1, 10**8), st.integers(0, 10**6), st.integers(-(10**9), 10**9), st.integers(0, 10**4))
def test_as_many_amounts_as_may_be_owed_and_no_more(amount: int, rate: int, left: int, wanted: int) -> None:
    billing = replace(INVOICED, tax_rate_micros=rate, owed_micros=INVOICED.invoice_limit_micros - left)
    recharge = AutoRecharge(amount_micros=amount)

    def fits(count: int) -> bool:
        return count * amount + tax_of(count * amount, rate, Currency.USD) <= left

    count = multiples_owable(recharge, billing, wanted)
    assert 0 <= count <= wanted
    assert count == 0 or fits(count)
    assert count == wanted or not fits(count + 1)
    assert multiples_owable(recharge, BILLING, wanted) == wanted, "a card has no such limit"
