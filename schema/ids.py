"""Ids as the wire has them: a short prefix that names the type, and 32 lower-case hex digits (`use_0192…`).

Opaque to callers, yet plain enough that both databases can build them in SQL. Only the exact form is read, so that an
object has one id and no other spelling of it.
"""

import re
from collections.abc import Iterable
from hashlib import blake2b
from uuid import UUID

import strawberry

from domain.errors import InvalidInput
from domain.public_ids import IdKind, public_id

__all__ = ["NOTHING", "IdKind", "decode", "encode", "parse", "require", "require_all", "viewer_value"]

_ID = re.compile(r"([a-z]{3})_([0-9a-f]{32})")


NOTHING = UUID(int=0)
"""What a text that is no id stands for where a story wants one: there is nothing of this id."""

_KINDS = {kind.value: kind for kind in IdKind}


def encode(kind: IdKind, value: UUID) -> strawberry.ID:
    return strawberry.ID(public_id(kind, value))


def parse(text: str) -> tuple[IdKind, UUID] | None:
    """The type and value of an id; None for what is no id of ours."""
    found = _ID.fullmatch(text)
    kind = _KINDS.get(found[1]) if found else None
    return (kind, UUID(hex=found[2])) if found and kind else None


def decode(kind: IdKind, text: str) -> UUID | None:
    """The value of an id of this type; None for any other text: the object asked for is then not found."""
    found = parse(text)
    return found[1] if found and found[0] is kind else None


def require(kind: IdKind, text: str, *field: str | int) -> UUID:
    """The value of an id of this type, for filters, where null could not be told from "none". Raises"
    " InvalidInput."""
    value = decode(kind, text)
    if value is None:
        noun = kind.name.replace("_", " ").lower()
        name = f"an {noun}" if kind is IdKind.OFFICE else f"a {noun}"
        raise InvalidInput(f"{text[:40]!r} is not the id of {name}: such ids begin with {kind.value}_.", field=field)
    return value


def require_all(kind: IdKind, texts: Iterable[str], *field: str) -> tuple[UUID, ...]:
    return tuple(require(kind, text, *field, place) for place, text in enumerate(texts))


def viewer_value(company_id: UUID | None, subject: str) -> UUID:
    """A viewer is no row: the same subject of the same company always has the same id."""
    company = company_id.bytes if company_id else b""
    return UUID(bytes=blake2b(company + b"\0" + subject.encode(), digest_size=16).digest())
