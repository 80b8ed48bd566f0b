"""Holds: what is kept for usage in progress, and why an authorization is refused (R27, R28)."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from domain.access import Permission
from domain.catalogue import USAGE_UNITS
from domain.errors import NotFound
from domain.explanation import shares_of
from domain.holds import HoldRefusal as DomainRefusal
from domain.holds import HoldRefusalReason, HoldState
from domain.waterfall import Payment
from schema.allocations import Allocation, AppliedRate, allocations_shown, rate_of_row
from schema.context import Context, Info
from schema.cost import VALUE, sized
from schema.ids import IdKind, decode, encode
from schema.loaders import AnyRow
from schema.nodes import Node
from schema.office import Office, office_of
from schema.scalars import BigInt, Money, Quantity, money
from schema.usage_record import UsageRecord, load_record
from schema.words import Service, describe

MAY_SEE_HOLDS = frozenset({Permission.HOLD_FUNDS, Permission.VIEW_WALLETS})

describe(
    HoldState,
    "What became of a hold. It ends once.",
    {
        "ACTIVE": "Funds are kept for usage to come.",
        "CAPTURED": "The usage was recorded and charged; nothing is kept any longer.",
        "RELEASED": "It was given back before any usage was recorded.",
        "EXPIRED": "Its time was over before any usage was recorded. Usage reported later is charged all the same.",
    },
)
describe(
    HoldRefusalReason,
    "Why usage is not authorized. More reasons may come: treat an unknown one by its message.",
    {
        "INSUFFICIENT_FUNDS": "What is neither spent nor held does not pay for the first block of it.",
        "NO_RATE": "No rate is in force for it.",
        "BLOCKED": "The rate in force blocks the destination.",
        "OFFICE_SUSPENDED": "The office may not begin anything new.",
    },
)


@strawberry.type(
    directives=[VALUE],
    description="Why usage is not authorized: an answer, not an error. Asking again later may be granted.",
)
class HoldRefusal:
    reason: HoldRefusalReason = strawberry.field(description="Why, for a program.")
    message: str = strawberry.field(description="Why, in a sentence for a person.")


def refusal_of(refusal: DomainRefusal | None) -> HoldRefusal | None:
    return HoldRefusal(reason=refusal.reason, message=refusal.message) if refusal else None


async def _office(root: "Hold", info: Info) -> Office:
    row = await info.context.loaders.offices.load(root.row.office_id)
    if row is None:
        raise NotFound("This office is no longer there.")
    return office_of(row)


def _allocations(root: "Hold") -> list[Allocation]:
    row, granted = root.row, root.granted
    payment = Payment(row.plan_quantity, row.plan_micros, row.commitment_micros, row.universal_micros)
    shares = shares_of(root.service, row.granted_quantity, payment)
    return allocations_shown(shares, row.office_id, granted.unit, row.currency)


async def _usage_record(root: "Hold", info: Info) -> UsageRecord | None:
    return await load_record(info, root.row.charge_id) if info.context.may(Permission.VIEW_USAGE) else None


@strawberry.type(
    description="What is kept of an office's funds for one usage to come, such as a call that was authorized. It moves"
    " no money: it only keeps others from being granted the same funds. It ends when the usage with its key is"
    " recorded, when it is released, or when it expires."
)
class Hold(Node):
    row: strawberry.Private[AnyRow]
    source: str = strawberry.field(description="The system that asked for it.")
    event_id: str = strawberry.field(
        description="The id under which the usage will be recorded; unique within the company and source."
    )
    office: Office = strawberry.field(resolver=_office, description="The office whose funds are kept.")
    state: HoldState = strawberry.field(description="What became of it.")
    service: Service = strawberry.field(description="What is to be used.")
    rate: AppliedRate = strawberry.field(description="The rate when it was authorized.")
    granted: Quantity = strawberry.field(
        description="How much is granted, in whole billing increments; of a call the seconds after which to end it or"
        " to ask for more."
    )
    amount: Money = strawberry.field(description="What that much costs, plan share included: the sum of `allocations`.")
    allocations: list[Allocation] = strawberry.field(
        directives=[sized(3)],
        resolver=_allocations,
        description="What it keeps of each source, in spending order; still told when it has ended.",
    )
    captured: Money | None = strawberry.field(
        description="CAPTURED: what the usage cost in the end, plan share included: the `listPrice` of its record."
        " Null otherwise."
    )
    expires_at: datetime = strawberry.field(description="When it ends by itself.")
    usage_record: UsageRecord | None = strawberry.field(
        resolver=_usage_record,
        description="CAPTURED: the record of the usage, for callers who may read the usage history. Null otherwise.",
    )


def hold_of(row: AnyRow) -> Hold:
    service = Service(row.service)
    unit = USAGE_UNITS[service]
    worth = row.plan_micros + row.commitment_micros + row.universal_micros
    return Hold(
        id=encode(IdKind.HOLD, row.id),
        row=row,
        source=row.source,
        event_id=row.event_id,
        state=HoldState(row.state),
        service=service,
        rate=rate_of_row(row, unit),
        granted=Quantity(value=BigInt(row.granted_quantity), unit=unit),
        amount=money(worth, row.currency),
        captured=None if row.captured_micros is None else money(row.captured_micros, row.currency),
        expires_at=row.expires_at,
    )


async def load_hold(context: Context, hold_id: UUID | None) -> Hold | None:
    """As it is now: one whose time is over is ended first."""
    if hold_id is None:
        return None
    await context.renewed()
    row = await context.loaders.holds.load(hold_id)
    return hold_of(row) if row else None


async def resolve_hold(
    info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Its id.")]
) -> Hold | None:
    context = info.context
    if not MAY_SEE_HOLDS & context.viewer.permissions:
        context.viewer.require(Permission.VIEW_WALLETS)
    return await load_hold(context, decode(IdKind.HOLD, id))
