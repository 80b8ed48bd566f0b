"""Offices are recharged on real databases, from a processor outside (R33–R35).

Every story ends with the proof of the books, and with the count of how often the processor took money. What other
systems are known to get wrong has a story each: bursts, one charge an increment, a declined card tried for days.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from domain.auto_recharge import RechargeState
from domain.money import parse_micros
from domain.payments import PaymentState
from domain.provisioning import PaymentTerms
from domain.renewal import renew
from domain.stories.charge import reverse_usage
from domain.stories.recharge import judge_recharge
from domain.top_ups import TopUpState
from persistence.database import Database
from persistence.tables.activity import ACTIVITY
from persistence.tables.payments import TOP_UP
from tests.persistence.story import fax
from tests.proof import assert_books_hold
from tests.recharging import Recharging, with_credits
from tests.scripted_processor import Deed, Died
from tests.world import START, World

STEPS = ("prepare", "charge")


@pytest.fixture
async def shop(database: Database) -> AsyncIterator[Recharging]:
    """The proof at the end is part of every story, and so is that no recharge took money twice."""
    shop = Recharging(World(database, now=START + timedelta(days=1)))
    yield shop
    for top_up in await shop.recharges():
        is_paid = top_up.state is TopUpState.SETTLED and top_up.payment_terms is PaymentTerms.CARD
        assert shop.processor.charge_count(top_up.id) == int(is_paid), top_up
    await assert_books_hold(database)


@pytest.fixture
async def office(shop: Recharging) -> Recharging:
    """Holds 10.00, has a good card, and is recharged with 20.00 below 5.00."""
    await shop.open(with_credits("10"))
    await shop.configure()
    return shop


# ---------- one recharge ----------


async def test_the_charge_that_touches_the_threshold_does_nothing_and_the_next_one_recharges(
    office: Recharging,
) -> None:
    await office.spend(5)
    assert await office.recharges() == []
    await office.spend(1)
    [pending] = await office.recharges()
    assert (pending.state, pending.credits_micros, pending.due_at) == (
        TopUpState.PENDING,
        20_000_000,
        office.world.now,
    )
    assert (pending.requested_by, pending.tax_micros, pending.month) == ("Auto-recharge", 1_780_000, (2026, 3))

    await office.work()

    assert await office.told() == ["SETTLED 20"]
    assert await office.universal() == parse_micros("24")
    assert await office.posted(pending.id) == [
        ("card", "wallet:UNIVERSAL", 20_000_000),
        ("card", "tax", 1_780_000),
    ]
    [order] = [payment.order for payment in office.processor.of(pending.id)]
    assert (order.amount_minor, order.is_off_session) == (2_178, True)
    await office.work()
    assert office.processor.charge_count() == 1


async def test_the_intent_is_part_of_the_transaction_that_spends(office: Recharging) -> None:
    office_id = await office.world.office_id()

    async def spend_and_fail() -> None:
        async with office.world.begin.begin(office.world.company_id, office.world.now) as work:
            books = await work.lock_books(office_id)
            renew(books)
            books.out_of_universal(parse_micros("9"), "adjustment")
            assert await judge_recharge(work, books) is not None
            await work.save_books(books)
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await spend_and_fail()
    assert (await office.recharges(), await office.universal()) == ([], parse_micros("10"))


async def test_one_charge_closes_a_gap_of_many_amounts_even_above_the_limit_of_a_purchase(shop: Recharging) -> None:
    await shop.open(with_credits("0"), purchase_maximum_micros=parse_micros("25"))
    await shop.spend(50)
    configured = await shop.configure(amount="10")
    assert configured.top_up is not None
    await shop.work()
    assert await shop.told() == ["SETTLED 40", "SKIPPED 20 CYCLE_CAP"], "six would close it; the cap is four"
    await shop.configure(cycle_cap="200")
    await shop.work()
    assert await shop.told() == ["SETTLED 40", "SKIPPED 20 CYCLE_CAP", "SETTLED 20"]
    assert await shop.universal() == parse_micros("10")
    assert shop.processor.charge_count() == 2


async def test_a_batch_is_judged_once_on_the_balance_it_ends_with(office: Recharging) -> None:
    await office.world.record(*(fax(f"batch-{at}", office.world.now, 1) for at in range(20)))
    assert await office.told() == ["PENDING 20"]
    await office.work()
    assert await office.universal() == parse_micros("10")


async def test_while_one_is_in_flight_there_is_no_second_and_one_line_says_so(office: Recharging) -> None:
    for _ in range(4):
        await office.spend(6)
    assert await office.told() == ["PENDING 20", "SKIPPED 20 ALREADY_IN_FLIGHT"]


async def test_after_a_settlement_it_is_judged_again(office: Recharging) -> None:
    await office.spend(6)
    await office.spend(30)
    await office.settle()
    assert await office.told() == ["SETTLED 20", "SKIPPED 40 ALREADY_IN_FLIGHT", "SETTLED 20"]
    assert await office.universal() == parse_micros("14")


async def test_a_purchase_that_is_not_enough_is_followed_by_a_recharge(shop: Recharging) -> None:
    await shop.open(with_credits("0"))
    await shop.spend(30)
    await shop.configure(on=False, threshold="5")
    await shop.configure()
    await shop.settle()
    assert await shop.told() == ["SETTLED 40"]
    shop.processor.deed = Deed.PAY
    await shop.spend(30)
    await shop.buy("5")
    assert await shop.told() == ["SETTLED 40", "PENDING 40", "SKIPPED 20 ALREADY_IN_FLIGHT"]


async def test_money_that_goes_back_never_recharges(office: Recharging) -> None:
    """Neither a reversal, which only adds, nor what an operator looks at; nor a refund, told in its own stories."""
    await office.configure(on=False)
    decision = await office.spend(8)
    await office.configure(threshold="1")
    assert decision.charge_id is not None
    viewer, now = office.world.viewer(), office.world.now
    await reverse_usage(office.world.begin, viewer, decision.charge_id, key="back", reason="Wrong.", now=now)
    assert await office.recharges() == []


# ---------- many at once ----------


async def test_fifty_charges_at_once_begin_one_recharge(office: Recharging) -> None:
    await asyncio.gather(*(office.spend(1) for _ in range(50)))
    [begun, *skips] = await office.recharges()
    assert (begun.state, {one.state for one in skips} <= {TopUpState.SKIPPED}) == (TopUpState.PENDING, True)
    assert len(skips) <= 1
    await office.work()
    paid = [one for one in await office.recharges() if one not in skips]
    assert [one.state for one in paid] == [TopUpState.SETTLED] * len(paid)
    assert [office.processor.charge_count(one.id) for one in paid] == [1] * len(paid)
    assert len(paid) <= 2, "one for what was spent before it, and one for all that was spent since"
    assert sum(one.credits_micros for one in paid) == 60_000_000
    assert await office.universal() == parse_micros("20")


async def test_workers_and_charges_at_once_take_the_money_of_every_recharge_once(office: Recharging) -> None:
    await office.configure(cycle_cap="1000")

    async def worker() -> None:
        for _ in range(8):
            await office.work()

    async def spender(name: int) -> None:
        for at in range(6):
            await office.spend(2, event_id=f"{name}-{at}")

    await asyncio.gather(*(worker() for _ in range(4)), *(spender(name) for name in range(4)))
    await office.work()
    await office.work()
    assert await office.universal() >= parse_micros("5")
    paid = [one for one in await office.recharges() if one.state is TopUpState.SETTLED]
    assert office.processor.taken_minor() == sum(one.total_micros for one in paid) // 10_000
    assert await office.universal() == parse_micros("10") - 48_000_000 + sum(one.credits_micros for one in paid)


async def test_workers_at_once_judge_an_office_once(shop: Recharging) -> None:
    await shop.open(with_credits("1"), deed=None)
    await shop.configure()
    await shop.save_card()
    assert sorted(await asyncio.gather(*(shop.judge() for _ in range(5))))[-1] == 1
    assert [one.state for one in await shop.recharges()] == [TopUpState.SKIPPED, TopUpState.PENDING]


# ---------- a processor that is not well ----------


@pytest.mark.parametrize("is_after", [False, True])
@pytest.mark.parametrize("step", STEPS)
async def test_a_worker_that_dies_half_way_is_picked_up_by_another(
    office: Recharging, step: str, is_after: bool
) -> None:
    await office.spend(6)
    office.processor.mishap(step, after=is_after, error=Died())
    with pytest.raises(BaseExceptionGroup):
        await office.settle()
    assert await office.settle() == 0, "the claim of the dead one still holds"
    office.wait(seconds=61)
    assert await office.settle() == 1
    assert await office.told() == ["SETTLED 20"]
    assert office.processor.charge_count() == 1


async def test_an_answer_that_was_lost_is_asked_for_and_nothing_is_charged_meanwhile(office: Recharging) -> None:
    office.processor.mishap("charge", after=True)
    await office.spend(6)
    await office.settle()
    for _ in range(3):
        await office.spend(1)
    assert await office.told() == ["PENDING 20", "SKIPPED 20 ALREADY_IN_FLIGHT"]
    office.wait(seconds=5)
    await office.settle()
    assert (await office.told())[0] == "SETTLED 20"
    assert (office.processor.charge_count(), office.processor.call_count("charge")) == (1, 1)


async def test_a_processor_that_is_down_for_a_day_neither_blocks_for_ever_nor_counts_as_a_decline(
    office: Recharging,
) -> None:
    office.processor.is_down = True
    await office.spend(6)
    for _ in range(12):
        await office.work()
        office.wait(hours=2)
    assert await office.told() == ["PENDING 20"]
    assert ((await office.settings()).decline_count, office.processor.charge_count()) == (0, 0)
    office.processor.is_down = False
    await office.work()
    assert await office.told() == ["SETTLED 20"]


# ---------- declines ----------


@pytest.mark.parametrize(
    ("deed", "reason"),
    [
        (Deed.DECLINE, "CARD_DECLINED"),
        (Deed.NO_FUNDS, "INSUFFICIENT_FUNDS"),
        (Deed.ASK_CARDHOLDER, "AUTHENTICATION_FAILED"),
    ],
)
async def test_a_declined_card_is_tried_four_times_in_two_days_however_much_is_spent(
    shop: Recharging, deed: Deed, reason: str
) -> None:
    await shop.open(with_credits("10"), deed=deed)
    await shop.configure()
    begun = shop.world.now
    for _ in range(40):
        await shop.spend(1)
        await shop.work()
        shop.wait(hours=1)
    tried = [one for one in await shop.recharges() if one.state is TopUpState.FAILED]
    assert [str(one.reason) for one in tried] == [reason] * 4
    assert [(one.created_at - begun) // timedelta(hours=1) for one in tried] == [5, 6, 12, 36]
    assert sum(state == "SKIPPED" for state in (one.state for one in await shop.recharges())) == 2
    assert shop.processor.call_count("charge") == 4

    settings = await shop.settings()
    assert (settings.is_enabled, settings.is_switched_off) == (False, True)
    assert (await shop.shown()).standing.state is RechargeState.SWITCHED_OFF_AFTER_DECLINES
    [act] = await shop.world.database.rows(ACTIVITY.select().where(ACTIVITY.c.action == "switchOffAutoRecharge"))
    assert (act.actor, act.subject) == ("Farebox", None)
    assert act.changes == [{"field": "isEnabled", "before": "on", "after": "off"}]


async def test_when_a_back_off_ends_it_is_tried_again_without_anything_being_spent(shop: Recharging) -> None:
    await shop.open(with_credits("1"), deed=Deed.DECLINE)
    await shop.configure()
    await shop.work()
    shop.processor.deeds.clear()
    shop.wait(minutes=59)
    await shop.work()
    assert await shop.told() == ["FAILED 20 CARD_DECLINED"]
    shop.wait(minutes=1)
    await shop.work()
    assert (await shop.told())[-1] == "SETTLED 20"
    assert (await shop.settings()).decline_count == 0


async def test_a_new_card_ends_the_back_off(shop: Recharging) -> None:
    await shop.open(with_credits("1"), deed=Deed.DECLINE)
    await shop.configure()
    await shop.work()
    assert (await shop.shown()).standing.state is RechargeState.BACKING_OFF
    await shop.save_card()
    await shop.work()
    assert (await shop.told())[-1] == "SETTLED 20"


async def test_money_that_comes_late_for_a_declined_recharge_is_credited_and_forgives_it(shop: Recharging) -> None:
    await shop.open(with_credits("1"), deed=Deed.DECLINE)
    await shop.configure()
    await shop.work()
    [failed] = await shop.recharges()
    [payment] = shop.processor.of(failed.id)
    payment.state = PaymentState.NOT_STARTED
    payment.take()
    await shop.hear(failed)
    assert await shop.told() == ["SETTLED 20"]
    assert (await shop.settings()).decline_count == 0


# ---------- caps ----------


async def test_a_runaway_is_stopped_by_the_cap_of_each_cycle(shop: Recharging) -> None:
    """Weeks of it: the cap is spent once a cycle, one line says that it is, and the next cycle goes on by itself."""
    await shop.open(with_credits("10"))
    await shop.configure(cycle_cap="50")
    while shop.world.now < START + timedelta(days=40):
        await shop.spend(10)
        await shop.work()
        shop.wait(hours=12)
    cut = ["SETTLED 20", "SETTLED 20", "SKIPPED 20 CYCLE_CAP"]
    assert await shop.told() == [*cut, "SETTLED 40", "SKIPPED 540 CYCLE_CAP"]
    [renewed] = [one for one in await shop.recharges() if one.credits_micros == 40_000_000]
    assert (renewed.created_at, renewed.month) == (datetime(2026, 4, 1, tzinfo=UTC), (2026, 4))
    assert (await shop.shown()).standing == (RechargeState.CAP_REACHED, datetime(2026, 5, 1, tzinfo=UTC))


async def test_there_are_six_attempts_in_a_day_and_the_day_is_the_office_s_own(shop: Recharging) -> None:
    await shop.open(with_credits("10", time_zone="Asia/Kolkata"))
    await shop.configure(cycle_cap="10000")
    midnight = datetime(2026, 3, 2, 18, 30, tzinfo=UTC)
    while shop.world.now < midnight:
        await shop.spend(20)
        await shop.work()
        shop.wait(hours=1)
    told = await shop.told()
    assert (len(told), told.count("SETTLED 20"), told[-1]) == (7, 6, "SKIPPED 20 DAILY_CAP")
    assert (await shop.settings()).judge_at == midnight
    before = await shop.shown(now=midnight - timedelta(microseconds=1))
    assert before.standing == (RechargeState.CAP_REACHED, midnight)
    assert (await shop.shown(now=midnight)).standing.state is RechargeState.READY
    shop.world.now = midnight
    await shop.work()
    assert len(await shop.told()) == 8
    assert (await shop.told())[-1].startswith("SETTLED")


async def test_a_skip_is_written_when_its_reason_changes(shop: Recharging) -> None:
    await shop.open(with_credits("10"), deed=None)
    await shop.configure()
    for _ in range(10):
        await shop.spend(1)
        await shop.work()
    assert await shop.told() == ["SKIPPED 20 NO_PAYMENT_METHOD"]
    await shop.save_card(expires_month=202602)
    await shop.work()
    for _ in range(3):
        await shop.spend(1)
    assert await shop.told() == ["SKIPPED 20 NO_PAYMENT_METHOD", "SKIPPED 20 CARD_EXPIRED"]
    await shop.save_card()
    await shop.work()
    assert (await shop.told())[2:] == ["SETTLED 20"]


async def test_an_invoiced_office_is_recharged_at_once_within_its_limit(shop: Recharging) -> None:
    plan = with_credits("10", payment_terms=PaymentTerms.INVOICE, invoice_limit_micros=parse_micros("43.56"))
    await shop.open(plan, deed=None)
    await shop.configure()
    for _ in range(6):
        await shop.spend(10)
    assert await shop.told() == ["SETTLED 20", "SETTLED 20", "SKIPPED 20 INVOICE_LIMIT"]
    assert await shop.universal() == parse_micros("-10")
    assert (await shop.shown()).standing == (RechargeState.CAP_REACHED, None)
    assert shop.processor.calls == []
    rows = await shop.world.database.rows(TOP_UP.select())
    assert {row.due_at for row in rows} == {None}
