"""Who asks, and for whom: viewer, company and its settings."""

from datetime import datetime
from typing import Annotated

import strawberry

from domain.access import Permission
from domain.periods import YearMonth
from persistence.offices import read_company
from persistence.overview import read_plan_usage_totals, read_wallet_totals
from schema import ids
from schema.activity import ActivityConnection, resolve_activity
from schema.api_keys import API_KEYS, ApiKey, resolve_api_keys
from schema.context import Context, Info
from schema.cost import sized
from schema.ids import IdKind
from schema.loaders import AnyRow
from schema.nodes import Node
from schema.scalars import CountryCode, CurrencyCode, Money, money
from schema.search import searchable
from schema.wallets import (
    PlanUsageTotal,
    WalletTotal,
    in_page_order,
    plan_usage_total_of,
    wallet_total_of,
)
from schema.webhook_endpoints import WebhookEndpoint, resolve_webhook_endpoints
from schema.words import Role, WalletKind


@strawberry.type(description="What the company has decided about itself.")
class CompanySettings:
    spending_alert_rise_percent: int = strawberry.field(
        description="A spending alert is raised when spending rises by at least this many per cent…"
    )
    spending_alert_minimum: Money = strawberry.field(description="…and by at least this amount.")
    late_usage_hours: int = strawberry.field(
        description="For how many hours after a billing cycle's end late usage is still charged to it."
    )


async def _wallet_totals(root: "Company", info: Info) -> list[WalletTotal]:
    context = info.context
    context.viewer.require(Permission.VIEW_WALLETS)
    scope = context.scope_of(root.row.company_id)
    await context.renewed(scope)
    rows = await read_wallet_totals(context.database, scope, now=context.now)
    order = list(WalletKind)
    return [wallet_total_of(row) for row in sorted(rows, key=lambda row: order.index(WalletKind(row.kind)))]


async def _plan_usage_totals(
    root: "Company",
    info: Info,
    month: Annotated[
        YearMonth | None,
        strawberry.argument(description="Each office's billing cycle with this label; its current one when left out."),
    ] = None,
) -> list[PlanUsageTotal]:
    context = info.context
    context.viewer.require(Permission.VIEW_WALLETS)
    scope = context.scope_of(root.row.company_id)
    await context.renewed(scope)
    rows = await read_plan_usage_totals(context.database, scope, now=context.now, month=month.number if month else None)
    return [plan_usage_total_of(row) for row in in_page_order(list(rows))]


@strawberry.type(description="A company: it has offices, one currency and its own rates.")
class Company(Node):
    row: strawberry.Private[AnyRow]
    slug: str = strawberry.field(description="Its short name in tokens and files; unique.")
    name: str = strawberry.field(description="Its name.")
    currency_code: CurrencyCode = strawberry.field(description="The currency of all its amounts and rates.")
    domestic_regions: list[CountryCode] = strawberry.field(
        description="A call that leaves these regions is INTERNATIONAL."
    )
    settings: CompanySettings = strawberry.field(description="What the company has decided about itself.")
    wallet_totals: list[WalletTotal] = strawberry.field(
        directives=[sized(3)],
        resolver=_wallet_totals,
        description="Wallets summed over the offices the caller can see, one total a kind: the company's overview.",
    )
    plan_usage_totals: list[PlanUsageTotal] = strawberry.field(
        directives=[sized(5)],
        resolver=_plan_usage_totals,
        description="Plan usage summed over the offices the caller can see, one total a service.",
    )
    activity: ActivityConnection = strawberry.field(
        resolver=resolve_activity, description="The audit trail: who changed or bought what, last done first."
    )
    api_keys: list[ApiKey] = strawberry.field(directives=[sized(20)], resolver=resolve_api_keys, description=API_KEYS)
    webhook_endpoints: list[WebhookEndpoint] = strawberry.field(
        directives=[sized(10)],
        resolver=resolve_webhook_endpoints,
        description="Where partners are told what happens, first made first.",
    )


def company_of(row: AnyRow) -> Company:
    return Company(
        id=ids.encode(IdKind.COMPANY, row.company_id),
        row=row,
        slug=row.slug,
        name=row.name,
        currency_code=CurrencyCode(row.currency),
        domestic_regions=[CountryCode(region) for region in row.domestic_regions],
        settings=CompanySettings(
            spending_alert_rise_percent=row.spending_alert_rise_percent,
            spending_alert_minimum=money(row.spending_alert_minimum_micros, row.currency),
            late_usage_hours=row.late_usage_hours,
        ),
    )


async def _own_company(root: "Viewer", info: Info) -> Company | None:
    row = await read_company(info.context.database, info.context.scope)
    return company_of(row) if row else None


@strawberry.type(description="The caller, as his token describes him.")
class Viewer(Node):
    name: str = strawberry.field(description="His name, or the name of the system.")
    role: Role = strawberry.field(description="What he is.")
    company: Company | None = strawberry.field(
        resolver=_own_company, description="His company. Null for an operator whose token names none."
    )
    permissions: list[Permission] = strawberry.field(description="What the token allows.")
    expires_at: datetime | None = strawberry.field(
        description="When the token stops working. Null for an API key, which works until it is revoked."
    )


def viewer_of(context: Context) -> Viewer:
    caller = context.viewer
    return Viewer(
        id=ids.encode(IdKind.VIEWER, ids.viewer_value(caller.company_id, caller.subject)),
        name=caller.name,
        role=caller.role,
        permissions=[permission for permission in Permission if caller.may(permission)],
        expires_at=caller.expires_at,
    )


async def resolve_company(
    info: Info,
    slug: Annotated[
        str | None,
        strawberry.argument(description="Only for operators, who may enter any company: its short name."),
    ] = None,
) -> Company | None:
    row = await read_company(info.context.database, info.context.scope, slug=searchable(slug, "slug"))
    return company_of(row) if row else None


def resolve_viewer(info: Info) -> Viewer:
    return viewer_of(info.context)
