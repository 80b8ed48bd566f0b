"""Words to tell stories of an office with, and to ask afterwards what became of its money."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from domain.catalogue import Direction, Service, WalletKind
from domain.charging import Decision
from domain.provisioning import AllowancePlan, CommitmentPlan
from domain.usage import Fax, UsageEvent
from persistence.tables.charging import CHARGE
from persistence.tables.funds import BILLING_CYCLE, WALLET, WALLET_CYCLE
from tests.world import World, rate, usage_event

P = TypeVar("P", CommitmentPlan, AllowancePlan)
ONE_A_PAGE = (rate("1", service=Service.FAX),)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fax(event_id: str, at: datetime, pages: int) -> UsageEvent:
    usage = Fax(direction=Direction.OUTBOUND, from_="+14155550100", to="+12125550123", page_count=pages)
    return usage_event(event_id, at, usage)


def at_once(plan: P) -> P:
    return replace(plan, is_immediate=True)


async def balances(world: World) -> dict[str, int]:
    rows = await world.database.rows(WALLET_CYCLE.select().order_by(WALLET_CYCLE.c.month))
    [universal] = await world.database.rows(WALLET.select().where(WALLET.c.kind == WalletKind.UNIVERSAL))
    found = {f"{row.kind} {row.month}": row.balance_micros for row in rows}
    return {**found, "UNIVERSAL": universal.balance_micros}


async def cycles(world: World) -> list[tuple[int, str, str]]:
    rows = await world.database.rows(BILLING_CYCLE.select().order_by(BILLING_CYCLE.c.starts_at))
    return [(row.month, f"{row.starts_at:%m-%d %H:%M}", f"{row.ends_at:%m-%d %H:%M}") for row in rows]


async def charge_row(world: World, decision: Decision) -> Any:
    [row] = await world.database.rows(CHARGE.select().where(CHARGE.c.id == decision.charge_id))
    return row
