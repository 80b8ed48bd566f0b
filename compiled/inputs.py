"""From JSON to what graphql-core makes of it: one function for each input type, made when it is first needed.

A function answers only what is beyond doubt. Whatever is not raises, whichever way, and graphql-core says what is wrong
with it: nothing that is told to anybody is worded here.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLString,
    Undefined,
    is_enum_type,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
    is_required_input_field,
)
from graphql.utilities.coerce_input_value import coerce_default_value
from strawberry.schema.schema_converter import CustomGraphQLEnumType

from compiled.text import Text

Coercer = Callable[[Any], Any]

_AS_IT_IS = {
    GraphQLString: "{v}.__class__ is not str",
    GraphQLID: "{v}.__class__ is not str",
    GraphQLBoolean: "{v}.__class__ is not bool",
    GraphQLInt: "{v}.__class__ is not int or not -2147483648 <= {v} <= 2147483647",
    GraphQLFloat: "{v}.__class__ is not float or {v} * 0.0 != 0.0",
}
_SINGLE = frozenset({str, int, float, bool, dict})
"""What stands for a list of one."""
_JSON = _SINGLE | {list}
MAX_LISTS = 20
"""In lists, of a variable's type."""


class Odd(Exception):
    """Left to graphql-core."""


class Coercers:
    """Of one schema. Types that hold themselves are left to graphql-core, which knows how deep they may go."""

    def __init__(self) -> None:
        self._made: dict[str, Coercer | None] = {}
        self._objects: dict[str, Coercer | None] = {}

    def of(self, kind: Any) -> Coercer | None:
        """Takes JSON. None for types that are graphql-core's."""
        told = str(kind)  # a variable's type is made anew from each document
        if told not in self._made:
            self._made[told] = self._make(kind) if told.count("[") <= MAX_LISTS else None
        return self._made[told]

    def _make(self, kind: Any) -> Coercer | None:
        is_nullable = not is_non_null_type(kind)
        inner = kind if is_nullable else kind.of_type
        if is_input_object_type(inner) and not is_nullable:
            return self._object(inner)
        text = Text()
        text.write(0, "def made(v):")
        if is_nullable:
            text.write(1, "if v is None: return None")
        if not self._write(text, 1, inner, "v"):
            return None
        text.write(1, "return v")
        return text.function()

    def _write(self, text: Text, depth: int, kind: Any, v: str) -> bool:
        """Turns a value that is not null, unless it is odd. Whether that can be written."""
        text.names["Odd"] = Odd
        if is_list_type(kind):
            return self._write_list(text, depth, kind, v)
        if is_input_object_type(kind):
            made = self._object(kind)
            if made is None:
                return False
            text.write(depth, f"{v} = {text.name(made, 'M')}({v})")
            return True
        if is_enum_type(kind) and type(kind) in {GraphQLEnumType, CustomGraphQLEnumType}:
            text.write(depth, f"{v} = {text.name(_members(kind), 'E')}[{v}]")
            return True
        coerce = text.name(kind.coerce_input_value, "C")
        if kind in _AS_IT_IS:
            text.write(depth, f"if {_AS_IT_IS[kind].format(v=v)}: {v} = {coerce}({v})")
            return True
        json, undefined = text.name(_JSON, "J"), text.name(Undefined, "U")
        text.write(depth, f"if {v}.__class__ not in {json}: raise Odd", f"{v} = {coerce}({v})")
        text.write(depth, f"if {v} is {undefined}: raise Odd")
        return True

    def _write_list(self, text: Text, depth: int, kind: Any, v: str) -> bool:
        item = self.of(kind.of_type)
        if item is None:
            return False
        made, single = text.name(item, "I"), text.name(_SINGLE, "S")
        text.write(depth, f"if {v}.__class__ is list: {v} = [{made}(one) for one in {v}]")
        text.write(depth, f"elif {v}.__class__ in {single}: {v} = [{made}({v})]", "else: raise Odd")
        return True

    def _object(self, kind: GraphQLInputObjectType) -> Coercer | None:
        if kind.name not in self._objects:
            self._objects[kind.name] = None  # for those it holds that hold it
            with suppress(TypeError):  # a default that is none of its type
                self._objects[kind.name] = self._make_object(kind)
        return self._objects[kind.name]

    def _make_object(self, kind: GraphQLInputObjectType) -> Coercer | None:
        """The fields in the order of the type; a key that none of them took is odd."""
        text = Text()
        text.names["Odd"] = Odd
        text.write(0, "def made(value):", "    if value.__class__ is not dict: raise Odd")
        text.write(1, "out = {}", "left = len(value)")
        for name, field in kind.fields.items():
            key = repr(field.out_name or name)
            text.write(1, f"if {name!r} in value:", f"    v = value[{name!r}]", "    left -= 1")
            depth = 2
            nullable = field.type
            if is_non_null_type(field.type):
                nullable = field.type.of_type
            else:
                text.write(2, "if v is not None:")
                depth = 3
            if not self._write(text, depth, nullable, "v"):
                return None
            text.write(2, f"out[{key}] = v")
            default = Undefined if is_required_input_field(field) else coerce_default_value(field)
            if default is not Undefined:
                text.write(1, f"else: out[{key}] = {text.name(default, 'D')}")
            elif is_required_input_field(field):
                text.write(1, "else: raise Odd")
        text.write(1, "if left: raise Odd")
        if kind.is_one_of:
            text.write(1, "if len(value) != 1 or len(out) != 1: raise Odd", "for v in out.values():")
            text.write(2, "if v is None: raise Odd")
        is_as_it_is = kind.out_type is GraphQLInputObjectType.out_type
        text.write(1, "return out" if is_as_it_is else f"return {text.name(kind.out_type, 'T')}(out)")
        return text.function()


def _members(kind: GraphQLEnumType) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in kind.values:
        with suppress(Exception):  # graphql-core says it to who asks for that one
            found[name] = kind.coerce_input_value(name)
    return found
