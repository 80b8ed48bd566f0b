"""Words to tell stories of auto-recharge with: an office that spends, a worker, and what became of its recharges."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from domain.access import Scope, Viewer
from domain.charging import Decision
from domain.provisioning import OfficePlan
from domain.stories.recharge import RechargeConfigured, configure_recharge, judge_due
from domain.top_ups import TopUp, TopUpOrigin
from domain.usage import OfficeReference, UsageEvent
from persistence.auto_recharge import OfficeRecharge, read_auto_recharges
from persistence.tables.payments import AUTO_RECHARGE
from tests.persistence.story import LONG_AGO, ONE_A_PAGE, fax
from tests.scripted_processor import Deed
from tests.shop import Shop
from tests.world import office

_AMOUNTS = ("threshold", "amount", "cycle_cap")
TAX_RATE = 88_750
"""8.875 %: 1.78 on 20.00."""


def with_credits(text: str, slug: str = "hq", **changes: object) -> OfficePlan:
    """An office that brings some universal credits along."""
    micros = int(float(text) * 1_000_000)
    return office(slug, tax_rate_micros=TAX_RATE, opening_credits_micros=micros, **changes)


def _moved(event: UsageEvent, slug: str) -> UsageEvent:
    return replace(event, office=OfficeReference(slug=slug))


class Recharging(Shop):
    """Every page that is faxed costs 1.00 of universal credits."""

    async def open(self, *offices: OfficePlan, deed: Deed | None = Deed.PAY, **company: object) -> "Recharging":
        """The first office has a card that does this; None: it has no card."""
        await self.world.apply(*offices, **company)
        await self.world.deck(ONE_A_PAGE, at=LONG_AGO)
        if deed is not None:
            await self.save_card(offices[0].slug, deed=deed)
        return self

    async def configure(
        self, *, slug: str = "hq", viewer: Viewer | None = None, on: bool | None = True, **amounts: str
    ) -> RechargeConfigured:
        """`threshold`, `amount`, `cycle_cap` as texts; what is left out stays as it is."""
        named = {name: self.money(amounts[name]) if name in amounts else None for name in _AMOUNTS}
        return await configure_recharge(
            self.world.begin,
            viewer or self.admin,
            await self.world.office_id(slug),
            is_enabled=on,
            threshold=named["threshold"],
            amount=named["amount"],
            cycle_cap=named["cycle_cap"],
            now=self.world.now,
        )

    async def spend(self, pages: int, *, slug: str = "hq", event_id: str | None = None) -> Decision:
        self._spent = getattr(self, "_spent", 0) + 1
        event = fax(event_id or f"fax-{self._spent}", self.world.now, pages)
        [decision] = await self.world.record(event if slug == "hq" else _moved(event, slug))
        return decision

    async def judge(self) -> int:
        return await judge_due(self.world.begin, now=self.world.now)

    async def work(self) -> None:
        """A round of the worker."""
        await self.judge()
        await self.settle()

    async def recharges(self) -> list[TopUp]:
        """Oldest first, skips too."""
        return [top_up for top_up in await self.top_ups() if top_up.origin is TopUpOrigin.AUTO_RECHARGE]

    async def told(self) -> list[str]:
        """`SETTLED 20`, `SKIPPED 20 CYCLE_CAP`, oldest first."""
        return [
            " ".join([one.state, f"{one.credits_micros / 1_000_000:g}", *([one.reason] if one.reason else [])])
            for one in await self.recharges()
        ]

    async def settings(self) -> Any:
        """The row of the only office that has one; None when nobody ever set it."""
        rows = await self.world.database.rows(AUTO_RECHARGE.select())
        return rows[0] if rows else None

    async def shown(self, slug: str = "hq", now: datetime | None = None) -> OfficeRecharge:
        scope, office_id = Scope.of(self.admin), await self.world.office_id(slug)
        [found] = await read_auto_recharges(
            self.world.database, scope, office_ids=[office_id], now=now or self.world.now
        )
        return found
