"""What usage would cost if it happened, and whether it might begin (R22, R27)."""

from datetime import datetime
from typing import Annotated

import strawberry
from strawberry import UNSET

from domain.catalogue import USAGE_UNITS
from domain.explanation import allocations_of, explain
from domain.stories.hold import quote_usage
from domain.usage import UsageEvent
from domain.usage_quotes import Quote
from schema.allocations import Allocation, AppliedRate, allocations_shown, applied_rate
from schema.context import Info
from schema.cost import sized
from schema.holds import HoldRefusal, refusal_of
from schema.scalars import BigInt, Money, Quantity, money
from schema.usage_event import OfficeReferenceInput, office_reference
from schema.usage_facts import facts_of
from schema.usage_input import UsageInput, given
from schema.words import UsageType

_NOT_REPORTED = "quote"
"""Source and id of what was not reported by anybody."""


@strawberry.input(description="Usage somebody thinks of. Nothing is kept of it.")
class QuoteUsageInput:
    office: OfficeReferenceInput = strawberry.field(description="The office that would pay.")
    at: datetime | None = strawberry.field(
        default=UNSET,
        description="When it would begin: the rate of this moment counts. Now when left out; at most ten years ago and"
        " an hour ahead.",
    )
    usage: UsageInput = strawberry.field(description="What would be used.")


@strawberry.type(
    description="What usage would come to if it were reported now. Nothing is promised: funds and rates may change."
)
class UsageQuote:
    usage_type: UsageType = strawberry.field(description="What kind of usage it would be.")
    rate: AppliedRate | None = strawberry.field(
        description="The rate that would apply; null when there is none, or it blocks the destination."
    )
    quantity: Quantity = strawberry.field(
        description="What would be billed, after billing increments or segment counting; without a rate, as given."
    )
    list_price: Money = strawberry.field(description="Quantity × rate + connection fee, whoever would pay.")
    allocations: list[Allocation] = strawberry.field(
        directives=[sized(3)],
        description="What each source would pay, in spending order, out of its balance as it now is. Amounts add up to"
        " `listPrice`.",
    )
    can_start: bool = strawberry.field(
        description="Whether `authorizeUsage` would grant at least the first block of it now. Usage that has happened"
        " is charged either way."
    )
    refusal: HoldRefusal | None = strawberry.field(description="Why it would not; null when it would.")
    explanation: list[str] = strawberry.field(description="Sentences for a person, in order, as a charge has them.")


def _shown(quote: Quote) -> UsageQuote:
    measured, rated, paid = quote.measured, quote.rated, quote.paid
    currency, office_id = quote.office.currency, quote.office.id
    unit = USAGE_UNITS[measured.service]
    rate = None
    if rated is not None:
        rate = applied_rate(
            nanos=rated.rate.nanos_per_unit,
            increment=rated.rate.increment,
            fee_micros=rated.rate.connection_fee_micros,
            destination=rated.rate.destination,
            unit=unit,
            currency=currency,
        )
    sentences = explain(paid, currency) if paid else []
    return UsageQuote(
        usage_type=measured.usage_type,
        rate=rate,
        quantity=Quantity(value=BigInt(rated.quantity if rated else measured.quantity), unit=unit),
        list_price=money(paid.list_price_micros if paid else 0, currency),
        allocations=allocations_shown(allocations_of(paid), office_id, unit, currency) if paid else [],
        can_start=quote.refusal is None,
        refusal=refusal_of(quote.refusal),
        explanation=[*sentences, *([quote.refusal.message] if quote.refusal else [])],
    )


async def resolve_quote_usage(
    info: Info, input: Annotated[QuoteUsageInput, strawberry.argument(description="The usage.")]
) -> UsageQuote | None:
    context = info.context
    event = UsageEvent(
        source=_NOT_REPORTED,
        event_id=_NOT_REPORTED,
        occurred_at=given(input.at) or context.now,
        usage=facts_of(input.usage),
    )
    office = office_reference(input.office)
    quote = await quote_usage(context.begin, context.viewer, office, event, now=context.now)
    return _shown(quote) if quote else None
