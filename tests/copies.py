"""Many charges from a few, written past the rules by the database itself: for tests and measurements of size.

Every copy has an id, an event and a sequence number of its own and lies a minute before the one it was copied from; the
rollup that counts charges by cycle is multiplied along. Nothing else is: the books do not hold afterwards.
"""

from sqlalchemy import text

from persistence.database import Database

_COLUMNS = (
    "source, fingerprint, reverses_id, reversed_by_id, local_day, month, is_booked_late, service, usage_type, "
    "direction, member_id, group_id, contact_id, from_kind, from_text, from_number, from_region, to_kind, "
    "to_text, to_number, to_region, region_code, duration_seconds, quantity, rate_id, rate_nanos, first_seconds, "
    "next_seconds, connection_fee_micros, destination, list_price_micros, cost_micros, plan_quantity, "
    "plan_micros, commitment_micros, universal_micros, sources, coverage, has_commitment, details, company_id, "
    "office_id, recorded_at"
)
_STRIDE = 1_000_000
"""More than any test's charges have sequence numbers."""


async def multiply_charges(database: Database, copies: int) -> None:
    """Each charge is there `copies` times afterwards."""
    is_sqlite = database.is_sqlite
    # randomblob is 16 bytes as ids are; the order of ids does not matter here.
    new_id = "randomblob(16)" if is_sqlite else "gen_random_uuid()"
    earlier = "occurred_at - 60000000 * n" if is_sqlite else "occurred_at - n * interval '1 minute'"
    numbers = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :last)"
    insert = (
        f"INSERT INTO charge (id, event_id, sequence, occurred_at, {_COLUMNS})"
        f" {numbers} SELECT {new_id}, event_id || '-' || n, sequence + {_STRIDE} * n, {earlier}, {_COLUMNS}"
        " FROM charge, numbers"
    )
    sums = ("charge_count", "quantity", "plan_micros", "commitment_micros", "universal_micros")
    multiplied = ", ".join(f"{name} = {name} * :copies" for name in sums)
    async with database.writing() as connection:
        if copies > 1:
            await connection.execute(text(insert), {"last": copies - 1})
        await connection.execute(text(f"UPDATE usage_by_cycle SET {multiplied}"), {"copies": copies})
        await connection.execute(text(f"UPDATE office SET next_sequence = next_sequence + {_STRIDE} * {copies}"))
        await connection.execute(text("ANALYZE"))
