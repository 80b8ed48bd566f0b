"""A batch folded over an office's funds: the worked numbers as tables, the laws of the fold for any month (R10–R26)."""

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.catalogue import DEFAULT_COVERAGE, Direction, Service, WalletKind
from domain.charging import Charged, Outcome
from domain.ledger import UNIVERSAL
from domain.money import parse_micros
from domain.periods import YearMonth
from domain.usage import (
    AiAgentMode,
    AiAgentSession,
    Encoding,
    Fax,
    FaxStatus,
    Message,
    MessageStatus,
    RejectionCode,
    Session,
    Traffic,
    UsageEvent,
    UsageFacts,
)
from domain.waterfall import Coverage
from tests.books import Office, committed, included, rate_book
from tests.world import START, call, rate, usage_event

END = datetime.fromisoformat("2026-06-20T00:00:00Z")
MARCH = YearMonth(2026, 3)
FAX = Fax(direction=Direction.OUTBOUND, from_="+14155550100", to="+12125550123", page_count=5)
SMS = Message(
    direction=Direction.OUTBOUND, traffic=Traffic.P2P, from_="+14155550100", to="+12125550123", segment_count=10
)
AI = AiAgentSession(mode=AiAgentMode.VOICE, session_count=1)
IVR = Session(service=Service.SPEECH_IVR)

# usage | units of plan | calling | AI | universal || plan | commitment | universal, and why
WATERFALL = """
600 s         | 240  | 1.00  | 0    | 5.00 || 0.08 | 0.12 | 0    | COVERED
600 s         | 0    | 0.05  | 0    | 5.00 || 0    | 0.05 | 0.15 | NO_ALLOWANCE
600 s         | 0    | 0     | 0    | 0.10 || 0    | 0    | 0.20 | NO_ALLOWANCE
600 s abroad  | 9000 | 0.30  | 0    | 5.00 || 0    | 0.30 | 0.70 | NOT_COVERED
5 pages       | 2    | 0     | 0    | 1.00 || 0.06 | 0    | 0.09 | COVERED
5 pages       | 0    | 1.00  | 9.00 | 1.00 || 0    | 0.15 | 0    | NO_ALLOWANCE
10 segments   | 4    | 0.05  | 0    | 1.00 || 0.04 | 0.05 | 0.01 | COVERED
1 AI session  | 0    | 10.00 | 0    | 1.00 || 0    | 0    | 0.50 | NO_ALLOWANCE
1 AI session  | 0    | 10.00 | 0.20 | 1.00 || 0    | 0.20 | 0.30 | NO_ALLOWANCE
1 IVR session | 0    | 10.00 | 9.00 | 1.00 || 0    | 0    | 0.05 | NO_ALLOWANCE
1 IVR session | 3    | 10.00 | 9.00 | 1.00 || 0.05 | 0    | 0    | COVERED
0 s           | 600  | 1.00  | 0    | 5.00 || 0    | 0    | 0    | FREE
"""
USAGE: dict[str, UsageFacts] = {
    "600 s": call("one", START, seconds=600).usage,
    "600 s abroad": call("one", START, seconds=600, to="+442071234567").usage,
    "0 s": call("one", START, seconds=0).usage,
    "5 pages": FAX,
    "10 segments": SMS,
    "1 AI session": AI,
    "1 IVR session": IVR,
}


@pytest.mark.parametrize("row", WATERFALL.strip().splitlines())
def test_who_pays(row: str) -> None:
    funds_text, expected_text = row.split("||")
    name, plan_units, calling, ai, universal = (cell.strip() for cell in funds_text.split("|"))
    plan, commitment, paid_universal, why = (cell.strip() for cell in expected_text.split("|"))
    usage = USAGE[name]
    office = Office.open(
        allowances=(included(int(plan_units), usage.service, *DEFAULT_COVERAGE[usage.service]),)
        if plan_units != "0"
        else (),
        commitments=(committed(calling), committed(ai, WalletKind.AI_AGENT)),
        universal=universal,
    )
    [decision] = office.record(usage_event("one", START, usage), now=START + timedelta(hours=1)).decisions

    [charge] = office.charges
    assert charge.coverage is Coverage(why)
    assert [charge.payment.plan_micros, charge.payment.commitment_micros, charge.payment.universal_micros] == [
        parse_micros(plan),
        parse_micros(commitment),
        parse_micros(paid_universal),
    ]
    assert decision.cost_micros == parse_micros(commitment) + parse_micros(paid_universal)
    assert office.funds.universal_micros == parse_micros(universal) - parse_micros(paid_universal)
    office.assert_books_hold()


