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
Shape = Mapping[str, Field]
"""The fields of an object. A name that ends in ! must be there."""


def parse_json(line: str) -> Any:
    """Raises BadField."""
    try:
        return json.loads(line, parse_float=Decimal, parse_constant=_refused, object_pairs_hook=_unique)
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


def read_object(value: Any, shape: Shape, path: str) -> dict[str, Any]:
    """The fields of a JSON object, read; null is the same as absent."""
    if not isinstance(value, dict):
        raise BadField(f"{path or 'the line'} is not an object.")
    known = {name.removesuffix("!"): read for name, read in shape.items()}
    for name in value:
        if name not in known:
            hint = f": did you mean {_nearest(name, known)}?" if _nearest(name, known) else "."
            raise BadField(f"there is no field {_inside(path, name)[:120]!r}{hint}")
    for name in shape:
        if name.endswith("!") and value.get(name[:-1]) is None:
            raise BadField(f"{_inside(path, name[:-1])} is missing.")
    return {name: known[name](part, _inside(path, name)) for name, part in value.items() if part is not None}


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
    def read(value: Any, path: str) -> E:
        if value not in tuple(kind):
            raise BadField(f"{path} is not one of {', '.join(kind)}.")
        return kind(value)

    return read


def read_names(value: Any, path: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise BadField(f"{path} is not a list.")
    return tuple(read_text(item, f"{path}[{position}]") for position, item in enumerate(value))


def read_one_of(value: Any, shape: Shape, path: str) -> tuple[str, Any]:
    """An object of which exactly one field is given."""
    given = read_object(value, shape, path)
    if len(given) != 1:
        raise BadField(f"{path} needs exactly one of {', '.join(shape)}.")
    return next(iter(given.items()))
