"""The words in which the tests of file imports speak: write a file, read it, and take what came of a row."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from api.imports.cdr import ReadRow, UsageFormat, read_usage
from api.imports.column_map import parse_column_map
from domain.usage import Call, UsageEvent

DOCS = Path(__file__).parents[2] / "docs" / "files.md"
DATA = Path(__file__).parents[3] / "shared" / "data"
MAP = "from=caller,to=callee,occurred_at=start,duration=seconds"
HEADER = "caller,callee,start,seconds"


def read(path: Path, text: str, format: UsageFormat, **options: Any) -> list[ReadRow]:
    path.write_text(text, encoding="utf-8")
    return list(read_usage(path, format=format, source="switch", **options))


def read_mapped(path: Path, text: str, column_map: str = MAP, **options: Any) -> list[ReadRow]:
    options = {"time_zone": "UTC", **options}
    return read(path, text, UsageFormat.CSV, column_map=parse_column_map(column_map), **options)


def event_of(row: ReadRow) -> UsageEvent:
    assert row.event is not None, row.problem
    return row.event


def call_of(row: ReadRow) -> Call:
    usage = event_of(row).usage
    assert isinstance(usage, Call)
    return usage


def event_json(**changes: Any) -> str:
    call = {"direction": "OUTBOUND", "from": "1", "to": "2", "durationSeconds": 5}
    call |= changes.pop("call", {})
    event = {"eventId": "e", "occurredAt": "2026-03-01T09:00:00Z", "usage": {"call": call}, **changes}
    return json.dumps(event) + "\n"


def documented(language: str, name: str) -> str:
    """An example of docs/files.md."""
    found = re.search(rf"```{language} {name}\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert found
    return found[1]


def real_file(name: str) -> Path:
    """A file that came from somebody's system. They are kept outside the project, beside the checkout."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the real input file {name} is not on this machine")
    return path
