"""What one process is watched with: figures always, traces where somebody takes them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.routing import Route

from api.clock import utc_now
from api.metrics import Metrics
from api.metrics_page import MetricsPage
from api.pulse import beating
from api.settings import Environment, Settings
from api.watch import Watch
from api.worker import Worker
from persistence.database import Database


class Instruments:
    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self.metrics = Metrics()
        self._traces = None
        if settings.otlp_endpoint is not None:
            from api.traces import Traces  # slow to import

            self._traces = Traces(settings.otlp_endpoint, system=database.url.get_backend_name())
        self.watch = Watch(metrics=self.metrics, traces=self._traces)
        database.watch_statements(self.metrics.note_statement)
        if self._traces is not None:
            database.watch_statements(self._traces.note_statement)

    def routes(self) -> list[Route]:
        """None where nobody may read the figures."""
        token = self._settings.metrics_token
        if token is None and self._settings.env is not Environment.LOCAL:
            return []
        secret = token.get_secret_value() if token else None
        return [MetricsPage(self.metrics, self._database, token=secret, clock=utc_now).route()]

    @asynccontextmanager
    async def running(self, worker: Worker | None) -> AsyncIterator[None]:
        """While the process serves; `worker` is None where it has none. At the end traces are sent for a moment."""
        try:
            async with beating(self.metrics, self._database, worker):
                yield
        finally:
            self.metrics.close()
            if self._traces is not None:
                await asyncio.to_thread(self._traces.close)
