"""Forecasts as the wallet cards and the office's page ask for them."""

from datetime import timedelta
from typing import Any

from domain.access import PartnerScope, Role
from domain.catalogue import Cadence, WalletKind
from tests.schema.conftest import NOON, House
from tests.schema.test_usage_history import counted
from tests.world import START, call, commitment, office

FORECASTS = """query Forecasts($id: ID!) { office(id: $id) {
  spendForecast { cycleTotal { amount currencyCode } method }
  wallets { kind available { amount } forecast { averageDailySpend { amount } runsOutAt method } } } }"""
MANY = """query { offices(first: 100) { nodes { slug spendForecast { cycleTotal { amount } }
  wallets { kind forecast { runsOutAt averageDailySpend { amount } } } } } }"""


async def told(house: House, slug: str = "hq") -> Any:
    return (await house.ask(FORECASTS, {"id": await house.office(slug)}))["office"]


async def _a_week(house: House) -> None:
    """Six more days of one call of ten minutes; it is the eighth of March, at noon."""
    house.world.now = NOON + timedelta(days=7)
    await house.world.record(*(call(f"d{day}", NOON + timedelta(days=day), seconds=600) for day in range(1, 8)))


async def test_a_wallet_says_when_it_runs_out_and_how_it_knows(house: House) -> None:
    await _a_week(house)
    found = await told(house)
    wallets = {wallet["kind"]: wallet for wallet in found["wallets"]}
    universal, calling = wallets["UNIVERSAL"], wallets["CALLING"]
    # Six calls of 0.20 and what was used on the first of March, less the dollar that calling credits paid.
    assert (universal["available"]["amount"], calling["available"]["amount"]) == ("4.138333", "0.000000")
    assert universal["forecast"]["averageDailySpend"] == {"amount": "0.094524"}
    # 4.138333 ÷ (0.661667 ÷ 7) = 43.780… days
    assert universal["forecast"]["runsOutAt"][:13] == "2026-04-21T06"
    assert calling["forecast"]["runsOutAt"] == "2026-03-08T12:00:00Z"
    assert wallets["AI_AGENT"]["forecast"]["averageDailySpend"] == {"amount": "0.071429"}
    assert wallets["AI_AGENT"]["forecast"]["runsOutAt"][:10] == "2026-08-16"
    assert universal["forecast"]["method"].startswith("The average of the last 7 complete days, 2026-03-01 to")


async def test_a_cycle_says_what_it_will_cost(house: House) -> None:
    await _a_week(house)
    found = (await told(house))["spendForecast"]
    # So far 0.961667 and seven calls of 0.20. To come: half of Sunday the 8th and three more Sundays of 0.961667, and
    # twenty other days of 0.20.
    assert found["cycleTotal"] == {"amount": "9.727502", "currencyCode": "USD"}
    assert "average of the same weekday over the last 7 complete days" in found["method"]


async def test_who_has_used_next_to_nothing_has_no_forecast(house: House) -> None:
    for slug in ("hq", "lone"):
        found = await told(house, slug)
        assert found["spendForecast"] is None
        assert [wallet["forecast"] for wallet in found["wallets"]] == [None] * len(found["wallets"])


async def test_forecasts_need_the_permission_of_wallets(house: House) -> None:
    reader = house.world.viewer(Role.PARTNER, scopes=frozenset({PartnerScope.USAGE_READ}))
    query = "query ($id: ID!) { office(id: $id) { spendForecast { method } } }"
    assert "VIEW_WALLETS" in await house.refusal(query, {"id": await house.office()}, reader)
    hq = await house.office_admin("hq")
    assert (await house.ask(query, {"id": await house.office("berlin")}, hq))["office"] is None


async def test_a_hundred_offices_are_foretold_in_as_many_statements_as_one(small_house: House) -> None:
    house, world = small_house, small_house.world
    world.slug = "many"
    world.now = START + timedelta(hours=1)
    slugs = [f"branch-{number:02}" for number in range(100)]
    committed = (commitment("1"), commitment("2", WalletKind.AI_AGENT, Cadence.ANNUAL))
    await world.set_up(*(office(slug, phone_numbers=(), commitments=committed) for slug in slugs))
    world.now = START + timedelta(days=4, hours=1)
    await world.record(
        *(
            call(f"{slug} {day}", START + timedelta(days=day), seconds=60 * (at + 1), office=slug, from_="1002")
            for at, slug in enumerate(slugs)
            for day in range(4)
        )
    )
    with counted(house.database) as statements:
        found = (await house.ask(MANY))["offices"]["nodes"]
    with counted(house.database) as of_few:
        await house.ask(MANY.replace("100", "2"))
    assert len(found) == 100
    assert len(statements) == len(of_few) <= 5, statements
    for at, node in enumerate(found):
        calling = next(wallet for wallet in node["wallets"] if wallet["kind"] == "CALLING")
        assert calling["forecast"]["averageDailySpend"]["amount"] == f"{min(0.02 * (at + 1), 0.25):.6f}"
