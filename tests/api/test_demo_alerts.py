"""The demo's banner: three months of the usual week raise nothing, and the rise that was planted is found (R38)."""

import shutil
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from domain.access import Role, Scope, Viewer
from domain.alert_texts import message_of
from domain.alerts import AlertKind, Dimension
from domain.funds import Cycle
from domain.money import Currency
from domain.periods import CycleTerms, YearMonth, first_instant, local_day
from domain.spending_rise import EarlierCycle, Thresholds, compare_days, is_risen, totals_of
from domain.stories.watch import watch_due
from persistence.alert_facts import read_spending
from persistence.alerts import alert_of, read_alerts
from persistence.begin import Begin
from persistence.books import lock_books
from persistence.database import Database
from persistence.tables.company import MEMBER, OFFICE
from persistence.tables.funds import BILLING_CYCLE
from tests.conftest import DEMO_NOW
from tests.proof import assert_books_hold

USUAL = Thresholds(25, 10_000_000)
WHOLE_CYCLES = 3
PLANTED = "new-york"


@pytest.fixture
async def looked_at(demo_file: Path, tmp_path: Path) -> AsyncIterator[Database]:
    """A copy of its own: what is judged is written down."""
    path = tmp_path / "looked-at.db"
    shutil.copy(demo_file, path)
    database = Database(f"sqlite+aiosqlite:///{path}")
    yield database
    await database.close()


def cycle_of(row: Any) -> Cycle:
    return Cycle(
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        closes_at=row.closes_at,
        month=YearMonth.from_number(row.month),
        terms=CycleTerms(time_zone=row.time_zone, anchor_day=row.anchor_day),
    )


async def last_cycles(database: Database, office_id: UUID) -> list[tuple[Cycle, Cycle]]:
    """The last three whole ones and the current one, each behind the one before."""
    mine = select(BILLING_CYCLE).where(BILLING_CYCLE.c.office_id == office_id).order_by(BILLING_CYCLE.c.starts_at)
    cycles = [cycle_of(row) for row in await database.rows(mine)]
    return list(pairwise(cycles))[-WHOLE_CYCLES - 1 :]


async def is_up(database: Database, office: Any, earlier: Cycle, cycle: Cycle, midnight: datetime) -> bool | None:
    """As it would have been judged then; None before the third day."""
    compared = compare_days(cycle, EarlierCycle(earlier.starts_at, earlier.terms.time_zone), midnight)
    if compared is None:
        return None
    async with database.reading() as connection:
        [loaded] = await lock_books(connection, office.company_id, [office.id], DEMO_NOW, with_history=False)
        return is_risen(*totals_of(await read_spending(connection, loaded.books.funds, compared)), USUAL)


async def test_three_months_of_the_usual_week_are_no_rise_and_one_is_planted(demo: Database) -> None:
    """At each local midnight of the last three whole cycles and of the current one."""
    seen: dict[str, list[bool]] = {"usual": [], "planted": []}
    for office in await demo.rows(select(OFFICE)):
        cycles = await last_cycles(demo, office.id)
        for earlier, cycle in cycles:
            first = local_day(cycle.starts_at, office.time_zone)
            is_planted = office.slug == PLANTED and cycle is cycles[-1][1]
            for number in range(1, 32):
                midnight = first_instant(first + timedelta(days=number), office.time_zone)
                if midnight > min(cycle.ends_at - timedelta(seconds=1), DEMO_NOW):
                    break
                up = await is_up(demo, office, earlier, cycle, midnight)
                assert is_planted or not up, (office.slug, midnight)
                if up is not None:
                    seen["planted" if is_planted else "usual"].append(up)
    assert len(seen["usual"]) > 250
    assert seen["planted"] == [True] * 19


def admin(company_id: UUID) -> Viewer:
    return Viewer(
        subject="admin",
        name="Admin",
        role=Role.COMPANY_ADMIN,
        company_id=company_id,
        office_ids=None,
        has_billing=True,
        scopes=frozenset(),
        expires_at=DEMO_NOW + timedelta(hours=1),
    )


async def test_the_front_page_has_a_banner_with_the_true_cause(looked_at: Database) -> None:
    assert await watch_due(Begin(looked_at), None, DEMO_NOW) == 3
    [company_id] = {row.company_id for row in await looked_at.rows(select(OFFICE.c.company_id))}
    scope = Scope.of(admin(company_id))
    rows = await read_alerts(looked_at, scope, subject="admin", include_dismissed=False)
    [rise] = [row for row in rows if row.kind == AlertKind.SPENDING_RISE]
    [office] = await looked_at.rows(select(OFFICE).where(OFFICE.c.id == rise.office_id))
    alert = alert_of(rise)
    assert alert.cause is not None
    [member] = await looked_at.rows(select(MEMBER).where(MEMBER.c.id == rise.cause_member_id))
    assert (office.slug, alert.cause.dimension, member.external_id) == (PLANTED, Dimension.MEMBER, "ny-10")
    assert message_of(alert, Currency.USD) == (
        "Spending is up 81 % in the first 21 days of this billing cycle: 187.64 USD against 103.76 USD."
        " The main cause is usage by Purchasing 1: 90.73 USD against 1.46 USD."
    )
    others = {(row.kind, row.subject) for row in rows if row is not rise}
    assert others == {
        (AlertKind.COMMITMENT_USED, "commitment:CALLING"),
        (AlertKind.ALLOWANCE_USED, "allowance:CALLING"),
        (AlertKind.ALLOWANCE_USED, "allowance:FAX"),
    }
    await assert_books_hold(looked_at)
