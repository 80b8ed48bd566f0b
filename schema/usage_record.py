"""One record of the usage history: what was used, what it cost, who paid and why.

Built whole from one joined row. Only what is rarely asked for (sentences, details, the other half of a reversal) is
worked out when selected.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import strawberry

from domain.access import Permission
from domain.catalogue import RATE_UNITS, USAGE_UNITS
from domain.explanation import allocations_of, explain, sources_of
from domain.periods import YearMonth
from domain.rates import Increment
from domain.waterfall import Coverage
from schema.context import Info
from schema.directory import Contact, Group, Member
from schema.ids import IdKind, decode, encode
from schema.loaders import AnyRow
from schema.nodes import Node
from schema.office import Office, office_of_record
from schema.scalars import (
    BigInt,
    BillingIncrement,
    CurrencyCode,
    Decimal,
    Money,
    PhoneNumber,
    Quantity,
    TelephonyAddress,
    billing_increment,
    money,
    rate_amount,
)
from schema.usage_details import UsageDetails, address_from, address_to, details_of
from schema.wallets import Wallet, wallet_of
from schema.words import Direction, GroupKind, RateUnit, Service, UsageType, UsageUnit, WalletKind, WalletSource


@strawberry.enum(description="Whether a charge still stands.")
class UsageRecordState(StrEnum):
    CHARGED = strawberry.enum_value("CHARGED", description="It stands.")  # type: ignore[assignment]
    REVERSED = strawberry.enum_value("REVERSED", description="It was taken back by `reversedBy`.")  # type: ignore[assignment]
    REVERSAL = strawberry.enum_value("REVERSAL", description="It takes back `reverses`.")  # type: ignore[assignment]
