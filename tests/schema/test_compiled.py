"""The whole schema, compiled and not: the same bytes, whatever is asked."""

import json
from typing import Any

import pytest
from graphql import get_named_type

from api import document
from api.document_reader import DocumentReader
from api.documents import Documents
from api.error_answers import Incident
from api.limits import Limits
from api.operations import Operations
from api.refusals import Refused
from api.requests import GraphQLRequest
from domain.access import PartnerScope, Role, Viewer
from schema.root import schema
from tests.access.walk import BY_OFFICE, GRAPHQL, STARTS, documents
from tests.schema.conftest import House

RUNS = 2
"""The first learns what the others know."""
ODD = (
    "{ node(id: 1.5) { id } nodes(ids: [null]) { id } }",
    '{ office(id: "nonsense") { id } viewer { id } }',
    "query ($first: Int! = 0) { usageHistory(first: $first) { nodes { id } } }",
    "{ a: usageHistory(first: 3) { ...P } b: usageHistory(first: 2) { ...P nodes { id } } }"
    " fragment P on UsageRecordConnection { totalCount nodes { cost { amount } usage: details { __typename } } }",
    "query ($no: Boolean = false) { viewer { id @skip(if: $no) name @include(if: $no) __typename } }",
    "{ company { apiKeys { id } } viewer { name } }",
    'mutation { dismissSpendingAlert(input: {alertId: "x"}) { userErrors { code message field } } }',
)


def operations(house: House, *, is_compiled: bool) -> Operations:
    limits = Limits(throttle_points=10_000_000, max_cost=1_000_000)
    kept = Documents(DocumentReader(schema, limits=limits, has_introspection=True), limits=limits)
    return Operations(schema, documents=kept, limits=limits, context_for=house.context, is_compiled=is_compiled)


async def answer(asked: Operations, query: str, viewer: Viewer, variables: dict[str, Any]) -> Any:
    request = GraphQLRequest(query=query, variables=variables, operation_name=None, body_bytes=0)
    try:
        found = await asked.run(asked.find(request, viewer), viewer, Incident())
    except Refused as refused:
        return refused.status, refused.errors
    told = json.loads(found)
    del told["extensions"]["cost"]["throttleStatus"]
    return list(told), json.dumps(told)


async def everything(house: House, depth: int) -> list[tuple[str, dict[str, Any]]]:
    """Every field that can be reached from the roots, some levels deep."""
    query = GRAPHQL.query_type
    assert query is not None
    office = {"id": await house.office()}
    starts = [(name, start, {}) for name, start in STARTS.items()]
    starts += [(name, start, office) for name, start in BY_OFFICE.items()]
    return [
        (text, variables)
        for name, start, variables in starts
        for text in documents(start, get_named_type(query.fields[name].type).name, depth)
    ]


@pytest.mark.parametrize(("role", "depth"), [(Role.COMPANY_ADMIN, 2), (Role.PARTNER, 1)])
async def test_every_field_is_answered_as_without(small_house: House, role: Role, depth: int) -> None:
    scopes = frozenset(PartnerScope) if role is Role.PARTNER else frozenset()
    viewer = small_house.world.viewer(role, scopes=scopes)
    stock, compiled = operations(small_house, is_compiled=False), operations(small_house, is_compiled=True)
    asked = [*await everything(small_house, depth), *((query, {}) for query in ODD)]
    assert len(asked) > 50
    for query, variables in asked:
        expected = await answer(stock, query, viewer, variables)
        for _ in range(RUNS):
            assert await answer(compiled, query, viewer, variables) == expected, query


async def test_what_is_compiled_is_kept_when_it_comes_again(
    small_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document, "KEPT_FROM", 2)
    viewer = small_house.world.viewer(Role.COMPANY_ADMIN)
    asked = operations(small_house, is_compiled=True)
    request = GraphQLRequest(query="{ viewer { id } }", variables={}, operation_name=None, body_bytes=0)
    for number in range(1, 4):
        operation = asked.find(request, viewer)
        await asked.run(operation, viewer, Incident())
        assert bool(operation.document._prepared) is (number >= 2)
