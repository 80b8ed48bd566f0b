"""From a request to its answer, whichever way it came: what HTTP, event streams and sockets share.

Find the operation, run it, say what went wrong. A subscription is a source of events, and each event is an
execution of its own, for the viewer as he is by then.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from contextlib import aclosing, nullcontext
from dataclasses import dataclass
from http import HTTPStatus
from inspect import isawaitable
from typing import Any, cast

import orjson
import strawberry
from graphql import ExecutionResult, OperationDefinitionNode, OperationType, create_source_event_stream, execute
from graphql.error import located_error
from strawberry.execution import optimized_is_awaitable

from api.document import Document
from api.documents import Documents
from api.error_answers import Incident, answer_errors
from api.limits import Limits
from api.list_sizes import refuse_long_lists
from api.refusals import Code, Refused, refusal
from api.requests import GraphQLRequest, read_body
from api.throttle import Run, Throttle
from api.watch import seen
from compiled import compiled_executor
from domain.access import Viewer
from persistence.giving_way import giving_way

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
        documents: Documents,
        limits: Limits,
        context_for: Callable[[Viewer], object],
        is_compiled: bool = True,
    ) -> None:
        if schema.get_extensions():
            raise ValueError("No Strawberry extensions are run here; do it in the edge or in a resolver.")
        self._schema = schema._schema  # the graphql-core schema has no public name
        self._documents = documents
        self._limits = limits
        self._context_for = context_for
        self._options: dict[str, Any] = {
            "is_awaitable": cast(Any, optimized_is_awaitable),
            "max_coercion_errors": limits.max_errors,
            "hide_suggestions": True,
        }
        self._executor_class = schema.execution_context_class
        self._compiled_class = compiled_executor(self._executor_class) if is_compiled else None
        self.throttle = Throttle(schema, limits)
        self._turn = asyncio.Semaphore(EVENTS_AT_ONCE)

    def find(self, asked: GraphQLRequest, viewer: Viewer) -> Operation:
        """What is asked for. Raises Refused with what is wrong with the document, or too large in the request."""
        document, node = self._documents.find(asked, viewer)
        # The limit was stretched on the suspicion that the operation is a batch; now it is known.
        if asked.body_bytes > self._limits.max_body_bytes and not document.is_batch(node):
            raise refusal(413, f"The body is larger than {self._limits.max_body_bytes} bytes.")
        refuse_long_lists(asked.variables, document.longest_list(node, self._limits))
        return Operation(document, node, asked.variables)

    def refuse_again(self, body: bytes, viewer: Viewer) -> Refused | None:
        """Of a POST whose caller was put off a moment ago: how he is put off again, if he is. None: it has to be seen.

        Nothing is read here that was not read before, and nothing is taken."""
        try:
            asked = read_body(body)
            if not self._documents.has_kept(asked):
                return None
            operation = self.find(asked, viewer)
            if not operation.is_subscription:
                self.throttle.refuse_now(operation.document, operation.node, operation.variables, viewer)
        except Refused as refused:
            return refused if refused.status == HTTPStatus.TOO_MANY_REQUESTS else None
        return None

    async def run(
        self,
        operation: Operation,
        viewer: Viewer,
        incident: Incident,
        *,
        admit: Callable[[], Awaitable[Viewer]] | None = None,
    ) -> bytes:
        """The answer to a query or mutation, as JSON. Raises Refused when nothing was run: the variables are wrong, or
        the caller has to wait; and when a query took too long.

        `admit`: the viewer is known from before, and looked up anew once it is his turn. Raises what that raises."""
        run = self._begin(operation, viewer)
        async with self.throttle.turn(run):
            if admit is not None:
                viewer = await self._admitted(admit, run)
            result = await self._execute(operation, viewer, run)
        return self._answer(result, incident, run)

    async def subscribe(self, operation: Operation, viewer: Callable[[], Viewer]) -> AsyncGenerator[bytes, None]:
        """The answers of a subscription, as JSON; `viewer` says who he is by then. Raises Refused as `run` does.

        An error of the source itself is the last answer. Whoever does not read to the end must call `aclose`.
        """
        run = self._begin(operation, viewer())
        run.keep()
        executor = self._executor_class.build(
            self._schema,
            operation.document.tree,
            context_value=self._context_for(viewer()),
            raw_variable_values=operation.variables,
            operation_name=operation.name,
            **self._options,
        )
        if isinstance(executor, list):
            raise Refused(
                400, answer_errors(executor, Incident(operation.name), self._limits.max_errors), is_well_formed=True
            )
        found = create_source_event_stream(executor)
        source = await found if isawaitable(found) else found
        if isinstance(source, ExecutionResult):
            return _last_words(self._answer(source, Incident(operation.name), run))
        return self._answers(operation, source, viewer, run)

    async def _answers(
        self, operation: Operation, source: AsyncIterable[Any], viewer: Callable[[], Viewer], run: Run
    ) -> AsyncGenerator[bytes, None]:
        async with aclosing(source) if isinstance(source, AsyncGenerator) else nullcontext():
            try:
                async for event in source:
                    async with self._turn:
                        result = await self._execute(operation, viewer(), run, event)
                    answer = self._answer(result, Incident(operation.name), run)
                    seen().note_event()
                    yield answer
            except Refused as refused:
                seen().note_refusal(refused)
                yield orjson.dumps({"errors": refused.errors})
            except Exception as error:
                located = located_error(error, None, [operation.document.root_key(operation.node)])
                yield self._answer(ExecutionResult(None, [located]), Incident(operation.name), run)

    async def _admitted(self, admit: Callable[[], Awaitable[Viewer]], run: Run) -> Viewer:
        try:
            return await admit()
        except Refused:
            run.give_back()
            raise

    def _begin(self, operation: Operation, viewer: Viewer) -> Run:
        return self.throttle.begin(operation.document, operation.node, operation.variables, viewer)

    async def _execute(self, operation: Operation, viewer: Viewer, run: Run, event: object = None) -> ExecutionResult:
        """A mutation takes as long as it takes: it is not cut off between two of its steps."""
        if operation.kind is OperationType.MUTATION:
            return await self._executed(operation, viewer, event)
        try:
            async with asyncio.timeout(self._limits.operation_seconds):
                with giving_way(self.throttle.gate.give_way):
                    return await self._executed(operation, viewer, event)
        except TimeoutError:
            told = f"The operation took longer than {self._limits.operation_seconds:g} seconds: ask for less at once."
            raise run.refused(503, told, Code.TIMEOUT) from None

    async def _executed(self, operation: Operation, viewer: Viewer, event: object) -> ExecutionResult:
        executor_class, options = self._executor_class, self._options
        if self._compiled_class:
            executor_class = self._compiled_class
            options = options | {"prepared": operation.document.prepared(operation.node)}
        result: ExecutionResult | Awaitable[ExecutionResult] = execute(
            self._schema,
            operation.document.tree,
            root_value=event,
            context_value=self._context_for(viewer),
            variable_values=operation.variables,
            operation_name=operation.name,
            executor_class=executor_class,
            **options,
        )
        return await result if isawaitable(result) else result

    def _answer(self, result: ExecutionResult, incident: Incident, run: Run) -> bytes:
        errors = answer_errors(result.errors or (), incident, self._limits.max_errors)
        seen().note_answer(errors, has_data=result.data is not None)
        if result.errors and all(error.path is None for error in result.errors):
            run.give_back()
            raise Refused(400, errors, is_well_formed=True)  # nothing was run
        run.count(result.data)
        body: dict[str, Any] = {"errors": errors} if errors else {}
        body |= {"data": result.data, "extensions": run.extensions()}
        try:
            return orjson.dumps(body, option=orjson.OPT_UTC_Z)  # moments that a database told as such
        except orjson.JSONEncodeError as error:  # JSON is written here to 254 levels
            if "Recursion" not in str(error):
                raise
            raise refusal(400, "The answer would be nested too deeply.", Code.QUERY_TOO_COMPLEX) from None


async def _last_words(answer: bytes) -> AsyncGenerator[bytes, None]:
    yield answer
