"""Who is answered next when more is asked than can be done."""

import asyncio

import pytest

from api.gate import GIVE_WAY_SECONDS, READS_BESIDE_WRITES, Busy, Gate, Lane
from tests.api.edge import make_settings


class Work:
    """Operations that end when the test says so, in the order in which they got their turn."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.begun: list[str] = []
        self.refused: list[str] = []
        self._ends: list[asyncio.Event] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def come(self, *callers: str) -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(self._run(who)) for who in callers]
        self._tasks += tasks
        await _settle()
        return tasks

    async def _run(self, who: str) -> None:
        try:
            async with self.lane.turn(who):
                self.begun.append(who)
                self._ends.append(asyncio.Event())
                await self._ends[-1].wait()
        except Busy:
            self.refused.append(who)

    async def end(self, count: int = 1) -> None:
        for _ in range(count):
            next(end for end in self._ends if not end.is_set()).set()
            await _settle()

    async def end_all(self) -> None:
        while not all(task.done() for task in self._tasks):
            for end in self._ends:
                end.set()
            await _settle()


async def _settle() -> None:
    for _ in range(6):
        await asyncio.sleep(0)


async def test_no_more_run_at_once_than_may() -> None:
    work = Work(Lane(at_once=2, max_wait=60))
    await work.come(*"aaaaa")
    assert (work.begun, work.lane.running, work.lane.waiting) == (["a", "a"], 2, 3)
    await work.end(2)
    assert (len(work.begun), work.lane.running, work.lane.waiting) == (4, 2, 1)
    await work.end_all()
    assert (len(work.begun), work.lane.running, work.lane.waiting) == (5, 0, 0)


async def test_callers_take_turns_however_many_operations_one_has_waiting() -> None:
    work = Work(Lane(at_once=1, max_wait=60))
    await work.come(*"aaaaaa")
    await work.come("b", "b", "c")
    await work.end(7)
    assert "".join(work.begun) == "aabcabaa"
    await work.end_all()


async def test_who_waits_too_long_is_refused() -> None:
    work = Work(Lane(at_once=1, max_wait=0.03))
    await work.come("a", "b")
    await asyncio.sleep(0.05)
    assert (work.refused, work.lane.waiting, work.lane.refused) == (["b"], 0, 1)
    await work.end_all()
    assert work.lane.running == 0


async def test_who_would_wait_too_long_is_refused_at_once() -> None:
    """Each takes a second, so the fourth in line would wait four."""
    now = [0.0]
    work = Work(Lane(at_once=1, max_wait=3.5, clock=lambda: now[0]))
    await work.come("a")
    now[0] = 1.0
    await work.end()
    await work.come(*"aaaaaa")
    assert (work.lane.waiting, work.refused) == (3, ["a", "a"])
    assert work.lane.expected_wait("a") == 4.0
    await work.come("b")
    assert work.lane.waiting == 4, "the line of one caller does not keep another out"
    await work.end_all()


@pytest.mark.parametrize("leave", [0, 1, 2])
async def test_who_goes_away_leaves_no_gap(leave: int) -> None:
    work = Work(Lane(at_once=1, max_wait=60))
    tasks = await work.come(*"abc")
    tasks[leave].cancel()
    await _settle()
    await work.end_all()
    assert (work.lane.running, work.lane.waiting) == (0, 0)
    assert sorted(work.begun) == sorted("abc" if leave == 0 else "abc".replace("abc"[leave], ""))


async def test_who_goes_away_in_the_moment_of_his_turn_hands_it_on() -> None:
    work = Work(Lane(at_once=1, max_wait=60))
    tasks = await work.come(*"abc")
    work._ends[0].set()
    await asyncio.sleep(0)  # the first leaves, and the second does not know yet that it is his turn
    tasks[1].cancel()
    await _settle()
    assert work.begun == ["a", "c"]
    await work.end_all()
    assert (work.lane.running, work.lane.waiting) == (0, 0)


async def test_who_goes_away_just_before_his_turn_is_passed_over() -> None:
    work = Work(Lane(at_once=1, max_wait=60))
    tasks = await work.come(*"abc")
    tasks[1].cancel()
    work._ends[0].set()
    await _settle()
    assert work.begun == ["a", "c"]
    await work.end_all()
    assert (work.lane.running, work.lane.waiting) == (0, 0)


async def test_few_queries_begin_while_somebody_writes() -> None:
    desk = Work(Lane(at_once=9, max_wait=60))
    reads = Work(Lane(at_once=4, max_wait=60, gives_way_to=(desk.lane,)))
    await desk.come("payer")
    await reads.come(*"aaaaa")
    assert (reads.lane.running, reads.lane.waiting) == (0, 5), "for a moment none does"
    await asyncio.sleep(2 * GIVE_WAY_SECONDS)
    assert (reads.lane.running, reads.lane.waiting) == (READS_BESIDE_WRITES, 5 - READS_BESIDE_WRITES)
    await desk.come("another")
    assert desk.lane.running == 2, "who writes waits for nobody who reads"
    await desk.end()
    assert reads.lane.running == READS_BESIDE_WRITES
    await desk.end()
    assert (reads.lane.running, reads.lane.waiting) == (4, 1)
    await reads.end_all()


async def test_queries_go_on_however_long_somebody_writes() -> None:
    desk = Work(Lane(at_once=9, max_wait=60))
    reads = Work(Lane(at_once=4, max_wait=60, gives_way_to=(desk.lane,)))
    await desk.come("payer")
    await reads.come(*"aaaa")
    await asyncio.sleep(2 * GIVE_WAY_SECONDS)
    await reads.end(2)
    assert len(reads.begun) == 4
    await reads.end_all()
    await desk.end_all()


async def test_queries_begin_at_once_when_the_mutation_is_done() -> None:
    desk = Work(Lane(at_once=9, max_wait=60))
    reads = Work(Lane(at_once=4, max_wait=60, gives_way_to=(desk.lane,)))
    await desk.come("payer")
    await reads.come("a")
    await desk.end()
    assert reads.begun == ["a"]
    await reads.end_all()


async def test_no_caller_fills_the_lane() -> None:
    """Eight slow questions of one leave places for whoever comes next."""
    work = Work(Lane(at_once=4, max_wait=60, most_of_one=2))
    await work.come(*"aaaa")
    assert (work.begun, work.lane.waiting) == (["a", "a"], 2)
    await work.come("b", "c", "d")
    assert work.begun == ["a", "a", "b", "c"]
    await work.end(2)  # both of the first caller's: he stood in line before the fourth
    assert work.begun[4:] == ["a", "d"]
    await work.end_all()
    assert (len(work.begun), work.lane.running, work.lane.waiting, work.refused) == (7, 0, 0, [])


async def test_a_query_gives_way_while_somebody_pays_for_a_moment_at_most() -> None:
    gate, clock = Gate(make_settings()), asyncio.get_running_loop().time
    await gate.give_way()  # nobody pays: at once
    async with gate.reports.turn("a"):
        begun = clock()
        await gate.give_way()
        assert clock() - begun >= GIVE_WAY_SECONDS * 0.9, "it waits as long as it may"
        waiting = asyncio.create_task(gate.give_way())
        await _settle()
        assert not waiting.done()
    await asyncio.wait_for(waiting, GIVE_WAY_SECONDS / 2)  # whoever paid is done
