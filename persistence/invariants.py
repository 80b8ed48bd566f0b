"""What must hold over the whole database, always (R41): each an SQL that counts, and one that finds what breaks it.

Plain SQL that both engines read alike, so that an operator can run any of it by hand. `{no_one}` stands for the id in
rollups that means "no member" or "no group".
"""

from persistence.funding_invariants import FUNDING_INVARIANTS
from persistence.hold_invariants import HOLD_INVARIANTS
from persistence.invariant import Invariant

_CHANGE = "CASE WHEN p.destination LIKE 'wallet:%' THEN p.amount_micros ELSE -p.amount_micros END"
"""What a posting `p` adds to its wallet."""
_ACCOUNT_SIDE = "CASE WHEN p.source LIKE 'wallet:%' THEN p.source ELSE p.destination END"
_MONTH = "CAST(c.month AS VARCHAR(6))"
_ACCOUNT = f"'wallet:' || c.kind || ':' || substr({_MONTH}, 1, 4) || '-' || substr({_MONTH}, 5, 2)"
"""The account of a wallet cycle `c`."""
_NANOS = "CASE ch.service WHEN 'CALLING' THEN 60000 ELSE 1000 END"
"""By what quantity times rate is divided: 60 seconds a minute for calls, and 1000 nanos a micro for all."""
_FAMILY = """CASE ch.service WHEN 'AI_AGENT' THEN 'AI_AGENT' WHEN 'CALLING' THEN 'CALLING'
    WHEN 'MESSAGING' THEN 'CALLING' WHEN 'FAX' THEN 'CALLING' ELSE '' END"""
"""The commitment that pays for the service of a charge `ch` (R24)."""
_MEASURES = ("charge_count", "quantity", "plan_micros", "commitment_micros", "universal_micros")


def _rollup(table: str, keys: str, charge_keys: str) -> str:
    """Rows where a rollup and the sums of its charges differ, whichever side lacks the row."""
    kept = ", ".join(_MEASURES)
    taken = ", ".join(f"-{name}" for name in _MEASURES)
    sums = ", ".join(f"SUM({name}) AS {name}" for name in _MEASURES)
    differs = " OR ".join(f"SUM({name}) <> 0" for name in _MEASURES)
    return f"""
        SELECT company_id, office_id, {keys}, {sums} FROM (
            SELECT company_id, office_id, {keys}, {kept} FROM {table}
            UNION ALL
            SELECT company_id, office_id, {keys}, {taken} FROM (
                SELECT company_id, office_id, {charge_keys}, 1 AS charge_count, quantity, plan_micros,
                    commitment_micros, universal_micros
                FROM charge
            ) AS counted
        ) AS compared
        GROUP BY company_id, office_id, {keys}
        HAVING {differs}"""


