"""Everything that can be changed: a new mutation is a line here.

What each asks and answers lives beside its resolver. All of them tell anticipated failures as `userErrors`.
"""

from collections.abc import Callable
from typing import Any

import strawberry

from schema.adjust_wallet import AdjustWalletPayload, resolve_adjust_wallet
from schema.api_keys import (
    CreateApiKeyPayload,
    RevokeApiKeyPayload,
    resolve_create_api_key,
    resolve_revoke_api_key,
)
from schema.authorize_usage import (
    AuthorizeUsagePayload,
    ExtendHoldPayload,
    resolve_authorize_usage,
    resolve_extend_hold,
)
from schema.card_setup import (
    SavePaymentMethodPayload,
    StartPaymentMethodSetupPayload,
    resolve_save_payment_method,
    resolve_start_payment_method_setup,
)
from schema.company_settings import UpdateCompanySettingsPayload, resolve_update_company_settings
from schema.configure_recharge import ConfigureAutoRechargePayload, resolve_configure_auto_recharge
from schema.cost import DESK, REPORT, Cost
from schema.errors import TellUserErrors
from schema.export import ExportUsageHistoryPayload, resolve_export_usage_history
from schema.purchase import (
    CompletePurchasePayload,
    PurchaseCreditsPayload,
    resolve_complete_purchase,
    resolve_purchase_credits,
)
from schema.record_usage import RecordUsagePayload, resolve_record_usage
from schema.refund_top_up import RefundTopUpPayload, resolve_refund_top_up
from schema.replay_rejections import ReplayRejectedUsagePayload, resolve_replay_rejected_usage
from schema.resolve_hold import CaptureHoldPayload, ReleaseHoldPayload, resolve_capture_hold, resolve_release_hold
from schema.reverse_usage import ReverseUsagePayload, resolve_reverse_usage
from schema.settle_invoice import SettleInvoicePayload, resolve_settle_invoice
from schema.spending_alerts import DismissSpendingAlertPayload, resolve_dismiss_spending_alert
from schema.sync_directory import SyncDirectoryPayload, resolve_sync_directory
from schema.webhook_deliveries import ReplayWebhookDeliveryPayload, resolve_replay_webhook_delivery
from schema.webhook_endpoints import (
    CreateWebhookEndpointPayload,
    RotateWebhookSecretPayload,
    UpdateWebhookEndpointPayload,
    resolve_create_webhook_endpoint,
    resolve_rotate_webhook_secret,
    resolve_update_webhook_endpoint,
)

MOVES_MONEY = frozenset(
    {
        *("purchaseCredits", "completePurchase", "refundTopUp", "settleInvoice", "adjustWallet"),
        "configureAutoRecharge",  # recharges at once when the balance is low already
        *("recordUsage", "replayRejectedUsage", "reverseUsage"),
        *("authorizeUsage", "extendHold", "captureHold", "releaseHold"),
    }
)
"""What charges, reserves, pays or gives back. An operation has one of these: of two it would be unclear, after a
failure, which had happened."""
MOVES_NO_MONEY = frozenset(
    {
        *("startPaymentMethodSetup", "savePaymentMethod", "dismissSpendingAlert"),
        *("updateCompanySettings", "exportUsageHistory", "syncDirectory"),
        *("createApiKey", "revokeApiKey"),
        *("createWebhookEndpoint", "updateWebhookEndpoint", "rotateWebhookSecret", "replayWebhookDelivery"),
    }
)


def _mutation(resolver: Callable[..., Any], payload: Callable[..., Any], description: str, cost: Cost = DESK) -> Any:
    return strawberry.mutation(
        resolver=resolver, description=description, extensions=[TellUserErrors(payload)], directives=[cost]
    )


