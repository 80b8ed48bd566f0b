"""What is told as it happens: to whom, how often, and that it is what the database says."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from domain.access import Role
from domain.stories.charge import reverse_usage
from domain.stories.watch import watch_due
from domain.usage import AiAgentMode, AiAgentSession, UsageEvent
from persistence import looks
from persistence.begin import Begin
from persistence.database import Database
from persistence.tables.alerts import SPENDING_ALERT
from persistence.tables.charging import CHARGE
from schema import live
from tests.persistence.elsewhere import charger
from tests.persistence.holding import held, request
from tests.proof import assert_books_hold
from tests.schema.conftest import HOUR, NOON, House
from tests.schema.following import ALERTS, TOP_UPS, USAGE, WALLETS, following, telling
from tests.schema.till import DECLINES, Till, open_till
from tests.world import call, usage_event

NOW = """query ($id: ID!) { wallets(officeId: $id) {
  id kind balance { amount } reserved { amount } available { amount } spent { amount } usedPercent
  billingCycle { month startsAt } office { slug canSpend billingCycle { month } } } }"""


@pytest.fixture
async def house(house: House) -> AsyncIterator[House]:
    async with telling(house).changes.running():
        yield house
    await assert_books_hold(house.database)


@pytest.fixture
async def small_house(small_house: House) -> House:
    return telling(small_house)


async def wallets_now(house: House, office: str) -> list[Any]:
    found: list[Any] = (await house.ask(NOW, {"id": office}))["wallets"]
    return found


def latest(told: Sequence[Any]) -> list[Any]:
    """Of each wallet what was told last, in the page's order."""
    by_id = {wallet["id"]: wallet for wallet in told}
    return sorted(by_id.values(), key=lambda wallet: ["CALLING", "AI_AGENT", "UNIVERSAL"].index(wallet["kind"]))


# ---------- wallets ----------


async def test_each_wallet_is_told_at_the_beginning_and_then_those_whose_figures_changed(house: House) -> None:
    office = await house.office()
    async with following(house, WALLETS, id=office) as follower:
        await follower.until(lambda told: len(told) == 3)
        assert follower.told == await wallets_now(house, office)
        await follower.hears_nothing()
        await house.world.record(call("all that is committed", NOON + 8 * HOUR, seconds=3_600))
        await follower.until(lambda told: len(told) == 5)
        assert [wallet["kind"] for wallet in follower.told[3:]] == ["CALLING", "UNIVERSAL"]
        await house.world.record(call("more", NOON + 9 * HOUR))
        [universal] = (await follower.until(lambda told: len(told) == 6))[5:]
        assert universal["kind"] == "UNIVERSAL"
        await follower.hears_nothing()
        await held(house.world, request("held"))
        await follower.until(lambda told: told[-1]["reserved"]["amount"] == "0.020000")
        await follower.hears_nothing()
        assert latest(follower.told) == await wallets_now(house, office)


async def test_a_commit_of_this_process_is_told_without_waiting_for_the_next_look(house: House) -> None:
    async with following(house, WALLETS, id=await house.office()) as follower:
        await follower.until(lambda told: len(told) == 3)
        await asyncio.sleep(looks.LEAST_SECONDS)
        async with asyncio.timeout(live.SAFETY_SECONDS / 2):
            await house.world.record(call("soon", NOON))
            await follower.until(lambda told: len(told) == 4)


async def test_under_a_burst_the_latest_state_is_told_four_times_a_second(house: House) -> None:
    office = await house.office()
    async with following(house, WALLETS, id=office) as follower:
        await follower.until(lambda told: len(told) == 3)
        for place in range(80):
            await house.world.record(call(f"burst-{place}", NOON))
            await asyncio.sleep(0.01)
        now = await wallets_now(house, office)
        await follower.until(lambda told: latest(told) == now)
        rounds = [at for at, one in zip(follower.read_at, follower.told, strict=True) if one["kind"] == "UNIVERSAL"][1:]
        assert 2 < len(rounds) < 60, "one for each commit would be 80"
        assert len(rounds) <= 2 + (rounds[-1] - rounds[0]) / 0.25
        await follower.hears_nothing()


async def test_who_reads_slowly_is_told_the_latest_and_nothing_is_kept_for_him(house: House) -> None:
    office = await house.office()
    async with following(house, WALLETS, id=office) as follower:
        await follower.until(lambda told: len(told) == 3)
        follower.may_read.clear()
        await house.world.record(call("first", NOON))
        await follower.until(lambda told: len(told) == 4)
        for place in range(20):
            await house.world.record(call(f"unread-{place}", NOON))
            await asyncio.sleep(0.05)
        follower.may_read.set()
        await follower.until(lambda told: len(told) == 5)
        assert latest(follower.told) == await wallets_now(house, office)
        await follower.hears_nothing()


