"""Synchronising the directory over the wire: all of it or nothing, by whom it may be."""

from typing import Any

import pytest
from sqlalchemy import select

from domain.access import PartnerScope, Role, Viewer
from persistence.tables.company import CONTACT, GROUP, MEMBER
from tests.schema.conftest import House

DIRECTORY = """
mutation Directory($input: SyncDirectoryInput!) { syncDirectory(input: $input) {
  members { createdCount updatedCount deactivatedCount } groups { createdCount } contacts { createdCount }
  userErrors { code message field } } }
"""
EVERYTHING = """
mutation ($input: SyncDirectoryInput!) { syncDirectory(input: $input) {
  members { ...C } groups { ...C } contacts { ...C } userErrors { code message field } } }
fragment C on DirectorySyncCounts { createdCount updatedCount unchangedCount deactivatedCount }
"""
NONE = {"createdCount": 0, "updatedCount": 0, "unchangedCount": 0, "deactivatedCount": 0}
FRONT_DESK = {"externalId": "u1", "name": "Front desk", "email": "front.desk@example.com", "office": {"slug": "hq"}}


def phone_system(house: House, **changes: Any) -> Viewer:
    return house.world.viewer(Role.PARTNER, **changes)


async def sync(house: House, viewer: Viewer | None = None, **input: Any) -> Any:
    return (await house.ask(EVERYTHING, {"input": input}, viewer or phone_system(house)))["syncDirectory"]


async def people(house: House, table: Any = MEMBER) -> dict[str, Any]:
    rows = await house.database.rows(select(table).where(table.c.company_id == house.world.company_id))
    return {row.external_id: row for row in rows}


async def test_entries_are_created_updated_and_left_alone(house: House) -> None:
    groups = [{"externalId": "g1", "name": "Support", "kind": "CALL_CENTER"}, {"externalId": "g2", "name": "Sales"}]
    contacts = [{"externalId": "c9", "name": "Zürich depot", "phoneNumbers": ["+1 (415) 555-0199", "+442071234567"]}]
    member = {**FRONT_DESK, "groupExternalIds": ["g1", "unheard-of"]}
    answer = await sync(
        house, members=[member, {"externalId": "u2", "name": "Dispatch"}], groups=groups, contacts=contacts
    )
    assert answer["userErrors"] == []
    assert answer["members"] == NONE | {"createdCount": 1, "updatedCount": 1}
    assert answer["groups"] == NONE | {"createdCount": 1, "updatedCount": 1}
    assert answer["contacts"] == NONE | {"createdCount": 1}
    stored = await people(house)
    assert stored["u1"].group_external_ids == ["g1", "unheard-of"]
    assert stored["u1"].office_id == await house.world.office_id("hq")
    assert (await people(house, CONTACT))["c9"].phone_numbers == ["+14155550199", "+442071234567"]
    again = await sync(house, members=[member], groups=groups, contacts=contacts)
    assert (again["members"], again["groups"]) == (NONE | {"unchangedCount": 1}, NONE | {"unchangedCount": 2})


async def test_the_operation_of_a_phone_system(house: House) -> None:
    data = await house.ask(DIRECTORY, {"input": {"members": [FRONT_DESK]}}, phone_system(house))
    assert data["syncDirectory"] == {
        "members": {"createdCount": 0, "updatedCount": 1, "deactivatedCount": 0},
        "groups": {"createdCount": 0},
        "contacts": {"createdCount": 0},
        "userErrors": [],
    }


async def test_a_replacement_deactivates_whom_it_does_not_name_and_leaves_out_what_is_absent(house: House) -> None:
    answer = await sync(house, mode="REPLACE", members=[{"externalId": "u2", "name": "Dispatch"}], contacts=None)
    assert answer["members"] == NONE | {"createdCount": 1, "deactivatedCount": 1}
    assert (answer["groups"], answer["contacts"]) == (NONE, NONE)
    assert {key: row.is_active for key, row in (await people(house)).items()} == {"u1": False, "u2": True}
    assert (await people(house, GROUP))["g1"].is_active
    assert (await people(house, CONTACT))["c1"].is_active
    nobody = await sync(house, mode="REPLACE", groups=[])
    assert nobody["groups"] == NONE | {"deactivatedCount": 1}
    back = await sync(house, members=[FRONT_DESK])
    assert back["members"] == NONE | {"updatedCount": 1}


async def test_an_office_may_be_named_in_any_way(house: House) -> None:
    berlin = {"phoneNumber": "+493012345678"}
    members = [
        {"externalId": "m1", "name": "By number", "office": berlin},
        {"externalId": "m2", "name": "By id", "office": {"id": await house.office("lone")}},
    ]
    assert (await sync(house, members=members))["userErrors"] == []
    stored = await people(house)
    assert stored["m1"].office_id == await house.world.office_id("berlin")
    assert stored["m2"].office_id == await house.world.office_id("lone")


