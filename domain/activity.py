"""The audit trail: who changed or bought what, when, from where, before and after."""

from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from domain.access import Viewer

FAREBOX = "Farebox"
"""The actor of what happens by itself."""


class TargetKind(StrEnum):
    COMPANY = "COMPANY"
    OFFICE = "OFFICE"
    WALLET = "WALLET"
    TOP_UP = "TOP_UP"
    PAYMENT_METHOD = "PAYMENT_METHOD"
    AUTO_RECHARGE = "AUTO_RECHARGE"
    USAGE_RECORD = "USAGE_RECORD"
    RATE_CARD = "RATE_CARD"


class Change(NamedTuple):
    """One field, as texts a person reads; None: there was nothing, or there is nothing any more."""

    field: str
    before: str | None
    after: str | None


class Activity(NamedTuple):
    """One act. Its moment is that of the transaction."""

    action: str
    """Verb first, as the mutation or command is called: `purchaseCredits`, `apply`."""
    actor: str
    subject: str | None = None
    address: str | None = None
    office_id: UUID | None = None
    target_kind: TargetKind | None = None
    target_id: UUID | None = None
    changes: tuple[Change, ...] = ()


def act(
    viewer: Viewer | None,
    action: str,
    *changes: Change,
    office_id: UUID | None = None,
    target: tuple[TargetKind, UUID] | None = None,
) -> Activity:
    """What a viewer did, or Farebox itself when there is none."""
    kind, target_id = target if target else (None, None)
    return Activity(
        action=action,
        actor=viewer.name if viewer else FAREBOX,
        subject=viewer.subject if viewer else None,
        address=viewer.address if viewer else None,
        office_id=office_id,
        target_kind=kind,
        target_id=target_id,
        changes=changes,
    )
