"""Spending alerts: the banner, what a rise comes from, and dismissing (R38, R39)."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry

from domain.access import Permission
from domain.alert_texts import message_of, rise_tenths, share_tenths
from domain.alerts import Alert, AlertKind, Dimension
from domain.catalogue import Service, UsageType
from domain.errors import NotFound
from domain.money import Currency
from persistence.alerts import alert_of, dismiss_alert, read_alerts
from schema.context import Context, Info
from schema.errors import UserError
from schema.ids import NOTHING, IdKind, decode, encode
from schema.loaders import AlertOf, AnyRow
from schema.nodes import Node
from schema.scalars import CountryCode, Decimal, Money, decimal_tenths, money
from schema.wallets import LazyOffice, PlanUsage, Wallet, plan_usage_of, wallet_of
from schema.words import describe

if TYPE_CHECKING:
    from schema.directory import Group, Member
    from schema.office import Office

NO_ALERT = "There is no such alert."

describe(
    AlertKind,
    "What an alert is about.",
    {
        "SPENDING_RISE": "Spending is up against the billing cycle before.",
        "COMMITMENT_USED": "80, 90 or 100 % of a wallet's prepaid commitment is spent.",
        "ALLOWANCE_USED": "80, 90 or 100 % of what the plan includes of a service is used.",
        "UNIVERSAL_LOW": "Universal credits are below the threshold of auto-recharge, and auto-recharge is off.",
    },
    name="SpendingAlertKind",
)


def require_alerts(context: Context) -> None:
    """Alerts tell of balances and of usage. Raises NotPermitted."""
    context.viewer.require(Permission.VIEW_WALLETS)
    context.viewer.require(Permission.VIEW_USAGE)


@strawberry.type(
    description="What explains most of a rise: one member, group, region, usage type or service, of those that explain"
    " nearly as much the most particular. Exactly one of the five is set: it is one filter of the usage history."
)
class SpendingCause:
    service: Service | None = strawberry.field(description="A service.")
    usage_type: UsageType | None = strawberry.field(description="A usage type.")
    region_code: CountryCode | None = strawberry.field(description="A destination region, as `destinationRegions`.")
    member: Annotated["Member", strawberry.lazy("schema.directory")] | None = strawberry.field(
        description="A user of the phone system."
    )
    group: Annotated["Group", strawberry.lazy("schema.directory")] | None = strawberry.field(description="A group.")
    current: Money = strawberry.field(description="What it cost in the alert's period.")
    previous: Money = strawberry.field(description="What it cost in as many first days of the cycle before.")
    share_percent: Decimal = strawberry.field(
        description="How much of the rise it explains, in per cent with one decimal; above 100 where other usage fell"
        " meanwhile."
    )


async def _office(root: "SpendingAlert", info: Info) -> "Office":
    from schema.office import office_of  # the two files describe each other's fields

    row = await info.context.loaders.offices.load(root.row.office_id)
    if row is None:
        raise NotFound("This office is no longer there.")
    return office_of(row)


async def _wallet(root: "SpendingAlert", info: Info) -> Wallet | None:
    context = info.context
    row = await context.loaders.wallets.load(root.row.wallet_id) if root.row.wallet_id else None
    return wallet_of(row, context.now) if row else None


async def _plan_usage(root: "SpendingAlert", info: Info) -> PlanUsage | None:
    context, cycle_id = info.context, root.row.allowance_cycle_id
    row = await context.loaders.plan_usage.load(cycle_id) if cycle_id else None
    return plan_usage_of(row, context.now) if row else None


@strawberry.type(
    description="Something about an office's spending that somebody should know. It is raised once, and again only"
    " after what it is about was over. A rise keeps the figures that it was raised with; the others show those of now."
)
class SpendingAlert(Node):
    row: strawberry.Private[AnyRow]
    office: LazyOffice = strawberry.field(resolver=_office, description="The office.")
    kind: AlertKind = strawberry.field(description="What it is about.")
    message: str = strawberry.field(description="The banner: a sentence or two with both figures.")
    raised_at: datetime = strawberry.field(description="When it was raised.")
    period_start: datetime = strawberry.field(
        description="What its figures are of begins here: the billing cycle, of a commitment its own."
    )
    period_end: datetime = strawberry.field(
        description="The end of the cycle; of SPENDING_RISE, of the last complete day of it that was compared."
    )
    current: Money = strawberry.field(
        description="SPENDING_RISE: the cost of the period. COMMITMENT_USED: what was spent of the commitment."
        " ALLOWANCE_USED: the list price of what the plan covered of the service in this cycle. UNIVERSAL_LOW: the"
        " balance."
    )
    previous: Money | None = strawberry.field(
        description="SPENDING_RISE: the cost of as many first days of the cycle before. Null for the others."
    )
    rise_percent: Decimal | None = strawberry.field(
        description="SPENDING_RISE: how far `current` is above `previous`, in per cent with one decimal. Null for the"
        " others, and where nothing was spent before."
    )
    cause: SpendingCause | None = strawberry.field(description="SPENDING_RISE: its main cause. Null for the others.")
    wallet: Wallet | None = strawberry.field(
        resolver=_wallet, description="COMMITMENT_USED and UNIVERSAL_LOW: the wallet, as it now is."
    )
    plan_usage: PlanUsage | None = strawberry.field(
        resolver=_plan_usage, description="ALLOWANCE_USED: the row of the plan usage table, as it now is."
    )
    used_percent: int | None = strawberry.field(
        description="COMMITMENT_USED and ALLOWANCE_USED: the step that was reached, 80, 90 or 100. It follows downwards"
        " without another alert."
    )
    is_dismissed: bool = strawberry.field(description="Whether this viewer has dismissed it. Others still see it.")


def spending_alert_of(row: AnyRow) -> SpendingAlert:
    alert, currency = alert_of(row), Currency(row.currency)
    is_rise = alert.kind is AlertKind.SPENDING_RISE
    tenths = rise_tenths(alert.current_micros, alert.previous_micros or 0) if is_rise else None
    return SpendingAlert(
        id=encode(IdKind.SPENDING_ALERT, alert.id),
        row=row,
        kind=alert.kind,
        message=message_of(alert, currency),
        raised_at=alert.raised_at,
        period_start=alert.period.starts_at,
        period_end=alert.period.ends_at,
        current=money(alert.current_micros, currency),
        previous=None if alert.previous_micros is None else money(alert.previous_micros, currency),
        rise_percent=None if tenths is None else decimal_tenths(tenths),
        cause=_cause(alert, row),
        used_percent=alert.used_percent,
        is_dismissed=bool(row.is_dismissed),
    )


def _cause(alert: Alert, row: AnyRow) -> SpendingCause | None:
    from schema.directory import group_of_record, member_of_record  # it has offices, and they have alerts

    cause = alert.cause
    if cause is None:
        return None
    dimension, key = cause.dimension, cause.key
    return SpendingCause(
        service=Service(key) if dimension is Dimension.SERVICE else None,
        usage_type=UsageType(key) if dimension is Dimension.USAGE_TYPE else None,
        region_code=CountryCode(key) if dimension is Dimension.REGION else None,
        member=member_of_record(row),
        group=group_of_record(row),
        current=money(cause.current_micros, row.currency),
        previous=money(cause.previous_micros, row.currency),
        share_percent=decimal_tenths(share_tenths(cause, alert.rise_micros)),
    )


IncludeDismissed = Annotated[bool | None, strawberry.argument(description="Also those that this viewer has dismissed.")]


async def office_alerts(context: Context, office_id: UUID, *, include_dismissed: bool) -> list[SpendingAlert]:
    """For a page of offices: one look for all that the caller sees, and one read."""
    require_alerts(context)
    await context.watched()
    return await _alerts_of(context, office_id, include_dismissed=include_dismissed)


async def _alerts_of(context: Context, office_id: UUID, *, include_dismissed: bool) -> list[SpendingAlert]:
    rows = await context.loaders.alerts_of_office.load(AlertOf(office_id, context.viewer.subject))
    return _shown([row for row in rows if include_dismissed or not row.is_dismissed])


async def load_spending_alert(context: Context, alert_id: UUID) -> SpendingAlert | None:
    """Whatever became of it; None for one that is not the caller's."""
    row = await context.loaders.alerts.load(AlertOf(alert_id, context.viewer.subject))
    return spending_alert_of(row) if row else None


