"""Usage is authorized, extended, captured and released (R27, R28).

None of it is written to the audit trail: a phone system does it for every call, and a hold is itself the record.
"""

from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import NamedTuple
from uuid import UUID

from domain.access import Permission, Scope, Viewer
from domain.authorization import (
    UsageRequest,
    authorize,
    check_request,
    check_same_request,
    extend,
    require_active,
)
from domain.batch import check_event
from domain.charging import Decision
from domain.errors import HoldResolved, InvalidInput, NotFound, NotPermitted
from domain.hold_work import HoldWork
from domain.holds import Hold, HoldRefusal, HoldRefusalReason, HoldState
from domain.ledger import Books
from domain.ports import Door, Work
from domain.rating import check_time
from domain.renewal import renew
from domain.reservations import let_go
from domain.stories.charge import charge_offices
from domain.stories.recharge import judge_recharge
from domain.usage import OfficeReference, Rejected, UsageEvent
from domain.usage_quotes import Quote, quote

MAY_QUOTE = (Permission.HOLD_FUNDS, Permission.RECORD_USAGE, Permission.VIEW_RATES)
"""Any of these: a quote tells what usage costs, and whether there are funds for it."""


class Authorized(NamedTuple):
    hold: Hold | None
    refusal: HoldRefusal | None
    """Why there is no hold."""
    is_replayed: bool = False
    """The key was authorized before: `hold` is as it now is, also when it has ended."""


class Extended(NamedTuple):
    hold: Hold
    refusal: HoldRefusal | None
    """Why the hold stayed as it was."""


class Captured(NamedTuple):
    hold_id: UUID
    decision: Decision


async def authorize_usage(door: Door, viewer: Viewer, request: UsageRequest, *, now: datetime) -> Authorized:
    """Keep what usage may cost before it happens; a refusal is an answer. Idempotent by the event's key.

    Raises NotPermitted, NotFound, InvalidInput, IdempotencyConflict, and HoldResolved when the usage itself was
    recorded already.
    """
    viewer.require(Permission.HOLD_FUNDS)
    scope = Scope.of(viewer)
    check_request(request, now)
    office_id = await _office(door, scope, request.office)
    return await door.again(partial(_authorize, door, scope, office_id, request, now=now))


async def _authorize(door: Door, scope: Scope, office_id: UUID, request: UsageRequest, *, now: datetime) -> Authorized:
    key = (request.source, request.event_id)
    async with door.begin(scope.company, now) as work:
        books = await work.lock_books(office_id)
        renew(books)
        earlier = await work.hold_with_key(key)
        if earlier is not None:
            check_same_request(earlier, request, books)
            return Authorized(books.changed_holds.get(earlier.id, earlier), None, is_replayed=True)
        if key in (await work.known([key])).charges:
            raise HoldResolved("This usage was recorded already: nothing is left to authorize.", field=("eventId",))
        decided = authorize(books, request, await work.rate_book())
        if isinstance(decided, Hold):
            await work.save_books(books)
            return Authorized(decided, None)
        await _ask_for_funds(work, books, decided)
    return Authorized(None, decided)


async def _ask_for_funds(work: Work, books: Books, refusal: HoldRefusal) -> None:
    """Want of funds asks for a recharge, judged on what is available instead of on the balance (R33)."""
    if refusal.reason is HoldRefusalReason.INSUFFICIENT_FUNDS:
        available = books.funds.universal_micros - books.funds.universal_reserved_micros
        await judge_recharge(work, books, available_micros=available)
        await work.save_books(books)


async def find_own_hold(door: Door, viewer: Viewer, hold_id: UUID) -> Hold:
    """As it was last written. Raises NotPermitted, NotFound."""
    viewer.require(Permission.HOLD_FUNDS)
    scope = Scope.of(viewer)
    found = await door.find_hold(scope.company_id, hold_id) if scope.company_id else None
    if found is None or not scope.covers(found.office_id):
        raise NotFound("There is no such hold.", field=("holdId",))
    return found


