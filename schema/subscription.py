"""What a front end can have told to it as it happens. Everything is read from the database when it is told.

The resolvers refuse when the subscription begins, and hand over a generator of the objects themselves. For each of
them the selection is resolved anew, with the context that the edge makes for that event.
"""

from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

import strawberry

from domain.access import Permission
from domain.alerts import AlertState
from domain.errors import NotFound
from domain.top_ups import IN_FLIGHT, TopUpState
from persistence.alerts import read_alerts_by_id
from persistence.live import read_live_top_ups, read_new_charges, read_next_sequence, read_open_alerts
from persistence.overview import read_wallets
from schema.context import Info
from schema.cost import sized
from schema.ids import IdKind, decode
from schema.live import Standpoint, look_together, look_when_changed
from schema.loaders import AnyRow
from schema.office import Office
from schema.spending_alerts import SpendingAlert, require_alerts, spending_alert_of
from schema.top_ups import TopUp, top_up_of
from schema.usage_record import UsageRecord, record_of
from schema.wallets import Wallet, wallet_of

MOST_RECORDS = 50
MOST_TOP_UPS = 50
RENEW_PAUSE = timedelta(seconds=10)
"""Whoever writes renews (R9): a look need not, unless a cycle has ended or a hold may have."""

OfficeArgument = Annotated[strawberry.ID, strawberry.argument(description="The office.")]


@strawberry.type(
    description="Usage that was charged to an office since the event before. Under a burst it is gathered: the newest"
    " records are there, of the others their number."
)
class UsageRecordedEvent:
    office: Office = strawberry.field(description="The office that pays.")
    records: list[UsageRecord] = strawberry.field(
        directives=[sized(50)],
        description="The newest records, at most 50, in the order in which they were charged; reversals too.",
    )
    omitted_count: int = strawberry.field(
        description="How many earlier ones there are besides: the usage history has them. With them no charge is"
        " missing and none is counted twice."
    )


async def _visible(info: Info, office_id: str) -> UUID:
    """Raises NotFound: a subscription that could never tell anything does not begin."""
    office = decode(IdKind.OFFICE, office_id)
    if office is None or await info.context.loaders.offices.load(office) is None:
        raise NotFound("There is no such office, or it is not yours.", field=("officeId",))
    return office


async def resolve_wallet_changed(info: Info, office_id: OfficeArgument) -> AsyncGenerator[Wallet, None]:
    info.context.viewer.require(Permission.VIEW_WALLETS)
    office = await _visible(info, office_id)
    here = Standpoint.of(info.context)
    told: dict[UUID, AnyRow] = {}
    renew_at = here.now

    async def look() -> Sequence[AnyRow]:
        nonlocal renew_at
        now = here.now
        if now >= renew_at:
            await here.renew_due(here.scope, now)
            renew_at = now + RENEW_PAUSE
        rows = await read_wallets(here.database, here.scope, now=now, office_ids=[office])
        renew_at = min([renew_at, *(row.ends_at for row in rows)])
        return rows

    async def news(rows: Sequence[AnyRow]) -> Sequence[Wallet]:
        now = here.now
        changed = [row for row in rows if row.id not in told or tuple(told[row.id]) != tuple(row)]
        told.update((row.id, row) for row in changed)
        return [wallet_of(row, now) for row in changed]

    return look_together(here, office, look, question="wallets", news=news)


async def resolve_top_up_changed(info: Info, office_id: OfficeArgument) -> AsyncGenerator[TopUp, None]:
    info.context.viewer.require(Permission.VIEW_WALLETS)
    office = await _visible(info, office_id)
    here = Standpoint.of(info.context)
    told: dict[UUID, AnyRow] = {}

    async def look() -> Sequence[AnyRow]:
        moving = [row.id for row in told.values() if TopUpState(row.state) in IN_FLIGHT]
        rows = await read_live_top_ups(here.database, here.scope, office, ids=moving, newest=MOST_TOP_UPS)
        changed = [row for row in rows if row.id not in told or _shown(row) != _shown(told[row.id])]
        told.clear()
        told.update((row.id, row) for row in rows)
        return changed

    async def look_and_tell() -> Sequence[TopUp]:
        return [top_up_of(row) for row in await look()]

    await look()
    return look_when_changed(here, [office], look_and_tell)


def _shown(row: AnyRow) -> tuple[Any, ...]:
    """What of a top-up can change and be seen."""
    return (row.state, row.reason, row.refunded_micros, row.settled_at, row.paid_at, row.next_action)


async def resolve_usage_recorded(info: Info, office_id: OfficeArgument) -> AsyncGenerator[UsageRecordedEvent, None]:
    info.context.viewer.require(Permission.VIEW_USAGE)
    office = await _visible(info, office_id)
    here = Standpoint.of(info.context)
    next_sequence = await read_next_sequence(here.database, here.scope, office) or 0

    async def look() -> Sequence[UsageRecordedEvent]:
        nonlocal next_sequence
        new = await read_new_charges(here.database, here.scope, office, from_sequence=next_sequence, limit=MOST_RECORDS)
        if new is None:
            return ()
        next_sequence = new.next_sequence
        records = [record_of(row) for row in new.rows]
        return [UsageRecordedEvent(office=records[0].office, records=records, omitted_count=new.omitted_count)]

    return look_when_changed(here, [office], look)


async def resolve_spending_alert_raised(
    info: Info,
    office_id: Annotated[
        strawberry.ID | None, strawberry.argument(description="The office; every visible one when left out.")
    ] = None,
) -> AsyncGenerator[SpendingAlert, None]:
    require_alerts(info.context)
    office = None if office_id is None else await _visible(info, office_id)
    here, subject, _ = Standpoint.of(info.context), info.context.viewer.subject, info.context.scope.company
    known = {row.id for row in await read_open_alerts(here.database, here.scope, office)}

    async def look() -> Sequence[AnyRow]:
        return await read_open_alerts(here.database, here.scope, office)

    async def news(still_open: Sequence[AnyRow]) -> Sequence[SpendingAlert]:
        raised = [row.id for row in still_open if row.state == AlertState.ACTIVE and row.id not in known]
        found = await read_alerts_by_id(here.database, here.scope, subject=subject, ids=raised) if raised else ()
        known.intersection_update(row.id for row in still_open)
        known.update(raised)
        return [spending_alert_of(row) for row in sorted(found, key=lambda row: (row.raised_at, row.id))]

    return look_together(here, office, look, question="open alerts", news=news)


@strawberry.type(
    description="What is told as it happens, over a WebSocket or as server-sent events. A slow reader is told what is"
    " true when he reads; changes in between are put together."
)
class Subscription:
    wallet_changed = strawberry.subscription(
        resolver=resolve_wallet_changed,
        description="A wallet of the office: each of them once at the beginning, and then whenever its figures have"
        " changed, at most every 250 milliseconds, as they are then.",
    )
    top_up_changed = strawberry.subscription(
        resolver=resolve_top_up_changed,
        description="A top-up of the office that was begun, or whose state, refunds or invoice changed; of old ones"
        " (past the newest 50) only while they are in flight.",
    )
    usage_recorded = strawberry.subscription(
        resolver=resolve_usage_recorded,
        description="Usage charged to the office from the beginning of the subscription on, at most every 250"
        " milliseconds.",
    )
    spending_alert_raised = strawberry.subscription(
        resolver=resolve_spending_alert_raised,
        description="An alert that was raised since the beginning of the subscription, each once.",
    )
