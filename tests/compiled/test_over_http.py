"""The same requests to a server that compiles and to one that does not: the same statuses, the same bytes."""

import json
import logging
import random
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tests.api.edge import make_client, make_settings
from tests.compiled.questions import schema
from tests.compiled.test_differential import EXAMPLES
from tests.compiled.test_inputs import question

_LEFT = re.compile(rb'"currentlyAvailable":\d+')
_INCIDENT = re.compile(rb'(quote incident |"incident":")[0-9a-f]+')
ACCEPTED = ("application/json", "application/graphql-response+json")


def _client(*, is_compiled: bool) -> TestClient:
    limits = make_settings(compiled_execution=is_compiled, throttle_points=10**8, max_errors=5)
    return make_client(limits, schema=schema)


CLIENTS = _client(is_compiled=True), _client(is_compiled=False)


@pytest.fixture(autouse=True)
def quiet() -> Any:
    """Faults on purpose are not worth a page of log each."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@settings(
    max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
)
@given(seed=st.integers(0, 2**32))
def test_the_same_bytes_are_answered(seed: int) -> None:
    compare(seed)


def compare(seed: int) -> int:
    """How many requests were compared."""
    asked = random.Random(seed)
    text, variables = question(asked, asked.choice([0.0, 0.0, 0.05, 0.3]))
    accept = asked.choice(ACCEPTED)
    for sent in (variables, asked.choice([variables, _spoiled(asked, variables)]), variables):
        body = json.dumps({"query": text, "variables": sent}, default=lambda _: None, skipkeys=True).encode()
        found, expected = (_answer(client, body, accept) for client in CLIENTS)
        assert found == expected, body
    return 3


def _spoiled(asked: random.Random, variables: dict[str, Any]) -> Any:
    if asked.random() < 0.2:
        return asked.choice([None, [], 5, "text", {"v0": [[[]]]}, {"v0": {"a": 1e400}}])
    return {name: asked.choice([None, 5, "", [value], {"x": value}]) for name, value in variables.items()}


def _answer(client: TestClient, body: bytes, accept: str) -> tuple[Any, ...]:
    answer = client.post("/graphql", content=body, headers={"Content-Type": "application/json", "Accept": accept})
    told = _INCIDENT.sub(rb"\1", _LEFT.sub(b'"currentlyAvailable":0', answer.content))
    return answer.status_code, answer.headers["content-type"], told
