"""Lines and CSV rows of a file that somebody else wrote: byte-order marks, CRLF, quotes, stray bytes and all.

A row that cannot be read is a row with a problem, never the end of the file. `bytes_read` drives a progress
bar.
"""

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from domain.errors import InvalidInput

MAX_LINE_BYTES = 1_000_000
MAX_RECORD_LINES = 20
MAX_QUOTED_CHARACTERS = 200

_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Row(NamedTuple):
    """One record of a CSV file. `line` is where it begins; `problem` says why `fields` are not to be used."""

    line: int
    fields: list[str]
    problem: str | None = None


def total_bytes(path: Path) -> int:
    """Raises InvalidInput when there is no such file."""
    try:
        return path.stat().st_size
    except OSError as error:
        raise _unreadable(path, error) from None


class Lines:
    """The lines of a file with their ends, as text. Bytes that are not UTF-8 come out as lone surrogates."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes_read = 0

    def __iter__(self) -> Iterator[str]:
        """Raises InvalidInput when the file cannot be read at all."""
        try:
            with self.path.open("rb") as file:
                yield from self._decoded(iter(lambda: file.readline(MAX_LINE_BYTES + 1), b""))
        except OSError as error:
            raise _unreadable(self.path, error) from None

    def _decoded(self, raw_lines: Iterable[bytes]) -> Iterator[str]:
        self.bytes_read = 0
        for number, raw in enumerate(raw_lines, start=1):
            if number == 1 and raw.startswith(_UTF_16_MARKS):
                raise InvalidInput(f"{self.path} is UTF-16: save it as UTF-8.")
            if len(raw) > MAX_LINE_BYTES:
                raise InvalidInput(f"Line {number} of {self.path} is longer than {MAX_LINE_BYTES} bytes.")
            self.bytes_read += len(raw)
            if number == 1:
                raw = raw.removeprefix(_BYTE_ORDER_MARK)
            yield raw.decode("utf-8", "surrogateescape")


def rows(lines: Iterable[str]) -> Iterator[Row]:
    """Every record of a CSV text with the line it begins on; empty lines are left out.

    A quote that nobody closes within a few lines is the fault of the line it stands on: the lines after it are
    read for themselves, so that one slip does not swallow the rest of the file.
    """
    source = enumerate(lines, start=1)
    waiting: deque[tuple[int, str]] = deque()
    while True:
        line, text = waiting.popleft() if waiting else next(source, (0, ""))
        if line == 0:
            return
        reader = csv.reader([text, *_continuation(text, waiting, source)], strict=True)
        try:
            fields = next(reader, [])
        except csv.Error as error:
            yield Row(line, [text.rstrip()], f"this is not CSV ({error}): check its quotes and line ends.")
            continue
        for _ in range(reader.line_num - 1):
            waiting.popleft()
        whole = "".join(fields)
        if whole.isascii() or not _has_stray_bytes(whole):
            if whole:
                yield Row(line, fields)
        else:
            yield Row(line, fields, "this line is not UTF-8: save the file as UTF-8.")


def _continuation(text: str, waiting: deque[tuple[int, str]], source: Iterator[tuple[int, str]]) -> Iterable[str]:
    """The lines that may belong to a record which this line leaves open, up to the one that closes it."""
    if text.count('"') % 2 == 0:
        return ()
    waiting.extend(islice(source, MAX_RECORD_LINES - 1 - len(waiting)))
    following = [text for _, text in waiting]
    closing = next((at for at, text in enumerate(following, start=1) if text.count('"') % 2), 0)
    return following[:closing]


def row_text(fields: Iterable[str]) -> str:
    """A row as it may be shown in a report: cut, and without bytes that no terminal could print."""
    text = ",".join(fields)[:MAX_QUOTED_CHARACTERS]
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def column_name(text: str) -> str:
    """Headers are compared without spaces at the ends and without regard to case."""
    return " ".join(text.split()).lower()


def _has_stray_bytes(text: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def _unreadable(path: Path, error: OSError) -> InvalidInput:
    return InvalidInput(f"{path} cannot be read: {error.strerror or error}.")
