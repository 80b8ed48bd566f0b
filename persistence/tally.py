"""What one transaction did, counted for whoever keeps figures of the house: told once it is committed, never before.

Replays do nothing, so they are not in it; neither is what a transaction did that was rolled back.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from domain.catalogue import Service
from domain.charging import Charged, Outcome
from domain.money import Currency
from domain.top_ups import TopUp, TopUpState
from domain.watching import Judged


@dataclass(slots=True)
class Tally:
    charges: Counter[Service] = field(default_factory=Counter)
    reversals: Counter[Service] = field(default_factory=Counter)
    allocated_micros: Counter[tuple[str, Currency]] = field(default_factory=Counter)
    """By source (plan, commitment, universal) and currency; of charges alone, reversals are not taken off."""
    rejections: Counter[str] = field(default_factory=Counter)
    """By code."""
    top_ups: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By origin and the state that they came to."""
    skips: Counter[str] = field(default_factory=Counter)
    """Recharges that were not made, by reason."""
    alerts: Counter[str] = field(default_factory=Counter)
    """Raised, by kind."""

    def add_charged(self, charged: Charged, currency: Currency) -> None:
        payments = [charge.payment for charge in charged.charges]
        micros = self.allocated_micros
        micros["plan", currency] += sum(payment.plan_micros for payment in payments)
        micros["commitment", currency] += sum(payment.commitment_micros for payment in payments)
        micros["universal", currency] += sum(payment.universal_micros for payment in payments)
        self.charges.update(charge.rated.measured.service for charge in charged.charges)
        if len(payments) < len(charged.decisions):
            self.rejections.update(
                decision.rejection.code
                for decision in charged.decisions
                if decision.outcome is Outcome.REJECTED and decision.rejection is not None
            )

    def add_top_ups(self, top_ups: Sequence[TopUp]) -> None:
        """As they now are, new or moved on."""
        for top_up in top_ups:
            self.top_ups[top_up.origin, top_up.state] += 1
            if top_up.state is TopUpState.SKIPPED and top_up.reason is not None:
                self.skips[top_up.reason] += 1

    def add_alerts(self, judged: Judged) -> None:
        self.alerts.update(alert.kind for alert in judged.raised)


OnTally = Callable[[Tally], None]
