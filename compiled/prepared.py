"""An operation that is kept, with all that is made for it."""

from collections import OrderedDict
from typing import Any

from graphql import (
    DocumentNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
)
from graphql.execution import Executor

from compiled.known import known_of
from compiled.plan import Plan
from compiled.variables import Variables

MAX_PLANS = 16
"""Of one operation: sets of values of the variables that skip and include."""


class Prepared:
    """An operation and its plans: keep it as long as the document. None of its plans knows who asks."""

    def __init__(self, operation: OperationDefinitionNode) -> None:
        self.operation = operation
        self._flags: tuple[str, ...] | None = None
        self._unfit = False
        self._plans: OrderedDict[tuple[Any, ...], Plan] = OrderedDict()
        self._found: tuple[Any, ...] | None = None
        """The schema, the document and the name the operation was found by."""
        self._variables: Variables | None = None
        self.fragment_definitions: dict[str, Any] = {}
        self.fragments: dict[str, Any] = {}

    def note(self, run: Executor[Any], document: DocumentNode, name: str | None) -> None:
        """What graphql-core made of the document."""
        if self._found is None and run.operation is self.operation:
            self._found = run.schema, document, name
            self.fragment_definitions, self.fragments = run.fragment_definitions, run.fragments
            self._variables = Variables(run.schema, self.operation, known_of(run.schema).coercers)

    def variables(self, schema: GraphQLSchema, document: DocumentNode, name: str | None, given: Any) -> Any:
        """The coerced values; None where graphql-core has to read the document, or say what is wrong."""
        if self._found is None or self._variables is None:
            return None
        known_schema, known_document, known_name = self._found
        if known_schema is not schema or known_document is not document or known_name != name:
            return None
        return self._variables.coerced(given or {})

    def plan(self, run: Executor[Any]) -> Plan | None:
        """None for what is left to graphql-core: incremental delivery, fragments with variables, middleware, aborts."""
        if run.middleware_manager is not None or run.abort_signal is not None or run.operation is not self.operation:
            return None
        if self._flags is None:
            self._look(run)
        if self._unfit or self._flags is None:
            return None
        coerced = run.variable_values.coerced
        key = tuple(coerced.get(name) for name in self._flags)
        found = self._plans.get(key)
        if found is None:
            try:
                found = self._plans[key] = Plan(run, frozenset(self._flags))
            except (GraphQLError, RecursionError):  # of who asks; graphql-core says it where it belongs
                return None
            if len(self._plans) > MAX_PLANS:
                self._plans.popitem(last=False)
        else:
            self._plans.move_to_end(key)
        return found

    def _look(self, run: Executor[Any]) -> None:
        flags: set[str] = set()
        waiting: list[SelectionSetNode] = [self.operation.selection_set]
        waiting += [fragment.definition.selection_set for fragment in run.fragments.values()]
        self._unfit = any(fragment.variable_signatures for fragment in run.fragments.values())
        while waiting:
            for selection in waiting.pop().selections:
                for directive in selection.directives or ():
                    self._unfit |= directive.name.value in {"defer", "stream"}
                    if directive.name.value in {"skip", "include"}:
                        values = [argument.value for argument in directive.arguments or ()]
                        flags.update(value.name.value for value in values if isinstance(value, VariableNode))
                inner = None if isinstance(selection, FragmentSpreadNode) else selection.selection_set  # type: ignore[attr-defined]
                if inner is not None:
                    waiting.append(inner)
        self._flags = tuple(sorted(flags))
