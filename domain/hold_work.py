"""What one transaction about holds can do: kept by `persistence`."""

from typing import Protocol
from uuid import UUID

from domain.holds import Hold
from domain.works import ChargeWork


class HoldWork(ChargeWork, Protocol):
    """New holds stand in `books.new_holds`, others that were moved in `books.changed_holds`; saved with the books."""

    async def find_hold(self, hold_id: UUID) -> Hold | None:
        """To be asked under the lock on its office's books, after the renewal."""

    async def hold_with_key(self, key: tuple[str, str]) -> Hold | None:
        """The hold of any office of the company that was made for the usage with this key (source, event id)."""
