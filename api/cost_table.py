"""The directives `@cost` and `@listSize` of a schema, read once into tables that are quick to ask."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_abstract_type,
)

from schema.cost import Cost, ListSize

UNSAID_SIZE = 10
"""Of a list whose size the contract does not tell."""
INTROSPECTION = {"__schema": 500, "__type": 50}
"""Describing the whole schema takes as long as a page of a hundred records; GraphiQL asks for it once."""


@dataclass(slots=True)
class FieldCost:
    weight: int | None
    """None: as its type weighs."""
    of: "TypeCost | None"
    """None: a scalar or an enum."""
    is_list: bool = False
    assumed_size: int = UNSAID_SIZE
    slicing: tuple[tuple[str, Any], ...] = ()
    """Arguments that say how long it gets, with their defaults."""
    sized: frozenset[str] = frozenset()
    """Fields below that are as long as this one says."""

    @property
    def dearest(self) -> int:
        if self.weight is not None or self.of is None:
            return self.weight or 0
        return max(type_.weight for type_ in self.of.possible)


@dataclass(slots=True, eq=False)
class TypeCost:
    name: str
    weight: int
    possible: "tuple[TypeCost, ...]" = ()
    """What an object of it may be: of an object type, itself."""
    fields: dict[str, FieldCost] = field(default_factory=dict)


def read_costs(schema: GraphQLSchema) -> dict[str, TypeCost]:
    kinds = [kind for kind in schema.type_map.values() if isinstance(kind, GraphQLObjectType)]
    objects = {kind.name: TypeCost(kind.name, _weight(kind, 1) or 0) for kind in kinds}
    for type_ in objects.values():
        type_.possible = (type_,)
    types = dict(objects)
    for kind in schema.type_map.values():
        if is_abstract_type(kind):
            possible = tuple(objects[part.name] for part in schema.get_possible_types(kind))
            types[kind.name] = TypeCost(kind.name, 0, possible)
    for kind in kinds:
        if not kind.name.startswith("__"):
            objects[kind.name].fields = {name: _field(field, types) for name, field in kind.fields.items()}
    if schema.query_type:
        objects[schema.query_type.name].fields.update(
            {name: FieldCost(weight, None) for name, weight in INTROSPECTION.items()}
        )
    return types


def _field(definition: Any, types: Mapping[str, TypeCost]) -> FieldCost:
    of = types.get(get_named_type(definition.type).name)
    type_ = definition.type.of_type if isinstance(definition.type, GraphQLNonNull) else definition.type
    said = FieldCost(_weight(definition, None if of else 0), of, is_list=isinstance(type_, GraphQLList))
    for size in _directives(definition, ListSize):
        said.assumed_size = size.assumed_size or UNSAID_SIZE
        said.slicing = tuple((name, definition.args[name].default_value) for name in size.slicing_arguments or ())
        said.sized = frozenset(size.sized_fields or ())
    return said


def _weight(element: Any, default: int | None) -> int | None:
    for cost in _directives(element, Cost):
        return int(cost.weight)
    return default


def _directives(element: Any, kind: type) -> Iterable[Any]:
    definition = element.extensions.get("strawberry-definition")
    return [one for one in (definition.directives if definition else None) or () if isinstance(one, kind)]
