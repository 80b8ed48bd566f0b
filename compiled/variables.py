"""The variables of an operation and the arguments of its fields, without reading the document again.

Both answer None, or raise, for what graphql-core has to look at: it words the errors.
"""

from collections.abc import Callable
from typing import Any

from graphql import (
    FieldNode,
    GraphQLDefaultInput,
    GraphQLError,
    GraphQLField,
    GraphQLSchema,
    OperationDefinitionNode,
    Undefined,
    VariableNode,
    is_enum_type,
    is_non_null_type,
    is_required_argument,
    is_scalar_type,
    is_specified_scalar_type,
)
from graphql.execution.get_variable_signature import get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource
from graphql.utilities import coerce_input_literal
from graphql.utilities.coerce_input_value import coerce_default_value

from compiled.inputs import Coercers

Coerced = dict[str, Any]
Arguments = Callable[[VariableValues], dict[str, Any] | None]


class Variables:
    def __init__(self, schema: GraphQLSchema, operation: OperationDefinitionNode, coercers: Coercers) -> None:
        self._known: list[tuple[str, Any, Any, Any]] | None = []
        for node in operation.variable_definitions or ():
            signature = get_variable_signature(schema, node)
            coerce = None if isinstance(signature, GraphQLError) else coercers.of(signature.type)
            if coerce is None or isinstance(signature, GraphQLError):
                self._known = None
                return
            self._known.append((signature.name, signature, VariableValueSource(signature), coerce))

    def coerced(self, given: dict[str, Any]) -> VariableValues | None:
        """As `get_variable_values` has them; None for all that is not beyond doubt."""
        if self._known is None or given.__class__ is not dict:
            return None
        sources: dict[str, VariableValueSource] = {}
        coerced: Coerced = {}
        try:
            for name, signature, lacking, coerce in self._known:
                value = given.get(name, Undefined)
                if value is not Undefined:
                    sources[name] = VariableValueSource(signature, value)
                    coerced[name] = coerce(value)
                    continue
                sources[name] = lacking
                if signature.default is not None:  # its own each time: a resolver could write into it
                    default = GraphQLDefaultInput(literal=signature.default.literal)
                    coerced[name] = coerce_default_value(signature._replace(default=default))
                elif is_non_null_type(signature.type):
                    return None
        except Exception:  # graphql-core says what is wrong
            return None
        return VariableValues(sources, coerced)


def argument_reader(definition: GraphQLField, node: FieldNode) -> Arguments | None:
    """What `get_argument_values` gives for the field; None where it has to be asked.

    The reader answers None for variables that graphql-core has to look at."""
    given = {one.name.value: one.value for one in node.arguments or ()}
    constant: Coerced = {}
    steps: list[tuple[str, Any, Any, Any]] = []
    for name, argument in definition.args.items():
        out, value = argument.out_name or name, given.get(name)
        if value is None and is_required_argument(argument):
            return None
        try:
            fixed = Undefined if is_required_argument(argument) else coerce_default_value(argument)
        except TypeError:
            return None
        if value is not None and not isinstance(value, VariableNode) and _is_simple(argument.type):
            fixed = coerce_input_literal(value, argument.type)
            if fixed is Undefined:
                return None
            value = None
        if value is None and fixed is not Undefined:
            constant[out] = fixed
        if value is not None or fixed is not Undefined:
            steps.append((out, value, argument, fixed))
    if all(value is None for _, value, _, _ in steps):
        return lambda _: constant.copy()
    return lambda values: _read(steps, values)


def _read(steps: list[tuple[str, Any, Any, Any]], values: VariableValues) -> Coerced | None:
    found: Coerced = {}
    for out, value, argument, fixed in steps:
        if value is None:
            found[out] = fixed
        elif not isinstance(value, VariableNode):  # its own each time: a resolver could write into it
            found[out] = read = coerce_input_literal(value, argument.type, values)
            if read is Undefined:
                return None
        elif (name := value.name.value) in values.coerced:
            found[out] = read = values.coerced[name]
            if read is None and is_non_null_type(argument.type):
                return None
        elif fixed is not Undefined:
            found[out] = fixed
        elif is_required_argument(argument):
            return None
    return found


def _is_simple(kind: Any) -> bool:
    """Of which the same text means the same thing, always, and nobody can write into it."""
    inner = kind.of_type if is_non_null_type(kind) else kind
    return is_enum_type(inner) or (is_scalar_type(inner) and is_specified_scalar_type(inner))
