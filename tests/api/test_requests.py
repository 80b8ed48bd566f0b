"""Traps 4, 5 and 9: what arrives is refused with a status, a code and a sentence, or it runs; it never crashes."""

import json
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from tests.api.edge import changes, make_client, make_settings, without_cost

BOTH = ["application/json", "application/graphql-response+json"]


@pytest.fixture
def client() -> TestClient:
    return make_client()


def post(client: TestClient, body: bytes | dict[str, Any], **headers: str) -> httpx2.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post("/graphql", content=content, headers={"Content-Type": "application/json", **headers})


def code_of(response: httpx2.Response) -> str:
    code: str = response.json()["errors"][0]["extensions"]["code"]
    return code


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"5",
        b'"x"',
        b"null",
        b"true",
        b"[]",
        b'[{"query": "{ hello }"}]',
        b"{",
        b"[" * 50_000,
        b'{"query": "{ hello }", "variables": ' + b'{"a":' * 15_000 + b"1" + b"}" * 15_000 + b"}",
        b'{"query": "{ hello }", "variables": {"a": ' + b"1" * 10_000 + b"}}",
        b'{"query": "{ hello }", "variables": {"a": NaN}}',
        b'{"query": "{ hello }", "variables": {"a": -Infinity}}',
        b'{"query": "{ hello }", "variables": {"a": 1e400}}',
        b'{"query": "{ hello \xff }"}',
        b'\xef\xbb\xbf{"query": "{ hello }"}',
        b'{"query": "{ hello }", "query": "mutation { change }"}',
        b'{"query": "{ hello }", "\\u0071uery": "mutation { change }"}',
        b'{"query": "{ hello }", "variables": {"a": {"b": 1, "b": 2}}}',
        b'{"query": "{ hello \\ud800 }"}',
        b"query=%7Bhello%7D",
        '{"query": "{ hello }"}'.encode("utf-16"),
    ],
    ids=lambda body: repr(body[:40]),
)
def test_a_body_that_is_no_request_is_refused(client: TestClient, body: bytes) -> None:
    response = post(client, body)

    assert response.status_code == 400
    assert code_of(response) == "BAD_REQUEST"


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"query": None},
        {"query": ""},
        {"query": 5},
        {"query": ["{ hello }"]},
        {"query": "{ hello }", "variables": []},
        {"query": "{ hello }", "variables": "{}"},
        {"query": "{ hello }", "operationName": 5},
        {"query": "{ hello }", "operationName": {}},
        {"query": "{ hello }", "extensions": []},
    ],
    ids=str,
)
def test_members_of_the_wrong_kind_are_refused(client: TestClient, members: dict[str, Any]) -> None:
    response = post(client, members)

    assert response.status_code == 400
    assert code_of(response) == "BAD_REQUEST"


def test_a_large_number_in_a_nested_list_is_no_server_fault(client: TestClient) -> None:
    query = "query ($n: Int!) { mix(inputs: [{ colour: CRIMSON, litres: $n }]) }"
    for value in [2**70, -(2**31) - 1, 1.5, [[[[1]]]], json.loads("[" * 500 + "]" * 500), {"a": {"b": {}}}]:
        response = post(client, {"query": query, "variables": {"n": value}})

        assert response.status_code == 200
        assert code_of(response) == "BAD_USER_INPUT"


def test_unknown_variables_are_let_pass(client: TestClient) -> None:
    assert post(client, {"query": "{ hello }", "variables": {"nobody": 1}}).json()["data"]["hello"]


@pytest.mark.parametrize("accept", BOTH)
def test_two_operations_without_a_name_are_a_request_error(client: TestClient, accept: str) -> None:
    changes.clear()
    for query in ["mutation A { change } mutation B { change }", "query A { hello } query B { hello }"]:
        response = post(client, {"query": query}, Accept=accept)

        assert response.status_code == (200 if accept == "application/json" else 400)
        assert code_of(response) == "BAD_REQUEST"
        assert "data" not in response.json()
    assert changes == []


def test_the_named_one_of_two_operations_runs(client: TestClient) -> None:
    query = "query A { hello } query B { paint(colour: CRIMSON) }"

    assert without_cost(post(client, {"query": query, "operationName": "B"}).json()) == {"data": {"paint": "crimson"}}
    assert code_of(post(client, {"query": query, "operationName": "C"})) == "BAD_REQUEST"


