"""What a caller meets who asks for too much: over HTTP, event streams and sockets alike, behind a real server."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
import strawberry
from starlette.testclient import TestClient

from tests.api import edge
from tests.api.edge import make_app, make_settings, make_token
from tests.api.live import Registry, welcomed


@strawberry.type
class Query(edge.Query):
    @strawberry.field
    async def slow(self, seconds: float) -> edge.Layer:
        await asyncio.sleep(seconds)
        return edge.Layer()


@strawberry.type
class Mutation(edge.Mutation):
    @strawberry.mutation
    async def change_slowly(self, seconds: float) -> int:
        await asyncio.sleep(seconds)
        edge.changes.append("slowly")
        return len(edge.changes)


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def layers(self, to: int, seconds: float = 0) -> AsyncGenerator[edge.Layer, None]:
        for _ in range(to):
            await asyncio.sleep(seconds)
            yield edge.Layer()


schema = strawberry.Schema(Query, Mutation, Subscription)
LAYER = "{ layer { depth } }"
JSON, RESPONSE = "application/json", "application/graphql-response+json"


def client(**limits: Any) -> TestClient:
    app = make_app(make_settings(**limits), schema=schema)
    return TestClient(app, headers={"Authorization": f"Bearer {make_token()}"})


def ask(client: TestClient, query: str, *, accept: str = RESPONSE, token: str | None = None) -> httpx2.Response:
    headers = {"Accept": accept} | ({"Authorization": f"Bearer {token}"} if token else {})
    response: httpx2.Response = client.post("/graphql", json={"query": query}, headers=headers)
    return response


@contextmanager
def serving(**limits: Any) -> Iterator[str]:
    with edge.serve(make_app(make_settings(**limits), schema=schema)) as address:
        yield address


def code(body: Any) -> str:
    return str(body["errors"][0]["extensions"]["code"])


def test_every_answer_tells_its_price() -> None:
    body = ask(client(throttle_restore=1), "{ many { depth } layer { depth } }").json()

    assert body["extensions"]["cost"] == {
        "requestedQueryCost": 11,
        "actualQueryCost": 4,
        "throttleStatus": {"maximumAvailable": 10_000.0, "currentlyAvailable": 9_996, "restoreRate": 1.0},
    }


@pytest.mark.parametrize(("accept", "status"), [(JSON, 200), (RESPONSE, 400)])
def test_what_costs_too_much_is_not_run(accept: str, status: int) -> None:
    caller = client(max_cost=2)
    response = ask(caller, "{ many { depth } broken }", accept=accept)

    assert response.status_code == status
    assert (code(response.json()), "data" in response.json()) == ("QUERY_TOO_COMPLEX", False)
    assert "10 points; 2 are allowed" in response.json()["errors"][0]["message"]
    cost = response.json()["extensions"]["cost"]
    assert (cost["requestedQueryCost"], cost["actualQueryCost"]) == (10, None)
    assert cost["throttleStatus"]["currentlyAvailable"] == 10_000


@pytest.mark.parametrize("accept", [JSON, RESPONSE])
def test_who_has_spent_everything_is_told_when_to_come_again(accept: str) -> None:
    caller = client(throttle_points=2, throttle_restore=1)
    assert [ask(caller, LAYER, accept=accept).status_code for _ in range(2)] == [200, 200]
    response = ask(caller, LAYER, accept=accept)

    assert (response.status_code, response.headers["retry-after"]) == (429, "1")
    [error] = response.json()["errors"]
    assert error["extensions"] == {"code": "THROTTLED", "retryAfterSeconds": 1}
    assert "come again in 1 second." in error["message"]
    assert response.json()["extensions"]["cost"]["actualQueryCost"] is None
    assert ask(caller, LAYER, token=make_token(subject="u-2")).status_code == 200, "others have buckets of their own"
    assert ask(caller, LAYER, token=make_token(name="The same person")).status_code == 429


def test_usage_can_be_reported_with_an_empty_bucket() -> None:
    caller = client(throttle_points=1, throttle_restore=1)
    assert [ask(caller, LAYER).status_code for _ in range(2)] == [200, 429]
    response = ask(caller, "mutation { recordUsage(events: []) }")

    assert (response.status_code, response.json()["data"]) == (200, {"recordUsage": 0})


def test_what_was_not_run_costs_nothing() -> None:
    caller = client(throttle_points=20, throttle_restore=1)
    for _ in range(5):
        wrong = {"query": "query Q($c: Colour!) { paint(colour: $c) many { depth } }", "variables": {"c": "GREY"}}
        assert caller.post("/graphql", json=wrong, headers={"Accept": RESPONSE}).status_code == 400


def test_a_query_that_takes_too_long_is_given_up() -> None:
    response = ask(client(operation_seconds=0.05), "{ slow(seconds: 5) { depth } }")

    assert (response.status_code, code(response.json())) == (503, "TIMEOUT")
    assert "0.05 seconds" in response.json()["errors"][0]["message"]


def test_a_mutation_is_never_given_up() -> None:
    response = ask(client(operation_seconds=0.05), "mutation { changeSlowly(seconds: 0.1) }")
    assert response.status_code == 200
    assert edge.changes[-1] == "slowly"


def test_over_a_socket_the_price_is_told_too() -> None:
    with serving(throttle_points=3, throttle_restore=1, max_cost=9) as address, welcomed(address) as peer:
        told = []
        for number, query in enumerate(["{ many { depth } }", *[LAYER] * 4]):
            peer.subscribe(query, str(number))
            told.append(json.loads(peer.connection.recv(timeout=5)))
            if told[-1]["type"] == "next":
                peer.hear()
    complex_, *answered, throttled = told
    assert code({"errors": complex_["payload"]}) == "QUERY_TOO_COMPLEX"
    assert complex_["payload"][0]["extensions"]["cost"]["requestedQueryCost"] == 10
    assert [one["payload"]["extensions"]["cost"]["actualQueryCost"] for one in answered] == [1, 1, 1]
    assert code({"errors": throttled["payload"]}) == "THROTTLED"
    assert throttled["payload"][0]["extensions"]["cost"]["throttleStatus"]["currentlyAvailable"] < 1
    assert throttled["payload"][0]["extensions"]["retryAfterSeconds"] == 1


def test_a_subscription_pays_for_its_start_and_for_each_event() -> None:
    headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {make_token()}"}
    with serving(throttle_points=4, throttle_restore=1) as address:
        body = {"query": "subscription { layers(to: 5) { depth } }"}
        answers = httpx2.post(f"{address}/graphql", json=body, headers=headers).text.split("\n\n")[:-2]
        left = [json.loads(answer.partition("data: ")[2])["extensions"]["cost"] for answer in answers]
        late = httpx2.post(f"{address}/graphql", json=body, headers=headers)
    assert [one["throttleStatus"]["currentlyAvailable"] for one in left] == [2, 1, 0, 0, 0]
    assert [one["actualQueryCost"] for one in left] == [1] * 5
    assert (late.status_code, code(late.json())) == (429, "THROTTLED")


async def test_while_queries_queue_nobody_times_out_and_who_pays_does_not_wait() -> None:
    """One query at once, of 0.2 seconds each, and nobody waits longer than 0.5: of ten most are refused."""
    with serving(reads_at_once=1, max_wait_seconds=0.5) as address:
        async with httpx2.AsyncClient(base_url=address, timeout=10) as http:

            async def send(query: str, subject: str) -> tuple[httpx2.Response, float]:
                headers = {"Authorization": f"Bearer {make_token(subject=subject)}", "Accept": RESPONSE}
                begun = asyncio.get_running_loop().time()
                response = await http.post("/graphql", json={"query": query}, headers=headers)
                return response, asyncio.get_running_loop().time() - begun

            await send("{ slow(seconds: 0.2) { depth } }", "reader")
            flood = [asyncio.create_task(send("{ slow(seconds: 0.2) { depth } }", "flood")) for _ in range(10)]
            await asyncio.sleep(0.05)
            (other, _), (report, seconds) = await asyncio.gather(
                send("{ hello }", "other"), send("mutation { recordUsage(events: []) }", "flood")
            )
            answers = [response for response, _ in await asyncio.gather(*flood)]

    assert (report.status_code, other.status_code) == (200, 200)
    assert seconds < 0.15
    refused = [answer for answer in answers if answer.status_code == 429]
    assert 6 <= len(refused) <= 8
    assert {answer.status_code for answer in answers} == {200, 429}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert {answer.json()["errors"][0]["message"].partition(":")[0] for answer in refused} == {"The server is busy"}


def test_who_is_known_from_before_is_looked_up_anew_when_it_is_his_turn() -> None:
    registry = Registry()
    app = make_app(make_settings(throttle_points=1, throttle_restore=1), schema=schema, resolve=registry.resolve)
    caller = TestClient(app, headers={"Authorization": f"Bearer {make_token()}"})
    assert ask(caller, LAYER).status_code == 200
    assert ask(caller, LAYER).status_code == 429
    registry.change = lambda _viewer: None
    assert ask(caller, "{ hello }").status_code == 401
    assert ask(caller, "mutation { change }").status_code == 401
    assert ask(caller, LAYER, token=make_token(subject="stranger")).status_code == 401
