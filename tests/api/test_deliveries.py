"""Messages are delivered: signed, tried again, given up, replayed; slow and dead receivers keep nobody waiting."""

import asyncio
import time
from datetime import timedelta
from email.utils import format_datetime

import pytest
from standardwebhooks import Webhook

from api.clock import utc_now
from api.deliveries import AT_ONCE_TO_ONE, KEPT, LEASE, Deliveries
from domain.webhooks import JITTER, PAUSES
from persistence.database import Database
from persistence.tables.partners import WEBHOOK_DELIVERY
from tests.partners import BOX, Partner
from tests.receiver import Answer, Receiver, receiving
from tests.world import World

A_MOMENT = timedelta(seconds=5)
"""More than a test needs between two looks at the clock."""


async def test_a_message_is_signed_as_standard_webhooks_wants_it(partner: Partner, receiver: Receiver) -> None:
    endpoint_id = await partner.endpoint(receiver.url("/hook?of=us"))
    await partner.happens()
    assert await partner.is_due()
    assert await partner.deliver() == 1
    [received] = receiver.received
    row = await partner.only()
    body = Webhook(partner.secrets[endpoint_id]).verify(received.body, dict(received.headers))
    assert body["type"] == "wallet.low"
    assert body["data"]["number"] == 0
    assert (received.path, received.message_id) == ("/hook?of=us", f"msg_{row.message_id.hex}")
    assert received.headers["content-type"] == "application/json"
    assert received.headers["user-agent"].startswith("Farebox/")
    assert received.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert (row.status, row.problem, row.due_at, row.attempt_count) == (200, None, None, 1)
    assert timedelta(0) <= row.delivered_at - partner.world.now < A_MOMENT
    assert not await partner.is_due()
    assert await partner.deliver() == 0


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_every_2xx_is_a_delivery(sqlite_database: Database, receiver: Receiver, status: int) -> None:
    partner = await _partner(sqlite_database)
    await partner.endpoint(receiver.url())
    receiver.will_answer(status)
    await partner.happens()
    await partner.deliver()
    assert (await partner.only()).delivered_at is not None


async def _partner(database: Database) -> Partner:
    world = World(database)
    await world.apply()
    world.now = utc_now()
    return Partner(world)


async def test_what_failed_is_tried_again_after_pauses_that_grow_and_then_given_up(
    partner: Partner, receiver: Receiver
) -> None:
    await partner.endpoint(receiver.url())
    receiver.always = Answer(500)
    await partner.happens()
    for number, pause in enumerate(PAUSES, 1):
        assert await partner.deliver() == 1
        row = await partner.only()
        assert (row.attempt_count, row.status, row.problem) == (number, 500, "Answered with 500.")
        assert pause * (1 - JITTER) <= row.due_at - partner.world.now <= pause * (1 + JITTER) + A_MOMENT
        partner.wait((row.due_at - partner.world.now) - timedelta(seconds=1))
        if pause > A_MOMENT:
            assert await partner.deliver() == 0
        partner.world.now = row.due_at
    assert await partner.deliver() == 1
    row = await partner.only()
    assert (row.attempt_count, row.due_at, row.delivered_at) == (len(PAUSES) + 1, None, None)
    assert len({received.message_id for received in receiver.received}) == 1
    assert len({received.body for received in receiver.received}) == 1
    partner.wait(timedelta(days=1))
    assert await partner.deliver() == 0


async def test_a_message_that_failed_arrives_later(partner: Partner, receiver: Receiver) -> None:
    await partner.endpoint(receiver.url())
    receiver.will_answer(503, 404)
    await partner.happens()
    for _ in range(3):
        await partner.deliver()
        partner.wait(timedelta(minutes=6))
    row = await partner.only()
    assert (row.attempt_count, row.status, row.problem) == (3, 200, None)
    assert row.delivered_at is not None
    assert len(receiver.received) == 3


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("asked", "seconds"), [("7200", 7_200), ("an hour", 3_600), ("99999999", 86_400), ("1", 5), ("soon", 5), ("-9", 5)]
)
async def test_a_receiver_that_asks_for_a_pause_gets_it(
    sqlite_database: Database, receiver: Receiver, status: int, asked: str, seconds: int
) -> None:
    partner = await _partner(sqlite_database)
    await partner.endpoint(receiver.url())
    await partner.happens()
    in_an_hour = format_datetime(partner.world.now + timedelta(hours=1), usegmt=True)
    receiver.will_answer(Answer(status, {"retry-after": asked.replace("an hour", in_an_hour)}))
    await partner.deliver()
    pause = timedelta(seconds=seconds)
    waits = (await partner.only()).due_at - partner.world.now
    assert pause * (1 - JITTER) - timedelta(seconds=1) <= waits <= pause * (1 + JITTER) + A_MOMENT


async def test_a_slow_receiver_delays_nobody_else(partner: Partner, receiver: Receiver) -> None:
    slow = await partner.endpoint(receiver.url("/slow"))
    await partner.happens(6)
    with receiving() as quick:
        await partner.endpoint(quick.url())
        receiver.always = Answer(seconds=10)
        await partner.happens(6)
        running = asyncio.create_task(partner.deliver())
        await quick.has(6)
        assert len(receiver.received) <= AT_ONCE_TO_ONE
        receiver.released.set()
        await running
    [one] = [row for row in await partner.log() if row.endpoint_id == slow][:1]
    assert one.delivered_at is not None


