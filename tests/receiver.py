"""A partner's receiver of webhooks: a real HTTP server on loopback that answers as it is told and keeps what came."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import orjson
from standardwebhooks import Webhook


class Answer(NamedTuple):
    status: int = 200
    headers: Mapping[str, str] = {}
    seconds: float = 0.0
    """Before it is given, unless all are released."""
    body: bytes = b""


OK = Answer()


class Received(NamedTuple):
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: str
    at: float
    """By the clock that only runs forward."""

    @property
    def message_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def told(self) -> Any:
        return orjson.loads(self.body)

    def is_signed_with(self, secret: str) -> bool:
        """Whatever time it was signed at."""
        at = datetime.fromtimestamp(int(self.headers["webhook-timestamp"]), UTC)
        expected = Webhook(secret).sign(self.message_id, at, self.body)
        return expected in self.headers["webhook-signature"].split(" ")


@dataclass
class Receiver:
    port: int = 0
    answers: deque[Answer] = field(default_factory=deque)
    """Given one after the other; when there are none left, 200."""
    always: Answer = OK
    received: list[Received] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    """Once set, every answer is given at once."""
    _came: threading.Condition = field(default_factory=threading.Condition)

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def will_answer(self, *answers: Answer | int) -> None:
        self.answers.extend(Answer(one) if isinstance(one, int) else one for one in answers)

    async def has(self, count: int, seconds: float = 20) -> None:
        """Waits until so many messages have come."""

        def wait() -> bool:
            with self._came:
                return self._came.wait_for(lambda: len(self.received) >= count, timeout=seconds)

        assert await asyncio.to_thread(wait), f"{count} messages have not come in time"

    def keep(self, received: Received) -> Answer:
        """What to answer."""
        with self._came:
            self.received.append(received)
            self._came.notify_all()
            return self.answers.popleft() if self.answers else self.always

    @property
    def paths(self) -> list[str]:
        return [received.path for received in self.received]


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = receiver.keep(Received(self.path, headers, body, time.monotonic()))
            receiver.released.wait(answer.seconds)
            try:
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)
            except OSError:
                return  # nobody waited for it

        def log_message(self, *_: Any) -> None:
            """Keeps quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.port = server.server_port
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
