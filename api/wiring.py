"""Puts the rooms together: from settings to the application that serves them."""

import hashlib
import hmac
import logging
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from datetime import datetime
from importlib.metadata import version

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from api.app import build_app
from api.claims import Claims
from api.clock import utc_now
from api.deliveries import Deliveries
from api.downloads import DownloadLinks, Downloads
from api.instruments import Instruments
from api.key_ring import KeyRing
from api.line import TURNED_AWAY
from api.logs import set_up as set_up_log
from api.memory import keep_what_is_there
from api.opening import prepare
from api.payments.processors import build_processors, close_processors, payment_routes
from api.readiness import Readiness
from api.sealing import FernetBox
from api.settings import Settings, load_settings
from api.worker import Worker
from domain.access import Scope, Viewer
from domain.errors import NotFound
from domain.stories.renew import renew_due
from persistence.begin import Begin
from persistence.changes import Changes
from persistence.database import Database
from persistence.slugs import Slugs
from persistence.viewers import find_viewer
from schema.context import Context
from schema.root import schema

logger = logging.getLogger(__name__)


def serve_app(settings: Settings | None = None) -> Starlette:
    """The application as it runs. Without an argument it reads the settings: uvicorn calls it so in every worker."""
    is_process = settings is None
    if settings is None:
        settings = load_settings()
        set_up_log(settings)
    house = _House(settings)
    app = build_app(
        house.settings,
        schema=schema,
        resolve=house.resolve,
        find_key=house.api_keys.viewer,
        context_for=house.context_for,
        ready=house.readiness.missing,
        lifespan=house.lifespan,
        more_routes=[*house.payment_routes(), house.downloads.route(), *house.instruments.routes()],
        watch=house.instruments.watch,
    )
    if is_process:
        keep_what_is_there()
    return app


class _House:
    """What one process keeps for all its requests."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._database = Database(
            settings.database_url,
            statement_seconds=settings.statement_seconds,
            tenant_role=settings.tenant_role,
            replica_url=settings.replica_url,
        )
        door = self._database.at_the_door()
        self._slugs = Slugs(door)
        self.instruments = Instruments(settings, self._database)
        metrics, watch = self.instruments.metrics, self.instruments.watch
        self.api_keys = KeyRing(self._database, door=door)
        self._changes = Changes(self._database)
        self._begin = Begin(self._database, changes=self._changes)
        self._processors = build_processors(settings, self._database)
        self._box = FernetBox(*settings.signing_keys)
        self._deliveries = Deliveries(
            self._database,
            self._box,
            allows_private=settings.webhooks_allow_private,
            on_attempt=metrics.note_delivery,
        )
        self._links = DownloadLinks(settings.public_url, *settings.signing_keys)
        self.downloads = Downloads(self._database, self._links)
        self._worker = Worker(self._database, self._begin, self._processors, self._deliveries, watched=watch.job)
        self._begin.on_intent = self._worker.wake
        self._begin.on_tally = metrics.note_tally
        self.readiness = Readiness(self._database, self._worker if settings.worker else None)
        keys = settings.signing_keys
        self._cursor_keys = tuple(hmac.digest(key.encode(), b"cursors", hashlib.sha256) for key in keys)

    async def resolve(self, claims: Claims) -> Viewer | None:
        try:
            return await find_viewer(
                self._slugs,
                subject=claims.subject,
                name=claims.name,
                role=claims.role,
                company=claims.company,
                offices=claims.offices,
                has_billing=claims.has_billing,
                scopes=claims.scopes,
                expires_at=claims.expires_at,
            )
        except NotFound:
            return None

    def context_for(self, viewer: Viewer) -> Context:
        return Context(
            viewer=viewer,
            scope=Scope.of(viewer),
            now=utc_now(),
            database=self._database,
            begin=self._begin,
            cursor_keys=self._cursor_keys,
            renew_due=self._renew,
            processors=self._processors,
            changes=self._changes,
            export_url=self._links.url,
            secrets=self._box,
            check_webhook_url=self._deliveries.check_url,
            on_batch=self.instruments.metrics.note_batch,
        )

    def _told_at_start(self) -> dict[str, object]:
        return {
            "version": version("farebox"),
            "env": self.settings.env.value,
            "database": self._database.url.get_backend_name(),
            "pid": os.getpid(),
        }

    def payment_routes(self) -> Sequence[BaseRoute]:
        return payment_routes(self.settings, self._database, self._begin, self._processors)

    async def _renew(self, scope: Scope, now: datetime) -> None:
        if scope.company_id is not None:
            await renew_due(self._begin, scope.company_id, now)

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[dict[str, object]]:
        await prepare(self.settings, self._database)
        logger.info("serving", extra=self._told_at_start())
        worker = self._worker if self.settings.worker else None
        async with (
            self.instruments.running(worker),
            self._changes.running(),
            worker.working() if worker else nullcontext(),
        ):
            yield {TURNED_AWAY: self.instruments.watch.note_turned_away}
        close_processors(self._processors)
        await self._deliveries.close()
        await self.api_keys.close()
        await self._database.close()
