"""From a reported event to a priced one: what it is, how much of it is billed, at which rate (R14–R17, R20–R22)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from domain.catalogue import Direction, Service, UsageType
from domain.funds import OfficeTerms
from domain.money import Micros
from domain.numbers import (
    Address,
    ai_type,
    call_type,
    deciding_address,
    fax_type,
    message_type,
    parse_address,
)
from domain.rates import Rate, RateBook, billed_seconds, connection_fee, usage_price
from domain.usage import (
    MAX_AGE,
    MAX_BACKFILL_AGE,
    MAX_CALL_SECONDS,
    MAX_LEAD,
    MAX_PAGES,
    MAX_SEGMENTS,
    MAX_SESSIONS,
    AiAgentSession,
    Call,
    Fax,
    FaxStatus,
    Message,
    MessageStatus,
    Rejected,
    RejectionCode,
    Session,
    UsageEvent,
    kind_name,
)


class Measured(NamedTuple):
    """An event once its numbers and its quantity are understood; no price yet."""

    service: Service
    usage_type: UsageType
    direction: Direction | None
    from_: Address | None
    to: Address | None
    decided_by: Address | None
    """The number that decided the type, and is rated."""
    quantity: int
    """Seconds before increments; segments, pages or sessions."""
    duration_seconds: int | None
    details: Mapping[str, Any]
    """What only the side panel shows."""


class Rated(NamedTuple):
    measured: Measured
    rate: Rate
    quantity: int
    """Billed: after increments."""
    price: Micros
    """Without the connection fee."""
    fee: Micros


def check_time(occurred_at: datetime, now: datetime, *, is_backfill: bool = False) -> None:
    """Raises Rejected for a time no honest clock reports (R5). An operator's backfill may reach further back."""
    if occurred_at > now + MAX_LEAD:
        raise Rejected(
            RejectionCode.IN_THE_FUTURE,
            f"It occurred at {occurred_at:%Y-%m-%d %H:%M}Z, more than an hour from now.",
            "occurredAt",
        )
    if occurred_at < now - (MAX_BACKFILL_AGE if is_backfill else MAX_AGE):
        hint = "" if is_backfill else " An operator can import such history with --backfill."
        raise Rejected(
            RejectionCode.TOO_OLD,
            f"It occurred on {occurred_at:%Y-%m-%d}, longer ago than can be charged.{hint}",
            "occurredAt",
        )


def rate_event(event: UsageEvent, office: OfficeTerms, book: RateBook) -> Rated:
    """Raises Rejected with what is wrong: a bad number or quantity, an empty message, no rate, a blocked one."""
    measured = measure(event, office)
    decided_by = measured.decided_by
    rate = book.match(
        service=measured.service,
        usage_type=measured.usage_type,
        direction=measured.direction,
        digits=decided_by.digits if decided_by else "",
        at=event.occurred_at,
        cards=office.decks,
    )
    if rate is None:
        raise Rejected(RejectionCode.NO_RATE, f"No rate in force for {_describe(measured)}.", "usage")
    if rate.is_blocked:
        raise Rejected(
            RejectionCode.BLOCKED,
            f"Blocked by the rate for {rate.destination or rate.prefix or 'everything'}: {_describe(measured)}.",
            "usage",
        )
    quantity = measured.quantity
    if measured.service is Service.CALLING:
        quantity = billed_seconds(quantity, rate.increment)
    return Rated(measured, rate, quantity, usage_price(quantity, rate), connection_fee(quantity, rate))


def _describe(measured: Measured) -> str:
    """What was to be rated, without the number itself: the sentence is logged."""
    kind = measured.usage_type.replace("_", " ").lower()
    where = measured.decided_by.region if measured.decided_by and measured.decided_by.region else None
    service = measured.service.replace("_", " ").lower()
    told = service if kind == service else f"{kind} {service}"
    return f"{told}{f' to or from {where}' if where else ''}"


def measure(event: UsageEvent, office: OfficeTerms) -> Measured:
    match event.usage:
        case Call() as call:
            return _measure_call(call, event, office)
        case Message() as message:
            return _measure_message(message, event, office)
        case Fax() as fax:
            return _measure_fax(fax, event, office)
        case AiAgentSession() as ai:
            return _measure_ai(ai, event, office)
        case Session() as session:
            return _measure_session(session, event, office)


def _measure_call(call: Call, event: UsageEvent, office: OfficeTerms) -> Measured:
    _bound(call.duration_seconds, MAX_CALL_SECONDS, "call", "durationSeconds")
    from_ = parse_address(call.from_, office.region)
    to = _called(call.to, call.direction, office, "call")
    usage_type, decided_by = call_type(call.direction, from_, to, office.line)
    details: dict[str, Any] = {"callId": call.call_id or event.event_id}
    if call.location is not None:
        country, region, city = call.location
        details["location"] = {"countryCode": country, "region": region, "city": city}
    if call.quality_tenths is not None:
        details["qualityTenths"] = call.quality_tenths
    seconds = call.duration_seconds
    return Measured(Service.CALLING, usage_type, call.direction, from_, to, decided_by, seconds, seconds, details)


