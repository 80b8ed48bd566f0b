"""What waits for one peer: in order, so much and no more, and nothing of what he has completed."""

import asyncio

import pytest

from api import outbox
from api.outbox import Outbox


async def taken(box: Outbox) -> list[str]:
    """All that waits."""
    found = []
    while True:
        try:
            async with asyncio.timeout(0.01):
                found.append(await box.take())
        except TimeoutError:
            return found


async def test_messages_leave_in_the_order_in_which_they_came() -> None:
    box = Outbox()
    for text in ("a", "b", "c"):
        await box.put(text)
    assert await taken(box) == ["a", "b", "c"]
    waiting = asyncio.ensure_future(box.take())
    await asyncio.sleep(0)
    await box.put("d")
    assert await waiting == "d"


@pytest.mark.parametrize(("size", "most"), [(1, outbox.MAX_MESSAGES), (outbox.MAX_CHARACTERS // 10, 10), (10**7, 1)])
async def test_who_adds_more_than_there_is_room_for_waits(size: int, most: int) -> None:
    box, added = Outbox(), 0

    async def add() -> None:
        nonlocal added
        await box.put("x" * size)
        added += 1

    tasks = [asyncio.ensure_future(add()) for _ in range(most + 2)]
    for count in range(most, most + 2):
        await asyncio.sleep(0.01)
        assert added == count
        await box.take()
    await asyncio.gather(*tasks)
    assert len(await taken(box)) == most


async def test_what_is_completed_is_forgotten_and_makes_room() -> None:
    box = Outbox()
    for number in range(outbox.MAX_MESSAGES):
        await box.put(f"{number}", "even" if number % 2 == 0 else "odd")
    more = asyncio.ensure_future(box.put("more"))
    await asyncio.sleep(0)
    assert box.is_full
    box.forget("even")
    async with asyncio.timeout(1):
        await more
    assert await taken(box) == [*(str(number) for number in range(1, 100, 2)), "more"]
    assert not box.is_full
