"""What must hold of top-ups, refunds and invoices, and of what the sandbox processor remembers (R29–R31, R41)."""

from persistence.invariant import Invariant

_UNIVERSAL = """SUM(CASE WHEN p.destination = 'wallet:UNIVERSAL' THEN p.amount_micros
    WHEN p.source = 'wallet:UNIVERSAL' THEN -p.amount_micros ELSE 0 END)"""
"""What the postings `p` of a top-up left in its wallet."""
_TAX = """SUM(CASE WHEN p.destination = 'tax' THEN p.amount_micros WHEN p.source = 'tax' THEN -p.amount_micros
    ELSE 0 END)"""
_OWED = """SUM(CASE WHEN p.source = 'receivable' THEN p.amount_micros
    WHEN p.destination = 'receivable' THEN -p.amount_micros ELSE 0 END)"""
"""What is owed for it by its postings."""
_POSTED = f"""
    SELECT p.company_id, p.top_up_id, {_UNIVERSAL} AS credits, {_TAX} AS tax, {_OWED} AS owed, COUNT(*) AS postings
    FROM posting p WHERE p.top_up_id IS NOT NULL GROUP BY p.company_id, p.top_up_id"""
_RETURNED = """
    SELECT company_id, top_up_id, SUM(credits_micros) AS credits, SUM(tax_micros) AS tax FROM refund
    WHERE state <> 'FAILED' GROUP BY company_id, top_up_id"""
_EVERY = f"""
    FROM top_up t
    LEFT JOIN ({_POSTED}) AS posted ON posted.company_id = t.company_id AND posted.top_up_id = t.id
    LEFT JOIN ({_RETURNED}) AS returned ON returned.company_id = t.company_id AND returned.top_up_id = t.id"""
_LEFT = "t.total_micros - COALESCE(returned.credits, 0) - COALESCE(returned.tax, 0)"
_PAID_BY_BANK = "p.source = 'bank' AND p.destination = 'receivable'"

