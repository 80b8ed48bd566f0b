"""Offices: who pays for usage, in which cycles, with what."""

from typing import Annotated
from uuid import UUID

import strawberry

from domain.access import Permission
from domain.errors import NotFound
from domain.top_ups import Billing
from persistence.offices import count_offices, read_office_page
from schema.auto_recharge import AutoRecharge, office_auto_recharge
from schema.billing_cycle import BillingCycle, billing_cycle, cycle_count
from schema.connections import After, Before, CountedConnection, First, Last, page, window_of
from schema.context import Context, Info
from schema.cost import sized
from schema.forecasts import SpendForecast, resolve_spend_forecast
from schema.ids import IdKind, decode, encode
from schema.loaders import AnyRow, InMonth, Newest
from schema.nodes import Node
from schema.payment_methods import PaymentMethod, load_payment_method
from schema.purchase_options import CreditPurchaseOptions, purchase_options_of
from schema.scalars import CountryCode, Money, PhoneNumber, TimeZone, money
from schema.search import searchable
from schema.spending_alerts import IncludeDismissed, SpendingAlert, office_alerts
from schema.wallets import Month, PlanUsage, Wallet, office_plan_usage, wallet_of
from schema.words import PaymentTerms

DEFAULT_OFFICE_CYCLES = 24
_BY_NAME = (str, UUID)


async def _phone_numbers(root: "Office", info: Info) -> list[PhoneNumber]:
    rows = await info.context.loaders.office_numbers.load(root.key)
    return [PhoneNumber(row.phone_number) for row in rows]


async def _billing_cycle(root: "Office", info: Info) -> BillingCycle:
    await info.context.renewed()
    cycles = await info.context.loaders.billing_cycles.load(Newest(root.key, 1))
    if not cycles:
        raise NotFound("This office has no billing cycle yet.")
    return billing_cycle(cycles[0], info.context.now)


async def _billing_cycles(
    root: "Office",
    info: Info,
    first: Annotated[int | None, strawberry.argument(description="How many cycles, 0 to 100.")] = DEFAULT_OFFICE_CYCLES,
) -> list[BillingCycle]:
    limit = cycle_count(first, DEFAULT_OFFICE_CYCLES)
    await info.context.renewed()
    cycles = await info.context.loaders.billing_cycles.load(Newest(root.key, limit))
    return [billing_cycle(row, info.context.now) for row in cycles]


async def _wallets(root: "Office", info: Info) -> list[Wallet]:
    context = info.context
    context.viewer.require(Permission.VIEW_WALLETS)
    await context.renewed()
    rows = await context.loaders.wallets_of_office.load(root.key)
    return [wallet_of(row, context.now) for row in rows]


async def _plan_usage(root: "Office", info: Info, month: Month = None) -> list[PlanUsage]:
    return await office_plan_usage(info.context, InMonth(root.key, month.number if month else None))


async def _billing(context: Context, office_id: UUID) -> Billing:
    context.viewer.require(Permission.VIEW_WALLETS)
    billing = await context.loaders.billings.load(office_id)
    if billing is None:
        raise NotFound("This office is no longer there.")
    return billing


async def _payment_method(root: "Office", info: Info) -> PaymentMethod | None:
    card = (await _billing(info.context, root.key)).card
    is_by_card = root.payment_terms is PaymentTerms.CARD
    return await load_payment_method(info.context, card.id) if card and is_by_card else None


async def _invoice_limit_remaining(root: "Office", info: Info) -> Money | None:
    billing = await _billing(info.context, root.key)
    if billing.payment_terms is not PaymentTerms.INVOICE:
        return None
    return money(max(0, billing.invoice_limit_micros - billing.owed_micros), billing.currency)


async def _purchase_options(root: "Office", info: Info) -> CreditPurchaseOptions:
    return purchase_options_of(await _billing(info.context, root.key))


async def _auto_recharge(root: "Office", info: Info) -> AutoRecharge:
    recharge = await office_auto_recharge(info.context, root.key)
    if recharge is None:
        raise NotFound("This office is no longer there.")
    return recharge


async def _spending_alerts(
    root: "Office", info: Info, include_dismissed: IncludeDismissed = False
) -> list[SpendingAlert]:
    return await office_alerts(info.context, root.key, include_dismissed=bool(include_dismissed))


async def _can_spend(root: "Office", info: Info) -> bool:
    context = info.context
    if not context.may(Permission.HOLD_FUNDS):
        context.viewer.require(Permission.VIEW_WALLETS)
    await context.renewed()
    return await context.loaders.can_spend.load(root.key)


def _can_purchase(root: "Office", info: Info) -> bool:
    return info.context.may(Permission.PURCHASE_CREDITS)


def _can_configure_auto_recharge(root: "Office", info: Info) -> bool:
    return info.context.may(Permission.CONFIGURE_AUTO_RECHARGE)


