"""What happens is told to the endpoints that asked for it: once, with its figures, and only when it is committed."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain.access import Scope
from domain.money import Currency
from domain.news import News, Topic
from domain.stories.charge import charge_offices, replay_rejected
from domain.usage import Call, OfficeReference
from persistence.begin import Begin
from persistence.database import Database
from tests.partners import Partner
from tests.persistence.giving_back import invoiced, taxed
from tests.proof import assert_books_hold
from tests.recharging import Recharging, with_credits
from tests.scripted_processor import Deed
from tests.world import World, call, office

HOOK = "http://127.0.0.1:9/hook"


def money(text: str) -> dict[str, str]:
    return {"amount": f"{text}0000", "currencyCode": "USD"}


@pytest.fixture
def shop(database: Database) -> Recharging:
    return Recharging(World(database))


async def partner_of(shop: Recharging, *topics: Topic) -> Partner:
    partner = Partner(shop.world)
    await partner.endpoint(HOOK, topics or tuple(Topic))
    return partner


def without_place(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in {"company", "office"}}


async def test_credits_bought_by_card_are_told_once_with_their_figures(shop: Recharging) -> None:
    await shop.open(with_credits("1"))
    partner = await partner_of(shop)
    bought = (await shop.buy("20")).top_up
    await shop.buy("20")
    await shop.hear(bought)
    [(type_, data)] = await partner.told()
    office_id = await shop.world.office_id()
    assert type_ == "credits.purchased"
    assert data == {
        "company": {"id": f"com_{shop.world.company_id.hex}", "slug": "acme"},
        "office": {"id": f"off_{office_id.hex}", "slug": "hq", "name": "HQ"},
        "topUp": {
            "id": f"top_{bought.id.hex}",
            "paymentTerms": "CARD",
            "credits": money("20.00"),
            "tax": money("1.78"),
            "total": money("21.78"),
            "reason": None,
            "createdAt": "2026-03-01T01:00:00Z",
        },
        "settledAt": "2026-03-01T01:00:00Z",
        "universalBalance": money("21.00"),
    }
    delivery = await partner.only()
    assert delivery.due_at == delivery.created_at == shop.world.now
    assert (delivery.topic, delivery.attempt_count, delivery.delivered_at) == ("CREDITS_PURCHASED", 0, None)
    await assert_books_hold(shop.world.database)


async def test_credits_on_an_invoice_are_told_at_once(shop: Recharging) -> None:
    await shop.open(invoiced("hq"), deed=None)
    partner = await partner_of(shop)
    await shop.buy("20")
    [(type_, data)] = await partner.told()
    assert (type_, data["topUp"]["paymentTerms"]) == ("credits.purchased", "INVOICE")
    assert data["universalBalance"] == money("20.00")


async def test_a_purchase_that_came_to_nothing_is_not_told(shop: Recharging) -> None:
    await shop.open(taxed("hq"), deed=Deed.DECLINE)
    partner = await partner_of(shop)
    await shop.buy("20")
    assert await partner.told() == []


async def test_a_recharge_is_told_when_it_settles(shop: Recharging) -> None:
    await shop.open(with_credits("10"))
    partner = await partner_of(shop)
    await shop.configure()
    await shop.spend(6)
    assert await partner.told() == []
    shop.wait(seconds=1)
    await shop.settle()
    [(type_, data)] = await partner.told()
    assert type_ == "recharge.settled"
    assert without_place(data)["universalBalance"] == money("24.00")
    assert data["topUp"]["credits"] == money("20.00")
    assert (data["topUp"]["createdAt"], data["settledAt"]) == ("2026-03-01T01:00:00Z", "2026-03-01T01:00:01Z")


async def test_declines_are_told_with_the_next_attempt_and_the_last_one_that_it_is_switched_off(
    shop: Recharging,
) -> None:
    await shop.open(with_credits("10"), deed=Deed.DECLINE)
    partner = await partner_of(shop)
    await shop.configure()
    await shop.spend(6)
    for hours in (0, 1, 6, 24):
        shop.wait(hours=hours)
        await shop.work()
    told = [(type_, data["declineCount"], data.get("nextAttemptAt")) for type_, data in await partner.told()]
    assert told == [
        ("recharge.declined", 1, "2026-03-01T02:00:00Z"),
        ("recharge.declined", 2, "2026-03-01T08:00:00Z"),
        ("recharge.declined", 3, "2026-03-02T08:00:00Z"),
        ("recharge.declined", 4, None),
        ("recharge.switched_off", 4, None),
    ]
    assert {data["topUp"]["reason"] for _, data in await partner.told()} == {"CARD_DECLINED"}


async def test_an_obstacle_is_told_once(shop: Recharging) -> None:
    await shop.open(with_credits("10"), deed=None)
    partner = await partner_of(shop)
    await shop.configure()
    await shop.spend(6)
    await shop.spend(1)
    [(type_, data)] = await partner.told()
    assert type_ == "recharge.skipped"
    assert (data["topUp"]["reason"], data["nextAttemptAt"]) == ("NO_PAYMENT_METHOD", None)


async def test_a_cap_is_told_with_the_moment_that_ends_it(shop: Recharging) -> None:
    await shop.open(with_credits("10"))
    partner = await partner_of(shop, Topic.RECHARGE_SKIPPED)
    await shop.configure(cycle_cap="20")
    await shop.spend(6)
    await shop.work()
    await shop.spend(20)
    [(_, data)] = await partner.told()
    assert (data["topUp"]["reason"], data["nextAttemptAt"]) == ("CYCLE_CAP", "2026-04-01T00:00:00Z")


# ---------- rejected usage ----------


async def rejecting(database: Database) -> Partner:
    world = await World(database).set_up()
    partner = Partner(world)
    await partner.endpoint(HOOK)
    return partner


async def test_rejected_usage_is_one_message_a_batch_without_any_number(database: Database) -> None:
    partner = await rejecting(database)
    world = partner.world
    silent = replace(
        call("empty", world.now), usage=Call(**{**_facts(call("empty", world.now)), "to": ""}), source="other"
    )
    await world.record(
        call("barred", world.now, to="+900123456789"),
        call("good", world.now),
        silent,
        call("ancient", world.now - timedelta(days=5_000)),
    )
    [(type_, data)] = await partner.told()
    assert type_ == "usage.rejected"
    now = "2026-03-01T01:00:00Z"
    assert without_place(data) == {
        "rejectedCount": 3,
        "countsByCode": [
            {"code": "BAD_NUMBER", "count": 1},
            {"code": "BLOCKED", "count": 1},
            {"code": "TOO_OLD", "count": 1},
        ],
        "events": [
            _event("barred", "BLOCKED", now, "usage"),
            {**_event("empty", "BAD_NUMBER", now, "usage", "call", "to"), "source": "other"},
            _event("ancient", "TOO_OLD", "2012-06-22T01:00:00Z", "occurredAt"),
        ],
    }
    assert "900" not in (await partner.only()).body.replace(str(data["office"]), "")


def _facts(event: Any) -> dict[str, Any]:
    return {name: getattr(event.usage, name) for name in ("direction", "from_", "to", "duration_seconds")}


def _event(event_id: str, code: str, at: str, *field: str) -> dict[str, Any]:
    told = {"source": "test", "eventId": event_id, "occurredAt": at, "service": "CALLING", "code": code}
    return {**told, "field": list(field)}


async def test_twenty_are_named_and_all_are_counted(database: Database) -> None:
    partner = await rejecting(database)
    world = partner.world
    await world.record(*(call(f"barred-{n}", world.now, to="+900123456789") for n in range(30)))
    [(_, data)] = await partner.told()
    assert (len(data["events"]), data["rejectedCount"]) == (20, 30)
    assert data["countsByCode"] == [{"code": "BLOCKED", "count": 30}]


async def test_what_is_kept_and_waits_is_not_told_again(database: Database) -> None:
    partner = await rejecting(database)
    world = partner.world
    event = call("barred", world.now, to="+900123456789")
    await world.record(event)
    await world.record(event)
    await replay_rejected(world.begin, world.viewer(), now=world.now)
    assert len(await partner.told()) == 1
    await world.record(event, call("another", world.now, to="+900123456789"))
    [_, (_, data)] = await partner.told()
    assert [named["eventId"] for named in data["events"]] == ["another"]


async def test_offices_are_told_apart_and_an_unknown_one_is_nobody_s_news(database: Database) -> None:
    world = await World(database).set_up(office(), office("annex", phone_numbers=()))
    partner = Partner(world)
    await partner.endpoint(HOOK)
    barred = call("barred", world.now, to="+900123456789")
    await world.record(
        barred,
        replace(barred, event_id="annexed", office=OfficeReference(slug="annex")),
        replace(barred, event_id="lost", office=OfficeReference(slug="nowhere")),
    )
    told = {data["office"]["slug"]: data["events"][0]["eventId"] for _, data in await partner.told()}
    assert told == {"hq": "barred", "annex": "annexed"}


# ---------- who is told, and when not ----------


async def test_every_endpoint_that_asked_is_told_the_same_message(shop: Recharging) -> None:
    await shop.open(with_credits("1"))
    partner = Partner(shop.world)
    asked = [await partner.endpoint(HOOK, [Topic.CREDITS_PURCHASED]) for _ in range(2)]
    await partner.endpoint(HOOK, [Topic.RECHARGE_SETTLED, Topic.ALERT_RAISED])
    disabled = await partner.endpoint(HOOK)
    await partner.change(disabled, is_enabled=False)
    await shop.buy("20")
    log = await partner.log()
    assert {row.endpoint_id for row in log} == set(asked)
    assert len({row.message_id for row in log}) == len({row.body for row in log}) == 1


async def test_another_company_is_told_nothing(database: Database) -> None:
    acme, globex = await World(database).set_up(), World(database, slug="globex")
    await globex.set_up(office(phone_numbers=("+13125550100",)))
    partner, neighbour = Partner(acme), Partner(globex)
    await partner.endpoint(HOOK)
    await neighbour.endpoint(HOOK)
    await acme.record(call("barred", acme.now, to="+900123456789"))
    [row] = await partner.log()
    assert row.company_id == acme.company_id


async def test_what_is_rolled_back_was_never_told(database: Database) -> None:
    partner = await rejecting(database)
    world = partner.world
    office_id = await world.office_id()

    async def tell_and_fail() -> None:
        async with world.begin.begin(world.company_id, world.now) as work:
            books = await work.lock_books(office_id)
            books.news.append(News(Topic.WALLET_LOW, {}))
            await work.save_books(books)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await tell_and_fail()
    assert await partner.told() == []


async def test_books_saved_twice_tell_once_and_the_worker_is_woken_only_when_somebody_is_told(
    database: Database,
) -> None:
    partner = await rejecting(database)
    world, woken = partner.world, list[str]()
    begin = Begin(database, on_intent=lambda: woken.append("worker"))
    for topic in (Topic.WALLET_LOW, Topic.ALERT_RAISED):
        async with begin.begin(world.company_id, world.now) as work:
            books = await work.lock_books(await world.office_id())
            books.news.append(News(topic, {"is": "so"}))
            await work.save_books(books)
            await work.save_books(books)
    assert [type_ for type_, _ in await partner.told()] == ["wallet.low", "alert.raised"]
    assert woken == ["worker"] * 2
    for endpoint in {row.endpoint_id for row in await partner.log()}:
        await partner.change(endpoint, topics=[Topic.RECHARGE_SETTLED])
    scope, barred = Scope.of(world.viewer()), call("barred", world.now, to="+900123456789")
    await charge_offices(begin, scope, [(await world.office_id(), barred)], now=world.now)
    assert woken == ["worker"] * 2


async def test_amounts_are_in_the_company_s_currency(database: Database) -> None:
    shop = Recharging(World(database), currency="JPY")
    await shop.open(office(opening_credits_micros=1_000_000), currency=Currency.JPY)
    partner = await partner_of(shop)
    await shop.buy("2000")
    [(_, data)] = await partner.told()
    assert data["topUp"]["credits"] == {"amount": "2000.000000", "currencyCode": "JPY"}
