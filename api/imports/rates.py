"""Reads a rate deck: good rows become rates, every other row is listed with its line and reason (R18–R21).

Three formats are told apart by their header: an NPA-NXX deck, a country deck, and our own; docs/files.md
shows them. Nothing is stored here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal, NamedTuple

from api.imports.deck_fields import AnyDirection, BadRate, DeckDefaults, RateReader, is_prefix
from api.imports.deck_formats import country_reader, farebox_reader, npa_nxx_reader
from api.imports.lines import Lines, Row, column_name, row_text, rows
from domain.catalogue import USAGE_TYPES, Direction, Service, UsageType
from domain.errors import InvalidInput
from domain.rates import PER_MINUTE, Increment, NewRate, find_ties

MAX_COMPLETION_DIGITS = 6
"""A country code and an area code; an NPA-NXX after it stays within 15 digits."""


class DeckFormat(StrEnum):
    NPA_NXX = "npa-nxx"
    COUNTRY = "country"
    FAREBOX = "farebox"


class BadRow(NamedTuple):
    """A row that does not load."""

    line: int
    text: str
    """The row, cut to what a terminal shows."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deck:
    """A file as it was read. Rates and bad rows keep the order and the line numbers of the file."""

    format: DeckFormat
    rates: list[tuple[int, NewRate]]
    bad_rows: list[BadRow]


class _Layout(NamedTuple):
    required: tuple[str, ...]
    optional: tuple[str, ...]
    is_closed: bool
    """Other columns are refused: in a format of our own they are misspelt."""

    @property
    def text(self) -> str:
        return ",".join((*self.required, *(f"[{column}]" for column in self.optional)))


_LAYOUTS = {
    DeckFormat.NPA_NXX: _Layout(("npanxx", "rate"), ("wireless", "land line"), False),
    DeckFormat.COUNTRY: _Layout(
        ("code", "initial rate per minute", "increment rate per minute"), ("country", "time of day"), False
    ),
    DeckFormat.FAREBOX: _Layout(
        ("service", "rate"),
        ("usage_type", "direction", "prefix", "destination", "increment", "connection_fee", "priority"),
        True,
    ),
}
_READERS = {
    DeckFormat.NPA_NXX: npa_nxx_reader,
    DeckFormat.COUNTRY: country_reader,
    DeckFormat.FAREBOX: farebox_reader,
}
_COMPLETIONS = {DeckFormat.NPA_NXX: "1", DeckFormat.COUNTRY: "", DeckFormat.FAREBOX: ""}
"""What stands before every prefix of a deck: NPA-NXX decks leave out the country (R18)."""


def read_deck(
    path: Path,
    *,
    format: DeckFormat | Literal["auto"] = "auto",
    service: Service = Service.CALLING,
    usage_types: Sequence[UsageType] = (),
    direction: Direction | AnyDirection | None = None,
    increment: Increment = PER_MINUTE,
    prefix_completion: str | None = None,
) -> Deck:
    """The whole deck. What a row says itself wins over the keywords, which say what the file leaves open.

    `direction` None is OUTBOUND for calls and either for other services; `usage_types` empty is any of the
    service; `prefix_completion` None is the format's own. Raises InvalidInput when the file cannot be read,
    its header is unknown, or the keywords contradict each other.
    """
    _check(service, usage_types, prefix_completion or "")
    source = rows(Lines(path))
    header = next(source, None)
    if header and header.problem:
        raise InvalidInput(f"Line {header.line} of {path}, the header: {header.problem}")
    columns = [column_name(field) for field in header.fields] if header else []
    found = _format_of(columns, format)
    completion = _COMPLETIONS[found] if prefix_completion is None else prefix_completion
    wanted = tuple(dict.fromkeys(usage_types))
    defaults = DeckDefaults(service, wanted, direction, increment, completion)
    rates, bad_rows = _read(source, len(columns), _READERS[found](columns, defaults))
    ties = find_ties(rates)
    if ties:
        bad_rows = sorted([*bad_rows, *_tied_rows(path, ties)])
        rates = [(line, rate) for line, rate in rates if line not in ties]
    return Deck(format=found, rates=rates, bad_rows=bad_rows)


def _check(service: Service, usage_types: Sequence[UsageType], prefix_completion: str) -> None:
    foreign = [usage_type for usage_type in usage_types if usage_type not in USAGE_TYPES[service]]
    if foreign:
        known = ", ".join(USAGE_TYPES[service])
        raise InvalidInput(f"{foreign[0]} is no usage type of {service}: those are {known}.")
    if prefix_completion and not is_prefix(prefix_completion[:MAX_COMPLETION_DIGITS]):
        raise InvalidInput(f"The prefix completion {prefix_completion[:40]!r} is not made of digits.")
    if len(prefix_completion) > MAX_COMPLETION_DIGITS:
        raise InvalidInput(f"A prefix completion has at most {MAX_COMPLETION_DIGITS} digits.")


def _format_of(columns: Sequence[str], wanted: DeckFormat | Literal["auto"]) -> DeckFormat:
    """The format whose columns the header has. None may stand twice; in our own all must be known."""
    candidates = _LAYOUTS if wanted == "auto" else {DeckFormat(wanted): _LAYOUTS[DeckFormat(wanted)]}
    for found, layout in candidates.items():
        if set(layout.required) <= set(columns):
            unknown = [column for column in columns if column not in layout.required + layout.optional]
            twice = sorted(column for column in columns if column and columns.count(column) > 1)
            if twice:
                raise InvalidInput(f"The header names {twice[0]!r} twice: keep one of the columns.")
            if layout.is_closed and unknown:
                raise InvalidInput(f"The header has an unknown column {unknown[0]!r}. Known: {layout.text}")
            return found
    known = "".join(f"\n  {name}: {layout.text}" for name, layout in candidates.items())
    raise InvalidInput(f"The header {','.join(columns)[:200]!r} is not that of a deck. Known headers:{known}")


def _read(source: Iterator[Row], width: int, read: RateReader) -> tuple[list[tuple[int, NewRate]], list[BadRow]]:
    rates: list[tuple[int, NewRate]] = []
    bad_rows: list[BadRow] = []
    for line, fields, problem in source:
        try:
            if problem:
                raise BadRate(problem)
            if len(fields) != width:
                fields = _fitted(fields, width)
            rates.extend([(line, rate) for rate in read(fields)])
        except (BadRate, InvalidInput) as error:
            bad_rows.append(BadRow(line, row_text(fields), str(error)))
    return rates, bad_rows


def _fitted(fields: list[str], width: int) -> list[str]:
    """Fields missing at the end are empty ones; surplus fields come from an unquoted comma."""
    if any(field.strip() for field in fields[width:]):
        raise BadRate(f"the row has {len(fields)} fields and the header {width}: quote a field that contains a comma.")
    return fields[:width] + [""] * (width - len(fields))


def _tied_rows(path: Path, ties: Mapping[int, int]) -> Iterator[BadRow]:
    """The later of two rows that no usage could tell apart does not load (R20).

    Ties are rare and rates do not remember the text of their row, so the file is read once more for it.
    """
    for row in rows(Lines(path)):
        if row.line in ties:
            reason = "the same prefix, priority, direction and usage type as line"
            yield BadRow(row.line, row_text(row.fields), f"{reason} {ties[row.line]}.")
