"""What an office can spend: wallets with their cycles, plan usage, and both summed over a company."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry

from domain.access import Permission
from domain.catalogue import ALLOWANCE_SERVICES, USAGE_UNITS, WALLET_NAMES
from domain.errors import InvalidInput, NotFound
from domain.periods import YearMonth
from persistence.offices import count_offices
from persistence.overview import read_wallets
from schema.billing_cycle import BillingCycle, billing_cycle, cycle_count
from schema.context import Context, Info
from schema.cost import sized
from schema.forecasts import WalletForecast, resolve_wallet_forecast
from schema.ids import IdKind, decode, encode
from schema.loaders import AnyRow, InMonth, Newest
from schema.nodes import Node
from schema.scalars import BigInt, Decimal, Money, money, percent
from schema.words import Service, UsageType, UsageUnit, WalletKind

if TYPE_CHECKING:
    from schema.auto_recharge import AutoRecharge
    from schema.office import Office

MAX_WALLET_OFFICES = 100
DEFAULT_WALLET_CYCLES = 12

LazyOffice = Annotated["Office", strawberry.lazy("schema.office")]
Month = Annotated[
    YearMonth | None,
    strawberry.argument(description="The billing cycle with this label; the current one when left out."),
]


async def _office_of(root: "Wallet | PlanUsage", info: Info) -> "Office":
    from schema.office import office_of  # the two files describe each other's fields

    row = await info.context.loaders.offices.load(root.row.office_id)
    if row is None:
        raise NotFound("This office is no longer there.")
    return office_of(row)


async def _auto_recharge(root: "Wallet", info: Info) -> "AutoRecharge | None":
    from schema.auto_recharge import office_auto_recharge  # a top-up shows its wallet, and a recharge its last top-up

    return await office_auto_recharge(info.context, root.row.office_id) if root.kind is WalletKind.UNIVERSAL else None


async def _cycles_of(
    root: "Wallet",
    info: Info,
    first: Annotated[int | None, strawberry.argument(description="How many cycles, 0 to 100.")] = DEFAULT_WALLET_CYCLES,
) -> list["WalletCycle"]:
    limit = cycle_count(first, DEFAULT_WALLET_CYCLES)
    rows = await info.context.loaders.wallet_cycles.load(Newest(root.row.id, limit))
    return [_wallet_cycle(row, info.context.now) for row in rows]


@strawberry.type(description="What one wallet held and paid in one of its cycles.")
class WalletCycle:
    cycle: BillingCycle = strawberry.field(description="The wallet's own cycle; for universal credits the office's.")
    committed: Money | None = strawberry.field(
        description="What was granted at the cycle's start. Null for universal credits."
    )
    spent: Money = strawberry.field(description="What it paid for usage charged to this cycle.")
    expired: Money = strawberry.field(
        description="What was left when the cycle closed, and expired. Always zero for universal credits."
    )
    balance: Money = strawberry.field(
        description="What is left of the cycle's grant, adjustments included; for universal credits, what there was at"
        " the cycle's end, or is now."
    )


@strawberry.type(
    description="One kind of credits of one office. A charge is paid by the plan allowance first, then by the"
    " service's prepaid credits, then by universal credits."
)
class Wallet(Node):
    row: strawberry.Private[AnyRow]
    office: LazyOffice = strawberry.field(resolver=_office_of, description="The office whose credits these are.")
    kind: WalletKind = strawberry.field(description="Which credits.")
    name: str = strawberry.field(description="Their name as people read it: `Calling credits`.")
    balance: Money = strawberry.field(
        description="What is left: of a prepaid wallet in its current cycle, of universal credits altogether."
        " Universal credits may be below zero, because usage that has happened is always charged; the next purchase"
        " repays it."
    )
    reserved: Money = strawberry.field(
        description="The part of the balance that is held for usage in progress, such as a call that was authorized."
    )
    available: Money = strawberry.field(
        description="`balance` less `reserved`: what usage that has not happened yet may still be granted."
    )
    committed: Money | None = strawberry.field(
        description="What the current cycle granted. Null for universal credits."
    )
    spent: Money = strawberry.field(description="What it paid for usage charged to the current cycle.")
    used_percent: Decimal | None = strawberry.field(
        description="`spent` in per cent of `committed`, one decimal. Null for universal credits, and where nothing"
        " is committed."
    )
    billing_cycle: BillingCycle = strawberry.field(
        description="The wallet's own current cycle, a year for an annual commitment; for universal credits the"
        " office's."
    )
    expires_at: datetime | None = strawberry.field(
        description="When what is left expires: at the end of the wallet's cycle. Null for universal credits, which"
        " never do, and while nothing is granted."
    )
    forecast: WalletForecast | None = strawberry.field(
        resolver=resolve_wallet_forecast,
        description="How long it lasts if it is spent as of late. Null during an office's first three days of usage.",
    )
    auto_recharge: Annotated["AutoRecharge", strawberry.lazy("schema.auto_recharge")] | None = strawberry.field(
        resolver=_auto_recharge, description="Of universal credits: the office's auto-recharge. Null for the others."
    )
    cycles: list[WalletCycle] = strawberry.field(
        directives=[sized(12, "first")],
        resolver=_cycles_of,
        description="The wallet's cycles so far, newest first. The previous one stays open for late usage for a"
        " while, so two can move at once.",
    )


@strawberry.type(description="One kind of credits summed over the offices the caller can see.")
class WalletTotal:
    kind: WalletKind = strawberry.field(description="Which credits.")
    name: str = strawberry.field(description="Their name as people read it.")
    balance: Money = strawberry.field(description="Sum of what is left.")
    reserved: Money = strawberry.field(description="Sum of what is held for usage in progress.")
    available: Money = strawberry.field(description="`balance` less `reserved`.")
    committed: Money | None = strawberry.field(
        description="Sum of what the current cycles granted. Null for universal credits."
    )
    spent: Money = strawberry.field(description="Sum of what was paid in the current cycles.")
    used_percent: Decimal | None = strawberry.field(
        description="`spent` in per cent of `committed`, one decimal. Null for universal credits, and where nothing"
        " is committed."
    )
    office_count: int = strawberry.field(description="How many offices have such a wallet.")


@strawberry.type(
    description="What the plan includes of one service in one billing cycle, and how much of it is used. AI agents"
    " are not part of any plan: see the wallets and the usage history."
)
class PlanUsage(Node):
    row: strawberry.Private[AnyRow]
    office: LazyOffice = strawberry.field(resolver=_office_of, description="The office whose plan it is.")
    service: Service = strawberry.field(description="The service that is included.")
    usage_types: list[UsageType] = strawberry.field(
        description="What the allowance covers; the rest of the service is charged from the first unit."
    )
    unit: UsageUnit = strawberry.field(description="What the three figures count.")
    committed: BigInt = strawberry.field(description="Units included in the cycle.")
    spent: BigInt = strawberry.field(description="Units used up.")
    reserved: BigInt = strawberry.field(description="Units held for usage in progress.")
    available: BigInt = strawberry.field(description="Units left that are not held.")
    used_percent: Decimal | None = strawberry.field(
        description="`spent` in per cent of `committed`, one decimal. Null where nothing is included."
    )
    billing_cycle: BillingCycle = strawberry.field(description="The cycle the figures are of.")


@strawberry.type(description="What the plans include of one service, summed over the offices the caller can see.")
class PlanUsageTotal:
    service: Service = strawberry.field(description="The service that is included.")
    unit: UsageUnit = strawberry.field(description="What the three figures count.")
    committed: BigInt = strawberry.field(description="Units included.")
    spent: BigInt = strawberry.field(description="Units used up.")
    reserved: BigInt = strawberry.field(description="Units held for usage in progress.")
    available: BigInt = strawberry.field(description="Units left that are not held.")
    used_percent: Decimal | None = strawberry.field(
        description="`spent` in per cent of `committed`, one decimal. Null where nothing is included."
    )


def wallet_of(row: AnyRow, now: datetime) -> Wallet:
    kind = WalletKind(row.kind)
    committed = row.committed_micros
    return Wallet(
        id=encode(IdKind.WALLET, row.id),
        row=row,
        kind=kind,
        name=WALLET_NAMES[kind],
        balance=money(row.balance_micros, row.currency),
        reserved=money(row.reserved_micros, row.currency),
        available=money(row.balance_micros - row.reserved_micros, row.currency),
        committed=None if committed is None else money(committed, row.currency),
        spent=money(row.spent_micros, row.currency),
        used_percent=percent(row.spent_micros, committed),
        billing_cycle=billing_cycle(row, now),
        expires_at=row.expires_at,
    )


def _wallet_cycle(row: AnyRow, now: datetime) -> WalletCycle:
    committed = row.committed_micros
    return WalletCycle(
        cycle=billing_cycle(row, now),
        committed=None if committed is None else money(committed, row.currency),
        spent=money(row.spent_micros, row.currency),
        expired=money(row.expired_micros, row.currency),
        balance=money(row.balance_micros, row.currency),
    )


def wallet_total_of(row: AnyRow) -> WalletTotal:
    kind = WalletKind(row.kind)
    committed = None if row.committed_micros is None else int(row.committed_micros)
    return WalletTotal(
        kind=kind,
        name=WALLET_NAMES[kind],
        balance=money(int(row.balance_micros), row.currency),
        reserved=money(int(row.reserved_micros), row.currency),
        available=money(int(row.balance_micros) - int(row.reserved_micros), row.currency),
        committed=None if committed is None else money(committed, row.currency),
        spent=money(int(row.spent_micros), row.currency),
        used_percent=percent(int(row.spent_micros), committed),
        office_count=row.office_count,
    )


def plan_usage_of(row: AnyRow, now: datetime) -> PlanUsage:
    service = Service(row.service)
    covered = set(row.usage_types)
    return PlanUsage(
        id=encode(IdKind.PLAN_USAGE, row.id),
        row=row,
        service=service,
        usage_types=[usage_type for usage_type in UsageType if usage_type in covered],
        unit=USAGE_UNITS[service],
        committed=BigInt(row.committed_quantity),
        spent=BigInt(row.spent_quantity),
        reserved=BigInt(row.reserved_quantity),
        available=BigInt(row.committed_quantity - row.spent_quantity - row.reserved_quantity),
        used_percent=percent(row.spent_quantity, row.committed_quantity),
        billing_cycle=billing_cycle(row, now),
    )


def plan_usage_total_of(row: AnyRow) -> PlanUsageTotal:
    service = Service(row.service)
    committed, spent, reserved = int(row.committed_quantity), int(row.spent_quantity), int(row.reserved_quantity)
    return PlanUsageTotal(
        service=service,
        unit=USAGE_UNITS[service],
        committed=BigInt(committed),
        spent=BigInt(spent),
        reserved=BigInt(reserved),
        available=BigInt(committed - spent - reserved),
        used_percent=percent(spent, committed),
    )


def in_page_order(rows: list[AnyRow]) -> list[AnyRow]:
    """The rows of the plan usage table in the product page's order."""
    return sorted(rows, key=lambda row: ALLOWANCE_SERVICES.index(Service(row.service)))


