"""Ids as the world outside has them: a short prefix that names the type, and 32 lower-case hex digits (`use_0192…`).

Opaque to callers, yet plain enough that both databases can build them in SQL. GraphQL, exports and webhooks use the
same.
"""

from enum import StrEnum
from uuid import UUID


class IdKind(StrEnum):
    """The type an id is of, by its prefix."""

    VIEWER = "viw"
    COMPANY = "com"
    OFFICE = "off"
    MEMBER = "mem"
    GROUP = "grp"
    CONTACT = "con"
    WALLET = "wal"
    PLAN_USAGE = "plu"
    USAGE_RECORD = "use"
    RATE = "rat"
    RATE_CARD = "crd"
    REJECTED_USAGE = "rej"
    POSTING = "pos"
    HOLD = "hld"
    ACTIVITY = "act"
    TOP_UP = "top"
    PAYMENT_METHOD = "pay"
    CARD_SETUP = "set"
    AUTO_RECHARGE = "aut"
    """Its value is the office's."""
    SPENDING_ALERT = "alr"
    API_KEY = "key"
    WEBHOOK_ENDPOINT = "hoo"
    WEBHOOK_DELIVERY = "del"


def public_id(kind: IdKind, value: UUID) -> str:
    return f"{kind.value}_{value.hex}"
