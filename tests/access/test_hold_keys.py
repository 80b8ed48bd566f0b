"""What a hold is known by is each company's own, and naming another office or its people opens nothing."""

from datetime import UTC, datetime
from typing import Any

import pytest

from domain.access import PartnerScope, Role
from persistence.tables.company import MEMBER
from persistence.tables.holds import HOLD
from schema.ids import IdKind
from tests.access.estate import NUMBERS, Estate, token, unknown
from tests.proof import assert_books_hold

AUTHORIZE = """mutation ($input: AuthorizeUsageInput!) { authorizeUsage(input: $input) {
  hold { id office { slug } } isReplayed
  userErrors { code message field ... on IdempotencyUserError { differingFields } } } }"""
CAPTURE = """mutation ($input: CaptureHoldInput!) { captureHold(input: $input) { hold { state }
  result { outcome record { member { name } } } userErrors { code message field } } }"""
SCOPES = frozenset({PartnerScope.HOLDS_WRITE})
ACME: dict[str, Any] = {"role": Role.PARTNER, "scopes": SCOPES}
HQ: dict[str, Any] = {**ACME, "offices": ("hq",)}
GLOBEX: dict[str, Any] = {**ACME, "company": "globex"}


async def authorize(estate: Estate, claims: dict[str, Any], office: str, **changes: Any) -> Any:
    wanted = {"source": "phones of berlin", "eventId": "probe", "office": {"slug": office}, "service": "FAX"}
    ends = {"direction": "OUTBOUND", "from": "+14155550100", "to": "+12125550123", "quantity": 1}
    input_ = {**wanted, **ends, **changes}
    return (await estate.ask(token(**claims), AUTHORIZE, input=input_)).data["authorizeUsage"]


async def capture(estate: Estate, claims: dict[str, Any], place: str, **more: Any) -> Any:
    fax = {"direction": "OUTBOUND", "from": NUMBERS[place], "to": "+12125550123", "pageCount": 1}
    event = {"eventId": "probe", "occurredAt": datetime.now(UTC).isoformat(), "usage": {"fax": fax}, **more}
    input_ = {"holdId": estate.one(IdKind.HOLD, place), "event": event}
    return (await estate.ask(token(**claims), CAPTURE, input=input_)).data["captureHold"]


async def test_a_key_of_another_company_is_free_here(any_estate: Estate) -> None:
    told = await authorize(any_estate, GLOBEX, "vault", to="+12125550124")
    assert (told["userErrors"], told["isReplayed"], told["hold"]["office"]) == ([], False, {"slug": "vault"})
    assert len(await any_estate.database.rows(HOLD.select())) == 5
    await assert_books_hold(any_estate.database)


async def test_a_key_of_another_office_is_a_conflict_that_tells_no_more_than_that(estate: Estate) -> None:
    before = await estate.everything_stored()
    told = await authorize(estate, HQ, "hq", quantity=2, to="+12125550199")
    [error] = told["userErrors"]
    assert (told["hold"], error["code"], error["differingFields"]) == (None, "IDEMPOTENCY_CONFLICT", ["office"])
    assert await estate.everything_stored() == before


@pytest.mark.parametrize("name", ["id", "slug", "phoneNumber"])
async def test_a_capture_for_an_office_that_is_hidden_is_like_one_for_none(estate: Estate, name: str) -> None:
    before = await estate.everything_stored()
    hidden = {"id": estate.one(IdKind.OFFICE, "berlin"), "slug": "berlin", "phoneNumber": NUMBERS["berlin"]}
    none = {"id": unknown(IdKind.OFFICE), "slug": "nowhere", "phoneNumber": "+12025550199"}
    answers = [await capture(estate, HQ, "hq", office={name: named[name]}) for named in (hidden, none)]
    assert answers[0] == answers[1]
    [error] = answers[0]["userErrors"]
    assert (error["code"], error["field"]) == ("INVALID", ["event", "office"])
    assert (await capture(estate, HQ, "hq", eventId="call-berlin"))["userErrors"][0]["code"] == "INVALID"
    assert await estate.everything_stored() == before


async def test_a_capture_names_people_of_one_s_own_company_and_renames_none_of_other_offices(
    any_estate: Estate,
) -> None:
    people = {(row.company_id, row.external_id): row.name for row in await any_estate.database.rows(MEMBER.select())}
    named = {kind: {"externalId": f"{kind[0]}-0", "name": "Renamed"} for kind in ("group", "contact")}
    told = await capture(any_estate, GLOBEX, "vault", member={"externalId": "u-0"}, **named)
    assert (told["hold"], told["result"]["record"]["member"]) == ({"state": "CAPTURED"}, {"name": "Desk of vault"})
    told = await capture(any_estate, HQ, "hq", member={"externalId": "u-1", "name": "Renamed"})
    assert told["result"]["outcome"] == "CHARGED"
    after = {(row.company_id, row.external_id): row.name for row in await any_estate.database.rows(MEMBER.select())}
    assert after == people
    await assert_books_hold(any_estate.database)
