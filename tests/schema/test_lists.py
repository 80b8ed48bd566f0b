"""The other lists: parties, rates, rejected usage, offices."""

from datetime import UTC, datetime

from domain.access import PartnerScope, Role
from domain.catalogue import Direction, Service, UsageType
from domain.usage import DirectoryReference
from tests.schema.conftest import NOON, House, replace
from tests.world import call, rate

PARTIES = """query ($search: String, $officeId: ID, $kinds: [UsagePartyKind!], $first: Int, $after: String) {
  usageParties(search: $search, officeId: $officeId, kinds: $kinds, first: $first, after: $after) {
    edges { cursor } pageInfo { hasNextPage endCursor }
    nodes { __typename
      ... on Member { id name externalId email isActive office { slug } }
      ... on Group { id name kind office { slug } }
      ... on Contact { id name phoneNumbers } } } }"""


async def test_the_typeahead_finds_parts_of_names(house: House) -> None:
    async def names(**variables: object) -> list[str]:
        return [node["name"] for node in (await house.ask(PARTIES, variables))["usageParties"]["nodes"]]

    assert await names() == ["Front desk", "Support", "Zürich's depot 100%"]
    assert await names(search=" DESK ") == ["Front desk"]
    assert await names(search="zürich's d") == ["Zürich's depot 100%"]
    assert await names(search="0%") == ["Zürich's depot 100%"]
    assert await names(search="_") == []
    assert await names(kinds=["GROUP", "CONTACT"]) == ["Support", "Zürich's depot 100%"]
    assert await names(kinds=[]) == []
    assert "Zürich's depot 100%" in await names(officeId=await house.office("lone"))
    assert await names(officeId="off_" + "0" * 32) == ["Zürich's depot 100%"]
    first = (await house.ask(PARTIES, {"first": 2}))["usageParties"]
    rest = await names(first=2, after=first["pageInfo"]["endCursor"])
    assert (first["pageInfo"]["hasNextPage"], rest) == (True, ["Zürich's depot 100%"])
    assert "not the id of an office" in await house.refusal(PARTIES, {"officeId": "wal_" + "0" * 32})


async def test_members_of_other_offices_stay_hidden(house: House) -> None:
    await house.world.record(replace(call("b", NOON, office="berlin"), member=DirectoryReference("u9", "Night desk")))
    admin = await house.office_admin("lone")
    seen = (await house.ask(PARTIES, viewer=admin))["usageParties"]["nodes"]
    everyone = (await house.ask(PARTIES))["usageParties"]["nodes"]
    assert "Night desk" in [node["name"] for node in everyone]
    assert all(node.get("office") is None or node["office"]["slug"] == "lone" for node in seen)


RATES = """query ($filter: RateFilter, $first: Int, $after: String) {
  rates(filter: $filter, first: $first, after: $after) {
  totalCount pageInfo { hasNextPage endCursor }
  nodes { id card { id name rateCount effectiveFrom effectiveUntil } service usageType direction prefix
    destination amount
    currencyCode unit billingIncrement { label } connectionFee { amount } priority isBlocked effectiveFrom
    effectiveUntil } } }"""


