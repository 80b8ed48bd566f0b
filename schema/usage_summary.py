"""The chart page: sums of the usage history by period and by one more dimension."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

import strawberry

from domain.access import Permission
from domain.catalogue import UsageUnit
from domain.charts import Figures, UsageDimension, grouping
from domain.errors import InvalidInput
from persistence.chart_facts import Question
from persistence.offices import read_company
from persistence.summary import SummaryRow, read_usage_summary
from schema.context import Info, lagging
from schema.cost import VALUE, sized
from schema.directory import Group, Member, group_of, member_of
from schema.office import Office, office_of
from schema.scalars import BigInt, CountryCode, Money, Quantity, money
from schema.usage_history import UsageHistoryFilter, wanted_by
from schema.words import Service, UsageType, WalletSource, describe

MAX_TOP = 100
DEFAULT_TOP = 20

describe(
    UsageDimension,
    "What a chart can group usage by. DAY and WEEK are local days of the office that pays, on which the usage happened;"
    " MONTH is the billing cycle it is charged to.",
    {
        "DAY": "The local day on which it happened.",
        "WEEK": "The week, from Monday, in which it happened.",
        "MONTH": "The billing cycle it is charged to, known by the first day of the month that labels it.",
        "SERVICE": "What was used.",
        "USAGE_TYPE": "What kind of usage it was.",
        "WALLET_SOURCE": "Who paid. Usage that several sources paid counts, with its whole quantity, for each of them,"
        " and its amounts are divided: counts and quantities add up to more than there was, amounts do not.",
        "OFFICE": "Which office paid.",
        "MEMBER": "Whose usage it is.",
        "GROUP": "Which group's usage it is.",
        "DESTINATION_REGION": "The region of the number that decided the usage type.",
    },
)


@strawberry.type(directives=[VALUE], description="Sums over usage records; the figures of reversals are negative.")
class UsageFigures:
    count: int = strawberry.field(description="How many records; a reversal is one, too.")
    cost: Money = strawberry.field(description="What wallets paid.")
    list_price: Money = strawberry.field(description="The price, whoever paid it: `cost` and the plan's part.")
    quantities: list[Quantity] = strawberry.field(
        directives=[sized(5)], description="Billed units, one entry for each unit there was."
    )


@strawberry.type(
    description="A point of a chart. The fields of the dimensions that were asked for are set, the others are null;"
    " `isOther` marks the rest beyond `top`. Usage that has no such thing, as a call of no member, has a row in which"
    " the field is null and `isOther` is false."
)
class UsageSummaryRow:
    period_start: date | None = strawberry.field(
        description="The first day of the period: the local day itself, the Monday of the week, the first of the"
        " month that labels the billing cycle. A cycle itself may begin on another day."
    )
    service: Service | None = strawberry.field(description="With SERVICE.")
    usage_type: UsageType | None = strawberry.field(description="With USAGE_TYPE.")
    wallet_source: WalletSource | None = strawberry.field(
        description="With WALLET_SOURCE; null for usage that cost nothing."
    )
    office: Office | None = strawberry.field(description="With OFFICE.")
    member: Member | None = strawberry.field(description="With MEMBER; null for usage of nobody in particular.")
    group: Group | None = strawberry.field(description="With GROUP; null for usage of no group.")
    region_code: CountryCode | None = strawberry.field(
        description="With DESTINATION_REGION; null where the number is of no region, or there is none."
    )
    is_other: bool = strawberry.field(description="Whether this is all that has no row of its own.")
    usage: UsageFigures = strawberry.field(description="The time asked for.")
    previous: UsageFigures | None = strawberry.field(
        description="The same of the stretch before. Null unless `compareWithPrevious`, and where the filter does not"
        " bound the time."
    )


_NO_DIMENSION: dict[str, Any] = dict.fromkeys(
    ("service", "usage_type", "wallet_source", "office", "member", "group", "region_code")
)


def _dimension(row: SummaryRow, other: UsageDimension | None) -> dict[str, Any]:
    """The one field that says what a row is of."""
    key, named = row.key, row.named
    if key is None:
        return {}
    match other:
        case UsageDimension.SERVICE:
            return {"service": Service(str(key))}
        case UsageDimension.USAGE_TYPE:
            return {"usage_type": UsageType(str(key))}
        case UsageDimension.WALLET_SOURCE:
            return {"wallet_source": WalletSource(str(key))}
        case UsageDimension.DESTINATION_REGION:
            return {"region_code": CountryCode(str(key))}
        case UsageDimension.OFFICE:
            return {"office": office_of(named) if named else None}
        case UsageDimension.MEMBER:
            return {"member": member_of(named) if named else None}
        case UsageDimension.GROUP:
            return {"group": group_of(named) if named else None}
    return {}


def _figures(figures: Figures, currency: str) -> UsageFigures:
    return UsageFigures(
        count=figures.count,
        cost=money(figures.cost_micros, currency),
        list_price=money(figures.list_price_micros, currency),
        quantities=[
            Quantity(value=BigInt(figures.quantities[unit]), unit=unit)
            for unit in UsageUnit
            if unit in figures.quantities
        ],
    )


def _row(row: SummaryRow, other: UsageDimension | None, currency: str) -> UsageSummaryRow:
    return UsageSummaryRow(
        period_start=row.period,
        **{**_NO_DIMENSION, **_dimension(row, other)},
        is_other=row.is_other,
        usage=_figures(row.usage, currency),
        previous=None if row.previous is None else _figures(row.previous, currency),
    )


def _top(top: int | None) -> int:
    if top is None:
        return DEFAULT_TOP
    if not 1 <= top <= MAX_TOP:
        raise InvalidInput(f"`top` may be 1 to {MAX_TOP}.", field=("top",))
    return top


async def resolve_usage_summary(
    info: Info,
    group_by: Annotated[
        Sequence[UsageDimension],
        strawberry.argument(
            description="One or two: at most one of DAY, WEEK and MONTH, and at most one of the others."
        ),
    ],
    filter: Annotated[
        UsageHistoryFilter | None,
        strawberry.argument(description="What to sum, as for `usageHistory`; everything when left out."),
    ] = None,
    top: Annotated[
        int | None,
        strawberry.argument(
            description="How many values of the other dimension have rows of their own, 1 to 100: those that cost most"
            " over the whole time, and where they are fewer, those of the previous stretch. The rest is one row a"
            " period."
        ),
    ] = DEFAULT_TOP,
    compare_with_previous: Annotated[
        bool | None,
        strawberry.argument(
            description="Also the stretch of the same length directly before: of a `month` the cycle before it, of"
            " `occurredAt` as many local days where it is whole days, else as much time. Days and weeks are matched"
            " from the start, months from the end; what has no counterpart, as the 31st day beside a cycle of 30, is"
            " left out."
        ),
    ] = False,
) -> list[UsageSummaryRow]:
    context = info.context
    context.viewer.require(Permission.VIEW_USAGE)
    question = Question(
        wanted=wanted_by(filter),
        grouping=grouping(group_by),
        top=_top(top),
        compares=bool(compare_with_previous),
    )
    company = await read_company(context.database, context.scope)
    if company is None:
        return []
    rows = await read_usage_summary(lagging(info), context.scope, question=question)
    return [_row(row, question.grouping.other, company.currency) for row in rows]
