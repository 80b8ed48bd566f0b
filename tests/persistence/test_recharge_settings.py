"""Who may configure auto-recharge, what is kept of it and in the audit trail, and what a reader is shown (R33–R35)."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.access import Role, Scope
from domain.auto_recharge import AutoRecharge, RechargeFacts, RechargeState, Standing
from domain.errors import AboveMaximum, NotFound, NotPermitted, WrongCurrency
from domain.money import Amount, parse_micros
from domain.stories.give_back import refund_top_up
from domain.stories.recharge import configure_recharge
from domain.top_ups import TopUpState
from persistence.auto_recharge import read_auto_recharges
from persistence.database import Database
from persistence.tables.activity import ACTIVITY
from tests.proof import assert_books_hold
from tests.recharging import Recharging, with_credits
from tests.scripted_processor import Deed
from tests.world import START, World

MAY = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
async def shop(database: Database) -> AsyncIterator[Recharging]:
    shop = Recharging(World(database, now=START + timedelta(days=1)))
    yield shop
    await assert_books_hold(database)


async def test_what_a_person_sets_is_kept_and_told_in_the_audit_trail(shop: Recharging) -> None:
    await shop.open(with_credits("10"))
    await shop.configure(threshold="7.50", amount="30", cycle_cap="90")

    row = await shop.settings()
    assert (row.is_enabled, row.threshold_micros, row.amount_micros, row.cycle_cap_micros, row.updated_at) == (
        True,
        7_500_000,
        30_000_000,
        90_000_000,
        shop.world.now,
    )
    office_id = await shop.world.office_id()
    [act] = await shop.world.database.rows(ACTIVITY.select().where(ACTIVITY.c.action == "configureAutoRecharge"))
    assert (act.actor, act.office_id, act.target_kind, act.target_id) == (
        "Company admin",
        office_id,
        "AUTO_RECHARGE",
        office_id,
    )
    assert act.changes == [
        {"field": "isEnabled", "before": "off", "after": "on"},
        {"field": "threshold", "before": "5.00 USD", "after": "7.50 USD"},
        {"field": "amount", "before": "20.00 USD", "after": "30.00 USD"},
        {"field": "cycleCap", "before": "80.00 USD", "after": "90.00 USD"},
    ]


async def test_saving_the_same_again_leaves_no_trace(shop: Recharging) -> None:
    await shop.open(with_credits("10"))
    await shop.configure()
    before = await shop.settings()
    shop.wait(hours=1)
    await shop.configure(threshold="5", amount="20")
    assert await shop.settings() == before
    acts = await shop.world.database.rows(ACTIVITY.select().where(ACTIVITY.c.action == "configureAutoRecharge"))
    assert len(acts) == 1


async def test_new_settings_are_judged_at_once(shop: Recharging) -> None:
    await shop.open(with_credits("10"))
    assert (await shop.configure()).top_up is None
    configured = await shop.configure(threshold="10.000001")
    assert configured.top_up is not None
    assert configured.top_up.state is TopUpState.PENDING
    assert [one.id for one in await shop.recharges()] == [configured.top_up.id]


async def test_it_can_be_switched_on_before_there_is_a_card(shop: Recharging) -> None:
    await shop.open(with_credits("1"), deed=None)
    assert (await shop.configure()).top_up is None
    assert (await shop.shown()).standing == Standing(RechargeState.NO_PAYMENT_METHOD, None)
    assert await shop.told() == ["SKIPPED 20 NO_PAYMENT_METHOD"]


async def test_a_decline_after_it_was_switched_off_by_hand_switches_nothing(shop: Recharging) -> None:
    await shop.open(with_credits("1"), deed=Deed.DECLINE)
    await shop.configure()
    await shop.configure(on=False)
    await shop.settle()
    row = await shop.settings()
    assert (row.is_enabled, row.is_switched_off, row.decline_count, row.judge_at) == (False, False, 0, None)


async def test_what_cannot_be_set_changes_nothing(shop: Recharging) -> None:
    await shop.open(with_credits("1"))
    with pytest.raises(AboveMaximum):
        await shop.configure(amount="2000.01")
    with pytest.raises(WrongCurrency):
        await configure_recharge(
            shop.world.begin,
            shop.admin,
            await shop.world.office_id(),
            is_enabled=True,
            threshold=Amount(parse_micros("5"), "EUR"),
            amount=None,
            cycle_cap=None,
            now=shop.world.now,
        )
    assert (await shop.settings(), await shop.recharges()) == (None, [])


async def test_who_may_buy_may_configure_and_nobody_else_learns_of_an_office(shop: Recharging) -> None:
    await shop.open(with_credits("10"), with_credits("10", "annex"), deed=None)
    annex = frozenset({await shop.world.office_id("annex")})
    of_annex = shop.world.viewer(Role.OFFICE_ADMIN, office_ids=annex, has_billing=True)
    await shop.configure(slug="annex", viewer=of_annex)
    for viewer in (
        shop.world.viewer(Role.OPERATOR),
        shop.world.viewer(Role.PARTNER),
        replace(of_annex, has_billing=False),
    ):
        with pytest.raises(NotPermitted):
            await shop.configure(slug="annex", viewer=viewer)
    refusals = []
    for viewer, office_id in ((of_annex, await shop.world.office_id()), (shop.admin, UUID(int=7))):
        with pytest.raises(NotFound) as caught:
            await configure_recharge(
                shop.world.begin, viewer, office_id,
                is_enabled=True, threshold=None, amount=None, cycle_cap=None, now=shop.world.now,
            )  # fmt: skip
        refusals.append((caught.value.message, caught.value.field))
    assert refusals[0] == refusals[1], "not allowed and not found are the same answer"


# ---------- what a reader is shown ----------


async def test_an_office_that_never_set_it_is_shown_the_defaults(shop: Recharging) -> None:
    await shop.open(with_credits("10"), deed=None)
    shown = await shop.shown()
    assert (shown.recharge, shown.recharge.cap_micros) == (AutoRecharge(), 80_000_000)
    assert (shown.facts, shown.last_top_up_id) == (RechargeFacts(False, 0, 0), None)
    assert shown.standing == Standing(RechargeState.OFF, None)
    assert (shown.billing.minimum_micros, shown.billing.card) == (5_000_000, None)


async def test_its_course_is_shown_from_ready_to_the_end_of_the_cap(shop: Recharging) -> None:
    await shop.open(with_credits("10"))
    await shop.configure(cycle_cap="20")
    assert (await shop.shown()).standing == Standing(RechargeState.READY, None)

    await shop.spend(6)
    await shop.spend(1)
    [pending, _skip] = await shop.recharges()
    shown = await shop.shown()
    assert shown.standing == Standing(RechargeState.IN_FLIGHT, None)
    assert shown.facts == RechargeFacts(True, 1, 20_000_000)
    assert shown.last_top_up_id == pending.id, "a skip because of it tells nobody anything"

    await shop.settle()
    shown = await shop.shown()
    assert shown.facts == RechargeFacts(False, 1, 20_000_000)
    assert shown.standing == Standing(RechargeState.CAP_REACHED, datetime(2026, 4, 1, tzinfo=UTC))
    tomorrow = await shop.shown(now=shop.world.now + timedelta(days=1))
    assert tomorrow.facts == RechargeFacts(False, 0, 20_000_000)

    await shop.spend(20)
    assert (await shop.shown()).last_top_up_id == (await shop.recharges())[-1].id
    shop.world.now = MAY
    await shop.spend(1)
    assert (await shop.shown()).facts == RechargeFacts(True, 1, 20_000_000)


async def test_a_failed_recharge_does_not_count_against_the_cap_but_as_an_attempt(shop: Recharging) -> None:
    await shop.open(with_credits("1"), deed=Deed.DECLINE)
    await shop.configure()
    await shop.work()
    shown = await shop.shown()
    assert shown.facts == RechargeFacts(False, 1, 0)
    assert shown.standing == Standing(RechargeState.BACKING_OFF, shop.world.now + timedelta(hours=1))


async def test_what_a_reader_is_shown_is_what_the_judge_sees(shop: Recharging) -> None:
    """Two reads, one for a page of offices and one under the lock, in zones whose days are not the same."""
    zones = {"hq": "Pacific/Kiritimati", "annex": "Pacific/Pago_Pago", "depot": "UTC"}
    await shop.open(*(with_credits("10", slug, time_zone=zone) for slug, zone in zones.items()))
    for slug in zones:
        await shop.save_card(slug)
        await shop.configure(slug=slug, cycle_cap="1000")
    for _ in range(5):
        for slug in zones:
            await shop.spend(20, slug=slug)
        await shop.work()
        shop.wait(hours=5)
    attempts = set()
    for slug in zones:
        async with shop.world.begin.begin(shop.world.company_id, shop.world.now) as work:
            books = await work.lock_books(await shop.world.office_id(slug))
            facts = await work.recharge_facts(books)
        assert (await shop.shown(slug)).facts == facts
        assert facts.spent_of_cap_micros >= 100_000_000
        attempts.add(facts.attempts_today_count)
    assert len(attempts) > 1


async def test_only_the_offices_of_the_scope_are_shown(shop: Recharging) -> None:
    await shop.open(with_credits("10"), with_credits("10", "annex"), deed=None)
    ids = [await shop.world.office_id(slug) for slug in ("hq", "annex")]
    viewer = shop.world.viewer(Role.OFFICE_ADMIN, office_ids=frozenset(ids[:1]))
    shown = await read_auto_recharges(shop.world.database, Scope.of(viewer), office_ids=ids, now=shop.world.now)
    assert [one.office_id for one in shown] == ids[:1]


async def test_a_refund_below_the_threshold_asks_for_no_recharge(shop: Recharging) -> None:
    """It would charge the card again for what was just given back (R33)."""
    await shop.open(with_credits("0"))
    bought = await shop.buy("20")
    await shop.configure()
    await refund_top_up(
        shop.world.begin, shop.processors, shop.admin, bought.top_up.id,
        amount=None, reason="Bought by mistake.", key="back", now=shop.world.now,
    )  # fmt: skip
    await shop.work()
    assert (await shop.universal(), await shop.recharges()) == (0, [])
    await shop.spend(1)
    assert await shop.told() == ["PENDING 20"], "the next spend does"


async def test_the_first_amount_is_one_that_may_be_bought(shop: Recharging) -> None:
    await shop.world.apply(with_credits("10"), purchase_minimum_micros=500_000_000)
    office_id = await shop.world.office_id()
    scope = Scope.of(shop.world.viewer())

    async def shown() -> tuple[int, datetime | None]:
        [found] = await read_auto_recharges(shop.world.database, scope, office_ids=[office_id], now=shop.world.now)
        return found.recharge.amount_micros, found.recharge.updated_at

    assert await shown() == (500_000_000, None)
    buyer = shop.world.viewer(Role.COMPANY_ADMIN)

    async def switch(*, is_enabled: bool) -> None:
        settings = {"threshold": None, "amount": None, "cycle_cap": None}
        await configure_recharge(
            shop.world.begin, buyer, office_id, is_enabled=is_enabled, now=shop.world.now, **settings
        )

    await switch(is_enabled=False)
    assert await shown() == (500_000_000, None), "nothing was changed, so nothing is kept"
    await switch(is_enabled=True)
    assert await shown() == (500_000_000, shop.world.now)
