"""A collector of OpenTelemetry traces: a real HTTP server on loopback that keeps what it is sent."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Span(NamedTuple):
    name: str
    id: str
    parent_id: str
    trace_id: str
    attributes: dict[str, Any]
    service: str
    seconds: float


class Collector:
    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.address = ""

    @property
    def spans(self) -> list[Span]:
        return [span for body in list(self.bodies) for span in _spans(body)]

    def until(self, is_there: Callable[[list[Span]], bool], seconds: float = 10) -> list[Span]:
        end = time.monotonic() + seconds
        while not is_there(found := self.spans):
            assert time.monotonic() < end, [span.name for span in found]
            time.sleep(0.05)
        return found


def _spans(body: bytes) -> Iterator[Span]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = _values(resource.resource.attributes)["service.name"]
        for scope in resource.scope_spans:
            for span in scope.spans:
                ids = (span.span_id.hex(), span.parent_span_id.hex(), span.trace_id.hex())
                seconds = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
                yield Span(span.name, *ids, _values(span.attributes), service, seconds)


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    collector.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
