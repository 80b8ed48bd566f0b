"""Changing an office's auto-recharge (R33–R35)."""

from typing import Annotated
from uuid import UUID

import strawberry

from domain.stories.recharge import configure_recharge
from domain.top_ups import TopUp as DomainTopUp
from schema.auto_recharge import AutoRecharge, office_auto_recharge
from schema.context import Info
from schema.errors import UserError
from schema.ids import NOTHING, IdKind, decode
from schema.money_input import MoneyInput, amount_of
from schema.top_ups import TopUp, load_top_up


@strawberry.input(description="What to change of an office's auto-recharge; what is left out stays as it is.")
class ConfigureAutoRechargeInput:
    office_id: strawberry.ID = strawberry.field(description="The office.")
    is_enabled: bool | None = strawberry.field(
        default=None,
        description="Switches it on or off. It may be on before a card is saved: then it waits for one.",
    )
    threshold: MoneyInput | None = strawberry.field(
        default=None, description="It recharges when the balance is below this; zero or more."
    )
    amount: MoneyInput | None = strawberry.field(
        default=None, description="What one recharge adds, within `minimumAmount` and `maximumAmount`."
    )
    cycle_cap: MoneyInput | None = strawberry.field(
        default=None, description="The most it adds in one billing cycle; at least the amount."
    )


async def _auto_recharge(root: "ConfigureAutoRechargePayload", info: Info) -> AutoRecharge | None:
    return await office_auto_recharge(info.context, root.office_id) if root.office_id else None


async def _top_up(root: "ConfigureAutoRechargePayload", info: Info) -> TopUp | None:
    return await load_top_up(info.context, root.started)


@strawberry.type(description="What became of the settings.")
class ConfigureAutoRechargePayload:
    office_id: strawberry.Private[UUID | None] = None
    started: strawberry.Private[DomainTopUp | None] = None
    auto_recharge: AutoRecharge | None = strawberry.field(
        resolver=_auto_recharge, description="The settings as they now are. Null when there are `userErrors`."
    )
    top_up: TopUp | None = strawberry.field(
        resolver=_top_up,
        description="A recharge that the new settings started at once, because the balance is below the threshold."
        " Null when they started none; why not, says `autoRecharge { state lastTopUp { reason } }`.",
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="What stands in the way; then nothing was changed."
    )


async def resolve_configure_auto_recharge(
    info: Info, input: Annotated[ConfigureAutoRechargeInput, strawberry.argument(description="The settings.")]
) -> ConfigureAutoRechargePayload:
    context = info.context
    office_id = decode(IdKind.OFFICE, input.office_id) or NOTHING
    done = await configure_recharge(
        context.begin,
        context.viewer,
        office_id,
        is_enabled=input.is_enabled,
        threshold=amount_of(input.threshold, "threshold") if input.threshold else None,
        amount=amount_of(input.amount, "amount") if input.amount else None,
        cycle_cap=amount_of(input.cycle_cap, "cycleCap") if input.cycle_cap else None,
        now=context.now,
    )
    return ConfigureAutoRechargePayload(office_id=office_id, started=done.top_up)
