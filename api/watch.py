"""Every operation is watched, whichever way it came: one line in the log, its figures, and a span when traces are on.

What is known of an operation gathers in its `Seen` on the way, wherever it is found out: the code that answers it
asks for it by `seen()`. Nothing of what was asked or answered is in it, only names, sizes and codes.
"""

import logging
from asyncio import CancelledError
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

from api.refusals import Code, Refused
from domain.access import Viewer
from schema.ids import IdKind, encode, viewer_value

if TYPE_CHECKING:  # slow to import, and not always wanted
    from api.metrics import Metrics
    from api.traces import Traces

logger = logging.getLogger(__name__)

MAX_CODES = 5
"""Told of one operation; whoever goes on making mistakes on a subscription fills no log."""
QUIET_SECONDS = 10.0
"""After a line of the log on who was turned away, by code."""
MOST_SHOWN = 80
"""Characters of a name that a caller chose."""
_CLIENT = ("graphql-client-name", "graphql-client-version")
_APOLLO_CLIENT = ("apollographql-client-name", "apollographql-client-version")


class Transport(StrEnum):
    HTTP = "http"
    WEBSOCKET = "websocket"
    EVENTS = "events"
    """A subscription over HTTP, as server-sent events."""


class Outcome(StrEnum):
    OK = "ok"
    PARTIAL = "partial"
    """Answered with data and errors."""
    FAILED = "failed"
    """Run, and answered with errors alone."""
    REFUSED = "refused"
    """Not run."""
    THROTTLED = "throttled"
    CUT_OFF = "cut off"
    """The caller went, the server stopped, or the time was over."""


@dataclass(slots=True)
class Seen:
    """One operation, as far as it is known by now."""

    transport: Transport = Transport.HTTP
    client: str | None = None
    name: str | None = None
    kind: str | None = None
    """query, mutation or subscription; None: it was refused before that was known."""
    viewer: Viewer | None = None
    requested_cost: int | None = None
    """Points."""
    actual_cost: int | None = None
    incident: str | None = None
    codes: list[str] = field(default_factory=list)
    """Of the errors, each once."""
    event_count: int = 0
    """Answers of a subscription."""
    throttled_by: str | None = None
    """What ran short."""
    outcome: Outcome = Outcome.OK
    on_begin: Callable[["Seen"], None] | None = None
    is_open: bool = False
    """A subscription that began."""

    def note_operation(self, name: str | None, kind: str) -> None:
        self.name, self.kind = name and name[:MOST_SHOWN], kind

    def note_codes(self, errors: Sequence[Mapping[str, Any]]) -> None:
        for error in errors[:MAX_CODES]:
            code = str(error.get("extensions", {}).get("code"))
            if code not in self.codes and len(self.codes) < MAX_CODES:
                self.codes.append(code)

    def note_answer(self, errors: Sequence[Mapping[str, Any]], *, has_data: bool) -> None:
        self.note_codes(errors)
        if Code.TIMEOUT in self.codes:
            self.outcome = Outcome.CUT_OFF
        elif errors and self.outcome is not Outcome.FAILED:
            self.outcome = Outcome.PARTIAL if has_data else Outcome.FAILED

    def note_event(self) -> None:
        self.event_count += 1
        logger.debug("event", extra={"operation": self.name, "number": self.event_count})

    def note_refusal(self, refused: Refused) -> None:
        self.note_codes(refused.errors)
        self.outcome = Outcome.REFUSED
        if Code.THROTTLED in self.codes:
            self.outcome = Outcome.THROTTLED
        elif Code.TIMEOUT in self.codes:
            self.outcome = Outcome.CUT_OFF

    def note_fault(self, error: Mapping[str, Any]) -> None:
        """Nothing could be answered but this error."""
        self.note_codes([error])
        self.outcome = Outcome.FAILED

    def cut_off(self, *codes: str) -> None:
        self.codes += [code for code in codes if code not in self.codes]
        self.outcome = Outcome.CUT_OFF

    def begin(self) -> None:
        """A subscription has its source now."""
        self.is_open = True
        if self.on_begin is not None:
            self.on_begin(self)

    @property
    def principal(self) -> str | None:
        """The id of the caller, as `viewer { id }` answers it."""
        viewer = self.viewer
        return None if viewer is None else encode(IdKind.VIEWER, viewer_value(viewer.company_id, viewer.subject))

    @property
    def company(self) -> str | None:
        viewer = self.viewer
        return encode(IdKind.COMPANY, viewer.company_id) if viewer and viewer.company_id else None


