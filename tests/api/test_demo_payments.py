"""What the demo's administrator bought: once, by the stories of a person, and never with a real card."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from api.company_file import read_company_file
from api.demo import COMPANY_FILE, DEMO_COMPANY
from api.demo.payments import PLANS, load_demo_payments
from api.payments.nowhere import NoProcessor
from api.payments.processors import build_processors
from api.settings import load_settings
from domain.payments import Processors
from domain.stories.provision import apply_company
from persistence.begin import Begin
from persistence.database import Database
from persistence.tables.activity import ACTIVITY
from persistence.tables.payments import AUTO_RECHARGE, PAYMENT_METHOD, TOP_UP
from tests.proof import assert_books_hold

NOW = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)


async def test_cards_purchases_and_auto_recharge_once(database: Database) -> None:
    door = Begin(database)
    await apply_company(door, read_company_file(COMPANY_FILE), now=NOW)
    processors = build_processors(load_settings(database_url=str(database.url), payments="sandbox"), database)
    assert await load_demo_payments(door, database, processors, DEMO_COMPANY, now=NOW) == len(PLANS)
    assert await load_demo_payments(door, database, processors, DEMO_COMPANY, now=NOW + timedelta(days=1)) == 0
    settled = [row.state for row in await database.rows(select(TOP_UP).where(TOP_UP.c.origin == "PURCHASE"))]
    assert settled == ["SETTLED"] * len(PLANS)
    assert len(await database.rows(select(PAYMENT_METHOD))) == 2  # London is invoiced
    assert [row.is_enabled for row in await database.rows(select(AUTO_RECHARGE).where(AUTO_RECHARGE.c.is_enabled))]
    assert {row.actor for row in await database.rows(select(ACTIVITY).where(ACTIVITY.c.action == "purchaseCredits"))}
    await assert_books_hold(database)


async def test_nothing_is_bought_where_cards_are_real_or_none(sqlite_database: Database) -> None:
    door = Begin(sqlite_database)
    await apply_company(door, read_company_file(COMPANY_FILE), now=NOW)
    processors = Processors(NoProcessor())
    assert await load_demo_payments(door, sqlite_database, processors, DEMO_COMPANY, now=NOW) == 0
    assert await sqlite_database.rows(select(TOP_UP)) == []
