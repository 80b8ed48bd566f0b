"""Words for the tests of Stripe: a cardholder at localstripe, and a network that loses answers."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import requests
import stripe

API_KEY = "sk_test_farebox"
PUBLISHABLE_KEY = "pk_test_farebox"
START_SECONDS = 30
PAYS = "4242424242424242"
DECLINES = "4000000000000341"
ASKS = "4000002500003155"


@contextmanager
def localstripe(*words: str) -> Iterator[str]:
    """Its address; the process ends with the block."""
    command = [sys.executable, "-m", "tests.localstripe_server", *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=Path(__file__).parents[2]
    ) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            address = f"http://127.0.0.1:{port}"
            _wait_for(address)
            yield address
        finally:
            server.terminate()
            try:
                server.wait(timeout=10)
            except subprocess.TimeoutExpired:
                server.kill()


def _wait_for(address: str) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            requests.get(address, timeout=1)
            return
        except requests.ConnectionError:
            assert time.monotonic() < until, "localstripe does not answer"
            time.sleep(0.05)


@dataclass
class Cardholder:
    """Does at localstripe what a front end does with Stripe's own forms, and looks at what Stripe has."""

    address: str
    client: Any = field(init=False)
    customer_id: str = field(init=False)

    def __post_init__(self) -> None:
        self.client = stripe.StripeClient(API_KEY, base_addresses={"api": self.address}).v1
        self.customer_id = self.client.customers.create().id

    def card(self, number: str) -> str:
        """A payment method's id."""
        card = {"number": number, "exp_month": 12, "exp_year": 2031, "cvc": "123"}
        method: str = self.client.payment_methods.create(params={"type": "card", "card": card}).id
        return method

    def enter_card(self, setup_id: str, number: str) -> None:
        self._post(f"setup_intents/{setup_id}/confirm", {"payment_method": self.card(number)})

    def confirm_setup(self, setup_id: str) -> None:
        self._post(f"setup_intents/{setup_id}/confirm", {"use_stripe_sdk": True})

    def authenticate(self, payment_id: str, client_secret: str | None, *, success: bool) -> None:
        """What the bank's page does at the end."""
        self._post(f"payment_intents/{payment_id}/_authenticate", {"client_secret": client_secret, "success": success})

    def _post(self, path: str, body: dict[str, Any]) -> None:
        body["key"] = PUBLISHABLE_KEY
        answer = requests.post(f"{self.address}/v1/{path}", json=body, timeout=10)
        assert answer.status_code == 200, answer.text

    def status(self, payment_id: str) -> str:
        status: str = self.client.payment_intents.retrieve(payment_id).status
        return status

    def charge_count(self, payment_id: str) -> int:
        """How often money was taken."""
        charges = self.client.charges.list(params={"limit": 10_000}).data
        return sum(charge.payment_intent == payment_id and charge.status == "succeeded" for charge in charges)

    def intents_of(self, top_up_id: UUID) -> list[str]:
        intents = self.client.payment_intents.list(params={"limit": 10_000}).data
        return [intent.id for intent in intents if getattr(intent.metadata, "top_up_id", None) == str(top_up_id)]

    def refunds(self, payment_id: str) -> list[int]:
        found = self.client.refunds.list(params={"payment_intent": payment_id, "limit": 100}).data
        return [refund.amount for refund in found]


@dataclass
class Network:
    """Between a processor and localstripe. `lose`: how many answers to `POST /confirm` are lost.

    `refuse`: the status and the error that the next `POST /confirm` is answered with, by Stripe, which did nothing.
    """

    address: str
    lose: dict[str, int] = field(default_factory=dict)
    refuse: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    hang_seconds: float = 0


def _passed_on(target: str, asked: BaseHTTPRequestHandler, body: bytes) -> tuple[int, bytes]:
    where = urlsplit(target)
    ahead = HTTPConnection(str(where.hostname), where.port, timeout=10)
    ahead.request(asked.command, asked.path, body, dict(asked.headers))
    answer = ahead.getresponse()
    content = answer.read()
    ahead.close()
    return answer.status, content


@contextmanager
def network(target: str) -> Iterator[Network]:
    class Relay(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            self.close_connection = True
            for refused in filter(self.is_about, list(net.refuse)):
                status, error = net.refuse.pop(refused)
                return self.answer(status, json.dumps({"error": error}).encode())
            status, content = _passed_on(target, self, body)
            time.sleep(net.hang_seconds)
            for lost in filter(self.is_about, net.lose):
                if net.lose[lost]:
                    net.lose[lost] -= 1
                    return None
            return self.answer(status, content)

        def is_about(self, request: str) -> bool:
            method, ending = request.split()
            return method == self.command and self.path.partition("?")[0].endswith(ending)

        def answer(self, status: int, content: bytes) -> None:
            try:
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except OSError:
                pass  # whoever asked has gone

        do_GET = do_POST  # noqa: N815 - the names that http.server asks for

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    server.daemon_threads = True
    net = Network(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield net
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)
