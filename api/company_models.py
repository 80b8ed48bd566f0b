"""The keys of a company file, section by section, and how each section becomes part of the plan.

A key left empty counts as absent; a key that is not listed here is refused. docs/files.md shows them all.
"""

from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from api.company_scalars import (
    CadenceName,
    CommitmentKind,
    CurrencyCode,
    Day,
    Email,
    ExternalId,
    Flag,
    Immediately,
    Kind,
    Name,
    PhoneNumber,
    Region,
    ServiceName,
    Slug,
    TaxRate,
    Terms,
    TimeZone,
    UsageTypeName,
    money,
    whole,
)
from domain.catalogue import (
    ALLOWANCE_SERVICES,
    DEFAULT_COVERAGE,
    USAGE_TYPES,
    USAGE_UNITS,
    Service,
    UsageUnit,
)
from domain.errors import InvalidInput
from domain.money import Micros, decimal_text, minor_units
from domain.provisioning import (
    DEFAULT_ALERT_MINIMUM_MICROS,
    DEFAULT_HOLD_GRANT_SECONDS,
    DEFAULT_INVOICE_LIMIT_MICROS,
    DEFAULT_LATE_USAGE_HOURS,
    DEFAULT_PURCHASE_DAILY_MICROS,
    DEFAULT_PURCHASE_MAXIMUM_MICROS,
    DEFAULT_PURCHASE_MINIMUM_MICROS,
    DEFAULT_PURCHASE_PRESETS,
    DEFAULT_RISE_PERCENT,
    DEFAULT_TAX_NAME,
    MAX_ALERT_MINIMUM_MICROS,
    MAX_ALLOWANCE_QUANTITY,
    MAX_ANCHOR_DAY,
    MAX_COMMITMENT_MICROS,
    MAX_HOLD_GRANT_MINUTES,
    MAX_INVOICE_LIMIT_MICROS,
    MAX_LATE_USAGE_HOURS,
    MAX_OPENING_CREDITS_MICROS,
    MAX_PURCHASE_DAILY_MICROS,
    MAX_PURCHASE_MICROS,
    MAX_PURCHASE_PRESETS,
    MAX_RISE_PERCENT,
    AllowancePlan,
    CommitmentPlan,
    DirectoryContact,
    DirectoryGroup,
    DirectoryMember,
    GroupKind,
    OfficePlan,
    PaymentTerms,
)

SECONDS_PER_MINUTE = 60

_QUANTITY_KEYS = {
    UsageUnit.SECOND: ("minutes", "seconds"),
    UsageUnit.SEGMENT: ("segments",),
    UsageUnit.PAGE: ("pages",),
    UsageUnit.SESSION: ("sessions",),
}

