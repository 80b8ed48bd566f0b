"""The messages that docs/webhooks.md shows are those that are told: the same fields, in the same order."""

import re
from pathlib import Path
from typing import Any

import orjson

from domain.catalogue import Service
from domain.stories.watch import watch_due
from persistence.database import Database
from tests.partners import Partner
from tests.persistence.story import LONG_AGO
from tests.recharging import Recharging, with_credits
from tests.scripted_processor import Deed
from tests.world import World, call, office, rate

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")
TOLD = {
    message["type"]: message
    for message in map(orjson.loads, re.findall(r"^```json message\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))
}


async def everything_happens(database: Database) -> Partner:
    """In one company: a purchase, a recharge, declines until it is switched off, usage without a rate, an alert."""
    shop = Recharging(World(database))
    partner = Partner(shop.world)
    await shop.open(with_credits("10"), office("annex"))
    await shop.world.deck((rate("1", service=Service.FAX),), card="again", at=LONG_AGO)
    await partner.endpoint("http://127.0.0.1:9/hook")
    await shop.buy("20")
    await shop.configure(cycle_cap="20")
    await shop.spend(26)
    await shop.work()
    await shop.spend(20)
    await shop.save_card(deed=Deed.DECLINE)
    await shop.configure(cycle_cap="1000")
    for hours in (0, 1, 6, 24):
        shop.wait(hours=hours)
        await shop.work()
    await shop.world.record(call("barred", shop.world.now))
    shop.wait(minutes=1)
    await watch_due(shop.world.begin, shop.world.company_id, shop.world.now)
    return partner


def shape(value: Any) -> Any:
    """The names in it, in their order; of a list those of its first entry."""
    if isinstance(value, dict):
        return [(name, shape(part)) for name, part in value.items()]
    return [shape(value[0])] if isinstance(value, list) and value else None


async def test_every_topic_is_shown_as_it_is_told(sqlite_database: Database) -> None:
    partner = await everything_happens(sqlite_database)
    bodies = {row.topic: orjson.loads(row.body) for row in await partner.log()}
    assert {body["type"] for body in bodies.values()} == set(TOLD)
    for body in bodies.values():
        assert shape(body) == shape(TOLD[body["type"]]), body["type"]
