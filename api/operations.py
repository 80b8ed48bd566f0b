"""From a request to its answer, whichever way it came: what HTTP, event streams and sockets share.

Find the operation, run it, say what went wrong. A subscription is a source of events, and each event is an
execution of its own, for the viewer as he is by then.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from contextlib import aclosing, nullcontext
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any, cast

import orjson
import strawberry
from graphql import ExecutionResult, OperationDefinitionNode, OperationType, create_source_event_stream, execute
from graphql.error import located_error
from strawberry.execution import optimized_is_awaitable

from api.documents import Document, Documents
from api.error_answers import Incident, answer_errors
from api.refusals import MAX_ERRORS, Code, Refused, refusal
from api.requests import MAX_BODY_BYTES, GraphQLRequest
from domain.access import Viewer

EVENTS_AT_ONCE = 2
"""Hundreds who are told of the same moment must not keep the connections from who pays in it."""


@dataclass(frozen=True, slots=True)
class Operation:
    """Valid against the schema; its variables are not looked at yet."""

    document: Document
    node: OperationDefinitionNode
    variables: dict[str, Any]

    @property
    def kind(self) -> OperationType:
        return self.node.operation

    @property
    def is_subscription(self) -> bool:
        return self.kind is OperationType.SUBSCRIPTION

    @property
    def name(self) -> str | None:
        return self.node.name.value if self.node.name else None


class Operations:
    """The operations of one schema. `context_for` makes what resolvers read, anew for each execution."""

    def __init__(
        self,
        schema: strawberry.Schema,
        *,
        context_for: Callable[[Viewer], object],
        has_introspection: bool = True,
    ) -> None:
        if schema.get_extensions():
            raise ValueError("No Strawberry extensions are run here; do it in the edge or in a resolver.")
        self._schema = schema._schema  # the graphql-core schema has no public name
        self._documents = Documents(schema, has_introspection=has_introspection)
        self._context_for = context_for
        self._options: dict[str, Any] = {
            "is_awaitable": cast(Any, optimized_is_awaitable),
            "max_coercion_errors": MAX_ERRORS,
            "hide_suggestions": True,
        }
        self._executor_class = schema.execution_context_class
        self._turn = asyncio.Semaphore(EVENTS_AT_ONCE)

    def find(self, asked: GraphQLRequest) -> Operation:
        """What is asked for. Raises Refused with what is wrong with the document."""
        document = self._documents.find(asked.query)
        node = document.select(asked.operation_name)
        # The limit was stretched on the suspicion that the operation is a batch; now it is known.
        if asked.body_bytes > MAX_BODY_BYTES and not document.is_batch(node):
            raise refusal(413, f"The body is larger than {MAX_BODY_BYTES} bytes.")
        return Operation(document, node, asked.variables)

    async def run(self, operation: Operation, viewer: Viewer, incident: Incident) -> bytes:
        """The answer to a query or mutation, as JSON. Raises Refused when nothing was run: the variables are wrong."""
        return _answer(await self._execute(operation, viewer), incident)

    async def subscribe(self, operation: Operation, viewer: Callable[[], Viewer]) -> AsyncGenerator[bytes, None]:
        """The answers of a subscription, as JSON; `viewer` says who he is by then. Raises Refused as `run` does.

        An error of the source itself is the last answer. Whoever does not read to the end must call `aclose`.
        """
        executor = self._executor_class.build(
            self._schema,
            operation.document.tree,
            context_value=self._context_for(viewer()),
            raw_variable_values=operation.variables,
            operation_name=operation.name,
            **self._options,
        )
        if isinstance(executor, list):
            raise Refused(400, answer_errors(executor, Incident(operation.name)), is_well_formed=True)
        found = create_source_event_stream(executor)
        source = await found if isawaitable(found) else found
        if isinstance(source, ExecutionResult):
            return _last_words(_answer(source, Incident(operation.name)))
        return self._answers(operation, source, viewer)

    async def _answers(
        self, operation: Operation, source: AsyncIterable[Any], viewer: Callable[[], Viewer]
    ) -> AsyncGenerator[bytes, None]:
        async with aclosing(source) if isinstance(source, AsyncGenerator) else nullcontext():
            try:
                async for event in source:
                    async with self._turn:
                        result = await self._execute(operation, viewer(), event)
                    yield _answer(result, Incident(operation.name))
            except Refused as refused:
                yield orjson.dumps({"errors": refused.errors})
            except Exception as error:
                located = located_error(error, None, [operation.document.root_key(operation.node)])
                yield _answer(ExecutionResult(None, [located]), Incident(operation.name))

    async def _execute(self, operation: Operation, viewer: Viewer, event: object = None) -> ExecutionResult:
        result: ExecutionResult | Awaitable[ExecutionResult] = execute(
            self._schema,
            operation.document.tree,
            root_value=event,
            context_value=self._context_for(viewer),
            variable_values=operation.variables,
            operation_name=operation.name,
            executor_class=self._executor_class,
            **self._options,
        )
        return await result if isawaitable(result) else result


async def _last_words(answer: bytes) -> AsyncGenerator[bytes, None]:
    yield answer


def _answer(result: ExecutionResult, incident: Incident) -> bytes:
    errors = answer_errors(result.errors or (), incident)
    if result.errors and all(error.path is None for error in result.errors):
        raise Refused(400, errors, is_well_formed=True)  # nothing was run
    body: dict[str, Any] = {"errors": errors, "data": result.data} if errors else {"data": result.data}
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError as error:  # JSON is written here to 254 levels
        if "Recursion" not in str(error):
            raise
        raise refusal(400, "The answer would be nested too deeply.", Code.QUERY_TOO_COMPLEX) from None
