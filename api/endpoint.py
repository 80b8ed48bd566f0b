"""`/graphql` over HTTP: who asks, what for, may it run this way, and the answer in the form the caller reads.

Follows the GraphQL-over-HTTP draft. The steps of a request stand in `_answer`, in order; each may refuse, and
nothing of the body is read before the caller is known. A GET runs queries only. It needs no further guard
against pages of other sites: the Authorization header is one that no browser sends for them without asking
first, and there are no cookies.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from inspect import isawaitable
from ipaddress import IPv6Address, ip_address
from typing import Any, cast

import orjson
import strawberry
from graphql import ExecutionResult, OperationDefinitionNode, OperationType, execute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from strawberry.execution import optimized_is_awaitable

from api.auth import AuthenticationError, Authenticator, KeySetError
from api.documents import Document, Documents
from api.error_answers import Incident, answer_errors
from api.negotiation import GRAPHQL_RESPONSE, JSON, choose_media_type, prefers_html
from api.refusals import MAX_ERRORS, Code, Refused, json_response, refusal
from api.requests import MAX_BODY_BYTES, GraphQLRequest, read_get, read_post
from domain.access import Viewer

METHODS = "GET, POST"

Page = Callable[[Request], Response]


class GraphQLEndpoint:
    """An ASGI application for one route. `page` is what a browser gets; None when there is no page."""

    def __init__(
        self,
        schema: strawberry.Schema,
        *,
        authenticator: Authenticator,
        context_for: Callable[[Viewer], object],
        clock: Callable[[], datetime],
        has_introspection: bool = True,
        page: Page | None = None,
    ) -> None:
        if schema.get_extensions():
            raise ValueError("This endpoint runs no Strawberry extensions; do it here or in a resolver.")
        self._schema = schema
        self._documents = Documents(schema, has_introspection=has_introspection)
        self._authenticator = authenticator
        self._context_for = context_for
        self._clock = clock
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        accept = request.headers.get("accept")
        if request.method == "GET" and self._page is not None and prefers_html(accept):
            response = self._page(request)
        else:
            response = await self._respond(request, choose_media_type(accept))
        await response(scope, receive, send)

    async def _respond(self, request: Request, media_type: str | None) -> Response:
        incident = Incident()
        try:
            if request.method not in {"GET", "POST"}:
                raise refusal(405, f"Use {METHODS}.", headers={"Allow": METHODS})
            if media_type is None:
                raise refusal(406, f"Accept {GRAPHQL_RESPONSE} or {JSON}.")
            return await self._answer(request, media_type, incident)
        except Refused as refused:
            return refused.response(media_type or JSON)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        except Exception as error:  # the last guard: a fault of ours never shows what it is
            told = incident.tell(error)
            status = 503 if told["extensions"]["code"] is Code.SERVICE_UNAVAILABLE else 500
            return json_response({"errors": [told]}, media_type or JSON, status=status)

    async def _answer(self, request: Request, media_type: str, incident: Incident) -> Response:
        viewer = await self._viewer(request)
        asked = read_get(request) if request.method == "GET" else await read_post(request)
        document = self._documents.find(asked.query)
        operation = document.select(asked.operation_name)
        _refuse_by_method(operation, request.method)
        _refuse_by_size(document, operation, asked)
        incident.operation_name = operation.name.value if operation.name else None
        result = await self._execute(document, operation, asked, self._context_for(viewer))
        return _response(result, media_type, incident)

    async def _viewer(self, request: Request) -> Viewer:
        try:
            viewer = await self._authenticator.viewer(request.headers.get("authorization"), now=self._clock())
            return replace(viewer, address=_address(request))
        except AuthenticationError as error:
            raise refusal(401, str(error), Code.UNAUTHENTICATED, headers={"WWW-Authenticate": "Bearer"}) from None
        except KeySetError as error:
            raise refusal(503, str(error), Code.SERVICE_UNAVAILABLE, headers={"Retry-After": "60"}) from None

    async def _execute(
        self, document: Document, operation: OperationDefinitionNode, asked: GraphQLRequest, context: object
    ) -> ExecutionResult:
        result: ExecutionResult | Awaitable[ExecutionResult] = execute(
            self._schema._schema,
            document.tree,
            context_value=context,
            variable_values=asked.variables,
            operation_name=operation.name.value if operation.name else None,
            executor_class=self._schema.execution_context_class,
            is_awaitable=cast(Any, optimized_is_awaitable),
            max_coercion_errors=MAX_ERRORS,
            hide_suggestions=True,
        )
        return await result if isawaitable(result) else result


def _address(request: Request) -> str | None:
    """Where the call comes from, in its shortest form. Behind a trusted proxy the server has put in what that says."""
    try:
        address = ip_address(request.client.host if request.client else "")
    except ValueError:  # a socket file, or a proxy that passes on what it was told
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def _refuse_by_method(operation: OperationDefinitionNode, method: str) -> None:
    if operation.operation is OperationType.SUBSCRIPTION:
        raise refusal(400, "Subscriptions are not served as a single answer.")
    if method == "GET" and operation.operation is not OperationType.QUERY:
        raise refusal(405, "Send mutations by POST.", headers={"Allow": "POST"})


def _refuse_by_size(document: Document, operation: OperationDefinitionNode, asked: GraphQLRequest) -> None:
    """The limit was stretched on the suspicion that the operation is a batch; now it is known."""
    if asked.body_bytes > MAX_BODY_BYTES and not document.is_batch(operation):
        raise refusal(413, f"The body is larger than {MAX_BODY_BYTES} bytes.")


def _response(result: ExecutionResult, media_type: str, incident: Incident) -> Response:
    errors = answer_errors(result.errors or (), incident)
    if result.errors and all(error.path is None for error in result.errors):
        raise Refused(400, errors, is_well_formed=True)  # nothing was run: the variables are wrong
    body: dict[str, Any] = {"errors": errors, "data": result.data} if errors else {"data": result.data}
    try:
        return json_response(body, media_type)
    except orjson.JSONEncodeError as error:
        if "Recursion" not in str(error):
            raise
        raise refusal(400, "The answer would be nested too deeply.", Code.QUERY_TOO_COMPLEX) from None
