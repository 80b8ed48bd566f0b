"""One transaction that authorizes usage: see `domain.hold_work.HoldWork`."""

from uuid import UUID

from domain.holds import Hold
from persistence import holds
from persistence.unit import Unit


class HoldingWork(Unit):
    async def find_hold(self, hold_id: UUID) -> Hold | None:
        return await holds.find_hold(self._connection, self._company_id, hold_id)

    async def hold_with_key(self, key: tuple[str, str]) -> Hold | None:
        return await holds.hold_with_key(self._connection, self._company_id, key)
