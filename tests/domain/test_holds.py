"""What holds keep (R27, R28): the worked numbers, and the laws that hold whatever is asked in whatever order."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.authorization import UsageRequest, authorize, extend
from domain.catalogue import COMMITMENT_OF, Direction, Service, UsageType
from domain.charging import Directory, charge_batch
from domain.holds import Hold, HoldRefusal, HoldState
from domain.known import Known, KnownCharge
from domain.money import parse_micros
from domain.rates import Increment, Rate
from domain.renewal import renew
from domain.reservations import Available, largest_grant, let_go, payment_from
from domain.usage import OfficeReference
from tests.books import LONG_AGO, Office, committed, included, rate_book
from tests.world import START, call, rate

NOW = START + timedelta(days=1)
BLOCK, SECOND = Increment(60, 60), Increment(1, 1)


@dataclass
class Desk(Office):
    """An office that also authorizes; what persistence does for holds is done here with a list."""

    holds: dict[tuple[str, str], Hold] = field(default_factory=dict)

    def renew(self, now: datetime) -> None:
        self.books.now = now
        running = [hold for hold in self.holds.values() if hold.state is HoldState.ACTIVE]
        self.funds.due_holds = [hold for hold in running if hold.expires_at <= now]
        self.funds.next_hold_ends_at = min((hold.expires_at for hold in running if hold.expires_at > now), default=None)
        renew(self.books)

    def ask(self, event_id: str, seconds: int, now: datetime = NOW, *, hold_seconds: int = 3_600) -> Hold | HoldRefusal:
        self.renew(now)
        request = UsageRequest(
            source="test",
            event_id=event_id,
            office=OfficeReference(slug="hq"),
            service=Service.CALLING,
            direction=Direction.OUTBOUND,
            from_="+14155550100",
            to="+12125550123",
            quantity=seconds,
            hold_seconds=hold_seconds,
        )
        answer = authorize(self.books, request, self.rates)
        if isinstance(answer, Hold):
            self.holds[answer.key] = answer
        return answer

    def capture(self, event_id: str, seconds: int, now: datetime = NOW) -> None:
        self.renew(now)
        holds = {key: hold for key, hold in self.holds.items() if hold.state is HoldState.ACTIVE}
        charged = charge_batch(
            self.books,
            [call(event_id, now, seconds=seconds)],
            rates=self.rates,
            known=Known(self.known, {}, holds),
            directory=Directory({}, {}, {}),
        )
        self.charges += charged.charges
        for charge in charged.charges:
            self.known[charge.event.key] = KnownCharge(charge.id, charge.fingerprint, {})

    def active(self) -> list[Hold]:
        return [hold for hold in self.holds.values() if hold.state is HoldState.ACTIVE]

    def assert_reserved_is_held(self) -> None:
        funds, active = self.funds, self.active()
        assert funds.universal_reserved_micros == sum(hold.payment.universal_micros for hold in active)
        for terms in funds.commitments:
            own = [hold for hold in active if COMMITMENT_OF.get(hold.service) is terms.kind]
            assert terms.reserved_micros == sum(hold.payment.commitment_micros for hold in own)
        for (month, service), allowance in funds.allowance_cycles.items():
            own = [hold for hold in active if (hold.month, hold.service) == (month, service)]
            assert allowance.reserved_quantity == sum(hold.payment.plan_quantity for hold in own)


def desk(price: str, increment: Increment = SECOND, *, fee: str = "0", universal: str = "0", **more: object) -> Desk:
    rates = rate_book((rate(price, increment=increment, fee=fee),))
    opened = Desk.open(universal=universal, rates=rates, **more)  # type: ignore[arg-type]
    assert isinstance(opened, Desk)
    return opened


CASES = """
universal | allowance | calling | price | increment | fee  | wanted | granted | plan | held calling | held universal
100.00    | 0         | 0       | 0.02  | 1/1       | 0    | 3600   | 600     | 0    | 0            | 0.20
100.00    | 0         | 0       | 0.02  | 7/7       | 0    | 3600   | 595     | 0    | 0            | 0.198333
100.00    | 0         | 0       | 0.02  | 900/60    | 0    | 60     | 900     | 0    | 0            | 0.30
1.00      | 0         | 0       | 1     | 60/60     | 0    | 60     | 60      | 0    | 0            | 1.00
0.999999  | 0         | 0       | 1     | 60/60     | 0    | 60     | –       |      |              |
0.01      | 0         | 0       | 0.04  | 60/60     | 0    | 60     | –       |      |              |
0.05      | 0         | 0       | 0.04  | 60/60     | 0.01 | 600    | 60      | 0    | 0            | 0.05
0.049999  | 0         | 0       | 0.04  | 60/60     | 0.01 | 600    | –       |      |              |
5.00      | 240       | 1.00    | 0.02  | 1/1       | 0    | 600    | 600     | 240  | 0.12         | 0
0         | 240       | 0       | 0.02  | 1/1       | 0    | 600    | 240     | 240  | 0            | 0
0         | 240       | 0       | 0.02  | 60/60     | 0.01 | 600    | –       |      |              |
-3.00     | 0         | 1.00    | 0.02  | 1/1       | 0    | 600    | 600     | 0    | 0.20         | 0
-3.00     | 0         | 0.10    | 0.02  | 60/60     | 0    | 600    | 300     | 0    | 0.10         | 0
-0.10     | 0         | 0       | 0.02  | 1/1       | 0    | 60     | –       |      |              |
-3.00     | 0         | 0       | 0     | 1/1       | 0    | 900    | 600     | 0    | 0            | 0
0.04      | 0         | 0       | 0.02  | 60/10     | 0    | 83     | 90      | 0    | 0            | 0.03
"""
ROWS = [[cell.strip() for cell in line.split("|")] for line in CASES.strip().splitlines()[1:]]


@pytest.mark.parametrize("row", ROWS, ids=" ".join)
def test_the_worked_numbers(row: list[str]) -> None:
    universal, allowance, calling, price, increment, fee, wanted, granted, *held = row
    first, following = map(int, increment.split("/"))
    terms = [committed(calling)] if calling != "0" else []
    included_units = [included(int(allowance))] if allowance != "0" else []
    office = desk(price, Increment(first, following), fee=fee, commitments=terms, allowances=included_units)
    office.funds.universal_micros = parse_micros(universal)
    hold = office.ask("e", int(wanted))
    if granted == "–":
        assert isinstance(hold, HoldRefusal)
        assert office.active() == []
    else:
        assert isinstance(hold, Hold)
        assert hold.granted_quantity == int(granted)
        payment = hold.payment
        found = (payment.plan_quantity, payment.commitment_micros, payment.universal_micros)
        assert found == (int(held[0]), parse_micros(held[1]), parse_micros(held[2]))
    office.assert_reserved_is_held()


def test_what_is_held_is_not_granted_again() -> None:
    """Balance 6.00, holds 5.50, wanted 1.00."""
    office = desk("0.50", BLOCK, fee="0.50", universal="6")
    first = office.ask("a", 600)
    assert isinstance(first, Hold)
    assert first.payment.universal_micros == 5_500_000
    assert isinstance(office.ask("b", 60), HoldRefusal)
    let_go(office.books, first)
    assert isinstance(office.ask("b", 60), Hold)


@pytest.mark.parametrize(("seconds", "left"), [(180, "2"), (360, "-1")], ids=["less", "more"])
def test_hold_5_capture_3_or_6(seconds: int, left: str) -> None:
    office = desk("1", BLOCK, universal="5")
    hold = office.ask("e", 300)
    assert isinstance(hold, Hold)
    assert hold.payment.universal_micros == 5_000_000
    office.capture("e", seconds)
    assert office.funds.universal_micros == parse_micros(left)
    assert (hold.state, hold.charge_id) == (HoldState.CAPTURED, office.charges[0].id)
    assert office.funds.universal_reserved_micros == 0
    office.capture("e", seconds)
    assert len(office.charges) == 1


funds_left = st.builds(Available, st.integers(0, 2_000), st.integers(0, 300_000), st.integers(-100_000, 300_000))
increments = st.builds(Increment, st.integers(1, 90), st.integers(1, 60))
rates = st.builds(
    lambda nanos, increment, fee: Rate(
        UUID(int=1), "deck", Service.CALLING, None, None, "", None, nanos, increment, fee, 0, False, LONG_AGO, None
    ),
    st.integers(0, 80_000_000) | st.integers(0, 5_000),
    increments,
    st.integers(0, 50_000),
)


@given(rates, st.integers(1, 1_200), funds_left)
def test_a_grant_is_the_most_that_funds_pay(priced: Rate, most: int, funds: Available) -> None:
    first, following = priced.increment
    most = max(first, most)
    fitting = [
        quantity for quantity in range(first, most + 1, following) if payment_from(priced, quantity, funds) is not None
    ]
    grant = largest_grant(priced, most, funds)
    assert (grant.quantity if grant else None) == (max(fitting) if first in fitting else None)
    if grant:
        assert grant.payment.plan_quantity <= funds.quantity
        assert grant.payment.commitment_micros <= funds.commitment_micros
        assert grant.payment.universal_micros <= max(0, funds.universal_micros)


@given(rates, st.integers(1, 1_200), funds_left, funds_left)
def test_more_funds_never_grant_less(priced: Rate, most: int, funds: Available, more: Available) -> None:
    most = max(priced.increment.first_seconds, most)
    richer = Available(*(max(one, other) for one, other in zip(funds, more, strict=True)))
    less, much = largest_grant(priced, most, funds), largest_grant(priced, most, richer)
    assert (much.quantity if much else 0) >= (less.quantity if less else 0)


steps = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "capture", "release", "extend", "wait", "use"]),
        st.integers(0, 5),
        st.integers(1, 900),
    ),
    max_size=25,
)


@given(
    st.sampled_from(["0", "0.05", "1", "3"]),
    st.sampled_from([0, 100, 500]),
    st.sampled_from(["0", "0.10", "1"]),
    increments,
    steps,
)
def test_reserved_is_what_active_holds_keep_after_any_sequence(
    universal: str, allowance: int, calling: str, increment: Increment, told: list[tuple[str, int, int]]
) -> None:
    terms = [committed(calling)] if calling != "0" else []
    included_units = [included(allowance)] if allowance else []
    office = desk("0.20", increment, universal=universal, commitments=terms, allowances=included_units)
    now = NOW
    for at, (verb, which, amount) in enumerate(told):
        name = f"e{which}"
        hold = office.holds.get(("test", name))
        office.renew(now)
        match verb:
            case "ask" if hold is None and ("test", name) not in office.known:
                _assert_not_overdrawn_by(office, office.ask(name, amount, now, hold_seconds=60 + amount * 300))
            case "capture":
                office.capture(name, amount, now)
            case "use":
                office.capture(f"u{at}", amount, now)
            case "release" if hold is not None and hold.state is HoldState.ACTIVE:
                let_go(office.books, hold)
            case "extend" if hold is not None and hold.state is HoldState.ACTIVE:
                before = hold.granted_quantity
                extend(office.books, hold, quantity=amount, expires_at=now + timedelta(hours=2))
                assert hold.granted_quantity >= before
            case "wait":
                now += timedelta(hours=amount)
                office.renew(now)
        office.assert_reserved_is_held()
        office.assert_books_hold()


def _assert_not_overdrawn_by(office: Desk, answer: Hold | HoldRefusal) -> None:
    """No authorization makes holds keep more than there is; only charges may, because they draw on balances."""
    if isinstance(answer, HoldRefusal):
        return
    funds, payment = office.funds, answer.payment
    if payment.universal_micros:
        assert funds.universal_reserved_micros <= funds.universal_micros
    if payment.plan_quantity:
        allowance = funds.allowance_cycles[answer.month, answer.service]
        assert allowance.reserved_quantity <= allowance.left_quantity
    if payment.commitment_micros:
        account = funds.commitment_for(answer.service, funds.current)
        [terms] = funds.commitments
        assert account is not None
        assert terms.reserved_micros <= account.balance_micros


def test_an_extension_sent_twice_changes_nothing_and_never_lowers() -> None:
    office = desk("1", BLOCK, universal="10")
    hold = office.ask("e", 120)
    assert isinstance(hold, Hold)
    for wanted, granted in ((300, 300), (300, 300), (60, 300), (6_000, 600)):
        assert extend(office.books, hold, quantity=wanted, expires_at=None) is None
        assert hold.granted_quantity == granted
        office.assert_reserved_is_held()
    assert isinstance(extend(office.books, hold, quantity=601, expires_at=None), HoldRefusal)
    assert hold.granted_quantity == 600


def test_what_others_drew_does_not_lower_a_grant() -> None:
    office = desk("1", BLOCK, universal="5", allowances=[included(60, Service.CALLING, UsageType.DOMESTIC)])
    hold = office.ask("e", 120)
    assert isinstance(hold, Hold)
    office.capture("other", 600)
    before = hold.payment
    assert isinstance(extend(office.books, hold, quantity=180, expires_at=None), HoldRefusal)
    assert (hold.granted_quantity, hold.payment) == (120, before)
    office.assert_reserved_is_held()
