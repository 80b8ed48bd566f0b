"""A billable fact as it was reported, and what may be said about it before any price is known (R5, R12–R15).

An event is known by (company, source, event id). Facts that price it are fingerprinted; notes (delivery status,
call quality, names) are left out, and may be corrected by sending the event again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, NamedTuple
from uuid import UUID

from domain.catalogue import Direction, Service

MAX_KEY_CHARACTERS = 255
MAX_ADDRESS_CHARACTERS = 64
MAX_NAME_CHARACTERS = 200
MAX_REFERENCE_CHARACTERS = 255
MAX_CALL_SECONDS = 604_800
MAX_SEGMENTS = 255
MAX_PAGES = 10_000
MAX_SESSIONS = 1_000
MAX_NOTED_NAMES = 100
MAX_BATCH_EVENTS = 1_000
MAX_LEAD = timedelta(hours=1)
MAX_AGE = timedelta(days=3_653)
MAX_BACKFILL_AGE = timedelta(days=10_958)
"""R5 guards against reporters with a broken clock; an operator who backfills history means what he says: 30 years."""


class Traffic(StrEnum):
    """Told by the reporter, never guessed (R17): application to person, or person to person."""

    A2P = "A2P"
    P2P = "P2P"


class Encoding(StrEnum):
    GSM_7 = "GSM_7"
    UCS_2 = "UCS_2"


class MessageStatus(StrEnum):
    QUEUED = "QUEUED"
    SENT = "SENT"
    DELIVERED = "DELIVERED"
    UNDELIVERED = "UNDELIVERED"
    FAILED = "FAILED"
    RECEIVED = "RECEIVED"
    UNKNOWN = "UNKNOWN"


class FaxStatus(StrEnum):
    COMPLETED = "COMPLETED"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


class AiAgentMode(StrEnum):
    VOICE = "VOICE"
    DIGITAL = "DIGITAL"
    ROUTING = "ROUTING"


class RejectionCode(StrEnum):
    NO_RATE = "NO_RATE"
    BLOCKED = "BLOCKED"
    UNKNOWN_OFFICE = "UNKNOWN_OFFICE"
    BAD_NUMBER = "BAD_NUMBER"
    BAD_QUANTITY = "BAD_QUANTITY"
    EMPTY_MESSAGE = "EMPTY_MESSAGE"
    TOO_OLD = "TOO_OLD"
    IN_THE_FUTURE = "IN_THE_FUTURE"


KEPT_REJECTIONS = frozenset({RejectionCode.NO_RATE, RejectionCode.BLOCKED})
"""R23: these are kept under their key and can be replayed, because a new rate can make them good."""


class OfficeReference(NamedTuple):
    """However the reporter knows the office. Exactly one is set."""

    id: UUID | None = None
    slug: str | None = None
    phone_number: str | None = None


class DirectoryReference(NamedTuple):
    """A member, group or contact by the phone system's own id; one never seen is created with the name (R17)."""

    external_id: str
    name: str | None = None


class CallLocation(NamedTuple):
    country_code: str | None = None
    region: str | None = None
    city: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    service: ClassVar[Service] = Service.CALLING

    direction: Direction
    from_: str
    to: str
    duration_seconds: int
    """Talk time, fractions raised; 0 when nobody answered."""
    call_id: str | None = None
    location: CallLocation | None = None
    """A note."""
    quality_tenths: int | None = None
    """A note. Mean opinion score 1.0 to 5.0, in tenths: 10 to 50."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One recipient. Its segments are counted from the body (`domain.segments`), or taken as the gateway counted."""

    service: ClassVar[Service] = Service.MESSAGING

    direction: Direction
    traffic: Traffic
    from_: str
    to: str
    message_id: str | None = None
    segment_count: int | None = None
    """SMS: counted or reported. MMS: as reported, 1 when nobody says."""
    encoding: Encoding | None = None
    """Known where the body was counted."""
    is_mms: bool = False
    media_count: int | None = None
    delivery_status: MessageStatus | None = None
    """A note."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fax:
    service: ClassVar[Service] = Service.FAX

    direction: Direction
    from_: str
    to: str
    page_count: int
    """Pages that went through."""
    fax_id: str | None = None
    fax_line: str | None = None
    status: FaxStatus | None = None
    """A note."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AiAgentSession:
    service: ClassVar[Service] = Service.AI_AGENT

    mode: AiAgentMode
    session_count: int
    """Sessions consumed; 0 when the agent did not respond."""
    conversation_id: str | None = None
    duration_seconds: int | None = None
    from_: str | None = None
    to: str | None = None
    direction: Direction | None = None
    skills_triggered: tuple[str, ...] = ()
    """A note."""
    actions_executed: tuple[str, ...] = ()
    """A note."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A speech-IVR or omnichannel session; `service` says which."""

    service: Service
    session_count: int = 1
    session_id: str | None = None
    duration_seconds: int | None = None
    direction: Direction | None = None
    from_: str | None = None
    to: str | None = None
    channel: str | None = None
    """A note."""


UsageFacts = Call | Message | Fax | AiAgentSession | Session

_KIND_NAMES = {Call: "call", Message: "message", Fax: "fax", AiAgentSession: "aiAgent"}


def kind_name(usage: UsageFacts) -> str:
    """What a reporter calls this kind of usage: the part of every path that comes after `usage`."""
    if isinstance(usage, Session):
        return "speechIvr" if usage.service is Service.SPEECH_IVR else "omnichannel"
    return _KIND_NAMES[type(usage)]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageEvent:
    """One billable fact, as reported. Times are aware UTC."""

    source: str
    event_id: str
    occurred_at: datetime
    usage: UsageFacts
    office: OfficeReference | None = None
    member: DirectoryReference | None = None
    group: DirectoryReference | None = None
    contact: DirectoryReference | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.source, self.event_id


class Rejected(Exception):
    """This event cannot be charged; the rest of the batch is not disturbed."""

    def __init__(self, code: RejectionCode, message: str, *field: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        """Path into the event, as on the wire: `usage`, `call`, `to`."""
