"""Which web sites' pages may call from a browser: CORS, the origins of sockets, what a form of elsewhere achieves, and
the headers that every answer carries."""

import json
import socket
from collections.abc import Iterator
from http.client import HTTPResponse
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from api.origins import Origins
from tests.api.edge import changes, make_app, make_settings, make_token, serve
from tests.api.live import PROTOCOL, Socket, bearer, opened, serving
from tests.api.test_graphiql import CHROMIUM, CHROMIUM_ARGUMENTS

APP = "https://app.example.com"
QUERY = {"query": "{ hello }"}


def client(**given: Any) -> TestClient:
    headers = {"Authorization": f"Bearer {make_token()}"}
    export = Route("/exports/token/file.csv", lambda _: Response("a,b", headers={"Vary": "Accept"}))
    return TestClient(make_app(make_settings(**given), more_routes=[export]), headers=headers)


# ---------- CORS ----------


def preflight(
    caller: TestClient, origin: str, *, headers: str = "authorization,content-type", path: str = "/graphql"
) -> Any:
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": headers}
    return caller.options(path, headers=asked)


def cors_headers(response: Any) -> list[str]:
    return [name for name in response.headers if name.startswith("access-control-")]


def test_an_allowed_site_may_ask_and_read() -> None:
    caller = client(allowed_origins=f"{APP}, https://other.example")
    asked = preflight(
        caller, APP, headers="Authorization, Content-Type, GraphQL-Client-Name, apollographql-client-version"
    )
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == APP
    assert asked.headers["access-control-allow-methods"] == "GET, POST"
    assert int(asked.headers["access-control-max-age"]) > 0
    answer = caller.post("/graphql", json=QUERY, headers={"Origin": APP})
    assert answer.json()["data"] == {"hello": "Hello, Front desk"}
    assert answer.headers["access-control-allow-origin"] == APP
    assert "Retry-After" in answer.headers["access-control-expose-headers"]
    assert "Origin" in answer.headers["vary"]
    assert "access-control-allow-credentials" not in {*asked.headers, *answer.headers}


def test_an_allowed_site_reads_refusals_too() -> None:
    answer = client(allowed_origins=APP).post(
        "/graphql", json=QUERY, headers={"Origin": APP, "Authorization": "Bearer x"}
    )
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (401, APP)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://app.example.com",
        f"{APP}:8443",
        f"{APP}.evil.example",
        "null",
        "https://x.app.example.com",
    ],
)
def test_another_site_is_told_nothing(origin: str) -> None:
    caller = client(allowed_origins=APP)
    asked = preflight(caller, origin)
    assert (asked.status_code, cors_headers(asked)) == (405, [])
    answer = caller.post("/graphql", json=QUERY, headers={"Origin": origin})
    assert cors_headers(answer) == []
    assert "Origin" in answer.headers["vary"]


def test_without_a_setting_there_is_no_cors_at_all() -> None:
    caller = client()
    assert cors_headers(preflight(caller, APP)) == []
    answer = caller.post("/graphql", json=QUERY, headers={"Origin": APP})
    assert cors_headers(answer) == []
    assert "vary" not in answer.headers


def test_an_allowed_site_may_not_send_every_header() -> None:
    assert preflight(client(allowed_origins=APP), APP, headers="x-anything").status_code == 400


def test_downloads_may_be_fetched_and_nothing_else_is_shared() -> None:
    caller = client(allowed_origins=APP)
    download = caller.get("/exports/token/file.csv", headers={"Origin": APP})
    assert download.headers["access-control-allow-origin"] == APP
    assert "Content-Disposition" in download.headers["access-control-expose-headers"]
    assert {"Accept", "Origin"} == {part.strip() for part in download.headers["vary"].split(",")}
    for path in ("/readyz", "/sandbox/cards/x"):
        assert cors_headers(caller.get(path, headers={"Origin": APP})) == []


# ---------- sockets ----------


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(settings=make_settings(allowed_origins=APP, public_url="https://billing.example.com/pay")) as address:
        yield address


