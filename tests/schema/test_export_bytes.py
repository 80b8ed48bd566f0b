"""The lines that the databases make, against the same written in Python a row at a time: byte for byte."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from api.usage_csv import csv_chunks
from domain.access import Role, Scope
from domain.catalogue import COMMITMENT_OF, Service
from domain.usage import DirectoryReference
from domain.waterfall import COMMITMENT_BIT
from persistence.database import Database
from persistence.exports import Selection, select_rows
from persistence.history import HistoryFilter
from persistence.tables.charging import CHARGE
from persistence.tables.company import OFFICE
from tests.reference_csv import reference_file
from tests.schema.conftest import NOON, House
from tests.world import call

ODD = (
    *(
        "=1+1",
        "00441234",
        "12345678901",
        "123456789012",
        "3f2504e0-4f89-11d3",
        "12e3",
        "1e5a",
        "9a b",
        "7 x",
        "0",
        "00",
    ),
    *(
        "Smith, John",
        'say "yes"',
        "x;=1+1",
        "a\\b",
        "a\\n\\.",
        "\\.",
        "'quoted",
        "Zürich",
        "日本 100%",
        "😀",
        "%s%%d",
        "-",
        "-1.5",
    ),
    *(
        "+14155550100",
        "+1415",
        "a ",
        " a",
        "x_y@z.com",
        "12:30",
        "1.2.3",
        "10 PM",
        "A",
        "1B",
        "Ａ1",
        "ｘ",
        "\u00a0x",
        "é",
    ),
)
ZONES = ("Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Africa/Casablanca", "Australia/Lord_Howe", "UTC")


async def _chosen(house: House, *, is_descending: bool = True) -> Selection:
    scope = Scope.of(house.world.viewer(Role.COMPANY_ADMIN))
    async with house.database.snapshot() as connection:
        return await select_rows(
            connection, scope, wanted=HistoryFilter(), is_descending=is_descending, now=house.world.now
        )


async def _file(database: Database, chosen: Selection) -> bytes:
    async with database.snapshot() as connection:
        return b"".join([chunk async for _, chunk in csv_chunks(connection, chosen)])


async def _assert_same(house: House, *, is_descending: bool = True) -> None:
    chosen = await _chosen(house, is_descending=is_descending)
    made, written = await _file(house.database, chosen), await reference_file(house.database, chosen)
    assert made.split(b"\r\n") == written.split(b"\r\n")
    assert made.count(b"\r\n") > 20


async def test_odd_texts_everywhere(house: House) -> None:
    """As names, ids, ends and places; in the office's name too."""
    shown = [text.strip().replace("\n", " ") for text in ODD]
    await house.world.record(
        *(
            replace(
                call(f"odd-{n}", NOON - timedelta(seconds=n), from_=text),
                member=DirectoryReference(f"m-{n}", text),
                contact=DirectoryReference(f"c-{n}", shown[-n]),
            )
            for n, text in enumerate(shown)
        )
    )
    await _assert_same(house)
    async with house.database.writing() as connection:  # past the rules, as an older version may have left it
        await connection.execute(OFFICE.update().where(OFFICE.c.slug == "hq").values(name='A\\B "ü"\n; =1'))
        for n, text in enumerate(ODD):
            place = {"location": {"countryCode": None, "region": text, "city": ODD[-n]}, "callId": text}
            notes = {"details": place | {"qualityTenths": n % 50}, "destination": text, "source": text}
            odd = CHARGE.update().where(CHARGE.c.event_id == f"odd-{n}")
            await connection.execute(odd.values(event_id=text, **notes))
    await _assert_same(house, is_descending=False)


async def test_moments_around_every_change_of_a_clock(house: House) -> None:
    """In all offices' zones at once, with fractions, and far from when the file is asked for."""
    changes = [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2025, 10, 26, 1, tzinfo=UTC)]
    changes += [datetime(2025, 4, 5, 15, tzinfo=UTC), datetime(2026, 2, 15, 2, tzinfo=UTC)]
    moments = [change + timedelta(microseconds=micros) for change in changes for micros in (-1, 0, 1, 500_000)]
    moments += [datetime(year, 7, 1, 12, 0, 0, year, tzinfo=UTC) for year in (1975, 1999, 2022, 2023, 2024, 2040, 2090)]
    slugs = ("hq", "berlin", "lone")
    for at in range(0, len(ZONES), len(slugs)):
        async with house.database.writing() as connection:
            for slug, zone in zip(slugs, ZONES[at:], strict=False):
                await connection.execute(OFFICE.update().where(OFFICE.c.slug == slug).values(time_zone=zone))
            keys = (await connection.execute(CHARGE.select().with_only_columns(CHARGE.c.id))).scalars().all()
            for n, key in enumerate(keys):
                moment, other = moments[n % len(moments)], moments[(n * 7 + at) % len(moments)]
                moved = {"occurred_at": moment, "recorded_at": other}
                await connection.execute(CHARGE.update().where(CHARGE.c.id == key).values(**moved))
        await _assert_same(house)


@pytest.mark.parametrize("is_descending", [True, False])
async def test_amounts_of_any_size(house: House, is_descending: bool) -> None:
    async with house.database.writing() as connection:
        rows = (await connection.execute(select(CHARGE.c.id, CHARGE.c.service))).all()
        for n, row in enumerate(rows):
            size = (-1) ** n * (10 ** (n % 18) + n)
            payers = n % 8 if Service(row.service) in COMMITMENT_OF else n % 8 & ~COMMITMENT_BIT
            amounts = {"commitment_micros": size, "universal_micros": -n, "cost_micros": size - n, "plan_micros": n}
            more = {"list_price_micros": size, "rate_nanos": size, "sources": payers, "connection_fee_micros": n % 3}
            await connection.execute(CHARGE.update().where(CHARGE.c.id == row.id).values(**amounts, **more))
        mine = CHARGE.c.company_id == house.world.company_id
        cost = (await connection.execute(select(func.sum(CHARGE.c.cost_micros)).where(mine))).scalar_one()
    chosen = replace(await _chosen(house, is_descending=is_descending), cost_micros=int(cost))
    assert await _file(house.database, chosen) == await reference_file(house.database, chosen)
