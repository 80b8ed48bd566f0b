"""Who calls with an API key, looked up anew for every request: a key that is revoked stops at once, in every process.

When a key was last used is written behind the request's back. A busy database delays that note, or loses it; the
next request makes another.
"""

import asyncio
import logging
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from api.claims import AuthenticationError
from domain.access import Viewer
from domain.api_keys import SECRET_CHARACTERS, ApiKey, secret_hash
from persistence.api_keys import find_key_by_hash, note_key_use
from persistence.database import Database
from persistence.outages import told_briefly

logger = logging.getLogger(__name__)

CLOSE_SECONDS = 11.0
"""So long a server that stops waits for the last note: a little longer than SQLite waits for a busy file, because that
cannot be broken off."""


class KeyRing:
    """One for each process; `close` before the database is."""

    def __init__(self, database: Database, *, door: Database | None = None) -> None:
        """`door`: the same database, where keys are looked up."""
        self._database = database
        self._door = door or database
        self._used: dict[UUID, ApiKey] = {}
        """Not noted yet. One entry a key, however often it is used meanwhile."""
        self._noting: asyncio.Task[None] | None = None

    async def viewer(self, secret: str, now: datetime) -> Viewer:
        """The partner whose key it is. Raises AuthenticationError."""
        key = await find_key_by_hash(self._door, secret_hash(secret)) if len(secret) == SECRET_CHARACTERS else None
        if key is None:
            raise AuthenticationError("This API key is not known here.")
        if key.revoked_at is not None:
            raise AuthenticationError("This key was revoked.")
        if key.was_used_before(now):
            self._used[key.id] = replace(key, last_used_at=now)
            if self._noting is None or self._noting.done():
                self._noting = asyncio.create_task(self._note(), name="farebox: last use of API keys")
        return key.viewer

    async def _note(self) -> None:
        """One task, one transaction at a time: whatever was used meanwhile is one more."""
        while self._used:
            used, self._used = self._used, {}
            try:
                await note_key_use(self._database, used.values())
            except Exception as error:  # nobody waits for it, and no request may fail because of it
                logger.warning("When %d API keys were last used is not noted: %s", len(used), told_briefly(error))

    async def close(self) -> None:
        if self._noting is None:
            return
        _done, late = await asyncio.wait({self._noting}, timeout=CLOSE_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
