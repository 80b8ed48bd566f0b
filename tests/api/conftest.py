"""What the tests of the edge share: a place for a file to be read, and a look-alike of Stripe."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.clock import utc_now
from api.demo import load_demo
from persistence.begin import Begin
from persistence.database import Database
from tests.api.stripe_words import Cardholder, localstripe
from tests.partners import Partner
from tests.proof import assert_books_hold
from tests.receiver import Receiver, receiving
from tests.world import World

DEMO_NOW = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)


@pytest.fixture(scope="session")
def demo_file(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole demo, loaded once for all tests that only look at it."""
    path = tmp_path_factory.mktemp("demo") / "farebox.db"
    shutil.copy(sqlite_template, path)

    async def load_all() -> None:
        database = Database(f"sqlite+aiosqlite:///{path}")
        await load_demo(Begin(database), database, now=DEMO_NOW)
        await database.close()

    asyncio.run(load_all())
    return path


@pytest.fixture
async def demo(demo_file: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite+aiosqlite:///{demo_file}")
    yield database
    await database.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
async def partner(database: Database) -> AsyncIterator[Partner]:
    """Of a company of today."""
    world = World(database)
    await world.apply()
    world.now = utc_now()
    partner = Partner(world)
    yield partner
    await partner.deliveries.close()
    await assert_books_hold(database)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "given.csv"


@pytest.fixture(scope="session")
def stripe_address() -> Iterator[str]:
    with localstripe() as address:
        yield address


@pytest.fixture
def cardholder(stripe_address: str) -> Cardholder:
    return Cardholder(stripe_address)
