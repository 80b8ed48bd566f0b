"""Reads against the rows themselves: whatever is asked, the history lists exactly what a plain look would find."""

import random
import sqlite3
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from domain.access import PartnerScope, Role, Scope
from domain.catalogue import COMMITMENT_OF, Direction, Service, UsageType, WalletSource
from domain.errors import NotFound
from domain.usage import DirectoryReference, Fax, Session
from persistence.database import Database
from persistence.history import HistoryFilter, read_history_page, read_history_totals
from persistence.history_rows import ALWAYS, read_history_rows
from persistence.keyset import Window
from persistence.slugs import Slugs
from persistence.tables.charging import CHARGE
from persistence.viewers import find_viewer
from tests.world import START, World, allowance, call, commitment, office, usage_event

NUMBERS = ("+12125550123", "+442071234567", "+14155550100", "1002")


@pytest.fixture
async def world(database: Database) -> World:
    world = World(database)
    await world.set_up(
        office(allowances=(allowance(600),), commitments=(commitment("1"),), opening_credits_micros=1_000_000),
        office("berlin", anchor_day=3, phone_numbers=()),
        office("lone", phone_numbers=()),
    )
    world.now = START + timedelta(days=6)
    chance = random.Random(7)
    events = []
    for number in range(150):
        at = START + timedelta(hours=chance.randrange(0, 140, 5))
        branch = chance.choice(("hq", "berlin", "lone"))
        match chance.randrange(4):
            case 0:
                usage: Any = Fax(
                    direction=Direction.INBOUND, from_=chance.choice(NUMBERS), to=chance.choice(NUMBERS), page_count=3
                )
                made = usage_event(f"e{number}", at, usage, office=branch)
            case 1:
                made = usage_event(f"e{number}", at, Session(service=Service.SPEECH_IVR), office=branch)
            case _:
                ends = chance.choice(NUMBERS), chance.choice(NUMBERS)
                made = call(
                    f"e{number}", at, from_=ends[0], to=ends[1], seconds=chance.randrange(0, 200), office=branch
                )
        who = chance.choice((None, DirectoryReference("u1"), DirectoryReference("u2")))
        group = chance.choice((None, DirectoryReference("g1")))
        events.append(_of(made, who, group))
    await world.record(*events)
    return world


def _of(made: Any, member: Any, group: Any) -> Any:
    from dataclasses import replace

    return replace(made, member=member, group=group, contact=DirectoryReference("c1") if group else None)


def _paid_by(row: Any, source: WalletSource) -> bool:
    if source is WalletSource.PLAN:
        return bool(row.sources & 1)
    if source is WalletSource.UNIVERSAL:
        return bool(row.sources & 4)
    kind = COMMITMENT_OF.get(Service(row.service))
    return bool(row.sources & 2) and kind is not None and kind.value == source.value


def _fits(row: Any, wanted: HistoryFilter) -> bool:
    checks: list[tuple[Any, bool]] = [
        (wanted.month, row.month == wanted.month),
        (wanted.occurred_from, wanted.occurred_from is None or row.occurred_at >= wanted.occurred_from),
        (wanted.occurred_until, wanted.occurred_until is None or row.occurred_at < wanted.occurred_until),
        (wanted.services, row.service in (wanted.services or ())),
        (wanted.usage_types, row.usage_type in (wanted.usage_types or ())),
        (wanted.wallet_sources, any(_paid_by(row, source) for source in wanted.wallet_sources or ())),
        (wanted.office_ids, row.office_id in (wanted.office_ids or ())),
        (wanted.member_id, row.member_id == wanted.member_id),
        (wanted.group_id, row.group_id == wanted.group_id),
        (wanted.contact_id, row.contact_id == wanted.contact_id),
        (wanted.phone_number, wanted.phone_number in (row.from_number, row.to_number)),
        (wanted.direction, row.direction == wanted.direction),
        (wanted.destination_regions, row.region_code in (wanted.destination_regions or ())),
        (wanted.cost_min_micros, wanted.cost_min_micros is None or row.cost_micros >= wanted.cost_min_micros),
        (wanted.cost_max_micros, wanted.cost_max_micros is None or row.cost_micros <= wanted.cost_max_micros),
        (wanted.is_booked_late, row.is_booked_late is wanted.is_booked_late),
    ]
    return all(holds for side, holds in checks if side is not None)