async def test_rates_are_found_by_service_prefix_number_and_time(house: House) -> None:
    house.world.now = datetime(2026, 3, 10, tzinfo=UTC)
    successor = (
        rate("0.03"),
        rate("0.11", prefix="44", fee="0.05", usage_type=UsageType.INTERNATIONAL, direction=Direction.OUTBOUND),
        rate("0.12", prefix="4420"),
        rate("0.01", service=Service.MESSAGING),
    )
    await house.world.deck(successor, at=datetime(2026, 3, 20, tzinfo=UTC))

    async def prices(**filter: object) -> list[tuple[str, str]]:
        data = (await house.ask(RATES, {"filter": filter, "first": 100}))["rates"]
        assert data["totalCount"] == len(data["nodes"])
        return [(node["prefix"], node["amount"]) for node in data["nodes"]]

    assert len(await prices()) == 12
    assert sorted(await prices(number="+442071234567", services=["CALLING"])) == [
        ("", "0.020000000"),
        ("44", "0.100000000"),
    ]
    later = "2026-03-20T00:00:00Z"
    assert sorted(await prices(number="+442071234567", services=["CALLING"], inForceAt=later)) == [
        ("", "0.030000000"),
        ("44", "0.110000000"),
        ("4420", "0.120000000"),
    ]
    assert [prefix for prefix, _ in await prices(prefix="44")] == ["44", "44", "4420"]
    assert await prices(services=[]) == []
    assert await prices(cardId="crd_" + "0" * 32) == []
    blocked = (await house.ask(RATES, {"filter": {"prefix": "900"}}))["rates"]["nodes"][0]
    assert blocked["isBlocked"]
    card = blocked["card"]
    assert (card["rateCount"], card["effectiveUntil"]) == (8, later)
    assert len(await prices(cardId=card["id"])) == 8
    fee = (await house.ask(RATES, {"filter": {"prefix": "44", "inForceAt": later}}))["rates"]["nodes"][0]
    assert (fee["connectionFee"]["amount"], fee["usageType"], fee["direction"]) == (
        "0.050000",
        "INTERNATIONAL",
        "OUTBOUND",
    )
    assert "at most 15 digits" in await house.refusal(RATES, {"filter": {"prefix": "+44"}})
    assert "not the id of a rate card" in await house.refusal(RATES, {"filter": {"cardId": fee["id"]}})


async def test_rates_page_by_prefix(house: House) -> None:
    whole = (await house.ask(RATES, {"first": 100}))["rates"]["nodes"]
    paged, after = [], None
    while True:
        page = (await house.ask(RATES, {"first": 3, "after": after}))["rates"]
        paged += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert paged == whole


REJECTED = """query ($code: RejectionCode) { rejectedUsage(code: $code, first: 50) { totalCount
  nodes { id eventId office { slug } occurredAt receivedAt service code message attemptCount } } }"""


async def test_rejected_usage_is_listed_to_whoever_reports_it(house: House) -> None:
    [barred] = (await house.ask(REJECTED))["rejectedUsage"]["nodes"]
    assert (barred["eventId"], barred["code"], barred["office"]["slug"], barred["attemptCount"]) == (
        "barred",
        "BLOCKED",
        "hq",
        1,
    )
    assert (await house.ask(REJECTED, {"code": "NO_RATE"}))["rejectedUsage"] == {"totalCount": 0, "nodes": []}
    partner = house.world.viewer(Role.PARTNER, scopes=frozenset({PartnerScope.USAGE_WRITE}))
    assert (await house.ask(REJECTED, viewer=partner))["rejectedUsage"]["totalCount"] == 1
    admin = await house.office_admin("lone")
    assert (await house.ask(REJECTED, viewer=admin))["rejectedUsage"]["totalCount"] == 0
    other = house.world.viewer(Role.PARTNER, scopes=frozenset({PartnerScope.WALLETS_READ}))
    assert "VIEW_USAGE" in await house.refusal(REJECTED, viewer=other)


async def test_offices_are_found_by_part_of_their_name(house: House) -> None:
    query = """query ($search: String, $first: Int, $after: String) {
      offices(search: $search, first: $first, after: $after) { totalCount nodes { slug } pageInfo { endCursor } } }"""
    assert (await house.ask(query, {"search": "ERL"}))["offices"]["nodes"] == [{"slug": "berlin"}]
    assert (await house.ask(query, {"search": "%"}))["offices"]["totalCount"] == 0
    first = (await house.ask(query, {"first": 1}))["offices"]
    after = first["pageInfo"]["endCursor"]
    assert (await house.ask(query, {"first": 5, "after": after}))["offices"]["nodes"] == [
        {"slug": "hq"},
        {"slug": "lone"},
    ]
