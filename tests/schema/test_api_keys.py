"""API keys over the wire: shown once, listed for admins alone, revoked for good."""

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest

import domain.api_keys
import persistence.api_keys
from domain.access import Role, Viewer
from domain.api_keys import MAX_KEYS, secret_hash
from persistence.api_keys import MAX_LISTED, find_key_by_hash
from persistence.metadata import METADATA
from persistence.tables.activity import ACTIVITY
from persistence.tables.partners import API_KEY
from tests.proof import assert_books_hold
from tests.schema.conftest import House

KEY = "id name prefix scopes offices { slug } createdAt lastUsedAt revokedAt"
CREATE = f"""mutation ($input: CreateApiKeyInput!) {{ createApiKey(input: $input) {{
  apiKey {{ {KEY} }} secret userErrors {{ code message field }} }} }}"""
REVOKE = f"""mutation ($id: ID!) {{ revokeApiKey(input: {{ id: $id }}) {{
  apiKey {{ {KEY} }} userErrors {{ code message field }} }} }}"""
LIST = f"{{ company {{ apiKeys {{ {KEY} }} }} }}"
TRAIL = """{ company { activity(first: 2) { nodes {
  action actor target { __typename id } changes { field before after } } } } }"""


async def create(house: House, viewer: Viewer | None = None, **given: Any) -> Any:
    input_ = {"name": "crm", "scopes": ["USAGE_WRITE", "RATES_READ"], **given}
    return (await house.ask(CREATE, {"input": input_}, viewer))["createApiKey"]


async def revoke(house: House, key: str, viewer: Viewer | None = None) -> Any:
    return (await house.ask(REVOKE, {"id": key}, viewer))["revokeApiKey"]


async def test_a_key_is_shown_once_and_only_its_hash_is_kept(house: House) -> None:
    made = await create(house, officeIds=[await house.office("lone"), await house.office()])
    secret, key = made["secret"], made["apiKey"]
    assert made["userErrors"] == []
    assert re.fullmatch(r"fbx_[A-Za-z0-9_-]{43}", secret)
    assert (key["name"], key["prefix"], key["scopes"]) == ("crm", secret[:12], ["USAGE_WRITE", "RATES_READ"])
    assert sorted(office["slug"] for office in key["offices"]) == ["hq", "lone"]
    assert (key["lastUsedAt"], key["revokedAt"]) == (None, None)
    assert (await house.ask(LIST))["company"]["apiKeys"] == [key]
    node = f"query ($id: ID!) {{ node(id: $id) {{ ... on ApiKey {{ {KEY} }} }} }}"
    assert (await house.ask(node, {"id": key["id"]}))["node"] == key
    found = await find_key_by_hash(house.database, secret_hash(secret))
    assert found is not None
    assert f"key_{found.id.hex}" == key["id"]
    for table in METADATA.sorted_tables:
        for row in await house.database.rows(table.select()):
            assert secret not in str(tuple(row))
            assert secret[12:] not in str(tuple(row))
    await assert_books_hold(house.database)


async def test_who_made_and_revoked_it_is_in_the_audit_trail_without_the_secret(house: House) -> None:
    made = await create(house, officeIds=[await house.office()])
    revoked = await revoke(house, made["apiKey"]["id"])
    assert revoked["apiKey"]["revokedAt"] is not None
    last, first = (await house.ask(TRAIL))["company"]["activity"]["nodes"]
    assert (first["action"], last["action"]) == ("createApiKey", "revokeApiKey")
    assert first["target"] == last["target"] == {"__typename": "ApiKey", "id": made["apiKey"]["id"]}
    assert first["actor"] == "Company admin"
    assert first["changes"] == [
        {"field": "name", "before": None, "after": "crm"},
        {"field": "scopes", "before": None, "after": "usage:write, rates:read"},
        {"field": "offices", "before": None, "after": "hq"},
    ]
    assert last["changes"] == [{"field": "name", "before": "crm", "after": None}]


async def test_revoking_twice_is_fine_and_the_name_is_free_again(house: House) -> None:
    first = (await create(house))["apiKey"]
    taken = await create(house)
    assert (taken["apiKey"], taken["secret"]) == (None, None)
    assert [(error["code"], error["field"]) for error in taken["userErrors"]] == [("INVALID", ["name"])]
    revoked = await revoke(house, first["id"])
    house.world.now += timedelta(hours=1)
    trail = await house.database.rows(ACTIVITY.select())
    assert await revoke(house, first["id"]) == revoked
    assert await house.database.rows(ACTIVITY.select()) == trail
    second = (await create(house))["apiKey"]
    assert (await house.ask(LIST))["company"]["apiKeys"] == [second, revoked["apiKey"]]


