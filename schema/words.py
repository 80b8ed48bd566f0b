"""The vocabulary of the domain on the wire: each enum with a description of itself and of every value."""

from collections.abc import Mapping
from enum import EnumMeta

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition

from domain.access import Permission, Role
from domain.catalogue import Cadence, Direction, RateUnit, Service, UsageType, UsageUnit, WalletKind, WalletSource
from domain.numbers import AddressKind
from domain.provisioning import GroupKind, PaymentTerms
from domain.usage import AiAgentMode, Encoding, FaxStatus, MessageStatus, RejectionCode


def describe(words: EnumMeta, description: str, values: Mapping[str, str], *, name: str | None = None) -> None:
    """Puts a domain enum on the wire as it is. Raises KeyError when a value lacks its sentence."""
    strawberry.enum(words, name=name, description=description)
    definition: StrawberryEnumDefinition = words.__strawberry_definition__  # type: ignore[attr-defined]
    for value in definition.values:
        value.description = values[value.name]


describe(
    Service,
    "What was used, as the usage history groups it.",
    {
        "CALLING": "Calls, billed by the second or in blocks of seconds.",
        "MESSAGING": "SMS and MMS, billed by the segment.",
        "SPEECH_IVR": "Spoken menus, billed by the session.",
        "OMNICHANNEL": "Conversations over chat and other channels, billed by the session.",
        "FAX": "Faxes, billed by the page.",
        "AI_AGENT": "Conversations and routing by AI agents, billed by the session.",
    },
)
describe(
    UsageType,
    "What kind of usage of a service it was; this and the other number decide the rate.",
    {
        "LOCAL": "A call within the country and area code of one of the office's numbers, or with an extension.",
        "DOMESTIC": "A call within the company's domestic regions that is not local.",
        "INTERNATIONAL": "A call with a number outside the company's domestic regions.",
        "TOLL_FREE": "A call to a number that is free for the caller, in the office's own country.",
        "PREMIUM": "A call to a premium-rate number in the office's own country.",
        "P2P_SMS": "A text message from person to person.",
        "A2P_SMS": "A text message from an application to a person.",
        "P2P_MMS": "A message with media from person to person.",
        "A2P_MMS": "A message with media from an application to a person.",
        "FAX_SENT": "A fax sent.",
        "FAX_RECEIVED": "A fax received.",
        "VOICE_AI": "A conversation an AI agent held by voice.",
        "DIGITAL_AI": "A conversation an AI agent held in writing.",
        "AI_ROUTING": "A conversation an AI agent passed on to the right place.",
        "SPEECH_IVR": "A speech-IVR session.",
        "OMNICHANNEL": "An omnichannel session.",
    },
)
describe(
    Direction,
    "Which way usage went, seen from the office.",
    {"INBOUND": "To the office.", "OUTBOUND": "From the office."},
)
describe(
    UsageUnit,
    "What a quantity counts.",
    {
        "SECOND": "A second of a call.",
        "SEGMENT": "A segment of a message: up to 160 characters, 70 when it needs Unicode; fewer when split.",
        "PAGE": "A page of a fax.",
        "SESSION": "A session of an AI agent, speech IVR or omnichannel.",
    },
)
describe(
    RateUnit,
    "What a rate is the price of.",
    {
        "MINUTE": "60 seconds of a call.",
        "SEGMENT": "A segment of a message.",
        "PAGE": "A page of a fax.",
        "SESSION": "A session.",
    },
)
describe(
    WalletKind,
    "The kinds of credits an office may have.",
    {
        "CALLING": "Prepaid calling credits: they pay for calling, messaging and fax, and renew every cycle.",
        "AI_AGENT": "Prepaid AI agent credits: they pay for AI agents and AI routing, and renew every cycle.",
        "UNIVERSAL": "Credits that pay for everything, last of all, and never expire.",
    },
)
describe(
    WalletSource,
    "What paid for usage, in spending order: the plan allowance first, then the service's prepaid credits, then"
    " universal credits.",
    {
        "PLAN": "The plan's allowance for the service: units, not money.",
        "CALLING": "Calling credits.",
        "AI_AGENT": "AI agent credits.",
        "UNIVERSAL": "Universal credits.",
    },
)
describe(
    Cadence,
    "How often something renews.",
    {"MONTHLY": "At the start of every billing cycle.", "ANNUAL": "Every twelve billing cycles."},
    name="BillingCadence",
)
describe(
    AddressKind,
    "What one end of a call, message or fax is.",
    {
        "E164": "A telephone number.",
        "SHORT_CODE": "A short code: a message number of 3 to 8 digits, or an emergency number.",
        "SENDER_NAME": "A name in place of a number, as senders of messages use it.",
        "EXTENSION": "An internal extension of at most 6 digits.",
        "ANONYMOUS": "Withheld, or not reported.",
        "OTHER": "Something else, kept as it was reported.",
    },
    name="TelephonyAddressKind",
)
describe(
    Role,
    "What a token's bearer is.",
    {
        "COMPANY_ADMIN": "Sees and manages every office of the company.",
        "OFFICE_ADMIN": "Sees and manages the offices assigned to him.",
        "PARTNER": "A system that reports usage or reads balances, as far as its scopes allow.",
        "OPERATOR": "Runs Farebox: may enter every company.",
    },
)
describe(
    Permission,
    "What a token allows, within the offices it can see.",
    {
        "VIEW_USAGE": "Read the usage history, its parties and rejected usage.",
        "VIEW_WALLETS": "Read wallets, plan usage and the ledger.",
        "VIEW_RATES": "Read rates.",
        "PURCHASE_CREDITS": "Buy universal credits.",
        "CONFIGURE_AUTO_RECHARGE": "Change auto-recharge.",
        "RECORD_USAGE": "Report usage, and read what was rejected.",
        "SYNC_DIRECTORY": "Bring members, groups and contacts up to date.",
        "REVERSE_USAGE": "Take back a charge.",
        "HOLD_FUNDS": "Authorize usage before it happens, and capture or release what is held.",
        "REFUND_PURCHASES": "Give unspent credits back for money.",
        "ADJUST_WALLETS": "Put a wallet right, with a reason.",
        "SETTLE_INVOICES": "Record that invoices were paid.",
        "VIEW_ACTIVITY": "Read the audit trail.",
        "MANAGE_SETTINGS": "Change the company's settings.",
        "MANAGE_API_KEYS": "Make and revoke API keys.",
        "MANAGE_WEBHOOKS": "Decide which endpoints are told what happens.",
    },
)
describe(
    GroupKind,
    "What a group of members is.",
    {
        "DEPARTMENT": "A department.",
        "CALL_CENTER": "A call center.",
        "COACHING_TEAM": "A coaching team.",
        "OTHER": "Any other group, or one whose kind was not told.",
    },
)
describe(
    PaymentTerms,
    "How an office pays for the credits it buys.",
    {
        "CARD": "By card: credits are added once the money has come in.",
        "INVOICE": "By invoice: credits are added at once.",
    },
)
describe(
    AiAgentMode,
    "How an AI agent worked.",
    {"VOICE": "By voice.", "DIGITAL": "In writing.", "ROUTING": "It passed the conversation on."},
)
describe(
    Encoding,
    "The alphabet a text message was sent in; it decides how many characters fit a segment.",
    {
        "GSM_7": "The GSM alphabet: 160 characters in one segment, 153 in each of several.",
        "UCS_2": "Unicode, for emojis and other scripts: 70 characters in one segment, 67 in each of several.",
    },
    name="MessageEncoding",
)
describe(
    MessageStatus,
    "What became of a message, as last reported. It is charged when accepted, whatever becomes of it.",
    {
        "QUEUED": "Accepted, not yet sent.",
        "SENT": "Handed to the next carrier.",
        "DELIVERED": "Delivered to the recipient.",
        "UNDELIVERED": "Could not be delivered.",
        "FAILED": "Could not be sent.",
        "RECEIVED": "Received by the office.",
        "UNKNOWN": "Not reported.",
    },
)
describe(
    FaxStatus,
    "What became of a fax, as last reported. The pages that went through are billed.",
    {
        "COMPLETED": "All pages went through.",
        "PARTIAL": "Some pages went through.",
        "FAILED": "The fax failed.",
        "UNKNOWN": "Not reported.",
    },
)
describe(
    RejectionCode,
    "Why usage could not be charged. NO_RATE and BLOCKED are kept and can be replayed; the others have to be"
    " corrected and reported again.",
    {
        "NO_RATE": "No rate was in force for this usage.",
        "BLOCKED": "The rate in force blocks the destination.",
        "UNKNOWN_OFFICE": "There is no such office, or it is not the caller's.",
        "BAD_NUMBER": "A number cannot be read.",
        "BAD_QUANTITY": "A duration or count is out of bounds.",
        "EMPTY_MESSAGE": "The text message has no text.",
        "TOO_OLD": "It happened more than ten years ago.",
        "IN_THE_FUTURE": "It is said to have happened more than an hour from now.",
    },
)

__all__ = [
    "AddressKind",
    "AiAgentMode",
    "Cadence",
    "Direction",
    "Encoding",
    "FaxStatus",
    "GroupKind",
    "MessageStatus",
    "PaymentTerms",
    "Permission",
    "RateUnit",
    "RejectionCode",
    "Role",
    "Service",
    "UsageType",
    "UsageUnit",
    "WalletKind",
    "WalletSource",
    "describe",
]
