"""The planted estate: planted once an engine, and copied for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.access.estate import Estate, plant, served
from tests.conftest import FreshDatabases, ToldOnce


@pytest.fixture
async def estate(told_once: ToldOnce, fresh_databases: FreshDatabases) -> AsyncIterator[Estate]:
    """For what does not depend on the engine."""
    async with served(await fresh_databases.copy_of(await told_once.original("sqlite", plant))) as estate:
        yield estate


@pytest.fixture
async def postgresql_estate(
    postgresql_url: str, told_once: ToldOnce, fresh_databases: FreshDatabases
) -> AsyncIterator[Estate]:
    async with served(await fresh_databases.copy_of(await told_once.original("postgresql", plant))) as estate:
        yield estate


@pytest.fixture(params=["estate", "postgresql_estate"], ids=["sqlite", "postgresql"])
def any_estate(request: pytest.FixtureRequest) -> Estate:
    """On each engine."""
    found: Estate = request.getfixturevalue(request.param)
    return found
