"""No answer costs more than its operation was said to: whatever is asked of a company."""

from collections.abc import Mapping
from itertools import count
from typing import Any

from graphql import (
    GraphQLInterfaceType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLUnionType,
    OperationDefinitionNode,
    get_named_type,
    is_composite_type,
    parse,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from api.costs import Costs
from schema.cost import Cost
from schema.root import schema
from tests.schema.conftest import House

ROOTS = ("viewer", "company", "offices", "wallets", "usageHistory", "usageParties", "rates", "spendingAlerts")
FREE_OF_ASSUMPTIONS = {"first", "last"}
"""Arguments that are drawn."""
LONGER_THAN_ASSUMED = {"usageSummary"}
"""As many rows as there are periods and groups."""
types = schema._schema.type_map
costs = Costs(schema._schema)


class Selections:
    """Draws what to select; every field under a name of its own."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._names = count()

    def of(self, type_: Any, depth: int) -> str:
        """With `__typename` everywhere, so that the test can count by itself."""
        parts = ["__typename"]
        if isinstance(type_, GraphQLUnionType | GraphQLInterfaceType):
            possible = sorted(kind.name for kind in schema._schema.get_possible_types(type_))
            chosen = self._draw(st.lists(st.sampled_from(possible), min_size=1, max_size=2, unique=True))
            parts += [f"... on {name} {self.of(types[name], depth)}" for name in chosen]
        else:
            parts += [self.field(name, field, depth) for name, field in self._fields(type_, depth)]
        return f"{{ {' '.join(parts)} }}"

    def field(self, name: str, field: Any, depth: int) -> str:
        below = get_named_type(field.type)
        given = ""
        if FREE_OF_ASSUMPTIONS & set(field.args):
            size = self._draw(st.none() | st.integers(0, 12))
            given = "" if size is None else f"(first: {size})"
        inner = self.of(below, depth - 1) if is_composite_type(below) else ""
        return f"f{next(self._names)}: {name}{given} {inner}"

    def _fields(self, type_: GraphQLObjectType, depth: int) -> list[tuple[str, Any]]:
        fit = {
            name: field
            for name, field in type_.fields.items()
            if not any(isinstance(argument.type, GraphQLNonNull) for argument in field.args.values())
            and name not in LONGER_THAN_ASSUMED
            and (depth > 0 or not is_composite_type(get_named_type(field.type)))
        }
        if type_.name == "Query":
            fit = {name: fit[name] for name in ROOTS}
        chosen = self._draw(st.lists(st.sampled_from(sorted(fit)), min_size=1, max_size=4)) if fit else []
        return [(name, fit[name]) for name in chosen]


@st.composite
def queries(draw: st.DrawFn) -> str:
    query = schema._schema.query_type
    assert query is not None
    return Selections(draw).of(query, draw(st.integers(1, 4)))


def counted(value: Any) -> int:
    """The objects of an answer by their types' own weights; fields with a weight are not among those drawn."""
    if isinstance(value, list):
        return sum(map(counted, value))
    if not isinstance(value, Mapping):
        return 0
    return _weight(value["__typename"]) + sum(map(counted, value.values()))


def _weight(name: str) -> int:
    definition = types[name].extensions["strawberry-definition"]
    return next((int(one.weight) for one in definition.directives or () if isinstance(one, Cost)), int(name != "Query"))


@settings(max_examples=40)
@given(query=queries())
async def test_an_answer_costs_what_it_holds_and_no_more_than_was_said(small_house: House, query: str) -> None:
    data = (await small_house.run(query)).data
    [operation] = parse(query).definitions
    assert isinstance(operation, OperationDefinitionNode)
    price = costs.of(operation, {})
    assert price.actual(data) == counted(data)
    assert price.actual(data) <= price.requested({})
