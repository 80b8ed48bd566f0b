"""What the tests of the edge share: a place for a file to be read, and a look-alike of Stripe."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from api.clock import utc_now
from persistence.database import Database
from tests.api.stripe_words import Cardholder, localstripe
from tests.partners import Partner
from tests.proof import assert_books_hold
from tests.receiver import Receiver, receiving
from tests.world import World


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