def test_a_document_without_an_operation_is_a_request_error(client: TestClient) -> None:
    assert "errors" in post(client, {"query": "fragment A on Query { hello }"}).json()


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ hello", "GRAPHQL_PARSE_FAILED"),
        ("{ a" * 5_000, "GRAPHQL_PARSE_FAILED"),
        ("{ mix(inputs: " + "[" * 900 + "]" * 900 + ") }", "GRAPHQL_PARSE_FAILED"),
        ("{" + " hello" * 2_500 + "}", "GRAPHQL_PARSE_FAILED"),
        ('{ paint(colour: "\\uD800") }', "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ layer " + "{ inner " * 190 + "{ depth }" + "}" * 191, None),
        ("{ ...A } fragment A on Query { ...A }", "GRAPHQL_VALIDATION_FAILED"),
        ("mutation { ...A } fragment A on Mutation { recordUsage ...A }", "GRAPHQL_VALIDATION_FAILED"),
    ],
    ids=lambda value: str(value)[:30],
)
@pytest.mark.parametrize("accept", BOTH)
def test_a_broken_document_is_answered_without_data(
    client: TestClient, query: str, code: str | None, accept: str
) -> None:
    response = post(client, {"query": query}, Accept=accept)

    if code is None:
        assert response.status_code in {200, 400}
        return
    assert response.status_code == (200 if accept == "application/json" else 400)
    assert code_of(response) == code
    assert "data" not in response.json()


def test_at_most_five_errors_are_answered(client: TestClient) -> None:
    response = post(client, {"query": "{ " + " ".join(f"a{n}" for n in range(20)) + " }"})

    assert len(response.json()["errors"]) == 5


@pytest.mark.parametrize(
    "query",
    [
        "{ helo }",
        "{ paint(color: CRIMSON) }",
        "{ paint(colour: CRIMSN) }",
        "{ mix(inputs: [{ colour: CRIMSON, liters: 1 }]) }",
        "query ($c: Color!) { paint(colour: $c) }",
        "{ ... on Quory { hello } }",
        "{ hello @inclde(if: true) }",
    ],
)
def test_nothing_is_suggested(client: TestClient, query: str) -> None:
    response = post(client, {"query": query})

    assert response.json()["errors"]
    assert "Did you mean" not in response.text


def test_nothing_is_suggested_for_variables(client: TestClient) -> None:
    for variables in [{"p": {"colour": "CRIMSN", "litres": 1}}, {"p": {"colour": "CRIMSON", "liters": 1}}]:
        response = post(client, {"query": "query ($p: PaintInput!) { mix(inputs: [$p]) }", "variables": variables})

        assert code_of(response) == "BAD_USER_INPUT"
        assert "Did you mean" not in response.text


@pytest.mark.parametrize("accept", BOTH)
def test_a_subscription_by_post_is_refused(client: TestClient, accept: str) -> None:
    response = post(client, {"query": "subscription { ticks }"}, Accept=accept)

    assert response.status_code == 400
    assert code_of(response) == "BAD_REQUEST"


def test_a_get_runs_queries(client: TestClient) -> None:
    params = {"query": "query ($c: Colour!) { paint(colour: $c) }", "variables": '{"c": "TURQUOISE"}'}

    assert without_cost(client.get("/graphql", params=params).json()) == {"data": {"paint": "turquoise"}}


def test_a_get_does_not_run_mutations(client: TestClient) -> None:
    changes.clear()
    response = client.get("/graphql", params={"query": "mutation { change }"})

    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert changes == []


@pytest.mark.parametrize(
    "query_string",
    [
        "",
        "query=",
        "query=%FF",
        "query=%ED%A0%80",
        "query={hello}&query={hello}",
        "query={hello}&variables=5",
        "query={hello}&variables={",
        "query={hello}&extensions=[]",
        "&".join(f"a{n}=1" for n in range(100)),
    ],
)
def test_a_get_that_is_no_request_is_refused(client: TestClient, query_string: str) -> None:
    response = client.get(f"/graphql?{query_string}")

    assert response.status_code == 400
    assert code_of(response) == "BAD_REQUEST"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
