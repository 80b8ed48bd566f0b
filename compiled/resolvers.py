"""How Strawberry's fields are resolved, where it can be said shorter than by calling its wrappers."""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import iscoroutinefunction
from keyword import iskeyword
from typing import Any

from graphql import GraphQLField, GraphQLSchema
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import StrawberryResolver
from strawberry.types.info import Info

from compiled.conversions import Conversion, Conversions, Unfit

BACK_REFERENCE = "strawberry-definition"
_MADE_BY = "GraphQLCoreConverter.from_resolver.<locals>."
_WRAPPERS_OWN = frozenset({"_source", "info", "self", "next_"})
"""Names of arguments that Strawberry's wrappers take for theirs."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """A plain attribute of the object."""

    name: str


@dataclass(frozen=True, slots=True)
class Direct:
    """A function of the object alone, or of nothing."""

    function: Callable[..., Any]
    takes_source: bool


@dataclass(frozen=True, slots=True)
class Called:
    """A function that is called as graphql-core calls a resolver; without an info when it takes none."""

    resolve: Callable[..., Any]
    takes_info: bool


Shortcut = Attribute | Direct | Called


def shortcut(schema: GraphQLSchema, definition: GraphQLField, conversions: Conversions | None) -> Shortcut | None:
    """None where the field has to be called as it is."""
    field = definition.extensions.get(BACK_REFERENCE)
    made = getattr(definition.resolve, "__qualname__", "")
    if not isinstance(field, StrawberryField) or not made.startswith(_MADE_BY) or field.extensions:
        return None
    if type(field).get_result is not StrawberryField.get_result:
        return None
    if made.endswith("._get_basic_result"):
        return _attribute(field)
    if not made.endswith("resolver") or conversions is None or conversions.handles_exceptions:
        return None
    base = field.base_resolver
    if type(base) is not StrawberryResolver or not callable(base.wrapped_func):
        return None
    if field.is_async != iscoroutinefunction(base.wrapped_func):
        return None
    if definition.args or field.arguments or base.info_parameter or base.parent_parameter:
        return _called(field, base, conversions)
    return _direct(base)


def _attribute(field: StrawberryField) -> Attribute | None:
    name = field.python_name
    if field.default_resolver is not getattr or not name.isidentifier() or iskeyword(name):
        return None
    return Attribute(name)


def _direct(base: StrawberryResolver[Any]) -> Direct | None:
    function: Callable[..., Any] = base.wrapped_func  # type: ignore[assignment]
    if base.self_parameter:
        return None if base.root_parameter else Direct(function, takes_source=True)
    if base.root_parameter is None:
        return Direct(function, takes_source=False)
    name = base.root_parameter.name
    return Direct(lambda source: function(**{name: source}), takes_source=True)


def _called(field: StrawberryField, base: StrawberryResolver[Any], conversions: Conversions) -> Called | None:
    """As `GraphQLCoreConverter.from_resolver` and its `get_arguments` call it."""
    if base.info_parameter and conversions.info_class is not Info:
        return None
    read: list[tuple[str, str, Conversion | None]] = []
    for argument in field.arguments:
        name = conversions.argument_name(argument)
        if {name, argument.python_name} & _WRAPPERS_OWN:
            return None
        try:
            read.append((name, argument.python_name, conversions.of(argument.type)))
        except Unfit:
            return None
    sources = [one.name for one in (base.parent_parameter, base.root_parameter) if one]
    informed = base.info_parameter.name if base.info_parameter else None
    function: Callable[..., Any] = base.wrapped_func  # type: ignore[assignment]
    takes_self = base.self_parameter is not None

    def resolve(_source: Any, _raw: Any, /, **values: Any) -> Any:
        given: dict[str, Any] = {}
        for name, python_name, convert in read:
            if name in values:
                value = values[name]
                given[python_name] = value if convert is None else convert(value)
        for name in sources:
            given[name] = _source
        if informed is not None:
            given[informed] = Info(_raw_info=_raw, _field=field)
        return function(_source, **given) if takes_self else function(**given)

    return Called(resolve, takes_info=informed is not None)
