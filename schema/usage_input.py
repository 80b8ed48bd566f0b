"""What was used, as a partner reports it: one kind of usage out of six.

Fields marked (note) are not billing facts: reporting the event again updates them. What these inputs mean to the domain
stands in `usage_facts`.
"""

from typing import TypeVar

import strawberry
from strawberry import UNSET

from domain.usage import (
    MAX_ADDRESS_CHARACTERS,
    MAX_CALL_SECONDS,
    MAX_NOTED_NAMES,
    MAX_PAGES,
    MAX_REFERENCE_CHARACTERS,
    MAX_SEGMENTS,
    MAX_SESSIONS,
    Traffic,
)
from schema.scalars import CountryCode, Decimal
from schema.words import AiAgentMode, Direction, FaxStatus, MessageStatus, describe

_ADDRESS = (
    "E.164, the national form of the office's region, an extension, or `anonymous` for a withheld caller; at most"
    f" {MAX_ADDRESS_CHARACTERS} characters."
)
_MESSAGE_ADDRESS = f"A phone number, a short code or a sender's name; at most {MAX_ADDRESS_CHARACTERS} characters."
_OPTIONAL_END = f" Left out when there is none; at most {MAX_ADDRESS_CHARACTERS} characters."
_DIRECTION = "Inbound or outbound, seen from the office."
_REFERENCE = f"; the event's id when left out. At most {MAX_REFERENCE_CHARACTERS} characters."
_SECONDS = f"Length in whole seconds, 0 to {MAX_CALL_SECONDS}; shown, not billed."

T = TypeVar("T")

describe(
    Traffic,
    "Who writes to whom. Told by the reporter, never guessed, because the rates differ.",
    {"A2P": "An application writes to a person.", "P2P": "A person writes to a person."},
    name="MessageTraffic",
)


@strawberry.input(description="Where the other end of a call was.")
class CallLocationInput:
    country_code: CountryCode | None = strawberry.field(default=UNSET, description="Country or region.")
    region: str | None = strawberry.field(default=UNSET, description="State or province; at most 200 characters.")
    city: str | None = strawberry.field(default=UNSET, description="City; at most 200 characters.")


@strawberry.input(description="A call, answered or not.")
class CallUsageInput:
    call_id: str | None = strawberry.field(default=UNSET, description="Shown as Call ID" + _REFERENCE)
    direction: Direction = strawberry.field(description=_DIRECTION)
    from_: str = strawberry.field(name="from", description="The calling end. " + _ADDRESS)
    to: str = strawberry.field(description="The called end. " + _ADDRESS)
    duration_seconds: int = strawberry.field(
        description=f"Talk time in seconds, fractions raised, 0 to {MAX_CALL_SECONDS}. 0: not answered, costs nothing."
    )
    location: CallLocationInput | None = strawberry.field(default=UNSET, description="(note) Where the other end was.")
    quality: Decimal | None = strawberry.field(
        default=UNSET, description="(note) Mean opinion score 1.0 (bad) to 5.0 (excellent), at most one decimal."
    )


@strawberry.input(description="A message with media.")
class MmsContentInput:
    segment_count: int = strawberry.field(
        default=1, description=f"Segments billed, as the gateway counted them, 0 to {MAX_SEGMENTS}."
    )
    media_count: int | None = strawberry.field(default=UNSET, description="Media attached, 0 to 100; shown only.")


@strawberry.input(
    description="How many units a message takes: counted from its text, as the gateway counted them, or those of an"
    " MMS. Exactly one.",
    one_of=True,
)
class MessageContentInput:
    sms_body: str | None = strawberry.field(
        default=UNSET,
        description="The text of an SMS. Its segments are counted by 3GPP 23.038 and 23.040, then it is thrown away:"
        " it is never stored or logged. Without any text the event is rejected as EMPTY_MESSAGE.",
    )
    sms_segment_count: int | None = strawberry.field(
        default=UNSET, description=f"Segments of an SMS as the gateway counted them, 1 to {MAX_SEGMENTS}."
    )
    mms: MmsContentInput | None = strawberry.field(default=UNSET, description="A message with media.")


@strawberry.input(
    description="A text or multimedia message to one recipient. A message to five people is five events: their"
    " rates, types and deliveries differ. It is charged when accepted, whatever becomes of it."
)
class MessageUsageInput:
    message_id: str | None = strawberry.field(
        default=UNSET, description="Shown as Message ID; several events may share it" + _REFERENCE
    )
    direction: Direction = strawberry.field(description=_DIRECTION)
    traffic: Traffic = strawberry.field(description="Who writes to whom.")
    from_: str = strawberry.field(name="from", description="The sender. " + _MESSAGE_ADDRESS)
    to: str = strawberry.field(description="The one recipient. " + _MESSAGE_ADDRESS)
    content: MessageContentInput = strawberry.field(description="How many segments it takes.")
    delivery_status: MessageStatus | None = strawberry.field(
        default=UNSET, description="(note) What became of it; UNKNOWN when left out."
    )


