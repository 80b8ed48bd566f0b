"""Money as a caller gives it; whether its currency is the company's is for the rules to say."""

import strawberry

from domain.errors import InvalidInput
from domain.money import MICROS_PER_UNIT, Amount, parse_micros
from schema.scalars import CurrencyCode, Decimal

MAX_AMOUNT_MICROS = 1_000_000_000 * MICROS_PER_UNIT
"""Nobody means more, and every sum of such amounts fits a column."""


@strawberry.input(description="An amount of money.")
class MoneyInput:
    amount: Decimal = strawberry.field(
        description="At most six decimals, from -1000000000 to 1000000000. What a card pays has to fit its currency:"
        " two decimals, for JPY none."
    )
    currency_code: CurrencyCode = strawberry.field(description="Has to be the company's currency.")


def amount_of(given: MoneyInput, *field: str) -> Amount:
    """`field` is the path to it within the input. Raises InvalidInput."""
    place = (*field, "amount")
    try:
        micros = parse_micros(given.amount)
    except InvalidInput as error:
        raise InvalidInput(error.message, field=place) from None
    if abs(micros) > MAX_AMOUNT_MICROS:
        raise InvalidInput("An amount may be at most 1000000000.", field=place)
    return Amount(micros, given.currency_code)
