"""What a machine does with usage: reports and holds in any order, of which hypothesis chooses the worst."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from domain.errors import AlreadyReversed, FareboxError, HoldExpired, HoldResolved
from domain.holds import Hold
from domain.stories.charge import reverse_usage
from domain.stories.hold import authorize_usage, capture_hold, extend_hold, release_hold
from persistence.database import Database
from tests.fire.counter import OFFICES, OPENING, SERVICES, Counter, Facts, Shown, event_of
from tests.fire.model import Model, Paid, is_open
from tests.persistence.holding import request
from tests.proof import assert_books_hold
from tests.world import START

DOLLAR = 1_000_000
CAP = 4 * 20 * DOLLAR
"""Of a billing cycle, by default (R34)."""
T = TypeVar("T")

offices = st.sampled_from(OFFICES)
kinds = st.sampled_from(sorted(SERVICES))
later = st.sampled_from((0, 0, 0, 1, 12, 4 * 24, 34 * 24))
"""Hours that pass first: often none, sometimes past the closing of a month."""
places = st.integers(0, 1_000)
drafts = st.tuples(kinds, st.integers(1, 60), st.one_of(st.integers(0, 60), st.integers(0, 40 * 24 * 60)))
"""Kind, quantity in minutes or pieces, and how many minutes ago: often long enough to be late."""


class UsageMachine(RuleBasedStateMachine):
    """Usage and holds, and the time that passes."""

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

    # ---------- time ----------

    @rule(hours=later.filter(bool))
    def wait(self, hours: int) -> None:
        self._wait(hours)

    def _wait(self, hours: int) -> None:
        self.counter.wait(hours=hours)
        self._pass_time()

    def _pass_time(self) -> None:
        for model in self.models.values():
            model.pass_time(self.now)

    # ---------- usage ----------

    @rule(
        slug=offices,
        hours=later,
        new=st.lists(drafts, min_size=1, max_size=4),
        olds=st.lists(st.tuples(places, st.booleans()), max_size=2),
    )
    def report(self, slug: str, hours: int, new: list[tuple[str, int, int]], olds: list[tuple[int, bool]]) -> None:
        """A batch of new events, of ones that were sent before, and of ones whose facts have changed since."""
        self._wait(hours)
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
    @rule(place=places, hours=later)
    def take_back(self, place: int, hours: int) -> None:
        """Once; whoever asks again with the same key is told the same, and nobody else may."""
        self._wait(hours)
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
        wanted = _wanted(kind, wanted)
        key, model = self.key("h"), self.models[slug]
        asked = request(
            key, quantity=wanted, service=SERVICES[kind], hold_seconds=60 * minutes, office=slug, source="test"
        )
        expected = model.grant(kind, min(wanted, 600), self.now, extra=self._recharged(slug))
        asking = partial(authorize_usage, self.world.begin, self.world.viewer(), asked, now=self.now)
        hold = self.run(asking()).hold
        if expected is None or hold is None:
            assert (hold, expected) == (None, None), "refused by one of the two"
            return
        self._keep(key, model, hold, expected, self.now + timedelta(minutes=minutes))
        again = self.run(asking())
        assert (again.is_replayed, again.hold and again.hold.id) == (True, hold.id)
        self.holds[key] = (hold.id, Facts(slug, kind, expected[0], self.now))

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
        wanted = _wanted(facts.kind, wanted)
        extending = extend_hold(self.world.begin, self.world.viewer(), hold_id, quantity=wanted, now=self.now)
        if key not in model.held:
            self.refused(extending, HoldResolved, HoldExpired)
            return
        expected = model.grant(facts.kind, wanted, self.now, extra=self._recharged(facts.office), besides=key)
        hold, (before, end) = self.run(extending).hold, model.held[key]
        if expected is None or expected[0] <= facts.quantity:
            expected = (facts.quantity, before)
        self._keep(key, model, hold, expected, end)
        self.holds[key] = (hold_id, facts._replace(quantity=expected[0]))

    def _pick(self, place: int) -> tuple[str, Model]:
        key = sorted(self.holds)[place % len(self.holds)]
        return key, self.models[self.holds[key][1].office]

    @precondition(lambda self: self.holds)
    @rule(place=places, pieces=st.integers(1, 60), how=st.sampled_from(("capture", "report", "release")), hours=later)
    def finish(self, place: int, pieces: int, how: str, hours: int) -> None:
        """Captured, reported as any other usage, or released; also when it has ended long since."""
        self._wait(hours)
        key, model = self._pick(place)
        hold_id, facts = self.holds[key]
        facts = self.sent.get(key, facts._replace(quantity=_units(facts.kind, pieces), at=self.now))
        if how == "release":
            self._release(key, model)
        elif how == "report":
            self._record([(key, facts)])
        else:
            event = event_of(key, facts)
            captured = self.run(capture_hold(self.world.begin, self.world.viewer(), hold_id, event, now=self.now))
            self._expect(key, facts, captured.decision)

    def _release(self, key: str, model: Model) -> None:
        releasing = release_hold(self.world.begin, self.world.viewer(), self.holds[key][0], now=self.now)
        if key in self.captured:
            self.refused(releasing, HoldResolved)
        else:
            self.run(releasing)
            model.held.pop(key, None)

    # ---------- what must be true ----------

    @invariant()
    def figures_agree(self) -> None:
        shown = self.run(self.counter.shown())
        for slug, model in self.models.items():
            self._agrees(model, shown[slug])

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


def _wanted(kind: str, most: int) -> int:
    """So much that a few holds take all there is."""
    return {"call": most, "fax": 1 + most % 90, "agent": 1 + most % 20}[kind]


def _units(kind: str, quantity: int) -> int:
    """A call is long enough to use up what the plan includes, and anything dear enough to reach universal credits."""
    return 11 * quantity if kind == "call" else quantity if kind == "fax" else 1 + quantity % 60


def _month(number: int) -> datetime:
    """202603."""
    return datetime(number // 100, number % 100, 1, tzinfo=UTC)


def _with_recharges(model: Model, shown: Shown) -> int:
    """Universal credits as the model has them, and what auto-recharge bought, within its cap (R34)."""
    for month in {row.month for row in shown.recharges}:
        assert sum(row.credits_micros for row in shown.recharges if row.month == month) <= CAP
    return model.universal + sum(int(row.credits_micros) for row in shown.recharges)
