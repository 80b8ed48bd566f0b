"""Real databases for every test: a fresh SQLite file, and a fresh PostgreSQL database, both copied from a template.

A test that takes `database` runs once on each engine.
"""

import asyncio
import gc
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from api import document
from api.demo import load_demo
from persistence.begin import Begin
from persistence.database import Database
from persistence.migrate import migrate
from persistence.row_security import secure
from tests.compiled_once import compile_once
from tests.postgresql import postgresql_server

compile_once()
document.KEPT_FROM = 1  # so that what a test asks twice is answered by functions that were kept

settings.register_profile(
    "suite",
    deadline=None,
    max_examples=int(os.environ.get("FAREBOX_TEST_EXAMPLES", "100")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("suite")

Story = Callable[[Database], Awaitable[object]]
DEMO_NOW = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)

TENANT_ROLE = "farebox_tenant"
IS_SECURED = bool(os.environ.get("FAREBOX_TEST_TENANT_ROLE"))
"""Whether every test on PostgreSQL runs with row-level security; by default those do that ask for it."""


def pytest_collection_finish() -> None:
    """What was imported and collected stays until the end: the garbage collector need not walk it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)


async def _migrate_new(url: str) -> None:
    database = Database(url)
    await migrate(database)
    if not database.is_sqlite:
        await secure(database, TENANT_ROLE)
    await database.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "farebox.db"
    asyncio.run(_migrate_new(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """A migrated template database `farebox`, on a server of this test run's own."""
    with postgresql_server() as administration:
        asyncio.run(_administer(administration.render_as_string(hide_password=False), "CREATE DATABASE farebox"))
        farebox = administration.set(database="farebox").render_as_string(hide_password=False)
        asyncio.run(_migrate_new(farebox))
        yield farebox


async def _administer(url: str, statement: str) -> None:
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(statement))
    await engine.dispose()


class FreshDatabases:
    """Hands out empty, migrated databases."""

    def __init__(self, sqlite_template: Path, folder: Path, postgresql: Callable[[], str]) -> None:
        self._template = sqlite_template
        self._folder = folder
        self._postgresql = postgresql
        self._made: list[str] = []

    async def url(self, engine: str) -> str:
        return await self.copy_of(f"sqlite+aiosqlite:///{self._template}" if engine == "sqlite" else self._postgresql())

    async def copy_of(self, original: str) -> str:
        """A copy of a database that nobody is connected to."""
        url = make_url(original)
        if url.get_backend_name() == "sqlite":
            path = self._folder / f"farebox-{len(self._made)}.db"
            self._made.append("")
            await asyncio.to_thread(shutil.copy, str(url.database), path)
            return f"sqlite+aiosqlite:///{path}"
        name = f"test_{os.getpid()}_{os.urandom(4).hex()}"
        self._made.append(name)
        administration = url.set(database="postgres").render_as_string(hide_password=False)
        # Copied as files: by its log, as it would be by default, takes five times as long.
        await _administer(administration, f"CREATE DATABASE {name} TEMPLATE {url.database} STRATEGY FILE_COPY")
        return url.set(database=name).render_as_string(hide_password=False)

    async def drop(self) -> None:
        for name in filter(None, self._made):
            administration = make_url(self._postgresql()).set(database="postgres")
            url = administration.render_as_string(hide_password=False)
            await _administer(url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def fresh_databases(
    sqlite_template: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[FreshDatabases]:
    databases = FreshDatabases(sqlite_template, tmp_path, lambda: str(request.getfixturevalue("postgresql_url")))
    yield databases
    await databases.drop()


@pytest.fixture(scope="session")
def kept_databases(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> FreshDatabases:
    """These stay until the run ends: a long story is told once in one of them, and every test gets a copy."""
    folder = tmp_path_factory.mktemp("kept")
    return FreshDatabases(sqlite_template, folder, lambda: str(request.getfixturevalue("postgresql_url")))


class ToldOnce:
    """Databases with a story in them that is told once a process and engine; whoever asks gets a copy."""

    def __init__(self, kept: FreshDatabases) -> None:
        self._kept = kept
        self._told: dict[tuple[str, Story], str] = {}

    async def original(self, engine: str, tell: Story) -> str:
        """Its address; for copies."""
        if (engine, tell) not in self._told:
            url = await self._kept.url(engine)
            database = Database(url)
            await tell(database)
            await database.close()
            self._told[engine, tell] = url
        return self._told[engine, tell]


@pytest.fixture(scope="session")
def told_once(kept_databases: FreshDatabases) -> ToldOnce:
    return ToldOnce(kept_databases)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if name == "postgresql":
        request.getfixturevalue("postgresql_url")
    return name


@pytest.fixture
async def database_url(engine: str, fresh_databases: FreshDatabases) -> str:
    return await fresh_databases.url(engine)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, tenant_role=TENANT_ROLE if IS_SECURED else None)
    yield database
    await database.close()


@pytest.fixture
async def secured(postgresql_url: str, fresh_databases: FreshDatabases) -> AsyncIterator[Database]:
    """On PostgreSQL, with row-level security: what is done for a company is done under the tenant role."""
    database = Database(await fresh_databases.url("postgresql"), tenant_role=TENANT_ROLE)
    yield database
    await database.close()


@pytest.fixture
async def sqlite_database(fresh_databases: FreshDatabases) -> AsyncIterator[Database]:
    """For what does not depend on the engine."""
    database = Database(await fresh_databases.url("sqlite"))
    yield database
    await database.close()


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
