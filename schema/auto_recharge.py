"""Auto-recharge: what an office has set, where it stands, and changing it (R33–R35)."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry

from domain.access import Permission
from domain.errors import NotFound
from domain.money import MICROS_PER_UNIT, Micros
from domain.top_ups import Billing
from persistence.auto_recharge import OfficeRecharge
from schema.context import Context, Info
from schema.cost import sized
from schema.ids import IdKind, decode, encode
from schema.nodes import Node
from schema.payment_words import RechargeState
from schema.scalars import Money, money
from schema.top_ups import TopUp, load_top_up
from schema.wallets import LazyOffice

if TYPE_CHECKING:
    from schema.office import Office

THRESHOLD_OPTIONS = tuple(amount * MICROS_PER_UNIT for amount in (5, 10, 20, 50))


async def _office(root: "AutoRecharge", info: Info) -> "Office":
    from schema.office import office_of  # the two files describe each other's fields

    row = await info.context.loaders.offices.load(root.found.office_id)
    if row is None:
        raise NotFound("This office is no longer there.")
    return office_of(row)


async def _last_top_up(root: "AutoRecharge", info: Info) -> TopUp | None:
    return await load_top_up(info.context, root.found.last_top_up_id)


@strawberry.type(
    description="What an office has set so that its universal credits do not run out: when their balance falls below"
    " the threshold, it buys the amount, as often as it takes to reach the threshold again. Always there; `isEnabled`"
    " says whether it is on. Amounts are credits, before tax."
)
class AutoRecharge(Node):
    found: strawberry.Private[OfficeRecharge]
    office: LazyOffice = strawberry.field(resolver=_office, description="The office.")
    is_enabled: bool = strawberry.field(description="Whether it is on.")
    state: RechargeState = strawberry.field(description="Where it stands.")
    threshold: Money = strawberry.field(
        description="It recharges when the balance is below this; at exactly this it does not."
    )
    amount: Money = strawberry.field(
        description="What one recharge adds. A gap that is larger is closed by one payment of several amounts."
    )
    cycle_cap: Money = strawberry.field(
        description="The most it adds in one billing cycle; four times the amount unless set."
    )
    spent_of_cap: Money = strawberry.field(
        description="What it has added in the current billing cycle, and is about to."
    )
    next_attempt_at: datetime | None = strawberry.field(
        description="When it looks again after a declined card, a full cap, or too many attempts in a day. Null when"
        " it waits for no such moment."
    )
    last_top_up: TopUp | None = strawberry.field(
        resolver=_last_top_up, description="What it did last: a payment, or a skip with its reason. Null: nothing yet."
    )
    threshold_options: list[Money] = strawberry.field(
        directives=[sized(10)], description='Thresholds for the menu "Select an amount", the present one among them.'
    )
    amount_options: list[Money] = strawberry.field(
        directives=[sized(10)], description='Amounts for the menu "Select an amount", the present one among them.'
    )
    minimum_amount: Money = strawberry.field(description="The least that `amount` may be.")
    maximum_amount: Money = strawberry.field(description="The most that `amount` may be.")
    updated_at: datetime | None = strawberry.field(
        description="When somebody changed the settings last. Null: never, and these are the defaults."
    )


def auto_recharge_of(found: OfficeRecharge) -> AutoRecharge:
    recharge, billing = found.recharge, found.billing

    def of(micros: Micros) -> Money:
        return money(micros, billing.currency)

    return AutoRecharge(
        id=encode(IdKind.AUTO_RECHARGE, found.office_id),
        found=found,
        is_enabled=recharge.is_enabled,
        state=found.standing.state,
        threshold=of(recharge.threshold_micros),
        amount=of(recharge.amount_micros),
        cycle_cap=of(recharge.cap_micros),
        spent_of_cap=of(found.facts.spent_of_cap_micros),
        next_attempt_at=found.standing.next_attempt_at,
        threshold_options=[of(option) for option in sorted({*THRESHOLD_OPTIONS, recharge.threshold_micros})],
        amount_options=[of(option) for option in sorted({*_amounts(billing), recharge.amount_micros})],
        minimum_amount=of(billing.minimum_micros),
        maximum_amount=of(billing.maximum_micros),
        updated_at=recharge.updated_at,
    )


def _amounts(billing: Billing) -> list[Micros]:
    return [preset for preset in billing.presets if billing.minimum_micros <= preset <= billing.maximum_micros]


async def office_auto_recharge(context: Context, office_id: UUID) -> AutoRecharge | None:
    """None for an office that is not the caller's. Raises NotPermitted."""
    context.viewer.require(Permission.VIEW_WALLETS)
    await context.renewed()
    found = await context.loaders.auto_recharges.load(office_id)
    return auto_recharge_of(found) if found else None


async def resolve_auto_recharge(
    info: Info, office_id: Annotated[strawberry.ID, strawberry.argument(description="The office.")]
) -> AutoRecharge | None:
    info.context.viewer.require(Permission.VIEW_WALLETS)
    value = decode(IdKind.OFFICE, office_id)
    return await office_auto_recharge(info.context, value) if value else None