@strawberry.type(
    description="Everything that can be changed, as far as the token allows. What a person can correct is told in"
    " `userErrors`; the other fields of a payload are then null, and counts 0."
)
class Mutation:
    purchase_credits: PurchaseCreditsPayload = _mutation(
        resolve_purchase_credits,
        PurchaseCreditsPayload,
        "Buys universal credits for an office, as quoted. By card they are there once the money is; by invoice at"
        " once. Sending it again with the same key is always safe: a card is charged once.",
    )
    complete_purchase: CompletePurchasePayload = _mutation(
        resolve_complete_purchase,
        CompletePurchasePayload,
        "Asks the card processor what became of a purchase that the cardholder had to confirm, or that is PENDING, and"
        " settles it. Not needed, but quicker than waiting. Safe at any time.",
    )
    start_payment_method_setup: StartPaymentMethodSetupPayload = _mutation(
        resolve_start_payment_method_setup,
        StartPaymentMethodSetupPayload,
        "Begins to save a card: the cardholder enters it at the card processor.",
    )
    save_payment_method: SavePaymentMethodPayload = _mutation(
        resolve_save_payment_method,
        SavePaymentMethodPayload,
        "Makes the card that was entered the office's, in place of the one it had.",
    )
    refund_top_up: RefundTopUpPayload = _mutation(
        resolve_refund_top_up,
        RefundTopUpPayload,
        "Gives unspent credits of a top-up back: to the card that paid, or off the invoice. They leave the wallet at"
        " once.",
    )
    configure_auto_recharge: ConfigureAutoRechargePayload = _mutation(
        resolve_configure_auto_recharge,
        ConfigureAutoRechargePayload,
        "Changes an office's auto-recharge. When the balance is below the threshold already, it recharges at once.",
    )
    dismiss_spending_alert: DismissSpendingAlertPayload = _mutation(
        resolve_dismiss_spending_alert,
        DismissSpendingAlertPayload,
        "Hides an alert from this viewer for good; others still see it. Safe to send again.",
    )
    update_company_settings: UpdateCompanySettingsPayload = _mutation(
        resolve_update_company_settings,
        UpdateCompanySettingsPayload,
        "Changes when spending alerts are raised. For company admins and operators.",
    )
    export_usage_history: ExportUsageHistoryPayload = _mutation(
        resolve_export_usage_history,
        ExportUsageHistoryPayload,
        "Makes a link to a CSV file of the usage history: all of a list, not a page. It is good for 15 minutes.",
    )
    settle_invoice: SettleInvoicePayload = _mutation(
        resolve_settle_invoice,
        SettleInvoicePayload,
        "Records that invoiced top-ups were paid, so that they no longer count against the office's limit. For"
        " operators.",
    )
    record_usage: RecordUsagePayload = _mutation(
        resolve_record_usage,
        RecordUsagePayload,
        "Reports usage that has happened and charges it: to the plan allowance, then to the service's prepaid"
        " credits, then to universal credits. Usage that happened is always charged, if need be below zero.",
        REPORT,
    )
    replay_rejected_usage: ReplayRejectedUsagePayload = _mutation(
        resolve_replay_rejected_usage,
        ReplayRejectedUsagePayload,
        "Tries to charge rejected usage again, once rates have been added or changed.",
    )
    sync_directory: SyncDirectoryPayload = _mutation(
        resolve_sync_directory,
        SyncDirectoryPayload,
        "Brings members, groups and contacts up to date with the phone system. For tokens that cover the whole"
        " company.",
    )
    authorize_usage: AuthorizeUsagePayload = _mutation(
        resolve_authorize_usage,
        AuthorizeUsagePayload,
        "Asks before usage begins whether the office's funds pay for it, and keeps them until the usage is recorded:"
        " they are granted to nobody else meanwhile. Sending it again with the same key is always safe.",
        REPORT,
    )
    extend_hold: ExtendHoldPayload = _mutation(
        resolve_extend_hold,
        ExtendHoldPayload,
        "Keeps more for usage in progress, or for longer.",
        REPORT,
    )
    capture_hold: CaptureHoldPayload = _mutation(
        resolve_capture_hold,
        CaptureHoldPayload,
        "Reports and charges the usage that a hold was made for, and ends the hold, in one step. `recordUsage` of the"
        " same event does the same; whichever comes second is a replay.",
        REPORT,
    )
    release_hold: ReleaseHoldPayload = _mutation(
        resolve_release_hold,
        ReleaseHoldPayload,
        "Gives back what a hold keeps, when its usage will not happen. Safe to send again.",
        REPORT,
    )
    reverse_usage: ReverseUsagePayload = _mutation(
        resolve_reverse_usage,
        ReverseUsagePayload,
        "Takes a charge back: every source gets what it paid, plan units and prepaid credits into their own cycle"
        " while that is open. After it closed, prepaid credits come back as universal credits, and plan units do"
        " not.",
    )
    adjust_wallet: AdjustWalletPayload = _mutation(
        resolve_adjust_wallet,
        AdjustWalletPayload,
        "Puts a wallet right, with a reason. For operators: an administrator buys credits instead.",
    )
    create_api_key: CreateApiKeyPayload = _mutation(
        resolve_create_api_key,
        CreateApiKeyPayload,
        "Makes an API key for a partner's system. Its secret is in this answer and nowhere else. Not to be sent twice:"
        " when the answer was lost, revoke the key and make another. For company admins.",
    )
    revoke_api_key: RevokeApiKeyPayload = _mutation(
        resolve_revoke_api_key,
        RevokeApiKeyPayload,
        "Stops an API key: the next request with it is refused. Safe to send again. For company admins.",
    )
    create_webhook_endpoint: CreateWebhookEndpointPayload = _mutation(
        resolve_create_webhook_endpoint,
        CreateWebhookEndpointPayload,
        "Names an address that is told what happens, and answers the secret that signs its messages: in this answer"
        " and nowhere else. For company admins.",
    )
    update_webhook_endpoint: UpdateWebhookEndpointPayload = _mutation(
        resolve_update_webhook_endpoint,
        UpdateWebhookEndpointPayload,
        "Changes where an endpoint is and what it is told, or disables it. For company admins.",
    )
    rotate_webhook_secret: RotateWebhookSecretPayload = _mutation(
        resolve_rotate_webhook_secret,
        RotateWebhookSecretPayload,
        "Gives an endpoint a new secret; for 24 hours the one before signs too. For company admins.",
    )
    replay_webhook_delivery: ReplayWebhookDeliveryPayload = _mutation(
        resolve_replay_webhook_delivery,
        ReplayWebhookDeliveryPayload,
        "Delivers a message again, as it was: after it was given up, or because the receiver lost it. For company"
        " admins.",
    )
