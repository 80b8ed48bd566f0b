"""Who is told that something of an office was committed: listeners of this process, and of others on the database.

A change is a reason to look, never the news itself: what a listener shows he reads from the database.
"""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from uuid import UUID

from persistence.database import Database


class Changes:
    """One for each process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def tell(self, company_id: UUID, office_ids: Collection[UUID]) -> None:
        """To be called after a commit that changed these offices. Never waits."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While the process serves: tells other processes, and hears of what they committed."""
        yield
