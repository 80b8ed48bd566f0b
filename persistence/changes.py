"""Who is told that something of an office was committed: listeners of this process, and of others on the database.

A change is a reason to look, never the news itself: what a listener shows he reads from the database. So changes may be
put together, told twice or, rarely, not at all: whoever listens also looks by himself every few seconds.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from time import monotonic
from uuid import UUID

from persistence.database import Database
from persistence.elsewhere import Channel, Elsewhere, FileWatch
from persistence.looks import Looks
from persistence.outages import MAY_BE_OUTAGES, is_outage, told_briefly

logger = logging.getLogger(__name__)

GATHER_SECONDS = 0.1
"""Between one message to other processes and the next: what is committed meanwhile goes together."""
LINGER_SECONDS = 30.0
"""So long other processes are still heard after the last listener left: he may be a page that is loaded again."""
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
"""While the database is gone the pauses double up to this."""
FLUSH_SECONDS = 2.0
"""So long a process that ends still tries to tell the others."""


class Listener:
    """Somebody who waits for changes. However many come while he is busy, they wake him once."""

    def __init__(self) -> None:
        self._told = asyncio.Event()

    def wake(self) -> None:
        self._told.set()

    async def wait(self, seconds: float) -> None:
        """Until something is told that was not when the last wait ended, or so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._told.wait()
        self._told.clear()


class Changes:
    """One for each process. Without `running` only this process is told."""

    def __init__(self, database: Database) -> None:
        self._elsewhere: Elsewhere = FileWatch(database) if database.is_sqlite else Channel(database)
        self._listeners: dict[tuple[UUID, UUID | None], set[Listener]] = {}
        """By (company, office), None for all of a company's offices. Nobody is under a key: there is no such key."""
        self._is_running = False
        self._untold: set[tuple[UUID, UUID]] = set()
        """What other processes have to be told; never more than there are offices."""
        self._has_untold = asyncio.Event()
        self._has_listeners = asyncio.Event()
        self._left_at = -LINGER_SECONDS
        self.looks = Looks()
        """By which listeners read what they are woken for."""

    def tell(self, company_id: UUID, office_ids: Collection[UUID]) -> None:
        """To be called after a commit that changed these offices. Never waits."""
        self.wake(company_id, office_ids)
        if self._is_running and self._elsewhere.is_told:
            self._untold.update((company_id, office_id) for office_id in office_ids)
            self._has_untold.set()

    def wake(self, company_id: UUID, office_ids: Collection[UUID]) -> None:
        """Of this process."""
        for office_id in (*office_ids, None):
            for listener in self._listeners.get((company_id, office_id), ()):
                listener.wake()

    def wake_all(self) -> None:
        """When anything may have changed."""
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.wake()

    @contextmanager
    def listen(self, company_id: UUID, office_ids: Collection[UUID] | None) -> Iterator[Listener]:
        """Told of commits to these offices, None: to any of the company's. Once left, nothing of it remains."""
        listener = Listener()
        keys = {(company_id, office_id) for office_id in ([None] if office_ids is None else office_ids)}
        for key in keys:
            self._listeners.setdefault(key, set()).add(listener)
        self._has_listeners.set()
        try:
            yield listener
        finally:
            for key in keys:
                self._listeners[key].remove(listener)
                if not self._listeners[key]:
                    del self._listeners[key]
            if not self._listeners:
                self._has_listeners.clear()
                self._left_at = monotonic()

    @property
    def is_wanted(self) -> bool:
        """Whether anybody listens, or did a moment ago."""
        return bool(self._listeners) or monotonic() < self._left_at + LINGER_SECONDS

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While the process serves: tells other processes, and hears of what they committed.

        They are heard only while somebody listens: until then it takes no connection. At the end the others are told
        what they were not yet, if that can be done in a moment.
        """
        jobs = [self._hear, self._tell_others] if self._elsewhere.is_told else [self._hear]
        tasks = [asyncio.create_task(_again_and_again(job)) for job in jobs]
        self._is_running = True
        try:
            yield
        finally:
            self._is_running = False
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._flush()

    async def _hear(self) -> None:
        await self._has_listeners.wait()
        await self._elsewhere.hear(self)
        await asyncio.sleep(FIRST_PAUSE_SECONDS)

    async def _tell_others(self) -> None:
        await self._has_untold.wait()
        await self._send()
        await asyncio.sleep(GATHER_SECONDS)

    async def _send(self) -> None:
        self._has_untold.clear()
        offices, self._untold = self._untold, set()
        try:
            await self._elsewhere.tell(offices)
        except BaseException:
            self._untold |= offices
            self._has_untold.set()
            raise

    async def _flush(self) -> None:
        if self._untold:
            try:
                async with asyncio.timeout(FLUSH_SECONDS):
                    await self._send()
            except MAY_BE_OUTAGES as error:
                logger.warning("Other processes were not told of the last changes: %s", told_briefly(error))
                self._untold.clear()


async def _again_and_again(job: Callable[[], Awaitable[None]]) -> None:
    """What fails is tried again after a pause that grows: nobody but the log is told, and listeners look by themselves
    meanwhile."""
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            await job()
            pause = FIRST_PAUSE_SECONDS
        except Exception as error:
            if is_outage(error):
                logger.warning("Other processes are not told or heard for now: %s", told_briefly(error))
            else:
                logger.exception("Other processes are not told or heard for now")
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