def test_pages_of_this_server_and_of_allowed_sites_get_a_socket_and_so_do_programs(address: str) -> None:
    port = address.rpartition(":")[2]
    for origin in (None, APP, "https://billing.example.com", address, f"https://127.0.0.1:{port}", address.upper()):
        with opened(address, headers={"Origin": origin} if origin else None) as peer:
            peer.say({"type": "connection_init", "payload": {"Authorization": bearer()}})
            assert peer.hear() == {"type": "connection_ack"}


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://billing.example.com",
        "null",
        "http://127.0.0.1",
        "http://localhost:1",
        "file://",
        "x",
    ],
)
def test_pages_of_other_sites_get_none(address: str, origin: str) -> None:
    url = address.replace("http", "ws") + "/graphql"
    names: Any = [PROTOCOL]
    with pytest.raises(InvalidStatus) as refused, connect(url, subprotocols=names, origin=origin):  # type: ignore[arg-type]
        pass
    response = refused.value.response
    assert response.status_code == 403
    assert b'"code":"FORBIDDEN"' in (response.body or b"")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "Server" not in response.headers


def test_behind_https_a_page_that_came_without_is_of_another_site() -> None:
    def admits(scheme: str, origin: str) -> bool:
        headers = [(b"host", b"here.example"), (b"origin", origin.encode())]
        scope = {"type": "websocket", "scheme": scheme, "headers": headers}
        return Origins(make_settings()).admits(HTTPConnection(scope))

    assert admits("wss", "https://here.example")
    assert not admits("wss", "http://here.example")
    assert admits("ws", "http://here.example")
    assert admits("ws", "https://here.example")  # a proxy that says nothing of its TLS


# environment | FAREBOX_PUBLIC_URL | Host | Origin || whether it is the server's own page
OWN = """
production | https://pay.example        | pay.example         | https://pay.example      || yes
production | https://pay.example:443/x  | pay.example         | https://pay.example      || yes
production | https://pay.example        | rebound.example     | https://rebound.example  || no
production | https://pay.example        | 10.0.0.4:8000       | http://10.0.0.4:8000     || no
production |                            | any.example         | https://any.example      || yes
local      | http://localhost:8000      | localhost:8000      | http://localhost:8000    || yes
local      | http://localhost:8000      | 127.0.0.1:8000      | http://127.0.0.1:8000    || yes
local      | http://localhost:8000      | [::1]:8000          | http://[::1]:8000        || yes
local      | http://localhost:8000      | localhost:9000      | http://localhost:9000    || yes
local      | http://localhost:8000      | 127.0.0.1:8000      | http://127.0.0.1:9000    || no
local      | http://localhost:8000      | rebound.example     | http://rebound.example   || no
local      | http://localhost:8000      | 127.0.0.1.evil.test | http://127.0.0.1.evil.test || no
"""


@pytest.mark.parametrize("row", OWN.strip("\n").splitlines())
def test_no_name_that_was_made_to_lead_here_is_the_servers_own(row: str) -> None:
    told, _, expected = row.partition("||")
    env, public_url, host, origin = (cell.strip() for cell in told.split("|"))
    origins = Origins(make_settings(env=env, public_url=public_url or None))
    headers = [(b"host", host.encode()), (b"origin", origin.encode())]
    found = origins.admits(HTTPConnection({"type": "websocket", "scheme": "ws", "headers": headers}))
    assert found == (expected.strip() == "yes")


HANDSHAKE = (
    b"GET /graphql HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n"
)
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
BROKEN = {
    "two origins": HANDSHAKE + KEY + b"Origin: https://a.example\r\nOrigin: https://app.example.com\r\n",
    "no key": HANDSHAKE,
    "a key of other letters": HANDSHAKE + b"Sec-WebSocket-Key: \xff\xfe\r\n",
    "an old version": (HANDSHAKE + KEY).replace(b"13", b"8"),
    "another method": (HANDSHAKE + KEY).replace(b"GET", b"POST"),
}


