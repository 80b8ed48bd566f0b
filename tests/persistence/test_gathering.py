"""Small batches for one office that come at once share a transaction, and nobody can tell by his answer."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.access import Role
from domain.charging import Decision, Outcome
from domain.stories.charge import record_usage
from persistence.database import Database
from persistence.gathering import Gathering
from persistence.tally import Tally
from tests.proof import assert_books_hold
from tests.world import START, World, call, commitment, office

MOST = 5


class Desk:
    """Doubles numbers, one transaction after the other for each key; those below zero it refuses."""

    def __init__(self) -> None:
        self.gathering = Gathering(self._again, most=MOST)
        self.transactions: list[list[int]] = []
        self.at_work: Counter[str] = Counter()
        self.most_at_work = 0

    async def _again(self, story):  # type: ignore[no-untyped-def]
        return await story()

    async def ask(self, key: str, *numbers: int, steps: int = 2) -> Sequence[int]:
        async def double(items: Sequence[int]) -> list[int]:
            self.at_work[key] += 1
            self.most_at_work = max(self.most_at_work, self.at_work[key])
            try:
                for _ in range(steps):
                    await asyncio.sleep(0)
                if min(items) < 0:
                    raise ValueError(min(items))
                self.transactions.append(list(items))
                return [2 * item for item in items]
            finally:
                self.at_work[key] -= 1

        return await self.gathering.done(key, numbers, double)

    @property
    def is_empty(self) -> bool:
        return not self.gathering._lines


async def test_one_goes_at_once_and_those_who_come_meanwhile_go_together_next() -> None:
    desk = Desk()
    answers = await asyncio.gather(*(desk.ask("hq", number) for number in range(4)), desk.ask("annex", 9))
    assert answers == [[0], [2], [4], [6], [18]]
    assert sorted(desk.transactions) == [[0], [1, 2, 3], [9]]
    assert desk.is_empty


async def test_no_more_go_together_than_one_batch_holds_and_they_stay_in_order() -> None:
    desk = Desk()
    await asyncio.gather(*(desk.ask("hq", *range(10 * at, 10 * at + size)) for at, size in enumerate((1, 2, 2, 4, 9))))
    assert desk.transactions == [[0], [10, 11, 20, 21], [30, 31, 32, 33], list(range(40, 49))]


async def test_a_neighbour_that_is_refused_refuses_nobody_else() -> None:
    desk = Desk()
    found = await asyncio.gather(*(desk.ask("hq", number) for number in (1, 2, -3, 4)), return_exceptions=True)
    assert found[:2] + found[3:] == [[2], [4], [8]]
    assert isinstance(found[2], ValueError)
    assert desk.is_empty


@pytest.mark.parametrize("steps", range(8))
async def test_whoever_goes_away_takes_nobody_along(steps: int) -> None:
    """He waits, or leads the others, or is led, or is just being told that it is his turn."""
    for gone in range(4):
        desk = Desk()
        tasks = [asyncio.create_task(desk.ask("hq", number)) for number in range(4)]
        for _ in range(steps):
            await asyncio.sleep(0)
        tasks[gone].cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [answer for at, answer in enumerate(found) if at != gone] == [[2 * at] for at in range(4) if at != gone]
        assert isinstance(found[gone], asyncio.CancelledError) or found[gone] == [2 * gone]
        assert desk.is_empty


callers = st.tuples(
    st.sampled_from("ab"), st.lists(st.integers(-1, 20), min_size=1, max_size=4), st.integers(0, 6), st.integers(0, 9)
)


@settings(max_examples=150, deadline=None)
@given(st.lists(callers, max_size=10))
def test_each_gets_his_own_answers_whoever_fails_or_goes(plan: list[tuple[str, list[int], int, int]]) -> None:
    async def told() -> None:
        desk = Desk()
        tasks: list[asyncio.Task[Sequence[int]]] = []
        for key, numbers, steps, cancelled_after in plan:
            tasks.append(asyncio.create_task(desk.ask(key, *numbers, steps=steps)))
            for _ in range(steps):
                await asyncio.sleep(0)
            if cancelled_after < len(tasks) - 1:
                tasks[cancelled_after].cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        for (_, numbers, _, _), answer in zip(plan, found, strict=True):
            if isinstance(answer, ValueError):
                assert min(numbers) < 0
            elif not isinstance(answer, asyncio.CancelledError):
                assert answer == [2 * number for number in numbers]
        assert desk.is_empty
        if all(min(numbers) >= 0 for _, numbers, _, _ in plan) and not any(task.cancelled() for task in tasks):
            assert desk.most_at_work <= 1

    asyncio.run(told())


@pytest.fixture
async def world(database: Database) -> World:
    world = World(database, now=START + timedelta(days=1))
    await world.set_up(office(commitments=(commitment("0.05"),)), office("annex"))
    return world


def told_to(world: World) -> list[Tally]:
    tallies: list[Tally] = []
    world.begin.on_tally = tallies.append
    return tallies


async def test_calls_reported_one_by_one_at_once_are_charged_in_a_few_transactions(world: World) -> None:
    await world.record(call("before", START))  # so that no one has to look for the office first
    tallies = told_to(world)
    batches = await asyncio.gather(*(world.record(call(f"e{at}", START + timedelta(minutes=at))) for at in range(16)))
    assert [batch[0].event.event_id for batch in batches] == [f"e{at}" for at in range(16)]
    assert {batch[0].outcome for batch in batches} == {Outcome.CHARGED}
    assert sum(sum(tally.charges.values()) for tally in tallies) == 16
    assert len(tallies) <= 4
    await assert_books_hold(world.database)


async def test_one_event_sent_by_many_at_once_is_charged_once(world: World) -> None:
    event = call("twice", START)
    other = replace(event, occurred_at=START + timedelta(minutes=1))
    sent = [call("first", START), event, event, other]
    found: list[Decision] = [batch[0] for batch in await asyncio.gather(*(world.record(one) for one in sent))]
    assert found[0].outcome is Outcome.CHARGED
    [charged] = [decision for decision in found[1:] if decision.outcome is Outcome.CHARGED]
    assert {decision.charge_id for decision in found[1:]} == {charged.charge_id}
    for decision in found[1:]:
        if decision is not charged:
            is_same = decision.event == charged.event
            assert decision.outcome is (Outcome.REPLAYED if is_same else Outcome.CONFLICT)
    await assert_books_hold(world.database)


async def test_callers_who_may_see_different_offices_do_not_share_a_transaction(world: World) -> None:
    """What one of them is told of a key that another office's usage waits under is his alone."""
    [kept] = await world.record(call("e", START, to="+900123456789", office="annex"))
    assert kept.rejected_id is not None
    hq = await world.office_id()
    limited = world.viewer(Role.PARTNER, office_ids=frozenset({hq}))
    tallies = told_to(world)
    _, mine, theirs = await asyncio.gather(
        world.record(call("other", START)),
        world.record(call("e2", START)),
        record_usage(world.begin, limited, [call("e", START)], now=world.now),
    )
    assert mine[0].outcome is Outcome.CHARGED
    assert (theirs[0].outcome, theirs[0].differing) == (Outcome.CONFLICT, ("office",))
    assert len(tallies) == 3
