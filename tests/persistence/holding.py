"""Words to tell stories of holds with."""

from datetime import datetime
from uuid import UUID

from domain.authorization import UsageRequest
from domain.catalogue import Direction, Service, WalletKind
from domain.holds import Hold
from domain.stories.hold import Authorized, Captured, authorize_usage, capture_hold, extend_hold, release_hold
from domain.usage import OfficeReference, UsageEvent
from persistence.holds import hold_of
from persistence.tables.funds import WALLET
from persistence.tables.holds import HOLD
from tests.world import World


def request(
    event_id: str = "e1",
    *,
    quantity: int = 60,
    service: Service = Service.CALLING,
    to: str = "+12125550123",
    hold_seconds: int = 3_600,
    office: str = "hq",
    source: str = "test",
) -> UsageRequest:
    return UsageRequest(
        source=source,
        event_id=event_id,
        office=OfficeReference(slug=office),
        service=service,
        direction=Direction.OUTBOUND,
        from_="+14155550100",
        to=to,
        quantity=quantity,
        hold_seconds=hold_seconds,
    )


async def ask(world: World, wanted: UsageRequest) -> Authorized:
    return await authorize_usage(world.begin, world.viewer(), wanted, now=world.now)


async def held(world: World, wanted: UsageRequest) -> Hold:
    """One that must be granted."""
    answer = await ask(world, wanted)
    assert answer.hold is not None, answer.refusal
    return answer.hold


async def captured(world: World, hold: Hold, event: UsageEvent) -> Captured:
    return await capture_hold(world.begin, world.viewer(), hold.id, event, now=world.now)


async def released(world: World, hold: Hold) -> Hold:
    return await release_hold(world.begin, world.viewer(), hold.id, now=world.now)


async def extended(
    world: World, hold: Hold, *, quantity: int | None = None, expires_at: datetime | None = None
) -> Hold | None:
    """None when it was refused."""
    answer = await extend_hold(
        world.begin, world.viewer(), hold.id, quantity=quantity, expires_at=expires_at, now=world.now
    )
    return None if answer.refusal else answer.hold


async def stored(world: World, hold_id: UUID) -> Hold:
    [row] = await world.database.rows(HOLD.select().where(HOLD.c.id == hold_id))
    return hold_of(row)


async def reserved(world: World, kind: WalletKind = WalletKind.UNIVERSAL) -> int:
    """Micros that are held of a wallet of the office `hq`."""
    mine = (WALLET.c.kind == kind.value) & (WALLET.c.office_id == await world.office_id())
    [row] = await world.database.rows(WALLET.select().where(mine))
    amount: int = row.reserved_micros
    return amount
