"""What must hold of holds, always (R27, R28, R41)."""

from persistence.invariant import Invariant

_FAMILY = """CASE WHEN w.kind = 'UNIVERSAL' THEN h.universal_micros
    WHEN w.kind = CASE h.service WHEN 'AI_AGENT' THEN 'AI_AGENT' WHEN 'CALLING' THEN 'CALLING'
        WHEN 'MESSAGING' THEN 'CALLING' WHEN 'FAX' THEN 'CALLING' ELSE '' END THEN h.commitment_micros
    ELSE 0 END"""
"""What a hold `h` keeps of a wallet `w` (R24)."""

HOLD_INVARIANTS = (
    Invariant(
        "What is reserved of every wallet is what active holds keep of it",
        "SELECT COUNT(*) FROM wallet",
        f"""
        SELECT w.company_id, w.id, w.reserved_micros, COALESCE(SUM({_FAMILY}), 0) AS held FROM wallet w
        LEFT JOIN hold h ON h.company_id = w.company_id AND h.office_id = w.office_id AND h.state = 'ACTIVE'
        GROUP BY w.company_id, w.id, w.reserved_micros
        HAVING w.reserved_micros <> COALESCE(SUM({_FAMILY}), 0)""",
    ),
    Invariant(
        "What is reserved of every allowance is what active holds keep of it",
        "SELECT COUNT(*) FROM allowance_cycle",
        """
        SELECT a.company_id, a.id, a.month, a.reserved_quantity, COALESCE(SUM(h.plan_quantity), 0) AS held
        FROM allowance_cycle a
        LEFT JOIN hold h ON h.company_id = a.company_id AND h.office_id = a.office_id AND h.state = 'ACTIVE'
            AND h.service = a.service AND h.month = a.month
        GROUP BY a.company_id, a.id, a.month, a.reserved_quantity
        HAVING a.reserved_quantity <> COALESCE(SUM(h.plan_quantity), 0)""",
    ),
    Invariant(
        "A hold ends once: in the charge of its own usage, released, or expired in time",
        "SELECT COUNT(*) FROM hold",
        """
        SELECT h.company_id, h.id, h.state, h.resolved_at, h.charge_id FROM hold h
        LEFT JOIN charge own ON own.company_id = h.company_id AND own.source = h.source
            AND own.event_id = h.event_id AND own.office_id = h.office_id
        WHERE (h.state = 'ACTIVE') <> (h.resolved_at IS NULL)
            OR (h.state = 'CAPTURED') <> (h.charge_id IS NOT NULL)
            OR (h.state = 'CAPTURED' AND (own.id IS NULL OR own.id <> h.charge_id))
            OR (h.state = 'ACTIVE' AND own.id IS NOT NULL)
            OR (h.state = 'EXPIRED' AND h.resolved_at <> h.expires_at)
            OR (h.state IN ('CAPTURED', 'RELEASED') AND h.resolved_at >= h.expires_at)""",
    ),
)
