"""Alerts: what they are about, with their figures, and how one becomes another (R38, R39).

An office has at most one open alert of a kind and subject. What is raised is told once; what stands is not told again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from domain.money import Micros
from domain.periods import Period, YearMonth

LEVELS = (100, 90, 80)
"""Per cent of a commitment or allowance, the highest first (R39)."""


class AlertKind(StrEnum):
    SPENDING_RISE = "SPENDING_RISE"
    COMMITMENT_USED = "COMMITMENT_USED"
    ALLOWANCE_USED = "ALLOWANCE_USED"
    UNIVERSAL_LOW = "UNIVERSAL_LOW"


class AlertState(StrEnum):
    ACTIVE = "ACTIVE"
    SUPERSEDED = "SUPERSEDED"
    ENDED = "ENDED"


class Dimension(StrEnum):
    """What a cause of a rise can be, the most particular first: of two that explain it alike, the first is named."""

    MEMBER = "member"
    GROUP = "group"
    REGION = "region"
    USAGE_TYPE = "usageType"
    SERVICE = "service"


class Cause(NamedTuple):
    """One member, group, region, usage type or service, with what it cost in both periods."""

    dimension: Dimension
    key: str
    """The id of a member or group in hex; else the region's ISO code, or the word of the contract."""
    current_micros: Micros
    previous_micros: Micros
    name: str | None = None
    """Of a member or group."""

    @property
    def rise_micros(self) -> Micros:
        return self.current_micros - self.previous_micros

    @property
    def subject(self) -> str:
        return f"{self.dimension}:{self.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert of an office. A rise keeps the figures that it was raised with; those of the others follow."""

    id: UUID
    kind: AlertKind
    subject: str
    """What it is about: `member:<hex>` and the like, `commitment:CALLING`, `allowance:FAX`, `universal`."""
    month: YearMonth
    """The cycle it was raised in: of a commitment its own, else the office's."""
    period: Period
    """What its figures are of."""
    raised_at: datetime
    current_micros: Micros
    """A rise: the cost of the period. COMMITMENT_USED: what was spent. ALLOWANCE_USED: the list price of what the plan
    covered. UNIVERSAL_LOW: the balance."""
    state: AlertState = AlertState.ACTIVE
    ended_at: datetime | None = None
    previous_micros: Micros | None = None
    """A rise: the cost of as many days of the cycle before."""
    cause: Cause | None = None
    latest_micros: tuple[Micros, Micros] | None = None
    """A rise: current and previous when it was last looked at. While they stay, so does its cause."""
    wallet_id: UUID | None = None
    allowance_cycle_id: UUID | None = None
    limit_micros: Micros | None = None
    """COMMITMENT_USED: what was committed. UNIVERSAL_LOW: the threshold."""
    used_percent: int | None = None
    """80, 90 or 100."""
    spent_quantity: int | None = None
    committed_quantity: int | None = None
    """ALLOWANCE_USED, in the unit of the service."""

    @property
    def rise_micros(self) -> Micros:
        """Of SPENDING_RISE."""
        return self.current_micros - (self.previous_micros or 0)


def level_of(spent: int, committed: int) -> int | None:
    """The highest step that is reached; None below 80 per cent, and where nothing is committed."""
    if committed <= 0:
        return None
    return next((level for level in LEVELS if 100 * spent >= level * committed), None)


def end(alert: Alert, now: datetime) -> Alert:
    return replace(alert, state=AlertState.ENDED, ended_at=now)


def settle_rise(open_alerts: Sequence[Alert], found: Alert | None, now: datetime) -> list[Alert]:
    """What becomes of the rises of one cycle, a new one last; what stays as it is is left out.

    `found` is what a rise would be raised as now. A cause that was named before in this cycle is shown again and not
    raised anew; when spending is no longer up all of them end, and the next rise is news again.
    """
    if found is None:
        return [end(alert, now) for alert in open_alerts]
    known = any(alert.subject == found.subject for alert in open_alerts)
    shown = [
        replace(alert, state=AlertState.ACTIVE, latest_micros=found.latest_micros)
        if alert.subject == found.subject
        else replace(alert, state=AlertState.SUPERSEDED)
        for alert in open_alerts
    ]
    moved = [after for before, after in zip(open_alerts, shown, strict=True) if before != after]
    return moved if known else [*moved, found]


def settle_level(standing: Alert | None, found: Alert | None, now: datetime) -> list[Alert]:
    """What becomes of the one open alert of a commitment, an allowance or universal credits, a new one last.

    A higher step ends it and is raised; else it shows the figures of now, silently, and a lower step too (R39).
    """
    if standing is None:
        return [] if found is None else [found]
    if found is None:
        return [end(standing, now)]
    if (found.used_percent or 0) > (standing.used_percent or 0):
        return [end(standing, now), found]
    followed = replace(
        standing,
        used_percent=found.used_percent,
        current_micros=found.current_micros,
        limit_micros=found.limit_micros,
        spent_quantity=found.spent_quantity,
        committed_quantity=found.committed_quantity,
    )
    return [] if followed == standing else [followed]
