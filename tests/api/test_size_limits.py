"""How much may be sent: little for most operations, more for the ones that carry a batch."""

import json
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from domain.access import PartnerScope, Role
from tests.api.edge import changes, make_app, make_client, make_settings, make_token, without_cost

SETTINGS = make_settings()
BODY, BATCH_BODY = SETTINGS.max_body_bytes, SETTINGS.max_batch_body_bytes
CHARACTERS = SETTINGS.max_document_characters


@pytest.fixture
def client() -> TestClient:
    return make_client()


@pytest.fixture
def reporter() -> TestClient:
    token = make_token(role=Role.PARTNER, scopes=frozenset({PartnerScope.USAGE_WRITE}))
    return TestClient(make_app(), headers={"Authorization": f"Bearer {token}"})


def post(client: TestClient, body: dict[str, Any]) -> httpx2.Response:
    return client.post("/graphql", content=json.dumps(body), headers={"Content-Type": "application/json"})


def padded(query: str, size: int, **variables: Any) -> dict[str, Any]:
    return {"query": query, "variables": {**variables, "padding": "x" * size}}


def test_a_body_over_the_limit_is_refused(client: TestClient) -> None:
    response = post(client, padded("{ hello }", BODY))

    assert response.status_code == 413
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


BATCH = "mutation ($e: [String!]!) { ...A } fragment A on Mutation { recordUsage(events: $e) }"


def test_a_batch_has_a_limit_of_its_own(reporter: TestClient) -> None:
    assert without_cost(post(reporter, padded(BATCH, BODY, e=["a"])).json()) == {"data": {"recordUsage": 1}}
    assert post(reporter, padded(BATCH, BATCH_BODY, e=["a"])).status_code == 413


def test_a_large_body_is_read_only_of_who_may_send_a_batch(client: TestClient) -> None:
    for body in [padded(BATCH, BODY, e=["a"]), {"no request": "x" * BODY}]:
        response = post(client, body)
        assert response.status_code == 413
        assert f"larger than {BODY} bytes" in response.json()["errors"][0]["message"]


def test_a_batch_does_not_carry_others_past_the_limit(reporter: TestClient) -> None:
    changes.clear()
    query = "mutation { recordUsage(events: []) change }"

    assert post(reporter, padded(query, BODY)).status_code == 413
    assert changes == []


def test_a_long_document_is_refused_unless_it_is_a_batch(client: TestClient) -> None:
    events = ", ".join(f'"event {n} of a day with a thousand"' for n in range(1_000))
    batch = f"mutation {{ recordUsage(events: [{events}]) }}"
    assert len(batch) > CHARACTERS

    assert without_cost(post(client, {"query": batch}).json()) == {"data": {"recordUsage": 1_000}}
    for query in [
        "{ hello } #" + "x" * CHARACTERS,
        "{ hello } # recordUsage" + "x" * CHARACTERS,
        "{" + " hello" * 2_500 + "} # recordUsage",
        "#mutation { recordUsage\n{" + " hello" * 2_500 + "}",
        '{ paint(colour: "mutation { recordUsage") ' + " hello" * 2_500 + "}",
        "mutation {" + " change" * 2_500 + " recordUsage }",
    ]:
        refused = post(client, {"query": query}).json()
        assert "data" not in refused
        assert refused["errors"][0]["extensions"]["code"] in ("BAD_REQUEST", "GRAPHQL_PARSE_FAILED")


@pytest.mark.parametrize(
    ("text", "is_read"),
    [
        ("mutation { recordUsage", True),
        ("# mutation\n\ufeff mutation Report($e: [E!] = [{a: 1}]) @a { # b\n one: recordUsage", True),
        ("#" + "-" * 5_000 + "\nmutation { ...A } fragment A on Mutation { syncDirectory", True),
        ("#mutation { recordUsage\n{", False),
        ('{ node(id: "mutation { recordUsage") {', False),
        ('mutation { node(id: "recordUsage") {', False),
        ("query { mutation { recordUsage", False),
        ("mutation { recordUsages", False),
        ("mutation {" + " change" * 300 + " recordUsage", False),
    ],
)
def test_only_what_begins_as_a_batch_is_parsed_at_length(client: TestClient, text: str, is_read: bool) -> None:
    """The limit of tokens that the parser keeps to shows which it was."""
    message = post(client, {"query": text + " x" * 5_000}).json()["errors"][0]["message"]

    assert ("more than 2000 tokens" not in message) is is_read
