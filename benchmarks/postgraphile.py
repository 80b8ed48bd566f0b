"""The peer: PostGraphile 5 over views of the same rows, which give the same rows and leaves under flatter names.

It is installed once, with a Node of its own, beside the environment and outside of what is tracked. The views save it
all nesting, and it checks no token: what it is spared counts in its favour.
"""

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

from sqlalchemy import text

from benchmarks.run import Run, serve
from persistence.database import Database
from tests.fire.server import Server

PINNED = {"node": "22.23.3", "postgraphile": "5.1.5"}
PROGRAM = Path(__file__).with_suffix(".mjs")
HOME = Path(__file__).parents[1] / ".venv" / "bench" / "node"
INSTALL_SECONDS = 300

_ID = "encode(uuid_send({}), 'hex')"
VIEWS = (
    "CREATE SCHEMA bench",
    f"""CREATE VIEW bench.usage_history AS
SELECT 'use_' || {_ID.format("ch.id")} AS record, ch.id AS row_id, ch.occurred_at, ch.service, ch.usage_type,
  ch.direction, ch.duration_seconds, ch.is_booked_late, CASE WHEN ch.reverses_id IS NOT NULL THEN 'REVERSAL'
  WHEN ch.reversed_by_id IS NOT NULL THEN 'REVERSED' ELSE 'CHARGED' END AS state, ch.office_id AS office_key,
  'off_' || {_ID.format("ch.office_id")} AS office_id, o.name AS office_name,
  'mem_' || {_ID.format("ch.member_id")} AS member_id, m.name AS member_name,
  'grp_' || {_ID.format("ch.group_id")} AS group_id, g.name AS group_name,
  CASE ch.direction WHEN 'OUTBOUND' THEN ch.from_text ELSE ch.to_text END AS phone_text,
  CASE ch.direction WHEN 'OUTBOUND' THEN ch.from_kind ELSE ch.to_kind END AS phone_kind,
  ch.quantity::text AS quantity_value, CASE ch.service WHEN 'CALLING' THEN 'SECOND' ELSE 'SEGMENT' END AS quantity_unit,
  ch.sources AS wallet_sources, (ch.cost_micros * 0.000001)::text AS cost_amount, co.currency AS cost_currency,
  (ch.rate_nanos * 0.000000001)::text AS rate_amount, co.currency AS rate_currency,
  CASE ch.service WHEN 'CALLING' THEN 'MINUTE' ELSE 'SEGMENT' END AS rate_unit,
  CASE ch.service WHEN 'CALLING' THEN ch.first_seconds || '/' || ch.next_seconds END AS increment_label
FROM charge ch
JOIN company co ON co.company_id = ch.company_id
JOIN office o ON o.company_id = ch.company_id AND o.id = ch.office_id
LEFT JOIN directory_member m ON m.company_id = ch.company_id AND m.id = ch.member_id
LEFT JOIN directory_group g ON g.company_id = ch.company_id AND g.id = ch.group_id
WHERE ch.company_id = '{{company}}'""",
    f"""CREATE VIEW bench.office_wallets AS
SELECT 'wal_' || {_ID.format("w.id")} AS wallet, w.office_id AS office_key, w.kind, w.kind AS name,
  (coalesce(w.balance_micros, c.balance_micros, 0) * 0.000001)::text AS balance, co.currency AS balance_currency,
  (w.reserved_micros * 0.000001)::text AS reserved, co.currency AS reserved_currency,
  ((coalesce(w.balance_micros, c.balance_micros, 0) - w.reserved_micros) * 0.000001)::text AS available,
  co.currency AS available_currency, (c.committed_micros * 0.000001)::text AS committed,
  co.currency AS committed_currency, (coalesce(c.spent_micros, 0) * 0.000001)::text AS spent,
  co.currency AS spent_currency, round(c.spent_micros * 100.0 / nullif(c.committed_micros, 0), 1)::text AS used_percent
FROM wallet w JOIN company co ON co.company_id = w.company_id
LEFT JOIN wallet_cycle c ON c.company_id = w.company_id AND c.wallet_id = w.id
  AND c.starts_at <= now() AND c.ends_at > now()
WHERE w.company_id = '{{company}}'""",
    f"""CREATE VIEW bench.office_plans AS
SELECT 'plu_' || {_ID.format("a.id")} AS plan, a.office_id AS office_key, a.service,
  CASE a.service WHEN 'CALLING' THEN 'SECOND' ELSE 'SEGMENT' END AS unit, a.committed_quantity::text AS committed,
  a.spent_quantity::text AS spent,
  (a.committed_quantity - a.spent_quantity - a.reserved_quantity)::text AS available,
  round(a.spent_quantity * 100.0 / nullif(a.committed_quantity, 0), 1)::text AS used_percent
FROM allowance_cycle a JOIN billing_cycle b ON b.company_id = a.company_id AND b.office_id = a.office_id
  AND b.month = a.month AND b.starts_at <= now() AND b.ends_at > now()
WHERE a.company_id = '{{company}}'""",
    """COMMENT ON VIEW bench.usage_history IS
E'@primaryKey row_id\\n@behavior +select +list +connection +filter +order'""",
    *(
        f"COMMENT ON COLUMN bench.{column} IS E'@behavior +filterBy +orderBy'"
        for column in (
            "usage_history.office_key",
            "usage_history.occurred_at",
            "usage_history.row_id",
            "office_wallets.office_key",
            "office_plans.office_key",
        )
    ),
)


class Missing(Exception):
    """The peer cannot be had here; says why."""


async def start_peer(run: Run, url: str, company_id: object) -> Server:
    """The views made and the peer ready. Raises Missing."""
    node = await asyncio.to_thread(installed)
    database = Database(url)
    async with database.writing() as connection:
        for statement in VIEWS:
            await connection.execute(text(statement.replace("{company}", str(company_id))))
    await database.close()
    try:
        return await serve(run, "peer", url, str(node), str(HOME / PROGRAM.name), NODE_ENV="production")
    except AssertionError as failure:
        raise Missing(f"PostGraphile did not start: {str(failure)[-300:]}") from None


def installed() -> Path:
    """Node's path, of the pinned version, with PostGraphile beside it. Raises Missing."""
    if shutil.which("npm") is None:
        raise Missing("npm is not there, which brings PostGraphile")
    node = HOME / "node_modules" / ".bin" / "node"
    wanted = " ".join(f"{name}@{version}" for name, version in PINNED.items())
    mark = HOME / "installed"
    if not (mark.exists() and mark.read_text() == wanted):
        HOME.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(HOME), *wanted.split()]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_SECONDS)
        except (subprocess.SubprocessError, OSError) as failure:
            raise Missing(f"npm could not install {wanted}: {failure}") from None
        mark.write_text(wanted)
    shutil.copy(PROGRAM, HOME / PROGRAM.name)  # so that Node finds what it imports
    return node


if __name__ == "__main__":
    sys.stdout.write(f"{installed()}\n")