FUNDING_INVARIANTS = (
    Invariant(
        "Every settled top-up is posted once, net to its wallet and the rest to tax, less what was returned",
        "SELECT COUNT(*) FROM top_up WHERE state = 'SETTLED'",
        f"""
        SELECT t.company_id, t.id, t.credits_micros, t.tax_micros, posted.credits, posted.tax {_EVERY}
        WHERE t.state = 'SETTLED' AND (
            COALESCE(posted.credits, 0) <> t.credits_micros - COALESCE(returned.credits, 0)
            OR COALESCE(posted.tax, 0) <> t.tax_micros - COALESCE(returned.tax, 0))""",
    ),
    Invariant(
        "No top-up that is not settled is posted or returned",
        "SELECT COUNT(*) FROM top_up WHERE state <> 'SETTLED'",
        f"""
        SELECT t.company_id, t.id, t.state, posted.postings, t.refunded_micros {_EVERY}
        WHERE t.state <> 'SETTLED' AND (COALESCE(posted.postings, 0) <> 0 OR t.refunded_micros <> 0)""",
    ),
    Invariant(
        "A top-up is paid from and returned to the account of its terms",
        "SELECT COUNT(*) FROM posting WHERE top_up_id IS NOT NULL",
        f"""
        SELECT p.company_id, p.id, p.source, p.destination, t.payment_terms FROM posting p
        JOIN top_up t ON t.company_id = p.company_id AND t.id = p.top_up_id
        WHERE NOT (
            (p.source IN ('wallet:UNIVERSAL', 'tax') AND ((t.payment_terms = 'CARD' AND p.destination = 'card')
                OR (t.payment_terms = 'INVOICE' AND p.destination IN ('receivable', 'bank'))))
            OR (p.destination IN ('wallet:UNIVERSAL', 'tax') AND ((t.payment_terms = 'CARD' AND p.source = 'card')
                OR (t.payment_terms = 'INVOICE' AND p.source = 'receivable')))
            OR (t.payment_terms = 'INVOICE' AND {_PAID_BY_BANK}))
        UNION ALL
        SELECT company_id, id, source, destination, NULL FROM posting
        WHERE top_up_id IS NULL AND (source IN ('card', 'receivable', 'bank', 'tax')
            OR destination IN ('card', 'receivable', 'bank', 'tax'))""",
    ),
    Invariant(
        "What was returned of every top-up is what its refunds and disputes come to, never more than it brought",
        "SELECT COUNT(*) FROM refund",
        f"""
        SELECT t.company_id, t.id, t.refunded_micros, returned.credits, returned.tax {_EVERY}
        WHERE t.refunded_micros <> COALESCE(returned.credits, 0)
            OR t.refunded_micros > t.credits_micros OR COALESCE(returned.tax, 0) > t.tax_micros""",
    ),
    Invariant(
        "All that was taken back of a top-up is booked, as far as its total goes",
        "SELECT COUNT(*) FROM refund WHERE state <> 'FAILED'",
        """
        SELECT t.company_id, t.id, t.total_micros, r.told, r.booked FROM top_up t
        JOIN (SELECT company_id, top_up_id, SUM(told_micros) AS told, SUM(total_micros) AS booked FROM refund
            WHERE state <> 'FAILED' GROUP BY company_id, top_up_id) AS r
            ON r.company_id = t.company_id AND r.top_up_id = t.id
        WHERE r.booked <> CASE WHEN r.told < t.total_micros THEN r.told ELSE t.total_micros END""",
    ),
    Invariant(
        "What is owed for every invoiced top-up is what is posted as receivable, and nothing once it is paid",
        "SELECT COUNT(*) FROM top_up WHERE payment_terms = 'INVOICE' AND state = 'SETTLED'",
        f"""
        SELECT t.company_id, t.id, t.paid_at, posted.owed, {_LEFT} AS is_left {_EVERY}
        WHERE t.state = 'SETTLED' AND COALESCE(posted.owed, 0) <>
            CASE WHEN t.payment_terms = 'INVOICE' AND t.paid_at IS NULL THEN {_LEFT} ELSE 0 END""",
    ),
    Invariant(
        "A paid invoice is posted once, an unpaid one never",
        "SELECT COUNT(*) FROM top_up WHERE paid_at IS NOT NULL",
        f"""
        SELECT t.company_id, t.id, t.paid_at, COUNT(*) AS payments FROM top_up t
        JOIN posting p ON p.company_id = t.company_id AND p.top_up_id = t.id AND {_PAID_BY_BANK}
        GROUP BY t.company_id, t.id, t.paid_at
        HAVING COUNT(*) > 1 OR t.paid_at IS NULL""",
    ),
    Invariant(
        "No top-up and no refund touches another office",
        "SELECT (SELECT COUNT(*) FROM top_up) + (SELECT COUNT(*) FROM refund)",
        """
        SELECT t.company_id, t.id, t.office_id, p.office_id AS other FROM top_up t
        JOIN posting p ON p.company_id = t.company_id AND p.top_up_id = t.id AND p.office_id <> t.office_id
        UNION ALL
        SELECT r.company_id, r.id, r.office_id, t.office_id FROM refund r
        LEFT JOIN top_up t ON t.company_id = r.company_id AND t.id = r.top_up_id
        WHERE t.id IS NULL OR t.office_id <> r.office_id""",
    ),
    Invariant(
        "No office has two recharges in flight",
        "SELECT COUNT(*) FROM office",
        """
        SELECT company_id, office_id, COUNT(*) AS in_flight FROM top_up
        WHERE origin = 'AUTO_RECHARGE' AND state IN ('PENDING', 'REQUIRES_ACTION')
        GROUP BY company_id, office_id HAVING COUNT(*) > 1""",
    ),
    Invariant(
        "The sandbox charged no payment twice, and no top-up with two",
        "SELECT COUNT(*) FROM sandbox_payment",
        """
        SELECT company_id, top_up_id, SUM(charge_count) AS charges FROM sandbox_payment
        GROUP BY company_id, top_up_id HAVING SUM(charge_count) > 1""",
    ),
    Invariant(
        "What the sandbox charged belongs to a top-up of that total that is settled or still in flight",
        "SELECT COUNT(*) FROM sandbox_payment WHERE charge_count > 0 OR state = 'SUCCEEDED'",
        """
        SELECT s.company_id, s.id, s.amount_minor, s.state, t.total_micros, t.state AS top_up FROM sandbox_payment s
        LEFT JOIN top_up t ON t.company_id = s.company_id AND t.id = s.top_up_id
        WHERE (s.charge_count > 0 OR s.state = 'SUCCEEDED') AND (
            t.id IS NULL OR t.state NOT IN ('SETTLED', 'PENDING', 'REQUIRES_ACTION')
            OR s.charge_count <> 1 OR s.state <> 'SUCCEEDED'
            OR s.amount_minor * (CASE s.currency WHEN 'JPY' THEN 1000000 ELSE 10000 END) <> t.total_micros)""",
    ),
    Invariant(
        "What the sandbox gave back belongs to a refund of that total that is settled or still in flight",
        "SELECT COUNT(*) FROM sandbox_refund",
        """
        SELECT s.company_id, s.id, s.amount_minor, r.total_micros, r.state FROM sandbox_refund s
        JOIN sandbox_payment paid ON paid.company_id = s.company_id AND paid.id = s.payment_id
        LEFT JOIN refund r ON r.company_id = s.company_id AND r.id = s.id
        WHERE r.id IS NULL OR r.state = 'FAILED'
            OR s.amount_minor * (CASE paid.currency WHEN 'JPY' THEN 1000000 ELSE 10000 END) <> r.total_micros""",
    ),
)
