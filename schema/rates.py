"""What a unit of usage costs: the company's rates and the decks they come from (R18–R21)."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from domain.access import Permission
from domain.catalogue import RATE_UNITS, USAGE_UNITS
from domain.errors import InvalidInput
from persistence.rate_list import RateFilter as Wanted
from persistence.rate_list import count_rates, read_rate_page
from schema import ids
from schema.connections import After, Before, CountedConnection, First, Last, page, window_of
from schema.context import Info
from schema.ids import IdKind, encode
from schema.loaders import AnyRow
from schema.nodes import Node
from schema.scalars import (
    BillingIncrement,
    CurrencyCode,
    Decimal,
    Money,
    PhoneNumber,
    billing_increment,
    money,
    rate_amount,
)
from schema.words import Direction, RateUnit, Service, UsageType, UsageUnit

MAX_PREFIX_DIGITS = 15
_BY_PREFIX = (str, UUID)


@strawberry.type(
    description="One version of a rate deck. A new version ends its predecessor; past charges never change."
)
class RateCard(Node):
    name: str = strawberry.field(description="The deck's name, the same for all its versions.")
    effective_from: datetime = strawberry.field(description="From when it counts.")
    effective_until: datetime | None = strawberry.field(
        description="Until when it counts, exclusive; null while it has no successor."
    )
    rate_count: int = strawberry.field(description="How many rates it holds.")


@strawberry.type(
    description="The price of a unit of usage. The rate with the longest prefix of the number counts; among those"
    " the highest priority, then the one that names direction and usage type."
)
class Rate(Node):
    card: RateCard = strawberry.field(description="The deck it comes from.")
    service: Service = strawberry.field(description="The service it prices.")
    usage_type: UsageType | None = strawberry.field(description="The usage type it prices; null: any of the service.")
    direction: Direction | None = strawberry.field(description="The direction it prices; null: both.")
    prefix: str = strawberry.field(
        description="Digits of an E.164 number without `+`. Empty: every number, and what is no phone number."
    )
    destination: str | None = strawberry.field(description="What the deck calls these numbers.")
    amount: Decimal = strawberry.field(description="Price of one `unit`, nine decimals.")
    currency_code: CurrencyCode = strawberry.field(description="The company's currency.")
    unit: RateUnit = strawberry.field(description="What `amount` is the price of.")
    billing_increment: BillingIncrement | None = strawberry.field(
        description="How the seconds of a call are raised. Null for everything else."
    )
    connection_fee: Money = strawberry.field(
        description="Added once to everything that costs a quantity; never covered by the plan."
    )
    priority: int = strawberry.field(description="Between equally long prefixes the higher counts.")
    is_blocked: bool = strawberry.field(
        description="Whether these numbers are barred: usage with them is rejected, and the amount means nothing."
    )
    effective_from: datetime = strawberry.field(description="From when it counts.")
    effective_until: datetime | None = strawberry.field(
        description="Until when it counts, exclusive; null while the deck has no successor."
    )


@strawberry.type(description="A page of rates, by prefix.")
class RateConnection(CountedConnection[Rate]):
    pass


@strawberry.input(description="Which rates to list; what is left out does not matter.")
class RateFilter:
    services: list[Service] | None = strawberry.field(
        default=None, description="Of one of these services. An empty list finds nothing."
    )
    prefix: str | None = strawberry.field(
        default=None, description="With a prefix that starts with these digits (at most 15, without `+`)."
    )
    number: PhoneNumber | None = strawberry.field(
        default=None,
        description="That would apply to this number: with any prefix of it, in force at `inForceAt` or now.",
    )
    in_force_at: datetime | None = strawberry.field(
        default=None, description="In force at this moment. Left out, without `number`: of all times."
    )
    card_id: strawberry.ID | None = strawberry.field(default=None, description="Of this deck version.")


def rate_card_of(row: AnyRow) -> RateCard:
    return _card(row.id, row.name, row)


def _card(card_id: UUID, name: str, row: AnyRow) -> RateCard:
    return RateCard(
        id=encode(IdKind.RATE_CARD, card_id),
        name=name,
        effective_from=row.effective_from,
        effective_until=row.effective_until,
        rate_count=row.rate_count,
    )


def rate_of(row: AnyRow) -> Rate:
    service = Service(row.service)
    unit = USAGE_UNITS[service]
    is_call = unit is UsageUnit.SECOND
    return Rate(
        id=encode(IdKind.RATE, row.id),
        card=_card(row.card_id, row.card_name, row),
        service=service,
        usage_type=UsageType(row.usage_type) if row.usage_type else None,
        direction=Direction(row.direction) if row.direction else None,
        prefix=row.prefix,
        destination=row.destination,
        amount=rate_amount(row.nanos_per_unit),
        currency_code=CurrencyCode(row.currency),
        unit=RATE_UNITS[unit],
        billing_increment=billing_increment(row.first_seconds, row.next_seconds) if is_call else None,
        connection_fee=money(row.connection_fee_micros, row.currency),
        priority=row.priority,
        is_blocked=row.is_blocked,
        effective_from=row.effective_from,
        effective_until=row.effective_until,
    )


def _wanted_by(filter: RateFilter | None) -> Wanted:
    if filter is None:
        return Wanted()
    prefix = filter.prefix
    if prefix and not (prefix.isascii() and prefix.isdigit() and len(prefix) <= MAX_PREFIX_DIGITS):
        raise InvalidInput(
            f"A prefix is at most {MAX_PREFIX_DIGITS} digits without `+`, as in 1415.", field=("filter", "prefix")
        )
    return Wanted(
        services=None if filter.services is None else tuple(sorted(set(filter.services))),
        prefix=prefix or None,
        digits=filter.number.removeprefix("+") if filter.number else None,
        in_force_at=filter.in_force_at,
        card_id=None if filter.card_id is None else ids.require(IdKind.RATE_CARD, filter.card_id, "filter", "cardId"),
    )


async def resolve_rates(
    info: Info,
    filter: Annotated[
        RateFilter | None, strawberry.argument(description="Which rates; all of the company's when left out.")
    ] = None,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
) -> RateConnection:
    context = info.context
    context.viewer.require(Permission.VIEW_RATES)
    named = _wanted_by(filter)
    # The cursor is bound to what was asked: "now" moves on from page to page.
    seal = context.cursors(_BY_PREFIX, "rates", named)
    window = window_of(seal, first=first, after=after, last=last, before=before)
    is_of_now = named.digits is not None and named.in_force_at is None
    wanted = replace(named, in_force_at=context.now) if is_of_now else named
    found = await read_rate_page(context.database, context.scope, wanted=wanted, window=window)
    return RateConnection(
        count=lambda: count_rates(context.database, context.scope, wanted=wanted),
        **page(seal, window, found, map(rate_of, found.rows), lambda row: (row.prefix, row.id)),
    )
