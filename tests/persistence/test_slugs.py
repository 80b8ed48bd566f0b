"""Ids by slug: one question a second, however many ask."""

from persistence.database import Database
from persistence.slugs import BELIEVED_SECONDS, Slugs
from persistence.tables.company import OFFICE
from tests.world import World, office


async def test_what_was_found_is_believed_for_a_second_and_what_was_not_is_looked_for_again(database: Database) -> None:
    world = await World(database).set_up(office(), office("berlin", phone_numbers=()))
    hq, berlin = await world.office_id(), await world.office_id("berlin")
    seconds, asked = 0.0, 0

    def hear(_use: object, text: str, _seconds: float) -> None:
        nonlocal asked
        asked += "slug" in text

    database.watch_statements(hear)
    slugs = Slugs(database, lambda: seconds)
    assert [await slugs.company("acme") for _ in range(3)] == [world.company_id] * 3
    assert [await slugs.offices(world.company_id, {"hq"}) for _ in range(3)] == [{"hq": hq}] * 3
    assert asked == 2
    assert await slugs.offices(world.company_id, {"hq", "berlin"}) == {"hq": hq, "berlin": berlin}
    assert asked == 3
    for _ in range(2):
        assert await slugs.company("nobody") is None
        assert await slugs.offices(world.company_id, {"nowhere"}) == {}
    assert asked == 7
    async with database.writing() as connection:
        await connection.execute(OFFICE.update().where(OFFICE.c.slug == "hq").values(slug="other"))
    assert await slugs.offices(world.company_id, {"hq"}) == {"hq": hq}
    seconds = BELIEVED_SECONDS
    assert await slugs.offices(world.company_id, {"hq"}) == {}


async def test_another_company_s_office_of_the_same_slug_is_another(database: Database) -> None:
    mine = await World(database).set_up()
    theirs = await World(database, slug="other").set_up(office(phone_numbers=()))
    slugs = Slugs(database)
    for world in (mine, theirs, mine):
        assert await slugs.offices(world.company_id, {"hq"}) == {"hq": await world.office_id()}