Quantity = Annotated[int, whole(0, MAX_ALLOWANCE_QUANTITY)]
InvoiceLimit = Annotated[Micros, money(MAX_INVOICE_LIMIT_MICROS)]
Minutes = Annotated[int, whole(0, MAX_ALLOWANCE_QUANTITY // SECONDS_PER_MINUTE)]


def _has_an_allowance(service: Service) -> Service:
    if service not in ALLOWANCE_SERVICES:
        raise ValueError("AI agent usage has no allowance: an AI_AGENT commitment pays for it, then universal credits.")
    return service


class Section(BaseModel):
    """One mapping of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_empty_keys(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None or key not in cls.model_fields}


class AlertSection(Section):
    rise_percent: Annotated[int, whole(1, MAX_RISE_PERCENT)] = DEFAULT_RISE_PERCENT
    minimum: Annotated[Micros, money(MAX_ALERT_MINIMUM_MICROS)] = DEFAULT_ALERT_MINIMUM_MICROS


class PurchaseSection(Section):
    """Bounds of what an office buys, net of tax (R29)."""

    minimum: Annotated[Micros, money(MAX_PURCHASE_MICROS)] = DEFAULT_PURCHASE_MINIMUM_MICROS
    maximum: Annotated[Micros, money(MAX_PURCHASE_MICROS)] = DEFAULT_PURCHASE_MAXIMUM_MICROS
    per_day: Annotated[Micros, money(MAX_PURCHASE_DAILY_MICROS)] = DEFAULT_PURCHASE_DAILY_MICROS
    presets: tuple[Annotated[Micros, money(MAX_PURCHASE_MICROS)], ...] | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.minimum == 0:
            raise ValueError("minimum must be more than nothing.")
        if not self.minimum <= self.maximum <= self.per_day:
            told = [f"{name} {_plain(value)}" for name, value in self.bounds().items()]
            raise ValueError(f"{', '.join(told)}: none may be less than the one before it.")
        if len(self.presets or ()) > MAX_PURCHASE_PRESETS:
            raise ValueError(f"presets: name at most {MAX_PURCHASE_PRESETS}.")
        beyond = [preset for preset in self.presets or () if not self.minimum <= preset <= self.maximum]
        if beyond:
            raise ValueError(
                f"presets: {_plain(beyond[0])} is not from {_plain(self.minimum)} to {_plain(self.maximum)}."
            )
        return self

    def bounds(self) -> dict[str, Micros]:
        return {"minimum": self.minimum, "maximum": self.maximum, "per_day": self.per_day}

    @property
    def offered(self) -> tuple[Micros, ...]:
        """The presets; where none are named, those of the defaults that are within bounds."""
        if self.presets is not None:
            return self.presets
        return tuple(amount for amount in DEFAULT_PURCHASE_PRESETS if self.minimum <= amount <= self.maximum)


class HoldSection(Section):
    grant_minutes: Annotated[int, whole(1, MAX_HOLD_GRANT_MINUTES)] = DEFAULT_HOLD_GRANT_SECONDS // SECONDS_PER_MINUTE


def _plain(micros: Micros) -> str:
    """As it would be written in the file."""
    return decimal_text(micros).rstrip("0").rstrip(".")


class CompanySection(Section):
    slug: Slug
    name: Name
    currency: CurrencyCode
    domestic_regions: Annotated[tuple[Region, ...], Field(min_length=1)]
    late_usage_hours: Annotated[int, whole(0, MAX_LATE_USAGE_HOURS)] = DEFAULT_LATE_USAGE_HOURS
    spending_alerts: AlertSection = AlertSection()
    decks: tuple[Name, ...] = ()
    purchases: PurchaseSection = PurchaseSection()
    invoice_limit: InvoiceLimit = DEFAULT_INVOICE_LIMIT_MICROS
    holds: HoldSection = HoldSection()

    @model_validator(mode="after")
    def _purchases_fit_the_currency(self) -> Self:
        """What a card pays is whole minor units (R3)."""
        named = [*self.purchases.bounds().items(), *(("presets", preset) for preset in self.purchases.offered)]
        for name, micros in named:
            try:
                minor_units(micros, self.currency)
            except InvalidInput as error:
                raise ValueError(f"purchases.{name}: {error.message}") from None
        return self


class AllowanceSection(Section):
    service: Annotated[ServiceName, AfterValidator(_has_an_allowance)]
    minutes: Minutes | None = None
    seconds: Quantity | None = None
    segments: Quantity | None = None
    pages: Quantity | None = None
    sessions: Quantity | None = None
    usage_types: tuple[UsageTypeName, ...] | None = None
    effective: Immediately = False

    @model_validator(mode="after")
    def _fits_the_service(self) -> Self:
        wanted = _QUANTITY_KEYS[USAGE_UNITS[self.service]]
        keys = [key for keys in _QUANTITY_KEYS.values() for key in keys if getattr(self, key) is not None]
        if len(keys) != 1 or keys[0] not in wanted:
            raise ValueError(f"say how much is included with exactly one key: {' or '.join(wanted)}.")
        known = USAGE_TYPES[self.service]
        if self.usage_types is not None and not (self.usage_types and set(self.usage_types) <= set(known)):
            raise ValueError(f"usage_types of {self.service} are among {', '.join(known)}.")
        return self

    def plan(self) -> AllowancePlan:
        quantities = (self.seconds, self.segments, self.pages, self.sessions)
        quantity = next((quantity for quantity in quantities if quantity is not None), 0)
        chosen = self.usage_types or DEFAULT_COVERAGE[self.service]
        return AllowancePlan(
            service=self.service,
            quantity=quantity if self.minutes is None else self.minutes * SECONDS_PER_MINUTE,
            usage_types=tuple(known for known in USAGE_TYPES[self.service] if known in chosen),
            is_immediate=self.effective,
        )


class CommitmentSection(Section):
    kind: CommitmentKind
    amount: Annotated[Micros, money(MAX_COMMITMENT_MICROS)]
    cadence: CadenceName
    effective: Immediately = False

    def plan(self) -> CommitmentPlan:
        return CommitmentPlan(
            kind=self.kind, amount_micros=self.amount, cadence=self.cadence, is_immediate=self.effective
        )


class TaxSection(Section):
    name: Name = DEFAULT_TAX_NAME
    percent: TaxRate


class OfficeSection(Section):
    slug: Slug
    name: Name
    time_zone: TimeZone
    region: Region
    phone_numbers: tuple[PhoneNumber, ...] = ()
    anchor_day: Annotated[int, whole(1, MAX_ANCHOR_DAY)] = 1
    since: Day | None = None
    payment_terms: Terms = PaymentTerms.CARD
    tax: TaxSection | None = None
    decks: tuple[Name, ...] = ()
    allowances: tuple[AllowanceSection, ...] = ()
    commitments: tuple[CommitmentSection, ...] = ()
    opening_credits: Annotated[Micros, money(MAX_OPENING_CREDITS_MICROS)] = 0
    is_suspended: Flag = False
    invoice_limit: InvoiceLimit | None = None

    def plan(self) -> OfficePlan:
        return OfficePlan(
            slug=self.slug,
            name=self.name,
            time_zone=self.time_zone,
            region=self.region,
            phone_numbers=self.phone_numbers,
            anchor_day=self.anchor_day,
            opened_on=self.since,
            payment_terms=self.payment_terms,
            tax_name=self.tax.name if self.tax else DEFAULT_TAX_NAME,
            tax_rate_micros=self.tax.percent if self.tax else 0,
            decks=self.decks,
            allowances=tuple(allowance.plan() for allowance in self.allowances),
            commitments=tuple(commitment.plan() for commitment in self.commitments),
            opening_credits_micros=self.opening_credits,
            is_suspended=self.is_suspended,
            invoice_limit_micros=self.invoice_limit,
        )


class GroupSection(Section):
    external_id: ExternalId
    name: Name
    kind: Kind = GroupKind.OTHER
    office: Slug | None = None
    is_active: Flag = True

    def plan(self) -> DirectoryGroup:
        return DirectoryGroup(**self.model_dump())


class MemberSection(Section):
    external_id: ExternalId
    name: Name
    email: Email | None = None
    office: Slug | None = None
    groups: tuple[ExternalId, ...] = ()
    is_active: Flag = True

    def plan(self) -> DirectoryMember:
        return DirectoryMember(**self.model_dump(exclude={"groups"}), group_external_ids=self.groups)


class ContactSection(Section):
    external_id: ExternalId
    name: Name
    phone_numbers: tuple[PhoneNumber, ...] = ()
    is_active: Flag = True

    def plan(self) -> DirectoryContact:
        return DirectoryContact(**self.model_dump())


class DirectorySection(Section):
    groups: tuple[GroupSection, ...] = ()
    members: tuple[MemberSection, ...] = ()
    contacts: tuple[ContactSection, ...] = ()


class CompanyFile(Section):
    """The whole file."""

    company: CompanySection
    offices: tuple[OfficeSection, ...]
    directory: DirectorySection = DirectorySection()
