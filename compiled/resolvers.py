"""How Strawberry's fields are resolved, where it can be said shorter than by calling its wrappers."""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import iscoroutinefunction
from keyword import iskeyword
from typing import Any

from graphql import GraphQLField, GraphQLSchema
from strawberry.types.field import StrawberryField

BACK_REFERENCE = "strawberry-definition"
_MADE_BY = "GraphQLCoreConverter.from_resolver.<locals>."


@dataclass(frozen=True, slots=True)
class Attribute:
    """A plain attribute of the object."""

    name: str


@dataclass(frozen=True, slots=True)
class Direct:
    """A function of the object alone, or of nothing."""

    function: Callable[..., Any]
    takes_source: bool


def shortcut(schema: GraphQLSchema, definition: GraphQLField) -> Attribute | Direct | None:
    """None where the field has to be called as it is, with an info."""
    field = definition.extensions.get(BACK_REFERENCE)
    made = getattr(definition.resolve, "__qualname__", "")
    if not isinstance(field, StrawberryField) or not made.startswith(_MADE_BY) or field.extensions:
        return None
    if type(field).get_result is not StrawberryField.get_result:
        return None
    if made.endswith("._get_basic_result"):
        return _attribute(field)
    if definition.args or field.arguments or getattr(schema, "_strawberry_schema").exception_handlers:  # noqa: B009
        return None
    return _direct(field)


def _attribute(field: StrawberryField) -> Attribute | None:
    name = field.python_name
    if field.default_resolver is not getattr or not name.isidentifier() or iskeyword(name):
        return None
    return Attribute(name)


def _direct(field: StrawberryField) -> Direct | None:
    base = field.base_resolver
    if base is None or base.info_parameter or base.parent_parameter:
        return None
    function = base.wrapped_func
    if not callable(function) or field.is_async != iscoroutinefunction(function):
        return None
    if base.self_parameter:
        return None if base.root_parameter else Direct(function, takes_source=True)
    if base.root_parameter is None:
        return Direct(function, takes_source=False)
    name = base.root_parameter.name
    return Direct(lambda source: function(**{name: source}), takes_source=True)
