"""Adjusting wallets over a real database: once by key, under the lock, told in the audit trail (R32, R37)."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from domain.access import Role, Viewer
from domain.catalogue import Cadence, WalletKind
from domain.errors import (
    FareboxError,
    IdempotencyConflict,
    InvalidInput,
    NotFound,
    NotPermitted,
    TooLow,
    WrongCurrency,
)
from domain.money import Amount, parse_micros
from domain.stories.adjust import Adjusted, adjust_wallet
from domain.stories.recharge import configure_recharge
from domain.stories.renew import renew_due
from persistence.tables.activity import ACTIVITY
from persistence.tables.funds import POSTING, WALLET, WALLET_CYCLE
from persistence.tables.payments import TOP_UP
from tests.world import START, World, call, commitment, office

PLAN: dict[str, Any] = {
    "commitments": (commitment("10"), commitment("120", WalletKind.AI_AGENT, Cadence.ANNUAL)),
    "opening_credits_micros": 5_000_000,
}


@pytest.fixture
async def office_of(world: World) -> World:
    return await world.set_up(office(**PLAN), office("annex"))


async def wallet(world: World, kind: WalletKind = WalletKind.UNIVERSAL, slug: str = "hq") -> UUID:
    mine = (WALLET.c.office_id == await world.office_id(slug)) & (WALLET.c.kind == kind.value)
    found: UUID = (await world.database.rows(WALLET.select().where(mine)))[0].id
    return found


async def adjust(
    world: World, wallet_id: UUID, change: str, *, key: str = "k", viewer: Viewer | None = None, currency: str = "USD"
) -> Adjusted:
    return await adjust_wallet(
        world.begin,
        viewer or world.viewer(Role.OPERATOR, name="Olga", address="192.0.2.7"),
        wallet_id,
        change=Amount(parse_micros(change), currency),
        reason=" Credit note 17. ",
        key=key,
        now=world.now,
    )


async def test_universal_credits_are_adjusted_below_zero_and_the_trail_says_by_whom(office_of: World) -> None:
    world = office_of
    universal = await wallet(world)
    done = await adjust(world, universal, "-7.5")
    [row] = await world.database.rows(WALLET.select().where(WALLET.c.id == universal))
    assert row.balance_micros == -2_500_000
    [posting] = await world.database.rows(POSTING.select().where(POSTING.c.id == done.posting_id))
    assert (posting.source, posting.destination) == ("wallet:UNIVERSAL", "adjustment")
    assert (posting.note, posting.author) == ("Credit note 17.", "Olga")
    [trail] = await world.database.rows(ACTIVITY.select().where(ACTIVITY.c.action == "adjustWallet"))
    assert (trail.actor, trail.address, trail.target_kind, trail.target_id) == (
        "Olga",
        "192.0.2.7",
        "WALLET",
        universal,
    )
    assert trail.office_id == await world.office_id()
    assert trail.changes == [
        {"field": "balance", "before": "5.00 USD", "after": "-2.50 USD"},
        {"field": "reason", "before": None, "after": "Credit note 17."},
    ]


async def test_a_commitment_is_adjusted_in_its_current_cycle_and_expires_with_it(office_of: World) -> None:
    world = office_of
    calling, yearly = await wallet(world, WalletKind.CALLING), await wallet(world, WalletKind.AI_AGENT)
    await adjust(world, calling, "-4", key="1")
    await adjust(world, yearly, "30", key="2")
    with pytest.raises(TooLow, match=r"6\.00 USD"):
        await adjust(world, calling, "-6.000001", key="3")
    world.now = START + timedelta(days=32)  # due, and nobody has renewed: the adjustment does it first
    await adjust(world, calling, "1", key="4")
    world.now = START + timedelta(days=40)
    await renew_due(world.begin, None, world.now)
    rows = await world.database.rows(WALLET_CYCLE.select().order_by("starts_at", "kind"))
    assert [(row.kind, row.balance_micros, row.expired_micros) for row in rows] == [
        ("AI_AGENT", 150_000_000, 0),
        ("CALLING", 0, 6_000_000),
        ("CALLING", 11_000_000, 0),
    ]


async def test_the_same_key_adjusts_once_however_many_ask_at_once(office_of: World) -> None:
    world = office_of
    universal = await wallet(world)
    done = await asyncio.gather(*(adjust(world, universal, "1") for _ in range(8)))
    assert len({one.posting_id for one in done}) == 1
    assert sorted(one.is_replayed for one in done) == [False, *[True] * 7]
    trails = await world.database.rows(select(ACTIVITY.c.id).where(ACTIVITY.c.action == "adjustWallet"))
    assert len(trails) == 1
    with pytest.raises(IdempotencyConflict) as caught:
        await adjust(world, universal, "1.000001")
    assert caught.value.differing_fields == ("change",)
    with pytest.raises(IdempotencyConflict) as caught:
        await adjust(world, await wallet(world, slug="annex"), "1")
    assert caught.value.differing_fields == ("walletId",)


async def test_adjustments_and_usage_at_once_lose_nothing(office_of: World) -> None:
    world = office_of
    universal, calling = await wallet(world), await wallet(world, WalletKind.CALLING)
    await asyncio.gather(
        *(adjust(world, universal, "0.5", key=f"u{at}") for at in range(8)),
        *(adjust(world, calling, "-0.25", key=f"c{at}") for at in range(8)),
        *(world.record(call(f"e{at}", START, seconds=600)) for at in range(8)),
    )
    [row] = await world.database.rows(WALLET.select().where(WALLET.c.id == universal))
    [account] = await world.database.rows(WALLET_CYCLE.select().where(WALLET_CYCLE.c.wallet_id == calling))
    assert row.balance_micros == 5_000_000 + 8 * 500_000
    assert account.balance_micros == 10_000_000 - 8 * 250_000 - 8 * 200_000


async def test_what_an_adjustment_leaves_is_judged_for_auto_recharge(office_of: World) -> None:
    """There is no card, so all that can come of it is a skip that says so; what is not universal starts none."""
    world = office_of
    viewer = world.viewer(Role.COMPANY_ADMIN, has_billing=True)
    limits = {"threshold": Amount(5_000_000, "USD"), "amount": None, "cycle_cap": None}
    await configure_recharge(world.begin, viewer, await world.office_id(), is_enabled=True, **limits, now=world.now)
    await adjust(world, await wallet(world, WalletKind.CALLING), "-10", key="1")
    assert await world.database.rows(TOP_UP.select()) == []
    await adjust(world, await wallet(world), "-0.000001", key="2")
    [skip] = await world.database.rows(TOP_UP.select())
    assert (skip.origin, skip.state, skip.reason) == ("AUTO_RECHARGE", "SKIPPED", "NO_PAYMENT_METHOD")


async def test_what_is_refused_changes_nothing(office_of: World) -> None:
    world = office_of
    universal = await wallet(world)
    before = await world.database.rows(POSTING.select())
    other = World(world.database, slug="globex", now=world.now)
    await other.apply(office(phone_numbers=()))
    refusals: list[tuple[type[FareboxError], Any]] = [
        (WrongCurrency, adjust(world, universal, "1", currency="EUR")),
        (InvalidInput, adjust(world, universal, "0")),
        (InvalidInput, adjust(world, universal, "1", key="")),
        (NotFound, adjust(world, uuid4(), "1")),
        (NotFound, adjust(world, await wallet(other), "1")),
        (NotFound, adjust(world, universal, "1", viewer=other.viewer(Role.OPERATOR))),
        (NotFound, adjust(world, universal, "1", viewer=world.viewer(Role.OPERATOR, company_id=None))),
        (NotPermitted, adjust(world, universal, "1", viewer=world.viewer(Role.COMPANY_ADMIN, has_billing=True))),
        (NotPermitted, adjust(world, universal, "1", viewer=world.viewer(Role.PARTNER))),
    ]
    for kind, asked in refusals:
        with pytest.raises(kind):
            await asked
    assert await world.database.rows(POSTING.select()) == before
    assert await world.database.rows(ACTIVITY.select().where(ACTIVITY.c.action == "adjustWallet")) == []
