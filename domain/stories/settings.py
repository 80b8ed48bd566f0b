"""A company changes what it has decided about itself (R38)."""

from datetime import datetime
from functools import partial
from uuid import UUID

from domain.access import Permission, Scope, Viewer
from domain.activity import Change, TargetKind, act
from domain.company_settings import changed_thresholds
from domain.money import Amount, Currency, money_text
from domain.ports import Door
from domain.spending_rise import Thresholds

UPDATE = "updateCompanySettings"


async def update_settings(
    door: Door, viewer: Viewer, *, rise_percent: int | None, minimum: Amount | None, now: datetime
) -> UUID:
    """The company's id. What is None stays as it is; alerts of every office are judged anew.

    Raises NotPermitted, NotFound, TooLow, TooHigh, WrongCurrency.
    """
    viewer.require(Permission.MANAGE_SETTINGS)
    company_id = Scope.of(viewer).company
    await door.again(partial(_update, door, viewer, company_id, rise_percent, minimum, now))
    return company_id


async def _update(
    door: Door, viewer: Viewer, company_id: UUID, rise_percent: int | None, minimum: Amount | None, now: datetime
) -> None:
    async with door.provision(company_id, now) as work:
        before, currency = await work.alert_settings()
        after = changed_thresholds(before, rise_percent=rise_percent, minimum=minimum, currency=currency)
        if after == before:
            return
        await work.save_alert_thresholds(after)
        await work.watch_offices()
        target = (TargetKind.COMPANY, company_id)
        await work.save_activity(act(viewer, UPDATE, *_changes(before, after, currency), target=target))


def _changes(before: Thresholds, after: Thresholds, currency: Currency) -> list[Change]:
    def told(thresholds: Thresholds) -> dict[str, str]:
        return {
            "spendingAlertRisePercent": f"{thresholds.rise_percent} %",
            "spendingAlertMinimum": money_text(thresholds.minimum_micros, currency),
        }

    new = told(after)
    return [Change(field, old, new[field]) for field, old in told(before).items() if old != new[field]]
