"""Usage comes in, is charged, is tried again, is taken back."""

from collections.abc import Awaitable, Callable, Collection, Hashable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import NamedTuple
from uuid import UUID

from domain.access import Permission, Role, Scope, Viewer
from domain.activity import Activity, Change, TargetKind, act
from domain.batch import check_batch
from domain.charging import Decision, OfficeCharged, Outcome, Rejection, charge_batch, note_charged
from domain.errors import FareboxError, NotFound, NotPermitted
from domain.idempotency import check_key, check_same
from domain.money import Currency, money_text
from domain.ports import Door
from domain.reasons import check_reason
from domain.renewal import renew
from domain.reversal import PastCharge, reverse
from domain.stories.recharge import judge_recharge
from domain.usage import MAX_BATCH_EVENTS, RejectionCode, UsageEvent
from domain.works import UsedKey

OfficeEvent = tuple[UUID, UsageEvent]
"""The office that is charged, and for what."""
Story = Callable[[Sequence[OfficeEvent]], Awaitable[Sequence[Decision]]]

REVERSE = "reverseUsage"


async def record_usage(
    door: Door,
    viewer: Viewer,
    events: Sequence[UsageEvent],
    *,
    now: datetime,
    is_backfill: bool = False,
) -> list[Decision]:
    """Charge a batch: one transaction, one fold per office, one decision per event, in the order of the events. Batches
    that come at once from callers with the same scope share a transaction: they have no order among themselves.

    Every event names its office. Raises NotPermitted, and InvalidInput for a batch that is not well-formed; such a
    batch changes nothing. Where one office cannot be charged, the others are all the same: sending it all again is safe
    (R12).
    """
    viewer.require(Permission.RECORD_USAGE)
    if is_backfill and viewer.role is not Role.OPERATOR:
        raise NotPermitted("Only an operator may backfill closed billing cycles.")
    if viewer.company_id is None:
        raise NotFound("This token names no company.")
    check_batch(events)
    scope = Scope.of(viewer)
    references = {event.office for event in events if event.office is not None}
    offices = await door.find_offices(viewer.company_id, references)
    chargeable: list[OfficeEvent] = []
    places: list[int] = []
    for at, event in enumerate(events):
        office_id = offices.get(event.office) if event.office else None
        if office_id is not None and scope.covers(office_id):
            chargeable.append((office_id, event))
            places.append(at)
    story = partial(charge_offices, door, scope, now=now, is_backfill=is_backfill)
    decisions = await _decisions(door, (scope, is_backfill), chargeable, story) if chargeable else []
    decided = dict(zip(places, decisions, strict=True))
    return [decided.get(at) or _unknown_office(event) for at, event in enumerate(events)]


async def _decisions(door: Door, key: Hashable, events: Sequence[OfficeEvent], story: Story) -> Sequence[Decision]:
    """Office by office where one of them cannot be charged: it keeps none of the others waiting, and is told of at the
    end. What is wrong with the database is told at once: it would be wrong for each of them."""
    try:
        return await door.together(key, events, story)
    except FareboxError as refused:
        offices = sorted({office_id for office_id, _ in events})
        if len(offices) == 1:
            raise
        first = refused
    for office_id in offices:
        own = [(of, event) for of, event in events if of == office_id]
        with suppress(FareboxError):
            await door.again(partial(story, own))
    raise first


async def charge_offices(
    door: Door,
    scope: Scope,
    events: Sequence[OfficeEvent],
    *,
    now: datetime,
    is_backfill: bool = False,
) -> list[Decision]:
    """One transaction, one decision per event. A hold under the key of an event that is charged ends with it (R28)."""
    places_of: dict[UUID, list[int]] = {}
    for at, (office_id, _) in enumerate(events):
        places_of.setdefault(office_id, []).append(at)
    decided: dict[int, Decision] = {}
    charges: list[OfficeCharged] = []
    async with door.begin(scope.company, now) as work:
        all_books = await work.lock_all_books(places_of, with_history=is_backfill)
        reported = [event for _, event in events]
        known = await work.known([event.key for event in reported])
        rates, directory = await work.rate_book(), await work.directory(reported)
        for books in all_books:
            places = places_of[books.funds.office.id]
            batch = [reported[at] for at in places]
            own = known.of_office(books.funds.office.id, batch)
            renew(books)
            charged = charge_batch(
                books,
                batch,
                rates=rates,
                known=own,
                directory=directory,
                taken={key for key, kept in own.rejections.items() if not scope.covers(kept.office_id)},
                is_backfill=is_backfill,
            )
            await judge_recharge(work, books)
            charges.append(OfficeCharged(books, charged, own))
            note_charged(known, charges[-1])
            decided |= zip(places, charged.decisions, strict=True)
        await work.save_names(charges, scope)
        await work.save_charges(charges)
    return [decided[at] for at in range(len(events))]


