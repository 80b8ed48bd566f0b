"""News is delivered to partners' endpoints: what is due is claimed, sent, and what became of it written down.

At least once: a process that dies between sending and writing sends again, with the same `webhook-id`. In no certain
order. An endpoint that is slow, or does not answer, keeps no other waiting: of one endpoint only two are under way.
"""

import asyncio
import logging
import random
import secrets
import ssl
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

from api.sealing import CannotOpen, FernetBox
from api.webhook_address import Resolve, check_url, resolve
from api.webhook_sender import ATTEMPT_SECONDS, GONE, Message, Outcome, Sender
from domain.webhooks import next_attempt
from persistence.database import Database
from persistence.webhook_claims import (
    Claimed,
    Due,
    claim,
    find_due,
    forget_old,
    note_delivered,
    note_failed,
    note_gone,
)

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
"""So long a message is left to whoever claimed it; an attempt is over long before."""
AT_ONCE = 8
"""Attempts that one run has under way."""
AT_ONCE_TO_ONE = 2
"""Attempts that one process has under way to one endpoint, whatever its runs."""
FIRST_REST_SECONDS = 15.0
"""After an attempt that took a third of its time or more, doubled each time up to the longest."""
LONGEST_REST_SECONDS = 600.0
FOUND_AT_ONCE = 100
LOOK_SECONDS = 0.5
"""While attempts are under way, a run looks that often for what has become due."""
RUN_SECONDS = 30.0
"""After that a run begins no attempt any more."""
KEPT = timedelta(days=30)
"""Deliveries that wait no more are forgotten so long after they were made."""
TIDY_SECONDS = 3_600.0
FORGOTTEN_AT_ONCE = 1_000
_UNREADABLE = "The secret cannot be read: the server's key was changed. Rotate the secret."


class Deliveries:
    """What the worker delivers with. `allows_private`: endpoints may lie in private networks, too. `on_attempt` is told
    what became of every attempt: delivered, retried, given_up, gone."""

    def __init__(
        self,
        database: Database,
        box: FernetBox,
        *,
        allows_private: bool = False,
        on_attempt: Callable[[str], None] | None = None,
        resolve: Resolve = resolve,
        attempt_seconds: float = ATTEMPT_SECONDS,
        verifies_with: ssl.SSLContext | None = None,
    ) -> None:
        self._database = database
        self._box = box
        self._allows_private = allows_private
        self._sender = Sender(
            resolve, allows_private=allows_private, attempt_seconds=attempt_seconds, verifies_with=verifies_with
        )
        self._places = _Places(attempt_seconds / 3)
        self._on_attempt = on_attempt
        self._tidied_at: float | None = None
        """By the clock that only runs forward."""

    async def check_url(self, url: str) -> None:
        """That an endpoint may be there. Raises InvalidInput."""
        check_url(url, allows_private=self._allows_private)

    async def deliver_due(self, now: datetime) -> int:
        """Delivers what is due; the number of attempts. Safe to run anywhere, by many at once.

        Raises ExceptionGroup with all that could not be written down: those are due again when their lease ends.
        """
        run = _Run(self._database, self._box, self._sender, self._places, now, self._on_attempt)
        count = await run.deliver()
        await self._tidy(now)
        return count

    async def _tidy(self, now: datetime) -> None:
        begun = time.monotonic()
        if self._tidied_at is None or begun - self._tidied_at > TIDY_SECONDS:
            self._tidied_at = begun
            await forget_old(self._database, now - KEPT, limit=FORGOTTEN_AT_ONCE)

    async def close(self) -> None:
        await self._sender.close()


class _Places:
    """Which endpoints may be told now, over all runs of one process.

    One that let its time run out rests, each time longer, so that receivers that are dead do not take the places of
    all others.
    """

    def __init__(self, slow_seconds: float) -> None:
        self._slow_seconds = slow_seconds
        self._taken: Counter[UUID] = Counter()
        self._slow: dict[UUID, tuple[int, float]] = {}
        """How often in a row, and until when it rests, by the clock that only runs forward."""

    def closed(self) -> list[UUID]:
        now = time.monotonic()
        full = {endpoint for endpoint, count in self._taken.items() if count >= AT_ONCE_TO_ONE}
        return sorted(full | {endpoint for endpoint, (_, until) in self._slow.items() if now < until})

    def take(self, endpoint: UUID) -> bool:
        if endpoint in self.closed():
            return False
        self._taken[endpoint] += 1
        return True

    def leave(self, endpoint: UUID) -> None:
        self._taken[endpoint] -= 1
        if self._taken[endpoint] <= 0:
            del self._taken[endpoint]

    def note(self, endpoint: UUID, seconds: float) -> None:
        """How long an attempt took."""
        if seconds < self._slow_seconds:
            self._slow.pop(endpoint, None)
            return
        times = self._slow.get(endpoint, (0, 0.0))[0]
        rest = min(FIRST_REST_SECONDS * 2**times, LONGEST_REST_SECONDS)
        self._slow[endpoint] = (min(times + 1, 10), time.monotonic() + rest)