async def test_of_two_keys_with_one_name_made_at_once_one_is_refused(house: House) -> None:
    answers = await asyncio.gather(*(create(house) for _ in range(4)))
    assert sorted(len(answer["userErrors"]) for answer in answers) == [0, 1, 1, 1]
    assert len(await house.database.rows(API_KEY.select())) == 1


def test_a_list_holds_all_that_work_and_as_many_revoked() -> None:
    assert MAX_LISTED == 2 * MAX_KEYS == 200


async def test_only_so_many_work_and_those_revoked_do_not_push_them_off_the_list(
    small_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, most = small_house, 8
    monkeypatch.setattr(domain.api_keys, "MAX_KEYS", most)
    monkeypatch.setattr(persistence.api_keys, "MAX_LISTED", 2 * most)
    for number in range(most):
        await create(house, name=f"old {number}")
    refused = await create(house)
    assert [error["code"] for error in refused["userErrors"]] == ["TOO_HIGH"]
    for key in (await house.ask(LIST))["company"]["apiKeys"]:
        await revoke(house, key["id"])
    for number in range(most):
        house.world.now += timedelta(seconds=1)
        await create(house, name=f"new {number}")
    for key in (await house.ask(LIST))["company"]["apiKeys"][: most - 1]:
        await revoke(house, key["id"])
    listed = (await house.ask(LIST))["company"]["apiKeys"]
    assert len(listed) == 2 * most
    assert [key["name"] for key in listed if key["revokedAt"] is None] == [listed[0]["name"]] == ["new 0"]
    await create(house, name="one more")
    assert [key["name"] for key in (await house.ask(LIST))["company"]["apiKeys"][:3]] == [
        "one more",
        "new 0",
        f"new {most - 1}",
    ]


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"name": ""}, "INVALID", ["name"]),
        ({"name": "two\nlines"}, "INVALID", ["name"]),
        ({"scopes": []}, "REQUIRED", ["scopes"]),
        ({"scopes": ["USAGE_READ", "USAGE_READ"]}, "INVALID", ["scopes"]),
        ({"officeIds": []}, "REQUIRED", ["officeIds"]),
        ({"officeIds": ["hq"], "scopes": ["USAGE_READ", "DIRECTORY_WRITE"]}, "INVALID", ["scopes"]),
        ({"officeIds": ["hq", "nonsense"]}, "NOT_FOUND", ["officeIds", "1"]),
        ({"officeIds": ["hq", "theirs"]}, "NOT_FOUND", ["officeIds", "1"]),
        ({"officeIds": ["off_" + "0" * 32]}, "NOT_FOUND", ["officeIds", "0"]),
    ],
)
async def test_what_cannot_be_says_which_value_is_to_blame(
    small_house: House, given: dict[str, Any], code: str, field: list[str]
) -> None:
    house = small_house
    named = {"hq": await house.office(), "theirs": f"off_{(await house.neighbour.office_id()).hex}"}
    if "officeIds" in given:
        given = given | {"officeIds": [named.get(text, text) for text in given["officeIds"]]}
    answer = await create(house, **given)
    assert (answer["apiKey"], answer["secret"]) == (None, None)
    assert [(error["code"], error["field"]) for error in answer["userErrors"]] == [(code, field)]
    assert await house.database.rows(API_KEY.select()) == []


async def test_only_admins_of_the_company_make_see_and_revoke_keys(small_house: House) -> None:
    house = small_house
    key = (await create(house))["apiKey"]["id"]
    made = (await create(house, name="with every scope", scopes=["USAGE_READ", "WALLETS_READ"]))["secret"]
    found = await find_key_by_hash(house.database, secret_hash(made))
    assert found is not None
    others = (
        found.viewer,
        house.world.viewer(Role.PARTNER),
        house.world.viewer(Role.OPERATOR),
        house.world.viewer(Role.OFFICE_ADMIN, has_billing=True),
    )
    for viewer in others:
        for answer in (await create(house, viewer, name="mine"), await revoke(house, key, viewer)):
            assert [error["code"] for error in answer["userErrors"]] == ["NOT_PERMITTED"]
        assert "MANAGE_API_KEYS" in await house.refusal(LIST, viewer=viewer)
    theirs = house.neighbour.viewer(Role.COMPANY_ADMIN)
    answer = await revoke(house, key, theirs)
    assert [error["code"] for error in answer["userErrors"]] == ["NOT_FOUND"]
    assert (await house.ask(LIST, viewer=theirs))["company"]["apiKeys"] == []
    assert {row.revoked_at for row in await house.database.rows(API_KEY.select())} == {None}
