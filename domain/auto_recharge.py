"""When an office is recharged by itself, with how much, and when not (R33–R35)."""

from dataclasses import dataclass
from datetime import datetime

from domain.money import MICROS_PER_UNIT, Micros
from domain.top_ups import TopUpReason

DEFAULT_THRESHOLD_MICROS = 5 * MICROS_PER_UNIT
DEFAULT_AMOUNT_MICROS = 20 * MICROS_PER_UNIT


@dataclass(slots=True, kw_only=True)
class AutoRecharge:
    """An office's settings and where it stands; a working copy like the funds it hangs on."""

    is_enabled: bool = False
    threshold_micros: Micros = DEFAULT_THRESHOLD_MICROS
    amount_micros: Micros = DEFAULT_AMOUNT_MICROS
    cycle_cap_micros: Micros | None = None
    """None: four times the amount (R34)."""
    decline_count: int = 0
    retry_at: datetime | None = None
    is_switched_off: bool = False
    skip_reason: TopUpReason | None = None
    judge_at: datetime | None = None
    updated_at: datetime | None = None
    """None: never touched, so no row is stored."""
