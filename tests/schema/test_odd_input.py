"""Values at the edge of what a column holds: the same clear answer on both engines, never a fault of ours."""

import pytest

from tests.schema.conftest import House

COSTS = "query ($cost: DecimalRangeInput) { usageHistory(filter: { cost: $cost }) { totalCount } }"


@pytest.mark.parametrize(
    "query", ["{ offices(search: $text) { totalCount } }", "{ usageParties(search: $text) { nodes { __typename } } }"]
)
async def test_a_search_for_what_no_name_contains_is_refused(house: House, query: str) -> None:
    said = await house.refusal(f"query ($text: String) {query}", {"text": "a\0b"})
    assert "Control characters" in said


@pytest.mark.parametrize(
    "query", ["{ offices(search: $text) { totalCount } }", "{ usageParties(search: $text) { nodes { __typename } } }"]
)
async def test_a_search_for_more_than_any_name_is_refused(house: House, query: str) -> None:
    """SQLite answers a pattern of 50,000 bytes with an error of its own."""
    assert "at most 200 characters" in await house.refusal(f"query ($text: String) {query}", {"text": "x" * 60_000})


async def test_a_company_of_an_impossible_name_is_refused(house: House) -> None:
    assert "Control characters" in await house.refusal('{ company(slug: "\\u0000") { id } }')


@pytest.mark.parametrize(
    ("cost", "finds_all"),
    [
        ({"min": "9999999999999.999999"}, False),
        ({"max": "-9999999999999.999999"}, False),
        ({"max": "9223372036854.775808"}, True),
        ({"min": "-9999999999999.999999"}, True),
    ],
)
async def test_bounds_of_cost_beyond_any_amount_find_all_or_nothing(
    house: House, cost: dict[str, str], finds_all: bool
) -> None:
    everything = (await house.ask(COSTS))["usageHistory"]["totalCount"]
    found = (await house.ask(COSTS, {"cost": cost}))["usageHistory"]["totalCount"]
    assert found == (everything if finds_all else 0)
