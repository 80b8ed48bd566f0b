"""Operations in any order, of which hypothesis chooses the worst: after each of them the books are what the model says.

Auto-recharge is the one thing the model does not foresee: of it the books tell which recharges settled, and the machine
checks that they were right to.
"""

import asyncio
import os
import shutil
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from domain.auto_recharge import RechargeState
from domain.errors import AlreadyReversed, FareboxError, HoldExpired, HoldResolved, NotRefundable, TooLow
from domain.holds import Hold
from domain.payments import DisputeState
from domain.stories.charge import reverse_usage
from domain.stories.hold import authorize_usage, capture_hold, extend_hold, release_hold
from domain.top_ups import TopUp, TopUpState
from persistence.database import Database
from tests.fire.counter import (
    ASKS,
    DECLINED,
    GOOD,
    LOSES_ANSWER,
    OFFICES,
    OPENING,
    SERVICES,
    Counter,
    Facts,
    Shown,
    event_of,
)
from tests.fire.model import Model, Paid, is_open, month_of
from tests.persistence.holding import request
from tests.proof import assert_books_hold
from tests.world import START

EXAMPLES = int(os.environ.get("FAREBOX_TEST_EXAMPLES", "100"))
STEPS = 30
DOLLAR = 1_000_000
CAP = 4 * 20 * DOLLAR
"""Of a billing cycle, by default (R34)."""
T = TypeVar("T")

offices = st.sampled_from(OFFICES)
kinds = st.sampled_from(sorted(SERVICES))
places = st.integers(0, 1_000)
drafts = st.tuples(kinds, st.integers(1, 60), st.one_of(st.integers(0, 60), st.integers(0, 40 * 24 * 60)))
"""Kind, quantity in minutes or pieces, and how many minutes ago: often long enough to be late."""


class Bought:
    """A purchase that was begun by card or by invoice, and what is left of it."""

    def __init__(self, slug: str, key: str, top_up: TopUp) -> None:
        self.slug, self.key, self.top_up = slug, key, top_up
        self.left = top_up.credits_micros
        self.is_settled = top_up.state is TopUpState.SETTLED
        self.is_paid = self.is_disputed = False


