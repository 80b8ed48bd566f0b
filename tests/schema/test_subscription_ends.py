"""Who may subscribe to what, and what is left when a subscription ends or the database is gone for a moment."""

import asyncio
from contextlib import AsyncExitStack, aclosing
from itertools import pairwise
from time import monotonic
from typing import Any

import pytest

from domain.access import PartnerScope, Role
from persistence.overview import read_wallets
from schema import live, subscription
from schema.live import Standpoint, look_when_changed
from tests.schema.conftest import NOON, House
from tests.schema.following import ALERTS, TOP_UPS, USAGE, WALLETS, Follower, following, refusal, telling
from tests.schema.till import NOWHERE
from tests.world import call


@pytest.fixture
async def house(house: House) -> House:
    return telling(house)


@pytest.fixture
async def small_house(small_house: House) -> House:
    return telling(small_house)


@pytest.mark.parametrize("document", [WALLETS, TOP_UPS, USAGE, ALERTS], ids=["wallets", "top-ups", "usage", "alerts"])
async def test_what_is_not_one_s_own_is_refused_as_what_is_not_there(small_house: House, document: str) -> None:
    house, told = small_house, set()
    berlin = await house.office("berlin")
    theirs = f"off_{(await house.neighbour.office_id()).hex}"
    limited = await house.office_admin("hq")
    for office, viewer in (
        *((NOWHERE, viewer) for viewer in (None, limited, house.world.viewer())),
        *((office, limited) for office in (berlin, theirs, "garbage", (await house.office()).upper())),
        *((theirs, viewer) for viewer in (None, house.world.viewer())),
        (berlin, house.world.viewer(Role.OPERATOR, company_id=None)),
        (berlin, house.world.viewer(Role.OFFICE_ADMIN, office_ids=frozenset())),
    ):
        error = await refusal(house, document, viewer, id=office)
        assert error.pop("locations")
        told.add(str(error))
    [error] = told
    assert "There is no such office" in error
    assert "'code': 'BAD_USER_INPUT', 'field': ['officeId']" in error


async def test_what_a_token_does_not_open_is_refused(small_house: House) -> None:
    house, office = small_house, await small_house.office()
    for document, scope in (
        (WALLETS, PartnerScope.USAGE_READ),
        (TOP_UPS, PartnerScope.USAGE_READ),
        (USAGE, PartnerScope.WALLETS_READ),
        (ALERTS, PartnerScope.WALLETS_READ),
        (ALERTS, PartnerScope.USAGE_READ),
    ):
        partner = house.world.viewer(Role.PARTNER, scopes=frozenset({scope}))
        for named in (office, NOWHERE):
            error = await refusal(house, document, partner, id=named)
            assert error["extensions"] == {"code": "FORBIDDEN"}


async def test_who_is_in_no_company_hears_of_no_alert(small_house: House) -> None:
    nobody = small_house.world.viewer(Role.OPERATOR, company_id=None)
    error = await refusal(small_house, ALERTS, nobody)
    assert error["message"] == "This token names no company."


async def test_of_a_subscription_that_ended_nothing_is_left(house: House) -> None:
    before = asyncio.all_tasks()
    for document in (WALLETS, TOP_UPS, USAGE, ALERTS):
        async with following(house, document, id=await house.office()) as follower:
            await asyncio.sleep(0.05)
            assert isinstance(follower, Follower)
    assert house.changes._listeners == {}
    assert asyncio.all_tasks() == before


async def test_many_may_listen_at_once(small_house: House) -> None:
    house, office = small_house, await small_house.office()
    async with asyncio.timeout(60):
        followers = [following(house, USAGE, id=office) for _ in range(100)]
        entered = [await follower.__aenter__() for follower in followers]
        await house.world.record(call("for all", NOON))
        for follower in entered:
            await follower.until(lambda told: len(told) == 1)
        for each in followers:
            await each.__aexit__(None, None, None)
    assert house.changes._listeners == {}


async def test_the_longer_a_look_takes_the_rarer_it_is(small_house: House) -> None:
    """Whatever is told meanwhile: a database that is slow is not asked more."""
    began: list[float] = []

    async def look() -> list[int]:
        began.append(monotonic())
        await asyncio.sleep(0.2)
        return [len(began)]

    office_ids = [await small_house.world.office_id()]
    async with aclosing(look_when_changed(Standpoint.of(small_house.context()), office_ids, look)) as events:
        for _ in range(3):
            await anext(events)
            small_house.changes.tell(small_house.world.company_id, office_ids)
    assert min(after - before for before, after in pairwise(began)) >= 0.8


async def test_the_telling_counts_as_the_look_does(small_house: House) -> None:
    """When events have to wait for their turn to be told, each looks less often too."""
    began: list[float] = []

    async def look() -> list[int]:
        began.append(monotonic())
        return [1, 2]

    office_ids = [await small_house.world.office_id()]
    async with aclosing(look_when_changed(Standpoint.of(small_house.context()), office_ids, look)) as events:
        for _ in range(5):
            await anext(events)
            await asyncio.sleep(0.1)
            small_house.changes.tell(small_house.world.company_id, office_ids)
    assert len(began) == 3
    assert min(after - before for before, after in pairwise(began)) >= 0.8


async def test_followers_of_one_office_share_their_looks(small_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house, office, count = small_house, await small_house.office(), [0]

    async def counted(*given: Any, **more: Any) -> Any:
        count[0] += 1
        return await read_wallets(*given, **more)

    monkeypatch.setattr(subscription, "read_wallets", counted)
    monkeypatch.setattr(live, "rest", lambda _seconds: 0.0)  # so that the change wakes all of them at once
    limited = await house.office_admin("hq", "berlin")
    async with AsyncExitStack() as stack:
        followers = [await stack.enter_async_context(following(house, WALLETS, id=office)) for _ in range(20)]
        apart = await stack.enter_async_context(following(house, WALLETS, limited, id=office))
        for follower in (*followers, apart):
            await follower.until(lambda told: len(told) == 3)
        await apart.hears_nothing()
        count[0] = 0
        await house.world.record(call("for all", NOON))
        for follower in (*followers, apart):
            await follower.until(lambda told: len(told) > 3)
            assert follower.told[3] == followers[0].told[3]
        assert count[0] == 2, "one for each set of rights"
    assert house.changes.looks._shared == {}


async def test_a_database_that_is_gone_for_a_moment_ends_nothing(
    small_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "OUTAGE_SECONDS", 0.01)
    looks = 0

    async def look() -> list[int]:
        nonlocal looks
        looks += 1
        if looks in (2, 3):
            raise ConnectionError("The database is gone.")
        return [looks]

    here = Standpoint.of(small_house.context())
    async with aclosing(look_when_changed(here, None, look)) as events:
        assert await anext(events) == 1
        small_house.changes.tell(small_house.world.company_id, [await small_house.world.office_id()])
        assert await anext(events) == 4
        monkeypatch.setattr(live, "PATIENCE_SECONDS", -1.0)
        looks = 1
        small_house.changes.tell(small_house.world.company_id, [await small_house.world.office_id()])
        with pytest.raises(ConnectionError):
            await anext(events)
    assert small_house.changes._listeners == {}


def test_a_subscription_keeps_no_loaders(small_house: House) -> None:
    here = Standpoint.of(small_house.context())
    assert here.now > small_house.world.now
    assert "loaders" not in Standpoint.__slots__
