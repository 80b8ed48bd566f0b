"""A field of the operation at its place in the plan."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from graphql import FieldNode, GraphQLField, GraphQLObjectType
from graphql.execution.collect_fields import FieldDetails

from compiled.places import Way

Function = Callable[[Any, Any, Any], Any]
"""Generated: takes the executor, the object or list, and its place; answers with a dict or list, or an awaitable."""


@dataclass(slots=True, eq=False)
class Field:
    definition: GraphQLField
    parent: GraphQLObjectType
    details: list[FieldDetails]
    type: Any
    """Of the field, or of an item of its list."""
    way: Way
    """From where the function it is in begins."""
    resolve: Callable[..., Any]
    takes_arguments: bool
    nodes: list[FieldNode] = field(default_factory=list)
    by_class: dict[type, Function] = field(default_factory=dict)
    """What completes an object of exactly this class; learned from those that graphql-core completed."""
    is_item: bool = False
    learns: Callable[[Any, "Field", Any], None] | None = None

    def item(self, kind: Any) -> "Field":
        """Of a list that the field answers with."""
        return replace(self, type=kind, by_class={}, learns=None, is_item=True)
