"""Behind a real server: what a test client does not show."""

import socket
from urllib.parse import urlsplit

import httpx2

from tests.api.edge import make_app, make_token, serve


def send_endless_body(address: str, *headers: str) -> tuple[bytes, int]:
    """Sends chunks until there is an answer; gives the status line and how many megabytes went out."""
    where = urlsplit(address)
    sent = 0
    with socket.create_connection((where.hostname, where.port), timeout=10) as caller:
        head = ["POST /graphql HTTP/1.1", "Host: x", "Content-Type: application/json", *headers]
        caller.sendall("\r\n".join([*head, "Transfer-Encoding: chunked", "", ""]).encode())
        chunk = b"%x\r\n" % 65_536 + b" " * 65_536 + b"\r\n"
        caller.settimeout(0.02)
        for _ in range(2_000):
            try:
                sent += caller.send(chunk)
                return caller.recv(100).partition(b"\r\n")[0], sent // 1_000_000
            except TimeoutError:
                continue
            except ConnectionError:
                break
    return b"", sent // 1_000_000


def test_a_body_that_never_ends_is_not_read_to_its_end() -> None:
    with serve(make_app()) as address:
        status, megabytes = send_endless_body(address, f"Authorization: Bearer {make_token()}")

    assert status.startswith(b"HTTP/1.1 413")
    assert megabytes < 20


def test_nothing_is_read_of_a_caller_without_a_token() -> None:
    with serve(make_app()) as address:
        status, megabytes = send_endless_body(address)

    assert status.startswith(b"HTTP/1.1 401")
    assert megabytes < 20


def test_a_caller_who_hangs_up_does_no_harm() -> None:
    with serve(make_app()) as address:
        where = urlsplit(address)
        with socket.create_connection((where.hostname, where.port)) as caller:
            head = f"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {make_token()}\r\n"
            caller.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{{".encode())
        assert httpx2.get(f"{address}/healthz").json() == {"status": "alive"}


def test_readiness_says_what_is_missing() -> None:
    async def migrations_missing() -> str | None:
        return "The database is not migrated; run `farebox migrate`."

    with serve(make_app()) as address:
        assert httpx2.get(f"{address}/readyz").status_code == 200
    with serve(make_app(ready=migrations_missing)) as address:
        answer = httpx2.get(f"{address}/readyz")
        assert answer.status_code == 503
        assert "farebox migrate" in answer.json()["reason"]
        assert httpx2.get(f"{address}/healthz").status_code == 200
