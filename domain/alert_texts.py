"""What an alert says: one sentence or two for a person, made of its own figures and nothing else."""

from datetime import timedelta

from domain.alerts import Alert, AlertKind, Cause, Dimension
from domain.catalogue import USAGE_UNITS, Service, UsageType, UsageUnit
from domain.explanation import SERVICE_WORDS, TYPE_WORDS
from domain.money import MINOR_DIGITS, Currency, Micros, divide_half_up, minor_unit_micros, money_text

_WALLET_WORDS = {"CALLING": "calling", "AI_AGENT": "AI agent"}
_UNIT_WORDS = {
    UsageUnit.SECOND: "minutes",
    UsageUnit.SEGMENT: "segments",
    UsageUnit.PAGE: "pages",
    UsageUnit.SESSION: "sessions",
}
_A_DAY = timedelta(days=1)


def rise_tenths(current: Micros, previous: Micros) -> int | None:
    """Tenths of a per cent; None where there was nothing to rise from."""
    return None if previous <= 0 else divide_half_up(1_000 * (current - previous), previous)


def share_tenths(cause: Cause, rise: Micros) -> int:
    """How much of a rise its cause explains, in tenths of a per cent: above 100 % where other usage fell meanwhile."""
    return divide_half_up(1_000 * cause.rise_micros, rise)


def message_of(alert: Alert, currency: Currency) -> str:
    match alert.kind:
        case AlertKind.SPENDING_RISE:
            return _rise(alert, currency)
        case AlertKind.COMMITMENT_USED:
            return _commitment(alert, currency)
        case AlertKind.ALLOWANCE_USED:
            return _allowance(alert)
        case AlertKind.UNIVERSAL_LOW:
            # Exact: rounded to cents, a balance just below the threshold would read as if it were not.
            balance, threshold = alert.current_micros, alert.limit_micros or 0
            return (
                f"Universal credits are low: {money_text(balance, currency)}, below"
                f" {money_text(threshold, currency)}, and auto-recharge is off."
            )


def _rise(alert: Alert, currency: Currency) -> str:
    previous = alert.previous_micros or 0
    tenths = rise_tenths(alert.current_micros, previous)
    up = "up" if tenths is None else f"up {divide_half_up(tenths, 10):,} %"
    # A day in which the clocks change is an hour longer or shorter.
    days = (alert.period.ends_at - alert.period.starts_at + _A_DAY / 2) // _A_DAY
    text = (
        f"Spending is {up} in the first {days} days of this billing cycle:"
        f" {_against(alert.current_micros, previous, currency)}."
    )
    if alert.cause is None:
        return text
    figures = _against(alert.cause.current_micros, alert.cause.previous_micros, currency)
    return f"{text} The main cause is {_told(alert.cause)}: {figures}."


def _told(cause: Cause) -> str:
    match cause.dimension:
        case Dimension.MEMBER | Dimension.GROUP:
            return f"usage by {cause.name or 'one of the ' + cause.dimension + 's'}"
        case Dimension.REGION:
            return f"usage to {cause.key}"
        case Dimension.USAGE_TYPE:
            return TYPE_WORDS[UsageType(cause.key)]
        case Dimension.SERVICE:
            return f"{SERVICE_WORDS[Service(cause.key)]} usage"


def _commitment(alert: Alert, currency: Currency) -> str:
    committed = alert.limit_micros or 0
    name = _WALLET_WORDS[alert.subject.partition(":")[2]]
    spent = f"{_rounded(alert.current_micros, currency)} of {_rounded(committed, currency)}"
    return f"{_whole_percent(alert.current_micros, committed)} % of the {name} commitment is used: {spent}."


def _allowance(alert: Alert) -> str:
    service = Service(alert.subject.partition(":")[2])
    unit = USAGE_UNITS[service]
    spent, committed = alert.spent_quantity or 0, alert.committed_quantity or 0
    return (
        f"The {SERVICE_WORDS[service]} allowance is {_whole_percent(spent, committed)} % used:"
        f" {_quantity(spent, unit)} of {_quantity(committed, unit)} {_UNIT_WORDS[unit]}."
    )


def _whole_percent(part: int, whole: int) -> int:
    """Rounded down: all of it is used only when nothing is left."""
    return 100 * part // whole if whole > 0 else 0


def _quantity(value: int, unit: UsageUnit) -> str:
    """Seconds as minutes, with a decimal where they are not whole ones."""
    if unit is not UsageUnit.SECOND:
        return f"{value:,}"
    minutes, tenth = divmod(divide_half_up(10 * value, 60), 10)
    return f"{minutes:,}.{tenth}" if tenth else f"{minutes:,}"


def _against(current: Micros, previous: Micros, currency: Currency) -> str:
    return f"{_rounded(current, currency)} against {_rounded(previous, currency)}"


def _rounded(micros: Micros, currency: Currency) -> str:
    """In whole cents, with thousands apart: "1,310.00 USD"."""
    digits = MINOR_DIGITS[currency]
    units = divide_half_up(micros, minor_unit_micros(currency))
    whole, minor = divmod(abs(units), 10**digits)
    amount = f"{whole:,}.{minor:0{digits}d}" if digits else f"{whole:,}"
    return f"{'-' if units < 0 else ''}{amount} {currency}"
