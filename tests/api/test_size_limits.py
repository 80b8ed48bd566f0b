"""How much may be sent: little for most operations, more for the ones that carry a batch."""

import json
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from tests.api.edge import changes, make_client, make_settings, without_cost

SETTINGS = make_settings()
BODY, BATCH_BODY = SETTINGS.max_body_bytes, SETTINGS.max_batch_body_bytes
CHARACTERS = SETTINGS.max_document_characters


@pytest.fixture
def client() -> TestClient:
    return make_client()


def post(client: TestClient, body: dict[str, Any]) -> httpx2.Response:
    return client.post("/graphql", content=json.dumps(body), headers={"Content-Type": "application/json"})


def padded(query: str, size: int, **variables: Any) -> dict[str, Any]:
    return {"query": query, "variables": {**variables, "padding": "x" * size}}


def test_a_body_over_the_limit_is_refused(client: TestClient) -> None:
    response = post(client, padded("{ hello }", BODY))

    assert response.status_code == 413
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


def test_a_batch_has_a_limit_of_its_own(client: TestClient) -> None:
    query = "mutation ($e: [String!]!) { ...A } fragment A on Mutation { recordUsage(events: $e) }"

    assert without_cost(post(client, padded(query, BODY, e=["a"])).json()) == {"data": {"recordUsage": 1}}
    assert post(client, padded(query, BATCH_BODY, e=["a"])).status_code == 413


def test_a_batch_does_not_carry_others_past_the_limit(client: TestClient) -> None:
    changes.clear()
    query = "mutation { recordUsage(events: []) change }"

    assert post(client, padded(query, BODY)).status_code == 413
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
    ]:
        assert post(client, {"query": query}).status_code == 413