_SEEN: ContextVar[Seen | None] = ContextVar("seen", default=None)


def seen() -> Seen:
    """Of the operation that is being answered here. Outside of any there is nobody who will look at it."""
    return _SEEN.get() or Seen()


def client_of(given: Mapping[str, Any] | None) -> str | None:
    """How the calling program names itself, and its version: in headers, or in the payload of a `connection_init`."""
    found = {name.lower(): value for name, value in (given or {}).items() if isinstance(value, str)}
    for name, version in (_CLIENT, _APOLLO_CLIENT):
        if found.get(name):
            return shortened(f"{found[name]} {found.get(version, '')}".strip())
    return None


def shortened(text: str) -> str:
    return "".join(character for character in text[: 2 * MOST_SHOWN] if character.isprintable())[:MOST_SHOWN]


class Watch:
    """Of one process. Without metrics and traces there are still the lines of the log."""

    def __init__(self, *, metrics: "Metrics | None" = None, traces: "Traces | None" = None) -> None:
        self._metrics = metrics
        self._traces = traces
        self._turned_away: Counter[int] = Counter()
        """By code, since they were last told of."""
        self._quiet_until: dict[int, float] = {}

    @contextmanager
    def operation(self, transport: Transport, client: str | None, headers: Mapping[str, str]) -> Iterator[Seen]:
        """Around all that is done for one operation, in the task that does it."""
        found = Seen(transport, client, on_begin=self._tell_begin)
        token = _SEEN.set(found)
        span = self._traces.begin(headers) if self._traces else None
        begun = perf_counter()
        try:
            yield found
        except (CancelledError, GeneratorExit):
            if not found.is_open or found.codes:
                found.outcome = Outcome.CUT_OFF  # who has heard enough of a subscription ends it so
            raise
        except BaseException:
            found.outcome = Outcome.FAILED
            raise
        finally:
            seconds = perf_counter() - begun
            _SEEN.reset(token)
            if span is not None and self._traces is not None:
                self._traces.end(span, found)
            self._tell_end(found, seconds)

    def note_turned_away(self, code: int) -> None:
        """Somebody was refused on his line: with an HTTP status, or with the close code of a WebSocket.

        A crowd of them is a line of the log now and then, not a line each."""
        if self._metrics is not None:
            self._metrics.turned_away.labels(str(code)).inc()
        self._turned_away[code] += 1
        if monotonic() >= self._quiet_until.get(code, 0):
            logger.warning("turned away", extra={"status": int(code), "count": self._turned_away.pop(code)})
            self._quiet_until[code] = monotonic() + QUIET_SECONDS

    @contextmanager
    def socket(self) -> Iterator[None]:
        """A WebSocket that is open."""
        if self._metrics is None:
            yield
            return
        self._metrics.sockets.inc()
        try:
            yield
        finally:
            self._metrics.sockets.dec()

    @contextmanager
    def job(self, name: str) -> Iterator[None]:
        """A run of one of the worker's jobs."""
        outcome = "failed"
        try:
            with self._traces.job(name) if self._traces else nullcontext():
                yield
            outcome = "done"
        finally:
            if self._metrics is not None:
                self._metrics.worker_runs.labels(name, outcome).inc()

    def _tell_begin(self, found: Seen) -> None:
        if self._metrics is not None:
            self._metrics.subscriptions.inc()
        logger.info("subscription begun", extra=_named(found))

    def _tell_end(self, found: Seen, seconds: float) -> None:
        if self._metrics is not None:
            self._metrics.note_operation(found, seconds)
        if not logger.isEnabledFor(logging.INFO):
            return
        told = _named(found) | {
            "cost": {"requested": found.requested_cost, "actual": found.actual_cost},
            "duration_ms": round(seconds * 1_000, 2),
            "outcome": found.outcome.value,
            "codes": found.codes,
        }
        if found.is_open:
            told["events"] = found.event_count
        if found.incident is not None:
            told["incident"] = found.incident
        if found.throttled_by is not None:
            told["throttled_by"] = found.throttled_by
        logger.info("operation", extra=told)


def _named(found: Seen) -> dict[str, Any]:
    return {
        "operation": found.name,
        "kind": found.kind,
        "transport": found.transport.value,
        "client": found.client,
        "principal": found.principal,
        "company": found.company,
    }
