"""Any CSV file with a header, by a map from our names to its columns: `from=caller,to=callee,direction:=OUTBOUND`.

`name=column` takes the value from a column, `name:=value` is the same for every row. Names and columns are
compared without regard to case; a part with a comma in it is quoted as in CSV.
"""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from api.imports.fields import (
    AddressReader,
    BadField,
    read_count,
    read_direction,
    read_directory,
    read_key,
    read_office,
    read_reference,
    read_seconds,
    row_hash,
)
from api.imports.lines import column_name
from api.imports.times import TimeReader
from domain.catalogue import Direction, Service
from domain.errors import InvalidInput
from domain.usage import MAX_PAGES, MAX_SEGMENTS, Call, Fax, Message, Traffic, UsageEvent, UsageFacts

TARGETS = (
    "from",
    "to",
    "occurred_at",
    "duration",
    "segments",
    "pages",
    "traffic",
    "direction",
    "service",
    "event_id",
    "call_id",
    "office",
    "member",
    "member_name",
    "group",
    "group_name",
    "contact",
)
MAPPED_SERVICES = (Service.CALLING, Service.MESSAGING, Service.FAX)

_ALWAYS = ("from", "to", "occurred_at")
_QUANTITIES = {
    Service.CALLING: ("duration", "duration=column"),
    Service.MESSAGING: ("traffic", "traffic:=P2P or traffic:=A2P"),
    Service.FAX: ("pages", "pages=column"),
}


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """Columns and constants by our names."""

    columns: dict[str, str]
    constants: dict[str, str]

    def gives(self, target: str) -> bool:
        return target in self.columns or target in self.constants


def parse_column_map(text: str) -> ColumnMap:
    """Raises InvalidInput for a name that is unknown or given twice, and for what is missing."""
    found = ColumnMap({}, {})
    for part in next(csv.reader([text], skipinitialspace=True), []):
        name, equals, value = part.partition("=")
        target, value = column_name(name.removesuffix(":")), value.strip()
        if not equals or target not in TARGETS or not value:
            raise InvalidInput(f"{part[:60]!r} in the map is not name=column or name:=value; names: {_NAMES}.")
        if found.gives(target):
            raise InvalidInput(f"The map gives {target} twice.")
        if name.endswith(":"):
            found.constants[target] = value
        else:
            found.columns[target] = column_name(value)
    for target in _ALWAYS:
        if not found.gives(target):
            raise InvalidInput(f"The map does not say {target}: add {target}=column.")
    return found


_NAMES = ", ".join(TARGETS)


class MappedReader:
    """Makes an event of one row under a header. Raises BadField."""

    def __init__(
        self,
        *,
        column_map: ColumnMap,
        header: Sequence[str],
        source: str,
        service: Service,
        times: TimeReader,
        address: Callable[[Service], AddressReader],
        direction: Direction | None,
    ) -> None:
        """`service` and `direction` hold where the map gives none. Raises InvalidInput for missing columns."""
        self._source = source
        self._service = service
        self._times = times
        self._direction = direction or Direction.OUTBOUND
        self._constants = column_map.constants
        self._positions = _positions(column_map, header)
        self._width = len(header)
        self._addresses = {known: address(known) for known in MAPPED_SERVICES}
        _check_constants(column_map, service)

    @property
    def time_position(self) -> int | None:
        """Where the time of a row stands; None when it is the same for every row."""
        return self._positions.get("occurred_at")

    def read(self, fields: Sequence[str]) -> UsageEvent:
        if len(fields) != self._width:
            raise BadField(f"the row has {len(fields)} fields and the header {self._width}.")

        def value(target: str) -> str:
            position = self._positions.get(target)
            return self._constants.get(target, "") if position is None else fields[position].strip()

        key = value("event_id")
        office = value("office")
        return UsageEvent(
            source=self._source,
            event_id=read_key(key) if key else row_hash(fields),
            occurred_at=self._times.read(value("occurred_at"), "occurred_at"),
            usage=self._usage(value),
            office=read_office(office) if office else None,
            member=read_directory(value("member"), value("member_name"), "member"),
            group=read_directory(value("group"), value("group_name"), "group"),
            contact=read_directory(value("contact"), "", "contact"),
        )

    def _usage(self, value: Callable[[str], str]) -> UsageFacts:
        service = read_service(value("service")) if value("service") else self._service
        direction = read_direction(value("direction")) if value("direction") else self._direction
        read_address = self._addresses[service]
        from_, to = read_address(value("from"), "from"), read_address(value("to"), "to")
        reference = read_reference(value("call_id"), "call_id")
        if service is Service.MESSAGING:
            return Message(
                direction=direction,
                traffic=_traffic(value("traffic")),
                from_=from_,
                to=to,
                message_id=reference,
                segment_count=read_count(value("segments") or "1", "segments", 1, MAX_SEGMENTS),
            )
        if service is Service.FAX:
            pages = read_count(value("pages"), "pages", 0, MAX_PAGES)
            return Fax(direction=direction, from_=from_, to=to, page_count=pages, fax_id=reference)
        seconds = read_seconds(value("duration"))
        return Call(direction=direction, from_=from_, to=to, duration_seconds=seconds, call_id=reference)


def read_service(text: str) -> Service:
    name = text.upper()
    if name not in MAPPED_SERVICES:
        raise BadField(f"service {text[:40]!r} is not one of {', '.join(MAPPED_SERVICES)}.")
    return Service(name)


def _traffic(text: str) -> Traffic:
    if text.upper() not in tuple(Traffic):
        raise BadField(f"traffic {text[:40]!r} is neither A2P nor P2P: only the reporter can tell.")
    return Traffic(text.upper())


def _positions(column_map: ColumnMap, header: Sequence[str]) -> dict[str, int]:
    columns = [column_name(field) for field in header]
    for target, column in column_map.columns.items():
        if columns.count(column) != 1:
            how = "no column" if column not in columns else "more than one column"
            raise InvalidInput(f"{target}={column}: the file has {how} {column!r}; it has {', '.join(columns)}.")
    return {target: columns.index(column) for target, column in column_map.columns.items()}


def _check_constants(column_map: ColumnMap, service: Service) -> None:
    """What would be wrong in every row is said once, before the first."""
    constants = column_map.constants
    try:
        if "service" in constants:
            service = read_service(constants["service"])
        if "direction" in constants:
            read_direction(constants["direction"])
        if "traffic" in constants:
            _traffic(constants["traffic"])
    except BadField as error:
        raise InvalidInput(f"In the map: {error}") from None
    needed, example = _QUANTITIES[service]
    if "service" not in column_map.columns and not column_map.gives(needed):
        raise InvalidInput(f"The map does not say {needed} for {service}: add {example}.")
