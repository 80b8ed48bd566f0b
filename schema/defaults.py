"""An argument or input field that may be left out has no default: `null` is what a caller says, not what he omits."""

import strawberry
from graphql import GraphQLInputObjectType, GraphQLInterfaceType, GraphQLObjectType, Undefined


def leave_out_null_defaults(schema: strawberry.Schema) -> None:
    """Strawberry prints `= null` for every Python default of None; resolvers keep theirs."""
    core = schema._schema  # the graphql-core schema has no public name
    for kind in core.type_map.values():
        if isinstance(kind, GraphQLInputObjectType):
            inputs = list(kind.fields.values())
        elif isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            inputs = [argument for field in kind.fields.values() for argument in field.args.values()]
        else:
            continue
        for place in inputs:
            if place.default_value is None:
                place.default_value = Undefined
