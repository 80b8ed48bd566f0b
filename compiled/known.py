"""What is the same for all operations of a schema, found out once."""

from typing import Any
from weakref import WeakKeyDictionary

from graphql import GraphQLField, GraphQLSchema

from compiled.conversions import Conversions
from compiled.inputs import Coercers
from compiled.resolvers import Shortcut, shortcut


class Known:
    def __init__(self, schema: GraphQLSchema) -> None:
        made_by = getattr(schema, "_strawberry_schema", None)
        self._conversions = None if made_by is None else Conversions(made_by)
        self._shortcuts: dict[int, tuple[GraphQLField, Any, Shortcut | None]] = {}
        self.coercers = Coercers()

    def shortcut(self, schema: GraphQLSchema, definition: GraphQLField) -> Shortcut | None:
        """What it is resolved with may be changed later on; whoever changes it is listened to."""
        found = self._shortcuts.get(id(definition))
        if found is None or found[1] is not definition.resolve:
            found = definition, definition.resolve, shortcut(schema, definition, self._conversions)
            self._shortcuts[id(definition)] = found
        return found[2]


_known: WeakKeyDictionary[GraphQLSchema, Known] = WeakKeyDictionary()


def known_of(schema: GraphQLSchema) -> Known:
    found: Any = _known.get(schema)
    if found is None:
        found = _known[schema] = Known(schema)
    return found  # type: ignore[no-any-return]
