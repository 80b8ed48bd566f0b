"""Usage is authorized before it happens (R27): what is asked for, the rate of this moment, and what funds allow.

A request is rated as the most ordinary event of its service would be, so that a hold and the charge it ends in agree.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from domain.batch import check_event
from domain.catalogue import Direction, Service
from domain.errors import HoldExpired, HoldResolved, IdempotencyConflict, InvalidInput
from domain.funds import Cycle
from domain.holds import MAX_HOLD, MIN_HOLD, Hold, HoldRefusal, HoldRefusalReason, HoldState
from domain.ledger import Books
from domain.rates import RateBook
from domain.rating import Rated, rate_event
from domain.reservations import Grant, available_for, change, first_block, keep, largest_grant, whole_increments
from domain.usage import (
    MAX_CALL_SECONDS,
    MAX_PAGES,
    MAX_SEGMENTS,
    MAX_SESSIONS,
    AiAgentMode,
    AiAgentSession,
    Call,
    Fax,
    Message,
    OfficeReference,
    Rejected,
    RejectionCode,
    Session,
    Traffic,
    UsageEvent,
    UsageFacts,
)

MOST_WANTED = MappingProxyType(
    {
        Service.CALLING: MAX_CALL_SECONDS,
        Service.MESSAGING: MAX_SEGMENTS,
        Service.FAX: MAX_PAGES,
        Service.AI_AGENT: MAX_SESSIONS,
        Service.SPEECH_IVR: MAX_SESSIONS,
        Service.OMNICHANNEL: MAX_SESSIONS,
    }
)
"""As much as one event of the service may report."""
_REFUSED = {
    RejectionCode.NO_RATE: HoldRefusalReason.NO_RATE,
    RejectionCode.BLOCKED: HoldRefusalReason.BLOCKED,
}
SUSPENDED = HoldRefusal(
    HoldRefusalReason.OFFICE_SUSPENDED,
    "The office is suspended: usage that has happened is still charged, but nothing new is authorized.",
)
TOO_LITTLE = HoldRefusal(
    HoldRefusalReason.INSUFFICIENT_FUNDS,
    "What is neither spent nor held does not pay for it: buy universal credits, or ask again when other usage has"
    " ended.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRequest:
    """What is about to start, and for how long funds are wanted."""

    source: str
    event_id: str
    office: OfficeReference
    service: Service
    direction: Direction
    from_: str
    to: str
    quantity: int
    """In the service's unit."""
    hold_seconds: int


def check_request(request: UsageRequest, now: datetime) -> None:
    """Raises InvalidInput for texts that no event could carry, and for what is out of bounds."""
    check_quantity(request.service, request.quantity)
    least, most = MIN_HOLD // timedelta(seconds=1), MAX_HOLD // timedelta(seconds=1)
    if not least <= request.hold_seconds <= most:
        raise InvalidInput(f"Between {least} and {most} seconds.", field=("holdSeconds",))
    try:
        check_event(_event_of(request, now))
    except InvalidInput as problem:
        raise InvalidInput(problem.message, field=problem.field[-1:]) from None


def check_quantity(service: Service, quantity: int) -> None:
    """Raises InvalidInput."""
    if not 1 <= quantity <= MOST_WANTED[service]:
        raise InvalidInput(f"{quantity} is not between 1 and {MOST_WANTED[service]}.", field=("quantity",))


def check_same_request(hold: Hold, request: UsageRequest, books: Books) -> None:
    """Raises IdempotencyConflict when the key already authorizes something else, and names what differs."""
    compared = (
        ("office", hold.office_id, books.funds.office.id),
        ("service", hold.service, request.service),
        ("direction", hold.direction, request.direction),
        ("from", hold.from_, request.from_),
        ("to", hold.to, request.to),
        ("quantity", hold.wanted_quantity, request.quantity),
    )
    differing = tuple(name for name, before, now in compared if before != now)
    if differing:
        # Of a hold in another office no more is told than that.
        raise IdempotencyConflict(
            "This event was authorized with other facts: take a new `eventId` for other usage.",
            differing_fields=("office",) if "office" in differing else differing,
            field=("eventId",),
        )


def authorize(books: Books, request: UsageRequest, rates: RateBook) -> Hold | HoldRefusal:
    """Keeps what the usage may cost, as far as funds allow. Raises InvalidInput for numbers that cannot be read.

    The funds must be renewed up to `books.now`, and the request checked.
    """
    funds, now = books.funds, books.now
    if funds.office.is_suspended:
        return SUSPENDED
    try:
        rated = rate_or_refuse(books, _event_of(request, now), rates)
    except InvalidInput as problem:
        raise InvalidInput(problem.message, field=problem.field[-1:]) from None
    if isinstance(rated, HoldRefusal):
        return rated
    most = rated.quantity
    if request.service is Service.CALLING:
        most = max(first_block(rated.rate), min(most, funds.office.hold_grant_seconds))
    free = available_for(books, funds.current, request.service, rated.measured.usage_type)
    grant = largest_grant(rated.rate, most, free)
    if grant is None:
        return TOO_LITTLE
    hold = _hold(books, request, rated, grant)
    keep(books, hold)
    return hold


