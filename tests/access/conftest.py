"""The planted estate: on SQLite planted once and copied for each test, on PostgreSQL planted anew."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from persistence.database import Database
from tests.access.estate import Estate, plant, served
from tests.conftest import FreshDatabases


async def _plant_at(url: str) -> None:
    database = Database(url)
    await plant(database)
    await database.close()


@pytest.fixture(scope="session")
def planted(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("estate") / "farebox.db"
    shutil.copy(sqlite_template, path)
    asyncio.run(_plant_at(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture
async def estate(planted: Path, tmp_path: Path) -> AsyncIterator[Estate]:
    """For what does not depend on the engine."""
    copy = tmp_path / "estate.db"
    await asyncio.to_thread(shutil.copy, planted, copy)
    async with served(f"sqlite+aiosqlite:///{copy}") as estate:
        yield estate


@pytest.fixture
async def postgresql_estate(postgresql_url: str, fresh_databases: FreshDatabases) -> AsyncIterator[Estate]:
    url = await fresh_databases.url("postgresql")
    await _plant_at(url)
    async with served(url) as estate:
        yield estate


@pytest.fixture(params=["estate", "postgresql_estate"], ids=["sqlite", "postgresql"])
def any_estate(request: pytest.FixtureRequest) -> Estate:
    """On each engine."""
    found: Estate = request.getfixturevalue(request.param)
    return found
