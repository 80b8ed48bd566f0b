"""A company's administrator says where partners are told what happens, and has messages delivered again."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from domain.access import Permission, Scope, Viewer
from domain.activity import Change, TargetKind, act
from domain.errors import InvalidInput, NotFound
from domain.news import Topic
from domain.ports import Door
from domain.webhook_work import WebhookWork
from domain.webhooks import BOTH_SIGN, CHANGE_ENDPOINT, Endpoint, check_room, ordered_topics

CREATE = "createWebhookEndpoint"
ROTATE = "rotateWebhookSecret"
REPLAY = "replayWebhookDelivery"

CheckUrl = Callable[[str], Awaitable[None]]
"""Raises InvalidInput where no endpoint may be."""


async def create_endpoint(
    door: Door,
    viewer: Viewer,
    *,
    url: str,
    topics: Collection[Topic],
    sealed_secret: str,
    check_url: CheckUrl,
    now: datetime,
) -> UUID:
    """Its id. Raises NotPermitted, NotFound, Required, InvalidInput, TooHigh."""
    company_id = _company_of(viewer)
    await check_url(url)
    endpoint = Endpoint(id=door.new_id(), url=url, topics=ordered_topics(topics), is_enabled=True)

    async def create() -> None:
        async with door.begin(company_id, now) as work:
            check_room((await work.lock_endpoints()).values())
            await work.add_endpoint(endpoint, sealed_secret)
            await _note(work, viewer, CREATE, endpoint.id, *_changes(None, endpoint))

    await door.again(create)
    return endpoint.id


class Wanted(NamedTuple):
    """What of an endpoint is to be changed; None: stays as it is."""

    url: str | None
    topics: tuple[Topic, ...] | None
    is_enabled: bool | None


async def change_endpoint(
    door: Door,
    viewer: Viewer,
    endpoint_id: UUID,
    *,
    url: str | None,
    topics: Collection[Topic] | None,
    is_enabled: bool | None,
    check_url: CheckUrl,
    now: datetime,
) -> None:
    """What is None stays as it is. Raises NotPermitted, NotFound, Required, InvalidInput."""
    _company_of(viewer)
    if url is not None:
        await check_url(url)
    wanted = Wanted(url, None if topics is None else ordered_topics(topics), is_enabled)
    await door.again(partial(_change, door, viewer, endpoint_id, wanted, now))


async def _change(door: Door, viewer: Viewer, endpoint_id: UUID, wanted: Wanted, now: datetime) -> None:
    async with door.begin(Scope.of(viewer).company, now) as work:
        before = _found(await work.lock_endpoints(), endpoint_id)
        given = {name: value for name, value in wanted._asdict().items() if value is not None}
        after = replace(before, **given)
        if after != before:
            await work.change_endpoint(after)
            await _note(work, viewer, CHANGE_ENDPOINT, endpoint_id, *_changes(before, after))


async def rotate_secret(door: Door, viewer: Viewer, endpoint_id: UUID, *, sealed_secret: str, now: datetime) -> None:
    """The secret so far signs beside the new one for a day. Raises NotPermitted, NotFound."""
    company_id = _company_of(viewer)

    async def rotate() -> None:
        async with door.begin(company_id, now) as work:
            _found(await work.lock_endpoints(), endpoint_id)
            await work.replace_secret(endpoint_id, sealed_secret, both_until=now + BOTH_SIGN)
            await _note(work, viewer, ROTATE, endpoint_id)

    await door.again(rotate)


async def replay_delivery(door: Door, viewer: Viewer, delivery_id: UUID, *, now: datetime) -> None:
    """Delivers a message again: the same id and body, and the schedule of attempts begins anew.

    Raises NotPermitted, NotFound, InvalidInput for an endpoint that is disabled.
    """
    company_id = _company_of(viewer)

    async def replay() -> None:
        async with door.begin(company_id, now) as work:
            endpoints = await work.lock_endpoints()
            delivery = await work.find_delivery(delivery_id)
            if delivery is None:
                raise NotFound("There is no such delivery.", field=("id",))
            if not endpoints[delivery.endpoint_id].is_enabled:
                raise InvalidInput("Its endpoint is disabled: enable it first.", field=("id",))
            await work.send_again(delivery_id)
            told = Change("topic", None, delivery.topic.value)
            await work.save_activity(act(viewer, REPLAY, told, target=(TargetKind.WEBHOOK_DELIVERY, delivery_id)))

    await door.again(replay)


def _company_of(viewer: Viewer) -> UUID:
    viewer.require(Permission.MANAGE_WEBHOOKS)
    return Scope.of(viewer).company


def _found(endpoints: Mapping[UUID, Endpoint], endpoint_id: UUID) -> Endpoint:
    if endpoint_id not in endpoints:
        raise NotFound("There is no such endpoint.", field=("id",))
    return endpoints[endpoint_id]


def _changes(before: Endpoint | None, after: Endpoint) -> list[Change]:
    earlier, now = _told(before) if before else {}, _told(after)
    changed = {name for name, text in now.items() if earlier.get(name) != text}
    if before and before.url != after.url:
        changed.add("url")
    return [Change(name, earlier.get(name), text) for name, text in now.items() if name in changed]


def _told(endpoint: Endpoint) -> dict[str, str]:
    """Of the URL only who is told: the rest of it may be a secret of the receiver's."""
    where = urlsplit(endpoint.url)
    return {
        "url": f"{where.scheme}://{where.netloc}/…",
        "topics": ", ".join(endpoint.topics),
        "isEnabled": "on" if endpoint.is_enabled else "off",
    }


async def _note(work: WebhookWork, viewer: Viewer, action: str, endpoint_id: UUID, *changes: Change) -> None:
    await work.save_activity(act(viewer, action, *changes, target=(TargetKind.WEBHOOK_ENDPOINT, endpoint_id)))
