"""The rows of an export: in order over all its offices, from a statement that stays small however many they are."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Row

from domain.access import Role, Scope
from persistence import exports
from persistence.database import Database
from persistence.exports import Office, Selection, ordered_keys, select_rows, stream_rows
from persistence.history import HistoryFilter
from tests.world import START, World, call, office

SLUGS = ("hq", "berlin", "lima")


async def _read(database: Database, chosen: Selection) -> Sequence[Row[Any]]:
    async with database.snapshot() as connection:
        return [row async for part in stream_rows(connection, chosen) for row in part]


@pytest.mark.parametrize("most_named", [0, 500])
@pytest.mark.parametrize("is_descending", [False, True])
async def test_rows_of_several_offices_are_in_one_order(
    database: Database, monkeypatch: pytest.MonkeyPatch, most_named: int, is_descending: bool
) -> None:
    """Whether offices are named or all of the company is looked through; with ties, and more than a part."""
    monkeypatch.setattr(exports, "MOST_NAMED", most_named)
    monkeypatch.setattr(exports, "PART_ROWS", 7)
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
    rows = await _read(database, chosen)
    keys = [(row.occurred_at, row.id) for row in rows]
    assert len(rows) == chosen.row_count == 40
    assert {row.office_id for row in rows} == mine
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
