"""SIGKILL at any moment: what was acknowledged is there, what was not is there once or not at all.

Five kills at random moments on each engine; and one at every step between a purchase's row and its answer.
`make soak` kills fifty times and more.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from persistence.tables.payments import TOP_UP
from tests.fire.company import FireOffice, Pays
from tests.fire.journal import Journal
from tests.fire.judge import until_at_rest
from tests.fire.kills import Fire, burn
from tests.fire.load import CREDITS, SOURCE, session
from tests.fire.operations import COMPLETE, PURCHASE, QUOTE, RECHARGE, RECORD, REFUND

KILLS = 5
SEED = int(os.environ.get("FAREBOX_FIRE_SEED", "20260301"))
STEPS = ("prepare before", "prepare after", "charge before", "charge after", "answer before")
"""The row is written; a payment is prepared; its id is written down; the card is charged; the credits are there."""


@pytest.fixture
async def fire(database_url: str, tmp_path: Path) -> AsyncIterator[Fire]:
    async with Fire.lit(database_url, tmp_path, blocks=2) as fire:
        yield fire


async def test_a_server_that_is_killed_at_random_moments_loses_nothing_and_does_nothing_twice(fire: Fire) -> None:
    report = await burn(fire, kills=KILLS, seed=SEED)
    print("\n".join(report.lines()))
    assert report.contradictions == [], f"seed {SEED}"
    assert report.kill_count == KILLS
    assert report.counts["events charged"] > 0
    assert report.counts["times a card was charged"] > 0


async def restart_to_die(fire: Fire, step: str, nth: int = 1, mutation: str = "") -> None:
    fire.server.kill()
    env = {"FIRE_DIES": f"{step} {nth}", "FIRE_ANSWER": mutation}
    await fire.server.start(sys.executable, "-m", "tests.fire.serve_and_die", env=env)


async def after_death(fire: Fire, doing: "asyncio.Task[Any]") -> Any:
    """The client goes on asking while the server dies and comes back."""
    await fire.server.has_died()
    await fire.server.start()
    return await asyncio.wait_for(doing, timeout=60)


def place_of(fire: Fire, pays: Pays) -> FireOffice:
    return next(each for each in fire.blocks[0] if each.pays is pays)


async def purchase_of(fire: Fire, place: FireOffice, key: str) -> dict[str, Any]:
    credits = {"amount": CREDITS, "currencyCode": "USD"}
    quote = await fire.admin.ask(QUOTE, {"input": {"officeId": place.id, "credits": credits}})
    total = quote["quoteCreditPurchase"]["total"]
    return {"idempotencyKey": key, "officeId": place.id, "credits": credits, "expectedTotal": total}


@pytest.mark.parametrize("pays", [Pays.GOOD, Pays.LOSES_ANSWER, Pays.DECLINED])
async def test_a_purchase_survives_a_kill_at_each_of_its_steps(fire: Fire, pays: Pays) -> None:
    place, ends = place_of(fire, pays), "FAILED" if pays is Pays.DECLINED else "SETTLED"
    for step in STEPS:
        given = await purchase_of(fire, place, f"key {step}")
        await restart_to_die(fire, step, mutation="purchaseCredits")
        answer = await after_death(fire, asyncio.create_task(fire.admin.change(PURCHASE, **given)))
        fire.journal.keep_purchase(given["idempotencyKey"], answer["topUp"])
        told = await fire.admin.change(COMPLETE, topUpId=answer["topUp"]["id"])
        fire.journal.keep_top_up(told["topUp"])
    await until_at_rest(fire.database, own_seconds=3)
    for step in STEPS:
        given = await purchase_of(fire, place, f"key {step}")
        answer = await fire.admin.change(PURCHASE, **given)
        assert fire.journal.keep_purchase(given["idempotencyKey"], answer["topUp"]) == ends, step
    assert await fire.judged() == []


async def test_a_recharge_survives_the_death_of_the_worker_that_collects_it(fire: Fire) -> None:
    place, money = place_of(fire, Pays.GOOD), {"amount": "10", "currencyCode": "USD"}
    cap = {**money, "amount": "500"}
    await fire.admin.change(RECHARGE, officeId=place.id, isEnabled=True, amount=money, cycleCap=cap)
    fire.journal.settings[place.slug] = (True, 10_000_000)
    for sessions, step in zip((36, 20, 20, 20), STEPS, strict=False):
        await restart_to_die(fire, step)
        given = {"source": SOURCE, "office": {"id": place.id}, "events": [session(f"e {step}", sessions)]}
        answer = await after_death(fire, asyncio.create_task(fire.partner.change(RECORD, **given)))
        fire.journal.keep_results(place.slug, answer)
        await until_at_rest(fire.database, own_seconds=1)
    assert await fire.judged() == []
    recharges = await fire.database.rows(TOP_UP.select().where(TOP_UP.c.state == "SETTLED"))
    assert [row.origin for row in recharges] == ["AUTO_RECHARGE"] * 4


@pytest.mark.parametrize("step", ["refund before", "refund after", "answer before"])
async def test_a_refund_survives_a_kill_at_each_of_its_steps(fire: Fire, step: str) -> None:
    place = place_of(fire, Pays.GOOD)
    bought = await fire.admin.change(PURCHASE, **await purchase_of(fire, place, "bought"))
    assert fire.journal.keep_purchase("bought", bought["topUp"]) == "SETTLED"
    await restart_to_die(fire, step, mutation="refundTopUp")
    given = {"topUpId": bought["topUp"]["id"], "amount": {"amount": "4", "currencyCode": "USD"}}
    asking = fire.admin.change(REFUND, **given, idempotencyKey="back", reason="too many")
    answer = await after_death(fire, asyncio.create_task(asking))
    assert answer["userErrors"] == []
    fire.journal.refunds["back"] = (given["topUpId"], 4_000_000)
    await until_at_rest(fire.database, own_seconds=3)
    assert await fire.judged() == []


def test_the_journal_notices_what_cannot_be() -> None:
    """A judge that finds nothing must be able to find something."""
    journal = Journal()
    result = {"eventId": "e", "outcome": "CHARGED", "record": {"cost": {"amount": "1.000000"}}, "rejection": None}
    journal.keep_results("hq", {"results": [result]})
    journal.keep_results("hq", {"results": [{**result, "record": {"cost": {"amount": "2.000000"}}}]})
    journal.keep_purchase("k", {"id": "top_1", "state": "SETTLED"})
    journal.keep_purchase("k", {"id": "top_2", "state": "SETTLED"})
    journal.keep_top_up({"id": "top_1", "state": "PENDING"})
    assert len(journal.contradictions) == 3
