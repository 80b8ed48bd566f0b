"""Who pays and at which rate: of a record of the history, of a hold, of a quote."""

from collections.abc import Iterable
from uuid import UUID

import strawberry

from domain.access import Permission
from domain.catalogue import RATE_UNITS
from domain.explanation import Share
from domain.money import Micros, Nanos
from domain.rates import Increment
from schema.context import Info
from schema.cost import VALUE
from schema.loaders import AnyRow
from schema.scalars import (
    BigInt,
    BillingIncrement,
    CurrencyCode,
    Decimal,
    Money,
    Quantity,
    billing_increment,
    money,
    rate_amount,
)
from schema.wallets import Wallet, wallet_of
from schema.words import RateUnit, UsageUnit, WalletSource


async def _wallet_of(root: "Allocation", info: Info) -> Wallet | None:
    context = info.context
    if root.source is WalletSource.PLAN or not context.may(Permission.VIEW_WALLETS):
        return None
    await context.renewed()
    for row in await context.loaders.wallets_of_office.load(root.office_key):
        if row.kind == root.source.value:
            return wallet_of(row, context.now)
    return None


@strawberry.type(directives=[VALUE], description="What one source paid of a charge, or keeps for a hold.")
class Allocation:
    office_key: strawberry.Private[UUID]
    source: WalletSource = strawberry.field(description="Who paid.")
    wallet: Wallet | None = strawberry.field(
        resolver=_wallet_of,
        description="The wallet that paid. Null for the plan allowance, and for callers who may not see wallets.",
    )
    quantity: Quantity = strawberry.field(
        description="The share of the quantity. Wallets share what the plan left in proportion to what they paid, in"
        " whole units."
    )
    amount: Money = strawberry.field(description="What it paid; for the plan allowance, the worth of what it covered.")


@strawberry.type(
    directives=[VALUE],
    description="The rate at the time of charging; of a hold, that of its authorization. A later deck does not change"
    " it.",
)
class AppliedRate:
    amount: Decimal = strawberry.field(description="Price of one `unit`, nine decimals.")
    currency_code: CurrencyCode = strawberry.field(description="The company's currency.")
    unit: RateUnit = strawberry.field(description="What `amount` is the price of.")
    billing_increment: BillingIncrement | None = strawberry.field(
        description="How the seconds of a call were raised. Null for everything else."
    )
    connection_fee: Money | None = strawberry.field(
        description="Added once to every connected call, never covered by the plan. Null when there is none."
    )
    destination: str | None = strawberry.field(description="What the deck calls the numbers of this rate.")


def allocations_shown(shares: Iterable[Share], office_id: UUID, unit: UsageUnit, currency: str) -> list[Allocation]:
    return [
        Allocation(
            office_key=office_id,
            source=share.source,
            quantity=Quantity(value=BigInt(share.quantity), unit=unit),
            amount=money(share.micros, currency),
        )
        for share in shares
    ]


def rate_of_row(row: AnyRow, unit: UsageUnit) -> AppliedRate:
    """Of a row of history, or of a hold."""
    return applied_rate(
        nanos=row.rate_nanos,
        increment=Increment(row.first_seconds, row.next_seconds),
        fee_micros=row.connection_fee_micros,
        destination=row.destination,
        unit=unit,
        currency=row.currency,
    )


def applied_rate(
    *, nanos: Nanos, increment: Increment, fee_micros: Micros, destination: str | None, unit: UsageUnit, currency: str
) -> AppliedRate:
    return AppliedRate(
        amount=rate_amount(nanos),
        currency_code=CurrencyCode(currency),
        unit=RATE_UNITS[unit],
        billing_increment=billing_increment(*increment) if unit is UsageUnit.SECOND else None,
        connection_fee=money(fee_micros, currency) if fee_micros else None,
        destination=destination,
    )
