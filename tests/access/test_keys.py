"""Keys that reporters choose (event ids, external ids, idempotency keys) are each company's own, and open no office."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.access import PartnerScope, Role
from persistence.tables.charging import CHARGE, REJECTED_USAGE
from persistence.tables.company import CONTACT, GROUP, MEMBER
from schema.ids import IdKind
from tests.access.estate import BARRED, MARKS, NUMBERS, Estate, token
from tests.proof import assert_books_hold

REPORT = """mutation ($input: RecordUsageInput!) { recordUsage(input: $input) {
  chargedCount replayedCount conflictCount rejectedCount totalCost { amount }
  results { eventId outcome differingFields record { id eventId cost { amount } office { id slug }
      member { externalId name email office { slug } } group { name office { slug } } contact { name } }
    rejection { code rejectedUsage { id attemptCount office { slug } } } }
  userErrors { code message field } } }"""
REVERSE = """mutation ($input: ReverseUsageInput!) { reverseUsage(input: $input) {
  isReplayed reversal { id } wallets { id } userErrors { code message field
    ... on IdempotencyUserError { differingFields } } } }"""
ADJUST = """mutation ($input: AdjustWalletInput!) { adjustWallet(input: $input) {
  isReplayed posting { id } userErrors { code message field } } }"""
SYNC = """mutation ($input: SyncDirectoryInput!) { syncDirectory(input: $input) {
  members { createdCount updatedCount deactivatedCount } userErrors { code } } }"""

SCOPES = frozenset(PartnerScope)
HQ: dict[str, Any] = {"role": Role.PARTNER, "offices": ("hq",), "scopes": SCOPES}
ACME: dict[str, Any] = {"role": Role.PARTNER, "scopes": SCOPES}
GLOBEX: dict[str, Any] = {"role": Role.PARTNER, "company": "globex", "scopes": SCOPES}
NOW = datetime.now(UTC)
OCCURRED_AT = (NOW - timedelta(hours=2)).isoformat()
A_SECOND_LATER = (NOW - timedelta(hours=2, seconds=-1)).isoformat()


def event(event_id: str, **more: Any) -> dict[str, Any]:
    call = {"direction": "OUTBOUND", "from": NUMBERS["hq"], "to": more.pop("to", "+12125550100"), "durationSeconds": 60}
    return {"eventId": event_id, "occurredAt": more.pop("at", OCCURRED_AT), "usage": {"call": call}, **more}


async def report(estate: Estate, claims: dict[str, Any], *events: Any, source: str = "test", **more: Any) -> Any:
    input_ = {"source": source, "events": list(events), **more}
    return (await estate.ask(token(**claims), REPORT, input=input_)).data["recordUsage"]


async def people(estate: Estate, table: Any = MEMBER) -> dict[tuple[str, str], str]:
    """Names by (company's id, external id)."""
    rows = await estate.database.rows(table.select())
    return {(f"com_{row.company_id.hex}", row.external_id): row.name for row in rows}


async def test_an_event_id_of_another_company_is_free_here(any_estate: Estate) -> None:
    """`barred-0` and `call-0` are in both companies: what comes in here meets acme's, and leaves globex's alone."""
    globex = any_estate.all_of("vault")
    told = await report(any_estate, GLOBEX, event("call-berlin"), event("barred-berlin"), office={"slug": "vault"})
    assert told["chargedCount"] == 2
    kept = {row.event_id for row in await any_estate.database.rows(REJECTED_USAGE.select())}
    assert kept == {"barred-0", "barred-berlin", "barred-2"}
    told = await report(any_estate, ACME, event("call-0"), office={"slug": "hq"})
    [conflict] = told["results"]
    assert conflict["outcome"] == "CONFLICT"
    assert conflict["record"]["id"] in any_estate.all_of("hq")
    assert conflict["record"]["id"] not in globex
    await assert_books_hold(any_estate.database)


async def test_an_event_of_another_office_is_a_conflict_that_tells_no_more_than_that(estate: Estate) -> None:
    before = await estate.everything_stored()
    told = await report(estate, HQ, event("call-berlin", member={"externalId": "u-0", "name": "Renamed"}))
    [conflict] = told["results"]
    assert (conflict["outcome"], conflict["differingFields"], conflict["record"]) == ("CONFLICT", ["office"], None)
    assert await estate.everything_stored() == before


@pytest.mark.parametrize("to", ["+12125550100", BARRED], ids=["can be charged", "is rejected too"])
async def test_what_another_office_has_waiting_is_neither_consumed_nor_moved(any_estate: Estate, to: str) -> None:
    """The key of a kept rejection is taken, like that of a charge: berlin's may not be made hq's by hq's reporter."""
    before = await any_estate.everything_stored()
    told = await report(any_estate, HQ, event("barred-berlin", to=to))
    [conflict] = told["results"]
    assert (conflict["outcome"], conflict["differingFields"], conflict["record"]) == ("CONFLICT", ["office"], None)
    assert conflict["rejection"] is None
    assert await any_estate.everything_stored() == before
    corrected = await report(any_estate, ACME, event("barred-berlin"), office={"slug": "hq"})
    assert corrected["chargedCount"] == 1  # who reports for both offices may correct the office
    kept = await any_estate.database.rows(REJECTED_USAGE.select())
    assert "barred-berlin" not in {row.event_id for row in kept}
    await assert_books_hold(any_estate.database)


async def test_an_external_id_of_another_company_names_somebody_of_one_s_own(any_estate: Estate) -> None:
    before = await people(any_estate)
    named = {kind: {"externalId": f"{kind[0]}-0"} for kind in ("group", "contact")}
    told = await report(
        any_estate, GLOBEX, event("new", member={"externalId": "u-0"}, **named), office={"slug": "vault"}
    )
    record = told["results"][0]["record"]
    assert record["member"]["office"] == {"slug": "vault"}
    assert (record["group"]["name"], record["contact"]["name"]) == ("Desk of vault", "GLOBEX supplier 0")
    renamed = {"externalId": "u-1", "name": "Somebody"}
    await report(any_estate, GLOBEX, event("renaming", member=renamed), office={"slug": "vault"})
    after = await people(any_estate)
    assert {key: after[key] for key in before} == before
    assert {external_id for _, external_id in after.keys() - before.keys()} == {"u-1"}


async def test_a_directory_is_replaced_in_one_s_own_company_alone(estate: Estate) -> None:
    before = await people(estate)
    input_ = {"mode": "REPLACE", "members": [{"externalId": "u-0", "name": "New", "groupExternalIds": ["g-0"]}]}
    done = (await estate.ask(token(**GLOBEX), SYNC, input=input_)).data["syncDirectory"]
    assert done["members"] == {"createdCount": 0, "updatedCount": 1, "deactivatedCount": 1}
    after = await people(estate)
    globex = estate.one(IdKind.COMPANY, "globex")
    assert {key for key in before if before[key] != after[key]} == {(globex, "u-0")}
    rows = await estate.database.rows(MEMBER.select())
    assert [row.external_id for row in rows if not row.is_active] == ["u-free"]


async def test_a_directory_synchronised_by_a_partner_of_one_office_is_refused(estate: Estate) -> None:
    before = await estate.everything_stored()
    for mode in ("UPSERT", "REPLACE"):
        input_ = {"mode": mode, "members": [{"externalId": "u-0", "name": "New"}]}
        done = (await estate.ask(token(**HQ), SYNC, input=input_)).data["syncDirectory"]
        assert done["userErrors"] == [{"code": "NOT_FOUND"}]
    assert await estate.everything_stored() == before


async def test_an_idempotency_key_of_another_company_is_free_here(estate: Estate) -> None:
    """Both companies used `key-0` for a reversal of their own."""
    own = next(found for found in estate.ids[IdKind.USAGE_RECORD]["vault"])
    input_ = {"usageRecordId": own, "idempotencyKey": "key-1", "reason": "Wrong."}
    done = (await estate.ask(token(**GLOBEX), REVERSE, input=input_)).data["reverseUsage"]
    assert (done["userErrors"], done["isReplayed"]) == ([], False)
    assert done["reversal"]["id"].startswith("use_")
    await assert_books_hold(estate.database)


async def test_an_adjustment_s_key_of_another_company_is_free_here(any_estate: Estate) -> None:
    """And within a company a key belongs to what it was first used for."""
    told = []
    for company, place, key in (("globex", "vault", "mine"), ("acme", "hq", "mine"), ("acme", "hq", "key-0")):
        wallet = any_estate.one(IdKind.WALLET, place)
        change = {"amount": "1.5", "currencyCode": "USD"}
        input_ = {"walletId": wallet, "idempotencyKey": key, "change": change, "reason": "Wrong."}
        bearer = token(role=Role.OPERATOR, company=company)
        done = (await any_estate.ask(bearer, ADJUST, input=input_)).data["adjustWallet"]
        told.append((done["isReplayed"], [error["code"] for error in done["userErrors"]]))
    assert told == [(False, []), (False, []), (False, ["IDEMPOTENCY_CONFLICT"])]
    await assert_books_hold(any_estate.database)


async def test_a_key_that_another_office_used_tells_only_that_it_is_taken(estate: Estate) -> None:
    before = await estate.everything_stored()
    own, hidden = estate.one(IdKind.USAGE_RECORD, "hq"), estate.one(IdKind.USAGE_RECORD, "berlin")
    input_ = {"usageRecordId": own, "idempotencyKey": "key-1", "reason": "Wrong."}
    answer = await estate.ask(token(**HQ), REVERSE, input=input_)
    [error] = answer.data["reverseUsage"]["userErrors"]
    assert error["code"] == "IDEMPOTENCY_CONFLICT"
    assert not MARKS.search(answer.body.decode())
    for key in ("key-1", "unused"):  # a record that is not his is not found, whatever the key
        input_ = {"usageRecordId": hidden, "idempotencyKey": key, "reason": "Wrong number, berlin."}
        answer = await estate.ask(token(**HQ), REVERSE, input=input_)
        assert [error["code"] for error in answer.data["reverseUsage"]["userErrors"]] == ["NOT_FOUND"]
    assert await estate.everything_stored() == before


async def test_usage_names_people_of_other_offices_but_does_not_rename_them(any_estate: Estate) -> None:
    """A member of berlin who uses hq's phone shows by name on hq's bill, without his address and office."""
    person = {"member": {"externalId": "u-1", "name": "Eve"}, "group": {"externalId": "g-1", "name": "Eve's desk"}}
    record = (await report(any_estate, HQ, event("roaming", **person)))["results"][0]["record"]
    assert record["member"] == {"externalId": "u-1", "name": "Desk of berlin", "email": None, "office": None}
    assert record["group"] == {"name": "Desk of berlin", "office": None}
    names = set((await people(any_estate)).values()) | set((await people(any_estate, GROUP)).values())
    assert not {name for name in names if name.startswith("Eve")}


async def test_usage_renames_whom_its_reporter_answers_for(any_estate: Estate) -> None:
    await report(
        any_estate,
        HQ,
        event("own", member={"externalId": "u-0", "name": "Own"}, contact={"externalId": "c-1", "name": "Shared"}),
        event("free", member={"externalId": "u-free", "name": "Free"}),
    )
    whole = {"externalId": "u-1", "name": "By the whole company's phone system"}
    await report(any_estate, ACME, event("whole", member=whole), office={"slug": "hq"})
    acme = any_estate.one(IdKind.COMPANY, "acme")
    members = await people(any_estate)
    assert {key: members[acme, key] for key in ("u-0", "u-free", "u-1")} == {
        "u-0": "Own",
        "u-free": "Free",
        "u-1": "By the whole company's phone system",
    }
    assert (await people(any_estate, CONTACT))[acme, "c-1"] == "Shared"
    email = "{ usageHistory(first: 100) { nodes { member { externalId email } } } }"
    nodes = (await any_estate.ask(token(**ACME), email)).data["usageHistory"]["nodes"]
    assert {"externalId": "u-1", "email": "desk@berlin.example"} in [node["member"] for node in nodes]


async def test_usage_that_is_not_charged_creates_and_renames_nobody(any_estate: Estate) -> None:
    eve = {kind: {"externalId": "eve", "name": "Eve"} for kind in ("member", "group", "contact")}
    ada = {"member": {"externalId": "u-0", "name": "Renamed"}}
    before = [await people(any_estate, table) for table in (MEMBER, GROUP, CONTACT)]
    told = await report(
        any_estate,
        HQ,
        event("no", to=BARRED, **eve),
        event("no-ada", to=BARRED, **ada),
        event("old", at="2001-01-01T00:00:00Z", **eve),
        event("same"),
        event("same", at=A_SECOND_LATER, **eve),
    )
    outcomes = [result["outcome"] for result in told["results"]]
    assert outcomes == ["REJECTED", "REJECTED", "REJECTED", "CHARGED", "CONFLICT"]
    assert [await people(any_estate, table) for table in (MEMBER, GROUP, CONTACT)] == before
    [charge] = await any_estate.database.rows(CHARGE.select().where(CHARGE.c.event_id == "same"))
    assert charge.member_id is None
