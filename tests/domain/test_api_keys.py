"""What a key is like, and which ones may be made."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.access import PartnerScope, Permission, Role
from domain.api_keys import (
    MAX_KEYS,
    PREFIX_CHARACTERS,
    SECRET_BYTES,
    SECRET_CHARACTERS,
    ApiKey,
    check_beside,
    check_new_key,
    make_secret,
    secret_hash,
)
from domain.errors import InvalidInput, Required, TooHigh

NOW = datetime(2026, 3, 1, tzinfo=UTC)
READ = (PartnerScope.USAGE_READ,)


def key(**given: object) -> ApiKey:
    facts = {"id": UUID(int=7), "company_id": UUID(int=1), "name": "crm", "scopes": frozenset(READ), "office_ids": None}
    return ApiKey(**(facts | given))  # type: ignore[arg-type]


@given(st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES), st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES))
def test_a_secret_keeps_all_of_its_randomness_in_a_fixed_form(one: bytes, other: bytes) -> None:
    secret = make_secret(one)
    assert re.fullmatch(r"fbx_[A-Za-z0-9_-]{43}", secret)
    assert len(secret) == SECRET_CHARACTERS
    assert (secret == make_secret(other)) == (one == other)
    assert (secret_hash(secret) == secret_hash(make_secret(other))) == (one == other)
    assert len(secret_hash(secret)) == 32
    assert secret[PREFIX_CHARACTERS:].encode() not in secret_hash(secret)


@pytest.mark.parametrize(
    ("name", "scopes", "offices", "error", "field"),
    [
        ("", READ, None, InvalidInput, "name"),
        (" crm", READ, None, InvalidInput, "name"),
        ("x" * 101, READ, None, InvalidInput, "name"),
        ("Zürich", READ, None, InvalidInput, "name"),
        ("two\nlines", READ, None, InvalidInput, "name"),
        ("farebox:x", READ, None, InvalidInput, "name"),
        ("crm", (), None, Required, "scopes"),
        ("crm", READ * 2, None, InvalidInput, "scopes"),
        ("crm", READ, (), Required, "officeIds"),
        ("crm", (*READ, PartnerScope.DIRECTORY_WRITE), (UUID(int=3),), InvalidInput, "scopes"),
    ],
)
def test_a_key_that_cannot_be_says_which_value_is_to_blame(
    name: str, scopes: tuple[PartnerScope, ...], offices: tuple[UUID, ...] | None, error: type[Exception], field: str
) -> None:
    with pytest.raises(error) as caught:
        check_new_key(name, scopes, offices)
    assert caught.value.field == (field,)  # type: ignore[attr-defined]


def test_names_of_one_to_a_hundred_characters_are_sources() -> None:
    for name in ("x", "x" * 100, "Phones of hq (2)"):
        check_new_key(name, READ, (UUID(int=3),))


@pytest.mark.parametrize("name", ["", "x" * 101])
def test_a_name_of_another_length_is_told_which_lengths_there_are(name: str) -> None:
    with pytest.raises(InvalidInput, match="1 to 100 characters"):
        check_new_key(name, READ, None)


def test_a_key_of_every_office_may_have_every_scope() -> None:
    check_new_key("crm", tuple(PartnerScope), None)


def test_a_name_is_taken_while_its_key_works_and_there_are_at_most_a_hundred() -> None:
    check_beside("crm", {"CRM", "crm 2"})
    with pytest.raises(InvalidInput, match="Another key is called 'crm'"):
        check_beside("crm", {"crm"})
    full = {str(number) for number in range(MAX_KEYS)}
    with pytest.raises(TooHigh):
        check_beside("crm", full)
    check_beside("crm", full - {"0"})


@pytest.mark.parametrize(("seconds_ago", "is_old"), [(None, True), (0, False), (59, False), (60, True), (-5, False)])
def test_a_use_is_noted_once_a_minute(seconds_ago: int | None, is_old: bool) -> None:
    last = None if seconds_ago is None else NOW - timedelta(seconds=seconds_ago)
    assert key(last_used_at=last).was_used_before(NOW) is is_old


def test_whoever_calls_with_a_key_is_a_partner_without_end() -> None:
    viewer = key(office_ids=frozenset({UUID(int=3)})).viewer
    assert (viewer.role, viewer.name, viewer.subject) == (Role.PARTNER, "crm", f"key:{UUID(int=7).hex}")
    assert (viewer.company_id, viewer.office_ids) == (UUID(int=1), frozenset({UUID(int=3)}))
    assert viewer.permissions == {Permission.VIEW_USAGE}
    assert viewer.expires_at is None
    everything = key(scopes=frozenset(PartnerScope)).viewer.permissions
    assert not everything & {Permission.MANAGE_API_KEYS, Permission.MANAGE_SETTINGS, Permission.MANAGE_WEBHOOKS}
