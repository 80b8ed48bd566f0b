"""The audit trail: who changed or bought what, when, from where, before and after."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry

from domain.access import Permission
from domain.activity import ACTIONS, TargetKind
from persistence.activity import read_activity_page
from schema.connections import After, Before, Connection, First, Last, page, window_of
from schema.context import Context, Info
from schema.cost import VALUE, sized
from schema.ids import IdKind, encode
from schema.loaders import AnyRow
from schema.nodes import Node
from schema.office import Office, office_of

if TYPE_CHECKING:
    from schema.company import Company

_WORDS = "; ".join(f"`{action}`: {meaning}" for action, meaning in ACTIONS.items())


@strawberry.type(directives=[VALUE], description="One thing that an activity changed.")
class ActivityChange:
    field: str = strawberry.field(description="What it is called, in the API or in the company's file.")
    before: str | None = strawberry.field(
        description="What it was, as a person reads it. Null where there was nothing, or where nobody noted it."
    )
    after: str | None = strawberry.field(description="What it became. Null where nothing is left.")


async def _office_of(root: "Activity", _info: Info) -> Office | None:
    row = await root.context.loaders.offices.load(root.row.office_id) if root.row.office_id else None
    return office_of(row) if row else None


async def _target_of(root: "Activity", _info: Info) -> Node | None:
    from schema.node import find_node  # it finds activities as well

    if root.row.target_id is None:
        return None
    kind = TargetKind(root.row.target_kind)
    return await find_node(root.context, encode(IdKind[kind.name], root.row.target_id))


@strawberry.type(description="Something that a person, a command or Farebox itself did. It is never changed.")
class Activity(Node):
    context: strawberry.Private[Context]
    """Of the company it belongs to, which an operator may have entered by its slug."""
    row: strawberry.Private[AnyRow]
    at: datetime = strawberry.field(description="When.")
    actor: str = strawberry.field(
        description="Who: the name in the token, `Operator` for commands, `Farebox` for what it did by itself."
    )
    action: str = strawberry.field(
        description=f"What was done, as the mutation or command is called. {_WORDS}. More may come."
    )
    address: str | None = strawberry.field(
        description="The network address the request came from. Null for commands and for Farebox itself."
    )
    office: Office | None = strawberry.field(
        resolver=_office_of, description="The office it concerns; null for the company as a whole."
    )
    target: Node | None = strawberry.field(
        resolver=_target_of,
        description="What it was done to. Null when that is not there any more, or the token does not open it.",
    )
    changes: list[ActivityChange] = strawberry.field(
        directives=[sized(10)], description="What it changed, and the reason given."
    )


@strawberry.type(description="A page of the audit trail, last done first.")
class ActivityConnection(Connection[Activity]):
    pass


def activity_of(row: AnyRow, context: Context) -> Activity:
    return Activity(
        id=encode(IdKind.ACTIVITY, row.id),
        context=context,
        row=row,
        at=row.at,
        actor=row.actor,
        action=row.action,
        address=row.address,
        changes=[ActivityChange(**change) for change in row.changes],
    )


async def resolve_activity(
    root: Annotated["Company", strawberry.lazy("schema.company")],
    info: Info,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
) -> ActivityConnection:
    info.context.viewer.require(Permission.VIEW_ACTIVITY)
    context = info.context.within(root.row.company_id)
    seal = context.cursors((datetime, UUID), "activity")
    window = window_of(seal, first=first, after=after, last=last, before=before)
    found = await read_activity_page(context.database, context.scope, window=window)
    nodes = [activity_of(row, context) for row in found.rows]
    return ActivityConnection(**page(seal, window, found, nodes, lambda row: (row.at, row.id)))
