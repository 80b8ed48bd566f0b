"""Tells the same event sent again from another event under the same key (R12).

Every fact that prices an event goes into its fingerprint: one strong digest of them all, and a short checksum of each,
so that a conflict can say which facts differ although the first event is not kept. Notes stay out.
"""

from hashlib import blake2b
from struct import pack
from uuid import UUID
from zlib import crc32

from domain.usage import AiAgentSession, Call, Fax, Message, Session, UsageEvent, kind_name

DIGEST_BYTES = 16
CHECKSUM_BYTES = 4

_ALWAYS = ("office", "occurredAt", "member", "group", "contact", "usage")
_OF_USAGE: dict[type, tuple[str, ...]] = {
    Call: ("direction", "from", "to", "durationSeconds", "callId"),
    Message: ("direction", "from", "to", "traffic", "content", "messageId"),
    Fax: ("direction", "from", "to", "pageCount", "faxLine", "faxId"),
    AiAgentSession: ("direction", "from", "to", "mode", "sessionCount", "durationSeconds", "conversationId"),
    Session: ("direction", "from", "to", "sessionCount", "durationSeconds", "sessionId"),
}


def fingerprint(event: UsageEvent, office_id: UUID) -> bytes:
    """At most 70 bytes; equal exactly when every fact that prices the event is equal."""
    facts = [
        office_id.hex,
        event.occurred_at.isoformat(),
        event.member.external_id if event.member else "",
        event.group.external_id if event.group else "",
        event.contact.external_id if event.contact else "",
        _kind(event),
        *["" if fact is None else str(fact) for fact in _usage_facts(event)],
    ]
    texts = [fact.encode("utf-8", "surrogatepass") for fact in facts]
    whole = blake2b(b"\x1f".join(texts), digest_size=DIGEST_BYTES).digest()
    return whole + pack(f">{len(texts)}L", *map(crc32, texts))


def differing_fields(event: UsageEvent, new: bytes, old: bytes) -> tuple[str, ...]:
    """Paths into the event, as on the wire, of the facts that the recorded event had otherwise."""
    kind = kind_name(event.usage)
    names = [*_ALWAYS, *(f"usage.{kind}.{name}" for name in _OF_USAGE[type(event.usage)])]
    differing = [name for at, name in enumerate(names) if _checksum(new, at) != _checksum(old, at)]
    if "usage" in differing:
        # Another kind of usage: what stands behind it cannot be compared fact by fact.
        return tuple(name for name in differing if "." not in name)
    return tuple(differing)


def _checksum(value: bytes, at: int) -> bytes:
    start = DIGEST_BYTES + at * CHECKSUM_BYTES
    return value[start : start + CHECKSUM_BYTES]


def _kind(event: UsageEvent) -> str:
    usage = event.usage
    return usage.service if isinstance(usage, Session) else type(usage).__name__


def _usage_facts(event: UsageEvent) -> tuple[object, ...]:
    match event.usage:
        case Call() as call:
            return call.direction, call.from_, call.to, call.duration_seconds, call.call_id
        case Message() as message:
            form = "mms" if message.is_mms else "sms"
            content = f"{form} {message.encoding} {message.segment_count} {message.media_count}"
            return message.direction, message.from_, message.to, message.traffic, content, message.message_id
        case Fax() as fax:
            return fax.direction, fax.from_, fax.to, fax.page_count, fax.fax_line, fax.fax_id
        case AiAgentSession() as ai:
            ends = ai.direction, ai.from_, ai.to
            return *ends, ai.mode, ai.session_count, ai.duration_seconds, ai.conversation_id
        case Session() as session:
            ends = session.direction, session.from_, session.to
            return *ends, session.session_count, session.duration_seconds, session.session_id
