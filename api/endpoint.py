"""`/graphql` over HTTP: who asks, what for, may it run this way, and the answer in the form the caller reads.

Follows the GraphQL-over-HTTP draft, and graphql-sse for those who take an event stream. The steps of a request
stand in `_answer`, in order; each may refuse, and nothing of the body is read before the caller is known. A GET
changes nothing. It needs no further guard against pages of other sites: the Authorization header is one that no
browser sends for them without asking first, and there are no cookies.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from graphql import OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.admission import Admission, address_of
from api.auth import AuthenticationError, Authenticator, KeySetError
from api.error_answers import Incident
from api.event_stream import EventStream, single_answer
from api.limits import Limits
from api.line import line_of
from api.negotiation import EVENT_STREAM, GRAPHQL_RESPONSE, JSON, choose_media_type, prefers_html, wants_events
from api.operations import Operation, Operations
from api.places import Places
from api.refusals import Code, Refused, json_response, raw_response, refusal
from api.regulars import Regulars
from api.requests import read_get, read_post
from api.watch import Seen, Transport, Watch, client_of
from domain.access import Viewer

Page = Callable[[Request], Response]


class GraphQLEndpoint:
    """An ASGI application for one route. `page` is what a browser gets; None when there is no page."""

    def __init__(
        self,
        operations: Operations,
        *,
        authenticator: Authenticator,
        clock: Callable[[], datetime],
        limits: Limits,
        serves_get: bool = True,
        page: Page | None = None,
        watch: Watch,
        places: Places,
    ) -> None:
        self._places = places
        self._operations = operations
        self._authenticator = authenticator
        self._clock = clock
        self._limits = limits
        self._methods = ("GET", "POST") if serves_get else ("POST",)
        self._page = page
        self._watch = watch
        self._regulars = Regulars()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        accept = request.headers.get("accept")
        if request.method == "GET" and self._page is not None and prefers_html(accept):
            await self._page(request)(scope, receive, send)
            return
        with self._watch.operation(Transport.HTTP, client_of(request.headers), request.headers) as seen:
            response = await self._respond(request, choose_media_type(accept), seen)
            if isinstance(response, EventStream):  # it is answered for as long as the stream lasts
                await response(scope, receive, send)
                return
        await response(scope, receive, send)

    async def _respond(self, request: Request, media_type: str | None, seen: Seen) -> Response | EventStream:
        incident = Incident()
        takes_events = wants_events(request.headers.get("accept"), is_subscription=True)
        refused_in = media_type or (GRAPHQL_RESPONSE if takes_events else JSON)  # in the first the status speaks
        try:
            if request.method not in self._methods:
                allowed = ", ".join(self._methods)
                raise refusal(405, f"Use {allowed}.", headers={"Allow": allowed})
            if media_type is None and not takes_events:
                raise refusal(406, f"Accept {GRAPHQL_RESPONSE}, {JSON} or {EVENT_STREAM}.")
            return await self._answer(request, media_type, incident, seen)
        except Refused as refused:
            seen.note_refusal(refused)
            if refused.status == HTTPStatus.TOO_MANY_REQUESTS:
                again = _Again(self, request.headers.get("authorization"), refused_in)
                line_of(request.scope).put_off(request.scope, again)
            return refused.response(refused_in)
        except ClientDisconnect:
            seen.cut_off()
            return Response(status_code=400)  # nobody is there to read it
        except Exception as error:  # the last guard: a fault of ours never shows what it is
            told = incident.tell(error)
            seen.note_fault(told)
            status = 503 if told["extensions"]["code"] is Code.SERVICE_UNAVAILABLE else 500
            return json_response({"errors": [told]}, refused_in, status=status)

    async def _answer(
        self, request: Request, media_type: str | None, incident: Incident, seen: Seen
    ) -> Response | EventStream:
        authorization = request.headers.get("authorization")
        admission = Admission(self._authenticator, self._clock, authorization, address=address_of(request))

        async def admit() -> Viewer:
            try:
                seen.viewer = viewer = await _admitted(admission)
            except Refused:
                self._regulars.forget(authorization)
                raise
            self._regulars.note(authorization, viewer)
            return viewer

        known = self._regulars.find(authorization, self._clock())
        seen.viewer = viewer = known or await admit()
        asked = read_get(request) if request.method == "GET" else await read_post(request, viewer, self._limits)
        operation = self._operations.find(asked, viewer)
        incident.operation_name = operation.name
        seen.note_operation(operation.name, operation.kind.value)
        has_events = wants_events(request.headers.get("accept"), is_subscription=operation.is_subscription)
        _refuse_by_method(operation, request.method, has_events=has_events)
        if operation.is_subscription:
            seen.transport = Transport.EVENTS
            await admit()
            stream = await self._stream(operation, admission)
            seen.begin()
            return stream
        answer = await self._operations.run(operation, viewer, incident, admit=admit if known else None)
        if has_events or media_type is None:
            return single_answer(answer)
        return raw_response(answer, media_type)

    async def _stream(self, operation: Operation, admission: Admission) -> EventStream:
        place = self._places.of_caller(admission.viewer)
        try:
            answers = await self._operations.subscribe(operation, lambda: admission.viewer)
        except BaseException:
            place.leave()
            raise
        return EventStream(answers, admission, place)


@dataclass(frozen=True, slots=True)
class _Again:
    """See `api.put_off`."""

    endpoint: GraphQLEndpoint
    authorization: str | None
    media_type: str

    def refuse(self, body: bytes) -> Response | None:
        endpoint = self.endpoint
        viewer = endpoint._regulars.find(self.authorization, endpoint._clock())
        refused = None if viewer is None else endpoint._operations.refuse_again(body, viewer)
        return None if refused is None else refused.response(self.media_type)

    def has_to_wait(self) -> bool:
        return self.endpoint._operations.throttle.gate.is_pressing


async def _admitted(admission: Admission) -> Viewer:
    try:
        return await admission.check()
    except AuthenticationError as error:
        raise refusal(401, str(error), Code.UNAUTHENTICATED, headers={"WWW-Authenticate": "Bearer"}) from None
    except KeySetError as error:
        raise refusal(503, str(error), Code.SERVICE_UNAVAILABLE, headers={"Retry-After": "60"}) from None


def _refuse_by_method(operation: Operation, method: str, *, has_events: bool) -> None:
    if operation.is_subscription and not has_events:
        raise refusal(
            400,
            f"A subscription has more than one answer: send it with `Accept: {EVENT_STREAM}`,"
            " or over a WebSocket to this address.",
        )
    if method == "GET" and operation.kind is OperationType.MUTATION:
        raise refusal(405, "Send mutations by POST.", headers={"Allow": "POST"})
