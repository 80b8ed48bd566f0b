"""One record of the usage history: what was used, what it cost, who paid and why.

Built whole from one joined row. Only what is rarely asked for (sentences, details, the other half of a reversal) is
worked out when selected.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from domain.access import Permission
from domain.catalogue import USAGE_UNITS
from domain.explanation import Paid, allocations_of, explain, sources_of
from domain.periods import YearMonth
from domain.rates import Increment
from domain.usage_records import UsageRecordState, state_of
from domain.waterfall import Coverage
from schema.allocations import Allocation, AppliedRate, allocations_shown, rate_of_row
from schema.context import Info
from schema.cost import sized
from schema.directory import (
    Contact,
    Group,
    Member,
    contact_of_record,
    group_of_record,
    member_of_record,
)
from schema.ids import IdKind, decode, encode
from schema.loaders import AnyRow
from schema.nodes import Node
from schema.office import Office, office_of_record
from schema.scalars import (
    BigInt,
    Money,
    Quantity,
    TelephonyAddress,
    money,
)
from schema.usage_details import UsageDetails, address_from, address_to, details_of
from schema.words import Direction, Service, UsageType, WalletSource, describe

describe(
    UsageRecordState,
    "Whether a charge still stands.",
    {
        "CHARGED": "It stands.",
        "REVERSED": "It was taken back: see `reversedBy`.",
        "REVERSAL": "It takes back another one: see `reverses`. Its quantity and amounts are negative.",
    },
)


def _allocations(root: "UsageRecord") -> list[Allocation]:
    row = root.row
    return allocations_shown(allocations_of(paid_of(row)), row.office_id, root.quantity.unit, row.currency)


def _explanation(root: "UsageRecord") -> list[str]:
    return explain(paid_of(root.row), root.row.currency)


def _details(root: "UsageRecord") -> UsageDetails:
    return details_of(root.row)


async def _reverses(root: "UsageRecord", info: Info) -> "UsageRecord | None":
    return await load_record(info, root.row.reverses_id)


async def _reversed_by(root: "UsageRecord", info: Info) -> "UsageRecord | None":
    return await load_record(info, root.row.reversed_by_id)


async def load_record(info: Info, record_id: UUID | None) -> "UsageRecord | None":
    row = await info.context.loaders.usage_records.load(record_id) if record_id else None
    return record_of(row) if row else None


@strawberry.type(
    description="One usage that was charged: a call, a message, a fax, a session. Never changes, but for notes such"
    " as the delivery status and for being reversed."
)
class UsageRecord(Node):
    row: strawberry.Private[AnyRow]
    source: str = strawberry.field(description="The system that reported it.")
    event_id: str = strawberry.field(description="The reporter's own id of it; unique within the company and source.")
    office: Office = strawberry.field(description="The office that pays.")
    state: UsageRecordState = strawberry.field(description="Whether the charge still stands.")
    service: Service = strawberry.field(description="What was used.")
    usage_type: UsageType = strawberry.field(description="What kind of it; with the number it decided the rate.")
    direction: Direction | None = strawberry.field(
        description="Inbound or outbound, seen from the office. Null where the service has none."
    )
    occurred_at: datetime = strawberry.field(
        description="When it began: the call was answered, the message accepted, the fax or session started."
    )
    recorded_at: datetime = strawberry.field(description="When it was reported and charged.")
    billing_month: YearMonth = strawberry.field(
        description="Label of the office's billing cycle it is charged to; decided once, for ever."
    )
    is_booked_late: bool = strawberry.field(
        description="Whether it was reported after its own cycle had closed, and so is charged to a later one."
    )
    member: Member | None = strawberry.field(
        description="The user who placed or received it; a call answered by a member for a group has both."
    )
    group: Group | None = strawberry.field(description="The group that placed or received it.")
    contact: Contact | None = strawberry.field(description="The outside party, when the directory knows it.")
    phone_number: TelephonyAddress | None = strawberry.field(
        description="The office's own number that was used. Null where there is none."
    )
    duration_seconds: int | None = strawberry.field(
        description="Measured length in seconds, before billing increments. Null where the service has no duration."
    )
    quantity: Quantity = strawberry.field(
        description="What was billed, after billing increments or segment counting. Negative on a reversal."
    )
    rate: AppliedRate = strawberry.field(description="The rate at the time of charging.")
    list_price: Money = strawberry.field(
        description="Quantity × rate + connection fee, whoever paid. Negative on a reversal."
    )
    cost: Money = strawberry.field(
        description="What the wallets paid: `listPrice` less the share covered by the plan. Filters, totals and"
        " alerts mean this amount. Negative on a reversal."
    )
    wallet_sources: list[WalletSource] = strawberry.field(
        description="Who paid, in spending order; empty when there was nothing to pay."
    )
    allocations: list[Allocation] = strawberry.field(
        directives=[sized(3)],
        resolver=_allocations,
        description="What each source paid, in spending order: quantities add up to `quantity`, amounts to"
        " `listPrice`.",
    )
    explanation: list[str] = strawberry.field(
        resolver=_explanation,
        description='Sentences for a person, in order, that answer "Why was I charged if I have a plan allowance?"',
    )
    details: UsageDetails = strawberry.field(
        resolver=_details, description="What is particular to the service: the side panel of the history."
    )
    reverses: Annotated["UsageRecord", strawberry.lazy("schema.usage_record")] | None = strawberry.field(
        resolver=_reverses, description="The record that this one takes back."
    )
    reversed_by: Annotated["UsageRecord", strawberry.lazy("schema.usage_record")] | None = strawberry.field(
        resolver=_reversed_by, description="The record that took this one back."
    )


def record_of(row: AnyRow) -> UsageRecord:
    """From a row of history; see `persistence.history`."""
    service = Service(row.service)
    unit = USAGE_UNITS[service]
    return UsageRecord(
        id=encode(IdKind.USAGE_RECORD, row.id),
        row=row,
        source=row.source,
        event_id=row.event_id,
        office=office_of_record(row),
        state=state_of(is_reversal=row.reverses_id is not None, is_reversed=row.reversed_by_id is not None),
        service=service,
        usage_type=UsageType(row.usage_type),
        direction=Direction(row.direction) if row.direction else None,
        occurred_at=row.occurred_at,
        recorded_at=row.recorded_at,
        billing_month=YearMonth.from_number(row.month),
        is_booked_late=row.is_booked_late,
        member=member_of_record(row),
        group=group_of_record(row),
        contact=contact_of_record(row),
        phone_number=_own_number(row),
        duration_seconds=row.duration_seconds,
        quantity=Quantity(value=BigInt(row.quantity), unit=unit),
        rate=rate_of_row(row, unit),
        list_price=money(row.list_price_micros, row.currency),
        cost=money(row.cost_micros, row.currency),
        wallet_sources=sources_of(service, row.sources),
    )


def _own_number(row: AnyRow) -> TelephonyAddress | None:
    if row.direction == Direction.OUTBOUND.value:
        return address_from(row) if row.from_kind else None
    return address_to(row) if row.direction and row.to_kind else None


def paid_of(row: AnyRow) -> Paid:
    """The columns of a row of history that the domain's sentences and shares are made from."""
    return Paid(
        service=Service(row.service),
        usage_type=UsageType(row.usage_type),
        month=row.month,
        is_booked_late=row.is_booked_late,
        is_reversal=row.reverses_id is not None,
        duration_seconds=row.duration_seconds,
        quantity=row.quantity,
        rate_nanos=row.rate_nanos,
        increment=Increment(row.first_seconds, row.next_seconds),
        connection_fee_micros=row.connection_fee_micros,
        list_price_micros=row.list_price_micros,
        plan_quantity=row.plan_quantity,
        plan_micros=row.plan_micros,
        commitment_micros=row.commitment_micros,
        universal_micros=row.universal_micros,
        sources=row.sources,
        coverage=Coverage(row.coverage),
        has_commitment=row.has_commitment,
    )


async def resolve_usage_record(
    info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Its id.")]
) -> UsageRecord | None:
    info.context.viewer.require(Permission.VIEW_USAGE)
    return await load_record(info, decode(IdKind.USAGE_RECORD, id))
