"""Looks that followers share: how many there are, what each follower is sure to see, and what is left of them."""

import asyncio
from contextlib import AsyncExitStack
from itertools import pairwise
from time import monotonic

import pytest

from persistence.looks import LEAST_SECONDS, Looks, rest


class Counter:
    """What is looked at: a number that grows. A look takes a moment and finds the number as it was at its beginning."""

    def __init__(self, seconds: float = 0.02) -> None:
        self.number = 0
        self.seconds = seconds
        self.began: list[float] = []
        self.error: Exception | None = None

    async def look(self) -> int:
        self.began.append(monotonic())
        found = self.number
        await asyncio.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return found


async def test_all_who_ask_at_the_same_time_share_one_look() -> None:
    looks, counter = Looks(), Counter()
    async with AsyncExitStack() as stack:
        asked = [await stack.enter_async_context(looks.shared("wallets", counter.look)) for _ in range(50)]
        for number in range(3):
            counter.number = number
            assert {found.rows for found in await asyncio.gather(*(ask() for ask in asked))} == {number}
        assert len(counter.began) == 3
        assert min(after - before for before, after in pairwise(counter.began)) > LEAST_SECONDS * 0.99


async def test_who_asks_during_a_look_is_not_answered_by_it() -> None:
    """It may have begun before the change that he was told of."""
    looks, counter = Looks(), Counter(0.1)
    async with looks.shared("wallets", counter.look) as ask:
        first = asyncio.create_task(ask())
        while not counter.began:  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0)
        counter.number = 1
        assert (await ask()).rows == 1
        assert (await first).rows == 0
        assert len(counter.began) == 2


async def test_what_it_took_counts_from_the_end_of_its_pause() -> None:
    """A pause is no sign of a busy database: it must not make the next one longer."""
    looks, counter = Looks(), Counter()
    async with looks.shared("wallets", counter.look) as ask:
        await ask()
        asked = monotonic()
        found = await ask()
        assert found.began - asked > LEAST_SECONDS / 2
        assert found.began <= counter.began[1]


async def test_other_questions_have_looks_of_their_own_two_at_once() -> None:
    looks, counter = Looks(), Counter(0.1)
    async with AsyncExitStack() as stack:
        asked = [await stack.enter_async_context(looks.shared(number, counter.look)) for number in range(6)]
        found = await asyncio.gather(*(ask() for ask in asked), *(looks.found(counter.look) for _ in range(2)))
    assert len(counter.began) == 8
    assert counter.began[7] - counter.began[0] > 0.29
    assert max(monotonic() - one.began for one in found) > 0.39, "the wait for the turn counts"


async def test_who_leaves_takes_nobody_s_look_along_and_the_last_leaves_nothing() -> None:
    looks, counter, before = Looks(), Counter(0.2), asyncio.all_tasks()
    async with looks.shared("wallets", counter.look) as stays:

        async def go() -> None:
            async with looks.shared("wallets", counter.look) as ask:
                await ask()

        leaver = asyncio.create_task(go())
        stayer = asyncio.create_task(stays())
        await asyncio.sleep(0.05)
        leaver.cancel()
        assert (await stayer).rows == 0
        assert len(counter.began) == 1
        last = asyncio.create_task(stays())
        await asyncio.sleep(0.05)
        last.cancel()
        await asyncio.gather(leaver, last, return_exceptions=True)
    assert looks._shared == {}
    assert asyncio.all_tasks() == before


async def test_an_error_is_told_to_all_and_the_next_look_is_a_new_one() -> None:
    looks, counter = Looks(), Counter()
    counter.error = ConnectionError("The database is gone.")
    async with looks.shared("wallets", counter.look) as ask:
        told = await asyncio.gather(ask(), ask(), return_exceptions=True)
        assert [type(one) for one in told] == [ConnectionError, ConnectionError]
        counter.error = None
        assert (await ask()).rows == 0


@pytest.mark.parametrize(("seconds", "pause"), [(0.0, 0.25), (0.05, 0.25), (0.1, 0.4), (2.0, 8.0), (5.0, 10.0)])
def test_the_longer_it_took_the_longer_is_the_rest(seconds: float, pause: float) -> None:
    assert rest(seconds) == pause
