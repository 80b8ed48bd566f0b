"""What the side panel shows of one transaction: a type for each service, with exactly the product page's facts.

Counts are those of the usage itself, positive on a reversal too.
"""

from typing import Annotated

import strawberry

from domain.catalogue import Service
from domain.usage_records import AI_AGENT_MODES
from schema.cost import VALUE
from schema.loaders import AnyRow
from schema.scalars import (
    BillingIncrement,
    CountryCode,
    Decimal,
    TelephonyAddress,
    billing_increment,
    decimal_tenths,
    rate_amount,
    telephony_address,
)
from schema.words import AiAgentMode, Direction, Encoding, FaxStatus, MessageStatus, UsageType

_FROM = "The calling or sending end."
_TO = "The called or receiving end."


@strawberry.type(directives=[VALUE], description="Where a call went or came from, as far as it was reported.")
class CallLocation:
    country_code: CountryCode | None = strawberry.field(description="Country or region.")
    region: str | None = strawberry.field(description="State or province.")
    city: str | None = strawberry.field(description="City.")


@strawberry.type(directives=[VALUE], description="How a call sounded.")
class CallQuality:
    score: Decimal = strawberry.field(description="Mean opinion score, 1.0 (bad) to 5.0 (excellent), one decimal.")


@strawberry.type(directives=[VALUE], description="Details of a call.")
class CallDetails:
    call_id: str = strawberry.field(description="The call's id in the phone system.")
    from_: TelephonyAddress = strawberry.field(name="from", description=_FROM)
    to: TelephonyAddress = strawberry.field(description=_TO)
    direction: Direction = strawberry.field(description="Inbound or outbound, seen from the office.")
    duration_seconds: int | None = strawberry.field(description="Talk time in seconds, before billing increments.")
    billed_seconds: int = strawberry.field(description="Seconds billed, after billing increments.")
    location: CallLocation | None = strawberry.field(description="Where the other end was, when reported.")
    rate_per_minute: Decimal = strawberry.field(description="Price of 60 seconds, nine decimals.")
    billing_increment: BillingIncrement = strawberry.field(description="How seconds were raised.")
    quality: CallQuality | None = strawberry.field(description="How it sounded, when reported.")


@strawberry.type(directives=[VALUE], description="Details of a text or multimedia message to one recipient.")
class MessageDetails:
    message_id: str = strawberry.field(
        description="The message's id in the phone system; several recipients may share it."
    )
    from_: TelephonyAddress = strawberry.field(name="from", description=_FROM)
    to: TelephonyAddress = strawberry.field(description=_TO)
    direction: Direction = strawberry.field(description="Inbound or outbound, seen from the office.")
    segment_count: int = strawberry.field(description="Segments billed.")
    encoding: Encoding | None = strawberry.field(description="The text's alphabet, when it was counted from the text.")
    media_count: int | None = strawberry.field(description="Media attached, when reported.")
    rate_per_message: Decimal = strawberry.field(description="Price of one segment, nine decimals.")
    delivery_status: MessageStatus = strawberry.field(description="What became of it, as last reported.")


@strawberry.type(directives=[VALUE], description="Details of a fax.")
class FaxDetails:
    fax_id: str = strawberry.field(description="The fax's id in the phone system.")
    fax_line: TelephonyAddress = strawberry.field(description="The office's fax line that was used.")
    from_: TelephonyAddress = strawberry.field(name="from", description=_FROM)
    to: TelephonyAddress = strawberry.field(description=_TO)
    direction: Direction = strawberry.field(description="Received or sent, seen from the office.")
    page_count: int = strawberry.field(description="Pages that went through.")
    rate_per_page: Decimal = strawberry.field(description="Price of one page, nine decimals.")
    status: FaxStatus = strawberry.field(description="What became of it, as last reported.")


@strawberry.type(directives=[VALUE], description="Details of a conversation with an AI agent.")
class AiAgentDetails:
    conversation_id: str = strawberry.field(description="The conversation's id in the AI agent's system.")
    mode: AiAgentMode = strawberry.field(description="By voice, in writing, or routing.")
    duration_seconds: int | None = strawberry.field(description="Length in seconds, when reported.")
    skills_triggered: list[str] = strawberry.field(description="Names of the skills the agent used.")
    actions_executed: list[str] = strawberry.field(description="Names of the actions the agent carried out.")
    sessions_consumed_count: int = strawberry.field(description="Sessions billed; none when the agent did not respond.")


