"""What usage would come to if it were reported now, and whether it would be authorized (R22, R24, R27)."""

from typing import NamedTuple

from domain.authorization import SUSPENDED, TOO_LITTLE, rate_or_refuse
from domain.charging import book_in, split
from domain.explanation import Paid
from domain.funds import OfficeTerms
from domain.holds import HoldRefusal
from domain.ledger import Books
from domain.rates import RateBook
from domain.rating import Measured, Rated, measure
from domain.reservations import available_for, first_block, largest_grant
from domain.usage import UsageEvent


class Quote(NamedTuple):
    """What usage would come to if it were reported now. `rated` and `paid` are None where no rate lets it be."""

    office: OfficeTerms
    measured: Measured
    rated: Rated | None
    paid: Paid | None
    refusal: HoldRefusal | None
    """Why not even its first block would be authorized; None: it would."""


def quote(books: Books, event: UsageEvent, rates: RateBook) -> Quote:
    """What a charge would be and who would pay, on balances as they are; and whether it would be authorized.

    Raises InvalidInput for what no event may be, with the path into the event. The funds must be renewed up to
    `books.now`; nothing is moved.
    """
    office = books.funds.office
    rated = rate_or_refuse(books, event, rates)
    if isinstance(rated, HoldRefusal):
        return Quote(office, measure(event, office), None, None, rated)
    cycle, is_late = book_in(books, event.occurred_at, False)
    parts = split(books.funds, cycle, rated)
    measured, rate, payment = rated.measured, rated.rate, parts.payment
    paid = Paid(
        service=measured.service,
        usage_type=measured.usage_type,
        month=cycle.month.number,
        is_booked_late=is_late,
        is_reversal=False,
        duration_seconds=measured.duration_seconds,
        quantity=rated.quantity,
        rate_nanos=rate.nanos_per_unit,
        increment=rate.increment,
        connection_fee_micros=rate.connection_fee_micros,
        list_price_micros=payment.list_price_micros,
        plan_quantity=payment.plan_quantity,
        plan_micros=payment.plan_micros,
        commitment_micros=payment.commitment_micros,
        universal_micros=payment.universal_micros,
        sources=payment.sources,
        coverage=parts.coverage,
        has_commitment=parts.commitment is not None,
    )
    return Quote(office, measured, rated, paid, SUSPENDED if office.is_suspended else _refusal(books, rated))


def _refusal(books: Books, rated: Rated) -> HoldRefusal | None:
    """Why its first block would not be authorized in the current cycle."""
    measured, rate = rated.measured, rated.rate
    free = available_for(books, books.funds.current, measured.service, measured.usage_type)
    return TOO_LITTLE if largest_grant(rate, first_block(rate), free) is None else None
