"""JSON read strictly against a shape: unknown, doubled and missing fields are named, types are never bent.

A shape is a table of readers by field name; the readers of `ndjson` are built from those here.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, TypeVar

from api.imports.fields import BadField

E = TypeVar("E", bound=StrEnum)
Field = Callable[[Any, str], Any]
"""Reads one JSON value; the text is its path in the event."""


def parse_json(line: str) -> Any:
    """Raises BadField."""
    try:
        return _DECODER.decode(line)
    except (ValueError, RecursionError):
        raise BadField("this line is not one JSON object.") from None


def _refused(name: str) -> None:
    raise ValueError(name)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadField(f"the field {twice[:60]!r} stands twice.")
    return found


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_refused, object_pairs_hook=_unique)


class Shape:
    """The fields of an object. A name that ends in ! must be there."""

    def __init__(self, fields: Mapping[str, Field]) -> None:
        self.readers = {name.removesuffix("!"): read for name, read in fields.items()}
        self.required = [name[:-1] for name in fields if name.endswith("!")]


def read_object(value: Any, shape: Shape, path: str) -> dict[str, Any]:
    """The fields of a JSON object, read; null is the same as absent."""
    if not isinstance(value, dict):
        raise BadField(f"{path or 'the line'} is not an object.")
    readers = shape.readers
    for name in value:
        if name not in readers:
            hint = f": did you mean {_nearest(name, readers)}?" if _nearest(name, readers) else "."
            raise BadField(f"there is no field {_inside(path, name)[:120]!r}{hint}")
    for name in shape.required:
        if value.get(name) is None:
            raise BadField(f"{_inside(path, name)} is missing.")
    return {name: readers[name](part, _inside(path, name)) for name, part in value.items() if part is not None}


def _nearest(name: str, known: Iterable[str]) -> str:
    """What the name begins, as `duration` begins durationSeconds, or else what is spelt most like it."""
    longer = [other for other in known if other.lower().startswith(name.lower())] if name else []
    return next(iter(longer or get_close_matches(name, list(known), n=1)), "")


def _inside(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def read_text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise BadField(f"{path} is not text in quotes.")
    return value


def read_body(value: Any, path: str) -> str:
    body = read_text(value, path)
    try:
        body.encode("utf-8")
    except UnicodeEncodeError:
        raise BadField(f"{path} has half of a surrogate pair.") from None
    return body


def whole(least: int, most: int) -> Field:
    def read(value: Any, path: str) -> int:
        if type(value) is not int or not least <= value <= most:
            raise BadField(f"{path} is not a whole number from {least} to {most}.")
        return value

    return read


def enum(kind: type[E]) -> Field:
    known = {one.value: one for one in kind}

    def read(value: Any, path: str) -> E:
        found = known.get(value) if isinstance(value, str) else None
        if found is None:
            raise BadField(f"{path} is not one of {', '.join(kind)}.")
        return found

    return read


def read_names(value: Any, path: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise BadField(f"{path} is not a list.")
    return tuple(read_text(item, f"{path}[{position}]") for position, item in enumerate(value))


def read_one_of(value: Any, shape: Shape, path: str) -> tuple[str, Any]:
    """An object of which exactly one field is given."""
    given = read_object(value, shape, path)
    if len(given) != 1:
        raise BadField(f"{path} needs exactly one of {', '.join(shape.readers)}.")
    return next(iter(given.items()))
