"""A field of the operation at its place in the plan."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from graphql import FieldNode, GraphQLField, GraphQLObjectType, GraphQLSchema
from graphql.execution.collect_fields import FieldDetails

from compiled.known import known_of
from compiled.places import Way
from compiled.resolvers import Called, Shortcut
from compiled.variables import Arguments, argument_reader

Function = Callable[[Any, Any, Any], Any]
"""Generated: takes the executor, the object or list, and its place; answers with a dict or list, or an awaitable."""


@dataclass(slots=True, eq=False)
class Field:
    key: str
    """In the answer."""
    definition: GraphQLField
    parent: GraphQLObjectType
    details: list[FieldDetails]
    type: Any
    """Of the field, or of an item of its list."""
    way: Way
    """From where the function it is in begins; none for an item, whose place is said whole."""
    nodes: list[FieldNode]
    resolve: Callable[..., Any]
    takes_info: bool = True
    takes_arguments: bool = True
    arguments: Arguments | None = None
    """None where graphql-core has to be asked each time."""
    shortcut: Shortcut | None = None
    by_class: dict[type, Function] = field(default_factory=dict)
    """What completes an object of exactly this class; learned from those that graphql-core completed."""
    is_item: bool = False
    learns: Callable[[Any, "Field", Any], None] | None = None

    @classmethod
    def of(
        cls, schema: GraphQLSchema, kind: GraphQLObjectType, key: str, details: list[FieldDetails], way: Way
    ) -> "Field | None":
        """None for a field that nobody resolves."""
        node = details[0].node
        definition = schema.get_field(kind, node.name.value)
        if definition is None or definition.resolve is None:
            return None
        short = known_of(schema).shortcut(schema, definition)
        made = cls(
            key, definition, kind, details, definition.type, way, [one.node for one in details], definition.resolve
        )
        made.shortcut = short
        made.takes_arguments = bool(definition.args or node.arguments)
        if made.takes_arguments:
            made.arguments = argument_reader(definition, node)
        if isinstance(short, Called):
            made.resolve, made.takes_info = short.resolve, short.takes_info
        return made

    def item(self, kind: Any) -> "Field":
        """Of a list that the field answers with."""
        return replace(self, type=kind, way=(), by_class={}, learns=None, is_item=True)
