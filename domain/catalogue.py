"""What can be charged and what can pay for it: services, usage types, units, and the waterfall's mapping as data.

The words are the product page's (Credits & Usage); R14, R15 and R24 are the rules they come from.
"""

from enum import StrEnum
from types import MappingProxyType


class Service(StrEnum):
    CALLING = "CALLING"
    MESSAGING = "MESSAGING"
    SPEECH_IVR = "SPEECH_IVR"
    OMNICHANNEL = "OMNICHANNEL"
    FAX = "FAX"
    AI_AGENT = "AI_AGENT"


class UsageType(StrEnum):
    LOCAL = "LOCAL"
    DOMESTIC = "DOMESTIC"
    INTERNATIONAL = "INTERNATIONAL"
    TOLL_FREE = "TOLL_FREE"
    PREMIUM = "PREMIUM"
    P2P_SMS = "P2P_SMS"
    A2P_SMS = "A2P_SMS"
    P2P_MMS = "P2P_MMS"
    A2P_MMS = "A2P_MMS"
    FAX_SENT = "FAX_SENT"
    FAX_RECEIVED = "FAX_RECEIVED"
    VOICE_AI = "VOICE_AI"
    DIGITAL_AI = "DIGITAL_AI"
    AI_ROUTING = "AI_ROUTING"
    SPEECH_IVR = "SPEECH_IVR"
    OMNICHANNEL = "OMNICHANNEL"


class Direction(StrEnum):
    INBOUND = "INBOUND"
    OUTBOUND = "OUTBOUND"


class UsageUnit(StrEnum):
    """What a quantity counts."""

    SECOND = "SECOND"
    SEGMENT = "SEGMENT"
    PAGE = "PAGE"
    SESSION = "SESSION"


class RateUnit(StrEnum):
    """What a rate is the price of."""

    MINUTE = "MINUTE"
    SEGMENT = "SEGMENT"
    PAGE = "PAGE"
    SESSION = "SESSION"


class WalletKind(StrEnum):
    CALLING = "CALLING"
    AI_AGENT = "AI_AGENT"
    UNIVERSAL = "UNIVERSAL"


class WalletSource(StrEnum):
    """What paid: the plan allowance or one kind of wallet. Declared in spending order (R24)."""

    PLAN = "PLAN"
    CALLING = "CALLING"
    AI_AGENT = "AI_AGENT"
    UNIVERSAL = "UNIVERSAL"


class Cadence(StrEnum):
    MONTHLY = "MONTHLY"
    ANNUAL = "ANNUAL"


USAGE_TYPES = MappingProxyType(
    {
        Service.CALLING: (
            UsageType.LOCAL,
            UsageType.DOMESTIC,
            UsageType.INTERNATIONAL,
            UsageType.TOLL_FREE,
            UsageType.PREMIUM,
        ),
        Service.MESSAGING: (UsageType.P2P_SMS, UsageType.A2P_SMS, UsageType.P2P_MMS, UsageType.A2P_MMS),
        Service.SPEECH_IVR: (UsageType.SPEECH_IVR,),
        Service.OMNICHANNEL: (UsageType.OMNICHANNEL,),
        Service.FAX: (UsageType.FAX_SENT, UsageType.FAX_RECEIVED),
        Service.AI_AGENT: (UsageType.VOICE_AI, UsageType.DIGITAL_AI, UsageType.AI_ROUTING),
    }
)
"""The usage types of each service (R15)."""

USAGE_UNITS = MappingProxyType(
    {
        Service.CALLING: UsageUnit.SECOND,
        Service.MESSAGING: UsageUnit.SEGMENT,
        Service.SPEECH_IVR: UsageUnit.SESSION,
        Service.OMNICHANNEL: UsageUnit.SESSION,
        Service.FAX: UsageUnit.PAGE,
        Service.AI_AGENT: UsageUnit.SESSION,
    }
)
"""The unit in which each service is billed and its allowance counted (R14)."""

RATE_UNITS = MappingProxyType(
    {
        UsageUnit.SECOND: RateUnit.MINUTE,
        UsageUnit.SEGMENT: RateUnit.SEGMENT,
        UsageUnit.PAGE: RateUnit.PAGE,
        UsageUnit.SESSION: RateUnit.SESSION,
    }
)

UNITS_PER_RATE = MappingProxyType({UsageUnit.SECOND: 60, UsageUnit.SEGMENT: 1, UsageUnit.PAGE: 1, UsageUnit.SESSION: 1})
"""How many units of usage one rate pays for: calls are counted in seconds and priced by the minute."""

COMMITMENT_OF = MappingProxyType(
    {
        Service.CALLING: WalletKind.CALLING,
        Service.MESSAGING: WalletKind.CALLING,
        Service.FAX: WalletKind.CALLING,
        Service.AI_AGENT: WalletKind.AI_AGENT,
    }
)
"""The commitment that pays for a service (R24). Speech IVR and omnichannel have none."""

DEFAULT_COVERAGE = MappingProxyType({**USAGE_TYPES, Service.CALLING: (UsageType.LOCAL, UsageType.DOMESTIC)})
"""The usage types an allowance covers unless it says otherwise (R25)."""

ALLOWANCE_SERVICES = (
    Service.CALLING,
    Service.MESSAGING,
    Service.SPEECH_IVR,
    Service.OMNICHANNEL,
    Service.FAX,
)
"""The five rows of the page's plan usage table, in its order; AI agent usage has no allowance."""

WALLET_NAMES = MappingProxyType(
    {
        WalletKind.CALLING: "Calling credits",
        WalletKind.AI_AGENT: "AI agent credits",
        WalletKind.UNIVERSAL: "Universal credits",
    }
)
"""Names as the product page writes them."""
