"""Reads call records and other usage from files: every record becomes an event or a problem, one after another.

A bad record never stops a file. Ids come from the file, so reading it twice reports the same facts under the
same keys (R12); whether two records of one key agree is for the charging to decide.
"""

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path

from api.imports.asterisk import AsteriskReader
from api.imports.column_map import MAPPED_SERVICES, ColumnMap, MappedReader
from api.imports.fields import BadField, ReadRow, address_reader, read_key
from api.imports.freeswitch import FreeswitchReader
from api.imports.json_objects import objects
from api.imports.lines import Lines, Row, rows, total_bytes
from api.imports.ndjson import read_event
from api.imports.times import TimeReader
from domain.catalogue import Direction, Service
from domain.errors import InvalidInput
from domain.usage import UsageEvent

__all__ = ["ReadRow", "UsageFormat", "UsageReader", "read_usage", "total_bytes"]


class UsageFormat(StrEnum):
    FREESWITCH = "freeswitch"
    ASTERISK = "asterisk"
    CSV = "csv"
    NDJSON = "ndjson"


class UsageReader:
    """The records of one file. Iterating again begins anew; `bytes_read` of `total_bytes` says how far it is."""

    def __init__(self, path: Path, read: Callable[[Lines], Iterator[ReadRow]]) -> None:
        self.total_bytes = total_bytes(path)
        self._lines = Lines(path)
        self._read = read

    @property
    def bytes_read(self) -> int:
        return self._lines.bytes_read

    def __iter__(self) -> Iterator[ReadRow]:
        return self._read(self._lines)


def read_usage(
    path: Path,
    *,
    format: UsageFormat,
    source: str,
    time_zone: str | None = None,
    region: str | None = None,
    direction: Direction | None = None,
    service: Service = Service.CALLING,
    column_map: ColumnMap | None = None,
    time_format: str | None = None,
) -> UsageReader:
    """The records of a file, read while they are iterated over.

    `time_zone` is where the file's local times are told, required by formats that write no offset. `region`
    completes national numbers to E.164; without it numbers stay the text they were. `direction` holds for every
    record that a map does not say more about; `service`, `column_map` and `time_format` (strptime) are for csv.
    Raises InvalidInput, here or at the first record, for what no record could make good.
    """
    _check_source(source)
    times = TimeReader(time_zone, pattern=time_format if format is UsageFormat.CSV else None)
    if format is UsageFormat.NDJSON:
        return UsageReader(path, lambda lines: _events_of_lines(lines, source))
    if format is UsageFormat.CSV:
        mapped = _mapped(column_map, service, source=source, times=times, region=region, direction=direction)
        return UsageReader(path, lambda lines: _events_under_header(lines, path, mapped, times))
    if format is UsageFormat.ASTERISK:
        told = direction or Direction.OUTBOUND
        asterisk = AsteriskReader(source=source, times=times, address=address_reader(region), direction=told)
        return UsageReader(path, lambda lines: _events_of_rows(rows(lines), asterisk.read))
    switch = FreeswitchReader(source=source, times=times, address=address_reader(region), direction=direction)
    if _holds_json(path):
        return UsageReader(path, lambda lines: _events_of_objects(lines, switch))
    times.require_zone()
    return UsageReader(path, lambda lines: _events_of_rows(rows(lines), switch.read_fields))


def _check_source(source: str) -> None:
    try:
        read_key(source)
    except BadField:
        raise InvalidInput("A source is 1 to 255 printable ASCII characters.", field=("source",)) from None


def _mapped(
    column_map: ColumnMap | None,
    service: Service,
    *,
    source: str,
    times: TimeReader,
    region: str | None,
    direction: Direction | None,
) -> Callable[[Sequence[str]], MappedReader]:
    """A reader for a header that is not known yet."""
    if column_map is None:
        raise InvalidInput("A CSV file needs --map, as in from=caller,to=callee,occurred_at=start,duration=s.")
    if service not in MAPPED_SERVICES:
        raise InvalidInput(f"A column map reads {', '.join(MAPPED_SERVICES)}; for {service} use ndjson.")
    return lambda header: MappedReader(
        column_map=column_map,
        header=header,
        source=source,
        service=service,
        times=times,
        address=lambda kind: address_reader(region, is_message=kind is Service.MESSAGING),
        direction=direction,
    )


def _events_of_rows(records: Iterator[Row], read: Callable[[Sequence[str]], UsageEvent]) -> Iterator[ReadRow]:
    for line, fields, problem in records:
        if problem is not None:
            yield ReadRow(line, None, problem)
            continue
        try:
            event = read(fields)
        except BadField as error:
            yield ReadRow(line, None, str(error))
        else:
            yield ReadRow(line, event, None)


def _events_under_header(
    lines: Lines, path: Path, mapped: Callable[[Sequence[str]], MappedReader], times: TimeReader
) -> Iterator[ReadRow]:
    records = rows(lines)
    header = next(records, None)
    if header is None:
        raise InvalidInput(f"{path} is empty: its first line names the columns.")
    if header.problem is not None:
        raise InvalidInput(f"Line {header.line} of {path}, the header: {header.problem}")
    reader = mapped(header.fields)
    position = reader.time_position
    if position is not None:
        times.settle_order(row.fields[position] for row in rows(Lines(path)) if len(row.fields) > position)
    yield from _events_of_rows(records, reader.read)


def _events_of_objects(lines: Lines, switch: FreeswitchReader) -> Iterator[ReadRow]:
    for line, record, problem in objects(lines, key="variables"):
        if problem is not None:
            yield ReadRow(line, None, problem)
            continue
        try:
            event = switch.read_object(record)
        except BadField as error:
            yield ReadRow(line, None, str(error))
        else:
            yield ReadRow(line, event, None)


def _events_of_lines(lines: Lines, source: str) -> Iterator[ReadRow]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            event = read_event(line, source)
        except BadField as error:
            yield ReadRow(number, None, str(error))
        else:
            yield ReadRow(number, event, None)


def _holds_json(path: Path) -> bool:
    first = next((line for line in Lines(path) if line.strip()), "")
    return first.lstrip().startswith(("{", "["))