def _some(chance: random.Random, rows: Any, offices: list[UUID]) -> HistoryFilter:
    """A filter with a few sides, mostly ones that find something."""
    row = chance.choice(rows)
    sides: dict[str, Any] = {
        "month": row.month,
        "occurred_from": row.occurred_at - timedelta(hours=chance.randrange(50)),
        "occurred_until": row.occurred_at + timedelta(hours=chance.randrange(1, 50)),
        "services": (Service(row.service), Service.FAX),
        "usage_types": (UsageType(row.usage_type),),
        "wallet_sources": tuple(chance.sample(list(WalletSource), chance.randrange(3))),
        "office_ids": tuple(chance.sample(offices, chance.randrange(4))),
        "direction": row.direction and Direction(row.direction),
        "destination_regions": tuple(chance.sample(["US", "GB", "DE"], chance.randrange(3))),
        "cost_min_micros": row.cost_micros - chance.randrange(30_000),
        "cost_max_micros": row.cost_micros + chance.randrange(30_000),
        "is_booked_late": row.is_booked_late,
    }
    parties: dict[str, Any] = {
        "member_id": row.member_id,
        "group_id": row.group_id,
        "contact_id": row.contact_id,
        "phone_number": row.from_number,
    }
    chosen = chance.sample(list(sides), chance.randrange(4))
    party = chance.choice([*parties, None, None])
    return HistoryFilter(**{side: sides[side] for side in chosen}, **({party: parties[party]} if party else {}))


async def test_any_filter_lists_and_totals_what_a_plain_look_finds(world: World) -> None:
    rows = await world.database.rows(CHARGE.select())
    offices = sorted({row.office_id for row in rows})
    chance = random.Random(11)
    found_any = 0
    for _ in range(60):
        wanted = _some(chance, rows, offices)
        seen = chance.choice([None, frozenset(chance.sample(offices, chance.randrange(4)))])
        scope = Scope(world.company_id, seen)
        fitting = [row for row in rows if scope.covers(row.office_id) and _fits(row, wanted)]
        fitting.sort(key=lambda row: (row.occurred_at, row.id))
        is_descending = chance.random() < 0.5
        if is_descending:
            fitting.reverse()
        listed: list[UUID] = []
        after = None
        limit = chance.choice((7, 30, 100))
        while True:
            page = await read_history_page(
                world.database, scope, wanted=wanted, window=Window(limit, after), is_descending=is_descending
            )
            listed += [row.id for row in page.rows]
            if not page.has_more:
                break
            after = (page.rows[-1].occurred_at, page.rows[-1].id)
        assert listed == [row.id for row in fitting], (wanted, seen)
        totals = await read_history_totals(world.database, scope, wanted=wanted)
        assert totals == (len(fitting), sum(row.cost_micros for row in fitting)), (wanted, seen)
        found_any += bool(fitting)
    assert found_any > 20


async def _small_company(database: Database) -> World:
    """Of twenty offices; the first has half of its two thousand records."""
    world = await World(database).set_up(*(office(f"o{number}") for number in range(20)))
    for batch in range(4):
        at = START + timedelta(hours=batch)
        slugs = ["o0" if n % 2 else f"o{n // 2 % 20}" for n in range(500)]
        calls = (call(f"e{batch}-{n}", at + timedelta(seconds=n), office=slug) for n, slug in enumerate(slugs))
        await world.record(*calls)
    return world


