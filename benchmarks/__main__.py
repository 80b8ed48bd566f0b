"""`make bench`: `python -m benchmarks [PART …] [--full | --tiny]`. README.md says what each figure means.

All parts together write RESULTS.md; a part by its name prints alone.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.figure import NotMeasured, Row
from benchmarks.in_process import BATCH, events, fresh_database, seconds  # benchmarks of old ask for them here
from benchmarks.parts import charging, cold, export, growth, reading, workers
from benchmarks.report import RESULTS, Part, report
from benchmarks.run import Run

__all__ = ["BATCH", "events", "fresh_database", "seconds"]

Measure = Callable[[Run], Awaitable[list[Row]]]
PARTS: dict[str, Measure] = {
    "reading": reading.measure,
    "charging": charging.measure,
    "export": export.measure,
    "cold": cold.measure,
    "growth": growth.measure,
    "workers": workers.measure,
}
FULL_ONLY = frozenset({"growth", "workers"})


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("part", nargs="*", choices=[[], *PARTS], help="by default all that the form has")
    parser.add_argument("--full", action="store_true", help="hours instead of minutes")
    parser.add_argument("--tiny", action="store_true", help="one round of next to nothing: does it still run?")
    asked = parser.parse_args()
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    loop.add_signal_handler(signal.SIGTERM, task.cancel)  # else what was started would be left over
    names = asked.part or [name for name in PARTS if asked.full or name not in FULL_ONLY]
    measured = [await measured_part(name, is_full=asked.full, is_tiny=asked.tiny) for name in names]
    told = report(measured, form="full" if asked.full else "tiny" if asked.tiny else "short")
    sys.stdout.write(told)
    if not asked.part and not asked.tiny:
        RESULTS.write_text(told, encoding="utf-8")


async def measured_part(name: str, *, is_full: bool, is_tiny: bool) -> Part:
    """What goes wrong is told in the part's place, and the rest goes on."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="farebox-bench-", ignore_cleanup_errors=True) as folder:
        try:
            rows = await PARTS[name](Run(folder=Path(folder), is_full=is_full, is_tiny=is_tiny))
        except Exception as failure:
            traceback.print_exc()
            why = str(failure).strip().splitlines() or [""]
            rows = [NotMeasured(what=name, why=f"{type(failure).__name__}: {why[0][:200]}")]
    return Part(name, rows, time.monotonic() - begun)


if __name__ == "__main__":
    asyncio.run(main())
