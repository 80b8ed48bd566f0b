"""The executor: graphql-core's, with a plan beside it. Whatever graphql-core comes to again goes on compiled."""

from collections import OrderedDict
from typing import Any, cast

from graphql import GraphQLObjectType
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetailsList, GroupedFieldSet
from graphql.pyutils import Path
from graphql.pyutils import is_awaitable as default_is_awaitable
from strawberry.execution import optimized_is_awaitable

from compiled.plan import Plan, Prepared
from compiled.rows import WritesRows

MAX_OPERATIONS = 512
"""Kept for those who pass no `prepared`."""


class _Seen:
    """Operations by their node. A plan is only made for one that comes again: most servers parse anew each time."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, tuple[Any, Prepared | None]] = OrderedDict()

    def prepared(self, operation: Any) -> Prepared | None:
        kept = self._kept.get(id(operation))
        if kept is None or kept[0] is not operation:
            self._kept[id(operation)] = (operation, None)
            if len(self._kept) > MAX_OPERATIONS:
                self._kept.popitem(last=False)
            return None
        self._kept.move_to_end(id(operation))
        made = kept[1]
        if made is None:
            made = Prepared(operation)
            self._kept[id(operation)] = (operation, made)
        return made


def compiled_executor(base: type[Executor[Any]]) -> type[Executor[Any]]:
    """A subclass of a schema's `execution_context_class`, to be given to the schema or to `execute`.

    Takes `prepared=Prepared(operation)` beside what `execute` takes; without it, keeps a bounded number itself.
    """
    seen = _Seen()

    class Compiled(WritesRows, base):  # type: ignore[misc,valid-type]
        def __init__(self, *args: Any, prepared: Prepared | None = None, **options: Any) -> None:
            super().__init__(*args, **options)
            self.plan: Plan | None = None
            if self.is_awaitable in (default_is_awaitable, optimized_is_awaitable):
                prepared = prepared or seen.prepared(self.operation)
                self.plan = prepared.plan(cast(Any, self)) if prepared else None

        def execute_collected_root_fields(
            self, root_type: GraphQLObjectType, root_value: Any, grouped: GroupedFieldSet, serially: bool, defers: Any
        ) -> Any:
            plan = self.plan
            if plan is None:
                return super().execute_collected_root_fields(root_type, root_value, grouped, serially, defers)
            if serially or plan.root is None:
                return self.execute_root_grouped_field_set(root_type, root_value, plan.root_fields, serially, None)
            return plan.root(self, root_value, None)

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

    return Compiled
