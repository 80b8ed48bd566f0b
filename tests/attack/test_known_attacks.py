"""The attacks that the Damn Vulnerable GraphQL Application teaches, each class against a production start.

What cannot be here at all (it has no passwords, runs no commands, writes no files that a caller names) is tried all the
same: by what an attacker would send.
"""

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import jwt
import pytest

from api.demo import DEMO_COMPANY
from domain.access import Role
from tests.attack.besieged import FAULTS, Besieged
from tests.fire.server import SECRET

NASTY = [
    "' OR '1'='1",
    "'; DROP TABLE charge; --",
    '" UNION SELECT key_hash FROM api_key --',
    "%' ESCAPE '\\",
    "; cat /etc/passwd",
    "$(id)",
    "`id`",
    "| id",
    "{{7*7}}",
    "${jndi:ldap://127.0.0.1/a}",
    "../../../../etc/passwd",
    "<script>alert(1)</script>",
]


@pytest.fixture(autouse=True)
def _it_stands(besieged: Besieged) -> Iterator[None]:
    yield
    besieged.assert_stands()


def offices(besieged: Besieged) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = besieged.ask("{ offices(first: 25) { nodes { id name } } }")["data"]["offices"][
        "nodes"
    ]
    return found


# ---------- reconnaissance ----------


def test_a_stranger_cannot_tell_what_is_here(besieged: Besieged) -> None:
    """Whatever he sends, the answer is the same."""
    bodies: list[Any] = [
        {"query": "{ __typename }"},
        {"query": "{"},
        {"query": "{ __schema { directive } }"},
        [],
        5,
        {},
    ]
    answers = {besieged.post(body, None).text for body in bodies}
    assert len(answers) == 1
    assert besieged.post({}, None).status_code == 401


@pytest.mark.parametrize(
    "path", ["/", "/graphiql", "/playground", "/console", "/altair", "/graphql/v1", "/docs", "/.env"]
)
def test_there_is_nothing_else_to_find(besieged: Besieged, path: str) -> None:
    response = httpx2.get(besieged.server.address + path)
    assert response.status_code == 404
    assert not FAULTS.search(response.text)


# ---------- denial of service ----------


def test_a_batch_of_queries(besieged: Besieged) -> None:
    assert besieged.post([{"query": "{ viewer { id } }"}] * 20).status_code == 400


def test_a_deep_recursion(besieged: Besieged) -> None:
    depth = 12
    query = "{ wallets " + "{ office { wallets " * depth + "{ id }" + " } }" * depth + " }"
    assert besieged.code(query) == "QUERY_TOO_COMPLEX"


def test_a_recursion_through_fragments(besieged: Besieged) -> None:
    circle = "query { wallets { ...A } } fragment A on Wallet { office { wallets { ...A } } }"
    assert besieged.code(circle) in {"GRAPHQL_VALIDATION_FAILED", "QUERY_TOO_COMPLEX"}


def test_a_query_that_needs_much(besieged: Besieged) -> None:
    query = (
        "{ offices(first: 100) { nodes { wallets { cycles(first: 100) { id: month } } topUps: planUsage { kind } } } }"
    )
    answer = besieged.ask(
        "{ offices(first: 100) { nodes { wallets { office { wallets { office { wallets { id } } } } } } } }"
    )
    assert answer["errors"][0]["extensions"]["code"] == "QUERY_TOO_COMPLEX"
    assert besieged.code(query) is not None


def test_one_field_many_times(besieged: Besieged) -> None:
    assert besieged.code("{ viewer { " + "id " * 3_000 + "} }") is not None
    assert besieged.code("{ " + "viewer { id } " * 100 + "}") == "QUERY_TOO_COMPLEX"


def test_one_field_under_many_names(besieged: Besieged) -> None:
    names = " ".join(f"a{number}: viewer {{ id }}" for number in range(100))
    assert besieged.code(f"{{ {names} }}") == "QUERY_TOO_COMPLEX"


def test_fragments_that_fan_out(besieged: Besieged) -> None:
    levels = " ".join(f"fragment F{n} on Viewer {{ ...F{n + 1} ...F{n + 1} }}" for n in range(25))
    query = f"{{ viewer {{ ...F0 }} }} {levels} fragment F25 on Viewer {{ id name }}"
    assert besieged.code(query) is not None


# ---------- what an answer gives away ----------


@pytest.mark.parametrize("text", NASTY)
def test_no_answer_tells_what_broke(besieged: Besieged, text: str) -> None:
    besieged.ask("query ($t: ID!) { node(id: $t) { id } }", t=text)
    besieged.ask("query ($t: String) { usageHistory(first: 1, after: $t) { nodes { id } } }", t=text)
    besieged.ask(text)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "https://localhost/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://10.0.0.1/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:25/",
    ],
)
def test_the_server_calls_nobody_inside(besieged: Besieged, url: str) -> None:
    mutation = """mutation ($input: CreateWebhookEndpointInput!) {
        createWebhookEndpoint(input: $input) { endpoint { id } userErrors { message } } }"""
    answer = besieged.ask(mutation, input={"url": url, "topics": ["WALLET_LOW"]})
    payload = (answer.get("data") or {}).get("createWebhookEndpoint")
    assert payload is None or (payload["endpoint"] is None and payload["userErrors"])


# ---------- injection ----------


@pytest.mark.parametrize("text", NASTY)
def test_what_is_searched_for_is_only_text(besieged: Besieged, text: str) -> None:
    answer = besieged.ask(
        """query ($t: String) { offices(first: 5, search: $t) { nodes { id } }
           usageParties(first: 5, search: $t) { nodes { __typename } } }""",
        t=text,
    )
    if answer.get("data"):
        assert answer["data"]["offices"]["nodes"] == answer["data"]["usageParties"]["nodes"] == []
    assert len(offices(besieged)) > 1


