"""RESULTS.md: a table of bars and figures for each part."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.figure import NotMeasured, Row, number
from benchmarks.machine import described

RESULTS = Path(__file__).parent / "RESULTS.md"
MEANING = """\
Each ratio is of two things measured in turns in the same rounds; the figure is the median of the rounds' ratios, beside
it the least and the most. README.md says what was asked and what each floor is. Authentication and limits are on, the
principal's bucket is wide enough, and row-level security is off but where it is named."""
HEAD = "| what | figure | beside | ratio | spread | bar | verdict |\n| --- | --- | --- | --- | --- | --- | --- |"


class Part(NamedTuple):
    name: str
    rows: list[Row]
    seconds: float
    busy: float
    """Cores that others kept busy just before."""


def report(parts: Iterable[Part], *, form: str) -> str:
    lines = ["# Results", "", f"The {form} form, {datetime.now(UTC):%Y-%m-%d}.", "", MEANING, "", *described(), ""]
    for part in parts:
        option = " --full" if form == "full" else ""
        lines += [f"## {part.name.capitalize()}", ""]
        lines += [
            f"`python -m benchmarks {part.name}{option}`, {part.seconds:.0f} seconds."
            f" Just before, others kept {part.busy:.1f} of the machine's cores busy.",
            "",
            HEAD,
        ]
        lines += [line(row) for row in part.rows]
        lines += [
            "",
            *(f"- {row.what}: {row.note}" for row in part.rows if not isinstance(row, NotMeasured) and row.note),
        ]
        lines += [""]
    return "\n".join(lines).rstrip() + "\n"


def line(row: Row) -> str:
    if isinstance(row, NotMeasured):
        return f"| {row.what} | not measured: {row.why} | | | | | |"
    beside = f"{row.against}: {number(median(row.beside))}" if row.beside else ""
    ratio = number(row.judged) if row.beside else ""
    cells = (row.what, f"{number(row.value)} {row.unit}", beside, ratio, row.spread, row.bar, row.verdict)
    return f"| {' | '.join(cells)} |"
