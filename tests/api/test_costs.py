"""What operations cost, before and afterwards."""

from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from graphql import FragmentDefinitionNode, OperationDefinitionNode, parse

from api.cost_table import INTROSPECTION
from api.costs import Costs, Price
from api.limits import Limits
from schema.root import schema
from tests.api.edge import make_settings

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "proposal" / "operations.graphql"
DEFAULTS: Limits = make_settings()
LONGEST = {"first": 100, "ids": ["x"] * 100}
costs = Costs(schema._schema)


def price(text: str, name: str | None = None) -> Price:
    nodes = parse(text).definitions
    operations = {
        node.name.value if node.name else None: node for node in nodes if isinstance(node, OperationDefinitionNode)
    }
    operation = operations[name] if name else next(iter(operations.values()))
    _alive.append(operation)
    return costs.of(operation, {node.name.value: node for node in nodes if isinstance(node, FragmentDefinitionNode)})


_alive: list[OperationDefinitionNode] = []


def requested(text: str, **variables: Any) -> int:
    return price(text).requested(variables)


TABLE = """
    { __typename }                                                               |    0
    { viewer { name } }                                                          |    1
    { viewer { company { name } } }                                              |    2
    { wallets { balance { amount } } }                                           |   30
    { usageHistory { totalCount } }                                              |    1
    { usageHistory { nodes { id } } }                                            |   26
    { usageHistory { edges { cursor node { id cost { amount } } } } }            |   26
    { usageHistory(first: 7) { nodes { id } } }                                  |    8
    { usageHistory(last: 7) { nodes { office { id } } } }                        |   15
    { usageHistory(first: 7, last: 9) { nodes { id } } }                         |   10
    { usageHistory(first: 0) { nodes { id } } }                                  |    1
    { usageHistory(first: -7) { nodes { id } } }                                 |   26
    { usageHistory(first: null) { nodes { id } } }                               |   26
    { usageHistory(first: 7) { nodes { id } edges { node { id } } } }            |   15
    { offices(first: 10) { nodes { wallets { id } } } }                          |   51
    { offices(first: 10) { nodes { wallets { cycles { balance { amount } } } } } } | 531
    { offices(first: 2) { nodes { wallets { cycles(first: 2) { cycle { month } } } } } } | 27
    { nodes(ids: ["a", "b", "c"]) { id } }                                       |    3
    { node(id: "a") { ... on Office { wallets { id } } ... on Wallet { office { id } } } } | 5
    { node(id: "a") { id ... on Node { ... on Office { id } } } }                |    1
    { usageParties(first: 3) { nodes { ... on Member { office { id } } ... on Group { name } } } } | 7
    { usageRecord(id: "a") { details { ... on CallDetails { callId } } } }       |    1
    { viewer @skip(if: true) { name } company @include(if: false) { id } }       |    0
    { viewer @skip(if: false) { name } company @include(if: true) { id } }       |    2
    { a: viewer { name } b: viewer { name } }                                    |    2
    { ...A ...A } fragment A on Query { viewer { name } }                        |    2
    { usageSummary(groupBy: [DAY], top: 1) { usage { count } } }                 |  200
    mutation { recordUsage(input: {}) { results { record { id } } } }            |    1
    mutation { recordUsage(input: {}) { results { record { office { id } } } } } |  101
    mutation { purchaseCredits(input: {}) { topUp { id } userErrors { code } } } |   11
    subscription { usageRecorded(officeId: "a") { records { id } } }             |   51
"""


@pytest.mark.parametrize("line", [line.strip() for line in TABLE.strip().splitlines()])
def test_the_price_of(line: str) -> None:
    text, points = line.rsplit("|", 1)
    assert requested(text) == int(points)


VARIABLE = "query Q($first: Int, $no: Boolean) { usageHistory(first: $first) { nodes @skip(if: $no) { id } } }"


@pytest.mark.parametrize(
    ("variables", "points"),
    [
        ({}, 26),
        ({"first": None}, 26),
        ({"first": 7}, 8),
        ({"first": 7.0}, 8),
        ({"first": 7.5}, 26),
        ({"first": float("inf")}, 26),
        ({"first": float("nan")}, 26),
        ({"first": -7}, 26),
        ({"first": True}, 26),
        ({"first": "7"}, 26),
        ({"first": {"a": [7]}}, 26),
        ({"first": 0}, 1),
        ({"first": 7, "no": True}, 1),
        ({"first": 7, "no": False}, 8),
        ({"first": 7, "no": "yes"}, 8),
        ({"first": 1_000_000_000}, 1_000_000_001),
    ],
)
def test_variables_count_as_they_will_be_understood(variables: dict[str, Any], points: int) -> None:
    known = price(VARIABLE)
    assert known.requested(variables) == points
    known.requested({"first": 1})
    assert known.requested(variables) == points