def _unknown_office(event: UsageEvent) -> Decision:
    message = "There is no such office, or it is not yours to charge."
    rejection = Rejection(RejectionCode.UNKNOWN_OFFICE, message, ("office",))
    return Decision(event, Outcome.REJECTED, rejection=rejection)


async def replay_rejected(
    door: Door,
    viewer: Viewer,
    *,
    now: datetime,
    code: RejectionCode | None = None,
    ids: Collection[UUID] | None = None,
    is_backfill: bool = False,
) -> list[Decision]:
    """Try kept rejections again (R23): all, those with a code, or those named. Charging one consumes it.

    In order of time, in transactions of a batch's size; the order of the decisions is that of the charging.
    """
    viewer.require(Permission.RECORD_USAGE)
    if viewer.company_id is None:
        raise NotFound("This token names no company.")
    scope = Scope.of(viewer)
    kept = await door.rejected_events(viewer.company_id, viewer.office_ids, code=code, ids=ids)
    decisions: list[Decision] = []
    for office_id in sorted({office for office, _ in kept}):
        waiting = [event for office, event in kept if office == office_id]
        waiting.sort(key=lambda event: (event.occurred_at, event.event_id))
        for start in range(0, len(waiting), MAX_BATCH_EVENTS):
            batch = [(office_id, event) for event in waiting[start : start + MAX_BATCH_EVENTS]]
            story = partial(charge_offices, door, scope, batch, now=now, is_backfill=is_backfill)
            decisions += await door.again(story)
    return decisions


class ReversalDone(NamedTuple):
    reversal_id: UUID
    charge_id: UUID
    is_replayed: bool


async def reverse_usage(
    door: Door, viewer: Viewer, charge_id: UUID, *, key: str, reason: str, now: datetime
) -> ReversalDone:
    """Give back what a charge took (R36). Idempotent by key.

    Raises NotPermitted, NotFound, AlreadyReversed, IdempotencyConflict, InvalidInput.
    """
    viewer.require(Permission.REVERSE_USAGE)
    reason = check_reason(reason)
    check_key(key)
    return await door.again(partial(_reverse, door, viewer, charge_id, key=key, reason=reason, now=now))


async def _reverse(
    door: Door, viewer: Viewer, charge_id: UUID, *, key: str, reason: str, now: datetime
) -> ReversalDone:
    company_id, facts = viewer.company_id, {"usageRecordId": charge_id.hex, "reason": reason}
    if company_id is None:
        raise NotFound("There is no such usage record.", field=("usageRecordId",))
    async with door.begin(company_id, now) as work:
        found = await work.find_charge(charge_id)
        if found is None or not Scope.of(viewer).covers(found.office_id):
            raise NotFound("There is no such usage record.", field=("usageRecordId",))
        # With its history: of an annual commitment, a month may be closed while the year still runs.
        books = await work.lock_books(found.office_id, with_history=True)
        # Asked under the lock: of two requests with one key, the second waits here and finds what the first did.
        used = await work.used_key(key)
        if used is not None:
            check_same(used, REVERSE, facts)
            return ReversalDone(used.result_id, charge_id, is_replayed=True)
        original = await work.find_charge(charge_id) or found
        renew(books)
        reversal = reverse(books, original, reason=reason, author=viewer.name)
        await work.save_reversal(books, reversal)
        await work.save_key(key, UsedKey(REVERSE, facts, reversal.id))
        await work.save_activity(_reversed(viewer, original, reason, books.funds.office.currency))
    return ReversalDone(reversal.id, charge_id, is_replayed=False)


def _reversed(viewer: Viewer, original: PastCharge, reason: str, currency: Currency) -> Activity:
    cost = Change("cost", money_text(original.payment.cost_micros, currency), money_text(0, currency))
    target = (TargetKind.USAGE_RECORD, original.id)
    return act(viewer, REVERSE, cost, Change("reason", None, reason), office_id=original.office_id, target=target)
