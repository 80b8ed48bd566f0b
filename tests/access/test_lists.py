"""Lists tell nothing by their counts, sums, cursors and order; an office admin's are exactly those of his offices."""

from typing import Any

import pytest
from sqlalchemy import func, select

from domain.access import PartnerScope, Role
from domain.money import decimal_text
from persistence.tables.charging import CHARGE
from persistence.tables.company import OFFICE
from schema.ids import IdKind
from tests.access.estate import Answer, Estate, token
from tests.access.walk import GRAPHQL

COUNTS = """{ offices { totalCount } usageHistory { totalCount totalCost { amount } } rejectedUsage { totalCount }
  rates { totalCount }
  filtered: usageHistory(filter: { direction: OUTBOUND }) { totalCount totalCost { amount } } }"""
LISTS = """{ offices(first: 100) { nodes { id } } wallets { id }
  usageHistory(first: 100) { nodes { id office { slug } } }
  rejectedUsage(first: 100) { nodes { id } }
  usageParties(first: 100) { nodes { ... on Member { id } ... on Group { id } ... on Contact { id } } } }"""
TOTALS = """{ company { walletTotals { kind officeCount balance { amount } } planUsageTotals { service committed } }
  offices(first: 100) { nodes { id wallets { kind balance { amount } } planUsage { service committed } } } }"""
OF_OFFICE = """query ($id: ID!) { planUsage(officeId: $id) { id } office(id: $id) { billingCycles { month } } }"""
LEDGER = "query ($id: ID!, $after: String) { ledger(walletId: $id, after: $after, first: 1) { nodes { id } %s } }"
PAGE = "edges { cursor } pageInfo { endCursor hasNextPage }"

HQ: dict[str, Any] = {"role": Role.OFFICE_ADMIN, "offices": ("hq",)}
HQ_AND_LONE: dict[str, Any] = {"role": Role.OFFICE_ADMIN, "offices": ("hq", "lone")}
HQ_PARTNER: dict[str, Any] = {"role": Role.PARTNER, "offices": ("hq",), "scopes": frozenset(PartnerScope)}
EVERYWHERE: dict[str, Any] = {}


async def _charged(estate: Estate, *offices: str) -> tuple[int, int, str]:
    """(records, those with a direction, cost) of these offices, counted past every rule of access."""
    statement = (
        select(
            func.count().label("records"),
            func.count(CHARGE.c.direction).label("directed"),
            func.coalesce(func.sum(CHARGE.c.cost_micros), 0).label("cost"),
        )
        .select_from(CHARGE)
        .join(OFFICE, OFFICE.c.id == CHARGE.c.office_id)
        .where(OFFICE.c.slug.in_(offices))
    )
    [row] = await estate.database.rows(statement)
    return row.records, row.directed, decimal_text(int(row.cost))


@pytest.mark.parametrize(
    ("claims", "offices"),
    [
        (HQ, ["hq"]),
        (HQ_AND_LONE, ["hq", "lone"]),
        (HQ_PARTNER, ["hq"]),
        (EVERYWHERE, ["hq", "berlin", "lone"]),
        ({"company": "globex"}, ["vault"]),
    ],
    ids=["hq", "hq and lone", "partner of hq", "acme", "globex"],
)
async def test_counts_and_sums_are_those_of_the_caller_s_offices(
    estate: Estate, claims: dict[str, Any], offices: list[str]
) -> None:
    told = (await estate.ask(token(**claims), COUNTS)).data
    count, directed, cost = await _charged(estate, *offices)
    assert told["offices"]["totalCount"] == told["rejectedUsage"]["totalCount"] == len(offices)
    assert told["usageHistory"] == {"totalCount": count, "totalCost": {"amount": cost}}
    assert told["filtered"]["totalCount"] == directed < count
    assert told["rates"]["totalCount"] == 4


