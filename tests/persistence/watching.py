"""Words to tell stories of alerts with: days on which faxes cost 1.00 a page, and what was said of them."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import select

from domain.alert_texts import message_of
from domain.alerts import Alert, AlertState
from domain.money import Currency
from domain.provisioning import OfficePlan
from domain.stories.watch import watch_due
from domain.usage import DirectoryReference, OfficeReference
from persistence.alerts import alert_of
from persistence.database import Database
from persistence.tables.alerts import SPENDING_ALERT
from persistence.tables.company import OFFICE
from tests.persistence.story import LONG_AGO, ONE_A_PAGE, day, fax
from tests.world import World, office

CREDITS = 1_000_000_000


def rich(slug: str = "hq", **changes: object) -> OfficePlan:
    """So rich that its credits are never low."""
    return office(slug, opening_credits_micros=CREDITS, **changes)


@dataclass
class Watched:
    world: World
    count: int = 0

    @classmethod
    async def open(cls, database: Database, *offices: OfficePlan, now: str = "2026-03-01 12:00") -> "Watched":
        world = World(database, now=day(now))
        await world.apply(*(offices or (rich(),)))
        await world.deck(ONE_A_PAGE, at=LONG_AGO)
        return cls(world)

    async def spend(self, on: str, pages: int, *, member: str | None = None, group: str | None = None) -> None:
        """At noon of that day; recorded at once, or later when the clock is past it."""
        self.count += 1
        at = day(f"{on} 12:00")
        self.world.now = max(self.world.now, at)
        event = replace(
            fax(f"fax-{self.count}", at, pages),
            member=member and DirectoryReference(member, member.title()),
            group=group and DirectoryReference(group, group.title()),
        )
        [decision] = await self.world.record(event)
        assert decision.charge_id is not None, decision

    async def spend_at(self, slug: str, on: str, pages: int) -> None:
        self.count += 1
        event = replace(fax(f"fax-{self.count}", day(f"{on} 12:00"), pages), office=OfficeReference(slug=slug))
        self.world.now = max(self.world.now, event.occurred_at)
        await self.world.record(event)

    async def a_quiet_march(self) -> None:
        """Ten a day on the first four days, by Ann."""
        for date in range(1, 5):
            await self.spend(f"2026-03-0{date}", 10, member="ann")

    async def watch(self, now: str | None = None) -> int:
        """Once the pause after spending is over."""
        self.world.now = day(now) if now else self.world.now + timedelta(seconds=3)
        return await watch_due(self.world.begin, None, self.world.now)

    async def alerts(self, *states: AlertState) -> list[Alert]:
        """In the order in which they were raised; of any state unless some are named."""
        rows = await self.world.database.rows(select(SPENDING_ALERT).order_by("raised_at", "id"))
        found = [alert_of(row) for row in rows]
        return [alert for alert in found if not states or alert.state in states]

    async def told(self) -> list[str]:
        """Kind, subject, step and state of each, in the order in which they were raised."""
        return [
            " ".join(filter(None, (alert.subject, str(alert.used_percent or ""), alert.state.lower())))
            for alert in await self.alerts()
        ]

    async def message(self) -> str:
        """Of the only active one."""
        [alert] = await self.alerts(AlertState.ACTIVE)
        return message_of(alert, Currency.USD)

    async def due_at(self, slug: str = "hq") -> datetime:
        [row] = await self.world.database.rows(select(OFFICE.c.watch_due_at).where(OFFICE.c.slug == slug))
        moment: datetime = row.watch_due_at
        return moment
