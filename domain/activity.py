"""The audit trail: who changed or bought what, when, from where, before and after."""

from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from domain.access import Viewer

FAREBOX = "Farebox"
"""The actor of what happens by itself."""
OPERATOR = "Operator"
"""The actor of what is done on the command line: whoever may run it is the operator."""

ACTIONS = {
    "apply": "a company's file was applied",
    "import-rates": "a rate deck came into force",
    "syncDirectory": "the phone system's directory brought changes",
    "reverseUsage": "a charge was taken back",
    "adjustWallet": "an operator put a wallet right",
    "purchaseCredits": "credits were bought, or the purchase was begun",
    "savePaymentMethod": "a card was saved",
    "configureAutoRecharge": "auto-recharge was changed",
    "switchOffAutoRecharge": "auto-recharge was switched off after declines",
    "refundTopUp": "credits were given back for money",
    "disputeTopUp": "the cardholder's bank took money back, or returned it",
    "settleInvoice": "invoices were paid",
    "exportUsageHistory": "a download of the usage history was made",
    "updateCompanySettings": "the company's settings were changed",
    "createApiKey": "an API key was made",
    "revokeApiKey": "an API key stopped working",
    "createWebhookEndpoint": "an endpoint is told what happens",
    "updateWebhookEndpoint": "an endpoint was changed",
    "rotateWebhookSecret": "an endpoint got a new secret",
    "replayWebhookDelivery": "a message is delivered again",
}
"""Every action there is, and what happened when it is listed."""


class TargetKind(StrEnum):
    COMPANY = "COMPANY"
    OFFICE = "OFFICE"
    WALLET = "WALLET"
    TOP_UP = "TOP_UP"
    PAYMENT_METHOD = "PAYMENT_METHOD"
    AUTO_RECHARGE = "AUTO_RECHARGE"
    USAGE_RECORD = "USAGE_RECORD"
    RATE_CARD = "RATE_CARD"
    API_KEY = "API_KEY"
    WEBHOOK_ENDPOINT = "WEBHOOK_ENDPOINT"
    WEBHOOK_DELIVERY = "WEBHOOK_DELIVERY"


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


def by_command(
    action: str, *changes: Change, office_id: UUID | None = None, target: tuple[TargetKind, UUID] | None = None
) -> Activity:
    """What the operator did on the command line."""
    return act(None, action, *changes, office_id=office_id, target=target)._replace(actor=OPERATOR)