# occurred | reported || booked in | late? | commitment of the month before left | of February left
JANUARY_USAGE = """
2026-01-31T23:00 | 2026-02-02T12:00 || 2026-01 | no  | 30 | 0
2026-01-31T23:00 | 2026-02-03T23:59 || 2026-01 | no  | 30 | 0
2026-01-31T23:00 | 2026-02-04T00:00 || 2026-02 | yes | 0  | 0
2026-02-01T00:00 | 2026-02-02T12:00 || 2026-02 | no  | 40 | 0
"""


@pytest.mark.parametrize("row", JANUARY_USAGE.strip().splitlines())
def test_late_usage_is_charged_to_its_own_cycle_while_that_is_open(row: str) -> None:
    """January leaves 40 of 100; February's 100 are spent and 20 of universal; then 10 more of usage comes in."""
    when, expected = row.split("||")
    occurred, reported = (datetime.fromisoformat(f"{cell.strip()}Z") for cell in when.split("|"))
    month, is_late, january_left, february_left = (cell.strip() for cell in expected.split("|"))
    january = datetime.fromisoformat("2026-01-01T00:00:00Z")
    one_a_page = rate_book((rate("1", service=Service.FAX),))
    office = Office.open(commitments=(committed("100"),), universal="50", opened_at=january, rates=one_a_page)
    office.record(usage_event("january", january, _worth(60)), now=january + timedelta(hours=1))
    february = datetime.fromisoformat("2026-02-01T10:00:00Z")
    office.record(usage_event("february", february, _worth(120)), now=february)
    assert office.funds.universal_micros == parse_micros("30")

    office.record(usage_event("late", occurred, _worth(10)), now=reported)

    charge = office.charges[-1]
    assert (charge.cycle.month.text, charge.is_booked_late) == (month, is_late == "yes")
    left = {account.month.month: account.balance_micros for account in office.funds.commitment_cycles}
    assert left == {1: parse_micros(january_left), 2: parse_micros(february_left)}
    drawn = 0 if month == "2026-01" else 10
    assert office.funds.universal_micros == parse_micros(str(30 - drawn))
    office.renew(datetime.fromisoformat("2026-02-10T00:00:00Z"))
    [closed, _] = office.funds.commitment_cycles
    assert closed.expired_micros == parse_micros("30" if month == "2026-01" else "40")
    office.assert_books_hold()


def _worth(pages: int) -> Fax:
    return replace(FAX, page_count=pages)


def test_usage_of_an_hour_ahead_belongs_to_the_running_cycle_although_the_next_is_named_by_its_time() -> None:
    office = Office.open()
    just_before = datetime.fromisoformat("2026-03-31T23:30:00Z")
    office.record(call("fast clock", just_before + timedelta(minutes=59)), now=just_before)
    assert (office.charges[0].cycle.month, office.charges[0].is_booked_late) == (MARCH, False)


def test_one_bad_event_does_not_disturb_the_rest() -> None:
    office = Office.open(universal="1")
    now = START + timedelta(days=1)
    charged = office.record(
        call("good", START),
        call("too long", START, seconds=10**9),
        call("tomorrow", now + timedelta(hours=2)),
        call("ancient", START - timedelta(days=4_000)),
        call("nobody", START, to=" "),
        call("blocked", START, to="+900123456789"),
        usage_event("empty", START, replace(SMS, segment_count=0, encoding=Encoding.GSM_7)),
        call("good too", START + timedelta(minutes=1)),
        now=now,
    )
    codes = [decision.rejection and decision.rejection.code for decision in charged.decisions]
    assert codes == [
        None,
        RejectionCode.BAD_QUANTITY,
        RejectionCode.IN_THE_FUTURE,
        RejectionCode.TOO_OLD,
        RejectionCode.BAD_NUMBER,
        RejectionCode.BLOCKED,
        RejectionCode.EMPTY_MESSAGE,
        None,
    ]
    assert [decision.rejected_id is not None for decision in charged.decisions] == [
        code is RejectionCode.BLOCKED for code in codes
    ]
    assert office.funds.universal_micros == 1_000_000 - 40_000


def test_a_key_that_comes_twice_in_a_batch_is_charged_once() -> None:
    office = Office.open()
    first = call("one", START)
    charged = office.record(first, first, replace(first, occurred_at=START + timedelta(1)), now=START + timedelta(2))
    assert [decision.outcome for decision in charged.decisions] == [
        Outcome.CHARGED,
        Outcome.REPLAYED,
        Outcome.CONFLICT,
    ]
    assert {decision.charge_id for decision in charged.decisions} == {office.charges[0].id}


