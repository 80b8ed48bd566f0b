"""SIGKILL at any moment: what was acknowledged is there, what was not is there once or not at all.

Three kills at random moments on each engine; and one at every step between a purchase's row and its answer, on one
engine each: the steps are the same code. `make soak` kills fifty times and more.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from persistence.tables.payments import TOP_UP
from tests.fire.company import TAX_RATE_MICROS, FireOffice, Pays
from tests.fire.journal import Journal
from tests.fire.judge import MICROS_PER_CENT, until_at_rest
from tests.fire.kills import Fire, burn
from tests.fire.load import SOURCE, session
from tests.fire.operations import COMPLETE, PURCHASE, QUOTE, RECHARGE, RECORD, REFUND

KILLS = 3
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


async def start_to_die(fire: Fire, step: str, which: str) -> None:
    """The next life, which ends at this step for this amount of cents, or for this key."""
    fire.server.kill()
    env = {"FIRE_DIES": f"{step} {which}"}
    await fire.server.start(sys.executable, "-m", "tests.fire.serve_and_die", env=env)


async def outlive(asking: "asyncio.Task[dict[str, Any]]") -> dict[str, Any]:
    """The answer to whoever asked the server that died, and went on asking the next one."""
    return await asyncio.wait_for(asking, timeout=60)


def money(cents: int) -> dict[str, Any]:
    return {"amount": f"{cents // 100}.{cents % 100:02}", "currencyCode": "USD"}


def place_of(fire: Fire, pays: Pays) -> FireOffice:
    return next(each for each in fire.blocks[0] if each.pays is pays)


async def purchase_of(fire: Fire, place: FireOffice, key: str, cents: int = 1_000) -> dict[str, Any]:
    """Every purchase has another amount, by which the one to die with is told."""
    quote = await fire.admin.ask(QUOTE, {"input": {"officeId": place.id, "credits": money(cents)}})
    total = quote["quoteCreditPurchase"]["total"]
    return {"idempotencyKey": key, "officeId": place.id, "credits": money(cents), "expectedTotal": total}


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
async def test_a_purchase_survives_a_kill_at_each_of_its_steps(fire: Fire) -> None:
    asking: list[asyncio.Task[dict[str, Any]]] = []
    tries = [*((step, Pays.GOOD) for step in STEPS), ("charge after", Pays.LOSES_ANSWER), ("answer before", Pays.ASKS)]
    for number, (step, pays) in enumerate(tries):
        key, cents = f"key-{number}", 1_000 + 100 * number
        await start_to_die(fire, step, key if step == "answer before" else str(cents + tax_of(cents)))
        given = await purchase_of(fire, place_of(fire, pays), key, cents)
        asking.append(asyncio.create_task(fire.admin.change(PURCHASE, **given)))
        await fire.server.has_died()
        assert not asking[-1].done(), step
    await fire.server.start()
    for number, told in enumerate([await outlive(each) for each in asking]):
        answer = await fire.admin.change(COMPLETE, topUpId=told["topUp"]["id"])
        fire.journal.keep_purchase(f"key-{number}", answer["topUp"])
    await until_at_rest(fire.database, own_seconds=3)
    rows = await fire.database.rows(TOP_UP.select().order_by(TOP_UP.c.credits_micros))
    assert [row.state for row in rows] == [*["SETTLED"] * (len(tries) - 1), "REQUIRES_ACTION"]
    assert await fire.judged() == []


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
async def test_a_recharge_survives_the_death_of_the_worker_that_collects_it(fire: Fire) -> None:
    place = place_of(fire, Pays.GOOD)
    for number, step in enumerate(STEPS[:4]):
        cents = 1_000 + 100 * number
        await start_to_die(fire, step, str(cents + tax_of(cents)))
        await until_at_rest(fire.database, own_seconds=0)
        settings = {"isEnabled": True, "amount": money(cents), "cycleCap": money(50_000)}
        await fire.admin.change(RECHARGE, officeId=place.id, **settings)
        fire.journal.settings[place.slug] = (True, cents * MICROS_PER_CENT)
        spent = session(f"e{number}", 24 if number else 4)
        given = {"source": SOURCE, "office": {"id": place.id}, "events": [spent]}
        asking = asyncio.create_task(fire.partner.change(RECORD, **given))
        await fire.server.has_died()
        await fire.server.start()
        fire.journal.keep_results(place.slug, await outlive(asking))
    await until_at_rest(fire.database, own_seconds=1)
    assert await fire.judged() == []
    recharges = await fire.database.rows(TOP_UP.select().where(TOP_UP.c.state == "SETTLED"))
    assert [row.origin for row in recharges] == ["AUTO_RECHARGE"] * 4


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
async def test_a_refund_survives_a_kill_at_each_of_its_steps(fire: Fire) -> None:
    bought = await fire.admin.change(PURCHASE, **await purchase_of(fire, place_of(fire, Pays.GOOD), "bought"))
    assert fire.journal.keep_purchase("bought", bought["topUp"]) == "SETTLED"
    asking: list[asyncio.Task[dict[str, Any]]] = []
    for number, step in enumerate(("refund before", "refund after", "answer before")):
        key, cents = f"back-{number}", 100 * (number + 1)
        await start_to_die(fire, step, key if step == "answer before" else str(cents + tax_of(cents)))
        given = {"topUpId": bought["topUp"]["id"], "amount": money(cents), "reason": "too many"}
        asking.append(asyncio.create_task(fire.admin.change(REFUND, **given, idempotencyKey=key)))
        fire.journal.refunds[key] = (given["topUpId"], cents * MICROS_PER_CENT)
        await fire.server.has_died()
    await fire.server.start()
    assert [(await outlive(each))["userErrors"] for each in asking] == [[], [], []]
    await until_at_rest(fire.database, own_seconds=3)
    assert await fire.judged() == []


def tax_of(cents: int) -> int:
    """8.875 %, half up."""
    return (cents * TAX_RATE_MICROS + 500_000) // 1_000_000


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
