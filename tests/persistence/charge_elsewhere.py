"""Another process on the same database: it charges calls one by one, and tells of them as a command of ours does.

    python -m tests.persistence.charge_elsewhere URL COMPANY_ID NAME COUNT

It is ready when it prints a line, and begins when it reads one.
"""

import asyncio
import sys
from datetime import timedelta
from uuid import UUID

from persistence.begin import Begin
from persistence.changes import Changes
from persistence.database import Database
from tests.world import START, World, call


async def charge(url: str, company_id: UUID, name: str, count: int) -> None:
    database = Database(url)
    changes = Changes(database)
    world = World(database, now=START + timedelta(days=2))
    world.company_id, world.begin = company_id, Begin(database, changes=changes)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    async with changes.running():
        for place in range(count):
            await world.record(call(f"{name}-{place}", START + timedelta(hours=1)))
    await database.close()


if __name__ == "__main__":
    asyncio.run(charge(sys.argv[1], UUID(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
