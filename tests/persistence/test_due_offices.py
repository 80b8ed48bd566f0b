"""Whose renewal is due: found at once, and not looked for again while none can be."""

from datetime import timedelta

from persistence.database import Database
from persistence.due_offices import REST_SECONDS, DueOffices
from persistence.tables.company import OFFICE
from tests.world import World, office


class Looks:
    """The same company, looked at by one process; its seconds are told by hand."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.seconds = 0.0
        self.count = 0
        self.due = DueOffices(world.database, lambda: self.seconds)
        world.database.watch_statements(self._hear)

    def _hear(self, _use: object, text: str, _seconds: float) -> None:
        self.count += "renew_due_at" in text and text.startswith("SELECT")

    async def find(self, **later: float) -> int:
        return len(await self.due.of_company(self.world.company_id, self.world.now + timedelta(**later)))


async def _looks(database: Database) -> Looks:
    world = await World(database).set_up(office(), office("berlin", phone_numbers=()))
    for slug in ("hq", "berlin"):
        await _set_due(world, slug, days=3)
    return Looks(world)


async def _set_due(world: World, slug: str, **later: float) -> None:
    """As another process does, of which this one hears nothing."""
    async with world.database.writing() as connection:
        one = OFFICE.update().where(OFFICE.c.slug == slug)
        await connection.execute(one.values(renew_due_at=world.now + timedelta(**later)))


async def test_while_none_can_be_due_nobody_looks_again(database: Database) -> None:
    looks = await _looks(database)
    assert [await looks.find() for _ in range(3)] == [0, 0, 0]
    assert looks.count == 1
    assert await looks.find(days=2) == 0
    assert looks.count == 1
    assert await looks.find(days=3) == 2, "the moment it is due"
    assert await looks.find(days=3) == 2, "as long as nobody has renewed it"
    assert looks.count == 3


async def test_what_another_process_brings_forward_is_seen_a_second_later(database: Database) -> None:
    looks = await _looks(database)
    assert await looks.find() == 0
    await _set_due(looks.world, "berlin", days=-1)
    assert await looks.find() == 0
    looks.seconds += REST_SECONDS
    assert await looks.find() == 1
    assert looks.count == 2


async def test_what_this_one_writes_is_seen_at_once(database: Database) -> None:
    looks = await _looks(database)
    assert await looks.find() == 0
    await _set_due(looks.world, "berlin", days=-1)
    looks.due.note_change(looks.world.company_id)
    assert await looks.find() == 1


async def test_a_company_without_offices_has_none_due(database: Database) -> None:
    looks = Looks(await World(database, slug="empty").set_up())
    assert [await looks.find() for _ in range(2)] == [0, 0]
    assert looks.count == 1


async def test_over_all_companies(database: Database) -> None:
    looks = await _looks(database)
    await _set_due(looks.world, "berlin", days=-1)
    found = await looks.due.anywhere(looks.world.now)
    assert found == [(looks.world.company_id, await looks.world.office_id("berlin"))]