async def test_what_another_office_spends_is_not_told(house: House) -> None:
    async with following(house, WALLETS, id=await house.office()) as follower:
        await follower.until(lambda told: len(told) == 3)
        await house.world.record(call("elsewhere", NOON, office="lone"))
        await house.neighbour.record(call("elsewhere", NOON))
        await follower.hears_nothing()


async def test_what_nobody_told_of_is_seen_all_the_same(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody hears: as when the process that committed died before it could tell."""
    monkeypatch.setattr(live, "SAFETY_SECONDS", 0.5)
    async with following(house, WALLETS, id=await house.office()) as follower:
        await follower.until(lambda told: len(told) == 3)
        house.world.begin = Begin(house.database)
        await house.world.record(call("untold", NOON))
        await follower.until(lambda told: len(told) == 4)


async def test_a_cycle_that_ends_shows_without_any_commit(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time goes on for who listens, and who looks renews what is due (R9)."""
    monkeypatch.setattr(live, "SAFETY_SECONDS", 0.5)
    house.world.now = datetime(2026, 4, 1, tzinfo=UTC) - timedelta(seconds=2)
    async with following(house, WALLETS, id=await house.office()) as follower:
        told = await follower.until(lambda told: len(told) == 3)
        assert {wallet["billingCycle"]["startsAt"] for wallet in told} == {"2026-03-01T00:00:00Z"}
        told = await follower.until(lambda told: len(told) == 5)
        calling, universal = told[3:]
        assert (calling["kind"], calling["billingCycle"]["month"]) == ("CALLING", "2026-04")
        assert (calling["balance"]["amount"], calling["spent"]["amount"]) == ("1.000000", "0.000000")
        assert (universal["kind"], universal["billingCycle"]["month"]) == ("UNIVERSAL", "2026-04")


# ---------- usage ----------


async def charge_count(house: House) -> int:
    return int((await house.database.rows(select(func.count()).select_from(CHARGE)))[0][0])


async def test_of_two_processes_bursts_every_charge_is_told_or_counted_once(house: House) -> None:
    before = await charge_count(house)
    async with (
        charger(house.world, "one", 50) as one,
        charger(house.world, "two", 50) as two,
        following(house, USAGE, id=await house.office()) as follower,
    ):
        one.begin()
        two.begin()
        for place in range(4):
            heard = len(follower.told)
            await house.world.record(*(call(f"mine-{place}-{nth}", NOON) for nth in range(80)))
            await follower.until(lambda told, heard=heard: len(told) > heard)
        await one.finish()
        await two.finish()
        made = await charge_count(house) - before
        assert made == 420
        await follower.until(lambda told: count_of(told) >= made)
        await follower.hears_nothing()
    ids = [record["id"] for event in follower.told for record in event["records"]]
    assert count_of(follower.told) == made
    assert len(ids) == len(set(ids)) < made, "some were left out"
    assert len(follower.told) > 3
    order = {f"use_{row.id.hex}": row.sequence for row in await house.database.rows(CHARGE.select())}
    assert [order[one] for one in ids] == sorted(order[one] for one in ids)
    assert all(len(event["records"]) == 50 for event in follower.told if event["omittedCount"])


def count_of(told: Sequence[Any]) -> int:
    return sum(len(event["records"]) + event["omittedCount"] for event in told)


async def test_usage_is_told_from_the_beginning_on_reversals_too(house: House) -> None:
    async with following(house, USAGE, id=await house.office()) as follower:
        await follower.hears_nothing()
        [decision] = await house.world.record(call("new", NOON))
        [event] = await follower.until(lambda told: told)
        assert event["office"] == {"slug": "hq"}
        assert [record["eventId"] for record in event["records"]] == ["new"]
        assert decision.charge_id
        await reverse_usage(
            house.world.begin,
            house.world.viewer(),
            decision.charge_id,
            key="back",
            reason="A mistake.",
            now=house.world.now,
        )
        [_, event] = await follower.until(lambda told: len(told) == 2)
        assert [record["state"] for record in event["records"]] == ["REVERSAL"]
        await house.world.record(call("new", NOON))
        await follower.hears_nothing()


async def test_what_is_charged_before_the_first_event_is_asked_for_is_told(small_house: House) -> None:
    office = await small_house.office()
    async with following(small_house, USAGE, id=office) as follower:
        await small_house.world.record(*(call(f"early-{place}", NOON) for place in range(51)))
        [event] = await follower.until(lambda told: told)
        assert (len(event["records"]), event["omittedCount"]) == (50, 1)


# ---------- top-ups ----------


@pytest.fixture
async def till(database: Database) -> Till:
    till = await open_till(database)
    telling(till.house)
    return till


async def test_a_purchase_is_told_until_it_settled_was_given_back_or_failed(till: Till) -> None:
    await till.save_card()
    earlier = (await till.buy("20", "21.78", "earlier"))["topUp"]["id"]
    async with following(till.house, TOP_UPS, id=await till.house.office()) as follower:
        await follower.hears_nothing()
        bought = (await till.buy("20", "21.78"))["topUp"]["id"]
        settled = (await follower.until(lambda told: told and told[-1]["state"] == "SETTLED"))[-1]
        assert settled["id"] == bought
        assert settled["wallet"] == {"balance": {"amount": "42.000000"}}
        count = len(follower.told)
        await _refund(till, earlier)
        given_back = (await follower.until(lambda told: len(told) > count))[-1]
        assert (given_back["id"], given_back["refunded"]) == (earlier, {"amount": "5.000000"})
        await till.save_card(DECLINES)
        declined = (await till.buy("30", "32.66", "declined"))["userErrors"]
        assert declined
        failed = (await follower.until(lambda told: told[-1]["state"] == "FAILED"))[-1]
        assert failed["reason"] == "CARD_DECLINED"
        await follower.hears_nothing()


async def _refund(till: Till, top_up_id: str) -> None:
    query = "mutation ($input: RefundTopUpInput!) { refundTopUp(input: $input) { userErrors { message } } }"
    input = {"idempotencyKey": "back", "topUpId": top_up_id, "amount": till.amount("5"), "reason": "Too many."}
    assert (await till.send(query, input))["userErrors"] == []


async def test_an_invoice_that_is_paid_is_told(till: Till) -> None:
    office = await till.house.office("paper")
    await till.buy("20", "21.78", slug="paper")
    async with following(till.house, TOP_UPS, id=office) as follower:
        query = "mutation ($input: SettleInvoiceInput!) { settleInvoice(input: $input) { userErrors { message } } }"
        input = {"officeId": office, "idempotencyKey": "paid"}
        await till.send(query, input, till.world.viewer(Role.OPERATOR))
        [paid] = await follower.until(lambda told: told)
        assert paid["paidAt"] == "2026-03-01T01:00:00Z"


async def test_a_cardholder_s_confirmation_is_told(till: Till) -> None:
    """The story of a front end that waits beside the card's page."""
    await till.save_card("4000002500003155")
    async with following(till.house, TOP_UPS, id=await till.house.office()) as follower:
        bought = (await till.buy("20", "21.78"))["topUp"]["id"]
        await follower.until(lambda told: told and told[-1]["state"] == "REQUIRES_ACTION")
        await till.confirm(bought)
        await till.complete(bought)
        await follower.until(lambda told: told[-1]["state"] == "SETTLED")


# ---------- alerts ----------


async def watch(house: House) -> None:
    """One round of the worker, an hour later."""
    house.world.now += HOUR
    await watch_due(house.world.begin, house.world.company_id, house.world.now)


def agents(event_id: str, count: int) -> UsageEvent:
    """For 0.50 each; 12 are committed."""
    return usage_event(event_id, NOON, AiAgentSession(mode=AiAgentMode.VOICE, session_count=count))


async def test_an_alert_is_told_once_when_it_is_raised_and_none_that_stood_before(house: House) -> None:
    office, lone = await house.office(), await house.office("lone")
    await house.world.record(agents("most of it", 20))
    await watch(house)
    assert 80 in [row.used_percent for row in await house.database.rows(SPENDING_ALERT.select())]
    limited = await house.office_admin("lone")
    async with (
        following(house, ALERTS, id=office) as of_office,
        following(house, ALERTS) as of_company,
        following(house, ALERTS, id=lone) as of_another,
        following(house, ALERTS, limited) as of_limited,
    ):
        await of_office.hears_nothing()
        await house.world.record(agents("all of it", 10))
        await watch(house)
        for follower in (of_office, of_company):
            [alert] = await follower.until(lambda told: told)
            assert (alert["kind"], alert["usedPercent"]) == ("COMMITMENT_USED", 100)
            assert alert["wallet"] == {"kind": "AI_AGENT", "available": {"amount": "0.000000"}}
            assert alert["office"] == {"slug": "hq"}
        await house.world.record(agents("after that", 1))
        await watch(house)
        await of_company.hears_nothing()
        assert len(of_company.told) == len(of_office.told) == 1
        assert of_another.told == of_limited.told == []
