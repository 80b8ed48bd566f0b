"""Offices whose renewal is due. Before balances are read somebody has to have looked (R9), so looking must cost little:
while none of a company can be due, nobody asks the database again.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, func, or_, select

from persistence.database import Database
from persistence.prepared import Prepared
from persistence.tables.company import OFFICE

REST_SECONDS = 1.0
"""So long it is believed when the next office is due: another process may have brought one forward, by a hold that
ends soon or by a new office."""
MAX_COMPANIES = 10_000

_OF_COMPANY = OFFICE.c.company_id == bindparam("company")
_DUE = OFFICE.c.renew_due_at <= bindparam("now")
_FIRST = select(func.min(OFFICE.c.renew_due_at)).where(_OF_COMPANY).scalar_subquery()
_ORDER = (OFFICE.c.company_id, OFFICE.c.id)
_DUE_ANYWHERE = Prepared(select(OFFICE.c.company_id, OFFICE.c.id).where(_DUE).order_by(*_ORDER))
_DUE_OR_FIRST = Prepared(
    select(OFFICE.c.id, OFFICE.c.renew_due_at)
    .where(_OF_COMPANY, or_(_DUE, OFFICE.c.renew_due_at == _FIRST))
    .order_by(*_ORDER)
)
_NEVER = datetime.max.replace(tzinfo=UTC)


class _Rest(NamedTuple):
    """No office of a company is due before `until`."""

    until: datetime
    believed_until: float


class DueOffices:
    """Of one process. `clock` tells seconds and never goes back."""

    def __init__(self, database: Database, clock: Callable[[], float] = monotonic) -> None:
        self._database = database
        self._clock = clock
        self._rests: OrderedDict[UUID, _Rest] = OrderedDict()
        self._changes = 0

    async def anywhere(self, now: datetime) -> Sequence[tuple[UUID, UUID]]:
        """(company, office), over all companies."""
        rows = await self._database.look_up(_DUE_ANYWHERE, {"now": now})
        return [(row.company_id, row.id) for row in rows]

    async def of_company(self, company_id: UUID, now: datetime) -> Sequence[tuple[UUID, UUID]]:
        rest = self._rests.get(company_id)
        if rest is not None and now < rest.until and self._clock() < rest.believed_until:
            return []
        changes = self._changes
        rows = await self._database.of(company_id).look_up(_DUE_OR_FIRST, {"company": company_id, "now": now})
        due = [(company_id, row.id) for row in rows if row.renew_due_at <= now]
        if not due and changes == self._changes:
            until = min((row.renew_due_at for row in rows), default=_NEVER)
            self._rests[company_id] = _Rest(until, self._clock() + REST_SECONDS)
            if len(self._rests) > MAX_COMPANIES:
                self._rests.popitem(last=False)
        return due

    def note_change(self, company_id: UUID) -> None:
        """Something of the company was written: an office may be due sooner."""
        self._changes += 1
        self._rests.pop(company_id, None)
