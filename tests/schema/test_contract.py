"""The contract itself: described everywhere, committed as text, and fit for generated clients."""

from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    parse,
    validate,
)

from schema.root import schema
from schema.sdl import print_sdl

ROOT = Path(__file__).parents[2]
PROPOSAL = ROOT.parent / "shared" / "proposal" / "schema.graphql"
ADDED = {"SettleInvoiceInput", "SettleInvoicePayload"}
"""Types that the proposal does not have."""
CHANGED = {"Viewer": {"expiresAt": "DateTime"}}
"""Fields that have another type than in the proposal: an API key has no expiry."""
BUILT_IN = {"Boolean", "Float", "ID", "Int", "String"}


@pytest.fixture(scope="module")
def printed() -> GraphQLSchema:
    return build_schema(print_sdl())


def _own_types(printed: GraphQLSchema) -> list[GraphQLNamedType]:
    return [type_ for name, type_ in printed.type_map.items() if not name.startswith("__") and name not in BUILT_IN]


def test_everything_has_a_description(printed: GraphQLSchema) -> None:
    bare = []
    for type_ in _own_types(printed):
        if not type_.description:
            bare.append(type_.name)
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            for name, field in type_.fields.items():
                arguments = [f"{name}({argument})" for argument, it in field.args.items() if not it.description]
                bare += [f"{type_.name}.{path}" for path in ([] if field.description else [name]) + arguments]
        elif isinstance(type_, GraphQLInputObjectType):
            bare += [f"{type_.name}.{name}" for name, field in type_.fields.items() if not field.description]
        elif isinstance(type_, GraphQLEnumType):
            bare += [f"{type_.name}.{name}" for name, value in type_.values.items() if not value.description]
    assert bare == []


def test_the_committed_text_is_what_the_code_says() -> None:
    committed = (ROOT / "schema.graphql").read_text()
    assert committed == print_sdl(), "run: python -m schema.sdl > schema.graphql"


def test_a_field_of_two_union_members_has_one_type(printed: GraphQLSchema) -> None:
    """Else a client that selects both is refused."""
    for union in (type_ for type_ in _own_types(printed) if isinstance(type_, GraphQLUnionType)):
        types: dict[str, str] = {}
        for member in union.types:
            for name, field in member.fields.items():
                assert types.setdefault(name, str(field.type)) == str(field.type), f"{member.name}.{name}"


def test_objects_with_an_id_are_nodes(printed: GraphQLSchema) -> None:
    for type_ in _own_types(printed):
        if isinstance(type_, GraphQLObjectType) and "id" in type_.fields:
            assert [interface.name for interface in type_.interfaces] == ["Node"], type_.name


def test_fields_that_take_an_id_can_be_null(printed: GraphQLSchema) -> None:
    assert printed.query_type is not None
    for name in (
        *("office", "wallets", "planUsage", "usageRecord", "ledger", "node"),
        *("autoRecharge", "topUps", "topUp", "quoteCreditPurchase"),
    ):
        assert not str(printed.query_type.fields[name].type).endswith("!"), name


def test_what_the_proposal_names_keeps_its_type_and_order(printed: GraphQLSchema) -> None:
    if not PROPOSAL.exists():
        pytest.skip("the proposal is not beside this checkout")
    proposal = build_schema(PROPOSAL.read_text())
    for type_ in _own_types(printed):
        if type_.name in ADDED:
            continue
        proposed = proposal.type_map[type_.name]
        assert type(proposed) is type(type_)
        if isinstance(type_, GraphQLObjectType | GraphQLInputObjectType):
            fields = {name: str(field.type) for name, field in type_.fields.items()}
            expected = {
                name: str(field.type)
                for name, field in proposed.fields.items()  # type: ignore[attr-defined]
                if name in fields
            }
            expected |= CHANGED.get(type_.name, {})
            assert [item for item in fields.items() if item[0] in expected] == list(expected.items()), type_.name


def test_unions_survive_introspection_and_validation() -> None:
    document = parse("{ usageHistory { nodes { details { __typename ... on CallDetails { callId } } } } }")
    assert validate(schema._schema, document) == []
