"""The figures of one process, for Prometheus: few labels, each with a handful of values, and never an id or a name.

Where several processes serve, each keeps its figures in files of a folder that `farebox serve` makes, and whichever is
asked adds them up. docs/observability.md says what each figure is; a test compares.
"""

import os
from collections.abc import Callable, Mapping
from importlib.metadata import version
from math import nan
from pathlib import Path
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    gc_collector,
    platform_collector,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.process_collector import ProcessCollector

from api.figures_folder import SHARED_FOLDER
from api.refusals import Code
from api.watch import Seen
from persistence.queues import QUEUES, Queue
from persistence.tally import Tally

_FAULTS = (Code.INTERNAL_SERVER_ERROR, Code.SERVICE_UNAVAILABLE)
_ANSWER_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_STATEMENT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BATCH_SIZES = (1, 2, 5, 10, 25, 50, 100, 250, 1_000)


disable_created_metrics()  # type: ignore[no-untyped-call] # a series more for each, which nobody asks for


class Metrics:
    """What is counted as it happens, and gauges that are set by whoever knows. See the page for their meaning."""

    def __init__(self) -> None:
        self._folder = os.environ.get(SHARED_FOLDER)
        self._registry = CollectorRegistry()
        count, measure, gauge = self._count, self._measure, self._gauge
        self.operations = count("operations", "Operations answered", "kind", "transport", "outcome")
        self.incidents = count("incidents", "Operations that met a fault of ours, or an outage", "code")
        self.operation_seconds = measure("operation_seconds", "Queries and mutations", _ANSWER_SECONDS, "kind")
        self.operation_cost = count("operation_cost", "Points that operations came to", "kind")
        self.throttled = count("throttled", "Operations put off", "reason")
        self.turned_away = count("turned_away", "Refused on the line", "code")
        self.batch_size = measure("resolver_batch_size", "Keys read in one batch", _BATCH_SIZES, "loader")
        self.statement_seconds = measure("statement_seconds", "SQL statements", _STATEMENT_SECONDS, "use")
        self.charges = count("charges", "Usage charged, without replays", "service")
        self.reversals = count("reversals", "Charges given back", "service")
        self.allocated_micros = count("allocated_micros", "What charges took", "source", "currency")
        self.rejected_usage = count("rejected_usage", "Usage events rejected", "code")
        self.top_ups = count("top_ups", "Top-ups by the state they came to", "origin", "outcome")
        self.recharge_skips = count("recharge_skips", "Recharges that were not made", "reason")
        self.alerts = count("alerts", "Alerts raised", "kind")
        self.webhook_deliveries = count("webhook_deliveries", "Attempts to deliver a message", "outcome")
        self.worker_runs = count("worker_runs", "Runs of the worker's jobs", "job", "outcome")
        self.worker_looked = gauge("worker_looked_timestamp_seconds", "When a worker last looked for work", "livemax")
        self.queue_length = gauge("queue_length", "What is due, up to 10,000", "mostrecent", "queue")
        self.queue_age = gauge("queue_age_seconds", "How long the oldest has been due", "mostrecent", "queue")
        self.sockets = gauge("sockets", "WebSockets open", "livesum")
        self.subscriptions = gauge("subscriptions", "Subscriptions open", "livesum")
        self.loop_lag = gauge("event_loop_lag_seconds", "Longest delay of the last 15 seconds", "livemax")
        self.connections = gauge("database_connections_in_use", "Connections taken from the pool", "livesum")
        build = gauge("build_info", "1, with the version that runs", "livemax", "version")
        build.labels(version("farebox")).set(1)
        if self._folder is None:
            ProcessCollector(registry=self._registry)
            platform_collector.PlatformCollector(registry=self._registry)
            gc_collector.GCCollector(registry=self._registry)

    def _count(self, name: str, told: str, *labels: str) -> Counter:
        return Counter(f"farebox_{name}", f"{told}.", labels, registry=self._registry)

    def _measure(self, name: str, told: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"farebox_{name}", f"{told}.", labels, buckets=buckets, registry=self._registry)

    def _gauge(self, name: str, told: str, mode: str, *labels: str) -> Gauge:
        return Gauge(f"farebox_{name}", f"{told}.", labels, multiprocess_mode=mode, registry=self._registry)  # type: ignore[arg-type]

    def everything(self) -> CollectorRegistry:
        """What is told when the figures are asked for: of all processes where several serve."""
        if self._folder is None:
            return self._registry
        _forget_the_dead(Path(self._folder))
        registry = CollectorRegistry()
        MultiProcessCollector(registry, self._folder)  # type: ignore[no-untyped-call]
        return registry

    def close(self) -> None:
        """What this process had open is open no more."""
        if self._folder is not None:
            mark_process_dead(os.getpid(), self._folder)  # type: ignore[no-untyped-call]

    # ---------- what is told by those who know ----------

    def note_operation(self, seen: Seen, seconds: float) -> None:
        kind = seen.kind or "unknown"
        self.operations.labels(kind, seen.transport.value, seen.outcome.value).inc()
        if seen.kind in ("query", "mutation"):
            self.operation_seconds.labels(kind).observe(seconds)
        if seen.actual_cost:
            self.operation_cost.labels(kind).inc(seen.actual_cost)
        if seen.incident is not None:
            self.incidents.labels(next((code for code in seen.codes if code in _FAULTS), "other")).inc()
        if seen.throttled_by is not None:
            self.throttled.labels(seen.throttled_by).inc()
        if seen.is_open:
            self.subscriptions.dec()

    def note_tally(self, tally: Tally) -> None:
        """Of a transaction that is committed."""
        _add(self.charges, tally.charges)
        _add(self.reversals, tally.reversals)
        _add(self.rejected_usage, tally.rejections)
        _add(self.recharge_skips, tally.skips)
        _add(self.alerts, tally.alerts)
        for (source, currency), micros in tally.allocated_micros.items():
            if micros:
                self.allocated_micros.labels(source, currency).inc(micros)
        for (origin, state), count in tally.top_ups.items():
            self.top_ups.labels(origin.lower(), state.lower()).inc(count)

    def note_batch(self, loader: str, size: int) -> None:
        self.batch_size.labels(loader).observe(size)

    def note_statement(self, use: str, _text: str, seconds: float) -> None:
        self.statement_seconds.labels(use).observe(seconds)

    def note_delivery(self, outcome: str) -> None:
        self.webhook_deliveries.labels(outcome).inc()

    def note_queues(self, queues: Mapping[str, Queue]) -> None:
        for name, queue in queues.items():
            self.queue_length.labels(name).set(queue.length)
            self.queue_age.labels(name).set(queue.age_seconds)

    def forget_queues(self) -> None:
        """They could not be read: the page says NaN, which no threshold is above or below."""
        self.note_queues(dict.fromkeys(QUEUES, Queue(nan, nan)))


def _add(counter: Counter, counts: Mapping[Any, int]) -> None:
    for label, count in counts.items():
        counter.labels(str(label).lower()).inc(count)


def _forget_the_dead(folder: Path, is_alive: Callable[[int], bool] | None = None) -> None:
    """A process that was killed could not say that nothing of it is open any more."""
    is_alive = is_alive or _is_alive
    for pid in {int(path.stem.rpartition("_")[2]) for path in folder.glob("gauge_live*.db")}:
        if not is_alive(pid):
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