class Machine(RuleBasedStateMachine):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.database = Database(url)
        self.counter = self.run(Counter.open(self.database))
        self.world = self.counter.world
        self.models = {slug: Model(OPENING) for slug in OFFICES}
        self.sent: dict[str, Facts] = {}
        self.charge_ids: dict[str, UUID] = {}
        self.reversed: dict[str, str] = {}
        self.holds: dict[str, tuple[UUID, Facts]] = {}
        """By event id: the hold, and the usage it was granted for."""
        self.captured: set[str] = set()
        self.bought: list[Bought] = []
        self.card = GOOD
        self.step_count = 0

    def run(self, story: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(story)

    def refused(self, story: Coroutine[Any, Any, Any], *errors: type[FareboxError]) -> None:
        try:
            self.run(story)
        except errors:
            return
        raise AssertionError(f"It was done, and should have raised {errors}.")

    def key(self, name: str) -> str:
        self.step_count += 1
        return f"{name}{self.step_count:04}"

    @property
    def now(self) -> datetime:
        return self.world.now

    # ---------- usage ----------

    @rule(slug=offices, new=st.lists(drafts, max_size=4), olds=st.lists(st.tuples(places, st.booleans()), max_size=2))
    def report(self, slug: str, new: list[tuple[str, int, int]], olds: list[tuple[int, bool]]) -> None:
        """A batch of new events, of ones that were sent before, and of ones whose facts have changed since."""
        batch = [
            (
                self.key("e"),
                Facts(slug, kind, _units(kind, quantity), max(START, self.now - timedelta(minutes=minutes))),
            )
            for kind, quantity, minutes in new
        ]
        for place, is_changed in olds:
            if self.sent:
                key = sorted(self.sent)[place % len(self.sent)]
                facts = self.sent[key]
                batch.append((key, facts._replace(quantity=facts.quantity + 1) if is_changed else facts))
        if batch:
            self._record(batch)

    def _record(self, batch: list[tuple[str, Facts]]) -> None:
        told = self.run(self.world.record(*(event_of(key, facts) for key, facts in batch)))
        for at in sorted(range(len(batch)), key=lambda at: (batch[at][1].at, batch[at][0])):
            self._expect(*batch[at], told[at])

    def _expect(self, key: str, facts: Facts, decision: Any) -> None:
        if key in self.sent:
            assert decision.outcome == ("REPLAYED" if facts == self.sent[key] else "CONFLICT")
            return
        model = self.models[facts.office]
        if key in model.held:
            self.captured.add(key)
        cost = model.charge(key, facts.kind, facts.quantity, facts.at, self.now)
        assert (decision.outcome, decision.cost_micros) == ("CHARGED", cost)
        self.sent[key], self.charge_ids[key] = facts, decision.charge_id

    @precondition(lambda self: self.charge_ids)
    @rule(place=places)
    def take_back(self, place: int) -> None:
        key = sorted(self.charge_ids)[place % len(self.charge_ids)]
        charge_id, viewer = self.charge_ids[key], self.world.viewer()

        def reverse(name: str) -> Coroutine[Any, Any, Any]:
            return reverse_usage(self.world.begin, viewer, charge_id, key=name, reason="wrong", now=self.now)

        if key in self.reversed:
            assert self.run(reverse(self.reversed[key])).is_replayed
            self.refused(reverse(self.key("r")), AlreadyReversed)
            return
        self.reversed[key] = self.key("r")
        assert not self.run(reverse(self.reversed[key])).is_replayed
        self.models[self.sent[key].office].reverse(key, self.now)

    # ---------- holds ----------

    @rule(slug=offices, kind=kinds, wanted=st.integers(1, 900), minutes=st.integers(1, 24 * 60))
    def authorize(self, slug: str, kind: str, wanted: int, minutes: int) -> None:
        wanted = wanted if kind == "call" else 1 + wanted % 20
        key, model = self.key("h"), self.models[slug]
        asked = request(
            key, quantity=wanted, service=SERVICES[kind], hold_seconds=60 * minutes, office=slug, source="test"
        )
        expected = model.grant(kind, min(wanted, 600), self.now, extra=self._recharged(slug))
        for is_replayed in (False, True):
            answer = self.run(authorize_usage(self.world.begin, self.world.viewer(), asked, now=self.now))
            if expected is None:
                assert answer.hold is None
                return
            assert answer.hold is not None, answer.refusal
            assert answer.is_replayed is is_replayed
            self._keep(key, model, answer.hold, expected, self.now + timedelta(minutes=minutes))
        self.holds[key] = (answer.hold.id, Facts(slug, kind, expected[0], self.now))

    def _keep(self, key: str, model: Model, hold: Hold, expected: tuple[int, Paid], end: datetime) -> None:
        quantity, paid = expected
        kept = (hold.payment.plan_quantity, hold.payment.commitment_micros, hold.payment.universal_micros)
        assert (hold.granted_quantity, *kept) == (quantity, *paid[1:])
        model.held[key] = (paid, end)

    @precondition(lambda self: self.holds)
    @rule(place=places, wanted=st.integers(1, 900))
    def extend(self, place: int, wanted: int) -> None:
        """A total; what is not more than before, or what funds do not allow for, leaves the hold as it was."""
        key, model = self._pick(place)
        hold_id, facts = self.holds[key]
        wanted = wanted if facts.kind == "call" else 1 + wanted % 20
        extending = extend_hold(self.world.begin, self.world.viewer(), hold_id, quantity=wanted, now=self.now)
        if key not in model.held:
            self.refused(extending, HoldResolved, HoldExpired)
            return
        hold, (before, end) = self.run(extending).hold, model.held[key]
        expected = model.grant(facts.kind, wanted, self.now, extra=self._recharged(facts.office), besides=key)
        if expected is None or expected[0] <= facts.quantity:
            expected = (facts.quantity, before)
        self._keep(key, model, hold, expected, end)
        self.holds[key] = (hold_id, facts._replace(quantity=expected[0]))

    def _pick(self, place: int) -> tuple[str, Model]:
        key = sorted(self.holds)[place % len(self.holds)]
        return key, self.models[self.holds[key][1].office]

    @precondition(lambda self: self.holds)
    @rule(place=places, quantity=st.integers(1, 500), by_report=st.booleans())
    def finish(self, place: int, quantity: int, by_report: bool) -> None:
        """Captured, or reported as any other usage; also when it has ended long since."""
        key, _model = self._pick(place)
        hold_id, facts = self.holds[key]
        facts = self.sent.get(key, facts._replace(quantity=quantity, at=self.now))
        if by_report:
            self._record([(key, facts)])
            return
        event = event_of(key, facts)
        captured = self.run(capture_hold(self.world.begin, self.world.viewer(), hold_id, event, now=self.now))
        self._expect(key, facts, captured.decision)

    @precondition(lambda self: self.holds)
    @rule(place=places)
    def release(self, place: int) -> None:
        key, model = self._pick(place)
        releasing = release_hold(self.world.begin, self.world.viewer(), self.holds[key][0], now=self.now)
        if key in self.captured:
            self.refused(releasing, HoldResolved)
        else:
            self.run(releasing)
            model.held.pop(key, None)

    # ---------- money ----------

    @rule(slug=offices, dollars=st.integers(10, 20), card=st.sampled_from((GOOD, GOOD, DECLINED, ASKS, LOSES_ANSWER)))
    def purchase(self, slug: str, dollars: int, card: str) -> None:
        if slug == "hq" and card != self.card:
            self.run(self.counter.choose_card(card))
            self.card = card
        key = self.key("p")
        bought = Bought(slug, key, self.run(self.counter.buy(str(dollars), key, slug=slug)).top_up)
        states = {GOOD: "SETTLED", DECLINED: "FAILED", ASKS: "REQUIRES_ACTION", LOSES_ANSWER: "PENDING"}
        assert bought.top_up.state == (states[card] if slug == "hq" else "SETTLED")
        self.models[slug].universal += bought.left * bought.is_settled
        if bought.top_up.state != "FAILED":
            self.bought.append(bought)

    @precondition(lambda self: self.bought)
    @rule(place=places)
    def purchase_again(self, place: int) -> None:
        bought = self.bought[place % len(self.bought)]
        credits = bought.top_up.credits_micros // DOLLAR
        told = self.run(self.counter.buy(str(credits), bought.key, slug=bought.slug))
        assert told.is_replayed
        assert told.top_up.id == bought.top_up.id

    @rule(slug=offices, is_enabled=st.booleans(), threshold=st.integers(1, 15))
    def configure(self, slug: str, is_enabled: bool, threshold: int) -> None:
        self.run(self.counter.configure(slug, is_enabled=is_enabled, threshold=threshold * DOLLAR))

    @rule()
    def work(self) -> None:
        """What the processor lost an answer to is settled now; what waits for a cardholder is not."""
        self.counter.wait(minutes=1)
        self._pass_time()
        for slug in OFFICES:
            self._record([(self.key("e"), Facts(slug, "fax", 1, self.now))])
        self.run(self.counter.work())
        self._pass_time()
        for bought in self.bought:
            state = self.run(self.counter.now_is(bought.top_up)).state
            if bought.top_up.state is TopUpState.PENDING and not bought.is_settled:
                assert state is TopUpState.SETTLED
                bought.is_settled = True
                self.models[bought.slug].universal += bought.left
            elif bought.top_up.state is TopUpState.REQUIRES_ACTION:
                assert state in (TopUpState.REQUIRES_ACTION, TopUpState.FAILED)
        for slug in OFFICES:
            recharge = self.run(self.counter.shown_recharge(slug))
            is_low = self._universal(slug) < recharge.recharge.threshold_micros
            assert not (is_low and recharge.standing.state is RechargeState.READY), "nobody recharges it, for no reason"

    def _settled(self, slug: str | None = None) -> list[Bought]:
        return [one for one in self.bought if one.is_settled and slug in (None, one.slug)]

    @precondition(lambda self: self._settled())
    @rule(place=places, dollars=st.integers(1, 20))
    def refund(self, place: int, dollars: int) -> None:
        bought = self._settled()[place % len(self._settled())]
        model, top_up = self.models[bought.slug], self.run(self.counter.now_is(bought.top_up))
        [most] = self.run(self.counter.refundable(top_up))
        held = sum(paid.universal for paid, _end in model.held.values())
        assert most <= max(0, min(bought.left, self._universal(bought.slug) - held))
        credits = min(dollars, most // DOLLAR)
        key = self.key("g")
        if most == 0:
            self.refused(self.counter.refund(top_up, str(dollars), key), NotRefundable)
        elif credits:
            for is_replayed in (False, True):
                assert self.run(self.counter.refund(top_up, str(credits), key)).is_replayed is is_replayed
            model.universal -= credits * DOLLAR
            bought.left -= credits * DOLLAR

    @precondition(lambda self: self._settled("hq"))
    @rule(place=places, is_won=st.booleans())
    def dispute(self, place: int, is_won: bool) -> None:
        """The bank takes back what is left, below zero if need be; whatever it is told twice happens once."""
        bought = self._settled("hq")[place % len(self._settled("hq"))]
        if bought.is_disputed:
            return
        model, top_up, dispute_id = self.models["hq"], self.run(self.counter.now_is(bought.top_up)), self.key("dp")
        for state in (DisputeState.OPEN, DisputeState.OPEN, DisputeState.WON if is_won else DisputeState.LOST):
            total = top_up.total_micros // 10_000
            assert self.run(self.counter.dispute(top_up, state, minor=total, dispute_id=dispute_id))
        if not is_won:
            model.universal -= bought.left
            bought.left = 0
        bought.is_disputed = True

    @rule(slug=offices, kind=st.sampled_from(("UNIVERSAL", "CALLING")), cents=st.integers(-400, 400).filter(bool))
    def adjust(self, slug: str, kind: str, cents: int) -> None:
        model, change, month = self.models[slug], cents * 10_000, month_of(self.now)
        adjusting = self.counter.adjust(slug, kind, change, self.key("a"))
        if kind == "UNIVERSAL":
            self.run(adjusting)
            model.universal += change
        elif model.commitment[month] + change < 0:
            self.refused(adjusting, TooLow)
        else:
            self.run(adjusting)
            model.commitment[month] += change

    @rule()
    def pay_invoice(self) -> None:
        owed = self.run(self.counter.owed("firm"))
        assert self.run(self.counter.pay_invoice(key=self.key("i"), slug="firm")).total_micros == owed
        for bought in self._settled("firm"):
            bought.is_paid = True

    # ---------- time ----------

    @rule(hours=st.sampled_from((1, 12, 30, 4 * 24, 29 * 24, 34 * 24)))
    def wait(self, hours: int) -> None:
        self.counter.wait(hours=hours)
        self._pass_time()

    def _pass_time(self) -> None:
        for model in self.models.values():
            model.pass_time(self.now)

    # ---------- what must be true ----------

    @invariant()
    def figures_agree(self) -> None:
        shown = self.run(self.counter.shown())
        for slug, model in self.models.items():
            self._agrees(model, shown[slug])
        owed = sum(one.left * 11 // 10 for one in self._settled("firm") if not one.is_paid)
        owed += sum(row.total_micros for row in shown["firm"].recharges if row.paid_at is None)
        assert self.run(self.counter.owed("firm")) == owed

    def _agrees(self, model: Model, shown: Shown) -> None:
        held = [paid for paid, _end in model.held.values()]
        assert shown.universal == _with_recharges(model, shown)
        assert shown.universal_held == sum(paid.universal for paid in held)
        assert shown.commitment_held == sum(paid.commitment for paid in held)
        for number, left in shown.commitments.items():
            month = _month(number)
            assert left == model.commitment[month] * is_open(month, self.now), number
        for number, (seconds, kept) in shown.plan.items():
            month = _month(number)
            assert seconds == model.plan[month], number
            assert kept == sum(paid.plan for paid in held if paid.month == month), number

    def _recharged(self, slug: str) -> int:
        return self._universal(slug) - self.models[slug].universal

    def _universal(self, slug: str) -> int:
        return _with_recharges(self.models[slug], self.run(self.counter.shown())[slug])

    def teardown(self) -> None:
        try:
            self.run(assert_books_hold(self.database))
        finally:
            self.run(self.database.close())
            self.runner.close()


def _units(kind: str, quantity: int) -> int:
    """A call is long enough to use up what the plan includes, and anything dear enough to reach universal credits."""
    return 11 * quantity if kind == "call" else quantity if kind == "fax" else 1 + quantity % 5


def _month(number: int) -> datetime:
    """202603."""
    return datetime(number // 100, number % 100, 1, tzinfo=UTC)


def _with_recharges(model: Model, shown: Shown) -> int:
    """Universal credits as the model has them, and what auto-recharge bought, within its cap (R34)."""
    for month in {row.month for row in shown.recharges}:
        assert sum(row.credits_micros for row in shown.recharges if row.month == month) <= CAP
    return model.universal + sum(row.credits_micros for row in shown.recharges)


def run_machine(url_of_example: Callable[[], str], examples: int) -> None:
    chosen = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lambda: Machine(url_of_example()), settings=chosen)  # type: ignore[arg-type,return-value]


def test_any_operations_in_any_order_on_sqlite(sqlite_template: Path, tmp_path: Path) -> None:
    """A fresh file for every example."""

    def copy() -> str:
        path = tmp_path / "farebox.db"
        for old in tmp_path.iterdir():
            old.unlink()
        shutil.copy(sqlite_template, path)
        return f"sqlite+aiosqlite:///{path}"

    run_machine(copy, examples=max(3, EXAMPLES // 10))


def test_any_operations_in_any_order_on_postgresql(postgresql_url: str) -> None:
    """A company of its own for every example, all in one database."""
    url = asyncio.run(_fresh(postgresql_url))
    run_machine(lambda: url, examples=max(2, EXAMPLES // 33))


async def _fresh(template: str) -> str:
    name = f"machine_{os.getpid()}_{os.urandom(4).hex()}"
    administration = make_url(template).set(database="postgres")
    engine = create_async_engine(administration, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {make_url(template).database}"))
    await engine.dispose()
    return administration.set(database=name).render_as_string(hide_password=False)
