"""The web application: which address leads where, and what holds for every answer.

Everything it needs is handed in, so that a test can run it on a schema of its own, and so that this file stays
the one place where the rooms are put together.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any

import strawberry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from api.auth import Authenticator, FindKey, Resolve, find_no_key
from api.clock import utc_now
from api.endpoint import GraphQLEndpoint
from api.graphiql import STATIC_PATH, GraphiQLPage, static_files
from api.operations import Operations
from api.response_headers import SafeHeaders
from api.settings import Settings
from api.socket import GraphQLSocket
from domain.access import Viewer
from persistence.outages import MAY_BE_OUTAGES, is_outage, told_briefly

logger = logging.getLogger(__name__)

Ready = Callable[[], Awaitable[str | None]]
"""None when requests can be served; otherwise what is missing, in words for the operator."""

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


def build_app(
    settings: Settings,
    *,
    schema: strawberry.Schema,
    resolve: Resolve,
    find_key: FindKey = find_no_key,
    context_for: Callable[[Viewer], object],
    ready: Ready,
    lifespan: Lifespan | None = None,
    clock: Callable[[], datetime] = utc_now,
    more_routes: Sequence[BaseRoute] = (),
) -> Starlette:
    """`resolve` finds the viewer a token names, `find_key` that of an API key; `context_for` makes what resolvers read,
    anew for each request."""
    page = GraphiQLPage(settings) if settings.serves_graphiql else None
    operations = Operations(schema, context_for=context_for, has_introspection=settings.serves_introspection)
    authenticator = Authenticator(settings, resolve, find_key=find_key)
    routes: list[BaseRoute] = [
        Route("/graphql", GraphQLEndpoint(operations, authenticator=authenticator, clock=clock, page=page)),
        WebSocketRoute("/graphql", GraphQLSocket(operations, authenticator=authenticator, clock=clock)),
        Route("/healthz", _is_alive, methods=["GET"]),
        Route("/readyz", _readiness(ready), methods=["GET"]),
        *more_routes,
    ]
    if page is not None:
        routes.append(Mount(STATIC_PATH, static_files()))
    outages: dict[Any, Any] = dict.fromkeys(MAY_BE_OUTAGES, _unavailable)
    return Starlette(routes=routes, middleware=[Middleware(SafeHeaders)], exception_handlers=outages, lifespan=lifespan)


async def _is_alive(_request: Request) -> Response:
    return JSONResponse({"status": "alive"})


async def _unavailable(request: Request, error: Exception) -> Response:
    """Of a page or a webhook while the database cannot be used; whoever called may come again."""
    if not is_outage(error):
        raise error
    logger.error("%s %s: %s", request.method, request.url.path.rpartition("/")[0], told_briefly(error))
    reason = "The database cannot be used right now."
    return JSONResponse({"status": "unavailable", "reason": reason}, 503, {"Retry-After": "5"})


def _readiness(ready: Ready) -> Callable[[Request], Awaitable[Response]]:
    async def readiness(_request: Request) -> Response:
        missing = await ready()
        if missing is None:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "not ready", "reason": missing}, 503)

    return readiness
