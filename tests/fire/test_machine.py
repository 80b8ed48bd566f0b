"""Operations in any order, of which hypothesis chooses the worst: after each of them the books are what the model says.

Auto-recharge is the one thing the model does not foresee: of it the books tell which recharges settled, and the machine
checks that they were right to.
"""

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from domain.auto_recharge import RechargeState
from domain.errors import NotRefundable, TooLow
from domain.payments import DisputeState
from domain.top_ups import TopUp, TopUpState
from tests.fire.counter import ASKS, DECLINED, GOOD, LOSES_ANSWER, OFFICES, Facts
from tests.fire.machine import DOLLAR, UsageMachine, offices, places
from tests.fire.model import month_of

EXAMPLES = int(os.environ.get("FAREBOX_TEST_EXAMPLES", "100"))
STEPS = 40
cards = st.sampled_from((GOOD, GOOD, GOOD, DECLINED, ASKS, LOSES_ANSWER))


class Bought:
    """A purchase that was begun by card or by invoice, and what is left of it."""

    def __init__(self, slug: str, key: str, top_up: TopUp) -> None:
        self.slug, self.key, self.top_up = slug, key, top_up
        self.left = top_up.credits_micros
        self.is_settled = top_up.state is TopUpState.SETTLED
        self.is_paid = self.is_disputed = False


class Machine(UsageMachine):
    """Usage, holds and money."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.bought: list[Bought] = []
        self.card = GOOD

    @initialize(hours=st.sampled_from((0, 4 * 24, 34 * 24)))
    def begin(self, hours: int) -> None:
        """Nobody starts with nothing: plans and commitments are in use, and credits were bought."""
        for slug in OFFICES:
            self.purchase(slug, 15, GOOD)
            self.report(slug, 0, [("call", 30, 60), ("fax", 20, 30), ("agent", 2, 5)], [])
        self._wait(hours)

    @rule(
        slug=offices,
        dollars=st.integers(10, 20),
        card=cards,
    )
    def purchase(self, slug: str, dollars: int, card: str) -> None:
        if slug == "hq" and card != self.card:
            self.run(self.counter.choose_card(card))
            self.card = card
        key = self.key("p")
        bought = Bought(slug, key, self.run(self.counter.buy(str(dollars), key, slug=slug)).top_up)
        states = {GOOD: "SETTLED", DECLINED: "FAILED", ASKS: "REQUIRES_ACTION", LOSES_ANSWER: "PENDING"}
        assert bought.top_up.state == (states[card] if slug == "hq" else "SETTLED")
        again = self.run(self.counter.buy(str(dollars), key, slug=slug))
        assert (again.is_replayed, again.top_up.id) == (True, bought.top_up.id)
        self.models[slug].universal += bought.left * bought.is_settled
        if bought.top_up.state != "FAILED":
            self.bought.append(bought)

    @rule(slug=offices, is_enabled=st.booleans(), threshold=st.integers(1, 15))
    def configure(self, slug: str, is_enabled: bool, threshold: int) -> None:
        self.run(self.counter.configure(slug, is_enabled=is_enabled, threshold=threshold * DOLLAR))

    @rule(is_paid=st.booleans())
    def work(self, is_paid: bool) -> None:
        """The invoices may be paid. Then, what the processor lost an answer to is settled; what waits for a cardholder
        is not; and who is low is recharged, or there is a reason."""
        if is_paid:
            self._pay_invoices()
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

    def _pay_invoices(self) -> None:
        owed = self.run(self.counter.owed("firm"))
        assert self.run(self.counter.pay_invoice(key=self.key("i"), slug="firm")).total_micros == owed
        for bought in self._settled("firm"):
            bought.is_paid = True

    def _settled(self, slug: str | None = None) -> list[Bought]:
        return [one for one in self.bought if one.is_settled and slug in (None, one.slug)]

    @precondition(lambda self: self._settled())
    @rule(place=places, dollars=st.integers(1, 20), wanted=st.one_of(st.none(), st.integers(1, 900)))
    def refund(self, place: int, dollars: int, wanted: int | None) -> None:
        """Of what is neither spent nor held; often something is held just before."""
        bought = self._settled()[place % len(self._settled())]
        if wanted is not None:
            self.authorize(bought.slug, "agent", wanted, 60)
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

    @invariant()
    def what_is_owed_agrees(self) -> None:
        recharges = self.run(self.counter.shown())["firm"].recharges
        owed = sum(one.left * 11 // 10 for one in self._settled("firm") if not one.is_paid)
        owed += sum(row.total_micros for row in recharges if row.paid_at is None)
        assert self.run(self.counter.owed("firm")) == owed


def run_machine(url_of_example: Callable[[], str], examples: int) -> None:
    chosen = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lambda: Machine(url_of_example()), settings=chosen)  # type: ignore[arg-type]


def test_any_operations_in_any_order_on_sqlite(sqlite_template: Path, tmp_path: Path) -> None:
    """A fresh file for every example."""

    def copy() -> str:
        path = tmp_path / "farebox.db"
        for old in tmp_path.iterdir():
            old.unlink()
        shutil.copy(sqlite_template, path)
        return f"sqlite+aiosqlite:///{path}"

    run_machine(copy, examples=max(3, EXAMPLES // 12))


def test_any_operations_in_any_order_on_postgresql(postgresql_url: str) -> None:
    """A company of its own for every example, all in one database."""
    url = asyncio.run(_fresh(postgresql_url))
    run_machine(lambda: url, examples=max(2, EXAMPLES // 50))


async def _fresh(template: str) -> str:
    name = f"machine_{os.getpid()}_{os.urandom(4).hex()}"
    administration = make_url(template).set(database="postgres")
    engine = create_async_engine(administration, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {make_url(template).database}"))
    await engine.dispose()
    return administration.set(database=name).render_as_string(hide_password=False)
