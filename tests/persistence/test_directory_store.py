"""The directory on real databases: whoever usage names is created, a synchronisation brings it up to date (R17)."""

from dataclasses import replace
from typing import Any

import pytest

from domain.access import PartnerScope, Role
from domain.errors import InvalidInput, NotFound, NotPermitted
from domain.ports import DirectoryCounts, DirectorySync
from domain.provisioning import DirectoryContact, DirectoryGroup, DirectoryMember, GroupKind
from domain.stories.provision import sync_directory
from domain.usage import DirectoryReference
from persistence.database import Database
from persistence.tables.charging import CHARGE
from persistence.tables.company import CONTACT, GROUP, MEMBER
from tests.proof import assert_books_hold
from tests.world import START, World, call, office

DESK = DirectoryMember(external_id="desk", name="Front desk", office="hq", group_external_ids=("support",))
DISPATCH = DirectoryMember(external_id="dispatch", name="Dispatch", email="dispatch@example.com")
SUPPORT = DirectoryGroup(external_id="support", name="Support", kind=GroupKind.DEPARTMENT, office="annex")
SUPPLIER = DirectoryContact(external_id="s", name="Supplier", phone_numbers=("+12125550123",))


@pytest.fixture
async def world(database: Database) -> World:
    world = World(database)
    return await world.set_up(office(), office("annex"))


async def sync(world: World, *, is_replace: bool = False, **kinds: object) -> DirectorySync:
    given = {"members": None, "groups": None, "contacts": None, **kinds}
    return await sync_directory(world.begin, world.viewer(), **given, is_replace=is_replace, now=world.now)  # type: ignore[arg-type]


async def test_usage_creates_whom_it_names_once_in_its_office_and_keeps_names_up_to_date(world: World) -> None:
    event = replace(
        call("one", START, office="annex"),
        member=DirectoryReference("7"),
        group=DirectoryReference("g", "Night line"),
        contact=DirectoryReference("7", "Supplier"),
    )
    named = replace(event, event_id="two", member=DirectoryReference("7", "Straße 7"))
    nameless = replace(event, event_id="three", group=DirectoryReference("g"))
    for batch in ((event,), (named, nameless)):
        await world.record(*batch)
    [member] = await world.database.rows(MEMBER.select())
    [group] = await world.database.rows(GROUP.select())
    [contact] = await world.database.rows(CONTACT.select())
    assert (member.name, member.search_name, member.is_active) == ("Straße 7", "strasse 7", True)
    assert (group.name, contact.name) == ("Night line", "Supplier")
    assert member.office_id == group.office_id == await world.office_id("annex")
    charges = await world.database.rows(CHARGE.select())
    assert {(row.member_id, row.group_id, row.contact_id) for row in charges} == {(member.id, group.id, contact.id)}
    await assert_books_hold(world.database)


async def test_a_synchronisation_counts_what_it_created_changed_and_found_unchanged(world: World) -> None:
    first = await sync(world, members=[DESK, DISPATCH], groups=[SUPPORT], contacts=[SUPPLIER])
    assert first == DirectorySync(DirectoryCounts(2, 0, 0, 0), DirectoryCounts(1, 0, 0, 0), DirectoryCounts(1, 0, 0, 0))
    again = await sync(
        world, members=[replace(DESK, name="Reception"), DISPATCH], groups=[SUPPORT], contacts=[SUPPLIER]
    )
    assert again == DirectorySync(DirectoryCounts(0, 1, 1, 0), DirectoryCounts(0, 0, 1, 0), DirectoryCounts(0, 0, 1, 0))
    [desk, dispatch] = await world.database.rows(MEMBER.select().order_by(MEMBER.c.external_id))
    assert (desk.name, desk.search_name, desk.group_external_ids) == ("Reception", "reception", ["support"])
    assert (desk.office_id, dispatch.office_id, dispatch.email) == (
        await world.office_id(),
        None,
        "dispatch@example.com",
    )


async def test_a_replacement_switches_off_whoever_is_not_named_and_leaves_other_kinds_alone(world: World) -> None:
    await sync(world, members=[DESK, DISPATCH], groups=[SUPPORT], contacts=[SUPPLIER])
    done = await sync(world, is_replace=True, members=[DISPATCH])
    assert done == DirectorySync(DirectoryCounts(0, 0, 1, 1), DirectoryCounts(), DirectoryCounts())
    rows = await world.database.rows(MEMBER.select())
    assert {row.external_id: row.is_active for row in rows} == {"desk": False, "dispatch": True}
    assert (await sync(world, is_replace=True, members=[DISPATCH])).members == DirectoryCounts(0, 0, 1, 0)
    assert (await sync(world, is_replace=True, groups=[])).groups == DirectoryCounts(0, 0, 0, 1)
    assert (await sync(world, members=[DESK])).members == DirectoryCounts(0, 1, 0, 0)
    rows = await world.database.rows(MEMBER.select())
    assert all(row.is_active for row in rows)


async def test_whoever_usage_created_is_completed_by_a_synchronisation(world: World) -> None:
    await world.record(replace(call("one", START), member=DirectoryReference("desk", "Desk")))
    [before] = await world.database.rows(MEMBER.select())
    assert (await sync(world, members=[DESK])).members == DirectoryCounts(0, 1, 0, 0)
    [after] = await world.database.rows(MEMBER.select())
    assert (after.id, after.name) == (before.id, "Front desk")


@pytest.mark.parametrize(
    ("kinds", "place"),
    [
        ({"members": [DESK, replace(DISPATCH, office="nowhere")]}, ("members", 1, "office")),
        ({"groups": [replace(SUPPORT, office="nowhere")]}, ("groups", 0, "office")),
        ({"members": [DESK, DISPATCH, DESK]}, ("members", 2, "externalId")),
        ({"members": [DESK], "contacts": [SUPPLIER, SUPPLIER]}, ("contacts", 1, "externalId")),
    ],
)
async def test_a_fault_names_its_place_and_changes_nothing(
    world: World, kinds: dict[str, Any], place: tuple[str | int, ...]
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await sync(world, **kinds)
    assert refused.value.field == place
    for table in (MEMBER, GROUP, CONTACT):
        assert await world.database.rows(table.select()) == []


async def test_a_directory_belongs_to_a_whole_company_and_needs_the_scope(world: World) -> None:
    nothing: dict[str, Any] = {"members": [], "groups": None, "contacts": None, "is_replace": True, "now": world.now}
    one_office = world.viewer(Role.PARTNER, office_ids=frozenset({await world.office_id()}))
    with pytest.raises(NotFound):
        await sync_directory(world.begin, one_office, **nothing)
    reader = world.viewer(Role.PARTNER, scopes=frozenset({PartnerScope.USAGE_READ}))
    with pytest.raises(NotPermitted):
        await sync_directory(world.begin, reader, **nothing)