@pytest.mark.parametrize("offices", [("hq",), ("hq", "lone"), ("berlin",)], ids=" and ".join)
async def test_an_office_admin_s_lists_are_exactly_those_of_his_offices(
    any_estate: Estate, offices: tuple[str, ...]
) -> None:
    bearer = token(role=Role.OFFICE_ADMIN, offices=offices)
    told = (await any_estate.ask(bearer, LISTS)).data
    ids = any_estate.ids

    def own(*kinds: IdKind) -> set[str]:
        return {found for kind in kinds for place in offices for found in ids[kind].get(place, ())}

    def listed(name: str) -> set[str]:
        return {node["id"] for node in told[name]["nodes"]}

    assert listed("offices") == own(IdKind.OFFICE)
    assert {wallet["id"] for wallet in told["wallets"]} == own(IdKind.WALLET)
    assert listed("usageHistory") == own(IdKind.USAGE_RECORD)
    assert {node["office"]["slug"] for node in told["usageHistory"]["nodes"]} == set(offices)
    assert listed("rejectedUsage") == own(IdKind.REJECTED_USAGE)
    of_all = {found for kind in (IdKind.MEMBER, IdKind.GROUP, IdKind.CONTACT) for found in ids[kind]["acme"]}
    assert listed("usageParties") == own(IdKind.MEMBER, IdKind.GROUP) | of_all
    shown: set[str] = set()
    for office in sorted(own(IdKind.OFFICE)):
        shown |= {usage["id"] for usage in (await any_estate.ask(bearer, OF_OFFICE, id=office)).data["planUsage"]}
    assert shown < own(IdKind.PLAN_USAGE)  # those of the current cycle
    for wallet in sorted(own(IdKind.WALLET)):
        assert (await any_estate.ask(bearer, LEDGER % "", id=wallet)).data["ledger"]["nodes"]


async def test_a_company_admin_sees_every_office_and_whose_a_record_is(estate: Estate) -> None:
    told = (await estate.ask(token(), LISTS)).data
    slugs = [node["office"]["slug"] for node in told["usageHistory"]["nodes"]]
    assert {slug: slugs.count(slug) for slug in slugs} == {"hq": 5, "berlin": 5, "lone": 5}
    assert len(told["offices"]["nodes"]) == 3
    assert len(told["wallets"]) == 6


@pytest.mark.parametrize("claims", [HQ, HQ_AND_LONE, EVERYWHERE, {"company": "globex"}], ids=str)
async def test_totals_of_a_company_are_sums_over_the_visible_offices(estate: Estate, claims: dict[str, Any]) -> None:
    told = (await estate.ask(token(**claims), TOTALS)).data
    wallets = [wallet for office in told["offices"]["nodes"] for wallet in office["wallets"]]
    for total in told["company"]["walletTotals"]:
        same = [wallet["balance"]["amount"] for wallet in wallets if wallet["kind"] == total["kind"]]
        assert total["officeCount"] == len(same)
        assert _micros(total["balance"]["amount"]) == sum(map(_micros, same))
    included = [plan for office in told["offices"]["nodes"] for plan in office["planUsage"]]
    for total in told["company"]["planUsageTotals"]:
        same = [plan["committed"] for plan in included if plan["service"] == total["service"]]
        assert int(total["committed"]) == sum(map(int, same))
    assert {total["kind"] for total in told["company"]["walletTotals"]} == {wallet["kind"] for wallet in wallets}


def _micros(amount: str) -> int:
    return int(amount.replace(".", ""))


# ---------- cursors ----------

LIST_FIELDS = {
    "offices": "offices(first: 1, after: $after)",
    "usageHistory": "usageHistory(first: 1, after: $after)",
    "usageParties": "usageParties(first: 1, after: $after)",
    "rates": "rates(first: 1, after: $after)",
    "rejectedUsage": "rejectedUsage(first: 1, after: $after)",
}
OTHER_FILTERS = {
    "offices": 'offices(first: 1, after: $after, search: "q")',
    "usageHistory": "usageHistory(first: 1, after: $after, filter: { direction: OUTBOUND })",
    "usageParties": "usageParties(first: 1, after: $after, kinds: [MEMBER])",
    "rates": "rates(first: 1, after: $after, filter: { services: [FAX] })",
    "rejectedUsage": "rejectedUsage(first: 1, after: $after, code: BLOCKED)",
}


async def _page(estate: Estate, bearer: str, field: str, after: str | None = None) -> Answer:
    return await estate.ask(bearer, f"query ($after: String) {{ {field} {{ {PAGE} }} }}", after=after)


async def _last_cursor(estate: Estate, bearer: str, name: str) -> str:
    field = LIST_FIELDS[name].replace("first: 1", "first: 100")
    found: str = (await _page(estate, bearer, field)).data[name]["pageInfo"]["endCursor"]
    return found


def test_every_list_with_cursors_is_here() -> None:
    query = GRAPHQL.query_type
    assert query is not None
    assert {name for name, field in query.fields.items() if "after" in field.args} == {*LIST_FIELDS, "ledger", "topUps"}


