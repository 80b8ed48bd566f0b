"""Trap 7: a caller reads his own mistakes and the domain's sentences; of our faults he reads a number."""

import logging
import re
from typing import Any, NewType

import pytest
import strawberry
from starlette.testclient import TestClient
from strawberry.schema.config import StrawberryConfig

from domain.access import Viewer
from tests.api.edge import make_app, make_client, make_token


def ask(client: TestClient, query: str, **variables: Any) -> dict[str, Any]:
    response = client.post("/graphql", json={"query": query, "variables": variables})
    assert response.status_code == 200
    found: dict[str, Any] = response.json()
    return found


def test_a_refusal_of_the_domain_is_shown() -> None:
    answer = ask(make_client(), "{ closed wrong hello }")

    assert answer["data"] == {"closed": None, "wrong": None, "hello": "Hello, Front desk"}
    closed, wrong = answer["errors"]
    assert closed["message"] == "This token may not do that."
    assert closed["extensions"] == {"code": "FORBIDDEN"}
    assert closed["path"] == ["closed"]
    assert wrong["extensions"] == {"code": "BAD_USER_INPUT", "field": ["after"]}


@pytest.mark.parametrize("query", ["{ broken }", "{ raw }", "{ tooBig }"])
def test_a_fault_is_answered_with_a_number_that_the_log_has_too(query: str, caplog: pytest.LogCaptureFixture) -> None:
    answer = ask(make_client(), query)

    [error] = answer["errors"]
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    incident = error["extensions"]["incident"]
    assert error["message"] == f"Something went wrong on our side; quote incident {incident}."
    assert re.fullmatch(r"[0-9a-f]{12}", incident)
    assert not {"hunter2", "secrets", "1099511627776"} & set(re.findall(r"\w+", str(answer)))
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert incident in record.getMessage()
    assert record.exc_info is not None


def test_a_fault_where_nothing_may_be_null_leaves_data_null() -> None:
    answer = ask(make_client(), "{ brokenForGood }")

    assert answer["data"] is None
    assert answer["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"


def test_all_faults_of_one_request_have_one_number() -> None:
    answer = ask(make_client(), "query Two { a: broken b: broken }")

    assert len({error["extensions"]["incident"] for error in answer["errors"]}) == 1


def test_a_request_with_many_faults_answers_five() -> None:
    query = "{" + " ".join(f"a{n}: broken" for n in range(20)) + "}"

    assert len(ask(make_client(), query)["errors"]) == 5


def test_an_argument_that_cannot_be_read_is_the_callers_mistake() -> None:
    query = "query ($c: Colour) { paint(colour: $c) }"
    assert "errors" in ask(make_client(), query)

    answer = ask(make_client(), "query ($c: Colour! = CRIMSON) { paint(colour: $c) }", c=None)
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


def test_an_exception_of_a_scalar_is_not_repeated() -> None:
    fragile = NewType("fragile", str)

    def stumble(value: Any) -> str:
        if value == "polite":
            raise ValueError("write a fragile value")
        raise KeyError("/home/farebox/secret")

    definition = strawberry.scalar(name="Fragile", serialize=str, parse_value=stumble)

    @strawberry.type
    class Query:
        @strawberry.field
        def echo(self, value: fragile) -> str:
            return str(value)

    schema = strawberry.Schema(Query, config=StrawberryConfig(scalar_map={fragile: definition}))
    client = TestClient(make_app(schema=schema), headers={"Authorization": f"Bearer {make_token()}"})
    query = "query ($v: Fragile!) { echo(value: $v) }"

    rude = ask(client, query, v="x")
    assert rude["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert "secret" not in str(rude)
    assert "write a fragile value" in str(ask(client, query, v="polite"))
    assert "secret" not in str(ask(client, '{ echo(value: "x") }'))


@pytest.mark.parametrize("part", ["resolve", "context_for"])
def test_a_fault_before_execution_is_masked_as_well(part: str, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_argument: Viewer) -> object:
        raise RuntimeError("postgresql://farebox:hunter2@db")

    response = make_client(None, **{part: fail}).post("/graphql", json={"query": "{ hello }"})

    assert response.status_code == 500
    assert response.json()["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "hunter2" not in response.text
    assert response.json()["errors"][0]["extensions"]["incident"] in caplog.text


@pytest.mark.parametrize("part", ["resolve", "context_for"])
def test_a_database_that_is_gone_is_no_fault_of_ours(part: str, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_argument: Viewer) -> object:
        raise ConnectionRefusedError("no server at /var/run/postgresql")

    response = make_client(None, **{part: fail}).post("/graphql", json={"query": "{ hello }"})

    assert response.status_code == 503
    [error] = response.json()["errors"]
    assert error["extensions"]["code"] == "SERVICE_UNAVAILABLE"
    assert "postgresql" not in response.text
    [record] = [record for record in caplog.records if error["extensions"]["incident"] in record.getMessage()]
    assert "ConnectionRefusedError" in record.getMessage()
    assert record.exc_info is None


def test_the_log_has_no_argument_values(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = make_client()
    ask(client, "query Q($n: Int!) { broken mix(inputs: [{ colour: CRIMSON, litres: $n }]) }", n=4155550100)
    ask(client, "query Q($n: Int!) { broken mix(inputs: [{ colour: CRIMSON, litres: $n }]) }", n=41555501)

    assert "Incident" in caplog.text
    assert "41555501" not in caplog.text