class _Run:
    """One run over what is due. Its time goes on from `now`."""

    def __init__(
        self,
        database: Database,
        box: FernetBox,
        sender: Sender,
        places: _Places,
        now: datetime,
        on_attempt: Callable[[str], None] | None,
    ) -> None:
        self._database = database
        self._box = box
        self._sender = sender
        self._places = places
        self._now = now
        self._on_attempt = on_attempt
        self._begun = time.monotonic()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: list[Exception] = []
        self._count = 0

    def _moment(self) -> datetime:
        return self._now + timedelta(seconds=time.monotonic() - self._begun)

    async def deliver(self) -> int:
        """How many attempts were made. Raises ExceptionGroup."""
        try:
            while True:
                is_idle = not self._tasks
                await self._begin_some()
                if is_idle and not self._tasks:
                    break  # not before: what ended meanwhile may have left a place to what waits
                if self._tasks:
                    await asyncio.wait(self._tasks, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._failures:
            raise ExceptionGroup(f"{len(self._failures)} deliveries could not be written down.", self._failures)
        return self._count

    async def _begin_some(self) -> None:
        """Until all places are taken, or nothing that may be begun is due."""
        try:
            while self._failures == [] and time.monotonic() - self._begun < RUN_SECONDS:
                closed = self._places.closed()
                found = await find_due(self._database, self._moment(), but_of=closed, limit=FOUND_AT_ONCE)
                if not [due for due in found if await self._begin(due)]:
                    break
        except Exception as error:
            self._failures.append(error)

    async def _begin(self, due: Due) -> bool:
        """Whether there was a place for it; not whether nobody else was faster."""
        if len(self._tasks) >= AT_ONCE or not self._places.take(due.endpoint_id):
            return False
        claimed = None
        try:
            moment = self._moment()
            claimed = await claim(self._database, due, moment, moment + LEASE)
        finally:
            if claimed is None:
                self._places.leave(due.endpoint_id)
        if claimed is not None:
            self._count += 1
            task = asyncio.create_task(self._attempt(claimed), name="farebox delivery")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return True

    async def _attempt(self, claimed: Claimed) -> None:
        begun = time.monotonic()
        try:
            outcome = await self._send(claimed)
            self._places.note(claimed.endpoint_id, time.monotonic() - begun)
            await self._note(claimed, outcome)
        except Exception as error:
            self._failures.append(error)
        finally:
            self._places.leave(claimed.endpoint_id)

    async def _send(self, claimed: Claimed) -> Outcome:
        newest, *earlier = claimed.sealed_secrets
        try:
            opened = [self._box.open(newest)]
        except CannotOpen:
            return Outcome(None, _UNREADABLE)
        for sealed in earlier:
            with suppress(CannotOpen):
                opened.append(self._box.open(sealed))
        try:
            return await self._sender.send(
                Message(claimed.message_id, claimed.body, claimed.url, opened), self._moment()
            )
        except Exception:
            number = secrets.token_hex(6)
            logger.exception("Incident %s: a message could not be sent", number)
            return Outcome(None, f"It could not be sent (incident {number}).")

    async def _note(self, claimed: Claimed, outcome: Outcome) -> None:
        moment = self._moment()
        if outcome.problem is None and outcome.status is not None:
            await note_delivered(self._database, claimed, outcome.status, moment)
            became = "delivered"
        elif outcome.status == GONE:
            became = "gone"
            await note_gone(self._database, claimed, status=GONE, problem=outcome.problem or "", now=moment)
        else:
            spread = random.uniform(-1, 1)  # noqa: S311 - jitter, not a secret
            due_at = next_attempt(moment, claimed.failed_count, spread=spread, asked=outcome.asked_pause)
            problem = outcome.problem or ""
            await note_failed(self._database, claimed, status=outcome.status, problem=problem, due_at=due_at)
            became = "given_up" if due_at is None else "retried"
        if self._on_attempt is not None:
            self._on_attempt(became)
