"""What the add-credits screen needs before an amount is chosen: presets, bounds, tax."""

import strawberry

from domain.money import Micros, decimal_text
from domain.top_ups import Billing
from schema.cost import sized
from schema.scalars import Decimal, Money, money

_TAX_RATE_DIGITS = 4
"""Millionths of the amount are ten-thousandths of a per cent."""


@strawberry.type(
    description="What an office may buy. All amounts are credits, before tax; auto-recharge has limits of its own."
)
class CreditPurchaseOptions:
    presets: list[Money] = strawberry.field(
        directives=[sized(10)], description="Amounts to choose from; any other within the bounds may do."
    )
    minimum: Money = strawberry.field(description="The least that one purchase may be.")
    maximum: Money = strawberry.field(description="The most that one purchase may be.")
    remaining_today: Money = strawberry.field(
        description="What is left of the office's limit for the present local day. It counts what was bought and what"
        " is still being paid, not what failed."
    )
    tax_name: str | None = strawberry.field(description="The tax's name: `Sales tax`. Null when it has none.")
    tax_percent: Decimal = strawberry.field(
        description="The tax that comes on top, in per cent of the credits, without trailing zeros: `8.875`, `0`."
    )


def purchase_options_of(billing: Billing) -> CreditPurchaseOptions:
    def of(micros: Micros) -> Money:
        return money(micros, billing.currency)

    return CreditPurchaseOptions(
        presets=[of(preset) for preset in billing.presets],
        minimum=of(billing.minimum_micros),
        maximum=of(billing.maximum_micros),
        remaining_today=of(max(0, billing.daily_micros - billing.bought_today_micros)),
        tax_name=billing.tax_name or None,
        tax_percent=Decimal(decimal_text(billing.tax_rate_micros, _TAX_RATE_DIGITS).rstrip("0").rstrip(".")),
    )
