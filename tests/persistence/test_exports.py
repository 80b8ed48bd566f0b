"""The rows of an export: in order over all its offices, from a statement that stays small however many they are."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from domain.access import Role, Scope
from persistence import export_lines, export_rows
from persistence.database import Database
from persistence.export_lines import stream_lines
from persistence.export_rows import ordered_keys
from persistence.exports import Office, Selection, select_rows
from persistence.history import HistoryFilter
from persistence.usage_lines import COLUMNS
from tests.world import START, World, call, office

SLUGS = ("hq", "berlin", "lima")


async def _read(database: Database, chosen: Selection) -> list[str]:
    """The lines, once their number and cost are the sums that come with them."""
    async with database.snapshot() as connection:
        parts = [part async for part in stream_lines(connection, chosen)]
    lines = b"".join(part.text for part in parts).decode().split("\r\n")[:-1]
    assert sum(part.row_count for part in parts) == len(lines) == chosen.row_count
    assert sum(part.cost_micros for part in parts) == chosen.cost_micros
    return lines


@pytest.mark.parametrize(("most_named", "most_merged"), [(0, 0), (500, 0), (500, 32)])
@pytest.mark.parametrize("is_descending", [False, True])
async def test_rows_of_several_offices_are_in_one_order(
    database: Database, monkeypatch: pytest.MonkeyPatch, most_named: int, most_merged: int, is_descending: bool
) -> None:
    """Whether offices are merged, named, or all of the company is looked through; with ties, and more than a part."""
    monkeypatch.setattr(export_rows, "MOST_NAMED", most_named)
    monkeypatch.setattr(export_rows, "MOST_MERGED", most_merged)
    monkeypatch.setattr(export_lines, "PART_ROWS", 7)
    world = await World(database).set_up(office(), *(office(slug, phone_numbers=()) for slug in SLUGS[1:]))
    world.now = START + timedelta(days=1)
    await world.record(*(call(f"c-{n}", START + timedelta(minutes=n * 7 % 20), office=SLUGS[n % 3]) for n in range(60)))
    mine = frozenset({await world.office_id("hq"), await world.office_id("lima")})
    viewer = world.viewer(Role.OFFICE_ADMIN, office_ids=mine)
    async with database.snapshot() as connection:
        chosen = await select_rows(
            connection, Scope.of(viewer), wanted=HistoryFilter(), is_descending=is_descending, now=world.now
        )
    await world.record(*(call(f"later-{n}", START, office=SLUGS[n]) for n in range(3)))
    lines = [dict(zip(COLUMNS, line.split(","), strict=True)) for line in await _read(database, chosen)]
    keys = [(datetime.fromisoformat(line["Time"]), line["Record ID"]) for line in lines]
    assert len(lines) == chosen.row_count == 40
    assert {line["Event ID"] for line in lines} == {f"c-{n}" for n in range(60) if n % 3 != 1}
    assert keys == sorted(keys, reverse=is_descending)


def _selection(count: int, wanted: HistoryFilter) -> Selection:
    zone = ZoneInfo("UTC")
    return Selection(
        company_id=UUID(int=1),
        currency="USD",
        offices={uuid4(): Office(name="x", time_zone=zone, watermark=5) for _ in range(count)},
        wanted=wanted,
        is_descending=True,
        row_count=0,
        cost_micros=0,
        as_of=START,
    )


@pytest.mark.parametrize("count", [1, 400, 20_000, 40_000])
async def test_many_offices_under_many_conditions_are_read(database: Database, count: int) -> None:
    """PostgreSQL takes 32,767 parameters in a statement, SQLite 500 parts."""
    regions = tuple(f"{first}{second}" for first in "ABCDEFGHIJ" for second in "ABCDEFGHIJ")
    chosen = _selection(count, HistoryFilter(destination_regions=regions))
    sizes = [
        len(value) if isinstance(value, list | tuple) else 1 for value in ordered_keys(chosen).compile().params.values()
    ]
    assert sum(sizes) < 1_000
    assert await _read(database, chosen) == []
