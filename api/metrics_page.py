"""`/metrics`: the figures in Prometheus' text format, or in OpenMetrics' for who asks for it.

For the bearer of the token that is set; without one for anybody in local runs, and else there is no such page. What
waits in the database is read when it is asked for, at most once in ten seconds.
"""

import asyncio
import hmac
from collections.abc import Callable
from datetime import datetime
from time import monotonic

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.metrics import Metrics
from api.negotiation import GRAPHQL_RESPONSE
from api.refusals import Code, refusal
from persistence.database import Database
from persistence.outages import MAY_BE_OUTAGES
from persistence.queues import read_queues

PATH = "/metrics"
READ_SECONDS = 10.0
"""The database is asked so often at most, however often the page is."""
PATIENCE_SECONDS = 2.0
"""Then the page goes without what waits: nothing of it is told, rather than something old."""


class MetricsPage:
    def __init__(
        self, metrics: Metrics, database: Database, *, token: str | None, clock: Callable[[], datetime]
    ) -> None:
        self._metrics = metrics
        self._database = database
        self._token = token
        self._clock = clock
        self._read_at = -READ_SECONDS
        self._turn = asyncio.Lock()

    def route(self) -> Route:
        return Route(PATH, self._answer, methods=["GET"])

    async def _answer(self, request: Request) -> Response:
        if not self._may_read(request.headers.get("authorization", "")):
            told = "Send the token of FAREBOX_METRICS_TOKEN as `Authorization: Bearer …`."
            headers = {"WWW-Authenticate": "Bearer"}
            return refusal(401, told, Code.UNAUTHENTICATED, headers=headers).response(GRAPHQL_RESPONSE)
        async with self._turn:
            await self._read_queues()
            body, media_type = await asyncio.to_thread(self._write, request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": media_type})

    def _may_read(self, authorization: str) -> bool:
        given = authorization.encode(errors="replace")
        return self._token is None or hmac.compare_digest(given, f"Bearer {self._token}".encode())

    async def _read_queues(self) -> None:
        if monotonic() - self._read_at < READ_SECONDS:
            return
        self._read_at = monotonic()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                self._metrics.note_queues(await read_queues(self._database, self._clock()))
        except (*MAY_BE_OUTAGES, TimeoutError):
            self._metrics.forget_queues()

    def _write(self, accept: str) -> tuple[bytes, str]:
        registry = self._metrics.everything()
        try:
            encoder, media_type = choose_encoder(accept)
        except (ValueError, TypeError):  # a version that is none
            encoder, media_type = generate_latest, CONTENT_TYPE_PLAIN_0_0_4
        return encoder(registry), media_type
