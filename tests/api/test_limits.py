"""Every limit on what is sent, over every way in which it can be sent: POST, GET, event streams, WebSockets."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from tests.api.edge import make_settings
from tests.api.live import bearer, serving, welcomed
from tests.api.test_measure import fan_out


@dataclass
class Door:
    address: str
    client: httpx2.Client


@contextmanager
def opened(**given: Any) -> Iterator[Door]:
    with serving(**given) as address, httpx2.Client(headers={"Authorization": bearer()}) as client:
        yield Door(address, client)


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    with opened() as door:
        yield door


def by_post(door: Door, body: dict[str, Any], accept: str = "application/graphql-response+json") -> Any:
    response = door.client.post(f"{door.address}/graphql", json=body, headers={"Accept": accept})
    if response.headers["content-type"].startswith("text/event-stream"):
        return json.loads(response.text.split("data: ")[1].split("\n")[0])
    return response.json()


def by_get(door: Door, body: dict[str, Any]) -> Any:
    params = {name: value if isinstance(value, str) else json.dumps(value) for name, value in body.items()}
    return door.client.get(f"{door.address}/graphql", params=params).json()


def by_events(door: Door, body: dict[str, Any]) -> Any:
    return by_post(door, body, accept="text/event-stream")


def by_socket(door: Door, body: dict[str, Any]) -> Any:
    with welcomed(door.address) as peer:
        peer.say({"id": "1", "type": "subscribe", "payload": body})
        told = peer.hear()
    return {"errors": told["payload"]} if told["type"] == "error" else told["payload"]


Ask = Callable[[Door, dict[str, Any]], Any]
WAYS = [by_post, by_get, by_events, by_socket]
WRITING_WAYS = [by_post, by_events, by_socket]

MIX = "query ($inputs: [PaintInput!]!) { mix(inputs: $inputs) }"
PAINT = {"colour": "CRIMSON", "litres": 1}


def nested(levels: int) -> str:
    """So deep, with its leaf."""
    return "{ layer " + "{ inner " * (levels - 2) + "{ depth }" + " }" * (levels - 1)


def within(selections: str) -> str:
    return f"{{ layer {{ {selections} }} }}"


def literal(count: int) -> str:
    return "{ mix(inputs: [" + "{ colour: CRIMSON, litres: 1 } " * count + "]) }"


def fields(count: int) -> str:
    return "{ layer { " + "...F " * count + "} } fragment F on Layer { " + "depth " * 50 + "}"


def types(levels: int) -> str:
    return '{ __type(name: "Query") ' + "{ ofType " * (levels - 2) + "{ name }" + " }" * (levels - 1)


LARGEST = {
    "depth": {"query": nested(10)},
    "root fields": {"query": "{ " + "hello " * 20 + "}"},
    "aliases": {"query": within(" ".join(f"a{n}: depth" for n in range(30)))},
    "directives": {"query": within("depth @include(if: true) " * 20)},
    "fields": {"query": fields(39)},
    "introspection": {"query": types(20)},
    "a list of the variables": {"query": MIX, "variables": {"inputs": [PAINT] * 100}},
    "a list in the document": {"query": literal(100)},
    "characters": {"query": "{ hello }" + " " * 19_991},
}
TOO_MUCH = {
    "depth": ({"query": nested(11)}, "The operation is 11 deep; 10 is allowed."),
    "root fields": ({"query": "{ " + "hello " * 21 + "}"}, "The operation has 21 root fields; 20 are allowed."),
    "aliases": (
        {"query": within(" ".join(f"a{n}: depth" for n in range(31)))},
        "The operation has 31 aliases; 30 are allowed.",
    ),
    "directives": (
        {"query": within("depth @include(if: true) " * 21)},
        "The operation has 21 directives; 20 are allowed.",
    ),
    "fields": (
        {"query": fields(40)},
        "The operation selects 2,001 fields, each as often as its fragment is spread; 2,000 are allowed.",
    ),
    "introspection": ({"query": types(21)}, "The operation asks 21 deep for the schema; 20 is allowed."),
    "a fan-out": ({"query": fan_out(20)}, "The operation has 1,000,000 or more root fields; 20 are allowed."),
    "a field again and again": (
        {"query": within("inner { depth } " * 300)},
        "The document selects the same fields too often, or nests them too deeply.",
    ),
    "a list of the variables": (
        {"query": MIX, "variables": {"inputs": [PAINT] * 101}},
        "`variables.inputs` has 101 entries; 100 are allowed.",
    ),
    "a list in a list that nobody asked for": (
        {"query": "{ hello }", "variables": {"a": [{"b": 1}, {"b": [[], [1] * 101]}]}},
        "`variables.a.1.b.1` has 101 entries; 100 are allowed.",
    ),
    "a list in the document": ({"query": literal(101)}, "`inputs` has 101 entries in the document; 100 are allowed."),
    "tokens": (
        {"query": within("depth " * 1_996)},
        "Syntax Error: Document contains more than 2000 tokens. Parsing aborted.",
    ),
    "characters": (
        {"query": "{ hello }" + " " * 19_992},
        "The document is longer than 20000 characters or 2000 tokens; put data into variables.",
    ),
}
CODES = {
    "tokens": "GRAPHQL_PARSE_FAILED",
    "characters": "BAD_REQUEST",
    **{case: "BAD_USER_INPUT" for case in TOO_MUCH if "list" in case},
}


@pytest.mark.parametrize("ask", WAYS)
@pytest.mark.parametrize("case", TOO_MUCH)
def test_what_is_too_much_is_refused(door: Door, ask: Ask, case: str) -> None:
    body, message = TOO_MUCH[case]
    told = ask(door, body)

    assert [error["message"] for error in told["errors"]] == [message]
    assert told["errors"][0]["extensions"]["code"] == CODES.get(case, "QUERY_TOO_COMPLEX")
    assert "data" not in told


@pytest.mark.parametrize("ask", WAYS)
@pytest.mark.parametrize("case", LARGEST)
def test_what_is_just_allowed_is_answered(door: Door, ask: Ask, case: str) -> None:
    told = ask(door, LARGEST[case])

    assert "errors" not in told
    assert told["data"]


@pytest.mark.parametrize("ask", WRITING_WAYS)
def test_money_is_moved_once_in_an_operation(door: Door, ask: Ask) -> None:
    told = ask(door, {"query": "mutation { recordUsage(events: []) a: recordUsage(events: []) }"})

    assert told["errors"][0]["message"] == "The operation has 2 mutations that move money; 1 is allowed."
    assert ask(door, {"query": "mutation { recordUsage(events: []) change }"})["data"]["recordUsage"] == 0


@pytest.mark.parametrize("ask", WRITING_WAYS)
def test_a_batch_has_longer_lists(door: Door, ask: Ask) -> None:
    query = "mutation ($e: [String!]!) { recordUsage(events: $e) }"
    assert ask(door, {"query": query, "variables": {"e": ["a"] * 1_000}})["data"] == {"recordUsage": 1_000}
    told = ask(door, {"query": query, "variables": {"e": ["a"] * 1_001}})
    assert told["errors"][0]["message"] == "`variables.e` has 1,001 entries; 1,000 are allowed."

    beside = {"query": query.replace("}", "change }"), "variables": {"e": ["a"] * 101}}
    assert ask(door, beside)["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize("ask", WAYS)
def test_at_most_five_errors_are_answered(door: Door, ask: Ask) -> None:
    bad = {"inputs": [{"colour": "MUD", "litres": "x"}] * 20}

    assert len(ask(door, {"query": "{ " + " ".join(f"a{n}" for n in range(20)) + " }"})["errors"]) == 5
    assert len(ask(door, {"query": MIX, "variables": bad})["errors"]) == 5


@pytest.mark.parametrize("ask", [by_post, by_events])
def test_a_large_body_is_refused(door: Door, ask: Ask) -> None:
    told = ask(door, {"query": "{ hello }", "variables": {"padding": "x" * 100_000}})

    assert told["errors"][0]["message"] == "The body is larger than 100000 bytes."


def test_a_large_message_closes_the_socket(door: Door) -> None:
    with welcomed(door.address) as peer:
        variables = {"padding": "x" * 63_000}
        assert peer.ask("{ hello }", variables=variables)["data"]
        peer.subscribe("mutation { recordUsage(events: []) }", variables={"padding": "x" * 64_000})
        assert peer.end() == (4400, "A message has at most 64000 bytes: send this request by POST.")


SLIPS = [
    "{ helo }",
    "{ paint(color: CRIMSON) }",
    "{ paint(colour: CRIMSN) }",
    "{ mix(inputs: [{ colour: CRIMSON, liters: 1 }]) }",
    "{ mix(inputs: [{ colour: CRIMSN, litres: 1 }]) }",
    "query ($c: Color!) { paint(colour: $c) }",
    "query ($colour: Colour!) { paint(colour: $color) }",
    "{ ... on Quory { hello } }",
    "{ ...Layr } fragment Layer on Query { hello }",
    "{ hello @inclde(if: true) }",
    "{ hello @include(iff: true) }",
    '{ __type(nam: "Query") { name } }',
]
SLIPS_OF_VARIABLES = [
    {"inputs": [{"colour": "CRIMSN", "litres": 1}]},
    {"inputs": [{"colour": "CRIMSON", "liters": 1}]},
    {"inputs": [{"color": "CRIMSON", "litres": 1}]},
]


@pytest.mark.parametrize("ask", WAYS)
def test_nothing_is_suggested(door: Door, ask: Ask) -> None:
    for body in [{"query": query} for query in SLIPS] + [
        {"query": MIX, "variables": variables} for variables in SLIPS_OF_VARIABLES
    ]:
        told = json.dumps(ask(door, body)["errors"])
        assert "Did you mean" not in told, body
        assert "TURQUOISE" not in told, body


def test_every_limit_is_a_setting() -> None:
    few = make_settings(max_depth=1, max_list_items=1, max_message_bytes=600, max_body_bytes=200, max_errors=1)
    with opened(settings=few) as door:
        assert "1 is allowed" in by_post(door, {"query": "{ layer { depth } }"})["errors"][0]["message"]
        assert "1 is allowed" in by_get(door, {"query": "{ mix(inputs: [{}, {}]) }"})["errors"][0]["message"]
        assert "larger than 200" in by_post(door, {"query": "{ hello }" + " " * 200})["errors"][0]["message"]
        assert len(by_events(door, {"query": "{ a b c }"})["errors"]) == 1
        with welcomed(door.address) as peer:
            peer.subscribe("{ hello }", padding="x" * 600)
            assert peer.end()[0] == 4400