def test_other_methods_are_told_which_are_allowed(client: TestClient, method: str) -> None:
    response = client.request(method, "/graphql")

    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"


@pytest.mark.parametrize(
    "content_type",
    [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/graphql"],
)
def test_another_content_type_is_refused(client: TestClient, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = client.post("/graphql", content=b'{"query": "{ hello }"}', headers=headers)

    assert response.status_code == 415
    assert code_of(response) == "BAD_REQUEST"


def test_another_encoding_is_refused(client: TestClient) -> None:
    body = b'{"query": "{ hello }"}'

    assert post(client, body, **{"Content-Type": "application/json; charset=latin-1"}).status_code == 415
    assert post(client, body, **{"Content-Encoding": "gzip"}).status_code == 415
    assert post(client, body, **{"Content-Type": 'application/json; charset="UTF-8"'}).status_code == 200


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/graphql-response+json", "application/graphql-response+json"),
        ("application/graphql-response+json, application/json", "application/graphql-response+json"),
        ("application/json, application/graphql-response+json;q=0.9", "application/json"),
        ("application/json;q=0.5, application/graphql-response+json;q=0.9", "application/graphql-response+json"),
        ("application/graphql-response+json; charset=utf-8, */*;q=0.1", "application/graphql-response+json"),
        ("text/plain, */*", "application/json"),
        (",;q=,", None),
        ("text/html", None),
        ("application/json;q=0", None),
        ("application/json;q=0, */*", None),
        ("application/json;q=nan", None),
    ],
)
def test_the_answer_has_the_type_the_caller_accepts(client: TestClient, accept: str, answered: str | None) -> None:
    response = post(client, {"query": "{ hello }"}, Accept=accept)

    assert response.status_code == (406 if answered is None else 200)
    assert response.headers["content-type"] == f"{answered or 'application/json'}; charset=utf-8"


def test_an_unknown_persisted_query_is_asked_for_again(client: TestClient) -> None:
    extensions = {"persistedQuery": {"version": 1, "sha256Hash": "00" * 32}}
    response = post(client, {"extensions": extensions})

    assert response.json()["errors"][0]["message"] == "PersistedQueryNotFound"
    assert code_of(response) == "PERSISTED_QUERY_NOT_FOUND"
    response = post(client, {"query": "{ hello }", "extensions": extensions})
    assert response.json()["errors"][0]["message"] == "provided sha does not match query"
    assert code_of(response) == "BAD_REQUEST"


def test_introspection_can_be_switched_off() -> None:
    query = {"query": "{ __schema { queryType { name } } }"}

    assert post(make_client(), query).json()["data"]
    closed = make_client(make_settings(introspection=False))
    assert code_of(post(closed, query)) == "GRAPHQL_VALIDATION_FAILED"
    assert without_cost(post(closed, {"query": "{ __typename }"}).json()) == {"data": {"__typename": "Query"}}


def test_queries_by_get_can_be_switched_off() -> None:
    closed = make_client(make_settings(get_queries=False, graphiql=True))
    for params in [{"query": "{ hello }"}, {"query": "mutation { change }"}, {"documentId": "a"}, {}]:
        response = closed.get("/graphql", params=params)
        assert response.status_code == 405
        assert response.headers["allow"] == "POST"
        assert code_of(response) == "BAD_REQUEST"

    assert closed.get("/graphql", headers={"Accept": "text/html"}).status_code == 200, "the page is still there"
    assert closed.put("/graphql").headers["allow"] == "POST"
    assert post(closed, {"query": "{ hello }"}).json()["data"]


def test_a_production_run_answers_neither_get_nor_introspection() -> None:
    closed = make_client(make_settings(env="production"))

    assert closed.get("/graphql", params={"query": "{ hello }"}).status_code == 405
    answer = post(closed, {"query": "{ __schema { queryType { name } } }"}).json()
    assert "introspection has been disabled" in answer["errors"][0]["message"]


def test_no_answer_is_kept_by_a_cache(client: TestClient) -> None:
    for response in [
        post(client, {"query": "{ hello }"}),
        post(client, b"5"),
        client.get("/healthz"),
        client.get("/nowhere"),
    ]:
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"
