"""The file in a spreadsheet program: LibreOffice opens it as anybody would, and nothing in it has changed.

Without LibreOffice on this machine there is nothing to try. It runs in a profile of its own and is ended by its id.
"""

import asyncio
import csv
import io
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from api.usage_csv import COLUMNS
from domain.catalogue import Direction
from domain.usage import DirectoryReference
from tests.conftest import FreshDatabases, ToldOnce
from tests.schema.conftest import NOON, House, copied_house
from tests.schema.test_export import ask_export, fetch
from tests.world import call

SOFFICE = shutil.which("soffice")
SECONDS = 180
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
TEXTS = (
    *("Time", "Recorded time", "Billing month", "Phone number", "From", "From URI", "To", "To URI", "Fax line"),
    *("Record ID", "Reverses record ID", "Member", "Group", "Contact"),
)
"""Columns that have to be texts in the table too, the very same."""
DANGERS = (
    *("=1+1", "+1+1", "-2+3", "@SUM(1)", " =1+1", "00441234", "12345678901234567890", "1234567890123456"),
    *("12e3", "1-2", "3/4", "10%", "12:30", "1,234", "'quoted", "0192", "123456789012"),
)

pytestmark = pytest.mark.skipif(SOFFICE is None, reason="LibreOffice (soffice) is not on this machine")


def _open(folder: Path) -> Path:
    """What LibreOffice makes of `export.csv` without being told anything about it, as a flat XML spreadsheet."""
    command = [
        str(SOFFICE),
        f"-env:UserInstallation={(folder / 'profile').as_uri()}",
        *("--headless", "--norestore", "--convert-to", "fods", "--outdir", str(folder), str(folder / "export.csv")),
    ]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, start_new_session=True, **quiet) as process:  # type: ignore[call-overload]
        try:
            process.wait(SECONDS)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    return folder / "export.fods"


def _table(file: Path) -> list[dict[str, ElementTree.Element]]:
    rows = [list(_cells(row)) for row in ElementTree.parse(file).iter(f"{TABLE}table-row")]
    return [dict(zip(COLUMNS, row, strict=False)) for row in rows if row and _shown(row[0])]


def _cells(row: ElementTree.Element) -> Iterator[ElementTree.Element]:
    for cell in row.iter(f"{TABLE}table-cell"):
        for _ in range(min(int(cell.get(f"{TABLE}number-columns-repeated", "1")), len(COLUMNS))):
            yield cell


def _shown(cell: ElementTree.Element) -> str:
    return "\n".join("".join(line.itertext()) for line in cell.iter(f"{TEXT}p"))


async def _made(house: House, folder: Path) -> list[dict[str, str]]:
    """A file with what reporters may send, beside ordinary usage; as a program reads it."""
    await house.world.record(
        *(
            replace(call(text, NOON, from_=text), member=DirectoryReference(f"m{at}", text))
            for at, text in enumerate(DANGERS)
        ),
        call("long", NOON, from_="+491234567890123", to="+4915123456789", office="berlin"),
        call("toll-free", NOON, from_="+80012345678", direction=Direction.INBOUND, to="+14155550100"),
    )
    content = (await fetch(house, await ask_export(house))).content
    await asyncio.to_thread((folder / "export.csv").write_bytes, content)
    return list(csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True))


async def test_libreoffice_makes_a_table_of_it_with_every_number_intact(house: House, tmp_path: Path) -> None:
    written = await _made(house, tmp_path)
    table = _table(await asyncio.to_thread(_open, tmp_path))
    head, *rows = table
    assert [_shown(head[name]) for name in COLUMNS] == list(COLUMNS)
    assert len(rows) == len(written)
    for row, line in zip(rows, written, strict=True):
        assert not [name for name, cell in row.items() if cell.get(f"{TABLE}formula")]
        for name in TEXTS:
            if line[name].isascii():  # without being told it takes no UTF-8: docs/export.md
                assert _shown(row[name]) == line[name], name
        for name in ("Event ID", "Transaction ID"):
            assert _shown(row[name]).lstrip() == line[name].lstrip(), name
        for name in ("Cost", "List price", "Rate", "Quantity"):
            assert float(row[name].get(f"{OFFICE}value", "")) == float(line[name]), name
    ids = {line["Event ID"].removeprefix("'") for line in written}
    assert ids > set(DANGERS)
    assert {"+1 4155550100", "+49 1234567890123", "+800 12345678"} <= {_shown(row["From"]) for row in rows}
    assert {"tel:+14155550100", "tel:+491234567890123"} <= {_shown(row["From URI"]) for row in rows}


@pytest.fixture
async def house(told_once: ToldOnce, fresh_databases: FreshDatabases) -> AsyncIterator[House]:
    async with copied_house("sqlite", told_once, fresh_databases) as house:
        yield house
