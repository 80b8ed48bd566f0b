"""The export of the usage history: a link to a file of all that the list holds."""

from datetime import datetime
from typing import Annotated

import strawberry

from domain.access import Permission
from persistence.exports import Export, Selection, make_export
from schema.connections import MAX_INT
from schema.context import Context, Info
from schema.errors import UserError
from schema.scalars import URL, Money, money
from schema.usage_history import UsageHistoryFilter, UsageOrder, wanted_by


@strawberry.input(description="Which part of the usage history to export, and in which order.")
class ExportUsageHistoryInput:
    filter: UsageHistoryFilter | None = strawberry.field(
        default=None, description="What to look for, as in `usageHistory`; everything when left out."
    )
    order_by: UsageOrder | None = strawberry.field(
        default=UsageOrder.OCCURRED_AT_DESC, description="The order of the rows."
    )


@strawberry.type(
    description="A CSV file of the usage history, ready to be downloaded. It holds what the caller saw at `asOf`,"
    " whatever is recorded or taken back before it is fetched."
)
class UsageExport:
    download_url: URL = strawberry.field(
        description="Where to GET it, without a token: whoever has the link may fetch the file until `expiresAt`."
    )
    file_name: str = strawberry.field(
        description="`usage-history-YYYY-MM-DD.csv`: today, where the office is; in UTC for more than one office."
    )
    row_count: int = strawberry.field(description="How many records are in it; 2147483647 stands for that and more.")
    total_cost: Money = strawberry.field(description="Sum of the records' `cost`, exactly; that of the list.")
    as_of: datetime = strawberry.field(description="Records charged up to here are in the file.")
    expires_at: datetime = strawberry.field(description="When the link stops working.")


@strawberry.type(description="What the export came to.")
class ExportUsageHistoryPayload:
    export: UsageExport | None = strawberry.field(
        default=None, description="The file. Null when there are `userErrors`."
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="What stands in the way; then there is no file."
    )


async def resolve_export_usage_history(
    info: Info,
    input: Annotated[ExportUsageHistoryInput, strawberry.argument(description="Which records, in which order.")],
) -> ExportUsageHistoryPayload:
    context = info.context
    context.viewer.require(Permission.VIEW_USAGE)
    wanted = wanted_by(input.filter)

    async def make() -> tuple[Export, Selection]:
        return await make_export(
            context.database,
            context.scope,
            context.viewer,
            wanted=wanted,
            is_descending=input.order_by is not UsageOrder.OCCURRED_AT_ASC,
            now=context.now,
        )

    return ExportUsageHistoryPayload(export=_shown(context, *await context.begin.again(make)))


def _shown(context: Context, export: Export, chosen: Selection) -> UsageExport:
    link = context.export_url(export.company_id, export.id, export.expires_at, export.file_name)
    return UsageExport(
        download_url=URL(link),
        file_name=export.file_name,
        row_count=min(chosen.row_count, MAX_INT),
        total_cost=money(chosen.cost_micros, chosen.currency),
        as_of=chosen.as_of,
        expires_at=export.expires_at,
    )