def told_raw(address: str, request: bytes) -> tuple[int, dict[str, str], bytes]:
    host, _, port = address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as line:
        line.sendall(request + b"\r\n")
        answer = HTTPResponse(line)
        answer.begin()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_handshake_is_answered_like_all_else(address: str, case: str) -> None:
    status, headers, body = told_raw(address, BROKEN[case])
    assert 400 <= status < 500
    assert json.loads(body)["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
    assert headers["content-type"].startswith("application/json")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert {"date", "content-length"} <= set(headers)
    assert "server" not in headers


def test_a_socket_of_a_page_needs_a_token_all_the_same(address: str) -> None:
    with opened(address, headers={"Origin": APP, "Cookie": f"token={make_token()}"}) as peer:
        peer.say({"type": "connection_init"})
        assert Socket(peer.connection).end()[0] == 4403


# ---------- forms of elsewhere ----------


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"])
def test_what_a_form_can_send_is_refused_unread(kind: str) -> None:
    """And with a token, which a form cannot even add."""
    before = len(changes)

    caller = client()
    read = caller.post("/graphql", content=b'{"query": "mutation { change }"}', headers={"Content-Type": kind})
    assert read.status_code == 415
    assert len(changes) == before
    caller.headers.pop("Authorization")
    told = caller.post(
        "/graphql", data={"query": "mutation { change }"}, headers={"Cookie": f"Authorization={make_token()}"}
    )
    assert told.status_code == 401
    assert len(changes) == before


def test_an_address_changes_nothing() -> None:
    before = len(changes)
    answer = client().get("/graphql", params={"query": "mutation { change }"})
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert len(changes) == before


def test_nothing_sets_a_cookie() -> None:
    caller = client()
    for answer in (caller.post("/graphql", json=QUERY), caller.get("/graphql", headers={"Accept": "text/html"})):
        assert "set-cookie" not in answer.headers


# ---------- addresses ----------


@pytest.mark.parametrize("path", ["/graphql/", "/healthz/", "/readyz/", "//elsewhere.example/graphql/"])
def test_nobody_is_sent_where_a_host_header_says(path: str) -> None:
    for method in ("GET", "POST"):
        answer = client().request(
            method, f"http://testserver{path}", headers={"Host": "evil.example"}, follow_redirects=False
        )
        assert answer.status_code == 404
        assert answer.json() == {"status": "not found", "reason": "There is nothing at this address."}
        assert "location" not in answer.headers


# ---------- what every answer carries ----------


@pytest.mark.parametrize("path", ["/graphql", "/healthz", "/readyz", "/nowhere", "/exports/token/file.csv"])
def test_every_answer_carries_the_safe_headers(path: str) -> None:
    headers = client().get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert "strict-transport-security" not in headers
    assert "server" not in headers


def test_browsers_are_kept_on_https_where_the_server_is_reached_so() -> None:
    https = client(public_url="https://billing.example.com").get("/healthz")
    assert https.headers["strict-transport-security"] == "max-age=31536000"
    assert "strict-transport-security" not in client(public_url="http://localhost:8000").get("/healthz").headers


def test_the_page_keeps_a_policy_of_its_own() -> None:
    headers = client().get("/graphql", headers={"Accept": "text/html"}).headers
    assert "script-src 'self'" in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"


# ---------- a real browser ----------

FETCH = """async ([url, token]) => {
    const named = {"Content-Type": "application/json", "GraphQL-Client-Name": "a"};
    const headers = {...named, "Authorization": `Bearer ${token}`};
    try {
        const answer = await fetch(`${url}/graphql`, {method: "POST", headers, body: '{"query": "{ hello }"}'});
        return (await answer.json()).data.hello;
    } catch (error) { return error.name; }
}"""
CONNECT = """url => new Promise(resolve => {
    const socket = new WebSocket(`${url.replace("http", "ws")}/graphql`, "graphql-transport-ws");
    socket.onopen = () => resolve("open");
    socket.onerror = () => resolve("refused");
})"""


@pytest.fixture
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield chromium
        chromium.close()


def elsewhere() -> Starlette:
    """A web site that is not ours."""
    return Starlette(routes=[Route("/", lambda _: HTMLResponse("<title>elsewhere</title>"))])


def test_what_a_browser_lets_pages_do(browser: Any) -> None:
    found = {}
    with (
        serve(elsewhere()) as friend,
        serve(elsewhere()) as stranger,
        serve(make_app(make_settings(allowed_origins=friend))) as address,
    ):
        for site in (f"{address}/graphql", friend, stranger):
            page = browser.new_page()
            page.goto(site)
            found[site] = (page.evaluate(FETCH, [address, make_token()]), page.evaluate(CONNECT, address))
    assert found == {
        f"{address}/graphql": ("Hello, Front desk", "open"),
        friend: ("Hello, Front desk", "open"),
        stranger: ("TypeError", "refused"),
    }