@pytest.mark.parametrize("kind", ["members", "groups"])
async def test_an_unknown_office_and_another_company_s_are_not_found(house: House, kind: str) -> None:
    theirs = f"off_{(await house.neighbour.office_id()).hex}"
    offices = ({"id": theirs}, {"id": "nonsense"}, {"slug": "nowhere"}, {"phoneNumber": "+13125550100"})
    inputs: list[dict[str, Any]] = [{kind: [{"externalId": "x", "name": "X", "office": office}]} for office in offices]
    answers = [await sync(house, **input) for input in inputs]
    assert all(answer == answers[0] for answer in answers)
    [error] = answers[0]["userErrors"]
    assert (error["code"], error["field"]) == ("NOT_FOUND", [kind, "0", "office"])


LONG = "x" * 256


@pytest.mark.parametrize(
    ("input", "code", "field"),
    [
        ({"members": [FRONT_DESK, {"externalId": "", "name": "B"}]}, "INVALID", ["members", "1", "externalId"]),
        ({"members": [{**FRONT_DESK, "name": "x" * 201}]}, "INVALID", ["members", "0", "name"]),
        ({"members": [{**FRONT_DESK, "name": "\0"}]}, "INVALID", ["members", "0", "name"]),
        ({"members": [{**FRONT_DESK, "email": "front.desk"}]}, "INVALID", ["members", "0", "email"]),
        (
            {"members": [{**FRONT_DESK, "groupExternalIds": ["g1", LONG]}]},
            "INVALID",
            ["members", "0", "groupExternalIds", "1"],
        ),
        (
            {"members": [{**FRONT_DESK, "groupExternalIds": ["g"] * 101}]},
            "TOO_HIGH",
            ["members", "0", "groupExternalIds"],
        ),
        ({"members": [FRONT_DESK, FRONT_DESK]}, "INVALID", ["members", "1", "externalId"]),
        ({"groups": [{"externalId": LONG, "name": "G"}]}, "INVALID", ["groups", "0", "externalId"]),
        ({"contacts": [{"externalId": "c", "name": " "}]}, "INVALID", ["contacts", "0", "name"]),
    ],
)
async def test_one_bad_entry_refuses_the_whole_and_names_its_place(
    small_house: House, input: dict[str, Any], code: str, field: list[str]
) -> None:
    before = await people(small_house)
    answer = await sync(small_house, **({"mode": "REPLACE", "groups": []} | input))
    [error] = answer["userErrors"]
    assert (error["code"], error["field"]) == (code, field)
    assert (answer["members"], answer["groups"], answer["contacts"]) == (None, None, None)
    assert await people(small_house) == before
    assert (await people(small_house, GROUP))["g1"].is_active


@pytest.mark.parametrize("number", ["", "4155550199", "+", "+12", "+1415555019912345", "anonymous", "+1415555x"])
async def test_a_contact_s_number_is_international(small_house: House, number: str) -> None:
    contact = {"externalId": "c", "name": "C", "phoneNumbers": ["+14155550199", number]}
    [error] = (await sync(small_house, contacts=[contact]))["userErrors"]
    assert (error["code"], error["field"]) == ("INVALID", ["contacts", "0", "phoneNumbers", "1"])


async def test_ten_thousand_entries_and_not_one_more(small_house: House) -> None:
    contacts = [{"externalId": str(at), "name": str(at)} for at in range(10_001)]
    [error] = (await sync(small_house, contacts=contacts))["userErrors"]
    assert (error["code"], error["field"]) == ("TOO_HIGH", ["contacts"])
    assert (await sync(small_house, contacts=contacts[1:]))["contacts"] == NONE | {"createdCount": 10_000}


async def test_who_may_synchronise(house: House) -> None:
    world = house.world
    writer = frozenset({PartnerScope.DIRECTORY_WRITE})
    before = await people(house)
    for viewer in (
        world.viewer(Role.COMPANY_ADMIN),
        await house.office_admin("hq"),
        phone_system(house, scopes=frozenset(PartnerScope) - writer),
    ):
        answer = await sync(house, viewer, members=[{**FRONT_DESK, "office": {"slug": "nowhere"}}])
        assert [(error["code"], error["field"]) for error in answer["userErrors"]] == [("NOT_PERMITTED", None)]
    limited = phone_system(house, office_ids=frozenset({await world.office_id("hq")}))
    for viewer in (limited, world.viewer(Role.OPERATOR, company_id=None)):
        answer = await sync(house, viewer, mode="REPLACE", members=[])
        assert [error["code"] for error in answer["userErrors"]] == ["NOT_FOUND"]
    outsider = await sync(house, house.neighbour.viewer(Role.PARTNER), mode="REPLACE", members=[])
    assert outsider["members"] == NONE | {"deactivatedCount": 1}
    assert await people(house) == before
    for viewer in (phone_system(house, scopes=writer), world.viewer(Role.OPERATOR)):
        assert (await sync(house, viewer, members=[FRONT_DESK]))["userErrors"] == []
