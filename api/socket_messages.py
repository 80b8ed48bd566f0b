"""The messages of `graphql-transport-ws`, as they come and as they go, and the codes a socket is closed with.

Nothing a peer sends is trusted: what is no message of the protocol closes the socket, with a sentence that says why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from api.refusals import Refused
from api.requests import GraphQLRequest, read_json, read_members

PROTOCOL = "graphql-transport-ws"
MAX_ID_CHARACTERS = 255
MAX_REASON_BYTES = 123
"""RFC 6455, 5.5.1: what is left for words in a close frame."""

Kind = Literal["connection_init", "ping", "pong", "subscribe", "complete"]

GOING_AWAY = 1001
INTERNAL_ERROR = 1011
TRY_AGAIN_LATER = 1013
BAD_MESSAGE = 4400
UNAUTHORIZED = 4401
FORBIDDEN = 4403
WRONG_PROTOCOL = 4406
INIT_TIMEOUT = 4408
ID_IN_USE = 4409
TOO_MANY_INITS = 4429
TOO_MANY_SOCKETS = 4429


class Close(Exception):
    """The socket ends. `code` is None when there is nobody left to tell."""

    def __init__(self, code: int | None, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")


@dataclass(frozen=True, slots=True)
class Message:
    kind: Kind
    id: str
    """Empty for messages that belong to no operation."""
    payload: Mapping[str, Any] | None
    size: int
    """Bytes."""


def read_message(text: str | None, most_bytes: int) -> Message:
    """The message of one frame; None: it was a binary one. Larger requests go over HTTP: a batch of usage does. Raises
    Close."""
    if text is None:
        raise Close(BAD_MESSAGE, "Messages are text frames.")
    encoded = text.encode()
    if len(encoded) > most_bytes:
        raise Close(BAD_MESSAGE, f"A message has at most {most_bytes} bytes: send this request by POST.")
    try:
        found = read_json(encoded, "The message")
    except Refused as refused:
        raise Close(BAD_MESSAGE, refused.errors[0]["message"]) from None
    if not isinstance(found, dict):
        raise Close(BAD_MESSAGE, "A message is a JSON object.")
    match found.get("type"):
        case "connection_init" | "ping" | "pong" as kind:
            return Message(kind, "", _payload(found), len(encoded))
        case "subscribe":
            return Message("subscribe", _id(found), _payload(found, is_needed=True), len(encoded))
        case "complete":
            return Message("complete", _id(found), None, len(encoded))
    raise Close(BAD_MESSAGE, f"The `type` of a message is one that a client sends in {PROTOCOL}.")


def _id(found: Mapping[str, Any]) -> str:
    value = found.get("id")
    if isinstance(value, str) and 0 < len(value) <= MAX_ID_CHARACTERS:
        return value
    raise Close(BAD_MESSAGE, f"The `id` of an operation is a text of 1 to {MAX_ID_CHARACTERS} characters.")


def _payload(found: Mapping[str, Any], *, is_needed: bool = False) -> Mapping[str, Any] | None:
    value = found.get("payload")
    if isinstance(value, dict) or (value is None and not is_needed):
        return value
    raise Close(BAD_MESSAGE, "The `payload` of this message is an object.")


def authorization_in(payload: Mapping[str, Any] | None) -> str | None:
    """The `Authorization` of a `connection_init`, under that name in any case. Raises Close."""
    for name, value in (payload or {}).items():
        if name.lower() == "authorization" and value is not None:
            if isinstance(value, str):
                return value
            raise Close(BAD_MESSAGE, "The `Authorization` of a payload is a text.")
    return None


def request_in(message: Message) -> GraphQLRequest:
    """Of a `subscribe`. Raises Close, and Refused where the message is right and nothing could be run for it."""
    try:
        return read_members(message.payload or {}, body_bytes=message.size)
    except Refused as refused:
        if refused.is_well_formed:
            raise
        raise Close(BAD_MESSAGE, refused.errors[0]["message"]) from None


def ack() -> str:
    return _text({"type": "connection_ack"})


def ping() -> str:
    return _text({"type": "ping"})


def pong(payload: Mapping[str, Any] | None) -> str:
    """Raises Close: JSON is read deeper here than it is written."""
    try:
        return _text({"type": "pong"} if payload is None else {"type": "pong", "payload": payload})
    except orjson.JSONEncodeError:
        raise Close(BAD_MESSAGE, "The `payload` of this message is nested too deeply.") from None


def next_answer(operation_id: str, answer: bytes) -> str:
    """`answer` is an execution result that is JSON already."""
    return _text({"id": operation_id, "type": "next", "payload": orjson.Fragment(answer)})


def errors(operation_id: str, found: Sequence[Mapping[str, Any]]) -> str:
    return _text({"id": operation_id, "type": "error", "payload": found})


def complete(operation_id: str) -> str:
    return _text({"id": operation_id, "type": "complete"})


def _text(message: Mapping[str, Any]) -> str:
    return orjson.dumps(message).decode()