async def office_plan_usage(context: Context, key: InMonth) -> list[PlanUsage]:
    context.viewer.require(Permission.VIEW_WALLETS)
    await context.renewed()
    rows = await context.loaders.plan_usage_of_office.load(key)
    return [plan_usage_of(row, context.now) for row in in_page_order(rows)]


async def resolve_wallets(
    info: Info,
    office_id: Annotated[
        strawberry.ID | None, strawberry.argument(description="Only this office's; every visible one's when left out.")
    ] = None,
) -> list[Wallet] | None:
    context = info.context
    context.viewer.require(Permission.VIEW_WALLETS)
    await context.renewed()
    if office_id is not None:
        value = decode(IdKind.OFFICE, office_id)
        rows = [] if value is None else await context.loaders.wallets_of_office.load(value)
        if not rows and not await _is_visible(context, value):
            return None
    else:
        if await count_offices(context.database, context.scope) > MAX_WALLET_OFFICES:
            raise InvalidInput(
                f"There are more than {MAX_WALLET_OFFICES} offices: name one by `officeId`, or ask for"
                " `Company.walletTotals` or for `wallets` of a page of `offices`."
            )
        rows = list(await read_wallets(context.database, context.scope, now=context.now))
    return [wallet_of(row, context.now) for row in rows]


async def resolve_plan_usage(
    info: Info,
    office_id: Annotated[strawberry.ID, strawberry.argument(description="The office.")],
    month: Month = None,
) -> list[PlanUsage] | None:
    context = info.context
    context.viewer.require(Permission.VIEW_WALLETS)
    value = decode(IdKind.OFFICE, office_id)
    if value is None:
        return None
    found = await office_plan_usage(context, InMonth(value, month.number if month else None))
    return found if found or await _is_visible(context, value) else None


async def _is_visible(context: Context, office_id: UUID | None) -> bool:
    """Asked when nothing was found: an office that has something is."""
    return office_id is not None and await context.loaders.offices.load(office_id) is not None