@strawberry.type(directives=[VALUE], description="Details of a speech-IVR or omnichannel session.")
class SessionDetails:
    session_id: str = strawberry.field(description="The session's id in the system that reported it.")
    channel: str | None = strawberry.field(description="The channel, such as web chat, when reported.")
    duration_seconds: int | None = strawberry.field(description="Length in seconds, when reported.")
    sessions_consumed_count: int = strawberry.field(description="Sessions billed.")


UsageDetails = Annotated[
    CallDetails | MessageDetails | FaxDetails | AiAgentDetails | SessionDetails,
    strawberry.union("UsageDetails", description="The details of one transaction, by its service."),
]


def address_from(row: AnyRow) -> TelephonyAddress:
    return telephony_address(row.from_kind, row.from_text, row.from_number, row.from_region)


def address_to(row: AnyRow) -> TelephonyAddress:
    return telephony_address(row.to_kind, row.to_text, row.to_number, row.to_region)


def details_of(row: AnyRow) -> CallDetails | MessageDetails | FaxDetails | AiAgentDetails | SessionDetails:
    match Service(row.service):
        case Service.CALLING:
            return _call(row)
        case Service.MESSAGING:
            return _message(row)
        case Service.FAX:
            return _fax(row)
        case Service.AI_AGENT:
            return _ai_agent(row)
        case _:
            return SessionDetails(
                session_id=row.details.get("sessionId") or row.event_id,
                channel=row.details.get("channel"),
                duration_seconds=row.duration_seconds,
                sessions_consumed_count=abs(row.quantity),
            )


def _call(row: AnyRow) -> CallDetails:
    location, tenths = row.details.get("location"), row.details.get("qualityTenths")
    return CallDetails(
        call_id=row.details.get("callId") or row.event_id,
        from_=address_from(row),
        to=address_to(row),
        direction=Direction(row.direction),
        duration_seconds=row.duration_seconds,
        billed_seconds=abs(row.quantity),
        location=_location(location) if location else None,
        rate_per_minute=rate_amount(row.rate_nanos),
        billing_increment=billing_increment(row.first_seconds, row.next_seconds),
        quality=None if tenths is None else CallQuality(score=decimal_tenths(tenths)),
    )


def _location(location: dict[str, str | None]) -> CallLocation:
    country = location.get("countryCode")
    return CallLocation(
        country_code=CountryCode(country) if country else None,
        region=location.get("region"),
        city=location.get("city"),
    )


def _message(row: AnyRow) -> MessageDetails:
    encoding = row.details.get("encoding")
    return MessageDetails(
        message_id=row.details.get("messageId") or row.event_id,
        from_=address_from(row),
        to=address_to(row),
        direction=Direction(row.direction),
        segment_count=abs(row.quantity),
        encoding=Encoding(encoding) if encoding else None,
        media_count=row.details.get("mediaCount"),
        rate_per_message=rate_amount(row.rate_nanos),
        delivery_status=MessageStatus(row.details.get("deliveryStatus") or MessageStatus.UNKNOWN),
    )


def _fax(row: AnyRow) -> FaxDetails:
    direction = Direction(row.direction)
    line = row.details.get("faxLine")
    if line:
        fax_line = telephony_address(line.get("kind"), line.get("text"), line.get("number"), line.get("region"))
    else:
        fax_line = address_from(row) if direction is Direction.OUTBOUND else address_to(row)
    return FaxDetails(
        fax_id=row.details.get("faxId") or row.event_id,
        fax_line=fax_line,
        from_=address_from(row),
        to=address_to(row),
        direction=direction,
        page_count=abs(row.quantity),
        rate_per_page=rate_amount(row.rate_nanos),
        status=FaxStatus(row.details.get("status") or FaxStatus.UNKNOWN),
    )


def _ai_agent(row: AnyRow) -> AiAgentDetails:
    return AiAgentDetails(
        conversation_id=row.details.get("conversationId") or row.event_id,
        mode=AI_AGENT_MODES[UsageType(row.usage_type)],
        duration_seconds=row.duration_seconds,
        skills_triggered=row.details.get("skillsTriggered") or [],
        actions_executed=row.details.get("actionsExecuted") or [],
        sessions_consumed_count=abs(row.quantity),
    )