def _hold(books: Books, request: UsageRequest, rated: Rated, grant: Grant) -> Hold:
    rate = rated.rate
    return Hold(
        id=books.new_id(),
        office_id=books.funds.office.id,
        source=request.source,
        event_id=request.event_id,
        service=request.service,
        usage_type=rated.measured.usage_type,
        direction=request.direction,
        from_=request.from_,
        to=request.to,
        wanted_quantity=request.quantity,
        granted_quantity=grant.quantity,
        rate_id=rate.id,
        nanos_per_unit=rate.nanos_per_unit,
        increment=rate.increment,
        connection_fee_micros=rate.connection_fee_micros,
        destination=rate.destination,
        month=books.funds.current.month,
        payment=grant.payment,
        created_at=books.now,
        expires_at=books.now + timedelta(seconds=request.hold_seconds),
    )


def require_active(hold: Hold) -> None:
    """Raises HoldResolved, HoldExpired: a hold resolves once (R28)."""
    if hold.state is HoldState.EXPIRED:
        raise HoldExpired("This hold has expired: authorize the usage again under a new `eventId`.", field=("holdId",))
    if hold.state is not HoldState.ACTIVE:
        raise HoldResolved(f"This hold was {hold.state.lower()} before.", field=("holdId",))


def extend(books: Books, hold: Hold, *, quantity: int | None, expires_at: datetime | None) -> HoldRefusal | None:
    """Keeps more for the same usage at the rate it was granted at, or keeps it longer (R28).

    Both are totals: the same again changes nothing. The grant is never lowered, and rises as far as funds allow; when
    they do not allow for more at all nothing changes. Raises InvalidInput.
    """
    funds = books.funds
    if quantity is not None:
        check_quantity(hold.service, quantity)
    if expires_at not in (None, hold.expires_at):
        _check_end(expires_at, books.now)
    grant, cycle = None, next((cycle for cycle in funds.cycles if _is_of(hold, cycle)), funds.current)
    wanted = whole_increments(hold, quantity or 0)
    if wanted > hold.granted_quantity:
        if funds.office.is_suspended:
            return SUSPENDED
        free = available_for(books, cycle, hold.service, hold.usage_type, besides=hold)
        grant = largest_grant(hold, wanted, free)
        if grant is None or grant.quantity <= hold.granted_quantity:
            return TOO_LITTLE
    change(books, hold, grant=grant, month=cycle.month, expires_at=expires_at or hold.expires_at)
    return None


def _is_of(hold: Hold, cycle: Cycle) -> bool:
    return cycle.month == hold.month and cycle.closed_at is None


def _check_end(expires_at: datetime, now: datetime) -> None:
    if not now + MIN_HOLD <= expires_at <= now + MAX_HOLD:
        raise InvalidInput("A hold ends between a minute and a day from now.", field=("expiresAt",))


def rate_or_refuse(books: Books, event: UsageEvent, rates: RateBook) -> Rated | HoldRefusal:
    """Raises InvalidInput, with the path into the event, for what no rate could make good."""
    try:
        return rate_event(event, books.funds.office, rates)
    except Rejected as rejected:
        reason = _REFUSED.get(rejected.code)
        if reason is None:
            raise InvalidInput(rejected.message, field=rejected.field) from None
        return HoldRefusal(reason, rejected.message)


def _event_of(request: UsageRequest, now: datetime) -> UsageEvent:
    return UsageEvent(source=request.source, event_id=request.event_id, occurred_at=now, usage=_facts_of(request))


def _facts_of(request: UsageRequest) -> UsageFacts:
    """The most ordinary usage of the service: an SMS from person to person, an AI agent by voice."""
    direction, from_, to, quantity = request.direction, request.from_, request.to, request.quantity
    match request.service:
        case Service.CALLING:
            return Call(direction=direction, from_=from_, to=to, duration_seconds=quantity)
        case Service.MESSAGING:
            return Message(direction=direction, traffic=Traffic.P2P, from_=from_, to=to, segment_count=quantity)
        case Service.FAX:
            return Fax(direction=direction, from_=from_, to=to, page_count=quantity)
        case Service.AI_AGENT:
            mode = AiAgentMode.VOICE
            return AiAgentSession(mode=mode, direction=direction, from_=from_, to=to, session_count=quantity)
        case service:
            return Session(service=service, direction=direction, from_=from_, to=to, session_count=quantity)
