"""Secrets of endpoints sign and change over; endpoints that are not told any more have nothing waiting."""

import asyncio
from datetime import timedelta

import pytest
from standardwebhooks import Webhook

from api.deliveries import Deliveries
from api.sealing import FernetBox
from domain.errors import InvalidInput
from persistence.tables.activity import ACTIVITY
from tests.partners import Partner
from tests.receiver import Answer, Receiver

# ---------- secrets ----------


async def test_for_a_day_both_secrets_sign_and_then_the_new_one_alone(partner: Partner, receiver: Receiver) -> None:
    endpoint_id = await partner.endpoint(receiver.url())
    before = partner.secrets[endpoint_id]
    after = await partner.rotate(endpoint_id)
    signed: list[tuple[bool, bool]] = []
    for hours in (0, 23.9, 0.2):
        partner.wait(timedelta(hours=hours))
        await partner.happens()
        await partner.deliver()
        received = receiver.received[-1]
        signed.append((received.is_signed_with(before), received.is_signed_with(after)))
    assert signed == [(True, True), (True, True), (False, True)]
    Webhook(before).verify(receiver.received[0].body, dict(receiver.received[0].headers))
    Webhook(after).verify(receiver.received[0].body, dict(receiver.received[0].headers))


async def test_of_two_rotations_on_one_day_the_last_two_secrets_sign(partner: Partner, receiver: Receiver) -> None:
    endpoint_id = await partner.endpoint(receiver.url())
    made = [partner.secrets[endpoint_id], await partner.rotate(endpoint_id), await partner.rotate(endpoint_id)]
    await partner.happens()
    await partner.deliver()
    assert [receiver.received[0].is_signed_with(secret) for secret in made] == [False, True, True]


async def test_secrets_of_another_server_key_are_said_to_be_unreadable_and_tried_again(
    partner: Partner, receiver: Receiver
) -> None:
    endpoint_id = await partner.endpoint(receiver.url())
    await partner.happens()
    other = Deliveries(partner.world.database, FernetBox("another key"), allows_private=True)
    await other.deliver_due(partner.world.now)
    row = await partner.only()
    assert (row.status, receiver.received) == (None, [])
    assert "key was changed" in row.problem
    assert row.due_at is not None
    await partner.rotate(endpoint_id)
    partner.world.now = row.due_at
    await partner.deliver()
    assert receiver.received[0].is_signed_with(partner.secrets[endpoint_id])


async def test_no_secret_is_stored_or_logged_as_it_is(
    partner: Partner, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    endpoint_id = await partner.endpoint(receiver.url("/hook?token=of-the-receiver"))
    secrets = [partner.secrets[endpoint_id], await partner.rotate(endpoint_id)]
    await partner.change(endpoint_id, url=receiver.url("/other?token=of-the-receiver"))
    await partner.happens()
    receiver.will_answer(500)
    await partner.deliver()
    row = await partner.only()
    await partner.replay(row.id)
    await partner.deliver()
    activity = str(await partner.world.database.rows(ACTIVITY.select()))
    stored = str(await partner.shown(endpoint_id)) + str(await partner.log()) + activity
    for secret in secrets:
        assert secret.removeprefix("whsec_") not in stored + caplog.text
    assert "of-the-receiver" not in activity


# ---------- endpoints that are not told any more ----------


async def test_a_receiver_that_is_gone_is_disabled_and_nothing_waits_for_it(
    partner: Partner, receiver: Receiver
) -> None:
    gone, other = await partner.endpoint(receiver.url("/gone")), await partner.endpoint(receiver.url("/other"))
    await partner.happens(3)
    receiver.always = Answer(410)
    await partner.change(other, is_enabled=False)
    await partner.deliver()
    assert not (await partner.shown(gone)).is_enabled
    rows = [row for row in await partner.log() if row.endpoint_id == gone]
    assert all(row.due_at is None and row.delivered_at is None for row in rows)
    assert {row.status for row in rows} <= {410, None}
    done = [row for row in await partner.world.database.rows(ACTIVITY.select()) if row.actor == "Farebox"]
    [activity] = done
    assert (activity.action, activity.target_id) == ("updateWebhookEndpoint", gone)
    assert activity.changes[0] == {"field": "isEnabled", "before": "on", "after": "off"}
    await partner.happens()
    assert len(await partner.log()) == 6


async def test_an_endpoint_that_was_moved_meanwhile_is_not_disabled(partner: Partner, receiver: Receiver) -> None:
    endpoint_id = await partner.endpoint(receiver.url("/old"))
    await partner.happens()
    receiver.will_answer(Answer(410, seconds=0.3))
    running = asyncio.create_task(partner.deliver())
    await receiver.has(1)
    await partner.change(endpoint_id, url=receiver.url("/new"))
    await running
    assert (await partner.shown(endpoint_id)).is_enabled


async def test_what_waits_for_a_disabled_endpoint_is_stopped_and_may_be_replayed_when_it_is_enabled(
    partner: Partner, receiver: Receiver
) -> None:
    endpoint_id = await partner.endpoint(receiver.url())
    await partner.happens()
    await partner.change(endpoint_id, is_enabled=False)
    row = await partner.only()
    assert (row.due_at, row.problem) == (None, "The endpoint was disabled.")
    assert await partner.deliver() == 0
    with pytest.raises(InvalidInput, match="disabled"):
        await partner.replay(row.id)
    await partner.change(endpoint_id, is_enabled=True)
    assert await partner.deliver() == 0
    await partner.replay(row.id)
    assert await partner.deliver() == 1
    assert (await partner.only()).delivered_at is not None


async def test_what_was_put_down_while_it_was_disabled_does_not_keep_the_worker_busy(
    partner: Partner, receiver: Receiver
) -> None:
    """A transaction that read the endpoint before it was disabled, and committed after."""
    endpoint_id = await partner.endpoint(receiver.url())
    await partner.happens()
    await partner.change(endpoint_id, is_enabled=False)
    await partner.put(due_at=partner.world.now)
    assert await partner.is_due()
    assert await partner.deliver() == 0
    assert not await partner.is_due()
    assert receiver.received == []
