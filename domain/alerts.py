"""Alerts: what they are about, and when they are raised, superseded, re-armed and ended (R38, R39)."""

from enum import StrEnum


class AlertKind(StrEnum):
    SPENDING_RISE = "SPENDING_RISE"
    COMMITMENT_USED = "COMMITMENT_USED"
    ALLOWANCE_USED = "ALLOWANCE_USED"
    UNIVERSAL_LOW = "UNIVERSAL_LOW"


class AlertState(StrEnum):
    ACTIVE = "ACTIVE"
    SUPERSEDED = "SUPERSEDED"
    ENDED = "ENDED"
