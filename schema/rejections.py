"""Usage that could not be priced, kept until a rate makes it good (R23)."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from domain.access import Permission
from persistence.rejections import count_rejections, read_rejection_page
from schema.connections import After, Before, CountedConnection, First, Last, page, window_of
from schema.context import Info
from schema.ids import IdKind, encode
from schema.loaders import AnyRow
from schema.nodes import Node
from schema.office import Office, office_of
from schema.words import RejectionCode, Service


async def _office_of(root: "RejectedUsage", info: Info) -> Office | None:
    row = await info.context.loaders.offices.load(root.row.office_id)
    return office_of(row) if row else None


@strawberry.type(
    description="A usage that was reported but not charged, because no rate was in force or the destination is"
    " blocked. Reporting it again, or replaying it, charges it once a rate makes it good, and takes it off this"
    " list."
)
class RejectedUsage(Node):
    row: strawberry.Private[AnyRow]
    event_id: str = strawberry.field(description="The reporter's own id of it.")
    office: Office | None = strawberry.field(resolver=_office_of, description="The office that would pay.")
    occurred_at: datetime = strawberry.field(description="When it began.")
    received_at: datetime = strawberry.field(description="When it was first reported.")
    service: Service = strawberry.field(description="What was used.")
    code: RejectionCode = strawberry.field(description="Why it could not be charged.")
    message: str = strawberry.field(description="The same in a sentence, naming the number or rate.")
    attempt_count: int = strawberry.field(description="How many times charging it was tried.")


@strawberry.type(description="A page of rejected usage, last reported first.")
class RejectedUsageConnection(CountedConnection[RejectedUsage]):
    pass


def rejected_usage_of(row: AnyRow) -> RejectedUsage:
    return RejectedUsage(
        id=encode(IdKind.REJECTED_USAGE, row.id),
        row=row,
        event_id=row.event_id,
        occurred_at=row.occurred_at,
        received_at=row.received_at,
        service=Service(row.service),
        code=RejectionCode(row.code),
        message=row.message,
        attempt_count=row.attempt_count,
    )


def require_rejections(info: Info) -> None:
    """Who reports usage may read what became of it. Raises NotPermitted."""
    if not info.context.may(Permission.RECORD_USAGE):
        info.context.viewer.require(Permission.VIEW_USAGE)


async def resolve_rejected_usage(
    info: Info,
    code: Annotated[
        RejectionCode | None, strawberry.argument(description="Only what was rejected for this reason.")
    ] = None,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
) -> RejectedUsageConnection:
    require_rejections(info)
    context = info.context
    seal = context.cursors((datetime, UUID), "rejectedUsage", code)
    window = window_of(seal, first=first, after=after, last=last, before=before)
    found = await read_rejection_page(context.database, context.scope, code=code, window=window)
    return RejectedUsageConnection(
        count=lambda: count_rejections(context.database, context.scope, code=code),
        **page(seal, window, found, map(rejected_usage_of, found.rows), lambda row: (row.received_at, row.id)),
    )
