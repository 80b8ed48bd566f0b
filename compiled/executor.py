"""The executor: graphql-core's, with a plan beside it. Whatever graphql-core comes to again goes on compiled."""

from collections import OrderedDict
from typing import Any, cast

from graphql import DocumentNode, GraphQLError, GraphQLObjectType, GraphQLSchema, OperationType
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetailsList, GroupedFieldSet
from graphql.execution.executor import default_field_resolver, default_type_resolver
from graphql.pyutils import Path
from graphql.pyutils import is_awaitable as default_is_awaitable
from strawberry.execution import optimized_is_awaitable

from compiled.plan import Plan
from compiled.prepared import Prepared
from compiled.rows import WritesRows
from compiled.stock import broke, call, odd

MAX_OPERATIONS = 512
"""Kept for those who pass no `prepared`."""
_USUAL = (default_is_awaitable, optimized_is_awaitable)


class _Seen:
    """Operations by their document. A plan is only made for one that comes again: most servers parse anew each time."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, str | None], tuple[DocumentNode, Prepared | None]] = OrderedDict()

    def find(self, document: DocumentNode, name: str | None) -> Prepared | None:
        kept = self._kept.get((id(document), name))
        return kept[1] if kept and kept[0] is document else None

    def note(self, document: DocumentNode, name: str | None, run: Executor[Any]) -> Prepared | None:
        key = id(document), name
        kept = self._kept.pop(key, None)
        again = kept is not None and kept[0] is document
        made = Prepared(run.operation) if again else None
        self._kept[key] = document, made
        if len(self._kept) > MAX_OPERATIONS:
            self._kept.popitem(last=False)
        return made


class _Compiled(WritesRows, Executor[Any]):
    """In front of the class that a schema would use by itself."""

    plan: Plan | None = None
    seen: _Seen
    """Of the class, for those who pass no `prepared`."""

    @classmethod
    def build(
        cls,
        schema: GraphQLSchema,
        document: DocumentNode,
        root_value: Any = None,
        context_value: Any = None,
        raw_variable_values: dict[str, Any] | None = None,
        operation_name: str | None = None,
        *further: Any,
        prepared: Prepared | None = None,
        **options: Any,
    ) -> Any:
        given = schema, document, root_value, context_value, raw_variable_values, operation_name
        kept = prepared or cls.seen.find(document, operation_name)
        built: Any = kept and _ready(cls, kept, given, further, options)
        if not built:
            built = super().build(*given, *further, **options)
            if isinstance(built, list):
                return built
            kept = kept or cls.seen.note(document, operation_name, built)
            if kept:
                kept.note(built, document, operation_name)
        if kept and built.is_awaitable in _USUAL:
            built.plan = kept.plan(cast(Any, built))
        return built

    def execute_operation(self, serially: bool | None = None) -> Any:
        """Without collecting the fields of the root, which the plan has."""
        plan = self.plan
        root = plan.root if plan is not None and self.operation.operation is OperationType.QUERY else None
        if root is None or serially:
            return super().execute_operation(serially)
        try:
            data = root(self, self.root_value, None)
        except GraphQLError as error:
            self.collected_errors.add(error, None)
            return self.build_response(None)
        return self._awaited(data) if self.is_awaitable(data) else self.build_response(data)

    async def _awaited(self, data: Any) -> Any:
        try:
            found = await data
        except GraphQLError as error:
            self.collected_errors.add(error, None)
            found = None
        except Exception:
            self.run_async_work_finished_hook()
            raise
        return self.build_response(found)

    def execute_collected_root_fields(
        self, root_type: GraphQLObjectType, root_value: Any, grouped: GroupedFieldSet, serially: bool, defers: Any
    ) -> Any:
        plan = self.plan
        if plan is None:
            return super().execute_collected_root_fields(root_type, root_value, grouped, serially, defers)
        if serially or plan.root is None:
            return self.execute_root_grouped_field_set(root_type, root_value, plan.root_fields, serially, None)
        return plan.root(self, root_value, None)

    def execute_field(
        self, parent_type: GraphQLObjectType, source: Any, details: FieldDetailsList, path: Path, context: Any
    ) -> Any:
        """Those of a mutation, one after the other."""
        plan = self.plan
        field = plan.field_at(parent_type, details) if plan is not None and path.prev is None else None
        if field is None:
            return super().execute_field(parent_type, source, details, path, context)
        try:
            value = call(self, field, source, None)
        except Exception as error:
            return broke(self, field, error, None)
        return odd(self, field, value, None, [])

    def collect_and_execute_subfields(
        self, return_type: GraphQLObjectType, details: FieldDetailsList, path: Path, result: Any, context: Any
    ) -> Any:
        plan = self.plan
        completes = plan.object_at(return_type, details) if plan is not None else None
        if completes is None:
            return super().collect_and_execute_subfields(return_type, details, path, result, context)
        return completes(self, result, path)

    def complete_iterable_value(
        self, item_type: Any, details: FieldDetailsList, info: Any, path: Path, items: Any, context: Any
    ) -> Any:
        plan = self.plan
        known = plan is not None and (items.__class__ is list or items.__class__ is tuple)
        completes = plan.list_at(item_type, details) if known and plan is not None else None
        if completes is None:
            return super().complete_iterable_value(item_type, details, info, path, items, context)
        return completes(self, items, path)


def compiled_executor(base: type[Executor[Any]]) -> type[Executor[Any]]:
    """A subclass of a schema's `execution_context_class`, to be given to the schema or to `execute`.

    Takes `prepared=Prepared(operation)` beside what `execute` takes; without it, keeps a bounded number itself.
    """
    return type("Compiled", (_Compiled, base), {"seen": _Seen()})


_IN_ORDER = (
    "field_resolver",
    "type_resolver",
    "subscribe_field_resolver",
    "max_coercion_errors",
    "enable_early_execution",
    "middleware",
    "is_awaitable",
    "is_async_iterable",
)
"""What `build` takes further, for those who pass it by its place."""
_UNUSUAL = frozenset(_IN_ORDER[:3]) | {"enable_early_execution", "middleware", "abort_signal"}


def _ready(
    cls: type[Executor[Any]], kept: Prepared, given: tuple[Any, ...], further: tuple[Any, ...], options: dict[str, Any]
) -> Executor[Any] | None:
    """Built from what is kept; None where graphql-core has to read the document or look at the variables."""
    schema, document, root_value, context_value, raw, name = given
    options = options | dict(zip(_IN_ORDER, further, strict=False))
    if any(options.pop(one, None) for one in _UNUSUAL):
        return None
    values = kept.variables(schema, document, name, raw)
    if values is None:
        return None
    options.pop("max_coercion_errors", None)
    return cls(
        schema,
        kept.fragment_definitions,
        kept.fragments,
        root_value,
        context_value,
        kept.operation,
        values,
        default_field_resolver,
        default_type_resolver,
        default_field_resolver,
        **options,
    )
