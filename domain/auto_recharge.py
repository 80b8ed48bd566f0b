"""An office's auto-recharge: its settings, where it stands, and what each outcome does to it (R33–R35).

Whether a recharge is due, and of how much, is judged over the books in `domain.recharging`.
"""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from domain.money import MICROS_PER_UNIT, Micros
from domain.provisioning import PaymentTerms
from domain.top_ups import Billing, Card, TopUpReason, tax_of

DEFAULT_THRESHOLD_MICROS = 5 * MICROS_PER_UNIT
DEFAULT_AMOUNT_MICROS = 20 * MICROS_PER_UNIT
CAP_AMOUNTS = 4
"""The cap of a billing cycle is so many times the amount, unless set (R34)."""
MAX_SETTING_MICROS = 1_000_000 * MICROS_PER_UNIT
"""The most that a threshold or a cap can be."""
MAX_ATTEMPTS_A_DAY = 6
BACK_OFFS = (timedelta(hours=1), timedelta(hours=6), timedelta(hours=24))
"""After the first decline, the second, the third; the one after that switches auto-recharge off (R35)."""
RECHARGER = "Auto-recharge"
"""Who asked for a recharge, as the list of top-ups shows it."""


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

    @property
    def cap_micros(self) -> Micros:
        """What it may charge in one billing cycle, net of tax."""
        return CAP_AMOUNTS * self.amount_micros if self.cycle_cap_micros is None else self.cycle_cap_micros


class RechargeFacts(NamedTuple):
    """What an office's auto-recharge has done lately."""

    is_in_flight: bool
    """A recharge is pending, or waits for the cardholder."""
    attempts_today_count: int
    """In the office's local day, failed ones too; skips are no attempts."""
    spent_of_cap_micros: Micros
    """Credits of this billing cycle's recharges, settled or in flight; what was refunded of them still counts."""


class RechargeState(StrEnum):
    """What a person is told about an office's auto-recharge."""

    OFF = "OFF"
    READY = "READY"
    IN_FLIGHT = "IN_FLIGHT"
    BACKING_OFF = "BACKING_OFF"
    CAP_REACHED = "CAP_REACHED"
    SWITCHED_OFF_AFTER_DECLINES = "SWITCHED_OFF_AFTER_DECLINES"
    NO_PAYMENT_METHOD = "NO_PAYMENT_METHOD"


class Standing(NamedTuple):
    state: RechargeState
    next_attempt_at: datetime | None
    """BACKING_OFF, and CAP_REACHED where time alone ends it: when it is judged again. None: nothing has to be waited
    for, or somebody has to act."""


def note_success(recharge: AutoRecharge) -> None:
    """A recharge was settled: earlier declines are forgotten."""
    forget_declines(recharge)
    recharge.skip_reason = None


def note_decline(recharge: AutoRecharge, now: datetime) -> bool:
    """A recharge failed for good, because nobody was there to confirm it included (R35). Whether that switched it off.

    Not for a processor that could not be reached: nobody declined anything, and the same top-up is tried again.
    """
    if not recharge.is_enabled:
        return False
    recharge.decline_count += 1
    if recharge.decline_count > len(BACK_OFFS):
        recharge.is_enabled = False
        recharge.is_switched_off = True
        recharge.retry_at = recharge.judge_at = None
        return True
    recharge.retry_at = recharge.judge_at = now + BACK_OFFS[recharge.decline_count - 1]
    return False


def note_new_card(recharge: AutoRecharge, now: datetime) -> None:
    """A card was saved: what another one did no longer counts, and the worker judges at once. Nothing is switched
    on by it."""
    if recharge.is_enabled:
        forget_declines(recharge)
        recharge.skip_reason = None
        recharge.judge_at = now


def judge_later(recharge: AutoRecharge, now: datetime) -> None:
    """What decides whether it is recharged was changed from outside: the worker judges, at once."""
    if recharge.is_enabled:
        recharge.judge_at = now


def forget_declines(recharge: AutoRecharge) -> None:
    """No back-off, and nothing to wait for."""
    recharge.decline_count = 0
    recharge.retry_at = recharge.judge_at = None


def multiples_left(recharge: AutoRecharge, spent_of_cap_micros: Micros) -> int:
    """How many times the amount still fits this billing cycle's cap (R34)."""
    return max(0, recharge.cap_micros - spent_of_cap_micros) // recharge.amount_micros


def multiples_owable(recharge: AutoRecharge, billing: Billing, wanted: int) -> int:
    """How many times the amount, of so many wanted, an invoiced office may still owe with its tax (R31)."""

    def total_of(count: int) -> Micros:
        credits_micros = count * recharge.amount_micros
        return credits_micros + tax_of(credits_micros, billing.tax_rate_micros, billing.currency)

    if billing.payment_terms is not PaymentTerms.INVOICE:
        return wanted
    left = billing.invoice_limit_micros - billing.owed_micros
    return bisect_right(range(1, wanted + 1), left, key=total_of)


def card_trouble(terms: PaymentTerms, card: Card | None, month: int) -> TopUpReason | None:
    """Why a card could not be charged in a month (202603); offices that pay by invoice need none."""
    if terms is not PaymentTerms.CARD:
        return None
    if card is None:
        return TopUpReason.NO_PAYMENT_METHOD
    return TopUpReason.CARD_EXPIRED if card.expires_month < month else None


def standing_of(
    recharge: AutoRecharge,
    facts: RechargeFacts,
    *,
    now: datetime,
    trouble: TopUpReason | None,
    next_day_at: datetime,
    cycle_ends_at: datetime,
    is_suspended: bool = False,
) -> Standing:
    """What to show of an office's auto-recharge. `trouble`: what is wrong with the card, or INVOICE_LIMIT.

    A suspended office's is off until the suspension ends, whatever its settings say (R33).
    """
    if not recharge.is_enabled:
        off = RechargeState.SWITCHED_OFF_AFTER_DECLINES if recharge.is_switched_off else RechargeState.OFF
        return Standing(off, None)
    if facts.is_in_flight:
        return Standing(RechargeState.IN_FLIGHT, None)
    if is_suspended:
        return Standing(RechargeState.OFF, None)
    if recharge.retry_at is not None and now < recharge.retry_at:
        return Standing(RechargeState.BACKING_OFF, recharge.retry_at)
    if trouble in (TopUpReason.NO_PAYMENT_METHOD, TopUpReason.CARD_EXPIRED):
        return Standing(RechargeState.NO_PAYMENT_METHOD, None)
    if multiples_left(recharge, facts.spent_of_cap_micros) == 0:
        return Standing(RechargeState.CAP_REACHED, cycle_ends_at)
    if facts.attempts_today_count >= MAX_ATTEMPTS_A_DAY:
        return Standing(RechargeState.CAP_REACHED, next_day_at)
    if trouble is not None:
        return Standing(RechargeState.CAP_REACHED, None)
    return Standing(RechargeState.READY, None)
