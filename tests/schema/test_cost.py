"""What the contract says of costs: every list has a size, and what the proposal weighs weighs the same."""

from pathlib import Path

import pytest
from graphql import (
    DirectiveNode,
    FieldDefinitionNode,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    ObjectTypeDefinitionNode,
    build_schema,
    get_named_type,
    is_composite_type,
    parse,
    print_ast,
)

from api.throttle import REPORTS
from schema.sdl import print_sdl

PROPOSAL = Path(__file__).parents[3] / "shared" / "proposal" / "schema.graphql"
SIZED = {"edges", "nodes"}
"""Fields of a connection, which the field above it sizes."""


@pytest.fixture(scope="module")
def printed() -> GraphQLSchema:
    return build_schema(print_sdl())


def _directive(node: ObjectTypeDefinitionNode | FieldDefinitionNode | None, name: str) -> DirectiveNode | None:
    assert node is not None
    return next((directive for directive in node.directives or () if directive.name.value == name), None)


def _weights(text: str) -> dict[str, str]:
    nodes = [node for node in parse(text).definitions if isinstance(node, ObjectTypeDefinitionNode)]
    return {node.name.value: print_ast(cost) for node in nodes if (cost := _directive(node, "cost"))}


def _declared(text: str) -> dict[str, str]:
    """Directives without descriptions."""
    found = build_schema(text).directives
    return {
        one.name: f"{sorted(place.name for place in one.locations)} {[(n, str(a.type)) for n, a in one.args.items()]}"
        for one in found
        if one.name in {"cost", "listSize"}
    }


def _objects(printed: GraphQLSchema) -> list[GraphQLObjectType]:
    kinds = printed.type_map.values()
    return [kind for kind in kinds if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__")]


def test_every_list_of_objects_has_a_size(printed: GraphQLSchema) -> None:
    unsized = []
    for kind in _objects(printed):
        for name, field in kind.fields.items():
            type_ = field.type.of_type if isinstance(field.type, GraphQLNonNull) else field.type
            is_sized = kind.name.endswith("Connection") and name in SIZED
            is_list = isinstance(type_, GraphQLList) and is_composite_type(get_named_type(type_))
            is_page = get_named_type(type_).name.endswith("Connection")
            if (is_list or is_page) and not is_sized and not _directive(field.ast_node, "listSize"):
                unsized.append(f"{kind.name}.{name}")
    assert unsized == []


def test_the_fields_that_size_a_list_are_there(printed: GraphQLSchema) -> None:
    for kind in _objects(printed):
        for name, field in kind.fields.items():
            size = _directive(field.ast_node, "listSize")
            for argument in size.arguments if size else ():
                words = [value.value for value in getattr(argument.value, "values", ())]
                if argument.name.value == "slicingArguments":
                    assert set(words) <= set(field.args), f"{kind.name}.{name}"
                elif argument.name.value == "sizedFields":
                    assert set(words) <= set(get_named_type(field.type).fields), f"{kind.name}.{name}"


def test_what_the_proposal_weighs_weighs_the_same() -> None:
    if not PROPOSAL.exists():
        pytest.skip("the proposal is not beside this checkout")
    proposed, ours = PROPOSAL.read_text(), print_sdl()
    assert _declared(ours) == _declared(proposed)
    weights = _weights(ours)
    assert weights | _weights(proposed) == weights


def test_reporting_weighs_one_and_the_desk_ten(printed: GraphQLSchema) -> None:
    assert printed.mutation_type is not None
    weights = {}
    for name, field in printed.mutation_type.fields.items():
        cost = _directive(field.ast_node, "cost")
        weights[name] = print_ast(cost) if cost else None
    assert {name for name, weight in weights.items() if weight == '@cost(weight: "1")'} == REPORTS
    assert {weight for name, weight in weights.items() if name not in REPORTS} == {'@cost(weight: "10")'}
