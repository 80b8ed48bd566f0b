"""Changing a company's settings over the wire: within bounds, by whom it may, and on record (R38)."""

from typing import Any

import pytest

from domain.access import Role
from tests.schema.conftest import House

UPDATE = """mutation ($input: UpdateCompanySettingsInput!) { updateCompanySettings(input: $input) {
  company { slug settings { spendingAlertRisePercent spendingAlertMinimum { amount currencyCode } lateUsageHours } }
  userErrors { code field message } } }"""
TRAIL = """{ company { activity { nodes { action actor target { __typename ... on Company { slug } }
  changes { field before after } } } } }"""


def usd(amount: str, currency: str = "USD") -> dict[str, str]:
    return {"amount": amount, "currencyCode": currency}


async def update(house: House, **input_: Any) -> Any:
    return (await house.ask(UPDATE, {"input": input_}))["updateCompanySettings"]


async def trail(house: House) -> Any:
    nodes = (await house.ask(TRAIL))["company"]["activity"]["nodes"]
    return [node for node in nodes if node["action"] == "updateCompanySettings"]


async def test_what_is_left_out_stays_and_what_changed_is_on_record(house: House) -> None:
    done = await update(house, spendingAlertRisePercent=40)
    assert done["userErrors"] == []
    settings = {"spendingAlertRisePercent": 40, "spendingAlertMinimum": usd("10.000000"), "lateUsageHours": 72}
    assert done["company"] == {"slug": "acme", "settings": settings}
    done = await update(house, spendingAlertMinimum=usd("0"))
    assert done["company"]["settings"] == settings | {"spendingAlertMinimum": usd("0.000000")}
    await update(house, spendingAlertMinimum=usd("0"), spendingAlertRisePercent=40)
    await update(house)
    newest, first = await trail(house)
    assert (first["actor"], first["target"]["slug"]) == ("Company admin", "acme")
    assert first["changes"] == [{"field": "spendingAlertRisePercent", "before": "25 %", "after": "40 %"}]
    assert newest["changes"] == [{"field": "spendingAlertMinimum", "before": "10.00 USD", "after": "0.00 USD"}]


@pytest.mark.parametrize("percent", [1, 1000])
async def test_the_bounds_themselves_are_allowed(small_house: House, percent: int) -> None:
    assert (await update(small_house, spendingAlertRisePercent=percent))["userErrors"] == []


REFUSALS = [
    ({"spendingAlertRisePercent": 0}, "TOO_LOW", ["spendingAlertRisePercent"]),
    ({"spendingAlertRisePercent": 1001}, "TOO_HIGH", ["spendingAlertRisePercent"]),
    ({"spendingAlertMinimum": usd("-0.000001")}, "TOO_LOW", ["spendingAlertMinimum"]),
    ({"spendingAlertMinimum": usd("5", "EUR")}, "WRONG_CURRENCY", ["spendingAlertMinimum"]),
    ({"spendingAlertMinimum": usd("1000000001")}, "INVALID", ["spendingAlertMinimum", "amount"]),
]


@pytest.mark.parametrize(("input_", "code", "field"), REFUSALS)
async def test_what_is_refused_changes_nothing(
    small_house: House, input_: dict[str, Any], code: str, field: list[str]
) -> None:
    done = await update(small_house, **{"spendingAlertRisePercent": 90, **input_})
    assert done["company"] is None
    assert [(error["code"], error["field"]) for error in done["userErrors"]] == [(code, field)]
    assert await trail(small_house) == []


async def test_company_admins_and_operators_may_and_nobody_else(small_house: House) -> None:
    world, input_ = small_house.world, {"input": {"spendingAlertRisePercent": 30}}
    for role, expected in (
        (Role.COMPANY_ADMIN, []),
        (Role.OPERATOR, []),
        (Role.OFFICE_ADMIN, ["NOT_PERMITTED"]),
        (Role.PARTNER, ["NOT_PERMITTED"]),
    ):
        done = (await small_house.ask(UPDATE, input_, world.viewer(role)))["updateCompanySettings"]
        assert [error["code"] for error in done["userErrors"]] == expected
    nowhere = world.viewer(Role.OPERATOR, company_id=None)
    done = (await small_house.ask(UPDATE, input_, nowhere))["updateCompanySettings"]
    assert [error["code"] for error in done["userErrors"]] == ["NOT_FOUND"]


async def test_another_company_keeps_its_own(small_house: House) -> None:
    await update(small_house, spendingAlertRisePercent=77)
    other = small_house.neighbour.viewer(Role.COMPANY_ADMIN)
    found = await small_house.ask("{ company { settings { spendingAlertRisePercent } } }", viewer=other)
    assert found["company"]["settings"] == {"spendingAlertRisePercent": 25}
