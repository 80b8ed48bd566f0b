"""Reports a file of usage to the engine, batch by batch, and adds up what became of every row.

Safe to run twice: events carry ids of their own, so a second run is answered with replays (R12).
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from api.imports.fields import ReadRow
from domain.access import Viewer
from domain.charging import Decision, Outcome
from domain.money import Micros
from domain.ports import Door
from domain.stories.charge import record_usage
from domain.usage import OfficeReference, UsageEvent

BATCH_EVENTS = 500
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


@dataclass
class _Batch:
    """What was read of the file at once, each with its line."""

    row_count: int = 0
    events: list[tuple[int, UsageEvent]] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)


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

    A batch is charged when the one before it is; while the database has one, the next is read. `begun` is awaited after
    the first.
    """
    summary = ImportSummary()
    left = iter(rows)
    batch = await _read(left, office)
    while batch.row_count:
        reading = asyncio.create_task(_read(left, office))
        try:
            _tell_problems(batch, summary, report)
            if batch.events:
                await _charge(door, viewer, batch.events, summary, now=clock(), is_backfill=is_backfill, report=report)
            progress()
            if begun is not None:
                await begun()
                begun = None
            await asyncio.sleep(PAUSE_SECONDS)
        except BaseException:
            reading.cancel()
            await asyncio.wait((reading,))
            raise
        batch = await reading
    progress()
    return summary


async def _read(rows: Iterator[ReadRow], office: OfficeReference | None) -> _Batch:
    """As many rows as make a batch, a few at a time: what else goes on does not wait."""
    batch = _Batch()
    for row in rows:
        batch.row_count += 1
        event = row.event
        if event is not None and event.office is None and office is not None:
            event = replace(event, office=office)
        if event is None or event.office is None:
            batch.problems.append((row.line, row.problem or "It names no office: say which with --office."))
        else:
            batch.events.append((row.line, event))
        if batch.row_count == BATCH_EVENTS:
            break
        if batch.row_count % READ_AT_ONCE == 0:
            await asyncio.sleep(0)
    return batch


def _tell_problems(batch: _Batch, summary: ImportSummary, report: Report) -> None:
    summary.row_count += batch.row_count
    summary.unreadable_count += len(batch.problems)
    for line, reason in batch.problems:
        report(line, reason)


async def _charge(
    door: Door,
    viewer: Viewer,
    batch: list[tuple[int, UsageEvent]],
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
