"""What a company may set of its spending alerts (R38)."""

from domain.errors import TooHigh, TooLow, WrongCurrency
from domain.money import Amount, Currency
from domain.spending_rise import Thresholds

MIN_RISE_PERCENT = 1
MAX_RISE_PERCENT = 1_000


def changed_thresholds(
    before: Thresholds, *, rise_percent: int | None, minimum: Amount | None, currency: Currency
) -> Thresholds:
    """What is None stays as it is. Raises TooLow, TooHigh, WrongCurrency."""
    if rise_percent is not None:
        _check_percent(rise_percent)
    if minimum is not None:
        _check_minimum(minimum, currency)
    return Thresholds(
        before.rise_percent if rise_percent is None else rise_percent,
        before.minimum_micros if minimum is None else minimum.micros,
    )


def _check_percent(percent: int) -> None:
    field = ("spendingAlertRisePercent",)
    if percent < MIN_RISE_PERCENT:
        raise TooLow(f"A rise of at least {MIN_RISE_PERCENT} % can be an alert.", field=field)
    if percent > MAX_RISE_PERCENT:
        raise TooHigh(f"The rise can be {MAX_RISE_PERCENT:,} % at most.", field=field)


def _check_minimum(minimum: Amount, currency: Currency) -> None:
    field = ("spendingAlertMinimum",)
    if minimum.currency != currency:
        raise WrongCurrency(f"The company's currency is {currency}.", field=field)
    if minimum.micros < 0:
        raise TooLow("The least rise cannot be below zero.", field=field)
