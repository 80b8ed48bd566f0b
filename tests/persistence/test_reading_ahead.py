"""A file is read on while the database has a batch of it: nothing is told or charged out of order for that."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import func, select, text

from api import usage_import
from api.imports.fields import ReadRow
from api.usage_import import BATCH_EVENTS, ImportSummary, import_usage
from domain.charging import Outcome
from domain.errors import InvalidInput
from domain.usage import OfficeReference
from persistence.database import Database
from persistence.statistics import look_at_new_tables
from persistence.tables.charging import CHARGE
from tests.proof import assert_books_hold
from tests.world import START, World, call, office

ROWS = 2 * BATCH_EVENTS + 100


@pytest.fixture
async def world(sqlite_database: Database) -> AsyncIterator[World]:
    world = World(sqlite_database, now=START + timedelta(days=1))
    yield await world.set_up(office())
    await assert_books_hold(sqlite_database)


def row(number: int) -> ReadRow:
    if number % 100 == 7:
        return ReadRow(number, None, "no call")
    to = "+900123456789" if number % 100 == 8 else "+12125550123"
    return ReadRow(number, call(f"row-{number}", START + timedelta(seconds=number), to=to), None)


async def imported(world: World, rows: Iterator[ReadRow], told: list[int]) -> ImportSummary:
    return await import_usage(
        world.begin,
        world.viewer(),
        rows,
        office=None,
        clock=lambda: world.now,
        is_backfill=False,
        report=lambda line, _: told.append(line),
        begun=partial(look_at_new_tables, world.database),
    )


async def charge_count(database: Database) -> int:
    count: int = (await database.rows(select(func.count()).select_from(CHARGE)))[0][0]
    return count


async def test_every_row_is_counted_once_and_told_of_when_it_is_met(world: World) -> None:
    told: list[int] = []
    summary = await imported(world, map(row, range(ROWS)), told)
    odd = ROWS // 100
    assert (summary.row_count, summary.unreadable_count) == (ROWS, odd)
    assert summary.outcomes == {Outcome.CHARGED: ROWS - 2 * odd, Outcome.REJECTED: odd}
    assert sorted(told) == [100 * at + place for at in range(odd) for place in (7, 8)]
    unread, refused = ([line for line in told if line % 100 == place] for place in (7, 8))
    assert (unread, refused) == (sorted(unread), sorted(refused)), "when it is read, and when it is charged"
    assert told.index(unread[-1]) > told.index(refused[0]), "not only at the end"


async def test_a_file_without_a_row_that_can_be_read_is_told_of_as_it_goes(world: World) -> None:
    told: list[int] = []
    behind: list[int] = []

    def rows() -> Iterator[ReadRow]:
        for number in range(4 * BATCH_EVENTS):
            behind.append(number - len(told))
            yield ReadRow(number, None, "no call")

    summary = await imported(world, rows(), told)
    assert (summary.row_count, summary.unreadable_count, len(told)) == (4 * BATCH_EVENTS,) * 3
    assert max(behind) <= 2 * BATCH_EVENTS, "what cannot be read is not kept until the end"


async def test_rows_of_many_offices_are_charged_office_by_office_in_the_order_of_the_file(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An office that is named in two ways is one; and no more waits than may."""
    monkeypatch.setattr(usage_import, "BATCH_EVENTS", 20)
    monkeypatch.setattr(usage_import, "MAX_WAITING_EVENTS", 100)
    await world.set_up(office(), *(office(f"o{number}", phone_numbers=()) for number in range(9)))
    named = [{"slug": "hq"}, {"phone_number": "+14155550100"}, *({"slug": f"o{number}"} for number in range(9))]
    ahead: list[int] = []
    told: list[int] = []

    def rows() -> Iterator[ReadRow]:
        for number in range(500):
            place = named[number % 3] if number % 2 else named[number % len(named)]
            event = call(f"row-{number}", START + timedelta(seconds=number))
            yield ReadRow(number, replace(event, office=OfficeReference(**place)), None)
            ahead.append(number)
        yield ReadRow(500, replace(event, office=OfficeReference(slug="nowhere")), None)

    summary = await imported(world, rows(), told)
    assert summary.outcomes == {Outcome.CHARGED: 500, Outcome.REJECTED: 1}
    assert told == [500]
    charges = await world.database.rows(select(CHARGE.c.office_id, CHARGE.c.event_id, CHARGE.c.sequence))
    of_office: dict[UUID, list[tuple[int, int]]] = {}
    for charge in charges:
        of_office.setdefault(charge.office_id, []).append((charge.sequence, int(charge.event_id.removeprefix("row-"))))
    assert len(of_office) == 10
    for told_of in of_office.values():
        numbers = [number for _, number in sorted(told_of)]
        assert numbers == sorted(numbers), "in the order of the file"


async def test_what_is_left_of_many_offices_is_charged_together(world: World) -> None:
    """Thirty offices with ten rows each are one transaction, not thirty."""
    await world.set_up(office(), *(office(f"o{number}", phone_numbers=()) for number in range(29)))
    slugs = ["hq", *(f"o{number}" for number in range(29))]
    calls = [call(f"row-{at}", START + timedelta(seconds=at), office=slugs[at % 30]) for at in range(300)]
    sizes: list[int] = []
    world.begin.on_tally = lambda tally: sizes.append(sum(tally.charges.values()))
    summary = await imported(world, (ReadRow(at, event, None) for at, event in enumerate(calls)), [])
    assert summary.outcomes == {Outcome.CHARGED: 300}
    assert sizes == [300]


async def test_a_file_that_ends_in_an_error_has_charged_the_batches_before_it(world: World) -> None:
    def rows() -> Iterator[ReadRow]:
        yield from map(row, range(BATCH_EVENTS + 50))
        raise InvalidInput("This is no line.")

    with pytest.raises(InvalidInput):
        await imported(world, rows(), [])
    assert await charge_count(world.database) == BATCH_EVENTS - 10


async def test_what_fails_while_it_is_charged_stops_the_reading(world: World) -> None:
    async def fail() -> None:
        raise OSError("no room")

    read: list[int] = []

    def rows() -> Iterator[ReadRow]:
        for number in range(100 * BATCH_EVENTS):
            read.append(number)
            yield row(number)

    with pytest.raises(OSError, match="no room"):
        await import_usage(
            world.begin,
            world.viewer(),
            rows(),
            office=None,
            clock=lambda: world.now,
            is_backfill=False,
            report=lambda _line, _reason: None,
            begun=fail,
        )
    assert len(read) <= 3 * BATCH_EVENTS, "what makes the first batch, and as much ahead"


async def test_postgresql_knows_its_tables_after_the_first_batch(database: Database) -> None:
    world = await World(database, now=START + timedelta(days=1)).set_up(office())
    await imported(world, map(row, range(20)), [])
    if not database.is_sqlite:
        [known] = await database.rows(text("SELECT reltuples FROM pg_class WHERE oid = 'charge'::regclass"))
        assert known.reltuples == await charge_count(database)
