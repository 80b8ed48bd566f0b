"""The chart page as a front end asks for it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain.access import PartnerScope, Role
from domain.usage import DirectoryReference
from tests.schema.conftest import FRONT_DESK, NOON, House
from tests.schema.test_usage_history import counted
from tests.world import call

SUMMARY = """query Summary($groupBy: [UsageDimension!]!, $filter: UsageHistoryFilter, $top: Int, $before: Boolean) {
  usageSummary(groupBy: $groupBy, filter: $filter, top: $top, compareWithPrevious: $before) {
    periodStart service usageType walletSource office { slug } member { name } group { name } regionCode isOther
    usage { count cost { amount currencyCode } listPrice { amount } quantities { value unit } }
    previous { count cost { amount } }
  }
}"""


async def rows(house: House, *dimensions: str, viewer: Any = None, **more: Any) -> list[dict[str, Any]]:
    data = await house.ask(SUMMARY, {"groupBy": dimensions, **more}, viewer)
    found: list[dict[str, Any]] = data["usageSummary"]
    return found


async def figures(house: House, *dimensions: str, **more: Any) -> list[tuple[Any, ...]]:
    """What is set of each row, its count and its cost."""
    return [_point(row) for row in await rows(house, *dimensions, **more)]


def _point(row: dict[str, Any]) -> tuple[Any, ...]:
    set_fields = [value for name, value in row.items() if name not in ("usage", "previous", "isOther") and value]
    named = [value if isinstance(value, str) else next(iter(value.values())) for value in set_fields]
    return (*named, *(["the rest"] if row["isOther"] else []), row["usage"]["count"], row["usage"]["cost"]["amount"])


async def test_a_chart_of_days_and_services(house: House) -> None:
    hq = [await house.office()]
    found = await rows(house, "DAY", "SERVICE", filter={"officeIds": hq}, top=3)
    assert [_point(row) for row in found] == [
        ("2026-03-01", "AI_AGENT", 1, "0.500000"),
        ("2026-03-01", "CALLING", 3, "0.221667"),
        ("2026-03-01", "SPEECH_IVR", 1, "0.100000"),
        ("2026-03-01", "the rest", 3, "0.140000"),
    ]
    assert found[1]["usage"] == {
        "count": 3,
        "cost": {"amount": "0.221667", "currencyCode": "USD"},
        "listPrice": {"amount": "0.301667"},
        "quantities": [{"value": "661", "unit": "SECOND"}],
    }
    assert found[3]["usage"]["quantities"] == [
        {"value": "1", "unit": "SEGMENT"},
        {"value": "5", "unit": "PAGE"},
        {"value": "1", "unit": "SESSION"},
    ]
    assert [row["isOther"] for row in found] == [False, False, False, True]
    assert all(row["previous"] is None for row in found)


async def test_every_dimension_shows_what_it_is_of(house: House) -> None:
    assert await figures(house, "OFFICE") == [("hq", 8, "0.961667"), ("berlin", 12, "0.240000")]
    assert await figures(house, "MEMBER") == [(18, "0.980000"), ("Front desk", 2, "0.221667")]
    assert await figures(house, "MONTH", "GROUP", filter={"month": "2026-03"}) == [
        ("2026-03-01", 6, "0.831667"),
        ("2026-03-01", "Support", 2, "0.130000"),
    ]
    assert await figures(house, "USAGE_TYPE", filter={"services": ["FAX", "AI_AGENT"]}) == [
        ("VOICE_AI", 1, "0.500000"),
        ("FAX_SENT", 1, "0.060000"),
    ]
    assert await figures(house, "DESTINATION_REGION", filter={"services": ["CALLING"], "month": "2026-03"}) == [
        ("US", 1, "0.120000"),
        ("GB", 1, "0.101667"),
        (1, "0.000000"),
    ]
    assert await figures(house, "DESTINATION_REGION", filter={"destinationRegions": ["GB", "DE"]}) == [
        ("GB", 1, "0.101667")
    ]
    assert await figures(house, "WEEK") == [("2026-02-23", 20, "1.201667")]


async def test_of_wallet_sources_amounts_are_divided_and_counts_are_not(house: House) -> None:
    found = await rows(house, "WALLET_SOURCE", filter={"officeIds": [await house.office()]})
    assert [(row["walletSource"], row["usage"]["count"], row["usage"]["cost"]["amount"]) for row in found] == [
        ("AI_AGENT", 1, "0.500000"),
        ("CALLING", 4, "0.291667"),
        ("UNIVERSAL", 2, "0.170000"),
        ("PLAN", 2, "0.000000"),
        (None, 1, "0.000000"),
    ]
    assert found[3]["usage"]["listPrice"]["amount"] == "0.170000"


async def test_the_cycle_before_stands_beside(house: House) -> None:
    await house.world.record(call("february", NOON - timedelta(days=3), office="lone", seconds=6_000))
    berlin = {"officeIds": [await house.office("berlin")], "month": "2026-03"}
    assert await rows(house, "MONTH", filter=berlin) == []
    [row] = await rows(house, "MONTH", filter=berlin, before=True)
    assert (row["periodStart"], row["usage"]["count"], row["usage"]["quantities"]) == ("2026-03-01", 0, [])
    assert row["previous"] == {"count": 12, "cost": {"amount": "0.240000"}}
    assert (await rows(house, "DAY", before=True))[0]["previous"] is None


async def test_bad_questions_are_refused_with_a_way_out(small_house: House) -> None:
    cases: list[tuple[Sequence[str], dict[str, Any], str]] = [
        ([], {}, "one or two dimensions"),
        (["DAY", "MONTH"], {}, "one or two dimensions"),
        (["OFFICE", "MEMBER"], {}, "one or two dimensions"),
        (["OFFICE"], {"top": 0}, "1 to 100"),
        (["OFFICE"], {"top": 101}, "1 to 100"),
        (["DAY", "MEMBER"], {}, "at most 92 days apart"),
        (["SERVICE"], {"filter": {"cost": {"min": "1"}}}, "at most 92 days apart"),
        (["SERVICE"], {"filter": {"destinationRegions": ["US"] * 101}}, "at most 100"),
        (["SERVICE"], {"filter": {"destinationRegions": ["us"]}}, "country code"),
    ]
    for dimensions, more, words in cases:
        refusal = await small_house.refusal(SUMMARY, {"groupBy": dimensions, **more})
        assert words in refusal, (dimensions, more)
    assert await figures(small_house, "SERVICE", filter={"destinationRegions": []}) == []


async def test_everybody_sees_the_sums_of_his_offices(house: House) -> None:
    admin = await house.office_admin("berlin")
    assert await figures(house, "OFFICE", viewer=admin) == [("berlin", 12, "0.240000")]
    assert await figures(house, "DAY", "MEMBER", viewer=admin, filter={"month": "2026-02"}) == [
        ("2026-03-01", 12, "0.240000")
    ]
    assert await figures(house, "OFFICE", viewer=await house.office_admin()) == []
    assert await figures(house, "OFFICE", viewer=house.world.viewer(company_id=None)) == []
    neighbour = house.neighbour.viewer(Role.COMPANY_ADMIN)
    assert await figures(house, "MEMBER", viewer=neighbour) == [("Reception", 1, "0.020000")]
    writer = house.world.viewer(Role.PARTNER, scopes=frozenset({PartnerScope.USAGE_WRITE}))
    assert "VIEW_USAGE" in await house.refusal(SUMMARY, {"groupBy": ["DAY"]}, writer)


async def test_the_same_chart_of_more_costs_no_more_statements(house: House) -> None:
    await house.world.record(
        *(
            replace(call(f"m{n}", NOON - timedelta(days=n % 2)), member=DirectoryReference(f"m{n}", f"M {n}"))
            for n in range(60)
        )
    )
    spoken = []
    for top in (1, 100):
        with counted(house.database) as statements:
            found = await rows(house, "MONTH", "MEMBER", top=top)
        spoken.append(len(statements))
        assert len({row["member"]["name"] for row in found if row["member"]}) == (0 if top == 1 else 61)
    # The currency; what leads; the sums; the names.
    assert spoken[0] <= spoken[1] <= 4


@pytest.mark.parametrize("dimensions", [["DAY", "MEMBER"], ["MONTH", "MEMBER"]])
async def test_a_name_is_shown_though_its_owner_is_of_an_office_out_of_sight(
    house: House, dimensions: list[str]
) -> None:
    """As in the list: a bill says who used the office's phones."""
    abroad = call("abroad again", NOON + timedelta(hours=1), office="berlin", from_="1002")
    await house.world.record(replace(abroad, member=FRONT_DESK))
    admin = await house.office_admin("berlin")
    query = SUMMARY.replace("member { name }", "member { name email office { slug } }")
    data = await house.ask(query, {"groupBy": dimensions, "filter": {"month": "2026-02"}}, admin)
    assert [row["member"] for row in data["usageSummary"]] == [
        None,
        {"name": "Front desk", "email": None, "office": None},
    ]
