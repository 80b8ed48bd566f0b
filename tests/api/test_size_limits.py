"""How much may be sent: little for most operations, more for the ones that carry a batch."""

import json
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from api.documents import MAX_DOCUMENT_CHARACTERS
from api.requests import MAX_BODY_BYTES, MAX_LARGE_BODY_BYTES
from tests.api.edge import changes, make_client


@pytest.fixture
def client() -> TestClient:
    return make_client()


def post(client: TestClient, body: dict[str, Any]) -> httpx2.Response:
    return client.post("/graphql", content=json.dumps(body), headers={"Content-Type": "application/json"})


def padded(query: str, size: int, **variables: Any) -> dict[str, Any]:
    return {"query": query, "variables": {**variables, "padding": "x" * size}}


def test_a_body_over_the_limit_is_refused(client: TestClient) -> None:
    response = post(client, padded("{ hello }", MAX_BODY_BYTES))

    assert response.status_code == 413
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


def test_a_batch_has_a_limit_of_its_own(client: TestClient) -> None:
    query = "mutation ($e: [String!]!) { ...A } fragment A on Mutation { recordUsage(events: $e) }"

    assert post(client, padded(query, MAX_BODY_BYTES, e=["a"])).json() == {"data": {"recordUsage": 1}}
    assert post(client, padded(query, MAX_LARGE_BODY_BYTES, e=["a"])).status_code == 413


def test_a_batch_does_not_carry_others_past_the_limit(client: TestClient) -> None:
    changes.clear()
    query = "mutation { recordUsage(events: []) change }"

    assert post(client, padded(query, MAX_BODY_BYTES)).status_code == 413
    assert changes == []


def test_a_long_document_is_refused_unless_it_is_a_batch(client: TestClient) -> None:
    events = ", ".join(f'"event {n}"' for n in range(2_500))
    batch = f"mutation {{ recordUsage(events: [{events}]) }}"
    assert len(batch) > MAX_DOCUMENT_CHARACTERS

    assert post(client, {"query": batch}).json() == {"data": {"recordUsage": 2_500}}
    for query in [
        "{ hello } #" + "x" * MAX_DOCUMENT_CHARACTERS,
        "{ hello } # recordUsage" + "x" * MAX_DOCUMENT_CHARACTERS,
        "{" + " hello" * 2_500 + "} # recordUsage",
    ]:
        assert post(client, {"query": query}).status_code == 413
