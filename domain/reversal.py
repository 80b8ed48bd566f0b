"""Taking a charge back (R36): every source gets what it paid, into the cycle it paid from while that is open.

After that cycle closed, commitment money comes back as universal credits that cannot be refunded, and plan units do
not come back. The reversal is a record of its own in the current cycle, with negative figures.
"""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from domain.catalogue import Direction, Service, UsageType
from domain.errors import AlreadyReversed
from domain.ledger import Books, Details, usage_account
from domain.periods import YearMonth, local_day
from domain.waterfall import Payment

NON_REFUNDABLE = "Non-refundable: its commitment has closed since."


@dataclass(frozen=True, slots=True, kw_only=True)
class PastCharge:
    """What of a recorded charge its reversal needs."""

    id: UUID
    office_id: UUID
    month: YearMonth
    service: Service
    usage_type: UsageType
    direction: Direction | None
    region_code: str | None
    member_id: UUID | None
    group_id: UUID | None
    occurred_at: datetime
    quantity: int
    payment: Payment
    is_reversal: bool
    is_reversed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversal:
    """The record that gives a charge back: its figures are negative."""

    id: UUID
    sequence: int
    original: PastCharge
    month: YearMonth
    occurred_at: datetime
    local_day: date
    payment: Payment


def reverse(books: Books, original: PastCharge, *, reason: str, author: str) -> Reversal:
    """The funds must be renewed first. Raises AlreadyReversed for the second try, and for a reversal itself."""
    if original.is_reversal or original.is_reversed:
        raise AlreadyReversed("This usage has been reversed already.", field=("usageRecordId",))
    funds = books.funds
    reversal_id, sequence = books.new_id(), books.draw_sequence()
    paid = original.payment
    account = usage_account(original.service)
    source_cycle = next((cycle for cycle in funds.cycles if cycle.month == original.month), None)
    is_open = source_cycle is not None and source_cycle.closed_at is None
    allowance = funds.allowance_cycles.get((original.month, original.service))
    returned_units = paid.plan_quantity if is_open and allowance is not None else 0
    if allowance is not None:
        allowance.spent_quantity -= returned_units
    commitment = funds.commitment_for(original.service, source_cycle) if source_cycle else None
    to_commitment = paid.commitment_micros if commitment and commitment.closed_at is None else 0
    if commitment is not None:
        commitment.spent_micros -= to_commitment
        details = Details(charge_id=reversal_id, note=reason, author=author)
        books.into_commitment(commitment, to_commitment, account, details)
    stranded = paid.commitment_micros - to_commitment
    note = f"{reason} {NON_REFUNDABLE}" if stranded else reason
    details = Details(charge_id=reversal_id, note=note, author=author)
    books.into_universal(paid.universal_micros + stranded, account, details)
    return Reversal(
        id=reversal_id,
        sequence=sequence,
        original=original,
        month=funds.current.month,
        occurred_at=books.now,
        local_day=local_day(books.now, funds.current.terms.time_zone),
        payment=Payment(-returned_units, -paid.plan_micros, -to_commitment, -(paid.universal_micros + stranded)),
    )