def _shown(rows: Sequence[AnyRow]) -> list[SpendingAlert]:
    return [spending_alert_of(row) for row in rows]


async def resolve_spending_alerts(
    info: Info,
    office_id: Annotated[
        strawberry.ID | None, strawberry.argument(description="Only this office's; every visible one's when left out.")
    ] = None,
    include_dismissed: IncludeDismissed = False,
) -> list[SpendingAlert] | None:
    context = info.context
    require_alerts(context)
    if office_id is not None:
        value = decode(IdKind.OFFICE, office_id)
        if value is None or await context.loaders.offices.load(value) is None:
            return None
        await context.watched(value)
        return await _alerts_of(context, value, include_dismissed=bool(include_dismissed))
    await context.watched()
    rows = await read_alerts(
        context.database,
        context.scope,
        subject=context.viewer.subject,
        include_dismissed=bool(include_dismissed),
    )
    return _shown(rows)


@strawberry.input(description="An alert that this viewer does not want to see any more.")
class DismissSpendingAlertInput:
    id: strawberry.ID = strawberry.field(description="The alert, `alr_…`.")


@strawberry.type(description="What became of the alert.")
class DismissSpendingAlertPayload:
    spending_alert: SpendingAlert | None = strawberry.field(
        default=None, description="The alert, dismissed for this viewer. Null when there are `userErrors`."
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="What stands in the way; then nothing was changed."
    )


async def resolve_dismiss_spending_alert(
    info: Info, input: Annotated[DismissSpendingAlertInput, strawberry.argument(description="The alert.")]
) -> DismissSpendingAlertPayload:
    context = info.context
    require_alerts(context)
    alert_id = decode(IdKind.SPENDING_ALERT, input.id) or NOTHING
    dismiss = partial(dismiss_alert, context.database, context.scope, alert_id)
    is_there = await context.begin.again(partial(dismiss, subject=context.viewer.subject, now=context.now))
    if not is_there:
        raise NotFound(NO_ALERT, field=("id",))
    return DismissSpendingAlertPayload(spending_alert=await load_spending_alert(context, alert_id))
