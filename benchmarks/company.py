"""The company that is measured: offices, a directory, and usage that was charged by the rules, batch by batch."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from domain.catalogue import Direction, Service, UsageType
from domain.usage import Call, DirectoryReference, Message, OfficeReference, Traffic, UsageEvent
from persistence.database import Database
from persistence.migrate import migrate
from tests.world import World, allowance, commitment, office

SLUG = "acme"
BATCH = 500
OFFICES = 20
DAYS = 20
MEMBERS, GROUPS = 200, 12


def slug(number: int) -> str:
    return "hq" if number == 0 else f"office-{number}"


async def found(url: str, *, offices: int = OFFICES) -> World:
    """A migrated database and a company in it; whoever asked closes `world.database`."""
    database = Database(url)
    await migrate(database)
    now = datetime.now(UTC).replace(microsecond=0)
    world = World(database, now=now, slug=SLUG)
    opened = (now - timedelta(days=400)).date()
    plan = (
        allowance(60_000),
        allowance(100_000_000, Service.MESSAGING, UsageType.P2P_SMS, UsageType.A2P_SMS),
    )
    commitments = (commitment("100"),)
    await world.set_up(
        *(office(slug(n), opened_on=opened, allowances=plan, commitments=commitments) for n in range(offices))
    )
    return world


async def load(world: World, rows: int, *, offices: int = OFFICES, first: int = 0) -> None:
    """Charged in batches of 500 as an import does it, spread evenly over the last days and the offices."""
    for start in range(first, first + rows, BATCH):
        size = min(BATCH, first + rows - start)
        await world.record(*usage(world.now, start, size, of=first + rows, offices=offices))
        if start == first:
            await analyze(world.database)
    await analyze(world.database)


async def analyze(database: Database) -> None:
    async with database.writing() as connection:
        await connection.execute(text("ANALYZE"))


def usage(now: datetime, first: int, count: int, *, of: int, offices: int) -> list[UsageEvent]:
    """Four calls and a message in five, by a member each, one in three for a group; half of all by the first office."""
    step = timedelta(days=DAYS) / max(of, 1)
    return [_event(number, now - step * (of - number), offices) for number in range(first, first + count)]


def _event(number: int, at: datetime, offices: int) -> UsageEvent:
    at = at.replace(microsecond=0)
    here, there = "+14155550100", f"+1{212 + number % 500}555{number % 10_000:04d}"
    is_in = number % 4 == 0
    direction, ends = (Direction.INBOUND, (there, here)) if is_in else (Direction.OUTBOUND, (here, there))
    used: Call | Message
    if number % 5 == 4:
        used = Message(direction=direction, traffic=Traffic.P2P, from_=ends[0], to=ends[1], segment_count=1)
    else:
        used = Call(direction=direction, from_=ends[0], to=ends[1], duration_seconds=30 + number % 400)
    member, group = number * 7 % MEMBERS, number % GROUPS
    return UsageEvent(
        source="bench",
        event_id=f"b-{number}",
        occurred_at=at,
        usage=used,
        office=OfficeReference(slug=slug(0 if number % 2 else number // 2 % offices)),
        member=DirectoryReference(f"m-{member}", f"Member {member}"),
        group=DirectoryReference(f"g-{group}", f"Group {group}") if number % 3 == 0 else None,
    )
