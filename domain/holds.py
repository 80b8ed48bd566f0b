"""Reservations for usage in progress (R27, R28). They restrict authorizations and refunds; charges draw on balances."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from domain.catalogue import Direction, Service, UsageType
from domain.periods import YearMonth
from domain.rates import Increment
from domain.waterfall import Payment

MIN_HOLD = timedelta(seconds=60)
MAX_HOLD = timedelta(days=1)
"""How far ahead the end of a hold may lie, seen from the request that sets it."""


class HoldState(StrEnum):
    ACTIVE = "ACTIVE"
    CAPTURED = "CAPTURED"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"


class HoldRefusalReason(StrEnum):
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    NO_RATE = "NO_RATE"
    BLOCKED = "BLOCKED"
    OFFICE_SUSPENDED = "OFFICE_SUSPENDED"


class HoldRefusal(NamedTuple):
    """An answer, not an error, and not kept: asking again may be granted."""

    reason: HoldRefusalReason
    message: str
    """A sentence for a person, without the number itself."""


@dataclass(slots=True, kw_only=True)
class Hold:
    """What is kept for one usage to come; a working copy, resolved once."""

    id: UUID
    office_id: UUID
    source: str
    event_id: str
    service: Service
    usage_type: UsageType
    direction: Direction
    from_: str
    to: str
    wanted_quantity: int
    """As first asked for: with service, direction and both ends the facts a repeated request must match."""
    granted_quantity: int
    """Whole increments, in the service's unit."""
    rate_id: UUID
    nanos_per_unit: int
    increment: Increment
    connection_fee_micros: int
    destination: str | None
    month: YearMonth
    """The billing cycle whose allowance and commitment are held."""
    payment: Payment
    """What is held of each source."""
    created_at: datetime
    expires_at: datetime
    state: HoldState = HoldState.ACTIVE
    resolved_at: datetime | None = None
    charge_id: UUID | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.source, self.event_id
