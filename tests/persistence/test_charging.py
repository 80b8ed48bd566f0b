"""Charging on real databases: the worked numbers of the rules, end to end."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.catalogue import WalletKind
from domain.charging import Outcome
from domain.usage import RejectionCode
from persistence.database import Database
from persistence.tables.charging import CHARGE, USAGE_BY_CYCLE, USAGE_BY_DAY
from persistence.tables.funds import WALLET, WALLET_CYCLE
from tests.world import START, World, allowance, call, commitment, office

NOON = START + timedelta(hours=12)


@pytest.fixture
async def world(database: Database) -> World:
    world = World(database)
    world.now = START + timedelta(days=1)
    return world


async def test_allowance_then_commitment_then_universal(world: World) -> None:
    await world.set_up(
        office(allowances=(allowance(240),), commitments=(commitment("1"),), opening_credits_micros=5_000_000)
    )

    [decision] = await world.record(call("one", NOON, seconds=600))

    assert decision.outcome is Outcome.CHARGED
    [row] = await world.database.rows(CHARGE.select())
    assert (row.list_price_micros, row.cost_micros) == (200_000, 120_000)
    assert (row.plan_quantity, row.plan_micros, row.commitment_micros, row.universal_micros) == (
        240,
        80_000,
        120_000,
        0,
    )
    [calling] = await world.database.rows(WALLET_CYCLE.select())
    assert (calling.balance_micros, calling.spent_micros) == (880_000, 120_000)
    [universal] = await world.database.rows(WALLET.select().where(WALLET.c.kind == WalletKind.UNIVERSAL))
    assert universal.balance_micros == 5_000_000


async def test_sending_a_batch_again_changes_nothing(world: World) -> None:
    await world.set_up()
    batch = [call(f"e{at}", NOON + timedelta(minutes=at)) for at in range(20)]
    first = await world.record(*batch)
    again = await world.record(*batch)

    assert {decision.outcome for decision in again} == {Outcome.REPLAYED}
    assert [decision.charge_id for decision in again] == [decision.charge_id for decision in first]
    assert len(await world.database.rows(CHARGE.select())) == 20
    [cycle] = await world.database.rows(USAGE_BY_CYCLE.select())
    [day] = await world.database.rows(USAGE_BY_DAY.select())
    assert cycle.charge_count == day.charge_count == 20
    assert cycle.universal_micros == day.universal_micros == 20 * 20_000


async def test_other_facts_under_a_known_key_conflict_and_say_which(world: World) -> None:
    await world.set_up()
    await world.record(call("one", NOON))
    [decision] = await world.record(call("one", NOON, seconds=61, to="+442071234567"))
    assert decision.outcome is Outcome.CONFLICT
    assert decision.differing == ("usage.call.to", "usage.call.durationSeconds")


async def test_no_rate_is_kept_and_charged_when_a_rate_comes(world: World) -> None:
    await world.apply()
    [decision] = await world.record(call("one", NOON))
    assert decision.rejection is not None
    assert decision.rejection.code is RejectionCode.NO_RATE
    await world.deck(at=datetime(2020, 1, 1, tzinfo=UTC))
    from domain.stories.charge import replay_rejected

    [replayed] = await replay_rejected(world.begin, world.viewer(), now=world.now)
    assert replayed.outcome is Outcome.CHARGED
    assert await replay_rejected(world.begin, world.viewer(), now=world.now) == []
    [again] = await world.record(call("one", NOON))
    assert again.outcome is Outcome.REPLAYED
