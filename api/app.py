"""The web application: which address leads where, and what holds for every answer.

Everything it needs is handed in, so that a test can run it on a schema of its own, and so that this file stays
the one place where the rooms are put together.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
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
from api.documents import open_documents
from api.endpoint import GraphQLEndpoint
from api.graphiql import STATIC_PATH, GraphiQLPage, static_files
from api.handshake import GraphQLSocket
from api.line import STOPPING
from api.operations import Operations
from api.origins import Cors, Origins
from api.places import Places
from api.plain_answers import HANDLERS
from api.response_headers import SafeHeaders
from api.settings import Settings
from api.watch import Watch
from domain.access import Viewer

Ready = Callable[[], Awaitable[str | None]]
"""None when requests can be served; otherwise what is missing, in words for the operator."""

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[Mapping[str, Any]]]


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
    watch: Watch | None = None,
) -> Starlette:
    """`resolve` finds the viewer a token names, `find_key` that of an API key; `context_for` makes what resolvers read,
    anew for each request."""
    page = GraphiQLPage(settings) if settings.serves_graphiql else None
    documents = open_documents(settings, schema)
    operations = Operations(
        schema,
        documents=documents,
        limits=settings,
        context_for=context_for,
        is_compiled=settings.compiled_execution,
    )
    origins, places = Origins(settings), Places(settings)
    shared: dict[str, Any] = {
        "authenticator": Authenticator(settings, resolve, find_key=find_key),
        "clock": clock,
        "limits": settings,
        "watch": watch or Watch(),
        "places": places,
    }
    routes: list[BaseRoute] = [
        Route("/graphql", GraphQLEndpoint(operations, serves_get=settings.serves_get, page=page, **shared)),
        WebSocketRoute("/graphql", GraphQLSocket(operations, origins=origins, **shared)),
        Route("/healthz", _is_alive, methods=["GET"]),
        Route("/readyz", _readiness(ready), methods=["GET"]),
        *more_routes,
    ]
    if page is not None:
        routes.append(Mount(STATIC_PATH, static_files()))
    is_https = (settings.public_url or "").startswith("https:")
    middleware = [Middleware(SafeHeaders, is_https=is_https), Middleware(Cors, origins.allowed)]
    app = Starlette(routes=routes, middleware=middleware, exception_handlers=HANDLERS, lifespan=lifespan)
    app.router.redirect_slashes = False  # it would send a caller, and his token, wherever his Host header says
    return app


async def _is_alive(_request: Request) -> Response:
    return JSONResponse({"status": "alive"})


def _readiness(ready: Ready) -> Callable[[Request], Awaitable[Response]]:
    async def readiness(request: Request) -> Response:
        if request.scope.get("state", {}).get(STOPPING):
            return JSONResponse({"status": "stopping"}, 503)
        missing = await ready()
        if missing is None:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "not ready", "reason": missing}, 503)

    return readiness