def _plan(database: Database, statement: str) -> list[str]:
    """As somebody makes it who comes new: an open connection does not hear of other statistics."""
    with sqlite3.connect(str(database.url.database)) as connection:
        steps = connection.execute(f"EXPLAIN QUERY PLAN {statement}", (0,) * statement.count("?"))
        return [step[3] for step in steps]


async def test_sqlite_reads_each_office_by_its_index(sqlite_database: Database) -> None:
    world = await _small_company(sqlite_database)
    seen: list[str] = []
    sqlite_database.watch_statements(lambda _use, text, _seconds: seen.append(text))
    for statement in (None, "ANALYZE"):
        if statement:
            async with sqlite_database.writing() as connection:
                await connection.execute(text(statement))
        await read_history_page(
            sqlite_database, Scope(world.company_id, None), wanted=HistoryFilter(), window=Window(5)
        )
        plan = _plan(sqlite_database, seen[-1])
        own = [step for step in plan if " own " in f"{step} "]
        assert own, plan
        assert all("ix_charge_office" in step or "ix_charge_month" in step for step in own), plan
        assert not [step for step in plan if step.startswith("SCAN") and "charge" in step], plan
        assert not [step for step in plan if "charge" in step and "(company_id=?)" in step], "all of the company's"


async def test_sqlite_reads_one_office_in_the_order_of_its_index(sqlite_database: Database) -> None:
    """Also by the statistics of a small company: it is asked the same when its history has grown."""
    world = await _small_company(sqlite_database)
    seen: list[str] = []
    sqlite_database.watch_statements(lambda _use, text, _seconds: seen.append(text))
    scope = Scope(world.company_id, None)
    wanted = HistoryFilter(office_ids=(await world.office_id("o0"),))
    columns = (*ALWAYS, "currency", "office_name", "member_name", "group_name", "contact_name")
    for statement in (None, "ANALYZE"):
        if statement:
            async with sqlite_database.writing() as connection:
                await connection.execute(text(statement))
        for is_descending in (True, False):
            window = Window(5)
            await read_history_page(sqlite_database, scope, wanted=wanted, window=window, is_descending=is_descending)
            objects = seen[-1]
            await read_history_rows(
                sqlite_database, scope, columns=columns, wanted=wanted, window=window, is_descending=is_descending
            )
            assert seen[-1] != objects
            for page in (objects, seen[-1]):
                plan = _plan(sqlite_database, page)
                assert not [step for step in plan if "TEMP B-TREE" in step], plan
                assert [step for step in plan if "charge" in step and "ix_charge_office" in step], plan


async def test_a_token_s_slugs_become_the_viewer_s_offices(world: World) -> None:
    async def viewer(role: Role, offices: tuple[str, ...] | None = None, company: str | None = "acme") -> Any:
        return await find_viewer(
            Slugs(world.database),
            subject="s",
            name="n",
            role=role,
            company=company,
            offices=offices,
            scopes=(PartnerScope.USAGE_READ,),
            expires_at=world.now,
        )

    hq = await world.office_id()
    assert (await viewer(Role.COMPANY_ADMIN, ("hq",))).office_ids is None
    assert (await viewer(Role.OFFICE_ADMIN, ("hq",))).office_ids == {hq}
    assert (await viewer(Role.OFFICE_ADMIN, ())).office_ids == frozenset()
    assert (await viewer(Role.OFFICE_ADMIN)).office_ids == frozenset()
    assert (await viewer(Role.PARTNER)).office_ids is None
    assert (await viewer(Role.PARTNER, ())).office_ids == frozenset()
    assert (await viewer(Role.PARTNER, ("hq",))).office_ids == {hq}
    assert (await viewer(Role.OPERATOR, company=None)).company_id is None
    for bad in ({"company": "nobody"}, {"offices": ("hq", "nowhere")}, {"company": None}):
        with pytest.raises(NotFound):
            await viewer(Role.OFFICE_ADMIN, **bad)  # type: ignore[arg-type]
