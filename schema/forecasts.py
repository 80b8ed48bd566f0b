"""Forecasts on the wire: each says in a sentence how it was made."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from domain.access import Permission
from domain.forecasts import forecast_cycle, forecast_wallet
from schema.context import Info
from schema.scalars import Money, money

if TYPE_CHECKING:
    from schema.office import Office
    from schema.wallets import Wallet


@strawberry.type(description="How fast a wallet is spent, and how long it lasts at that pace.")
class WalletForecast:
    average_daily_spend: Money = strawberry.field(description="What the wallet paid on an average day of late.")
    runs_out_at: datetime | None = strawberry.field(
        description="When what is available is used up at that pace; now, when nothing is left. Null when nothing was"
        " spent of late, when prepaid credits expire first, and when it would be in more than ten years."
    )
    method: str = strawberry.field(description="How this was worked out, in one sentence for a person.")


@strawberry.type(description="What an office's current billing cycle will have cost.")
class SpendForecast:
    cycle_total: Money = strawberry.field(
        description="`cost` of the cycle so far, and what the days to come will cost if they are like the last ones of"
        " the same weekday; of today counts the part that is left."
    )
    method: str = strawberry.field(description="How this was worked out, in one sentence for a person.")


async def resolve_wallet_forecast(
    root: Annotated["Wallet", strawberry.lazy("schema.wallets")], info: Info
) -> WalletForecast | None:
    context, row = info.context, root.row
    context.viewer.require(Permission.VIEW_WALLETS)
    await context.renewed()
    spending = await context.loaders.spending.load(row.office_id)
    if spending is None:
        return None
    available = row.balance_micros - row.reserved_micros
    forecast = forecast_wallet(spending, root.kind, available_micros=available, expires_at=row.expires_at)
    return forecast and WalletForecast(
        average_daily_spend=money(forecast.average_micros, row.currency),
        runs_out_at=forecast.runs_out_at,
        method=forecast.method,
    )


async def resolve_spend_forecast(
    root: Annotated["Office", strawberry.lazy("schema.office")], info: Info
) -> SpendForecast | None:
    context = info.context
    context.viewer.require(Permission.VIEW_WALLETS)
    await context.renewed()
    spending = await context.loaders.spending.load(root.key)
    if spending is None:
        return None
    forecast = forecast_cycle(spending)
    return forecast and SpendForecast(
        cycle_total=money(forecast.cycle_micros, spending.currency), method=forecast.method
    )
