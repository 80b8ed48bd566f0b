"""Scalars and enums: which values leave as they are, told as the condition of a generated `if`."""

from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum, Flag
from inspect import isabstract
from types import CoroutineType, GeneratorType
from typing import Any
from uuid import UUID

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLScalarType,
    GraphQLString,
)

JSON_CLASSES = frozenset({str, int, float, bool, list, dict})
"""Of a scalar's own answer; another may be awaitable, or null."""
MAX_CLASSES = 1_000

ordinary_classes: set[type] = {str, int, float, bool, date, datetime, time, Decimal, UUID}
"""Values of these are neither null, nor errors, nor awaitable. Learned."""

_EXACTLY: dict[Any, str] = {
    GraphQLString: "{v}.__class__ is not str",
    GraphQLID: "{v}.__class__ is not str",
    GraphQLBoolean: "{v}.__class__ is not bool",
    GraphQLInt: "{v}.__class__ is not int or not -2147483648 <= {v} <= 2147483647",
    GraphQLFloat: "{v}.__class__ is not float or {v} * 0.0 != 0.0",
}


def is_ordinary(kind: type) -> bool:
    if kind in ordinary_classes:
        return True
    if (
        issubclass(kind, (Exception, CoroutineType, GeneratorType, type(None)))
        or hasattr(kind, "__await__")
        or "__getattr__" in dir(kind)
        or isabstract(kind)
        or kind.__getattribute__ not in (object.__getattribute__, tuple.__getattribute__)
    ):
        return False
    return "__class__" not in vars(kind)


def learn_ordinary(kind: type) -> None:
    if len(ordinary_classes) < MAX_CLASSES and is_ordinary(kind):
        ordinary_classes.add(kind)


def strange(kind: GraphQLScalarType | GraphQLEnumType, value: str) -> str | None:
    """When a value of a built-in scalar has to be looked at by graphql-core; None for other types."""
    condition = _EXACTLY.get(kind)
    return None if condition is None else condition.format(v=value)


def enum_names(kind: GraphQLEnumType) -> tuple[type[Enum], dict[str, str]] | None:
    """The class of Strawberry's enum, and what each member is called in the answer, by its Python name."""
    wrapped = getattr(kind, "wrapped_cls", None)
    if not isinstance(wrapped, type) or not issubclass(wrapped, Enum) or issubclass(wrapped, Flag):
        return None
    coerce: Callable[[Any], str] = kind.coerce_output_value
    try:
        return wrapped, {member._name_: coerce(member) for member in wrapped}
    except Exception:  # an enum that cannot be written is an error of who asks, not of the plan
        return None