INVARIANTS = (
    Invariant(
        "Universal credits equal the sum of their postings",
        "SELECT COUNT(*) FROM wallet WHERE kind = 'UNIVERSAL'",
        f"""
        SELECT w.company_id, w.id, w.balance_micros, COALESCE(SUM({_CHANGE}), 0) AS posted
        FROM wallet w
        LEFT JOIN posting p ON p.company_id = w.company_id AND p.wallet_id = w.id
        WHERE w.kind = 'UNIVERSAL'
        GROUP BY w.company_id, w.id, w.balance_micros
        HAVING w.balance_micros <> COALESCE(SUM({_CHANGE}), 0)""",
    ),
    Invariant(
        "Every commitment equals the sum of its cycle's postings",
        "SELECT COUNT(*) FROM wallet_cycle",
        f"""
        SELECT c.company_id, c.wallet_id, c.month, c.balance_micros, COALESCE(SUM({_CHANGE}), 0) AS posted
        FROM wallet_cycle c
        LEFT JOIN posting p ON p.company_id = c.company_id AND p.wallet_id = c.wallet_id
            AND {_ACCOUNT} IN (p.source, p.destination)
        GROUP BY c.company_id, c.wallet_id, c.month, c.balance_micros
        HAVING c.balance_micros <> COALESCE(SUM({_CHANGE}), 0)""",
    ),
    Invariant(
        "Every commitment is what was committed and adjusted, less what was spent and what expired",
        "SELECT COUNT(*) FROM wallet_cycle",
        f"""
        SELECT c.company_id, c.wallet_id, c.month, c.balance_micros, COALESCE(SUM({_CHANGE}), 0) AS adjusted
        FROM wallet_cycle c
        LEFT JOIN posting p ON p.company_id = c.company_id AND p.wallet_id = c.wallet_id
            AND {_ACCOUNT} IN (p.source, p.destination) AND 'adjustment' IN (p.source, p.destination)
        GROUP BY c.company_id, c.wallet_id, c.month, c.balance_micros, c.committed_micros, c.spent_micros,
            c.expired_micros
        HAVING c.balance_micros <> c.committed_micros - c.spent_micros - c.expired_micros
            + COALESCE(SUM({_CHANGE}), 0)""",
    ),
    Invariant(
        "Every posting says the balance it left behind",
        "SELECT COUNT(*) FROM posting WHERE wallet_id IS NOT NULL",
        f"""
        SELECT company_id, id, balance_after_micros, running FROM (
            SELECT p.company_id, p.id, p.balance_after_micros, SUM({_CHANGE}) OVER (
                PARTITION BY p.company_id, p.wallet_id, {_ACCOUNT_SIDE} ORDER BY p.sequence) AS running
            FROM posting p WHERE p.wallet_id IS NOT NULL
        ) AS ran
        WHERE balance_after_micros IS NULL OR balance_after_micros <> running""",
    ),
    Invariant(
        "Every posting moves more than nothing, from one account to another, with a wallet on one side",
        "SELECT COUNT(*) FROM posting",
        """
        SELECT company_id, id, source, destination, amount_micros FROM posting
        WHERE amount_micros <= 0 OR source = destination
            OR (wallet_id IS NULL) <> (source NOT LIKE 'wallet:%' AND destination NOT LIKE 'wallet:%')
            OR (source LIKE 'wallet:%' AND destination LIKE 'wallet:%')""",
    ),
    Invariant(
        "No posting reaches the wallet of another office or company",
        "SELECT COUNT(*) FROM posting WHERE wallet_id IS NOT NULL",
        """
        SELECT p.company_id, p.id, p.office_id FROM posting p
        LEFT JOIN wallet w ON w.company_id = p.company_id AND w.id = p.wallet_id AND w.office_id = p.office_id
        WHERE p.wallet_id IS NOT NULL AND w.id IS NULL""",
    ),
    Invariant(
        "Universal credits never expire",
        "SELECT COUNT(*) FROM posting WHERE source = 'wallet:UNIVERSAL'",
        """
        SELECT company_id, id, amount_micros FROM posting
        WHERE source = 'wallet:UNIVERSAL' AND destination = 'expired'""",
    ),
    Invariant(
        "The parts of every charge add up to its price, and its set of payers names them",
        "SELECT COUNT(*) FROM charge",
        """
        SELECT company_id, id, list_price_micros, plan_micros, commitment_micros, universal_micros, sources FROM charge
        WHERE list_price_micros <> plan_micros + commitment_micros + universal_micros
            OR cost_micros <> commitment_micros + universal_micros
            OR sources <> (CASE WHEN plan_quantity <> 0 OR plan_micros <> 0 THEN 1 ELSE 0 END)
                + (CASE WHEN commitment_micros <> 0 THEN 2 ELSE 0 END)
                + (CASE WHEN universal_micros <> 0 THEN 4 ELSE 0 END)""",
    ),
    Invariant(
        "The price of every charge is its quantity times its rate, rounded once, and its connection fee",
        "SELECT COUNT(*) FROM charge WHERE reverses_id IS NULL",
        f"""
        SELECT ch.company_id, ch.id, ch.quantity, ch.rate_nanos, ch.list_price_micros FROM charge ch
        WHERE ch.reverses_id IS NULL AND ch.list_price_micros <>
            (2 * ch.quantity * ch.rate_nanos + {_NANOS}) / (2 * {_NANOS})
            + CASE WHEN ch.quantity > 0 THEN ch.connection_fee_micros ELSE 0 END""",
    ),
    Invariant(
        "What wallets paid for a charge is posted, no more and no less",
        "SELECT COUNT(*) FROM charge",
        f"""
        SELECT ch.company_id, ch.id, ch.cost_micros, -COALESCE(SUM({_CHANGE}), 0) AS posted FROM charge ch
        LEFT JOIN posting p ON p.company_id = ch.company_id AND p.charge_id = ch.id
        GROUP BY ch.company_id, ch.id, ch.cost_micros
        HAVING ch.cost_micros <> -COALESCE(SUM({_CHANGE}), 0)""",
    ),
    Invariant(
        "No commitment and no allowance is below zero or overdrawn",
        "SELECT (SELECT COUNT(*) FROM wallet_cycle) + (SELECT COUNT(*) FROM allowance_cycle)",
        """
        SELECT company_id, wallet_id, month FROM wallet_cycle WHERE balance_micros < 0
        UNION ALL
        SELECT company_id, id, month FROM allowance_cycle
        WHERE spent_quantity < 0 OR spent_quantity > committed_quantity""",
    ),
    Invariant(
        "What is used of every allowance is what charges took from it",
        "SELECT COUNT(*) FROM allowance_cycle",
        """
        SELECT a.company_id, a.id, a.month, a.spent_quantity, COALESCE(SUM(ch.plan_quantity), 0) AS taken
        FROM allowance_cycle a
        LEFT JOIN (
            SELECT t.company_id, t.office_id, t.service, t.plan_quantity, COALESCE(o.month, t.month) AS month
            FROM charge t LEFT JOIN charge o ON o.company_id = t.company_id AND o.id = t.reverses_id
        ) AS ch ON ch.company_id = a.company_id AND ch.office_id = a.office_id
            AND ch.service = a.service AND ch.month = a.month
        GROUP BY a.company_id, a.id, a.month, a.spent_quantity
        HAVING a.spent_quantity <> COALESCE(SUM(ch.plan_quantity), 0)""",
    ),
    Invariant(
        "What is spent of every commitment is what charges of its cycle took from it",
        "SELECT COUNT(*) FROM wallet_cycle",
        f"""
        SELECT c.company_id, c.wallet_id, c.month, c.spent_micros, COALESCE(SUM(taken.micros), 0) AS taken
        FROM wallet_cycle c
        LEFT JOIN (
            SELECT ch.company_id, ch.office_id, ch.commitment_micros AS micros, b.starts_at, {_FAMILY} AS kind
            FROM charge ch
            LEFT JOIN charge o ON o.company_id = ch.company_id AND o.id = ch.reverses_id
            JOIN billing_cycle b ON b.company_id = ch.company_id AND b.office_id = ch.office_id
                AND b.month = COALESCE(o.month, ch.month)
        ) AS taken ON taken.company_id = c.company_id AND taken.office_id = c.office_id AND taken.kind = c.kind
            AND taken.starts_at >= c.starts_at AND taken.starts_at < c.ends_at
        GROUP BY c.company_id, c.wallet_id, c.month, c.spent_micros
        HAVING c.spent_micros <> COALESCE(SUM(taken.micros), 0)""",
    ),
    Invariant(
        "The totals by billing cycle equal the charges",
        "SELECT COUNT(*) FROM usage_by_cycle",
        _rollup(
            "usage_by_cycle",
            "month, service, usage_type, sources, member_id, group_id",
            "month, service, usage_type, sources, COALESCE(member_id, {no_one}) AS member_id, COALESCE(group_id,"
            " {no_one}) AS group_id",
        ),
    ),
    Invariant(
        "The totals by day equal the charges",
        "SELECT COUNT(*) FROM usage_by_day",
        _rollup(
            "usage_by_day",
            "local_day, month, service, usage_type, direction, region_code, sources",
            "local_day, month, service, usage_type, COALESCE(direction, '') AS direction, COALESCE(region_code, '')"
            " AS region_code, sources",
        ),
    ),
    Invariant(
        "Every call is billed for its duration, raised to its increment",
        "SELECT COUNT(*) FROM charge WHERE service = 'CALLING' AND reverses_id IS NULL",
        """
        SELECT company_id, id, duration_seconds, first_seconds, next_seconds, quantity FROM charge
        WHERE service = 'CALLING' AND reverses_id IS NULL AND quantity <> CASE
            WHEN duration_seconds = 0 THEN 0
            WHEN duration_seconds <= first_seconds THEN first_seconds
            ELSE first_seconds
                + (duration_seconds - first_seconds + next_seconds - 1) / next_seconds * next_seconds END""",
    ),
    Invariant(
        "Every charge happened in the cycle it is booked in, or before it and is marked late",
        "SELECT COUNT(*) FROM charge",
        """
        SELECT ch.company_id, ch.id, ch.month, ch.is_booked_late FROM charge ch
        JOIN billing_cycle b ON b.company_id = ch.company_id AND b.office_id = ch.office_id AND b.month = ch.month
        WHERE (ch.occurred_at < b.starts_at) <> ch.is_booked_late
            OR (ch.occurred_at >= b.ends_at AND ch.recorded_at >= b.ends_at)""",
    ),
    Invariant(
        "What is posted for usage, and nothing else, goes to the account of its service",
        "SELECT COUNT(*) FROM posting",
        """
        SELECT p.company_id, p.id, p.source, p.destination, ch.service FROM posting p
        JOIN charge ch ON ch.company_id = p.company_id AND ch.id = p.charge_id
        WHERE 'usage:' || ch.service NOT IN (p.source, p.destination)
        UNION ALL
        SELECT company_id, id, source, destination, NULL FROM posting
        WHERE charge_id IS NULL AND (source LIKE 'usage:%' OR destination LIKE 'usage:%')""",
    ),
    Invariant(
        "No event is charged twice, and none is charged and rejected at once",
        "SELECT COUNT(*) FROM charge",
        """
        SELECT company_id, source, event_id FROM charge GROUP BY company_id, source, event_id HAVING COUNT(*) > 1
        UNION ALL
        SELECT r.company_id, r.source, r.event_id FROM rejected_usage r
        JOIN charge ch ON ch.company_id = r.company_id AND ch.source = r.source AND ch.event_id = r.event_id""",
    ),
    Invariant(
        "Every reversal gives back one charge, whole, and the charge knows it",
        "SELECT COUNT(*) FROM charge WHERE reverses_id IS NOT NULL OR reversed_by_id IS NOT NULL",
        """
        SELECT r.company_id, r.id, r.reverses_id FROM charge r
        LEFT JOIN charge o ON o.company_id = r.company_id AND o.id = r.reverses_id
        WHERE r.reverses_id IS NOT NULL AND (
            o.id IS NULL OR o.reversed_by_id IS NULL OR o.reversed_by_id <> r.id
            OR r.list_price_micros <> -o.list_price_micros OR r.quantity <> -o.quantity
            OR r.cost_micros <> -o.cost_micros)
        UNION ALL
        SELECT o.company_id, o.id, o.reversed_by_id FROM charge o
        LEFT JOIN charge r ON r.company_id = o.company_id AND r.id = o.reversed_by_id
        WHERE o.reversed_by_id IS NOT NULL AND (r.id IS NULL OR r.reverses_id IS NULL OR r.reverses_id <> o.id)""",
    ),
    Invariant(
        "Closed cycles are empty",
        "SELECT COUNT(*) FROM wallet_cycle WHERE closed_at IS NOT NULL",
        """
        SELECT company_id, wallet_id, month, balance_micros FROM wallet_cycle
        WHERE closed_at IS NOT NULL AND balance_micros <> 0""",
    ),
    Invariant(
        "A commitment's cycle begins with a billing cycle and is called like it",
        "SELECT COUNT(*) FROM wallet_cycle",
        """
        SELECT c.company_id, c.wallet_id, c.month FROM wallet_cycle c
        LEFT JOIN billing_cycle b ON b.company_id = c.company_id AND b.office_id = c.office_id
            AND b.starts_at = c.starts_at AND b.month = c.month
        WHERE b.month IS NULL""",
    ),
    Invariant(
        "Every office is renewed in time: when a cycle ends or closes, or a hold expires",
        "SELECT COUNT(*) FROM office",
        """
        SELECT o.company_id, o.id, o.slug FROM office o
        WHERE o.renew_due_at > (
            SELECT MIN(due.moment) FROM (
                SELECT company_id, office_id, closes_at AS moment FROM billing_cycle WHERE closed_at IS NULL
                UNION ALL
                SELECT company_id, office_id, closes_at FROM wallet_cycle WHERE closed_at IS NULL
                UNION ALL
                SELECT company_id, office_id, MAX(ends_at) FROM billing_cycle GROUP BY company_id, office_id
                UNION ALL
                SELECT company_id, office_id, expires_at FROM hold WHERE state = 'ACTIVE'
            ) AS due WHERE due.company_id = o.company_id AND due.office_id = o.id)""",
    ),
    Invariant(
        "Billing cycles of an office follow each other without overlap",
        "SELECT COUNT(*) FROM billing_cycle",
        """
        SELECT company_id, office_id, month FROM (
            SELECT company_id, office_id, month, starts_at, ends_at,
                LEAD(starts_at) OVER (PARTITION BY company_id, office_id ORDER BY starts_at) AS next_starts_at,
                LEAD(month) OVER (PARTITION BY company_id, office_id ORDER BY starts_at) AS next_month
            FROM billing_cycle
        ) AS ordered
        WHERE ends_at <= starts_at OR next_starts_at < ends_at OR next_month <= month""",
    ),
    Invariant(
        "No number of an office's books is drawn twice, and the next one is still free",
        "SELECT COUNT(*) FROM office",
        """
        SELECT o.company_id, o.id, o.next_sequence, MAX(n.sequence) AS drawn FROM office o
        JOIN (
            SELECT company_id, office_id, sequence FROM charge
            UNION ALL
            SELECT company_id, office_id, sequence FROM posting
        ) AS n ON n.company_id = o.company_id AND n.office_id = o.id
        GROUP BY o.company_id, o.id, o.next_sequence
        HAVING o.next_sequence <= MAX(n.sequence) OR COUNT(*) <> COUNT(DISTINCT n.sequence)""",
    ),
    *HOLD_INVARIANTS,
    *FUNDING_INVARIANTS,
)
