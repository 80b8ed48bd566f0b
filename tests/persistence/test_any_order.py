"""What is left of a top-up depends on what happened to its money, not on the order in which it was heard (R30)."""

import itertools
import os
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.payments import DisputeState
from domain.refunds import RefundState
from domain.top_ups import TopUp
from persistence.database import Database
from tests.persistence.giving_back import Till, open_till

OPEN, WON, LOST = DisputeState.OPEN, DisputeState.WON, DisputeState.LOST
WHOLE = 2_178
"""Of a top-up of 20.00, in cents."""


@pytest.fixture
async def till(database: Database) -> AsyncIterator[Till]:
    async with open_till(database) as till:
        yield till


@pytest.mark.parametrize("order", [*itertools.permutations(["open", "refund", "won"])], ids="-".join)
async def test_a_dispute_won_leaves_nothing_of_what_was_refunded_meanwhile(till: Till, order: tuple[str, ...]) -> None:
    top_up = await till.bought("20")
    for what in order:
        if what == "refund":
            await till.outside(top_up, WHOLE)
        else:
            await till.dispute(top_up, OPEN if what == "open" else WON)
    assert await till.universal() == 0
    assert {one.kind: (one.told_micros, one.state is RefundState.FAILED) for one in await till.refunds()} == {
        "PROCESSOR": (21_780_000, False),
        "DISPUTE": (21_780_000, True),
    }


async def test_what_was_cut_is_booked_as_soon_as_there_is_room(till: Till) -> None:
    top_up = await till.bought("20")
    await till.dispute(top_up, OPEN, minor=1_200)
    till.wait(minutes=1)
    await till.outside(top_up, 1_500)
    assert [one.total_micros for one in await till.refunds()] == [12_000_000, 9_780_000]
    await till.dispute(top_up, WON, minor=1_200)
    assert [one.total_micros for one in await till.refunds()] == [12_000_000, 15_000_000]
    # 15.00 of 21.78: 20 × 15 ÷ 21.78 = 13.774…
    assert await till.universal() == 20_000_000 - 13_770_000


async def test_a_lost_dispute_is_booked_when_our_own_refund_is_refused(till: Till) -> None:
    top_up = await till.bought("20")
    till.processor.is_down = True
    await till.refund(top_up)
    till.wait(minutes=1)
    await till.dispute(top_up, OPEN)
    await till.dispute(top_up, LOST)
    assert [one.total_micros for one in await till.refunds()] == [21_780_000, 0]
    till.processor.is_down, till.processor.refuses_refunds = False, True
    till.wait(minutes=10)
    assert await till.refund_waiting() == 1
    assert [(one.state, one.total_micros) for one in await till.refunds()] == [
        (RefundState.FAILED, 21_780_000),
        (RefundState.SETTLED, 21_780_000),
    ]
    assert await till.universal() == 0
    assert (await till.posted(top_up.id))[-2:] == [
        ("wallet:UNIVERSAL", "card", 20_000_000),
        ("tax", "card", 1_780_000),
    ]


# ---------- any facts, in any order ----------


class News(NamedTuple):
    """Of a refund asked for here ("0", "1"), one made at the processor ("re_…") or a dispute ("dp_…")."""

    about: str
    what: DisputeState | bool
    """Of a refund: whether it failed."""


class Facts(NamedTuple):
    asked: tuple[str, ...]
    """Credits of the refunds that are asked for here, before anything is heard."""
    told_minor: dict[str, int]
    news: list[News]

    @property
    def standing_minor(self) -> int:
        """What others took and did not give again, in cents."""
        over = {one.about for one in self.news if one.what in (True, WON)}
        return sum(self.told_minor[about] for about in {one.about for one in self.news if "_" in one.about} - over)


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    asked = tuple(draw(st.lists(st.sampled_from(["5", "12", "2.5"]), max_size=2, unique=True)))
    amounts = st.sampled_from([1, 333, 1_000, 1_500, WHOLE, 3_000])  # none that a refund asked for here comes to
    told = {about: draw(amounts) for about in ("re_1", "re_2", "dp_1", "dp_2")}
    states = st.lists(st.sampled_from(DisputeState), unique=True)
    news = [News(about, what) for about in ("dp_1", "dp_2") for what in draw(states)]
    for about in (*(str(at) for at in range(len(asked))), "re_1", "re_2"):
        news += [News(about, is_failed) for is_failed in draw(st.lists(st.booleans(), unique=True))]
    return Facts(asked, told, news)


async def hear(till: Till, facts: Facts, news: list[News]) -> tuple[TopUp, dict[tuple[str, str], int]]:
    """A new top-up after all that, and what was posted between which accounts."""
    till.processor.is_down = False
    top_up = await till.bought("20")
    till.processor.is_down = True
    for at, credits in enumerate(facts.asked):
        till.wait(seconds=1)
        await till.refund(top_up, credits, f"{top_up.id.hex} {at}")
    ours = [one for one in await till.refunds() if one.top_up_id == top_up.id]
    by_name = {str(at): one for at, one in enumerate(ours)}
    for about, what in news:
        till.wait(seconds=1)
        if isinstance(what, DisputeState):
            await till.dispute(top_up, what, minor=facts.told_minor[about], dispute_id=about)
        elif one := by_name.get(about):
            minor = one.total_micros // 10_000
            await till.outside(top_up, minor, refund_id=f"ours {about}", is_failed=what, our_refund_id=one.id)
        else:
            await till.outside(top_up, facts.told_minor[about], refund_id=about, is_failed=what)
    net: dict[tuple[str, str], int] = {}
    for source, destination, micros in await till.posted(top_up.id):
        pair = (min(source, destination), max(source, destination))
        net[pair] = net.get(pair, 0) + (micros if pair[0] == source else -micros)
    return await till.now_is(top_up), net


@settings(max_examples=max(5, int(os.environ.get("FAREBOX_TEST_EXAMPLES", "100")) // 8))
@given(facts=facts(), data=st.data())
async def test_the_books_depend_on_the_facts_alone(till: Till, facts: Facts, data: st.DataObject) -> None:
    repeated = data.draw(st.lists(st.sampled_from(facts.news), max_size=4)) if facts.news else []
    as_listed, net = await hear(till, facts, facts.news)
    shuffled, net_shuffled = await hear(till, facts, data.draw(st.permutations(facts.news + repeated)))
    assert shuffled.refunded_micros == as_listed.refunded_micros
    assert net_shuffled == net
    failed = {one.about for one in facts.news if one.what is True}
    refunds = [one for one in await till.refunds() if one.top_up_id == shuffled.id]
    ours = sum(one.total_micros for one in refunds if one.kind == "REFUND" and one.state is not RefundState.FAILED)
    assert bool(ours) == any(str(at) not in failed for at in range(len(facts.asked)))
    gone = sum(one.total_micros for one in refunds if one.state is not RefundState.FAILED)
    assert gone == min(21_780_000, ours + facts.standing_minor * 10_000)
    assert net[("card", "tax")] + net[("card", "wallet:UNIVERSAL")] == 21_780_000 - gone