@pytest.mark.parametrize("name", LIST_FIELDS)
async def test_a_cursor_that_is_not_of_this_list_is_refused_and_nobody_learns_why(estate: Estate, name: str) -> None:
    admin, neighbour = token(), token(company="globex")
    own = (await _page(estate, admin, LIST_FIELDS[name])).data[name]["pageInfo"]["endCursor"]
    foreign = await _last_cursor(estate, neighbour, name)
    turned = own[:-1] + ("A" if own[-1] != "A" else "B")
    others = [await _last_cursor(estate, admin, other) for other in LIST_FIELDS if other != name]
    answers = {
        (await _page(estate, admin, LIST_FIELDS[name], after)).body
        for after in (foreign, turned, own + "=", own + "A", own[::-1], own[:20], "garbage", "", "é", *others)
    }
    assert len(answers) == 1
    refused = Answer(200, answers.pop())
    assert refused.error["extensions"]["code"] == "BAD_USER_INPUT"
    filtered = await _page(estate, admin, OTHER_FILTERS[name], own)
    assert filtered.error["message"] == refused.error["message"]
    assert "errors" not in (await _page(estate, admin, LIST_FIELDS[name], own)).json


@pytest.mark.parametrize("name", ["offices", "usageHistory", "usageParties", "rejectedUsage"])
async def test_a_cursor_of_somebody_who_sees_more_leads_only_to_what_is_one_s_own(estate: Estate, name: str) -> None:
    """Cursors belong to the company: one that was made on a hidden record is a place in the order, and no more."""
    field = LIST_FIELDS[name].replace("first: 1", "first: 100").replace("$after)", "$after) ")
    query = f"query ($after: String) {{ {field} {{ nodes {{ ... on Node {{ id }} }} }} }}"
    hq, admin = token(**HQ), token()
    own = {node["id"] for node in (await estate.ask(hq, query, after=None)).data[name]["nodes"]}
    cursors: list[str] = []
    page = (await _page(estate, admin, LIST_FIELDS[name].replace("first: 1", "first: 100"))).data[name]
    cursors += [edge["cursor"] for edge in page["edges"]]
    assert len(cursors) > len(own)
    for cursor in cursors:
        assert {node["id"] for node in (await estate.ask(hq, query, after=cursor)).data[name]["nodes"]} <= own


async def test_a_ledger_cursor_is_good_for_one_wallet_and_its_readers(estate: Estate) -> None:
    admin, hq = token(), token(**HQ)
    page = LEDGER % "pageInfo { endCursor }"
    wallets = {place: estate.one(IdKind.WALLET, place) for place in ("hq", "berlin")}
    cursors = {
        place: (await estate.ask(admin, page, id=wallet)).data["ledger"]["pageInfo"]["endCursor"]
        for place, wallet in wallets.items()
    }
    assert (await estate.ask(hq, page, id=wallets["hq"], after=cursors["hq"])).data["ledger"]["nodes"]
    refused = await estate.ask(hq, page, id=wallets["hq"], after=cursors["berlin"])
    assert refused.error["extensions"]["code"] == "BAD_USER_INPUT"
    hidden = await estate.ask(hq, page, id=wallets["berlin"], after=cursors["berlin"])
    unknown = await estate.ask(hq, page, id="wal_" + "0" * 32, after=cursors["berlin"])
    assert hidden.body == unknown.body
    assert hidden.data == {"ledger": None}


TOP_UPS = "query ($id: ID!, $after: String) { topUps(officeId: $id, after: $after) { totalCount nodes { id } %s } }"


async def test_a_cursor_of_top_ups_is_good_for_one_office_and_its_readers(estate: Estate) -> None:
    admin, hq = token(), token(**HQ)
    offices = {place: estate.one(IdKind.OFFICE, place) for place in ("hq", "berlin")}
    pages = {
        place: (await estate.ask(admin, TOP_UPS % PAGE, id=office)).data["topUps"] for place, office in offices.items()
    }
    for place, page in pages.items():
        assert [node["id"] for node in page["nodes"]] == estate.ids[IdKind.TOP_UP][place]
        assert page["totalCount"] == 1
    cursors = {place: page["pageInfo"]["endCursor"] for place, page in pages.items()}
    own = await estate.ask(hq, TOP_UPS % "", id=offices["hq"], after=cursors["hq"])
    assert own.data["topUps"] == {"totalCount": 1, "nodes": []}
    refused = await estate.ask(hq, TOP_UPS % "", id=offices["hq"], after=cursors["berlin"])
    assert refused.error["extensions"]["code"] == "BAD_USER_INPUT"
    hidden = await estate.ask(hq, TOP_UPS % "", id=offices["berlin"], after=cursors["berlin"])
    unknown = await estate.ask(hq, TOP_UPS % "", id="off_" + "0" * 32, after=cursors["berlin"])
    assert hidden.body == unknown.body
    assert hidden.data == {"topUps": None}
