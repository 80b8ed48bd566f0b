"""When a subscription looks, and how often: the loop that all of them share.

A change is a reason to look. Nothing is kept for a consumer who is slow: he pulls later, and is told what is true then.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import TypeVar
from uuid import UUID

from domain.access import Scope
from persistence.changes import Changes
from persistence.database import Database
from persistence.outages import is_outage
from schema.context import Context, RenewDue

LEAST_SECONDS = 0.25
"""Between one look and the next."""
PART_OF_THE_TIME = 4
"""The next look comes no sooner than so many times as long as the last one took, the wait for its turn included: when
many look, or the database is busy, each looks less often."""
SAFETY_SECONDS = 10.0
"""So often a subscription looks without a reason: a change that nobody told of is late, and not lost."""
OUTAGE_SECONDS = 1.0
"""Between two tries while the database cannot be used."""
PATIENCE_SECONDS = 30.0
"""So long that is waited for, before the subscription ends with its error."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Standpoint:
    """What a subscription keeps of the request that began it: not its loaders, nor its moment."""

    database: Database
    scope: Scope
    changes: Changes
    renew_due: RenewDue
    _began_at: datetime
    _began: float = field(default_factory=monotonic)

    @classmethod
    def of(cls, context: Context) -> "Standpoint":
        return cls(context.database, context.scope, context.changes, context.renew_due, context.now)

    @property
    def now(self) -> datetime:
        """The clock was read at the edge, when it began (R5): time goes on from there."""
        return self._began_at + timedelta(seconds=monotonic() - self._began)


async def look_when_changed(
    here: Standpoint, office_ids: Collection[UUID] | None, look: Callable[[], Awaitable[Sequence[T]]]
) -> AsyncGenerator[T, None]:
    """Everything that `look` finds, at once and then whenever one of these offices changed, None: any visible one.

    Whoever pulls from it must end what waits in it and then close it; nothing is left behind then. Raises what `look`
    raises, of an outage only when it lasts.
    """
    company = here.scope.company
    with here.changes.listen(company, here.scope.office_ids if office_ids is None else office_ids) as listener:
        looked = monotonic()
        while True:
            began = monotonic()
            try:
                async with here.changes.turn:
                    found = await look()
            except Exception as error:
                if not is_outage(error) or began - looked > PATIENCE_SECONDS:
                    raise
                await asyncio.sleep(OUTAGE_SECONDS)
                continue
            looked = began
            rest = min(max(LEAST_SECONDS, PART_OF_THE_TIME * (monotonic() - began)), SAFETY_SECONDS)
            for one in found:
                yield one
            await asyncio.sleep(began + rest - monotonic())
            await listener.wait(SAFETY_SECONDS)
