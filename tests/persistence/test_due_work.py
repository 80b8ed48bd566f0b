"""What a worker has to do is one short read."""

from datetime import timedelta

from domain.stories.watch import watch_on_demand
from persistence.database import Database
from persistence.due_work import DueWork, find_due_work
from tests.recharging import Recharging, with_credits
from tests.world import START, World


async def test_what_waits_for_a_worker_is_seen_at_a_glance(database: Database) -> None:
    office = Recharging(World(database, now=START + timedelta(days=1)))
    await office.open(with_credits("10"))
    await office.configure()
    now = office.world.now
    nothing = DueWork(top_ups=False, refunds=False, recharges=False, alerts=False, deliveries=False)
    await watch_on_demand(office.world.begin, office.world.company_id, now)
    assert await find_due_work(database, now) == nothing
    await office.spend(6)
    assert await find_due_work(database, now) == nothing._replace(top_ups=True)
    assert await find_due_work(database, now + timedelta(seconds=2)) == nothing._replace(top_ups=True, alerts=True)
    await office.settle()
    await office.save_card()
    assert await find_due_work(database, now) == nothing._replace(recharges=True)
    assert await find_due_work(database, now - timedelta(seconds=1)) == nothing