@strawberry.type(
    description="A part of a company that pays for its own usage: it has wallets, a plan and billing cycles of its own."
)
class Office(Node):
    key: strawberry.Private[UUID]
    slug: str = strawberry.field(description="Its short name in tokens and files; unique within the company.")
    name: str = strawberry.field(description="Its name.")
    time_zone: TimeZone = strawberry.field(description="Its time zone: its billing cycles start at local midnight.")
    region_code: CountryCode = strawberry.field(
        description="Its country or region: numbers without a country calling code are read as numbers of it."
    )
    phone_numbers: list[PhoneNumber] = strawberry.field(
        resolver=_phone_numbers, description="Its own numbers; calls within their area codes are LOCAL."
    )
    anchor_day: int = strawberry.field(
        description="The day of the month on which its billing cycles start, 1 to 31; in shorter months the last"
        " day. A change counts from the end of the current cycle."
    )
    payment_terms: PaymentTerms = strawberry.field(description="How it pays for the credits it buys.")
    payment_method: PaymentMethod | None = strawberry.field(
        resolver=_payment_method,
        description="The saved card. Null when none is saved, and for an office that pays by invoice.",
    )
    invoice_limit_remaining: Money | None = strawberry.field(
        resolver=_invoice_limit_remaining,
        description="What an office that pays by invoice may still buy, tax included, before it has to pay one. Null"
        " for an office that pays by card.",
    )
    billing_cycle: BillingCycle = strawberry.field(resolver=_billing_cycle, description="The current cycle.")
    billing_cycles: list[BillingCycle] = strawberry.field(
        directives=[sized(24, "first")],
        resolver=_billing_cycles,
        description='Its cycles so far, the current one first: the choices of the history\'s filter "Month".',
    )
    wallets: list[Wallet] = strawberry.field(
        directives=[sized(4)],
        resolver=_wallets,
        description="Its wallets: calling credits, AI agent credits, universal credits.",
    )
    plan_usage: list[PlanUsage] = strawberry.field(
        directives=[sized(5)],
        resolver=_plan_usage,
        description="What its plan includes in a billing cycle and how much of it is used, one row a service.",
    )
    auto_recharge: AutoRecharge = strawberry.field(resolver=_auto_recharge, description="Its auto-recharge, on or off.")
    spending_alerts: list[SpendingAlert] = strawberry.field(
        directives=[sized(5)],
        resolver=_spending_alerts,
        description="What somebody should know about its spending, last raised first: the banner.",
    )
    spend_forecast: SpendForecast | None = strawberry.field(
        resolver=resolve_spend_forecast,
        description="What the current cycle will have cost if usage goes on as of late. Null during the first three"
        " days of usage.",
    )
    can_spend: bool = strawberry.field(
        resolver=_can_spend,
        description="True while usage that has not happened yet would be granted: the office is not suspended, and"
        " something is left above what holds keep. Usage that has happened is charged either way.",
    )
    purchase_options: CreditPurchaseOptions = strawberry.field(
        resolver=_purchase_options, description="What may be bought for it, and the tax on it."
    )
    can_purchase: bool = strawberry.field(
        resolver=_can_purchase, description="Whether the caller may buy credits for it."
    )
    can_configure_auto_recharge: bool = strawberry.field(
        resolver=_can_configure_auto_recharge, description="Whether the caller may change its auto-recharge."
    )


def office_of(row: AnyRow) -> Office:
    return Office(
        id=encode(IdKind.OFFICE, row.id),
        key=row.id,
        slug=row.slug,
        name=row.name,
        time_zone=TimeZone(row.time_zone),
        region_code=CountryCode(row.region_code),
        anchor_day=row.anchor_day,
        payment_terms=PaymentTerms(row.payment_terms),
    )


def office_of_record(row: AnyRow) -> Office:
    """The office of a row of history, which carries what is shown of it."""
    return Office(
        id=encode(IdKind.OFFICE, row.office_id),
        key=row.office_id,
        slug=row.office_slug,
        name=row.office_name,
        time_zone=TimeZone(row.office_time_zone),
        region_code=CountryCode(row.office_region_code),
        anchor_day=row.office_anchor_day,
        payment_terms=PaymentTerms(row.office_payment_terms),
    )


@strawberry.type(description="A page of offices, by name.")
class OfficeConnection(CountedConnection[Office]):
    pass


async def resolve_offices(
    info: Info,
    search: Annotated[
        str | None, strawberry.argument(description="Part of the name or slug, in small or capital letters.")
    ] = None,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
) -> OfficeConnection:
    context = info.context
    search = searchable(search, "search")
    seal = context.cursors(_BY_NAME, "offices", search)
    window = window_of(seal, first=first, after=after, last=last, before=before)
    found = await read_office_page(context.database, context.scope, search=search, window=window)
    return OfficeConnection(
        count=lambda: count_offices(context.database, context.scope, search=search),
        **page(seal, window, found, map(office_of, found.rows), lambda row: (row.sort_name, row.id)),
    )


async def resolve_office(
    info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Its id.")]
) -> Office | None:
    value = decode(IdKind.OFFICE, id)
    row = await info.context.loaders.offices.load(value) if value else None
    return office_of(row) if row else None
