"""Thousands of connections that have to be checked again take few looks, and each is judged for itself."""

import asyncio
import time
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from api import admission, shared_looks
from api.auth import Authenticator, Claims
from api.shared_looks import SharedLooks
from domain.access import Viewer
from tests.api.edge import make_settings, resolve
from tests.api.live import Registry, bearer, serving, welcomed

RECHECK_SECONDS = 0.4


class Finder:
    def __init__(self) -> None:
        self.count = 0
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.count += 1
        await asyncio.sleep(0.01)
        if self.error is not None:
            raise self.error
        return self.count


async def test_those_who_come_together_share_a_look() -> None:
    looks, find = SharedLooks(), Finder()
    assert set(await asyncio.gather(*(looks.look("a", find, within=60) for _ in range(50)))) == {1}
    assert await looks.look("b", find, within=0) == 2
    assert await looks.look("b", find, within=0) == 3, "what is old is looked at anew"
    assert await looks.look("a", find, within=60) == 1


async def test_what_went_wrong_is_nobody_elses() -> None:
    looks, find = SharedLooks(), Finder()
    find.error = ConnectionRefusedError()
    found = await asyncio.gather(*(looks.look("a", find, within=60) for _ in range(3)), return_exceptions=True)
    assert ([type(one) for one in found], find.count) == ([ConnectionRefusedError] * 3, 3)
    find.error = None
    assert await looks.look("a", find, within=60) == 4


async def test_who_gives_up_leaves_the_look_to_the_next() -> None:
    looks, find = SharedLooks(), Finder()
    first, second = (asyncio.ensure_future(looks.look("a", find, within=60)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 2


async def test_looks_that_serve_nobody_any_more_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_looks, "MANY", 10)
    looks, find = SharedLooks(), Finder()
    for number in range(50):
        await looks.look(number, find, within=0)
    assert len(looks) <= 20


async def test_everybody_keeps_his_own_name_and_his_own_rights() -> None:
    asked: list[Claims] = []

    async def look(claims: Claims) -> Viewer | None:
        asked.append(claims)
        return await resolve(claims)

    authenticator = Authenticator(make_settings(), look)

    async def viewer(**claims: object) -> Viewer:
        return await authenticator.viewer_again(bearer(**claims), now=datetime.now(UTC), within=60)

    ada, bea = await viewer(subject="a", name="Ada"), await viewer(subject="b", name="Bea")
    assert [(one.subject, one.name) for one in (ada, bea)] == [("a", "Ada"), ("b", "Bea")]
    assert ada.expires_at is not None
    assert len(asked) == 1
    assert (await viewer(subject="a", has_billing=True)).has_billing
    assert not (await viewer(subject="b")).has_billing
    assert len(asked) == 2


def test_the_rows_are_looked_up_for_all_sockets_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "RECHECK_SECONDS", RECHECK_SECONDS)
    registry = Registry()
    looked_at: list[float] = []

    def look(viewer: Viewer) -> Viewer:
        looked_at.append(time.monotonic())
        return viewer

    with ExitStack() as stack:
        address = stack.enter_context(serving(registry))
        peers = [stack.enter_context(welcomed(address, bearer(subject=f"u-{number}"))) for number in range(20)]
        registry.change, begun = look, time.monotonic()
        time.sleep(4 * RECHECK_SECONDS)
        assert 2 <= len(looked_at) <= (time.monotonic() - begun) / (RECHECK_SECONDS / 2) + 1
        registry.change = lambda viewer: None
        assert {peer.end(3)[0] for peer in peers} == {4403}