async def test_a_receiver_that_says_nothing_is_left_after_the_time_is_over(
    partner: Partner, receiver: Receiver
) -> None:
    await partner.endpoint(receiver.url())
    receiver.will_answer(Answer(seconds=3))
    await partner.happens()
    begun = time.monotonic()
    await Deliveries(partner.world.database, BOX, allows_private=True, attempt_seconds=0.5).deliver_due(
        partner.world.now
    )
    assert time.monotonic() - begun < 3
    row = await partner.only()
    assert (row.status, row.problem) == (None, "No answer within 0.5 seconds.")


async def test_receivers_that_let_their_time_run_out_rest_and_leave_the_places_to_others(
    partner: Partner, receiver: Receiver
) -> None:
    """Nine of them would take all eight places of every run."""
    deliveries = Deliveries(partner.world.database, BOX, allows_private=True, attempt_seconds=2.0)
    for number in range(9):
        await partner.endpoint(receiver.url(f"/dead/{number}"))
    receiver.always = Answer(seconds=10)
    await partner.happens(3)
    await deliveries.deliver_due(partner.world.now)
    assert len(receiver.received) <= 9 * AT_ONCE_TO_ONE
    partner.wait(timedelta(seconds=1))
    with receiving() as quick:
        await partner.endpoint(quick.url())
        await partner.happens()
        await deliveries.deliver_due(partner.world.now)
        assert len(quick.received) == 1


async def test_to_one_endpoint_only_two_are_under_way_whatever_the_runs(partner: Partner, receiver: Receiver) -> None:
    await partner.endpoint(receiver.url())
    receiver.always = Answer(seconds=0.2)
    await partner.happens(8)
    begun = time.monotonic()
    counts = await asyncio.gather(*(partner.deliver() for _ in range(4)))
    assert sum(counts) == len(receiver.received) == 8
    at = [received.at for received in receiver.received]
    for first, third in zip(at, at[2:], strict=False):
        assert third - first > 0.15
    assert time.monotonic() - begun > 0.7


async def test_two_workers_at_once_send_every_message_once(
    partner: Partner, receiver: Receiver, database_url: str
) -> None:
    """Two processes: each has a database of its own."""
    await partner.endpoint(receiver.url())
    await partner.happens(20)
    other_database = Database(database_url)
    others = Deliveries(other_database, BOX, allows_private=True)
    counts = await asyncio.gather(
        *(deliveries.deliver_due(partner.world.now) for deliveries in (partner.deliveries, others) * 2)
    )
    await others.close()
    await other_database.close()
    assert sum(counts) == len(receiver.received) == 20
    assert len({received.message_id for received in receiver.received}) == 20
    assert all(row.delivered_at and row.attempt_count == 1 for row in await partner.log())


async def test_a_process_that_dies_before_it_wrote_down_what_it_sent_sends_it_again(
    partner: Partner, receiver: Receiver
) -> None:
    await partner.endpoint(receiver.url())
    receiver.will_answer(Answer(seconds=0.3))
    await partner.happens()
    dying = asyncio.create_task(partner.deliver())
    await receiver.has(1)
    dying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dying
    assert (await partner.only()).delivered_at is None
    assert await partner.deliver() == 0
    partner.wait(LEASE)
    partner.wait(A_MOMENT)
    assert await partner.deliver() == 1
    first, second = receiver.received
    assert first.message_id == second.message_id
    row = await partner.only()
    assert (row.attempt_count, row.due_at) == (2, None)
    assert row.delivered_at is not None


# ---------- replay ----------


async def test_a_replay_is_the_same_message_with_the_whole_schedule_before_it(
    partner: Partner, receiver: Receiver
) -> None:
    await partner.endpoint(receiver.url())
    await partner.happens()
    await partner.deliver()
    row = await partner.only()
    await partner.put(attempt_count=10, round_attempt_count=10)
    await partner.replay(row.id)
    assert (await partner.only()).delivered_at is None
    receiver.will_answer(500)
    await partner.deliver()
    again = await partner.only()
    assert again.attempt_count == 11
    pause = again.due_at - partner.world.now
    assert PAUSES[0] * (1 - JITTER) <= pause <= PAUSES[0] * (1 + JITTER) + A_MOMENT
    partner.world.now = again.due_at
    await partner.deliver()
    assert len(receiver.received) == 3
    assert {received.message_id for received in receiver.received} == {f"msg_{row.message_id.hex}"}
    assert {received.body for received in receiver.received} == {row.body}


async def test_old_deliveries_are_forgotten_but_not_what_still_waits(partner: Partner, receiver: Receiver) -> None:
    await partner.endpoint(receiver.url())
    await partner.happens(2)
    receiver.always = Answer(500)
    await partner.deliver()
    first, second = await partner.log()
    receiver.always = Answer(200)
    await partner.replay(first.id)
    partner.world.now -= A_MOMENT
    partner.wait(A_MOMENT)
    await partner.deliver()
    waits = next(row for row in await partner.log() if row.id == second.id)
    async with partner.world.database.writing() as connection:
        mine = WEBHOOK_DELIVERY.c.id == waits.id
        far = partner.world.now + KEPT + timedelta(days=1)
        await connection.execute(WEBHOOK_DELIVERY.update().where(mine).values(due_at=far, delivered_at=None))
    partner.wait(KEPT - timedelta(hours=1))
    await _tidy(partner)
    assert len(await partner.log()) == 2
    partner.wait(timedelta(hours=2))
    await _tidy(partner)
    assert [row.id for row in await partner.log()] == [second.id]


async def _tidy(partner: Partner) -> None:
    """A process that begins tidies up once."""
    await Deliveries(partner.world.database, BOX).deliver_due(partner.world.now)