def test_a_script_is_answered_as_the_text_it_is(besieged: Besieged) -> None:
    """And no browser is ever led to take it for a page."""
    mutation = """mutation ($input: CreateApiKeyInput!) {
        createApiKey(input: $input) { apiKey { name } userErrors { message } } }"""
    script = "<script>alert(1)</script>"
    response = besieged.post({"query": mutation, "variables": {"input": {"name": script, "scopes": ["USAGE_READ"]}}})
    assert response.json()["data"]["createApiKey"]["apiKey"]["name"] == script
    assert response.headers["content-type"].startswith("application/")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in response.headers["content-security-policy"]


def test_a_line_in_the_log_cannot_be_forged(besieged: Besieged) -> None:
    forged = 'admin\r\n{"event": "forged"}\n\x1b[31mred'
    for name in ("GraphQL-Client-Name", "apollographql-client-name"):
        with socket.create_connection(("127.0.0.1", besieged.server.port), timeout=10) as caller:
            head = (
                f"POST /graphql HTTP/1.1\r\nHost: x\r\n{name}: forged\x1b[31m\x0bname\r\nContent-Length: 2\r\n\r\n{{}}"
            )
            caller.sendall(head.encode())
            caller.recv(4_096)
    besieged.post({"query": "query Forged { __typename }", "operationName": forged})
    besieged.post({"query": forged})
    lines = [line for line in besieged.server.log.splitlines() if line.strip()]
    assert all(isinstance(json.loads(line), dict) for line in lines), "each line is one object"
    assert "\x1b" not in besieged.server.log
    assert not any(json.loads(line).get("event") == "forged" for line in lines)


# ---------- getting in ----------


def forged_tokens() -> dict[str, str]:
    claims = {
        "sub": "intruder",
        "role": "operator",
        "company": DEMO_COMPANY,
        "exp": datetime.now(UTC) + timedelta(hours=1),
    }
    expired = {**claims, "exp": datetime.now(UTC) - timedelta(hours=1)}
    good = jwt.encode(claims, SECRET, algorithm="HS256")
    head, body, signature = good.split(".")
    other_body = jwt.encode({**claims, "sub": "another"}, SECRET, algorithm="HS256").split(".")[1]
    return {
        "unsigned": jwt.encode(claims, None, algorithm="none"),
        "signed with a guess": jwt.encode(claims, "secret" * 8, algorithm="HS256"),
        "signed with nothing": f"{head}.{body}.",
        "altered": f"{head}.{other_body}.{signature}",
        "another algorithm": jwt.encode(claims, SECRET, algorithm="HS512"),
        "expired": jwt.encode(expired, SECRET, algorithm="HS256"),
        "a key that is none": "fbx_" + "0" * 52,
    }


@pytest.mark.parametrize("name", list(forged_tokens()))
def test_a_forged_token_opens_nothing(besieged: Besieged, name: str) -> None:
    bearer = {"Authorization": f"Bearer {forged_tokens()[name]}"}
    response = besieged.post({"query": "{ viewer { id } }"}, None, **bearer)
    assert response.status_code == 401
    assert "data" not in response.json()


def test_a_cookie_or_a_header_opens_no_page(besieged: Besieged) -> None:
    cookie = {"Cookie": "env=graphiql:enable", "X-Forwarded-For": "127.0.0.1", "Accept": "text/html"}
    response = httpx2.get(besieged.url, headers=cookie)
    assert "GraphiQL" not in response.text
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize(
    "document",
    [
        "mutation getViewer { viewer: adjustWallet(input: $i) { userErrors { code } } }",
        "mutation { x: adjustWallet(input: $i) { userErrors { code } } }",
        "mutation { ...F } fragment F on Mutation { adjustWallet(input: $i) { userErrors { code } } }",
    ],
)
def test_another_name_does_not_get_past_a_permission(besieged: Besieged, document: str) -> None:
    [office, *_] = offices(besieged)
    wallets = besieged.ask("query ($id: ID!) { wallets(officeId: $id) { id } }", id=office["id"])["data"]["wallets"]
    change = '{amount: "5", currencyCode: "USD"}'
    given = f'{{idempotencyKey: "k", walletId: "{wallets[-1]["id"]}", change: {change}, reason: "Mine."}}'
    for role in (Role.PARTNER, Role.COMPANY_ADMIN):
        told = json.dumps(besieged.ask(document.replace("$i", given), role))
        assert "NOT_PERMITTED" in told or "FORBIDDEN" in told, told


def test_no_secret_can_be_guessed_by_the_dozen(besieged: Besieged) -> None:
    """One bearer a request, and nothing that tells a near miss from a far one."""
    answers = {
        besieged.post({"query": "{ viewer { id } }"}, None, Authorization=f"Bearer fbx_{guess:052d}").text
        for guess in range(20)
    }
    assert len(answers) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/graphql/static/../../../../etc/passwd",
        "/graphql/static/%2e%2e/%2e%2e/pyproject.toml",
        "/exports/..%2f..%2ffarebox.db",
        "/exports/%00",
        "//etc/passwd",
    ],
)
def test_no_path_leads_to_a_file(besieged: Besieged, path: str) -> None:
    with socket.create_connection(("127.0.0.1", besieged.server.port), timeout=10) as caller:
        caller.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while part := caller.recv(65_536):
            answer += part
    assert answer.split(b" ")[1] in {b"400", b"401", b"403", b"404", b"405", b"410"}
    assert b"root:" not in answer
    assert b"[project]" not in answer
