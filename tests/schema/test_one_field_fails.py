"""A field that fails takes its own parent with it, and nothing else: what several fields wait for is not broken off."""

from typing import Any

import pytest

from domain.access import PartnerScope, Role
from tests.schema.conftest import House

RENEWAL = """query ($id: ID!) {
  failing: company { activity(first: 1) { nodes { id } } walletTotals { kind } }
  office(id: $id) { wallets { kind } }
}"""
LOADER = """query ($id: ID!) {
  failing: office(id: $id) { spendingAlerts { id } phoneNumbers }
  office(id: $id) { phoneNumbers }
}"""
TOTALS = """query ($id: ID!) {
  failing: company { activity(first: 1) { nodes { id } } planUsageTotals { service } walletTotals { kind } }
  office(id: $id) { planUsage { service } wallets { kind } billingCycle { month } canSpend }
}"""


@pytest.mark.parametrize("query", [RENEWAL, LOADER, TOTALS], ids=["a renewal", "a loaded object", "both, many times"])
async def test_what_others_wait_for_goes_on(house: House, query: str) -> None:
    variables: dict[str, Any] = {"id": await house.office()}
    partner = house.world.viewer(Role.PARTNER, scopes=frozenset({PartnerScope.WALLETS_READ}))
    result = await house.run(query, variables, partner)
    assert result.errors is not None
    assert [error.path[0] for error in result.errors if error.path] == ["failing"]
    assert result.data is not None
    assert result.data["failing"] is None
    assert all(result.data["office"].values())
