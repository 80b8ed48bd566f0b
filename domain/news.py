"""News: what a partner's endpoint is told, by topic. Written down with what it tells, delivered afterwards.

Which endpoints are told is decided when the books are saved; a rule only says what happened.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from domain.money import Micros, decimal_text


class Topic(StrEnum):
    WALLET_LOW = "WALLET_LOW"
    RECHARGE_SETTLED = "RECHARGE_SETTLED"
    RECHARGE_DECLINED = "RECHARGE_DECLINED"
    RECHARGE_SKIPPED = "RECHARGE_SKIPPED"
    RECHARGE_SWITCHED_OFF = "RECHARGE_SWITCHED_OFF"
    CREDITS_PURCHASED = "CREDITS_PURCHASED"
    ALERT_RAISED = "ALERT_RAISED"
    USAGE_REJECTED = "USAGE_REJECTED"

    @property
    def type_name(self) -> str:
        """The `type` of its messages, as Standard Webhooks writes them: `recharge.switched_off`."""
        return self.value.lower().replace("_", ".", 1)


class News(NamedTuple):
    """One thing that happened to one office; when and to whom is known where it is written down."""

    topic: Topic
    facts: Mapping[str, Any]
    """The `data` of the message besides the office: JSON values, named as GraphQL names them, money as
    `{"amount": "12.500000", "currencyCode": "USD"}`, ids as `domain.public_ids` writes them."""


def money_fact(micros: Micros, currency: str) -> dict[str, str]:
    return {"amount": decimal_text(micros), "currencyCode": str(currency)}


def moment_fact(moment: datetime | None) -> str | None:
    """As GraphQL writes a DateTime: UTC with `Z`."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