def test_a_key_rejected_and_charged_in_one_batch_keeps_no_rejection() -> None:
    office = Office.open()
    blocked, good = call("one", START, to="+900123456789"), call("one", START + timedelta(minutes=1))
    charged = office.record(good, blocked, now=START + timedelta(hours=1))
    assert [decision.outcome for decision in charged.decisions] == [Outcome.CHARGED, Outcome.REJECTED]
    assert charged.decisions[1].rejected_id is None


def test_a_key_rejected_twice_in_one_batch_is_kept_under_one_id() -> None:
    office = Office.open()
    blocked = call("one", START, to="+900123456789")
    charged = office.record(blocked, blocked, now=START + timedelta(hours=1))
    assert len({decision.rejected_id for decision in charged.decisions}) == 1


def test_notes_are_brought_up_to_date_by_a_replay_and_those_left_out_stay() -> None:
    office = Office.open()
    sent = replace(SMS, delivery_status=MessageStatus.SENT)
    office.record(usage_event("one", START, sent), now=START)
    delivered = usage_event("one", START, replace(SMS, delivery_status=MessageStatus.DELIVERED))
    again = office.record(delivered, now=START)
    assert again.decisions[0].outcome is Outcome.REPLAYED
    assert [notes["deliveryStatus"] for notes in again.corrected_notes.values()] == ["DELIVERED"]
    assert office.record(usage_event("one", START, SMS), now=START).corrected_notes == {}
    faxed = usage_event("fax", START, replace(FAX, status=FaxStatus.COMPLETED))
    office.record(faxed, now=START)
    assert office.record(faxed, now=START).corrected_notes == {}


# Laws: any month of any usage, charged in any way that must not matter.

MOMENTS = st.integers(0, 95 * 24 * 60).map(lambda minutes: START + timedelta(minutes=minutes))
USAGES = st.one_of(
    st.builds(
        lambda seconds, to: call("x", START, seconds=seconds, to=to).usage,
        st.integers(0, 4_000),
        st.sampled_from(["+12125550123", "+14155550199", "+442071234567", "1002", "+900123456789"]),
    ),
    st.integers(0, 60).map(lambda pages: replace(FAX, page_count=pages)),
    st.integers(1, 99).map(lambda segments: replace(SMS, segment_count=segments)),
    st.integers(0, 4).map(lambda count: replace(AI, session_count=count)),
    st.integers(0, 4).map(lambda count: replace(IVR, session_count=count)),
)


def numbered(usages: list[tuple[datetime, UsageFacts]]) -> list[UsageEvent]:
    return [usage_event(f"e{at:03}", moment, usage) for at, (moment, usage) in enumerate(usages)]


EVENTS = st.lists(st.tuples(MOMENTS, USAGES), max_size=24).map(numbered)


def open_office() -> Office:
    return Office.open(
        allowances=(
            included(1_500),
            included(20, Service.FAX, *DEFAULT_COVERAGE[Service.FAX]),
            included(30, Service.MESSAGING, *DEFAULT_COVERAGE[Service.MESSAGING]),
        ),
        commitments=(committed("1.50"), committed("2", WalletKind.AI_AGENT)),
        universal="3",
    )


def in_time(events: list[UsageEvent]) -> list[UsageEvent]:
    return sorted(events, key=lambda event: (event.occurred_at, event.event_id))


def told(charged: Charged) -> dict[str, object]:
    return {decision.event.event_id: (decision.outcome, decision.cost_micros) for decision in charged.decisions}


@given(EVENTS, st.booleans())
def test_postings_balance_and_every_charge_is_posted_in_full(events: list[UsageEvent], is_backfill: bool) -> None:
    office = open_office()
    office.record(*events, now=END, is_backfill=is_backfill)
    office.assert_books_hold()
    for charge in office.charges:
        payment, rated = charge.payment, charge.rated
        assert payment.list_price_micros == rated.price + rated.fee
        posted = [posting.amount_micros for posting in office.books.postings if posting.charge_id == charge.id]
        assert sum(posted) == payment.cost_micros
    assert sum(office.posted(f"usage:{service}") for service in Service) == sum(
        charge.payment.cost_micros for charge in office.charges
    )


