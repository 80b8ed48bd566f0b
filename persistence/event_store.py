"""A reported event as JSON and back: how a rejection keeps what may be charged one day (R23)."""

from typing import Any, cast

from pydantic import TypeAdapter

from domain.usage import AiAgentSession, Call, Fax, Message, Session, UsageEvent, UsageFacts

_KINDS: dict[str, type[UsageFacts]] = {
    "call": Call,
    "message": Message,
    "fax": Fax,
    "aiAgent": AiAgentSession,
    "session": Session,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_ADAPTERS: dict[str, TypeAdapter[Any]] = {name: TypeAdapter(kind) for name, kind in _KINDS.items()}
_EVENT = TypeAdapter(UsageEvent)


def event_to_json(event: UsageEvent) -> dict[str, Any]:
    """Everything the event said; a message's body is not part of an event any more."""
    stored = cast(dict[str, Any], _EVENT.dump_python(event, mode="json", exclude={"usage"}, warnings=False))
    name = _NAMES[type(event.usage)]
    stored["kind"] = name
    stored["usage"] = _ADAPTERS[name].dump_python(event.usage, mode="json")
    return stored


def event_from_json(stored: dict[str, Any]) -> UsageEvent:
    usage = _ADAPTERS[stored["kind"]].validate_python(stored["usage"])
    rest = {name: value for name, value in stored.items() if name not in ("kind", "usage")}
    return _EVENT.validate_python({**rest, "usage": usage})
