"""The operations of every screen, as a front end would send them, less what later parts of the contract bring."""

from pathlib import Path
from typing import Any

import pytest
from graphql import (
    REMOVE,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    parse,
    print_ast,
    validate,
    visit,
)

from schema.root import schema
from tests.schema.conftest import House

OPERATIONS = Path(__file__).parents[3] / "shared" / "proposal" / "operations.graphql"
SCREENS = (
    *("AppShell", "OfficeOverview", "CompanyOverview", "PlanUsageTable", "FilterOptions", "UsageHistory"),
    *("UsageHistoryAllColumns", "UsageDetails", "Ledger", "Rejected"),
)


class _WithoutWhatIsToCome(Visitor):
    def __init__(self, types: TypeInfo) -> None:
        super().__init__()
        self._types = types

    def enter_field(self, _node: FieldNode, *_: Any) -> Any:
        return None if self._types.get_field_def() else REMOVE


def _operation(name: str) -> str:
    document = parse(OPERATIONS.read_text())
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    [operation] = [
        node
        for node in document.definitions
        if isinstance(node, OperationDefinitionNode) and node.name and node.name.value == name
    ]
    types = TypeInfo(schema._schema)
    known = schema._schema.type_map
    kept = [operation, *(node for node in fragments.values() if node.type_condition.name.value in known)]
    reduced = visit(DocumentNode(definitions=tuple(kept)), TypeInfoVisitor(types, _WithoutWhatIsToCome(types)))
    used = print_ast(reduced.definitions[0])
    reached: dict[str, FragmentDefinitionNode] = {}
    while True:
        new = {
            node.name.value: node
            for node in reduced.definitions[1:]
            if f"...{node.name.value}" in used and node.name.value not in reached
        }
        if not new:
            break
        reached |= new
        used += "".join(map(print_ast, new.values()))
    return "\n".join(map(print_ast, (reduced.definitions[0], *reached.values())))


@pytest.mark.parametrize("name", SCREENS)
async def test_the_screen_is_served(house: House, name: str) -> None:
    if not OPERATIONS.exists():
        pytest.skip("the proposal is not beside this checkout")
    query = _operation(name)
    assert validate(schema._schema, parse(query)) == []
    ids = await house.ask("{ wallets { id } usageHistory(first: 1) { nodes { id } } }")
    variables = {"officeId": await house.office(), "walletId": ids["wallets"][1]["id"], "first": 100}
    if name == "UsageDetails":
        variables["id"] = ids["usageHistory"]["nodes"][0]["id"]
    data = await house.ask(query, variables)
    assert all(value is not None for value in data.values())
