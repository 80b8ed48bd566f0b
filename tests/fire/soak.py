"""Many kills: `python -m tests.fire.soak --kills 50 --engine postgresql`. Prints a table; exit 1 if anything is wrong.

On PostgreSQL every fifth life ends with the death of the database itself. The worker of the killed server comes to rest
by itself: nobody's clock is moved here.
"""

import argparse
import asyncio
import logging
import os
import sys
import tempfile
import warnings
from pathlib import Path

from persistence.database import Database
from persistence.migrate import migrate
from tests.fire.kills import LIVES_A_BLOCK, Fire, Report, burn

PATIENCE_SECONDS = 150


async def on_sqlite(folder: Path, kills: int, seed: int) -> Report:
    url = f"sqlite+aiosqlite:///{folder / 'farebox.db'}"
    database = Database(url)
    await migrate(database)
    await database.close()
    async with Fire.lit(url, folder, blocks=blocks(kills)) as fire:
        return await burn(fire, kills=kills, seed=seed, own_seconds=PATIENCE_SECONDS, tell=tell)


async def on_postgresql(folder: Path, kills: int, seed: int) -> Report:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel asks for a folder of the desktop's when it is imported
        from tests.fire.postgres import MortalPostgres

    async with (
        MortalPostgres.running() as postgres,
        Fire.lit(postgres.url, folder, blocks=blocks(kills), workers=2) as fire,
    ):
        return await burn(
            fire, kills=kills, seed=seed, own_seconds=PATIENCE_SECONDS, tell=tell, kill_database=postgres.kill
        )


def tell(line: str) -> None:
    print(line, flush=True)


def blocks(kills: int) -> int:
    return -(-kills // LIVES_A_BLOCK)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), required=True)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    given = parser.parse_args()
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    tell(f"{given.engine}, {given.kills} kills, seed {given.seed}")
    with tempfile.TemporaryDirectory(prefix="farebox-soak-") as folder:
        run = on_sqlite if given.engine == "sqlite" else on_postgresql
        report = asyncio.run(run(Path(folder), given.kills, given.seed))
    print("\n".join([*report.lines(), *report.contradictions]))
    sys.exit(1 if report.contradictions else 0)


if __name__ == "__main__":
    main()
