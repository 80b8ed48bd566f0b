"""What a company is meant to look like: the plan that `apply` compares with what is stored; its directory.

A plan is data and nothing else. It names offices by slug, members and groups by the phone system's own ids
(R17). What a change of plan does to a running cycle is decided elsewhere; here it only says whether it may be
at once (R8).
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from domain.catalogue import Cadence, Service, UsageType, WalletKind
from domain.money import MICROS_PER_UNIT, Currency, Micros

SLUG_PATTERN = r"[a-z0-9-]{1,63}"
MAX_NAME_CHARACTERS = 200
MAX_EMAIL_CHARACTERS = 254
MAX_ANCHOR_DAY = 31
MAX_LATE_USAGE_HOURS = 744
MAX_RISE_PERCENT = 1_000
MAX_COMMITMENT_MICROS = 1_000_000_000 * MICROS_PER_UNIT
MAX_OPENING_CREDITS_MICROS = 1_000_000_000 * MICROS_PER_UNIT
MAX_ALERT_MINIMUM_MICROS = 1_000_000 * MICROS_PER_UNIT
MAX_PURCHASE_MICROS = 1_000_000 * MICROS_PER_UNIT
MAX_PURCHASE_DAILY_MICROS = 1_000_000_000 * MICROS_PER_UNIT
MAX_INVOICE_LIMIT_MICROS = 1_000_000_000 * MICROS_PER_UNIT
MAX_PURCHASE_PRESETS = 20
MAX_HOLD_GRANT_MINUTES = 1_440
MAX_ALLOWANCE_QUANTITY = 1_000_000_000
MAX_TAX_RATE_MICROS = 1_000_000
"""The whole of a purchase: 100 %."""

DEFAULT_LATE_USAGE_HOURS = 72
DEFAULT_RISE_PERCENT = 25
DEFAULT_ALERT_MINIMUM_MICROS = 10 * MICROS_PER_UNIT
DEFAULT_TAX_NAME = "Tax"
DEFAULT_PURCHASE_MINIMUM_MICROS = 5 * MICROS_PER_UNIT
DEFAULT_PURCHASE_MAXIMUM_MICROS = 2_000 * MICROS_PER_UNIT
DEFAULT_PURCHASE_DAILY_MICROS = 5_000 * MICROS_PER_UNIT
DEFAULT_PURCHASE_PRESETS = tuple(amount * MICROS_PER_UNIT for amount in (20, 50, 100, 200, 500))
DEFAULT_INVOICE_LIMIT_MICROS = 250 * MICROS_PER_UNIT
DEFAULT_HOLD_GRANT_SECONDS = 600

COMMITMENT_KINDS = (WalletKind.CALLING, WalletKind.AI_AGENT)
"""The families a company can commit to; universal credits are bought, not committed (R24)."""


class PaymentTerms(StrEnum):
    """How an office pays for universal credits: by card beforehand, or by invoice afterwards (R29, R31)."""

    CARD = "CARD"
    INVOICE = "INVOICE"


class GroupKind(StrEnum):
    DEPARTMENT = "DEPARTMENT"
    CALL_CENTER = "CALL_CENTER"
    COACHING_TEAM = "COACHING_TEAM"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowancePlan:
    """What the plan includes of one service, every month (R8, R25). At most one a service."""

    service: Service
    quantity: int
    """Seconds, segments, pages or sessions, by the service; 0 takes the allowance away."""
    usage_types: tuple[UsageType, ...]
    """What it covers, in the catalogue's order; never empty."""
    is_immediate: bool = False
    """False: from the next cycle on. A raise may be at once; a cut always waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentPlan:
    """Prepaid credits of one family, granted at each cycle's start (R8). At most one a kind."""

    kind: WalletKind
    """CALLING or AI_AGENT."""
    amount_micros: Micros
    """Per cadence; 0 ends the commitment."""
    cadence: Cadence
    is_immediate: bool = False
    """False: from the next cycle on. A raise may be at once; a cut always waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficePlan:
    slug: str
    name: str
    time_zone: str
    """IANA name; billing cycles start at its local midnight (R6)."""
    region: str
    """ISO 3166 code, upper case; national numbers are read as its numbers (R16)."""
    phone_numbers: tuple[str, ...] = ()
    """E.164, the office's own: their area codes make a call LOCAL (R16)."""
    anchor_day: int = 1
    """1 to 31, clamped to the month's end (R6)."""
    opened_on: date | None = None
    """The first billing cycle is the one containing this local day; None: the day the office is created."""
    payment_terms: PaymentTerms = PaymentTerms.CARD
    tax_name: str = DEFAULT_TAX_NAME
    tax_rate_micros: int = 0
    """Millionths of the net amount: 8.875 % is 88_750 (R30)."""
    decks: tuple[str, ...] = ()
    """Rate decks that count here, the first named wins a tie; empty: the company's (R18)."""
    allowances: tuple[AllowancePlan, ...] = ()
    commitments: tuple[CommitmentPlan, ...] = ()
    opening_credits_micros: Micros = 0
    """Universal credits the office brings along: posted once, from `contract`, when the office is created."""
    is_suspended: bool = False
    """Nothing that has not happened yet is granted; usage that happened is charged all the same (R26, R27)."""
    invoice_limit_micros: Micros | None = None
    """What it may owe on invoices; None: the company's limit (R31)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryMember:
    external_id: str
    name: str
    email: str | None = None
    office: str | None = None
    """Slug."""
    is_active: bool = True
    group_external_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryGroup:
    external_id: str
    name: str
    kind: GroupKind = GroupKind.OTHER
    office: str | None = None
    """Slug."""
    is_active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryContact:
    external_id: str
    name: str
    phone_numbers: tuple[str, ...] = ()
    """E.164."""
    is_active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyPlan:
    slug: str
    name: str
    currency: Currency
    domestic_regions: tuple[str, ...]
    """ISO 3166 codes, upper case; never empty. A call outside them is INTERNATIONAL (R16)."""
    late_usage_hours: int = DEFAULT_LATE_USAGE_HOURS
    """How long a cycle stays open after its end (R10)."""
    spending_alert_rise_percent: int = DEFAULT_RISE_PERCENT
    spending_alert_minimum_micros: Micros = DEFAULT_ALERT_MINIMUM_MICROS
    """Both must be reached before a rise is an alert (R38)."""
    decks: tuple[str, ...] = ()
    """Rate decks that count in offices that name none; empty: all (R18)."""
    purchase_minimum_micros: Micros = DEFAULT_PURCHASE_MINIMUM_MICROS
    purchase_maximum_micros: Micros = DEFAULT_PURCHASE_MAXIMUM_MICROS
    purchase_daily_micros: Micros = DEFAULT_PURCHASE_DAILY_MICROS
    """Bounds of one purchase, and of an office's purchases in one local day; net of tax."""
    purchase_presets: tuple[Micros, ...] = DEFAULT_PURCHASE_PRESETS
    """Amounts to choose from."""
    invoice_limit_micros: Micros = DEFAULT_INVOICE_LIMIT_MICROS
    """What an invoiced office may owe, tax included (R31)."""
    hold_grant_seconds: int = DEFAULT_HOLD_GRANT_SECONDS
    """The most that one authorization of a call grants at once (R27)."""
    offices: tuple[OfficePlan, ...] = ()
    members: tuple[DirectoryMember, ...] = ()
    groups: tuple[DirectoryGroup, ...] = ()
    contacts: tuple[DirectoryContact, ...] = ()
