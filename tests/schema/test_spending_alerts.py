"""Spending alerts over the wire: the banner with its cause, who may see it, and dismissing for oneself (R38, R39)."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select, update

from domain.access import PartnerScope, Role, Viewer
from domain.stories.watch import watch_due
from domain.usage import DirectoryReference
from persistence.database import Database
from persistence.tables.alerts import SPENDING_ALERT
from persistence.tables.company import OFFICE
from tests.proof import assert_books_hold
from tests.schema.conftest import House
from tests.world import START, World, call, commitment, office

BANNER = """query ($officeId: ID, $all: Boolean) { spendingAlerts(officeId: $officeId, includeDismissed: $all) {
  id kind message raisedAt periodStart periodEnd isDismissed office { slug }
  current { amount currencyCode } previous { amount } risePercent usedPercent
  cause { service usageType regionCode member { id name email } group { id } current { amount } previous { amount }
    sharePercent }
  wallet { kind available { amount } } planUsage { service spent } } }"""
OFFICES = "{ offices { nodes { slug spendingAlerts { kind message } } } }"
DISMISS = """mutation ($id: ID!) { dismissSpendingAlert(input: { id: $id }) {
  spendingAlert { id isDismissed } userErrors { code field } } }"""
NODE = "query ($id: ID!) { node(id: $id) { ... on SpendingAlert { id isDismissed } } }"
SALES = DirectoryReference("u7", "Sales 1")


@pytest.fixture
async def house(database: Database) -> House:
    return await build(database)


@pytest.fixture
async def small_house(sqlite_database: Database) -> House:
    return await build(sqlite_database)


async def build(database: Database) -> House:
    """In hq Sales 1 calls Britain for much longer than in March; berlin has used its commitment; lone is poor."""
    world = World(database)
    await world.set_up(
        office(opening_credits_micros=500_000_000),
        office("berlin", opening_credits_micros=500_000_000, commitments=(commitment("1"),)),
        office("lone", opening_credits_micros=1_000_000),
    )
    neighbour = World(database, slug="globex")
    await neighbour.set_up(office(phone_numbers=(), opening_credits_micros=1_000_000))
    month = START.replace(month=4)
    world.now = neighbour.now = month + timedelta(days=3, hours=1)
    for day, seconds, start in ((0, 6_000, START), (0, 6_000, month), (1, 9_000, month), (2, 9_000, month)):
        at = start + timedelta(days=day, hours=9)
        abroad = call(f"sales {at}", at, to="+442071234567", seconds=seconds)
        await world.record(replace(abroad, member=SALES), is_backfill=True)
    await world.record(call("berlin", world.now, seconds=3_600, office="berlin"))
    await neighbour.record(call("theirs", neighbour.now))
    return House(world, neighbour)


async def banners(house: House, viewer: Viewer | None = None, **variables: Any) -> Any:
    return (await house.ask(BANNER, variables, viewer))["spendingAlerts"]


async def test_the_banner_is_judged_when_somebody_looks_and_says_all_of_it(house: House) -> None:
    [rise] = await banners(house, officeId=await house.office())
    assert rise["id"].startswith("alr_")
    assert (rise["kind"], rise["office"], rise["isDismissed"]) == ("SPENDING_RISE", {"slug": "hq"}, False)
    assert rise["message"] == (
        "Spending is up 300 % in the first 3 days of this billing cycle: 40.00 USD against 10.00 USD."
        " The main cause is usage by Sales 1: 40.00 USD against 10.00 USD."
    )
    assert (rise["current"], rise["previous"]) == (
        {"amount": "40.000000", "currencyCode": "USD"},
        {"amount": "10.000000"},
    )
    assert (rise["risePercent"], rise["usedPercent"], rise["wallet"], rise["planUsage"]) == ("300.0", None, None, None)
    assert (rise["periodStart"], rise["periodEnd"]) == ("2026-04-01T00:00:00Z", "2026-04-04T00:00:00Z")
    cause = rise["cause"]
    assert cause["member"]["name"] == "Sales 1"
    assert [cause[name] for name in ("service", "usageType", "regionCode", "group")] == [None] * 4
    assert (cause["current"]["amount"], cause["sharePercent"]) == ("40.000000", "100.0")
    history = "query ($id: ID!) { usageHistory(filter: { party: { memberId: $id } }) { totalCount } }"
    found = await house.ask(history, {"id": cause["member"]["id"]})
    assert found["usageHistory"]["totalCount"] == 4
    await assert_books_hold(house.database)


async def test_each_office_has_its_own_and_a_company_admin_sees_all_newest_first(house: House) -> None:
    found = await banners(house)
    assert {(alert["office"]["slug"], alert["kind"]) for alert in found} == {
        ("hq", "SPENDING_RISE"),
        ("berlin", "COMMITMENT_USED"),
        ("lone", "UNIVERSAL_LOW"),
    }
    used = next(alert for alert in found if alert["kind"] == "COMMITMENT_USED")
    assert (used["usedPercent"], used["wallet"]) == (100, {"kind": "CALLING", "available": {"amount": "0.000000"}})
    assert used["message"] == "100 % of the calling commitment is used: 1.00 USD of 1.00 USD."
    house.world.now += timedelta(days=1)
    await house.world.record(call("again", house.world.now, seconds=600_000, to="+442071234567"))
    newest, *_ = await banners(house)
    assert (newest["office"]["slug"], newest["kind"]) == ("hq", "UNIVERSAL_LOW")
    admin = await house.office_admin("berlin")
    assert {alert["office"]["slug"] for alert in await banners(house, admin)} == {"berlin"}
    assert await banners(house, admin, officeId=await house.office()) is None


async def test_only_offices_of_the_caller_are_judged_and_of_one_that_is_asked_for_it_alone(house: House) -> None:
    async def judged() -> set[str]:
        mine = OFFICE.c.company_id == house.world.company_id
        rows = await house.database.rows(select(OFFICE.c.slug).where(mine, OFFICE.c.watch_due_at > house.world.now))
        return {row.slug for row in rows}

    assert await judged() == set()
    assert await banners(house, officeId=await house.office("berlin"))
    assert await judged() == {"berlin"}
    assert await banners(house, await house.office_admin("lone"))
    assert await judged() == {"berlin", "lone"}
    await house.ask(OFFICES, viewer=await house.office_admin("hq", "lone"))
    assert await judged() == {"hq", "berlin", "lone"}


async def test_an_office_that_cannot_be_judged_keeps_nobody_from_the_others(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """One of its alerts, which is not shown, is of a kind that this release does not know."""
    await banners(house, officeId=await house.office("lone"))
    row = {"kind": "OF_A_LATER_RELEASE", "state": "SUPERSEDED"}
    async with house.database.writing() as connection:
        await connection.execute(update(SPENDING_ALERT).values(**row))
    house.world.now += timedelta(hours=1)
    await house.world.record(call("poor", house.world.now, office="lone"))
    found = await banners(house)
    assert {alert["office"]["slug"] for alert in found} == {"hq", "berlin"}
    assert await banners(house, officeId=await house.office("lone")) == []
    told = [record.getMessage() for record in caplog.records if record.name == "schema.context"]
    assert [bool(re.fullmatch("Incident [0-9a-f]{12}: alerts could not be judged", text)) for text in told] == [
        True
    ] * 2
    with pytest.raises(ExceptionGroup, match="1 of 1 offices"):
        await watch_due(house.world.begin, house.world.company_id, house.world.now + timedelta(seconds=2))


async def test_dismissing_is_for_oneself_alone_and_an_alert_raised_again_is_another(house: House) -> None:
    [rise] = await banners(house, officeId=await house.office())
    for _ in range(2):
        done = (await house.ask(DISMISS, {"id": rise["id"]}))["dismissSpendingAlert"]
        assert done == {"spendingAlert": {"id": rise["id"], "isDismissed": True}, "userErrors": []}
    hq = await house.office()
    assert await banners(house, officeId=hq) == []
    assert [alert["isDismissed"] for alert in await banners(house, officeId=hq, all=True)] == [True]
    assert len(await banners(house)) == 2
    assert len(await banners(house, all=True)) == 3
    colleague = await house.office_admin("hq")
    assert [alert["isDismissed"] for alert in await banners(house, colleague)] == [False]
    assert (await house.ask(NODE, {"id": rise["id"]}))["node"]["isDismissed"]
    assert not (await house.ask(NODE, {"id": rise["id"]}, colleague))["node"]["isDismissed"]

    raised = await raised_again(house)
    assert raised["id"] != rise["id"]
    assert not raised["isDismissed"]


async def raised_again(house: House) -> Any:
    """The company asks for more before it is an alert, and thinks better of it."""
    for percent in (1000, 25):
        input_ = f"{{ spendingAlertRisePercent: {percent} }}"
        await house.ask(f"mutation {{ updateCompanySettings(input: {input_}) {{ company {{ id }} }} }}")
        found = await banners(house, officeId=await house.office())
        assert len(found) == (percent == 25)
    return found[0]


async def test_what_is_not_there_and_not_one_s_own_cannot_be_dismissed(house: House) -> None:
    [rise] = await banners(house, officeId=await house.office())
    for viewer, id_ in (
        (house.neighbour.viewer(Role.COMPANY_ADMIN), rise["id"]),
        (await house.office_admin("berlin"), rise["id"]),
        (None, "alr_" + "0" * 32),
        (None, "garbage"),
    ):
        done = (await house.ask(DISMISS, {"id": id_}, viewer))["dismissSpendingAlert"]
        assert done == {"spendingAlert": None, "userErrors": [{"code": "NOT_FOUND", "field": ["id"]}]}


@pytest.mark.parametrize("scope", [PartnerScope.USAGE_READ, PartnerScope.WALLETS_READ])
async def test_alerts_tell_of_usage_and_of_balances_so_both_are_needed(small_house: House, scope: PartnerScope) -> None:
    house = small_house
    [rise] = await banners(house, officeId=await house.office())
    partner = house.world.viewer(Role.PARTNER, scopes=frozenset({scope}))
    assert "lacks the permission" in await house.refusal(BANNER, {}, partner)
    assert "lacks the permission" in await house.refusal(OFFICES, {}, partner)
    done = (await house.ask(DISMISS, {"id": rise["id"]}, partner))["dismissSpendingAlert"]
    assert done["userErrors"] == [{"code": "NOT_PERMITTED", "field": None}]
    assert (await house.ask(NODE, {"id": rise["id"]}, partner))["node"] is None
    both = house.world.viewer(Role.PARTNER, scopes=frozenset({PartnerScope.USAGE_READ, PartnerScope.WALLETS_READ}))
    assert len(await banners(house, both)) == 3


async def test_the_alerts_of_many_offices_are_one_statement(small_house: House) -> None:
    house = small_house
    await banners(house)
    statements: list[str] = []
    event.listen(
        house.database._readers.sync_engine,
        "before_cursor_execute",
        lambda *given: statements.append(str(given[2])),
        named=False,
    )
    found = (await house.ask(OFFICES))["offices"]["nodes"]
    assert [len(node["spendingAlerts"]) for node in found] == [1, 1, 1]
    assert len([text for text in statements if "FROM spending_alert" in text]) == 1


async def test_what_is_due_is_looked_for_once_a_request_and_nothing_is_written_when_nothing_is(
    small_house: House,
) -> None:
    house = small_house
    await banners(house)
    statements: list[str] = []
    for engine in (house.database._readers, house.database._writer):
        event.listen(
            engine.sync_engine, "before_cursor_execute", lambda *given: statements.append(str(given[2])), named=False
        )
    await house.ask("{ a: spendingAlerts { id } b: spendingAlerts { id } offices { nodes { spendingAlerts { id } } } }")
    assert len([text for text in statements if "watch_due_at <=" in text]) == 1
    assert [text for text in statements if text.startswith(("UPDATE", "INSERT"))] == []
