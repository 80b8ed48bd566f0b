"""`make bench`: `python -m benchmarks [PART …] [--full | --tiny]`. README.md says what each figure means.

All parts together write RESULTS.md; a part by its name prints alone.
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from benchmarks.figure import NotMeasured, Row
from benchmarks.in_process import BATCH, events, fresh_database, seconds  # benchmarks of old ask for them here
from benchmarks.parts import charging, cold, export, growth, reading, workers
from benchmarks.report import RESULTS, Part, report
from benchmarks.run import Run

__all__ = ["BATCH", "events", "fresh_database", "seconds"]

Measure = Callable[[Run], Awaitable[list[Row]]]
PARTS: dict[str, Sequence[Measure]] = {
    "reading": reading.MEASURES,
    "charging": charging.MEASURES,
    "export": export.MEASURES,
    "cold": cold.MEASURES,
    "growth": growth.MEASURES,
    "workers": workers.MEASURES,
}
FULL_ONLY = frozenset({"growth", "workers"})


async def main() -> None:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a start is one of what is installed, not of what is compiled anew
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("part", nargs="*", choices=[[], *PARTS], help="by default all that the form has")
    parser.add_argument("--full", action="store_true", help="hours instead of minutes")
    parser.add_argument("--tiny", action="store_true", help="one round of next to nothing: does it still run?")
    asked = parser.parse_args()
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    loop.add_signal_handler(signal.SIGTERM, task.cancel)  # else what was started would be left over
    names = asked.part or [name for name in PARTS if asked.full or name not in FULL_ONLY]
    form = "full" if asked.full else "tiny" if asked.tiny else "short"
    measured: list[Part] = []
    for name in names:
        sys.stderr.write(f"{name} …\n")
        measured.append(await measured_part(name, is_full=asked.full, is_tiny=asked.tiny))
        if not asked.part and not asked.tiny:  # a run that is broken off leaves what it had
            RESULTS.write_text(report(measured, form=form), encoding="utf-8")
    sys.stdout.write(report(measured, form=form))


async def measured_part(name: str, *, is_full: bool, is_tiny: bool) -> Part:
    """What goes wrong is told in the part's place, and the rest goes on."""
    begun, busy = time.monotonic(), await others_at_work()
    with tempfile.TemporaryDirectory(prefix="farebox-bench-", ignore_cleanup_errors=True) as folder:
        rows: list[Row] = []
        for measure in PARTS[name]:
            try:
                rows += await measure(Run(folder=Path(folder), is_full=is_full, is_tiny=is_tiny))
            except Exception as failure:
                traceback.print_exc()
                why = " ".join(str(failure).split())[:200]
                what = f"{name} {measure.__name__.replace('_', ' ')}"
                rows.append(NotMeasured(what=what, why=f"{type(failure).__name__}: {why}"))
    return Part(name, rows, time.monotonic() - begun, busy)


async def others_at_work(seconds: float = 1.0) -> float:
    """Cores that are busy before anything of ours is: figures that need an idle machine are worth less then."""
    before = _busy_ticks()
    await asyncio.sleep(seconds)
    return (_busy_ticks() - before) / os.sysconf("SC_CLK_TCK") / seconds


def _busy_ticks() -> int:
    """Of all cores: everything in the first line of /proc/stat but what was idle, or waited for a disk."""
    told = Path("/proc/stat")
    if not told.exists():
        return 0
    user, nice, system, _idle, _waiting, *rest = (int(cell) for cell in told.read_text().splitlines()[0].split()[1:8])
    return user + nice + system + sum(rest)


if __name__ == "__main__":
    asyncio.run(main())
