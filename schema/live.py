"""When a subscription looks, and how often: the loop that all of them share.

A change is a reason to look. Nothing is kept for a consumer who is slow: he pulls later, and is told what is true then.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import TypeVar
from uuid import UUID

from domain.access import Scope
from persistence.changes import Changes
from persistence.database import Database
from persistence.looks import Found, rest
from persistence.outages import is_outage
from schema.context import Context, RenewDue
from schema.loaders import AnyRow

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


def look_when_changed(
    here: Standpoint, office_ids: Collection[UUID] | None, look: Callable[[], Awaitable[Sequence[T]]]
) -> AsyncGenerator[T, None]:
    """Everything that `look` finds, at once and then whenever one of these offices changed, None: any visible one.

    Whoever pulls from it must end what waits in it and then close it; nothing is left behind then. Raises what `look`
    raises, of an outage only when it lasts.
    """

    async def found() -> Found[Sequence[T]]:
        return await here.changes.looks.found(look)

    return _rounds(here, office_ids, found)


async def look_together(
    here: Standpoint,
    office_id: UUID | None,
    look: Callable[[], Awaitable[Sequence[AnyRow]]],
    *,
    question: str,
    news: Callable[[Sequence[AnyRow]], Awaitable[Sequence[T]]],
) -> AsyncGenerator[T, None]:
    """The same, for a `look` whose rows are the same for everybody of one scope: those who follow `question` share it.
    `news` makes of them what is new to this one."""
    async with here.changes.looks.shared((question, here.scope, office_id), look) as found:

        async def mine() -> Found[Sequence[T]]:
            rows, began = await found()
            return Found(await news(rows), began)

        async with aclosing(_rounds(here, None if office_id is None else [office_id], mine)) as events:
            async for event in events:
                yield event


async def _rounds(
    here: Standpoint, office_ids: Collection[UUID] | None, look: Callable[[], Awaitable[Found[Sequence[T]]]]
) -> AsyncGenerator[T, None]:
    """A round is a look and the telling of what it found. The longer it takes, with every wait for a turn, the longer
    is the rest before the next: when many look, or the database is busy, each looks less often."""
    company = here.scope.company
    with here.changes.listen(company, here.scope.office_ids if office_ids is None else office_ids) as listener:
        looked = monotonic()
        while True:
            tried = monotonic()
            try:
                found, began = await look()
            except Exception as error:
                if not is_outage(error) or tried - looked > PATIENCE_SECONDS:
                    raise
                await asyncio.sleep(OUTAGE_SECONDS)
                continue
            looked = tried
            for one in found:
                yield one
            await asyncio.sleep(began + rest(monotonic() - began) - monotonic())
            await listener.wait(SAFETY_SECONDS)
