"""The audit trail over the wire: everything that changed anything is in it, and only those it is meant for read it."""

import ast
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.access import Role, Viewer
from domain.activity import ACTIONS
from domain.catalogue import Direction
from domain.usage import Fax
from persistence.tables.activity import ACTIVITY
from tests.schema.conftest import NOON, House
from tests.schema.test_adjust_wallet import adjust, operator, wallet_id
from tests.schema.test_reverse_usage import record_id, reverse
from tests.world import commitment, office, rate, usage_event

ROOT = Path(__file__).parents[2]
TRAIL = """query ($first: Int, $after: String, $last: Int, $before: String) {
  company { activity(first: $first, after: $after, last: $last, before: $before) {
    nodes { id at actor action address office { slug } target { __typename id } changes { field before after } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""
NODE = "query ($id: ID!) { node(id: $id) { ... on Activity { id action target { id } } } }"
SYNC = """mutation { syncDirectory(input: { members: [{ externalId: "u9", name: "Night desk" }] }) {
  members { createdCount } userErrors { code } } }"""


async def trail(house: House, viewer: Viewer | None = None, **variables: Any) -> Any:
    return (await house.ask(TRAIL, {"first": 100, **variables}, viewer))["company"]["activity"]


async def test_what_an_operator_set_up_is_told_office_by_office(house: House) -> None:
    nodes = (await trail(house))["nodes"]
    assert [node["action"] for node in nodes] == ["import-rates", "apply", "apply", "apply", "apply"]
    assert {node["actor"] for node in nodes} == {"Operator"}
    assert {node["address"] for node in nodes} == {None}
    deck, company, *offices = nodes
    assert deck["target"]["__typename"] == "RateCard"
    assert deck["changes"][0]["after"] == "standard: 8 rates from 2020-01-01 00:00 UTC"
    assert (company["target"]["__typename"], company["office"]) == ("Company", None)
    assert [(node["office"]["slug"], node["target"]["__typename"]) for node in offices] == [
        ("lone", "Office"),
        ("hq", "Office"),
        ("berlin", "Office"),
    ]
    assert offices[0]["target"]["id"] == await house.office("lone")


async def test_a_change_of_plan_is_told_before_and_after_as_a_person_reads_it(small_house: House) -> None:
    house = small_house
    known = await trail(house)
    hq = office(tax_rate_micros=88_750, invoice_limit_micros=4_500_000, commitments=(commitment("2.5"),))
    await house.world.apply(hq, is_dry_run=True)
    assert await trail(house) == known
    await house.world.apply(hq, purchase_minimum_micros=7_000_000, purchase_presets=(10_000_000, 20_500_000))
    [company, changed] = (await trail(house))["nodes"][:2]
    assert company["changes"] == [
        {"field": "purchase_minimum", "before": "5.00 USD", "after": "7.00 USD"},
        {
            "field": "purchase_presets",
            "before": "[20.00 USD, 50.00 USD, 100.00 USD, 200.00 USD, 500.00 USD]",
            "after": "[10.00 USD, 20.50 USD]",
        },
    ]
    assert {(change["field"], change["before"], change["after"]) for change in changed["changes"]} == {
        ("tax_rate", "0 %", "8.875 %"),
        ("invoice_limit", "none", "4.50 USD"),
        ("CALLING commitment: amount", "1.00 USD", "2.50 USD, from the next cycle"),
        ("AI_AGENT commitment", "12.00 USD ANNUAL", None),
        ("CALLING allowance", "240 of [LOCAL, DOMESTIC]", None),
        ("FAX allowance", "3 of [FAX_SENT, FAX_RECEIVED]", None),
    }
    length = len((await trail(house))["nodes"])
    await house.world.apply(hq, purchase_minimum_micros=7_000_000, purchase_presets=(10_000_000, 20_500_000))
    assert len((await trail(house))["nodes"]) == length


async def test_reversal_adjustment_synchronisation_and_deck_are_in_it_once_each(house: House) -> None:
    call = await record_id(house)
    before = len((await trail(house))["nodes"])
    await reverse(house, call)
    await reverse(house, call)
    await adjust(house, await wallet_id(house), "1.5")
    await adjust(house, await wallet_id(house), "1.5")
    for _ in range(2):
        await house.ask(SYNC, viewer=house.world.viewer(Role.OPERATOR))
        await house.world.deck((rate("0.01"),), card="extra")
    found = (await trail(house))["nodes"]
    new = {node["action"]: node for node in found[: len(found) - before]}
    assert len(found) - before == len(new) == 4
    assert new["reverseUsage"]["target"] == {"__typename": "UsageRecord", "id": call}
    assert new["reverseUsage"]["changes"] == [
        {"field": "cost", "before": "0.12 USD", "after": "0.00 USD"},
        {"field": "reason", "before": None, "after": "Wrong call"},
    ]
    assert new["adjustWallet"]["target"]["id"] == await wallet_id(house)
    assert new["adjustWallet"]["office"] == {"slug": "hq"}
    assert new["syncDirectory"]["changes"] == [{"field": "members", "before": None, "after": "1 created"}]
    assert new["syncDirectory"]["target"]["__typename"] == "Company"
    assert "extra: 1 rates" in new["import-rates"]["changes"][0]["after"]


async def test_what_is_refused_or_only_usage_leaves_no_trace(house: House) -> None:
    before = await house.database.rows(ACTIVITY.select())
    await reverse(house, await record_id(house), viewer=house.world.viewer(Role.COMPANY_ADMIN))
    await adjust(house, await wallet_id(house), "1", currency="EUR")
    fax = Fax(direction=Direction.OUTBOUND, from_="+14155550100", to="+12125550199", page_count=1)
    await house.world.record(usage_event("one more", NOON, fax))
    assert await house.database.rows(ACTIVITY.select()) == before


async def test_pages_follow_each_other_newest_first_and_back(house: House) -> None:
    for at in range(6):
        house.world.now += timedelta(seconds=at % 2)  # some at the same moment
        await adjust(house, await wallet_id(house), "1", key=f"k{at}")
    whole = [node["id"] for node in (await trail(house))["nodes"]]
    moments = [node["at"] for node in (await trail(house))["nodes"]]
    assert len(whole) == 11
    assert moments == sorted(moments, reverse=True)
    forward: list[str] = []
    page = await trail(house, first=4)
    while True:
        forward += [node["id"] for node in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        page = await trail(house, first=4, after=page["pageInfo"]["endCursor"])
    assert forward == whole
    last = await trail(house, first=None, last=3)
    assert [node["id"] for node in last["nodes"]] == whole[-3:]
    back = await trail(house, first=None, last=3, before=last["pageInfo"]["startCursor"])
    assert [node["id"] for node in back["nodes"]] == whole[-6:-3]


async def test_company_admins_and_operators_read_it_and_nobody_else(house: House) -> None:
    world = house.world
    for viewer in (await house.office_admin("hq"), world.viewer(Role.PARTNER), world.viewer(Role.OFFICE_ADMIN)):
        assert "VIEW_ACTIVITY" in await house.refusal(TRAIL, {"first": 1}, viewer)
    [activity] = (await trail(house, first=1))["nodes"]
    assert (await house.ask(NODE, {"id": activity["id"]}))["node"]["id"] == activity["id"]
    for viewer in (await house.office_admin("hq"), house.neighbour.viewer(Role.COMPANY_ADMIN)):
        assert await house.ask(NODE, {"id": activity["id"]}, viewer) == {"node": None}
    own = {node["id"] for node in (await trail(house))["nodes"]}
    theirs = {node["id"] for node in (await trail(house, house.neighbour.viewer(Role.COMPANY_ADMIN)))["nodes"]}
    assert own
    assert theirs
    assert not own & theirs


async def test_an_operator_without_company_enters_one_and_sees_its_offices_and_targets(house: House) -> None:
    query = TRAIL.replace("company {", 'company(slug: "acme") {')
    data = await house.ask(query, {"first": 100}, house.world.viewer(Role.OPERATOR, company_id=None))
    nodes = data["company"]["activity"]["nodes"]
    assert nodes == (await trail(house))["nodes"]
    assert {node["target"]["__typename"] for node in nodes} == {"Company", "Office", "RateCard"}


async def test_the_address_of_the_request_is_kept(house: House) -> None:
    await adjust(house, await wallet_id(house), "1", viewer=operator(house, address="192.0.2.7"))
    [newest] = (await trail(house, first=1))["nodes"]
    assert (newest["actor"], newest["address"]) == ("Operator", "192.0.2.7")


SOURCES = [
    (path.name, ast.parse(path.read_text(encoding="utf-8")))
    for room in ("domain", "persistence")
    for path in sorted((ROOT / room).rglob("*.py"))
    if path != ROOT / "domain" / "activity.py"
]


def _words(*trees: ast.Module) -> dict[str, str]:
    """Every name there that stands for an action."""
    return {
        node.targets[0].id: node.value.value
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        if isinstance(node.value, ast.Constant) and node.value.value in ACTIONS
    }


def _noted_actions() -> Iterator[tuple[str, str]]:
    """(file, action) of every activity that is noted, read from the source tree."""
    anywhere = _words(*(tree for _, tree in SOURCES))
    for file, tree in SOURCES:
        words = anywhere | _words(tree)
        named = {words[node.id] for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id in words}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id not in ("act", "by_command"):
                continue
            word = node.args[0 if node.func.id == "by_command" else 1]
            if isinstance(word, ast.Constant):
                yield file, word.value
            elif isinstance(word, ast.Name) and word.id in words:
                yield file, words[word.id]
            else:
                yield from ((file, action) for action in named)


def test_every_action_there_is_is_explained_and_no_other() -> None:
    noted = list(_noted_actions())
    assert [(file, action) for file, action in noted if action not in ACTIONS] == []
    assert {action for _, action in noted} == set(ACTIONS)


@pytest.mark.parametrize("action", ACTIONS)
def test_the_schema_explains_it(action: str) -> None:
    text = " ".join((ROOT / "schema.graphql").read_text(encoding="utf-8").split())
    assert f"`{action}`: {ACTIONS[action]}" in text
