"""Inputs of which exactly one field is given, checked where every other input is: by graphql-core.

Strawberry checks them by itself, after the rest, and cannot tell where in a batch of a thousand the fault lies.
"""

import strawberry
from graphql import GraphQLInputObjectType


def name_the_place_of_one_of(schema: strawberry.Schema) -> None:
    """Hands the check over, so that its message names the place as in `.events[17].usage`."""
    core = schema._schema  # the graphql-core schema has no public name
    for kind in core.type_map.values():
        if not isinstance(kind, GraphQLInputObjectType):
            continue
        definition = kind.extensions.get("strawberry-definition")
        if definition is not None and definition.is_one_of:
            kind.is_one_of = True
            # What graphql-core does itself with an `out_type` that it is given.
            kind.out_type = GraphQLInputObjectType.out_type  # type: ignore[method-assign]
