"""Whatever is sent where a cursor, an id, a token, a message or a file is expected: an answer, and no fault of ours."""

import json
import string
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from api.imports.cdr import UsageFormat, read_usage
from api.imports.column_map import parse_column_map
from domain.access import Role
from domain.errors import FareboxError
from tests.api.import_words import MAP
from tests.attack.besieged import FAULTS, Besieged

ENOUGH = settings(max_examples=25)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
WORDS = st.text(max_size=80) | st.text(string.ascii_letters + string.digits + "_=-.+/", max_size=120)


@pytest.fixture(scope="module", autouse=True)
def _it_stands(besieged: Besieged) -> Iterator[None]:
    yield
    besieged.assert_stands()


@pytest.fixture(scope="module")
def cursor(besieged: Besieged) -> str:
    found = besieged.ask("{ usageHistory(first: 2) { pageInfo { endCursor } } }")
    text: str = found["data"]["usageHistory"]["pageInfo"]["endCursor"]
    return text


@ENOUGH
@given(text=WORDS)
@example(text="")
@example(text="\0")
def test_a_cursor(besieged: Besieged, text: str) -> None:
    assert besieged.code("query ($t: String) { usageHistory(first: 1, after: $t) { nodes { id } } }", t=text) == (
        "BAD_USER_INPUT"
    )


@ENOUGH
@given(place=st.integers(0, 200), by=st.sampled_from(string.ascii_letters + string.digits))
def test_a_cursor_that_was_altered(besieged: Besieged, cursor: str, place: int, by: str) -> None:
    place %= len(cursor)
    altered = cursor[:place] + by + cursor[place + 1 :]
    code = besieged.code("query ($t: String) { usageHistory(first: 1, after: $t) { nodes { id } } }", t=altered)
    assert code == ("BAD_USER_INPUT" if altered != cursor else None)


@ENOUGH
@given(ids=st.lists(WORDS | st.sampled_from(["off_", "wal_", "use_" + "f" * 32, "use_" + "F" * 32]), max_size=5))
def test_an_id(besieged: Besieged, ids: list[str]) -> None:
    answer = besieged.ask("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=ids)
    assert answer["data"]["nodes"] == [None] * len(ids)


@ENOUGH
@given(token=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=200))
@example(token="fbx_")
@example(token="a.b.c")
@example(token="e30.e30.")
def test_a_token(besieged: Besieged, token: str) -> None:
    response = besieged.post({"query": "{ viewer { id } }"}, None, Authorization=f"Bearer {token}")
    assert response.status_code == 401
    assert not FAULTS.search(response.text)


@ENOUGH
@given(body=JSON | st.fixed_dictionaries({"query": JSON, "variables": JSON, "operationName": JSON, "extensions": JSON}))
def test_a_body(besieged: Besieged, body: Any) -> None:
    response = besieged.post(body)
    assert response.status_code < 500, body
    assert not FAULTS.search(response.text)
    assert response.json()["errors"]


@ENOUGH
@given(content=st.binary(max_size=300))
def test_bytes(besieged: Besieged, content: bytes) -> None:
    headers = {**besieged.headers(), "Content-Type": "application/json"}
    response = httpx2.post(besieged.url, content=content, headers=headers)
    assert response.status_code == 400
    assert not FAULTS.search(response.text)


@contextmanager
def welcomed(besieged: Besieged) -> Iterator[Any]:
    address = besieged.url.replace("http://", "ws://")
    protocol: Any = "graphql-transport-ws"
    with connect(address, subprotocols=[protocol], additional_headers=besieged.headers(), proxy=None) as peer:
        peer.send(json.dumps({"type": "connection_init"}))
        assert json.loads(peer.recv(timeout=10))["type"] == "connection_ack"
        yield peer


def heard(peer: Any) -> tuple[str, int | None]:
    """The next message; or the reason and the code with which the socket was closed."""
    try:
        return str(peer.recv(timeout=10)), None
    except ConnectionClosed as closed:
        return (closed.rcvd.reason, closed.rcvd.code) if closed.rcvd else ("", -1)


@ENOUGH
@given(frame=st.binary(max_size=200) | JSON.map(json.dumps) | WORDS)
def test_a_frame_of_a_socket(besieged: Besieged, frame: bytes | str) -> None:
    with welcomed(besieged) as peer:
        peer.send(frame)
        text, code = heard(peer)
    assert code is None or 4400 <= code < 4500 or code in {1003, 1007, 1009}
    assert not FAULTS.search(text)


@ENOUGH
@given(payload=JSON | st.fixed_dictionaries({"query": WORDS, "variables": JSON, "operationName": JSON}))
def test_a_subscription(besieged: Besieged, payload: Any) -> None:
    with welcomed(besieged) as peer:
        peer.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        text, code = heard(peer)
    assert code in {None, 4400}
    assert code or json.loads(text)["type"] == "error"
    assert not FAULTS.search(text)


FACTS = st.fixed_dictionaries(
    {"eventId": WORDS, "occurredAt": WORDS | st.just("2026-11-20T10:00:00Z")},
    optional={
        "call": JSON | st.fixed_dictionaries({"from": WORDS, "to": WORDS, "direction": WORDS, "durationSeconds": JSON}),
        "message": JSON,
        "member": JSON,
    },
)


@ENOUGH
@given(events=st.lists(FACTS | JSON, max_size=3))
def test_reported_usage(besieged: Besieged, events: list[Any]) -> None:
    besieged.ask(
        "mutation ($i: RecordUsageInput!) { recordUsage(input: $i) { userErrors { code } results { outcome } } }",
        Role.PARTNER,
        i={"source": "fuzz", "office": {"slug": "london"}, "events": events},
    )


ROWS = st.lists(WORDS, max_size=22).map(lambda fields: ",".join(f'"{field}"' for field in fields))
RECORDS = ROWS | JSON.map(json.dumps) | st.text(max_size=60)


@ENOUGH
@given(lines=st.lists(RECORDS, max_size=4), data=st.binary(max_size=60), form=st.sampled_from(UsageFormat))
def test_a_file_of_records(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], data: bytes, form: UsageFormat
) -> None:
    """Every line is an event or a problem with words for it; a file that is none at all is refused."""
    path = tmp_path_factory.mktemp("records") / "usage.txt"
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass") + b"\n" + data)
    columns = parse_column_map(MAP) if form is UsageFormat.CSV else None
    with suppress(FareboxError):
        for row in read_usage(path, format=form, source="fuzz", time_zone="UTC", column_map=columns):
            assert (row.event is None) == bool(row.problem)
