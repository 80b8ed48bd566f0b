"""From reported usage to the domain's facts.

A text message's body is counted right here and goes no further: it is neither kept, nor logged, nor put into an error.
"""

from domain.catalogue import Service
from domain.errors import InvalidInput
from domain.money import parse_decimal
from domain.segments import count_segments
from domain.usage import AiAgentSession, Call, CallLocation, Fax, Message, Session, UsageFacts
from schema.scalars import Decimal
from schema.usage_input import (
    AiAgentUsageInput,
    CallLocationInput,
    CallUsageInput,
    FaxUsageInput,
    MessageUsageInput,
    SessionUsageInput,
    UsageInput,
    given,
)


def facts_of(usage: UsageInput) -> UsageFacts:
    """Raises InvalidInput with the path below the event."""
    if usage.call:
        return _call(usage.call)
    if usage.message:
        return _message(usage.message)
    if usage.fax:
        return _fax(usage.fax)
    if usage.ai_agent:
        return _ai_agent(usage.ai_agent)
    if usage.speech_ivr:
        return _session(usage.speech_ivr, Service.SPEECH_IVR)
    assert usage.omnichannel, "the type allows exactly one of its fields"
    return _session(usage.omnichannel, Service.OMNICHANNEL)


def _call(call: CallUsageInput) -> Call:
    return Call(
        direction=call.direction,
        from_=call.from_,
        to=call.to,
        duration_seconds=call.duration_seconds,
        call_id=call.call_id or None,
        location=_location(call.location) if call.location else None,
        quality_tenths=_tenths(given(call.quality)),
    )


def _location(location: CallLocationInput) -> CallLocation:
    return CallLocation(location.country_code or None, location.region or None, location.city or None)


def _tenths(score: Decimal | None) -> int | None:
    if score is None:
        return None
    try:
        return parse_decimal(score, 1)
    except InvalidInput as problem:
        raise InvalidInput(problem.message, field=("usage", "call", "quality")) from None


def _message(message: MessageUsageInput) -> Message:
    content = message.content
    mms = given(content.mms)
    encoding, segment_count = None, given(content.sms_segment_count)
    body = given(content.sms_body)
    if body is not None:
        encoding, segment_count = count_segments(body)
    elif mms is not None:
        segment_count = mms.segment_count
    return Message(
        direction=message.direction,
        traffic=message.traffic,
        from_=message.from_,
        to=message.to,
        message_id=message.message_id or None,
        segment_count=segment_count,
        encoding=encoding,
        is_mms=mms is not None,
        media_count=given(mms.media_count) if mms else None,
        delivery_status=given(message.delivery_status),
    )


def _fax(fax: FaxUsageInput) -> Fax:
    return Fax(
        direction=fax.direction,
        from_=fax.from_,
        to=fax.to,
        page_count=fax.page_count,
        fax_id=fax.fax_id or None,
        fax_line=fax.fax_line or None,
        status=given(fax.status),
    )


def _ai_agent(session: AiAgentUsageInput) -> AiAgentSession:
    return AiAgentSession(
        mode=session.mode,
        session_count=session.session_count,
        conversation_id=session.conversation_id or None,
        duration_seconds=given(session.duration_seconds),
        from_=session.from_ or None,
        to=session.to or None,
        direction=given(session.direction),
        skills_triggered=tuple(session.skills_triggered or ()),
        actions_executed=tuple(session.actions_executed or ()),
    )


def _session(session: SessionUsageInput, service: Service) -> Session:
    return Session(
        service=service,
        session_count=session.session_count,
        session_id=session.session_id or None,
        duration_seconds=given(session.duration_seconds),
        direction=given(session.direction),
        from_=session.from_ or None,
        to=session.to or None,
        channel=session.channel or None,
    )
