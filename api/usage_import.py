"""Reports a file of usage to the engine, batch by batch, and adds up what became of every row.

Safe to run twice: events carry ids of their own, so a second run is answered with replays (R12).
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from api.imports.fields import ReadRow
from domain.access import Viewer
from domain.charging import Decision, Outcome
from domain.money import Micros
from domain.ports import Door
from domain.stories.charge import record_usage
from domain.usage import OfficeReference, UsageEvent

BATCH_EVENTS = 500
MAX_WAITING_EVENTS = 20_000
"""Read and not charged, a kilobyte or two each."""
PAUSE_SECONDS = 0.002
"""Between batches: SQLite is not fair, and this lets other writers in."""
READ_AT_ONCE = 10
"""Rows, while a batch is charged."""

Report = Callable[[int, str], None]
"""Called with the line and the reason of every row that was not charged."""


@dataclass
class ImportSummary:
    """Every row of the file is in exactly one of the counts."""

    row_count: int = 0
    unreadable_count: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    cost_micros: Micros = 0


Line = tuple[int, UsageEvent]


@dataclass
class _Portion:
    """What was read of the file at once, each with its line."""

    row_count: int = 0
    events: list[Line] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)


class _Waiting:
    """What was read and is not charged yet, by office: a transaction costs the least by the event when it is full, and
    of few offices. Within an office the order is the file's, however it names the office."""

    def __init__(self, door: Door, company_id: UUID | None) -> None:
        self._door = door
        self._company_id = company_id
        self._offices: dict[OfficeReference | None, UUID | None] = {}
        """As they were when first named; None: unknown, which is for the charge to say."""
        self._lines: dict[UUID | None, list[Line]] = {}
        self._count = 0

    async def add(self, lines: Sequence[Line]) -> None:
        new = {event.office for _, event in lines if event.office is not None and event.office not in self._offices}
        if new and self._company_id is not None:
            found = await self._door.find_offices(self._company_id, new)
            self._offices |= {reference: found.get(reference) for reference in new}
        for line in lines:
            self._lines.setdefault(self._offices.get(line[1].office), []).append(line)
        self._count += len(lines)

    def due(self, *, is_end: bool = False) -> Iterator[list[Line]]:
        """Full batches of one office; and where more waits than is kept, or at the end, those of the offices with the
        most, several to a batch."""
        for office in [office for office, lines in self._lines.items() if len(lines) >= BATCH_EVENTS]:
            while len(self._lines.get(office, ())) >= BATCH_EVENTS:
                yield self._take(office, BATCH_EVENTS)
        while self._lines and (is_end or self._count > MAX_WAITING_EVENTS):
            batch: list[Line] = []
            for office in sorted(self._lines, key=lambda office: -len(self._lines[office])):
                batch += self._take(office, BATCH_EVENTS - len(batch))
                if len(batch) == BATCH_EVENTS:
                    break
            yield batch

    def _take(self, office: UUID | None, most: int) -> list[Line]:
        lines = self._lines.pop(office)
        if rest := lines[most:]:
            self._lines[office] = rest
        taken = lines[:most]
        self._count -= len(taken)
        return taken


Charge = Callable[[list[Line]], Awaitable[None]]


async def import_usage(
    door: Door,
    viewer: Viewer,
    rows: Iterable[ReadRow],
    *,
    office: OfficeReference | None,
    clock: Callable[[], datetime],
    is_backfill: bool,
    report: Report,
    progress: Callable[[], None] = lambda: None,
    begun: Callable[[], Awaitable[None]] | None = None,
) -> ImportSummary:
    """Rows that name no office of their own are charged to `office`; without one they are unreadable.

    While the database has a batch, the file is read on. `begun` is awaited after the first batch. An error of the file
    is raised once all that was read before is charged.
    """
    summary = ImportSummary()

    async def charge(batch: list[Line]) -> None:
        nonlocal begun
        await _charge(door, viewer, batch, summary, now=clock(), is_backfill=is_backfill, report=report)
        progress()
        if begun is not None:
            await begun()
            begun = None
        await asyncio.sleep(PAUSE_SECONDS)

    left, waiting = iter(rows), _Waiting(door, viewer.company_id)
    portion = await _read(left, office)
    while portion.row_count:
        _tell_problems(portion, summary, report)
        await waiting.add(portion.events)
        portion = await _read_meanwhile(left, office, waiting, charge)
    for batch in waiting.due(is_end=True):
        await charge(batch)
    progress()
    return summary


async def _read_meanwhile(
    rows: Iterator[ReadRow], office: OfficeReference | None, waiting: _Waiting, charge: Charge
) -> _Portion:
    """The next portion, while what is due is charged."""
    reading = asyncio.create_task(_read(rows, office))
    try:
        for batch in waiting.due():
            await charge(batch)
    except BaseException:
        reading.cancel()
        await asyncio.wait((reading,))
        raise
    try:
        return await reading
    except Exception:
        for batch in waiting.due(is_end=True):
            await charge(batch)
        raise


async def _read(rows: Iterator[ReadRow], office: OfficeReference | None) -> _Portion:
    """As many rows as make a batch, a few at a time: what else goes on does not wait."""
    portion = _Portion()
    for row in rows:
        portion.row_count += 1
        event = row.event
        if event is not None and event.office is None and office is not None:
            event = replace(event, office=office)
        if event is None or event.office is None:
            portion.problems.append((row.line, row.problem or "It names no office: say which with --office."))
        else:
            portion.events.append((row.line, event))
        if portion.row_count == BATCH_EVENTS:
            break
        if portion.row_count % READ_AT_ONCE == 0:
            await asyncio.sleep(0)
    return portion


def _tell_problems(portion: _Portion, summary: ImportSummary, report: Report) -> None:
    summary.row_count += portion.row_count
    summary.unreadable_count += len(portion.problems)
    for line, reason in portion.problems:
        report(line, reason)


async def _charge(
    door: Door,
    viewer: Viewer,
    batch: list[Line],
    summary: ImportSummary,
    *,
    now: datetime,
    is_backfill: bool,
    report: Report,
) -> None:
    events = [event for _, event in batch]
    decisions = await record_usage(door, viewer, events, now=now, is_backfill=is_backfill)
    for (line, _), decision in zip(batch, decisions, strict=True):
        summary.outcomes[decision.outcome] += 1
        summary.cost_micros += decision.cost_micros
        reason = why_not(decision)
        if reason:
            report(line, reason)


def why_not(decision: Decision) -> str | None:
    """One line for a row that was neither charged nor a replay."""
    if decision.rejection is not None:
        return f"{decision.rejection.code}: {decision.rejection.message}"
    if decision.outcome is Outcome.CONFLICT:
        differing = ", ".join(decision.differing)
        return f"CONFLICT: event {decision.event.event_id} was recorded with other facts ({differing})."
    return None
