"""The demo company: the same figures for everybody, however often and however badly interrupted it is loaded."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from api.company_file import read_company_file
from api.demo import COMPANY_FILE, DEMO_COMPANY, RATES_FILE, STRETCH_DAYS, DemoSummary, load_demo
from api.demo.traffic import OFFICES
from api.demo.usage import DemoOffice
from api.imports.rates import read_deck
from domain.catalogue import Cadence, Service, UsageType, WalletKind
from domain.charging import Outcome
from domain.numbers import AddressKind, parse_address
from domain.provisioning import CompanyPlan
from domain.stories.provision import apply_company
from domain.stories.renew import renew_due
from domain.usage import RejectionCode
from persistence.begin import Begin
from persistence.database import Database
from persistence.tables.charging import CHARGE, REJECTED_USAGE, USAGE_BY_CYCLE, USAGE_BY_DAY
from persistence.tables.company import OFFICE
from persistence.tables.funds import ALLOWANCE_CYCLE, BILLING_CYCLE, POSTING, WALLET, WALLET_CYCLE
from persistence.verify import verify
from tests.conftest import DEMO_NOW as NOW
from tests.conftest import FreshDatabases

FIRST_DAY = date(2026, 5, 1)


class Broken(Exception):
    """Somebody pulled the plug."""


async def load(database: Database, *, now: datetime = NOW, days: int | None = None) -> DemoSummary:
    return await load_demo(Begin(database), database, now=now, days=days)


async def figures(database: Database) -> list[tuple[Any, ...]]:
    """Every charge with what it cost and who paid it; ids and balances are another matter."""
    names = ("event_id", "occurred_at", "month", "quantity", "plan_micros", "commitment_micros", "universal_micros")
    rows = await database.rows(select(*(CHARGE.c[name] for name in names)).order_by(CHARGE.c.event_id))
    return [tuple(row) for row in rows]


async def written(database: Database) -> list[tuple[Any, ...]]:
    """All that charging writes: charges by their figures, postings by their balances, the rest row by row."""
    tables = (WALLET, WALLET_CYCLE, ALLOWANCE_CYCLE, BILLING_CYCLE, REJECTED_USAGE, USAGE_BY_DAY, OFFICE)
    rows = [tuple(row) for table in tables for row in await database.rows(select(table).order_by(*table.primary_key))]
    balances = select(POSTING.c.id, POSTING.c.balance_after_micros).order_by(POSTING.c.id)
    return [*rows, *(tuple(row) for row in await database.rows(balances)), *await figures(database)]


async def broken_invariants(database: Database) -> list[str]:
    return [finding.name async for finding in verify(database) if finding.broken_count]


@pytest.fixture
async def sqlite_databases(fresh_databases: FreshDatabases) -> AsyncIterator[Callable[[], Awaitable[Database]]]:
    """Makes as many empty databases as a test compares."""
    made: list[Database] = []

    async def make() -> Database:
        made.append(Database(await fresh_databases.url("sqlite")))
        return made[-1]

    yield make
    for database in made:
        await database.close()


@pytest.fixture
def plan() -> CompanyPlan:
    return read_company_file(COMPANY_FILE)


async def test_the_books_of_the_demo_are_right(demo: Database) -> None:
    assert await broken_invariants(demo) == []


async def test_a_demo_of_half_a_year_has_some_eighteen_thousand_records(demo: Database) -> None:
    ends = func.min(CHARGE.c.local_day), func.max(CHARGE.c.local_day)
    [row] = await demo.rows(select(func.count(), *ends).select_from(CHARGE))
    seen: list[Any] = list(row)
    assert 15_000 <= seen[0] <= 20_000
    assert seen[1:] == [FIRST_DAY, date(2026, 11, 21)]


async def test_every_office_uses_every_service_and_every_usage_type(demo: Database) -> None:
    rows = await demo.rows(select(CHARGE.c.office_id, CHARGE.c.service, CHARGE.c.usage_type).distinct())
    for service, usage_types in Counter((row.service, row.usage_type) for row in rows).items():
        assert usage_types == len(OFFICES), service
    assert {row.service for row in rows} == set(Service)
    assert {row.usage_type for row in rows} == set(UsageType)


async def test_late_rejected_and_reversed_usage_can_be_looked_at(demo: Database) -> None:
    late = await demo.rows(select(CHARGE.c.event_id).where(CHARGE.c.is_booked_late))
    assert 10 <= len(late) <= 30
    assert all(row.event_id.endswith("-late") for row in late)
    rejected = await demo.rows(select(REJECTED_USAGE.c.code))
    assert 5 <= len(rejected) <= 20
    assert {row.code for row in rejected} == {RejectionCode.NO_RATE, RejectionCode.BLOCKED}
    [reversal] = await demo.rows(select(CHARGE).where(CHARGE.c.reverses_id.is_not(None)))
    [original] = await demo.rows(select(CHARGE).where(CHARGE.c.id == reversal.reverses_id))
    assert original.event_id.endswith("-conference")
    assert reversal.cost_micros == -original.cost_micros < 0


async def test_both_ends_of_calls_and_messages_are_of_every_kind(demo: Database) -> None:
    rows = await demo.rows(select(CHARGE.c.from_kind, CHARGE.c.to_kind).distinct())
    kinds = {kind for row in rows for kind in row if kind}
    assert kinds == set(AddressKind) - {AddressKind.OTHER}


async def test_some_calls_are_not_answered_and_cost_nothing(demo: Database) -> None:
    missed = await demo.rows(
        select(CHARGE.c.list_price_micros, CHARGE.c.member_id).where(
            CHARGE.c.service == Service.CALLING, CHARGE.c.duration_seconds == 0
        )
    )
    assert len(missed) > 200
    assert {(row.list_price_micros, row.member_id) for row in missed} == {(0, None)}


async def test_weekdays_are_busy_weekends_quiet_and_at_noon_people_eat(demo: Database, plan: CompanyPlan) -> None:
    offices = await demo.rows(select(OFFICE.c.id, OFFICE.c.slug, OFFICE.c.time_zone))
    for office in offices:
        mine = (CHARGE.c.office_id == office.id) & (CHARGE.c.service == Service.CALLING)
        calls = await demo.rows(select(CHARGE.c.occurred_at, CHARGE.c.local_day).where(mine))
        weekends = sum(row.local_day.weekday() >= 5 for row in calls) / 2
        weekdays = sum(row.local_day.weekday() < 5 for row in calls) / 5
        assert weekdays > 4 * weekends
        hours = Counter(row.occurred_at.astimezone(ZoneInfo(office.time_zone)).hour for row in calls)
        assert hours[10] > 1.5 * hours[12] < hours[14]
        assert hours[3] == 0


async def test_usage_grows(demo: Database) -> None:
    day = func.strftime("%Y%m", CHARGE.c.local_day)
    rows = await demo.rows(select(day, func.count().label("charges")).group_by(day).order_by(day))
    assert rows[5].charges > 1.1 * rows[0].charges


async def test_the_screens_have_something_to_show(demo: Database) -> None:
    accounts = await demo.rows(select(WALLET_CYCLE))
    closed = [row for row in accounts if row.closed_at is not None]
    assert any(row.spent_micros == row.committed_micros for row in closed), "a commitment that was used up"
    assert any(0 < row.expired_micros < row.committed_micros for row in closed), "one of which something expired"
    [annual] = [row for row in accounts if row.cadence == Cadence.ANNUAL]
    assert 0.35 < annual.spent_micros / annual.committed_micros < 0.55
    universal = await demo.rows(select(WALLET.c.balance_micros).where(WALLET.c.kind == WalletKind.UNIVERSAL))
    assert all(row.balance_micros > 0 for row in universal)


async def test_an_allowance_runs_out_in_the_last_third_of_a_cycle(demo: Database) -> None:
    first_day = func.min(CHARGE.c.local_day)
    rows = await demo.rows(
        select(CHARGE.c.month, first_day.label("day"))
        .join(OFFICE, OFFICE.c.id == CHARGE.c.office_id)
        .where(CHARGE.c.coverage == "USED_UP", CHARGE.c.service == Service.CALLING, OFFICE.c.slug == "new-york")
        .group_by(CHARGE.c.month)
    )
    assert len(rows) >= 4
    assert all(row.day.day > 20 for row in rows)


async def test_charges_rollups_and_the_accounts_of_usage_agree(demo: Database) -> None:
    [charged] = await demo.rows(select(func.sum(CHARGE.c.cost_micros)))
    for rollup in (USAGE_BY_CYCLE, USAGE_BY_DAY):
        sums = select(func.sum(rollup.c.commitment_micros + rollup.c.universal_micros), func.sum(rollup.c.charge_count))
        [row] = await demo.rows(sums)
        [count] = await demo.rows(select(func.count()).select_from(CHARGE))
        assert tuple(row) == (charged[0], count[0])
    spent = func.sum(POSTING.c.amount_micros)
    [out] = await demo.rows(select(spent).where(POSTING.c.destination.like("usage:%")))
    [back] = await demo.rows(select(spent).where(POSTING.c.source.like("usage:%")))
    assert out[0] - back[0] == charged[0]


async def test_loading_all_of_it_again_changes_nothing(demo: Database) -> None:
    before = await written(demo)
    again = await load(demo, now=NOW + timedelta(hours=3))
    assert (again.is_new, again.day_count, sum(again.outcomes.values())) == (False, 0, 0)
    assert again.text == "The demo company harrowgale is complete, nothing to do."
    assert await written(demo) == before


async def test_the_company_file_describes_the_company_that_is_there(demo: Database, plan: CompanyPlan) -> None:
    assert await apply_company(Begin(demo), plan, now=NOW, is_dry_run=True) == []


async def test_a_demo_goes_into_either_engine(database: Database) -> None:
    told: list[tuple[int, int]] = []
    summary = await load_demo(
        Begin(database), database, now=NOW, days=4, report=lambda done, total: told.append((done, total))
    )
    assert (summary.is_new, summary.begins_on, summary.day_count) == (True, FIRST_DAY, 12)
    charged = summary.outcomes[Outcome.CHARGED]
    assert summary.text == f"Loaded the demo company harrowgale, from 2026-05-01 on: {charged} charged."
    assert told == [(done, 6) for done in range(1, 7)]
    assert await broken_invariants(database) == []


async def test_a_date_has_the_same_figures_at_any_hour(sqlite_databases: Callable[[], Awaitable[Database]]) -> None:
    seen = []
    for now in (NOW.replace(hour=0, minute=0), NOW.replace(hour=23, minute=59)):
        database = await sqlite_databases()
        await load(database, now=now, days=6)
        seen.append(await figures(database))
    assert seen[0] == seen[1]
    assert len(seen[0]) > 300


async def test_a_load_that_was_broken_off_is_completed(sqlite_databases: Callable[[], Awaitable[Database]]) -> None:
    whole, broken = await sqlite_databases(), await sqlite_databases()
    await load(whole, days=12)

    def pull_the_plug(done: int, total: int) -> None:
        if done == 5:
            raise Broken

    with pytest.raises(Broken):
        await load_demo(Begin(broken), broken, now=NOW, days=12, report=pull_the_plug)
    rest = await load(broken, days=12)

    assert not rest.is_new
    assert 0 < rest.day_count < 36
    assert set(rest.outcomes) <= {Outcome.CHARGED, Outcome.REJECTED}
    assert await figures(broken) == await figures(whole)


async def test_a_later_run_adds_the_days_since_and_touches_nothing_else(
    sqlite_databases: Callable[[], Awaitable[Database]],
) -> None:
    whole, grown = await sqlite_databases(), await sqlite_databases()
    await load(whole, days=8)
    await load(grown, days=4)
    earlier = await figures(grown)
    later = await load(grown, now=NOW + timedelta(days=40), days=8)

    assert (later.begins_on, later.day_count) == (FIRST_DAY, 12)
    assert await figures(grown) == await figures(whole)
    assert set(earlier) < set(await figures(grown))


async def test_a_half_loaded_demo_that_was_looked_at_is_completed_in_its_own_cycles(sqlite_database: Database) -> None:
    """Whoever looks renews (R9): the cycles of the usage that is still missing have closed by then."""
    await load(sqlite_database, days=6)
    await renew_due(Begin(sqlite_database), None, NOW)

    rest = await load(sqlite_database, days=12)

    assert rest.outcomes[Outcome.CHARGED] > 300
    rows = await sqlite_database.rows(select(CHARGE.c.is_booked_late, func.max(CHARGE.c.month)))
    assert [tuple(row) for row in rows] == [(False, 202605)]
    assert await broken_invariants(sqlite_database) == []


async def test_a_cycle_that_ended_amid_what_is_missing_is_met_the_same_way(sqlite_database: Database) -> None:
    now = datetime(2026, 6, 10, tzinfo=UTC)
    await load(sqlite_database, days=30)
    await renew_due(Begin(sqlite_database), None, now)

    await load(sqlite_database, now=now, days=33)

    late = await sqlite_database.rows(select(CHARGE.c.event_id).where(CHARGE.c.is_booked_late))
    assert [row.event_id for row in late if not row.event_id.endswith("-late")] == []
    assert await broken_invariants(sqlite_database) == []


def test_a_cycle_that_ends_within_a_stretch_is_still_open_at_its_end(plan: CompanyPlan) -> None:
    assert timedelta(days=STRETCH_DAYS - 1) < timedelta(hours=plan.late_usage_hours)


def test_a_day_is_the_same_whenever_it_is_asked_for_and_never_empty(plan: CompanyPlan) -> None:
    for traffic in OFFICES:
        office, again = (DemoOffice(plan, traffic.slug, FIRST_DAY) for _ in range(2))
        days = [FIRST_DAY + timedelta(days=at) for at in range(370)]
        assert again.events(days[300]) == office.events(days[300])
        for day in days:
            events = office.events(day)
            assert events[0].event_id == office.any_event_of(day)
            assert len({event.event_id for event in events}) == len(events)
            assert all(event.occurred_at < office.ends_at(day) for event in events)


def test_every_number_is_possible_and_the_deck_is_good(plan: CompanyPlan) -> None:
    numbers = {number for contact in plan.contacts for number in contact.phone_numbers}
    numbers |= {number for office in plan.offices for number in office.phone_numbers}
    for traffic in OFFICES:
        numbers |= {*traffic.strangers, *traffic.mobiles, *traffic.abroad, *traffic.premium, traffic.unwelcome}
    assert [number for number in numbers if parse_address(number, "US").e164 != number] == []
    assert read_deck(RATES_FILE).bad_rows == []
    assert plan.slug == DEMO_COMPANY