@given(EVENTS, st.randoms(use_true_random=False))
def test_a_batch_in_any_order_gives_the_same_books(events: list[UsageEvent], random: Random) -> None:
    one, other = open_office(), open_office()
    shuffled = list(events)
    random.shuffle(shuffled)
    first, second = one.record(*events, now=END), other.record(*shuffled, now=END)
    assert told(first) == told(second)
    assert one.standing() == other.standing()
    assert one.books.postings == other.books.postings


def test_events_of_one_moment_and_id_from_two_sources_are_charged_in_one_order() -> None:
    ours, theirs = call("one", START, seconds=600), replace(call("one", START, seconds=60), source="other")
    paid = []
    for batch in ((ours, theirs), (theirs, ours)):
        office = Office.open(commitments=(committed("0.10"),))
        office.record(*batch, now=START)
        paid.append({charge.event.source: charge.payment for charge in office.charges})
    assert paid[0] == paid[1]


@given(EVENTS, st.integers(0, 24), st.booleans())
def test_a_batch_cut_in_two_gives_the_same_balances(events: list[UsageEvent], cut: int, is_backfill: bool) -> None:
    whole, parts = open_office(), open_office()
    ordered = in_time(events)
    whole.record(*ordered, now=END, is_backfill=is_backfill)
    parts.record(*ordered[:cut], now=END, is_backfill=is_backfill)
    parts.record(*ordered[cut:], now=END, is_backfill=is_backfill)
    assert parts.standing() == whole.standing()
    parts.assert_books_hold()


@given(EVENTS)
def test_replaying_a_batch_changes_nothing(events: list[UsageEvent]) -> None:
    office = open_office()
    first = office.record(*events, now=END)
    standing, posting_count = office.standing(), len(office.books.postings)
    again = office.record(*reversed(events), now=END)
    assert (office.standing(), len(office.books.postings)) == (standing, posting_count)
    assert again.charges == []
    charged = {decision.event.key: decision.charge_id for decision in first.decisions if decision.charge_id}
    for decision in again.decisions:
        assert decision.charge_id == charged.get(decision.event.key)
        assert decision.outcome is (Outcome.REPLAYED if decision.charge_id else Outcome.REJECTED)


@settings(max_examples=150)
@given(EVENTS, st.lists(MOMENTS, max_size=4))
def test_backfilled_history_is_charged_as_if_it_had_come_on_time(
    events: list[UsageEvent], visits: list[datetime]
) -> None:
    """Live: every event when it happens. Late: all of them long after, however often somebody looked in between."""
    live, late = open_office(), open_office()
    for event in in_time(events):
        live.record(event, now=event.occurred_at)
    live.renew(END)
    for moment in sorted(visits):
        late.renew(moment)
    late.record(*events, now=END, is_backfill=True)
    assert late.standing() == live.standing()
    late.assert_books_hold()
    assert [charge for charge in late.charges if charge.is_booked_late] == []


@given(EVENTS, st.lists(st.tuples(MOMENTS, st.booleans()), max_size=5))
def test_only_charges_touch_universal_credits(events: list[UsageEvent], visits: list[tuple[datetime, bool]]) -> None:
    """Neither a renewal nor a close nor a backfill can name the account (R11)."""
    office = open_office()
    for moment, is_backfill in sorted(visits):
        office.record(*(event for event in events if event.occurred_at <= moment), now=moment, is_backfill=is_backfill)
    office.renew(END)
    touched = [posting for posting in office.books.postings if UNIVERSAL in (posting.source, posting.destination)]
    charged = {charge.id for charge in office.charges}
    assert [posting.note for posting in touched if posting.charge_id not in charged] == ["Credits brought along."]
    assert {posting.destination.split(":")[0] for posting in touched[1:]} <= {"usage"}


@given(EVENTS)
def test_usage_from_before_the_office_was_opened_backfills_cycles_of_its_own(events: list[UsageEvent]) -> None:
    office = open_office()
    before = [replace(event, occurred_at=event.occurred_at - timedelta(days=100)) for event in events]
    office.record(*before, now=END, is_backfill=True)
    months = [cycle.month for cycle in office.funds.cycles]
    assert months == sorted(set(months))
    for earlier, later in zip(office.funds.cycles, office.funds.cycles[1:], strict=False):
        assert earlier.ends_at <= later.starts_at
    for charge in office.charges:
        assert charge.cycle.starts_at <= charge.event.occurred_at < charge.cycle.ends_at
        if charge.event.occurred_at < START:
            assert (charge.payment.plan_micros, charge.payment.commitment_micros) == (0, 0)
    office.assert_books_hold()