def test_a_variable_has_its_default() -> None:
    text = "query Q($first: Int = 3) { usageHistory(first: $first) { nodes { id } } }"
    assert [requested(text), requested(text, first=None), requested(text, first=5)] == [4, 26, 6]


def test_the_schema_has_a_price_of_its_own() -> None:
    assert requested("{ __schema { types { fields { type { name } } } } }") == INTROSPECTION["__schema"]
    assert requested('{ __type(name: "Office") { fields { name } } }') == INTROSPECTION["__type"]


def test_a_thousand_prices_of_one_operation_are_not_remembered() -> None:
    known = price(VARIABLE)
    assert [known.requested({"first": first}) for first in range(1_000)] == list(range(1, 1_001))
    assert len(known._prices) < 100


def test_a_fan_out_is_priced_in_one_pass() -> None:
    levels = 40
    spreads = " ".join(f"fragment F{one} on Query {{ ...F{one + 1} ...F{one + 1} }}" for one in range(levels))
    begun = perf_counter()
    assert requested(f"{{ ...F0 }} {spreads} fragment F{levels} on Query {{ viewer {{ name }} }}") == 2**levels
    assert perf_counter() - begun < 0.2


def _operations() -> list[Any]:
    texts = [path.read_text() for path in sorted((ROOT / "api" / "examples").glob("*.graphql"))]
    folders = [sorted((ROOT / "examples" / name).glob("*.graphql")) for name in ("operations", "partner")]
    texts += ["\n".join(path.read_text() for path in paths) for paths in folders]
    texts += [SHARED.read_text()] if SHARED.exists() else []
    return [
        pytest.param(text, node.name.value, id=f"{number}-{node.name.value}")
        for number, text in enumerate(texts)
        for node in parse(text).definitions
        if isinstance(node, OperationDefinitionNode) and node.name
    ]


@pytest.mark.parametrize(("text", "name"), _operations())
def test_every_screen_and_every_partner_can_pay_for_a_page_of_a_hundred(text: str, name: str) -> None:
    assert price(text, name).requested(LONGEST) <= DEFAULTS.max_cost


def test_the_screens_stand_there() -> None:
    assert len(_operations()) > 60


# ---------- afterwards ----------

MONEY = {"amount": "1.000000"}


@pytest.mark.parametrize(
    ("text", "data", "points"),
    [
        ("{ viewer { name } }", None, 0),
        ("{ viewer { name } }", {"viewer": {"name": "Ada"}}, 1),
        ("{ office(id: 1) { wallets { id } } }", {"office": None}, 0),
        (
            "{ o: office(id: 1) { w: wallets { balance { amount } } } }",
            {"o": {"w": [{"balance": MONEY}, {"balance": MONEY}]}},
            3,
        ),
        ("{ nodes(ids: []) { id } }", {"nodes": [None, {"id": "a"}, None]}, 1),
        (
            "{ usageHistory { ...A nodes { office { id } } } } fragment A on UsageRecordConnection { nodes { id } }",
            {"usageHistory": {"nodes": [{"id": "a", "office": {"id": "b"}}]}},
            3,
        ),
        (
            "{ node(id: 1) { ... on Office { wallets { id } } ... on Wallet { wallets: office { id } } } }",
            {"node": {"wallets": [{"id": "a"}]}},
            2,
        ),
        ("{ __schema { types { name } } }", {"__schema": {"types": []}}, 500),
        (
            "mutation { recordUsage(input: {}) { results { record { office { id } } } } }",
            {"recordUsage": {"results": [{"record": {"office": {"id": "a"}}}, {"record": None}]}},
            2,
        ),
    ],
)
def test_what_was_answered_is_counted(text: str, data: dict[str, Any] | None, points: int) -> None:
    assert price(text).actual(data) == points


def test_a_page_of_a_hundred_is_counted_in_a_millisecond() -> None:
    side = "office { id name } member { id name } group { id name } cost { amount } quantity { value }"
    known = price(f"{{ usageHistory(first: 100) {{ edges {{ node {{ id {side} }} }} }} }}")
    one = {"id": "a", "office": {"id": "b"}, "member": {"id": "c"}, "group": None, "cost": MONEY, "quantity": {}}
    data = {"usageHistory": {"edges": [{"node": one} for _ in range(100)]}}
    assert known.actual(data) == 301
    begun = perf_counter()
    for _ in range(10):
        known.actual(data)
    assert (perf_counter() - begun) / 10 < 0.001
