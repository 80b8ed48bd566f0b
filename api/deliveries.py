"""News is delivered to partners' endpoints, in the form of Standard Webhooks."""

from datetime import datetime

from api.sealing import FernetBox
from persistence.database import Database


class Deliveries:
    """What the worker delivers with. `allows_private`: endpoints may lie in private networks, too."""

    def __init__(self, database: Database, box: FernetBox, *, allows_private: bool = False) -> None:
        self._database = database
        self._box = box
        self._allows_private = allows_private

    async def check_url(self, url: str) -> None:
        """That an endpoint may be there. Raises InvalidInput."""

    async def deliver_due(self, now: datetime) -> int:
        """Delivers what is due; the number of attempts. Safe to run anywhere, by many at once."""
        return 0

    async def close(self) -> None: ...
