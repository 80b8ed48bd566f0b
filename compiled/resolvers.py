"""How Strawberry's fields are resolved, where it can be said shorter than by calling its wrappers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce
from inspect import iscoroutinefunction
from keyword import iskeyword
from typing import Any

from graphql import GraphQLField, GraphQLSchema
from strawberry.extensions.field_extension import build_field_extension_resolvers
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import StrawberryResolver
from strawberry.types.info import Info
from strawberry.utils.await_maybe import await_maybe

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
    if not isinstance(field, StrawberryField) or not made.startswith(_MADE_BY):
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
    if field.extensions:
        return _extended(field, base, conversions)
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
    read = _reader(field, conversions)
    if read is None:
        return None
    add = _adder(base)
    takes_info = base.info_parameter is not None
    function: Callable[..., Any] = base.wrapped_func  # type: ignore[assignment]
    takes_self = base.self_parameter is not None

    def resolve(_source: Any, _raw: Any, /, **values: Any) -> Any:
        given = read(values)
        add(given, _source, Info(_raw_info=_raw, _field=field) if takes_info else None)
        return function(_source, **given) if takes_self else function(**given)

    return Called(resolve, takes_info=takes_info)


def _extended(field: StrawberryField, base: StrawberryResolver[Any], conversions: Conversions) -> Called | None:
    """The same with the field's extensions, each around the next, as Strawberry puts them together."""
    read = _reader(field, conversions)
    if read is None:
        return None
    add, around = _adder(base), build_field_extension_resolvers(field)
    takes_self = base.self_parameter is not None

    def call(source: Any, info: Any, values: dict[str, Any]) -> Any:
        given = read(values)
        for extension in field.extensions:
            given = extension.map_arguments(given)
        add(given, source, info)
        wants_info = given.pop("info", None) is not None

        def innermost(_source: Any, info: Any, **given: Any) -> Any:
            if wants_info:
                given["info"] = info
            return field.get_result(_source, info, [source] if takes_self else [], given)

        return reduce(lambda within, one: partial(one, within), around, innermost)(source, info, **given)

    def resolve(_source: Any, _raw: Any, /, **values: Any) -> Any:
        return call(_source, Info(_raw_info=_raw, _field=field), values)

    async def resolve_async(_source: Any, _raw: Any, /, **values: Any) -> Any:
        return await await_maybe(call(_source, Info(_raw_info=_raw, _field=field), values))

    return Called(resolve_async if field.is_async else resolve, takes_info=True)


def _reader(field: StrawberryField, conversions: Conversions) -> Callable[[dict[str, Any]], dict[str, Any]] | None:
    """From the arguments as graphql-core has them to those of the function."""
    if conversions.info_class is not Info:
        return None
    known: list[tuple[str, str, Conversion | None]] = []
    for argument in field.arguments:
        name = conversions.argument_name(argument)
        if {name, argument.python_name} & _WRAPPERS_OWN:
            return None
        try:
            known.append((name, argument.python_name, conversions.of(argument.type)))
        except Unfit:
            return None

    def read(values: dict[str, Any]) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for name, python_name, convert in known:
            if name in values:
                value = values[name]
                given[python_name] = value if convert is None else convert(value)
        return given

    return read


def _adder(base: StrawberryResolver[Any]) -> Callable[[dict[str, Any], Any, Any], None]:
    """Of what a resolver asks for by its annotation or name."""
    sources = [one.name for one in (base.parent_parameter, base.root_parameter) if one]
    informed = base.info_parameter.name if base.info_parameter else None

    def add(given: dict[str, Any], source: Any, info: Any) -> None:
        for name in sources:
            given[name] = source
        if informed is not None:
            given[informed] = info

    return add
