"""Puts the rooms together: from settings to the application that serves them."""

import hashlib
import hmac
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from datetime import datetime

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from api.app import build_app
from api.claims import Claims
from api.clock import utc_now
from api.deliveries import Deliveries
from api.downloads import DownloadLinks, Downloads
from api.key_ring import KeyRing
from api.opening import prepare
from api.payments.processors import build_processors, close_processors, payment_routes
from api.sealing import FernetBox
from api.settings import Settings, load_settings
from api.worker import Worker
from domain.access import Scope, Viewer
from domain.errors import NotFound
from domain.stories.renew import renew_due
from persistence.begin import Begin
from persistence.changes import Changes
from persistence.database import Database
from persistence.revision import is_current
from persistence.viewers import find_viewer
from schema.context import Context
from schema.root import schema


def serve_app(settings: Settings | None = None) -> Starlette:
    """The application as it runs. Without an argument it reads the settings: uvicorn calls it so in every worker."""
    house = _House(settings or load_settings())
    return build_app(
        house.settings,
        schema=schema,
        resolve=house.resolve,
        find_key=house.api_keys.viewer,
        context_for=house.context_for,
        ready=house.ready,
        lifespan=house.lifespan,
        more_routes=[*house.payment_routes(), house.downloads.route()],
    )


class _House:
    """What one process keeps for all its requests."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._database = Database(settings.database_url)
        self.api_keys = KeyRing(self._database)
        self._changes = Changes(self._database)
        self._begin = Begin(self._database, changes=self._changes)
        self._processors = build_processors(settings, self._database)
        self._box = FernetBox(settings.signing_key)
        self._deliveries = Deliveries(self._database, self._box, allows_private=settings.webhooks_allow_private)
        self._links = DownloadLinks(settings.public_url, settings.signing_key)
        self.downloads = Downloads(self._database, self._links)
        self._worker = Worker(self._database, self._begin, self._processors, self._deliveries)
        self._begin.on_intent = self._worker.wake
        self._cursor_key = hmac.digest(settings.signing_key.encode(), b"cursors", hashlib.sha256)

    async def resolve(self, claims: Claims) -> Viewer | None:
        try:
            return await find_viewer(
                self._database,
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
            cursor_key=self._cursor_key,
            renew_due=self._renew,
            processors=self._processors,
            changes=self._changes,
            export_url=self._links.url,
            secrets=self._box,
            check_webhook_url=self._deliveries.check_url,
        )

    def payment_routes(self) -> Sequence[BaseRoute]:
        return payment_routes(self.settings, self._database, self._begin, self._processors)

    async def _renew(self, scope: Scope, now: datetime) -> None:
        if scope.company_id is not None:
            await renew_due(self._begin, scope.company_id, now)

    async def ready(self) -> str | None:
        try:
            if not await is_current(self._database):
                return "The database is not at the newest schema: run `farebox migrate`."
        except Exception:  # new connections go past SQLAlchemy: the driver's own errors come too
            return "The database does not answer."
        return None

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        await prepare(self.settings, self._database)
        async with self._changes.running(), self._worker.working() if self.settings.worker else nullcontext():
            yield
        close_processors(self._processors)
        await self._deliveries.close()
        await self.api_keys.close()
        await self._database.close()
