"""All an office can spend at one moment, loaded and locked together: cycles, commitments, allowances, universal.

These are working copies: the rules of one transaction move them, and what moved is saved in one call.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from domain.auto_recharge import AutoRecharge
from domain.catalogue import COMMITMENT_OF, Cadence, Service, UsageType, WalletKind
from domain.holds import Hold
from domain.money import Currency, Micros
from domain.numbers import OfficeLine
from domain.periods import CycleTerms, YearMonth


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeTerms:
    """What of an office decides how its usage is charged."""

    company_id: UUID
    id: UUID
    region: str
    line: OfficeLine
    terms: CycleTerms
    """For the cycles still to come (R7)."""
    late_window: timedelta
    decks: tuple[str, ...]
    """Names of the decks that count, in order; empty: all of the company's."""
    currency: Currency
    is_suspended: bool = False
    hold_grant_seconds: int = 600
    """The most that one authorization of a call grants at once (R27)."""


@dataclass(slots=True, kw_only=True)
class Cycle:
    """One billing cycle, half-open. Usage may be booked in it until `closes_at` (R10)."""

    starts_at: datetime
    ends_at: datetime
    closes_at: datetime
    month: YearMonth
    terms: CycleTerms
    closed_at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class CommitmentTerms:
    """What every coming cycle of a commitment grants (R8)."""

    wallet_id: UUID
    kind: WalletKind
    committed_micros: Micros
    cadence: Cadence
    reserved_micros: Micros = 0
    """Held for usage in progress, whatever cycle it was held in (R27)."""


@dataclass(slots=True, kw_only=True)
class CommitmentCycle:
    """A commitment in one of its cycles: an account of its own, never below zero (R9)."""

    wallet_id: UUID
    kind: WalletKind
    starts_at: datetime
    ends_at: datetime
    closes_at: datetime
    month: YearMonth
    cadence: Cadence
    committed_micros: Micros
    balance_micros: Micros
    spent_micros: Micros = 0
    expired_micros: Micros = 0
    closed_at: datetime | None = None

    @property
    def account(self) -> str:
        return f"wallet:{self.kind}:{self.month.text}"

    @property
    def left_micros(self) -> Micros:
        """What a charge may draw: after closing, an operator's backfill may still draw what had expired (R10)."""
        return self.balance_micros + (self.expired_micros if self.closed_at else 0)


@dataclass(slots=True, kw_only=True)
class AllowanceTerms:
    """What the plan includes of a service in every coming cycle."""

    id: UUID
    service: Service
    quantity: int
    usage_types: frozenset[UsageType]


@dataclass(slots=True, kw_only=True)
class AllowanceCycle:
    id: UUID
    service: Service
    month: YearMonth
    usage_types: frozenset[UsageType]
    committed_quantity: int
    spent_quantity: int = 0
    reserved_quantity: int = 0
    """Held for usage in progress (R27)."""

    @property
    def left_quantity(self) -> int:
        return self.committed_quantity - self.spent_quantity


@dataclass(slots=True, kw_only=True)
class Funds:
    office: OfficeTerms
    cycles: list[Cycle]
    """In order of time: the open ones; all of them when history is to be backfilled."""
    commitments: list[CommitmentTerms]
    commitment_cycles: list[CommitmentCycle]
    allowances: list[AllowanceTerms]
    allowance_cycles: dict[tuple[YearMonth, Service], AllowanceCycle]
    universal_wallet_id: UUID
    universal_micros: Micros
    next_sequence: int
    renew_due_at: datetime
    watch_due_at: datetime
    """When the office's alerts are judged next (R38, R39)."""
    universal_reserved_micros: Micros = 0
    due_holds: list[Hold] = field(default_factory=list)
    """Active holds whose time is over; a renewal ends them (R28)."""
    next_hold_ends_at: datetime | None = None
    """When the first of the other active holds expires; None: there is no other."""
    recharge: AutoRecharge = field(default_factory=AutoRecharge)

    @property
    def current(self) -> Cycle:
        """The newest cycle; after a renewal, the one that contains the present."""
        return self.cycles[-1]

    def cycle_at(self, moment: datetime) -> Cycle | None:
        for cycle in reversed(self.cycles):
            if cycle.starts_at <= moment < cycle.ends_at:
                return cycle
        return None

    def commitment_for(self, service: Service, cycle: Cycle) -> CommitmentCycle | None:
        """The account that pays for a service in a billing cycle: a charge draws only on its own cycle's (R9)."""
        kind = COMMITMENT_OF.get(service)
        if kind is not None:
            for account in self.commitment_cycles:
                if account.kind is kind and account.starts_at <= cycle.starts_at < account.ends_at:
                    return account
        return None
