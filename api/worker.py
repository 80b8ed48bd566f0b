"""The worker of a server process: collects what was promised, and does what only time makes due.

Every job is safe to be run anywhere, by many at once: it claims its work in the database, or does it under a lock that
shows what another has done. So every process has a worker, and one that dies is missed by nobody.
"""

import asyncio
import logging
import random
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from datetime import datetime
from typing import NamedTuple

from api.clock import utc_now
from api.deliveries import Deliveries
from domain.payments import Processors
from domain.ports import Door
from domain.stories.collect import settle_due
from domain.stories.give_back import refund_due
from domain.stories.recharge import judge_due
from domain.stories.renew import renew_due
from domain.stories.watch import watch_due
from persistence.database import Database
from persistence.due_work import DueWork, find_due_work
from persistence.outages import is_outage, told_briefly

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""Between one look for due work and the next, unless somebody wakes the worker."""
LONGEST_PAUSE_SECONDS = 5.0
"""While the database is gone, or a job fails: the pauses double up to this."""
RENEW_SECONDS = 60.0
"""Nobody waits for this job: whoever meets a due office renews it himself (R9)."""
STOP_SECONDS = 10.0
"""So long the worker may finish what it has begun. What it then leaves is claimed for a while, and taken up after."""
LONGEST_REST_SECONDS = 30.0
"""After a run that took long, of a job that rests by its length."""
LOST_SECONDS = 60.0
"""A worker that has not looked for work for so long is lost: the pool and the pauses let it wait for half of that."""
SETTLERS = 4
"""So many runs of one job at once: a processor that hangs does not keep later top-ups waiting."""


Watched = Callable[[str], AbstractContextManager[None]]
"""Around every run of a job, by its name."""


class JobsFailed(Exception):
    """Jobs that could not be done, by name, and under which number the log says why."""


class Job(NamedTuple):
    name: str
    done: str
    """What it counts, in words for an operator."""
    run: Callable[[datetime], Awaitable[int]]
    """Does what is due; how much that was."""
    is_due: Callable[[DueWork], bool]
    most_at_once: int = 1
    rest_seconds: float = 0.0
    """After a run that did not fail."""
    rests_as_long: float = 0.0
    """And so many times as long as the run took: a job that holds what payers wait for leaves them most of the time."""

    def rest_after(self, seconds: float) -> float:
        return max(self.rest_seconds, min(self.rests_as_long * seconds, LONGEST_REST_SECONDS))


def jobs(door: Door, processors: Processors, deliveries: Deliveries) -> tuple[Job, ...]:
    """What there is to do, in this order."""
    return (
        Job(
            "renew",
            "offices renewed",
            lambda now: renew_due(door, None, now),
            is_due=lambda _due: True,
            rest_seconds=RENEW_SECONDS,
        ),
        Job(
            "judge",
            "auto-recharges judged",
            lambda now: judge_due(door, now=now),
            is_due=lambda due: due.recharges,
        ),
        Job(
            "settle",
            "top-ups taken up",
            lambda now: settle_due(door, processors, now=now),
            is_due=lambda due: due.top_ups,
            most_at_once=SETTLERS,
        ),
        Job(
            "refund",
            "refunds taken up",
            lambda now: refund_due(door, processors, now=now),
            is_due=lambda due: due.refunds,
            most_at_once=SETTLERS,
        ),
        Job(
            "watch",
            "offices watched for alerts",
            lambda now: watch_due(door, None, now),
            is_due=lambda due: due.alerts,
            rests_as_long=4.0,  # it locks office after office, and a busy one is due again in two seconds
        ),
        Job(
            "deliver",
            "webhook deliveries tried",
            deliveries.deliver_due,
            is_due=lambda due: due.deliveries,
            most_at_once=SETTLERS,
        ),
    )


class Worker:
    """`async with worker.working():` while the server serves."""

    def __init__(
        self,
        database: Database,
        door: Door,
        processors: Processors,
        deliveries: Deliveries,
        *,
        clock: Callable[[], datetime] = utc_now,
        watched: Watched | None = None,
    ) -> None:
        self._database = database
        self._jobs = jobs(door, processors, deliveries)
        self._clock = clock
        self._awake = asyncio.Event()
        self._is_stopping = False
        self._running: dict[asyncio.Task[None], str] = {}
        self._failures: dict[str, int] = {}
        """How often a job failed in a row."""
        self._rests_until: dict[str, float] = {}
        """By the clock that only runs forward, as the next."""
        self.looked_at = clock()
        """For work, the last time."""
        self._watched = watched

    @property
    def is_well(self) -> bool:
        """Whether it looks for work. Without the database it cannot, but goes on trying."""
        return (self._clock() - self.looked_at).total_seconds() < LOST_SECONDS

    def wake(self) -> None:
        """There is work now: a transaction of this process has left some."""
        self._awake.set()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        looking = asyncio.create_task(self._look(), name="farebox worker")
        try:
            yield
        finally:
            self._is_stopping = True
            self.wake()
            await self._finish(looking)

    async def _finish(self, looking: asyncio.Task[None]) -> None:
        tasks = {looking, *self._running}
        _done, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self) -> None:
        pause = LOOK_SECONDS
        while not self._is_stopping:
            try:
                due = await find_due_work(self._database, self._clock())
            except Exception as error:  # whatever it is: a worker that ended would be missed by nobody
                if pause == LOOK_SECONDS:
                    logger.warning("The worker cannot read the database and tries again: %s", told_briefly(error))
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            else:
                pause = LOOK_SECONDS
                self._start(due)
            self.looked_at = self._clock()
            await self._sleep(pause * random.uniform(0.75, 1.25))  # noqa: S311 - jitter, not a secret

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._awake.wait()
        except TimeoutError:
            return
        self._awake.clear()

    def _start(self, due: DueWork) -> None:
        running = list(self._running.values())
        for job in self._jobs:
            is_resting = time.monotonic() < self._rests_until.get(job.name, 0)
            if is_resting or running.count(job.name) >= job.most_at_once:
                continue
            if job.is_due(due):
                task = asyncio.create_task(self._run(job), name=f"farebox worker: {job.name}")
                self._running[task] = job.name
                task.add_done_callback(self._running.pop)

    async def _run(self, job: Job) -> None:
        begun = time.monotonic()
        try:
            with self._watched(job.name) if self._watched else nullcontext():
                count = await job.run(self._clock())
        except Exception as error:
            self._failed(job, error)
            return
        self._failures.pop(job.name, None)
        ended = time.monotonic()
        self._rests_until[job.name] = ended + job.rest_after(ended - begun)
        if count:
            self.wake()  # there may be more than one run takes

    def _failed(self, job: Job, error: Exception) -> None:
        """Told under a number and without values: what a job worked on is in the rows it left."""
        times = self._failures[job.name] = self._failures.get(job.name, 0) + 1
        self._rests_until[job.name] = time.monotonic() + min(LOOK_SECONDS * 2**times, LONGEST_PAUSE_SECONDS)
        number = secrets.token_hex(6)
        if is_outage(error):
            logger.error("Incident %s: worker, job %s: %s", number, job.name, told_briefly(error))
        else:
            logger.error("Incident %s: worker, job %s", number, job.name, exc_info=error)


async def run_once(door: Door, processors: Processors, deliveries: Deliveries, now: datetime) -> dict[str, int]:
    """One round of every job, for `farebox settle`: what was done, and how often.

    Every job is run, whatever becomes of the others. Raises JobsFailed afterwards.
    """
    done: dict[str, int] = {}
    failed: list[str] = []
    for job in jobs(door, processors, deliveries):
        try:
            done[job.done] = await job.run(now)
        except Exception:
            number = secrets.token_hex(6)
            logger.exception("Incident %s: job %s", number, job.name)
            failed.append(f"{job.name} (incident {number})")
    if failed:
        raise JobsFailed(f"Not everything could be done: {', '.join(failed)}.")
    return done
