"""What a query may come to before it is run, written into the contract: IBM's directives `@cost` and `@listSize`.

An object is 1 point, a scalar and a value object 0; a list multiplies what is below it by how long it may get. What
holds for every list of its kind is not written at every field: `size_lists` adds it.
"""

from typing import Any

import strawberry
from graphql import GraphQLObjectType, get_named_type
from strawberry.schema_directive import Location, schema_directive

_PAGE = 25
"""What a connection holds when the caller does not say."""
_USER_ERRORS = 5


@schema_directive(
    name="cost",
    locations=[
        Location.ARGUMENT_DEFINITION,
        Location.ENUM,
        Location.FIELD_DEFINITION,
        Location.INPUT_FIELD_DEFINITION,
        Location.OBJECT,
        Location.SCALAR,
    ],
    description="Points for each object of a type, or for each that a field answers with, less what is below it. An"
    " object is 1 where nothing else is said, everything else 0.",
)
class Cost:
    weight: str


@schema_directive(
    name="listSize",
    locations=[Location.FIELD_DEFINITION],
    description="How many items are counted for a list before it is read: as the largest of the slicing arguments says,"
    " and else the assumed size. Of a connection, the sized fields are that long.",
)
class ListSize:
    assumed_size: int | None = strawberry.UNSET
    slicing_arguments: list[str] | None = strawberry.UNSET
    sized_fields: list[str] | None = strawberry.UNSET
    require_one_slicing_argument: bool | None = True


VALUE = Cost(weight="0")
"""A part of the object that holds it: nothing is looked up for it."""
FREE = Cost(weight="0")
"""Of a field: what it answers with is at hand."""
DESK = Cost(weight="10")
"""A mutation that people or operators make now and then."""
REPORT = Cost(weight="1")
"""A mutation that reports usage or asks for it: the paying path."""


def sized(assumed: int, *slicing: str) -> Any:
    """A list as long as the argument `slicing` says, and else as `assumed`."""
    return ListSize(
        assumed_size=assumed,
        slicing_arguments=list(slicing) or strawberry.UNSET,
        require_one_slicing_argument=False if slicing else strawberry.UNSET,
    )


def paged() -> Any:
    """A connection."""
    return ListSize(
        assumed_size=_PAGE,
        slicing_arguments=["first", "last"],
        sized_fields=["edges", "nodes"],
        require_one_slicing_argument=False,
    )


def size_lists(schema: strawberry.Schema) -> None:
    """Says of every connection how it is paged, and of `userErrors` that they are few."""
    for kind in schema._schema.type_map.values():  # the graphql-core schema has no public name
        if not isinstance(kind, GraphQLObjectType):
            continue
        for name, field in kind.fields.items():
            size = sized(_USER_ERRORS) if name == "userErrors" else paged()
            if name == "userErrors" or get_named_type(field.type).name.endswith("Connection"):
                definition = field.extensions["strawberry-definition"]
                definition.directives = [*definition.directives, size]