@strawberry.input(description="A fax, sent or received.")
class FaxUsageInput:
    fax_id: str | None = strawberry.field(default=UNSET, description="Shown as Fax ID" + _REFERENCE)
    direction: Direction = strawberry.field(description=_DIRECTION)
    from_: str = strawberry.field(name="from", description="The sending end. " + _ADDRESS)
    to: str = strawberry.field(description="The receiving end. " + _ADDRESS)
    fax_line: str | None = strawberry.field(
        default=UNSET,
        description="The office's fax line that was used; when left out, `from` of a fax sent and `to` of one received."
        f" At most {MAX_ADDRESS_CHARACTERS} characters.",
    )
    page_count: int = strawberry.field(
        description=f"Pages that went through, 0 to {MAX_PAGES}; a failed fax is billed for what did."
    )
    status: FaxStatus | None = strawberry.field(
        default=UNSET, description="(note) What became of it; UNKNOWN when left out."
    )


@strawberry.input(description="A conversation with an AI agent.")
class AiAgentUsageInput:
    conversation_id: str | None = strawberry.field(default=UNSET, description="Shown as Conversation ID" + _REFERENCE)
    mode: AiAgentMode = strawberry.field(description="By voice, in writing, or routing.")
    session_count: int = strawberry.field(
        description=f"Sessions consumed, 0 to {MAX_SESSIONS}; 0 when the agent did not respond, which costs nothing."
    )
    duration_seconds: int | None = strawberry.field(default=UNSET, description=_SECONDS)
    from_: str | None = strawberry.field(
        name="from", default=UNSET, description="The end that began the conversation." + _OPTIONAL_END
    )
    to: str | None = strawberry.field(default=UNSET, description="The other end." + _OPTIONAL_END)
    direction: Direction | None = strawberry.field(default=UNSET, description=_DIRECTION)
    skills_triggered: list[str] | None = strawberry.field(
        default=UNSET,
        description=f"(note) Names of the skills the agent used, at most {MAX_NOTED_NAMES} of 200 characters.",
    )
    actions_executed: list[str] | None = strawberry.field(
        default=UNSET,
        description=f"(note) Names of the actions it carried out, at most {MAX_NOTED_NAMES} of 200 characters.",
    )


@strawberry.input(description="A speech-IVR or omnichannel session.")
class SessionUsageInput:
    session_id: str | None = strawberry.field(default=UNSET, description="Shown as Session ID" + _REFERENCE)
    session_count: int = strawberry.field(default=1, description=f"Sessions consumed, 0 to {MAX_SESSIONS}.")
    duration_seconds: int | None = strawberry.field(default=UNSET, description=_SECONDS)
    direction: Direction | None = strawberry.field(default=UNSET, description=_DIRECTION)
    from_: str | None = strawberry.field(
        name="from", default=UNSET, description="The end that began the session." + _OPTIONAL_END
    )
    to: str | None = strawberry.field(default=UNSET, description="The other end." + _OPTIONAL_END)
    channel: str | None = strawberry.field(
        default=UNSET,
        description=f"(note) Such as web chat or WhatsApp; at most {MAX_REFERENCE_CHARACTERS} characters.",
    )


@strawberry.input(
    description="What was used. Exactly one. Fields marked (note) are not billing facts: they are left out of the"
    " comparison that tells a replay from a conflict, and reporting the event again updates them.",
    one_of=True,
)
class UsageInput:
    call: CallUsageInput | None = strawberry.field(default=UNSET, description="A call.")
    message: MessageUsageInput | None = strawberry.field(default=UNSET, description="A message to one recipient.")
    fax: FaxUsageInput | None = strawberry.field(default=UNSET, description="A fax.")
    ai_agent: AiAgentUsageInput | None = strawberry.field(default=UNSET, description="A conversation with an AI agent.")
    speech_ivr: SessionUsageInput | None = strawberry.field(default=UNSET, description="A spoken menu.")
    omnichannel: SessionUsageInput | None = strawberry.field(
        default=UNSET, description="A conversation over chat or another channel."
    )


def given(value: T | None) -> T | None:
    """An input's value; None for one that was left out."""
    return None if value is UNSET else value
