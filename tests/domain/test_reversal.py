"""Taking a charge back (R36): whole while its cycle is open, as universal credits once its commitment has closed."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.catalogue import Cadence, WalletKind
from domain.errors import AlreadyReversed
from domain.reversal import NON_REFUNDABLE, PastCharge, reverse
from domain.usage import AiAgentMode, AiAgentSession, UsageEvent
from domain.waterfall import Payment
from tests.books import Office, committed, included
from tests.domain.test_charging import END, EVENTS, open_office
from tests.world import START, call, usage_event

APRIL = datetime.fromisoformat("2026-04-01T00:00:00Z")


def charged(office: Office, *, seconds: int = 600) -> None:
    office.record(call("one", START, seconds=seconds), now=START + timedelta(hours=1))


def split_office(cadence: Cadence = Cadence.MONTHLY) -> Office:
    """600 s at 0.02 a minute: 240 s of the plan (0.08), 0.05 of the commitment, 0.07 of universal credits."""
    office = Office.open(allowances=(included(240),), commitments=(committed("0.05", cadence=cadence),), universal="1")
    charged(office)
    assert office.charges[0].payment == Payment(240, 80_000, 50_000, 70_000)
    return office


@given(EVENTS, st.data())
def test_what_is_reversed_in_its_open_cycle_leaves_every_balance_as_it_was(
    events: list[UsageEvent], data: st.DataObject
) -> None:
    before, after = open_office(), open_office()
    now = START + timedelta(days=30)
    in_march = [replace(event, occurred_at=min(event.occurred_at, now)) for event in events]
    before.renew(now)
    after.record(*in_march, now=now)
    for charge in data.draw(st.permutations(after.charges)):
        after.reverse(charge, now)
    assert after.standing() == before.standing()
    after.assert_books_hold()


@given(EVENTS)
def test_whatever_is_reversed_after_its_cycle_closed_gives_the_cost_to_universal(events: list[UsageEvent]) -> None:
    office = open_office()
    office.record(*events, now=END, is_backfill=True)
    closed = [charge for charge in office.charges if charge.cycle.closed_at is not None]
    universal = office.funds.universal_micros
    later = office.standing()
    for charge in closed:
        assert office.reverse(charge, END).payment.cost_micros == -charge.payment.cost_micros
    assert office.funds.universal_micros == universal + sum(charge.payment.cost_micros for charge in closed)
    assert office.standing() | {"universal": 0} == later | {"universal": 0}
    office.assert_books_hold()


def test_in_the_late_window_units_and_commitment_still_come_back() -> None:
    office = split_office()
    reversal = office.reverse(office.charges[0], APRIL + timedelta(hours=71))
    assert reversal.payment == Payment(-240, -80_000, -50_000, -70_000)
    assert reversal.month.text == "2026-04"
    assert office.funds.commitment_cycles[0].balance_micros == 50_000
    assert office.funds.universal_micros == 1_000_000


def test_after_the_close_money_comes_back_as_universal_and_units_do_not() -> None:
    office = split_office()
    reversal = office.reverse(office.charges[0], APRIL + timedelta(hours=72))
    assert reversal.payment == Payment(0, -80_000, 0, -120_000)
    assert office.funds.universal_micros == 1_050_000
    [posting] = [posting for posting in office.books.postings if posting.charge_id == reversal.id]
    assert (posting.amount_micros, posting.note, posting.author) == (120_000, f"test {NON_REFUNDABLE}", "Tester")


def test_an_annual_commitment_takes_its_money_back_as_long_as_it_runs() -> None:
    office = split_office(Cadence.ANNUAL)
    reversal = office.reverse(office.charges[0], APRIL + timedelta(days=40))
    assert reversal.payment == Payment(0, -80_000, -50_000, -70_000)
    assert office.funds.commitment_cycles[0].balance_micros == 50_000


def test_a_reversal_repays_universal_credits_below_zero() -> None:
    office = Office.open()
    charged(office)
    assert office.funds.universal_micros == -200_000
    office.reverse(office.charges[0], APRIL)
    assert office.funds.universal_micros == 0


@pytest.mark.parametrize("flag", ["is_reversal", "is_reversed"])
def test_nothing_is_reversed_twice_and_no_reversal_at_all(flag: str) -> None:
    office = split_office()
    past = _past(office, is_reversal=flag == "is_reversal", is_reversed=flag == "is_reversed")
    standing = office.standing()
    with pytest.raises(AlreadyReversed):
        reverse(office.books, past, reason="again", author="Tester")
    assert office.standing() == standing


def _past(office: Office, *, is_reversal: bool, is_reversed: bool) -> PastCharge:
    return replace(office.reverse(office.charges[0], START).original, is_reversal=is_reversal, is_reversed=is_reversed)


def test_the_ai_agent_wallet_gets_back_its_own() -> None:
    office = Office.open(commitments=(committed("1"), committed("1", WalletKind.AI_AGENT)))
    ai = AiAgentSession(mode=AiAgentMode.ROUTING, session_count=1)
    office.record(usage_event("ai", START, ai), now=START)
    office.reverse(office.charges[0], START + timedelta(days=1))
    assert [account.balance_micros for account in office.funds.commitment_cycles] == [1_000_000, 1_000_000]