def _measure_message(message: Message, event: UsageEvent, office: OfficeTerms) -> Measured:
    from_ = _message_end(message.from_, office, "from")
    to = _message_end(message.to, office, "to")
    details: dict[str, Any] = {"messageId": message.message_id or event.event_id}
    segments = message.segment_count
    if segments is None:
        segments = 1 if message.is_mms else 0
    if message.media_count is not None:
        details["mediaCount"] = message.media_count
    if message.encoding is not None:
        details["encoding"] = message.encoding.value
    if segments == 0 and not message.is_mms and message.encoding is None:
        raise Rejected(RejectionCode.BAD_QUANTITY, "An SMS has one segment at least.", "usage", "message", "content")
    if segments == 0 and not message.is_mms:
        raise Rejected(RejectionCode.EMPTY_MESSAGE, "An SMS without any text is no SMS.", "usage", "message", "content")
    _bound(segments, MAX_SEGMENTS, "message", "content")
    details["deliveryStatus"] = (message.delivery_status or MessageStatus.UNKNOWN).value
    usage_type = message_type(message.traffic, message.is_mms)
    decided_by = deciding_address(message.direction, from_, to)
    return Measured(Service.MESSAGING, usage_type, message.direction, from_, to, decided_by, segments, None, details)


def _measure_fax(fax: Fax, event: UsageEvent, office: OfficeTerms) -> Measured:
    _bound(fax.page_count, MAX_PAGES, "fax", "pageCount")
    from_ = parse_address(fax.from_, office.region)
    to = _called(fax.to, fax.direction, office, "fax")
    own = from_ if fax.direction is Direction.OUTBOUND else to
    line = parse_address(fax.fax_line, office.region) if fax.fax_line else own
    details = {
        "faxId": fax.fax_id or event.event_id,
        "faxLine": {"kind": line.kind.value, "text": line.text, "number": line.e164, "region": line.region},
        "status": (fax.status or FaxStatus.UNKNOWN).value,
    }
    decided_by = deciding_address(fax.direction, from_, to)
    return Measured(
        Service.FAX,
        fax_type(fax.direction),
        fax.direction,
        from_,
        to,
        decided_by,
        fax.page_count,
        None,
        details,
    )


def _measure_ai(ai: AiAgentSession, event: UsageEvent, office: OfficeTerms) -> Measured:
    _bound(ai.session_count, MAX_SESSIONS, "aiAgent", "sessionCount")
    _bound(ai.duration_seconds or 0, MAX_CALL_SECONDS, "aiAgent", "durationSeconds")
    details = {
        "conversationId": ai.conversation_id or event.event_id,
        "mode": ai.mode.value,
        "skillsTriggered": list(ai.skills_triggered),
        "actionsExecuted": list(ai.actions_executed),
    }
    return _sessions(Service.AI_AGENT, ai_type(ai.mode), ai, office, details)


def _measure_session(session: Session, event: UsageEvent, office: OfficeTerms) -> Measured:
    kind = kind_name(session)
    _bound(session.session_count, MAX_SESSIONS, kind, "sessionCount")
    _bound(session.duration_seconds or 0, MAX_CALL_SECONDS, kind, "durationSeconds")
    details: dict[str, Any] = {"sessionId": session.session_id or event.event_id}
    if session.channel is not None:
        details["channel"] = session.channel
    return _sessions(session.service, UsageType(session.service), session, office, details)


def _sessions(
    service: Service,
    usage_type: UsageType,
    usage: AiAgentSession | Session,
    office: OfficeTerms,
    details: Mapping[str, Any],
) -> Measured:
    from_ = parse_address(usage.from_, office.region) if usage.from_ else None
    to = parse_address(usage.to, office.region) if usage.to else None
    decided_by = deciding_address(usage.direction, from_, to)
    count, seconds = usage.session_count, usage.duration_seconds
    return Measured(service, usage_type, usage.direction, from_, to, decided_by, count, seconds, details)


def _called(text: str, direction: Direction, office: OfficeTerms, kind: str) -> Address:
    """Who calls may be withheld, who was called may not."""
    if direction is Direction.OUTBOUND and not text.strip():
        raise Rejected(RejectionCode.BAD_NUMBER, "The number called is empty.", "usage", kind, "to")
    return parse_address(text, office.region)


def _message_end(text: str, office: OfficeTerms, end: str) -> Address:
    if not text.strip():
        raise Rejected(RejectionCode.BAD_NUMBER, "A message needs a number at both ends.", "usage", "message", end)
    return parse_address(text, office.region, is_message=True)


def _bound(value: int, most: int, *field: str) -> None:
    if not 0 <= value <= most:
        raise Rejected(RejectionCode.BAD_QUANTITY, f"{value} is not between 0 and {most}.", "usage", *field)
