"""A key of each scope opens what a partner's token of that scope opens, and nothing else (R40)."""

import pytest

from domain.access import PartnerScope, Role
from schema.ids import IdKind
from tests.access.estate import MARKS, Estate, token
from tests.access.policy import Caller, Expected
from tests.access.probes import MUTATIONS, PROBES

OPENS = {
    "USAGE_WRITE": "RECORD_USAGE",
    "USAGE_READ": "VIEW_USAGE",
    "USAGE_REVERSE": "REVERSE_USAGE",
    "WALLETS_READ": "VIEW_WALLETS",
    "HOLDS_WRITE": "HOLD_FUNDS",
    "DIRECTORY_WRITE": "SYNC_DIRECTORY",
    "RATES_READ": "VIEW_RATES",
}
CREATE = """mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) {
  apiKey { id } secret userErrors { message } } }"""
REVOKE = "mutation ($id: ID!) { revokeApiKey(input: { id: $id }) { apiKey { id } } }"
PLACES = ("unknown", "hq", "berlin", "vault", "acme", "globex")


async def make_key(estate: Estate, *scopes: str, offices: tuple[str, ...] = ()) -> tuple[str, str]:
    """Id and secret of a key of acme."""
    ids = [estate.one(IdKind.OFFICE, place) for place in offices] or None
    input_ = {"name": " ".join(scopes), "scopes": scopes, "officeIds": ids}
    made = (await estate.ask(token(), CREATE, input=input_)).data["createApiKey"]
    return made["apiKey"]["id"], made["secret"]


def test_every_scope_is_tried() -> None:
    assert set(OPENS) == {scope.name for scope in PartnerScope}


@pytest.mark.parametrize("scope", OPENS)
async def test_a_key_of_one_scope_finds_what_a_token_of_that_kind_finds(estate: Estate, scope: str) -> None:
    offices = () if scope == "DIRECTORY_WRITE" else ("hq",)  # that one is the whole company's
    _, secret = await make_key(estate, scope, offices=offices)
    partner = token(role=Role.PARTNER, offices=offices or None, scopes=frozenset({PartnerScope[scope]}))
    caller = Caller(scope, {}, frozenset({OPENS[scope]}), offices=frozenset(offices) or None)
    found = 0
    for probe in PROBES:
        for place, value in probe.named(estate).items():
            if place not in PLACES:
                continue
            answer = await probe.ask(estate, secret, value)
            expected = probe.expected(caller, place)
            assert probe.met(answer, value) is expected, (probe.through, place, answer.body)
            is_of_his_company = not offices and expected is Expected.FOUND
            assert is_of_his_company or not MARKS.search(answer.body.decode()), (probe.through, place)
            if probe not in MUTATIONS:
                assert answer.body == (await probe.ask(estate, partner, value)).body, (probe.through, place)
            found += expected is Expected.FOUND
    assert found


async def test_a_key_of_every_scope_and_office_is_still_no_admin(any_estate: Estate) -> None:
    _, secret = await make_key(any_estate, *OPENS)
    viewer = (await any_estate.ask(secret, "{ viewer { role permissions } }")).data["viewer"]
    assert viewer["role"] == "PARTNER"
    assert set(viewer["permissions"]) == set(OPENS.values())
    for probe in MUTATIONS:
        if not probe.needs & set(OPENS.values()):
            answer = await probe.ask(any_estate, secret, next(iter(probe.named(any_estate).values())))
            assert probe.met(answer, "") is Expected.FORBIDDEN, probe.through


async def test_a_key_does_not_outlive_its_revocation_and_another_company_cannot_revoke_it(any_estate: Estate) -> None:
    key, secret = await make_key(any_estate, "USAGE_READ")
    theirs = await any_estate.ask(token(company="globex"), REVOKE, id=key)
    assert theirs.data["revokeApiKey"]["apiKey"] is None
    assert (await any_estate.ask(secret, "{ viewer { id } }")).status == 200
    await any_estate.ask(token(), REVOKE, id=key)
    answers = {(await probe.ask(any_estate, secret, next(iter(probe.named(any_estate).values())))) for probe in PROBES}
    assert len(answers) == 1
    [refused] = answers
    assert (refused.status, refused.error["message"]) == (401, "This key was revoked.")
