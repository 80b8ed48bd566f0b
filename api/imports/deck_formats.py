"""How a row of each deck format becomes rates (R18–R21).

A reader is made once for a header and then called for every row, so that the work of a row is small.
"""

from collections.abc import Sequence

from api.imports.deck_fields import (
    BLOCKED,
    NPA_NXX_DIGITS,
    BadRate,
    DeckDefaults,
    Prices,
    RateReader,
    is_prefix,
    read_choice,
    read_destination,
    read_direction,
    read_fee,
    read_increment,
    read_prefix,
    read_price,
    read_priority,
)
from domain.catalogue import USAGE_TYPES, Service, UsageType
from domain.money import NANOS_PER_MICRO, Micros, Nanos
from domain.rates import Increment, NewRate

ALL_DAY = ("", "peak", "any", "all")


def npa_nxx_reader(columns: Sequence[str], defaults: DeckDefaults) -> RateReader:
    """NPANXX,Rate,Wireless,Land Line: six digits, the country left out, a price per minute."""
    code_at, rate_at = columns.index("npanxx"), columns.index("rate")
    wireless_at = columns.index("wireless") if "wireless" in columns else None
    landline_at = columns.index("land line") if "land line" in columns else None
    prices = Prices()
    usage_types = defaults.usage_types_for(defaults.service)
    template = defaults.rate("", None, 0)
    service, _, direction, *_, increment, fee, priority, is_blocked = template
    completion = defaults.prefix_completion

    def read(fields: Sequence[str]) -> list[NewRate]:
        code = fields[code_at].strip()
        if len(code) != NPA_NXX_DIGITS or not is_prefix(code):
            raise BadRate(f"{code[:40]!r} is not an NPA-NXX: write six digits.")
        is_wireless = wireless_at is not None and fields[wireless_at]
        is_landline = landline_at is not None and fields[landline_at]
        line_kind = "Wireless" if is_wireless else "Land line" if is_landline else None
        nanos = prices[fields[rate_at]]
        prefix = completion + code
        return [
            NewRate(service, usage_type, direction, prefix, line_kind, nanos, increment, fee, priority, is_blocked)
            for usage_type in usage_types
        ]

    return read


def country_reader(columns: Sequence[str], defaults: DeckDefaults) -> RateReader:
    """Country,Code,Initial Rate per Minute,Increment Rate Per Minute,Time Of Day."""
    code_at = columns.index("code")
    initial_at = columns.index("initial rate per minute")
    next_at = columns.index("increment rate per minute")
    country_at = columns.index("country") if "country" in columns else None
    time_at = columns.index("time of day") if "time of day" in columns else None
    usage_types = defaults.usage_types_for(defaults.service)

    def read(fields: Sequence[str]) -> list[NewRate]:
        prefix = read_prefix(fields[code_at], defaults.prefix_completion)
        if prefix == defaults.prefix_completion:
            raise BadRate("the code is empty.")
        if time_at is not None and fields[time_at].strip().lower() not in ALL_DAY:
            raise BadRate(f"{fields[time_at].strip()[:40]!r}: rates here are the same at all times of day.")
        destination = read_destination(fields[country_at]) if country_at is not None else None
        nanos, fee, is_blocked = _two_rates(fields[initial_at].strip(), fields[next_at].strip(), defaults.increment)
        rate = defaults.rate(prefix, destination, nanos)._replace(connection_fee_micros=fee, is_blocked=is_blocked)
        return [rate._replace(usage_type=usage_type) for usage_type in usage_types]

    return read


def _two_rates(initial: str, following: str, increment: Increment) -> tuple[Nanos, Micros, bool]:
    """Rate, connection fee, blocked. A dearer first minute is a fee, where that minute is billed whole."""
    blocked = [text.lower() == BLOCKED for text in (initial, following)]
    if all(blocked):
        return 0, 0, True
    if any(blocked):
        raise BadRate(f"the rates are {initial} and {following}: block both or neither.")
    first, nanos = read_price(initial), read_price(following)
    if first < nanos:
        raise BadRate(f"the first minute ({initial}) is cheaper than the next ({following}): not supported.")
    if first > nanos and increment.first_seconds != 60:
        raise BadRate(
            f"the first minute ({initial}) is dearer than the next ({following}), which is exact only where "
            f"it is billed whole: with the increment 60/60, not {increment.label}."
        )
    fee, remainder = divmod(first - nanos, NANOS_PER_MICRO)
    if remainder:
        raise BadRate(f"{initial} less {following} has more than six decimals.")
    return nanos, fee, False


def farebox_reader(columns: Sequence[str], defaults: DeckDefaults) -> RateReader:
    """Our own: service,usage_type,direction,prefix,destination,rate,increment,connection_fee,priority."""
    positions = {column: position for position, column in enumerate(columns)}

    def read(fields: Sequence[str]) -> list[NewRate]:
        def value(column: str) -> str:
            return fields[positions[column]].strip() if column in positions else ""

        service = Service(read_choice(value("service"), tuple(Service), "service") or defaults.service)
        is_blocked = value("rate").lower() == BLOCKED
        rate = NewRate(
            service=service,
            usage_type=None,
            direction=read_direction(value("direction"), service, defaults),
            prefix=read_prefix(value("prefix"), defaults.prefix_completion),
            destination=read_destination(value("destination")),
            nanos_per_unit=0 if is_blocked else read_price(value("rate")),
            increment=read_increment(value("increment"), service, defaults),
            connection_fee_micros=read_fee(value("connection_fee")),
            priority=read_priority(value("priority")),
            is_blocked=is_blocked,
        )
        named = read_choice(value("usage_type"), USAGE_TYPES[service], f"usage type of {service}")
        usage_types = (UsageType(named),) if named else defaults.usage_types_for(service)
        return [rate._replace(usage_type=usage_type) for usage_type in usage_types]

    return read
