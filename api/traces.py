"""Traces, sent to an OpenTelemetry collector by HTTP: a span an operation, an SQL statement, a run of a worker's job.

Imported only where they are wanted. Names, sizes and codes go out; documents, variables and values do not, and of a
statement its text with every literal taken out. Whether the collector is there makes no difference to any request.
"""

import logging
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import Token
from functools import lru_cache
from time import time_ns
from typing import NamedTuple

from opentelemetry import context as contexts
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from api.scrubbing import scrubbed
from api.watch import Outcome, Seen

logger = logging.getLogger(__name__)

PATH = "/v1/traces"
SEND_SECONDS = 5.0
STOP_SECONDS = 3.0
"""So long a server that stops still tries to send what it has."""
MOST_SHOWN_OF_SQL = 2_000

_LITERALS = re.compile(r"'(?:[^']|'')*'|(?<![\w$.])\d+(?:\.\d+)?\b")
_LISTS = re.compile(r"\(\s*(?:\?|\$\d+(?:::\w+)?)(?:\s*,\s*(?:\?|\$\d+(?:::\w+)?))+\s*\)")
_OURS = TraceContextTextMapPropagator()
_BAD = frozenset({Outcome.FAILED, Outcome.PARTIAL})


class Begun(NamedTuple):
    span: Span
    token: "Token[Context]"


class Traces:
    """Of one process. `system` is the database: sqlite or postgresql."""

    def __init__(self, endpoint: str, *, system: str) -> None:
        address = endpoint if endpoint.endswith(PATH) else endpoint.rstrip("/") + PATH
        named = {} if os.environ.get("OTEL_SERVICE_NAME") else {SERVICE_NAME: "farebox"}
        self._system = system
        self._sender = BatchSpanProcessor(OTLPSpanExporter(endpoint=address, timeout=SEND_SECONDS))
        self._provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
        self._provider.add_span_processor(self._sender)
        self._tracer = self._provider.get_tracer("farebox")

    def begin(self, headers: Mapping[str, str]) -> Begun:
        """Of an operation, which goes on with its caller's trace where he sent a `traceparent`."""
        span = self._tracer.start_span("operation", _OURS.extract(headers, Context()), SpanKind.SERVER)
        return Begun(span, contexts.attach(set_span_in_context(span)))

    def end(self, begun: Begun, seen: Seen) -> None:
        span = begun.span
        if span.is_recording():
            span.update_name(scrubbed(seen.name or seen.kind or "refused"))
            span.set_attributes({name: value for name, value in _attributes(seen).items() if value is not None})
            if seen.outcome in _BAD:
                span.set_status(StatusCode.ERROR)
        contexts.detach(begun.token)
        span.end()

    def note_statement(self, _use: str, text: str, seconds: float) -> None:
        """One that has just ended, below whatever it was run for. The worker's looks for work are for nothing."""
        if not get_current_span().is_recording():
            return
        ended = time_ns()
        span = self._tracer.start_span(
            text[:20].split(None, 1)[0].upper(), kind=SpanKind.CLIENT, start_time=ended - int(seconds * 1e9)
        )
        span.set_attributes({"db.system.name": self._system, "db.query.text": without_values(text)})
        span.end(ended)

    @contextmanager
    def job(self, name: str) -> Iterator[None]:
        """A run of a job of the worker's."""
        with self._tracer.start_as_current_span(f"worker {name}", Context(), record_exception=False):
            yield

    def close(self) -> None:
        """Sends what is left, and gives up after a few seconds. Not on the event loop: it waits."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(STOP_SECONDS)


def _attributes(seen: Seen) -> dict[str, str | int | tuple[str, ...] | None]:
    return {
        "graphql.operation.name": seen.name and scrubbed(seen.name),
        "graphql.operation.type": seen.kind,
        "farebox.transport": seen.transport.value,
        "farebox.client": seen.client and scrubbed(seen.client),
        "farebox.cost.requested": seen.requested_cost,
        "farebox.cost.actual": seen.actual_cost,
        "farebox.outcome": seen.outcome.value,
        "farebox.codes": tuple(seen.codes) or None,
        "farebox.incident": seen.incident,
        "farebox.events": seen.event_count if seen.is_open else None,
    }


@lru_cache(maxsize=1_000)
def without_values(text: str) -> str:
    """A statement as it is written, were every value in it given as a parameter; long lists of those shortened."""
    return _LISTS.sub("(?, …)", _LITERALS.sub("?", " ".join(text.split())))[:MOST_SHOWN_OF_SQL]
