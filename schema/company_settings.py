"""Changing what a company has decided about itself (R38)."""

from typing import Annotated
from uuid import UUID

import strawberry

from domain.company_settings import MAX_RISE_PERCENT, MIN_RISE_PERCENT
from domain.stories.settings import update_settings
from persistence.offices import read_company
from schema.company import Company, company_of
from schema.context import Info
from schema.errors import UserError
from schema.money_input import MoneyInput, amount_of


@strawberry.input(description="What to change of the company's settings; what is left out stays as it is.")
class UpdateCompanySettingsInput:
    spending_alert_rise_percent: int | None = strawberry.field(
        default=None,
        description="A spending alert is raised when spending rises by at least this many per cent,"
        f" {MIN_RISE_PERCENT} to {MAX_RISE_PERCENT}…",
    )
    spending_alert_minimum: MoneyInput | None = strawberry.field(
        default=None, description="…and by at least this amount, zero or more."
    )


async def _company(root: "UpdateCompanySettingsPayload", info: Info) -> Company | None:
    if root.company_id is None:
        return None
    row = await read_company(info.context.database, info.context.scope)
    return company_of(row) if row else None


@strawberry.type(description="What became of the settings.")
class UpdateCompanySettingsPayload:
    company_id: strawberry.Private[UUID | None] = None
    company: Company | None = strawberry.field(
        resolver=_company,
        description="The company with its settings as they now are. Null when there are `userErrors`.",
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="What stands in the way; then nothing was changed."
    )


async def resolve_update_company_settings(
    info: Info, input: Annotated[UpdateCompanySettingsInput, strawberry.argument(description="The settings.")]
) -> UpdateCompanySettingsPayload:
    context = info.context
    minimum = input.spending_alert_minimum
    company_id = await update_settings(
        context.begin,
        context.viewer,
        rise_percent=input.spending_alert_rise_percent,
        minimum=amount_of(minimum, "spendingAlertMinimum") if minimum else None,
        now=context.now,
    )
    return UpdateCompanySettingsPayload(company_id=company_id)
