"""The JSON objects of a file, however they are laid out: one, one a line, printed over many lines, an array.

Nothing larger than one object is held. Text that belongs to no object, and an object that was cut off, are
reported where they stand and do not hide what follows.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

MAX_OBJECT_CHARACTERS = 4_000_000

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}]')
_BETWEEN_OBJECTS = " \t\r\n,[]"


class JsonRecord(NamedTuple):
    """One object and the line it begins on; `problem` says why there is none."""

    line: int
    value: dict[str, Any]
    problem: str | None = None


def objects(lines: Iterable[str], *, key: str) -> Iterator[JsonRecord]:
    """`key` is one that every record has and nothing inside a record: by it a record after a cut is found."""
    scanner = _Scanner(f'"{key}"')
    for number, line in enumerate(lines, start=1):
        yield from scanner.feed(number, line)
    if scanner.depth:
        yield scanner.give_up("the object does not end: it was cut off.")


class _Scanner:
    """Counts braces outside quotes. Strings of JSON never run over a line's end."""

    def __init__(self, key: str) -> None:
        self.depth = 0
        self._key = key
        self._began = 0
        self._size = 0
        self._parts: list[str] = []

    def feed(self, number: int, line: str) -> Iterator[JsonRecord]:
        if self.depth and line.startswith("{") and (self._key in line or not line[1:].strip()):
            yield self.give_up("the object does not end: it was cut off.")
        start = 0
        for token in _TOKEN.finditer(line):
            if token[0] == "{":
                if self.depth == 0:
                    yield from _litter(number, line[start : token.start()])
                    self._began, start = number, token.start()
                self.depth += 1
            elif token[0] == "}" and self.depth:
                self.depth -= 1
                if self.depth == 0:
                    self._parts.append(line[start : token.end()])
                    yield self._finished()
                    start = token.end()
        if self.depth == 0:
            yield from _litter(number, line[start:])
            return
        self._parts.append(line[start:])
        self._size += len(line)
        if self._size > MAX_OBJECT_CHARACTERS:
            yield self.give_up(f"the object is larger than {MAX_OBJECT_CHARACTERS} characters.")

    def give_up(self, problem: str) -> JsonRecord:
        self.depth, self._size, self._parts = 0, 0, []
        return JsonRecord(self._began, {}, problem)

    def _finished(self) -> JsonRecord:
        text = "".join(self._parts)
        self._size, self._parts = 0, []
        try:
            return JsonRecord(self._began, json.loads(text))
        except (ValueError, RecursionError):
            return JsonRecord(self._began, {}, "this is not JSON.")


def _litter(line: int, text: str) -> Iterator[JsonRecord]:
    if text.strip(_BETWEEN_OBJECTS):
        yield JsonRecord(line, {}, "this is no JSON object.")
