"""What PostgreSQL itself can write: its own load generator, with the least that a charge has to leave behind.

Of each event a row, the account's balance, and two ledger rows, durable. One statement does it all; or five in a
transaction, as a program would that looks before it writes.
"""

import asyncio
import re
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import make_url

from benchmarks.machine import program
from persistence.database import Database

ACCOUNTS = 100
GRACE_SECONDS = 30
TABLES = (
    "CREATE TABLE bench_balance (id int PRIMARY KEY, balance bigint NOT NULL)",
    f"INSERT INTO bench_balance SELECT n, 0 FROM generate_series(1, {ACCOUNTS}) n",
    "CREATE TABLE bench_event (id bigserial PRIMARY KEY, key uuid UNIQUE, account int, amount bigint)",
    "CREATE TABLE bench_ledger (id bigserial PRIMARY KEY, event bigint, account int, amount bigint)",
)
_DRAWN = f"\\set account random(1, {ACCOUNTS})\n"
ONE_STATEMENT = f"""{_DRAWN}WITH event AS (
  INSERT INTO bench_event (key, account, amount) VALUES (gen_random_uuid(), :account, 100) RETURNING id),
paid AS (UPDATE bench_balance SET balance = balance - 100 WHERE id = :account)
INSERT INTO bench_ledger (event, account, amount)
SELECT id, side, amount FROM event, (VALUES (:account, -100), (0, 100)) sides (side, amount);
"""
FIVE_STATEMENTS = f"""{_DRAWN}BEGIN;
SELECT balance FROM bench_balance WHERE id = :account FOR UPDATE;
INSERT INTO bench_event (key, account, amount) VALUES (gen_random_uuid(), :account, 100);
UPDATE bench_balance SET balance = balance - 100 WHERE id = :account;
INSERT INTO bench_ledger (event, account, amount) VALUES (lastval(), :account, -100);
INSERT INTO bench_ledger (event, account, amount) VALUES (NULL, 0, 100);
COMMIT;
"""


async def prepare(url: str) -> None:
    database = Database(url)
    async with database.writing() as connection:
        for statement in TABLES:
            await connection.execute(text(statement))
    await database.close()


async def rate(url: str, folder: Path, script: str, *, clients: int, seconds: int) -> float:
    """Transactions a second. Raises FileNotFoundError where there is no pgbench."""
    pgbench = program("pgbench")
    if pgbench is None:
        raise FileNotFoundError("there is no pgbench")
    file = folder / "pgbench.sql"
    file.write_text(script, encoding="utf-8")
    at = make_url(url)
    words = ("-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-T", str(seconds), "-f", str(file))
    where = ("-h", str(at.query["host"]), "-U", str(at.username), str(at.database))
    process = await asyncio.create_subprocess_exec(
        pgbench, *words, *where, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(seconds + GRACE_SECONDS):
            told, failed = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    found = re.search(r"tps = ([0-9.]+)", told.decode())
    assert found is not None, failed.decode()[-500:]
    return float(found[1])