async def extend_hold(
    door: Door,
    viewer: Viewer,
    hold_id: UUID,
    *,
    quantity: int | None = None,
    expires_at: datetime | None = None,
    now: datetime,
) -> Extended:
    """Totals, not increments; what is None stays. Raises NotPermitted, NotFound, InvalidInput, HoldResolved,
    HoldExpired."""
    scope, found = Scope.of(viewer), await find_own_hold(door, viewer, hold_id)

    async def story() -> Extended:
        async with door.begin(scope.company, now) as work:
            books, hold = await _lock(work, found)
            require_active(hold)
            refusal = extend(books, hold, quantity=quantity, expires_at=expires_at)
            if refusal is None:
                await work.save_books(books)
            else:
                await _ask_for_funds(work, books, refusal)
        return Extended(hold, refusal)

    return await door.again(story)


async def release_hold(door: Door, viewer: Viewer, hold_id: UUID, *, now: datetime) -> Hold:
    """Nothing is kept any longer. One that was released or has expired is answered as it is.

    Raises NotPermitted, NotFound, and HoldResolved when its usage was charged.
    """
    scope, found = Scope.of(viewer), await find_own_hold(door, viewer, hold_id)

    async def story() -> Hold:
        async with door.begin(scope.company, now) as work:
            books, hold = await _lock(work, found)
            if hold.state is HoldState.CAPTURED:
                require_active(hold)
            if hold.state is HoldState.ACTIVE:
                let_go(books, hold)
            await work.save_books(books)
        return hold

    return await door.again(story)


async def capture_hold(door: Door, viewer: Viewer, hold_id: UUID, event: UsageEvent, *, now: datetime) -> Captured:
    """Charge the usage a hold was made for: `record_usage` of this one event, so the second of the two is a replay.

    HOLD_FUNDS includes it. Usage that happened is charged whatever became of the hold (R26). Raises NotPermitted,
    NotFound, and InvalidInput for an event with another key or office.
    """
    scope, hold = Scope.of(viewer), await find_own_hold(door, viewer, hold_id)
    for name, value, kept in (("source", event.source, hold.source), ("eventId", event.event_id, hold.event_id)):
        if value != kept:
            raise InvalidInput("The hold was made for usage with another key.", field=("event", name))
    try:
        check_event(event)
    except InvalidInput as problem:
        raise InvalidInput(problem.message, field=("event", *problem.field)) from None
    if event.office is not None:
        named = await door.find_offices(scope.company, {event.office})
        if named.get(event.office) != hold.office_id:
            raise InvalidInput("The hold was made for usage of another office.", field=("event", "office"))
    event = replace(event, office=OfficeReference(id=hold.office_id))
    [decision] = await door.again(partial(charge_offices, door, scope, [(hold.office_id, event)], now=now))
    return Captured(hold.id, decision)


async def quote_usage(
    door: Door, viewer: Viewer, office: OfficeReference, event: UsageEvent, *, now: datetime
) -> Quote | None:
    """What usage would come to, or None for an office that is not there or not the viewer's. Changes nothing.

    Raises NotPermitted, and InvalidInput with the path into the event.
    """
    if not any(viewer.may(permission) for permission in MAY_QUOTE):
        raise NotPermitted("This token may not do that: it may neither read rates nor report or authorize usage.")
    scope = Scope.of(viewer)
    check_event(event)
    try:
        check_time(event.occurred_at, now)
    except Rejected as reason:
        raise InvalidInput(reason.message, field=reason.field) from None
    try:
        office_id = await _office(door, scope, office)
    except NotFound:
        return None

    async def story() -> Quote:
        async with door.begin(scope.company, now) as work:
            books = await work.lock_books(office_id)
            renew(books)
            return quote(books, event, await work.rate_book())

    return await door.again(story)


async def _office(door: Door, scope: Scope, reference: OfficeReference) -> UUID:
    """Raises NotFound for an office that is not there as for one that is not the viewer's."""
    offices = await door.find_offices(scope.company, {reference})
    office_id = offices.get(reference)
    if office_id is None or not scope.covers(office_id):
        raise NotFound("There is no such office.", field=("office",))
    return office_id


async def _lock(work: HoldWork, found: Hold) -> tuple[Books, Hold]:
    """The office's books, renewed, and the hold as it is under the lock."""
    books = await work.lock_books(found.office_id)
    renew(books)
    hold = books.changed_holds.get(found.id) or await work.find_hold(found.id)
    return books, hold or found
