"""The checks that graphql-cop makes, on a production start: by a stranger, and by callers with every right."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from domain.access import Role
from tests.attack.besieged import Besieged

QUERY = "query cop { __typename }"


@pytest.fixture(params=[None, Role.COMPANY_ADMIN, Role.OPERATOR], ids=["stranger", "admin", "operator"])
def role(request: pytest.FixtureRequest) -> Role | None:
    found: Role | None = request.param
    return found


@pytest.fixture(autouse=True)
def _it_stands(besieged: Besieged) -> Iterator[None]:
    yield
    besieged.assert_stands()


def told(besieged: Besieged, role: Role | None, query: str) -> dict[str, Any]:
    answer: dict[str, Any] = besieged.post({"query": query, "operationName": "cop"}, role).json()
    return answer


def test_a_caller_with_a_token_is_answered_at_all(besieged: Besieged) -> None:
    """Or none of the others would mean anything."""
    assert told(besieged, Role.COMPANY_ADMIN, QUERY)["data"] == {"__typename": "Query"}


def test_more_than_a_hundred_aliases_are_refused(besieged: Besieged, role: Role | None) -> None:
    aliases = " ".join(f"alias{number}: __typename" for number in range(101))
    assert "data" not in told(besieged, role, f"query cop {{ {aliases} }}")


def test_operations_do_not_come_in_arrays(besieged: Besieged, role: Role | None) -> None:
    response = besieged.post([{"query": QUERY, "operationName": "cop"}] * 10, role)
    assert response.status_code in {400, 401}
    assert not isinstance(response.json(), list)


@pytest.mark.parametrize("query", [QUERY, "mutation cop { __typename }"])
def test_nothing_comes_by_get(besieged: Besieged, role: Role | None, query: str) -> None:
    response = httpx2.get(besieged.url, params={"query": query}, headers=besieged.headers(role))
    assert response.status_code in {401, 405}
    assert "data" not in response.json()


def test_no_form_is_read(besieged: Besieged, role: Role | None) -> None:
    response = httpx2.post(besieged.url, data={"query": QUERY}, headers=besieged.headers(role))
    assert response.status_code in {401, 415}
    assert "data" not in response.json()


@pytest.mark.parametrize("query", [QUERY, "query cop { nonsense }", "qwerty cop { abc }"])
def test_nothing_is_traced_and_no_exception_shown(besieged: Besieged, role: Role | None, query: str) -> None:
    answer = told(besieged, role, query)
    extensions = [answer, *answer.get("errors", [])]
    shown = {key for each in extensions for key in each.get("extensions", {})}
    assert shown <= {"code", "cost", "incident"}


def test_a_field_five_hundred_times_is_refused(besieged: Besieged, role: Role | None) -> None:
    assert "data" not in told(besieged, role, "query cop { " + "__typename " * 500 + "}")


@pytest.mark.parametrize(
    "query",
    [
        "query cop { __schema { directive } }",
        "query cop { office { nam } }",
        "query cop { wallet }",
        "query cop { offices(frst: 1) { totalCount } }",
        "query cop { usageHistory(orderBy: OCCURRED_AT_DES) { totalCount } }",
    ],
)
def test_no_field_is_suggested(besieged: Besieged, role: Role | None, query: str) -> None:
    answer = told(besieged, role, query)
    assert answer["errors"]
    assert "Did you mean" not in str(answer)


def test_there_is_no_page(besieged: Besieged, role: Role | None) -> None:
    response = httpx2.get(besieged.url, headers=besieged.headers(role) | {"Accept": "text/html"})
    assert response.status_code in {401, 405, 406}
    assert "GraphiQL" not in response.text


@pytest.mark.parametrize(
    "query",
    [
        "query cop { __schema { types { name fields { name } } } }",
        'query cop { __type(name: "Query") { name } }',
        "query cop { __schema { types { fields { type { fields { type { fields { type { name } } } } } } } } }",
    ],
)
def test_the_schema_is_not_told(besieged: Besieged, role: Role | None, query: str) -> None:
    assert "data" not in told(besieged, role, query)


def test_directives_do_not_multiply_errors(besieged: Besieged, role: Role | None) -> None:
    assert len(told(besieged, role, "query cop { __typename " + "@aa" * 10 + " }")["errors"]) <= 5
