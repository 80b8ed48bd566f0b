"""The world of stories that end with the proof of the books. Files with another beginning have a world of their own."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from persistence.database import Database
from tests.persistence.watching import Watched
from tests.proof import assert_books_hold
from tests.world import START, World


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    """The proof at the end is part of every story."""
    world = World(database, now=START + timedelta(days=1))
    yield world
    await assert_books_hold(database)


@pytest.fixture
async def hq(database: Database) -> AsyncIterator[Watched]:
    """One office since March, with all the credits it needs. The proof at the end is part of every story."""
    yield await Watched.open(database)
    await assert_books_hold(database)
