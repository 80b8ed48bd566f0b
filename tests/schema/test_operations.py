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

from persistence.database import Database
from schema.root import schema
from tests.schema.conftest import House
from tests.schema.till import ASKS, open_till

OPERATIONS = Path(__file__).parents[3] / "shared" / "proposal" / "operations.graphql"
SCREENS = (
    *("AppShell", "OfficeOverview", "CompanyOverview", "PlanUsageTable", "FilterOptions", "UsageHistory"),
    *("UsageHistoryAllColumns", "UsageDetails", "Ledger", "Rejected", "AddCredits", "TopUps", "Chart"),
)
BUYING = (
    *("AddCredits", "ReviewCost", "PurchaseCredits", "AfterThreeDSecure", "StartCardSetup", "SaveCard", "TopUps"),
    "SaveAutoRecharge",
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


@pytest.mark.parametrize("name", BUYING)
def test_nothing_of_buying_is_still_to_come(name: str) -> None:
    if not OPERATIONS.exists():
        pytest.skip("the proposal is not beside this checkout")
    whole = print_ast(parse(OPERATIONS.read_text()))
    asked = parse(whole)
    operation = next(
        node
        for node in asked.definitions
        if isinstance(node, OperationDefinitionNode) and node.name and node.name.value == name
    )
    assert print_ast(operation) == print_ast(parse(_operation(name)).definitions[0])


async def test_credits_are_bought_with_the_operations_of_the_screens(sqlite_database: Database) -> None:
    """Enter a card, review the cost, buy, confirm with the bank, look, and have it done by itself from now on."""
    if not OPERATIONS.exists():
        pytest.skip("the proposal is not beside this checkout")
    till = await open_till(sqlite_database)
    office = {"officeId": await till.house.office()}

    async def run(name: str, **input: Any) -> Any:
        data = await till.house.ask(_operation(name), {"input": input})
        [value] = data.values()
        assert value["userErrors"] == []
        return value

    setup = await run("StartCardSetup", **office, returnUrl="https://app.example/cards")
    assert setup["nextAction"]["redirectUrl"]
    await till.choose_card(setup["setupId"], ASKS)
    saved = await run("SaveCard", **office, setupId=setup["setupId"])
    assert saved["office"]["paymentMethod"]["lastFour"] == "3155"
    quote = await run("ReviewCost", **office, credits=till.amount("20"))
    amounts = {"credits": quote["credits"], "expectedTotal": quote["total"]}
    bought = await run("PurchaseCredits", **office, idempotencyKey="1", **amounts)
    assert bought["topUp"]["state"] == "REQUIRES_ACTION"
    await till.confirm(bought["topUp"]["id"])
    done = await run("AfterThreeDSecure", topUpId=bought["topUp"]["id"])
    assert done["wallet"]["balance"] == quote["balanceAfter"]
    listed = await till.house.ask(_operation("TopUps"), office)
    assert [top_up["state"] for top_up in listed["topUps"]["nodes"]] == ["SETTLED"]
    recharge = await run("SaveAutoRecharge", **office, isEnabled=True, threshold=till.amount("10"))
    assert (recharge["autoRecharge"]["state"], recharge["topUp"]) == ("READY", None)
    screen = await till.house.ask(_operation("AddCredits"), office)
    assert screen["office"]["autoRecharge"] == recharge["autoRecharge"]
