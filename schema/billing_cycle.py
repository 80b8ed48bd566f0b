"""Billing cycles as they are shown: half-open, labelled by the month in which they start (R6, R10)."""

from datetime import datetime

import strawberry

from domain.errors import InvalidInput
from domain.periods import YearMonth
from schema.cost import VALUE
from schema.loaders import AnyRow
from schema.words import Cadence

MAX_CYCLES = 100


@strawberry.type(
    directives=[VALUE],
    description="A period that credits and allowances are counted in. It starts at local midnight in the office's"
    " time zone on its anchor day, so it need not be a calendar month.",
)
class BillingCycle:
    month: YearMonth = strawberry.field(
        description="Its label, unique within the office: the month of the local date on which it starts."
    )
    starts_at: datetime = strawberry.field(description="Its first moment.")
    ends_at: datetime = strawberry.field(description="Its end; this moment belongs to the next cycle.")
    cadence: Cadence = strawberry.field(description="Whether it is a month or, for an annual commitment, a year.")
    late_usage_until: datetime = strawberry.field(
        description="Until when usage that happened in this cycle but was reported late is still charged to it."
    )
    is_open: bool = strawberry.field(description="Whether usage can still be charged to it.")


def billing_cycle(row: AnyRow, now: datetime) -> BillingCycle:
    """From a row's `month`, `starts_at`, `ends_at`, `closes_at`, `closed_at` and `cadence`."""
    return BillingCycle(
        month=YearMonth.from_number(row.month),
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        cadence=Cadence(row.cadence),
        late_usage_until=row.closes_at,
        is_open=row.closed_at is None and now < row.closes_at,
    )


def cycle_count(first: int | None, default: int) -> int:
    """How many cycles to show. Raises InvalidInput."""
    if first is None:
        return default
    if not 0 <= first <= MAX_CYCLES:
        raise InvalidInput(f"`first` may be 0 to {MAX_CYCLES}.", field=("first",))
    return first
