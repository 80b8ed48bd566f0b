"""Which object type a value is of, where its class alone says it."""

from typing import Any

from graphql import GraphQLObjectType, GraphQLSchema, is_abstract_type, is_object_type
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.union import StrawberryUnion

from compiled.leaves import is_ordinary
from compiled.resolvers import BACK_REFERENCE

CAST = "__as_strawberry_type__"
"""What `strawberry.cast` leaves on an object: its class says nothing then."""


def concrete_of(schema: GraphQLSchema, kind: Any, value: Any) -> GraphQLObjectType | None:
    """The type of every object of the same class; None where it may differ from one to the next."""
    if not is_ordinary(value.__class__):
        return None
    if is_object_type(kind) and kind.is_type_of is None:
        return kind
    if getattr(value, CAST, None) is not None:
        return None
    if is_object_type(kind):
        return kind if _is_exactly(kind, value) else None
    if not is_abstract_type(kind) or _has_own_rule(kind):
        return None
    return next((one for one in schema.get_possible_types(kind) if _is_exactly(one, value)), None)


def _is_exactly(kind: GraphQLObjectType, value: Any) -> bool:
    """Made of the very class that Strawberry was given for the type, which has no rule of its own."""
    definition = kind.extensions.get(BACK_REFERENCE)
    return (
        isinstance(definition, StrawberryObjectDefinition)
        and definition.origin is value.__class__
        and definition.is_type_of is None
        and definition.concrete_of is None
        and not definition.is_graphql_generic
    )


def _has_own_rule(kind: Any) -> bool:
    definition = kind.extensions.get(BACK_REFERENCE)
    if isinstance(definition, StrawberryObjectDefinition):
        return definition.resolve_type is not None
    return type(definition) is not StrawberryUnion
