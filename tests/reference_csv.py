"""The usage history as CSV: its columns, one line a record, and the whole file in chunks.

Amounts, rates and words are those of the GraphQL list, to the last digit. docs/export.md says what each column means.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from api.usage_csv_details import COLUMNS as DETAIL_COLUMNS
from api.usage_csv_details import address_cell, detail_cells
from domain.catalogue import COMMITMENT_OF, RATE_UNITS, USAGE_UNITS, Direction, Service, WalletKind
from domain.csv_cells import LINE_END, number_uri, text_cell
from domain.explanation import sources_of
from domain.money import NANO_DIGITS, decimal_text
from domain.periods import YearMonth
from domain.public_ids import IdKind, public_id
from domain.usage_records import state_of
from domain.waterfall import COMMITMENT_BIT, PLAN_BIT, UNIVERSAL_BIT
from persistence.exports import Selection, stream_rows

COLUMNS = (
    *("Time", "Office", "Member", "Group", "Contact", "Service", "Usage type", "Direction", "Phone number"),
    *("Duration seconds", "Quantity", "Unit", "Wallet sources", "Cost", "Currency", "Rate", "Rate unit"),
    *("Minimum seconds", "Increment seconds", "Connection fee", "Destination", "List price", "Plan quantity"),
    *("Plan amount", "Calling credits amount", "AI agent credits amount", "Universal credits amount"),
    *("Billing month", "Booked late", "State", "From", "From URI", "To", "To URI"),
    *DETAIL_COLUMNS,
    *("Recorded time", "Record ID", "Reverses record ID", "Source", "Event ID"),
)
"""Names are kept for good, so that programs may read by them."""

HEADER = (",".join(COLUMNS) + LINE_END).encode()
CHUNK_BYTES = 65_536

_CACHED_NAMES = 16_384
_name_cell = lru_cache(maxsize=_CACHED_NAMES)(text_cell)
_UNITS = {service.value: USAGE_UNITS[service].value for service in Service}
_RATE_UNITS = {service.value: RATE_UNITS[USAGE_UNITS[service]].value for service in Service}
_CALLING, _AI_AGENT = WalletKind.CALLING, WalletKind.AI_AGENT
_COMMITMENTS = {service.value: kind for service, kind in COMMITMENT_OF.items()}

AnyRow = Any
"""A row of `persistence.exports.stream_rows`."""


class RowsDiffer(Exception):
    """The rows read are not those that were counted: the file would be wrong, and is broken off."""


async def csv_chunks(connection: AsyncConnection, chosen: Selection) -> AsyncGenerator[tuple[int, bytes], None]:
    """The file, some 64 kB at a time, each with the number of rows so far.

    Raises RowsDiffer instead of the last chunk when rows or sum are not what the selection promised.
    """
    write = line_writer(chosen)
    lines, size = [HEADER], len(HEADER)
    row_count = cost_micros = 0
    async with aclosing(stream_rows(connection, chosen)) as parts:
        async for rows in parts:
            part = "".join([write(row) for row in rows]).encode("utf-8", "replace")
            row_count += len(rows)
            cost_micros += sum([row.cost_micros for row in rows])
            lines.append(part)
            size += len(part)
            if size >= CHUNK_BYTES:
                yield row_count, b"".join(lines)
                lines, size = [], 0
    if (row_count, cost_micros) != (chosen.row_count, chosen.cost_micros):
        raise RowsDiffer(f"{row_count} rows were read, {chosen.row_count} counted; or their cost differs.")
    yield row_count, b"".join(lines)


def line_writer(chosen: Selection) -> Callable[[AnyRow], str]:
    """Writes a row as a line, its end included."""
    offices, currency = chosen.offices, chosen.currency

    def write(row: AnyRow) -> str:
        office = offices[row.office_id]
        zone = office.time_zone
        is_reversed = row.taken_back_sequence is not None and row.taken_back_sequence < office.watermark
        state = state_of(is_reversal=row.reverses_id is not None, is_reversed=is_reversed).value
        who = (row.occurred_at.astimezone(zone).isoformat(), _name_cell(office.name), *_names(row))
        cells = (*who, *_usage(row), *_money(row, currency), *_booking(row, state))
        return ",".join((*cells, *_ends(row), *detail_cells(row), *_origin(row, zone))) + LINE_END

    return write


def _names(row: AnyRow) -> Sequence[str]:
    return _name_cell(row.member_name), _name_cell(row.group_name), _name_cell(row.contact_name)


def _usage(row: AnyRow) -> Sequence[str]:
    """What was used, and how much."""
    service = row.service
    return (
        service,
        row.usage_type,
        row.direction or "",
        _own_number(row),
        _count(row.duration_seconds),
        str(row.quantity),
        _UNITS[service],
    )


def _own_number(row: AnyRow) -> str:
    """Of the two ends, the office's."""
    if row.direction == Direction.OUTBOUND:
        return address_cell(row.from_text, row.from_number)
    return address_cell(row.to_text, row.to_number) if row.direction else ""


def _count(value: int | None) -> str:
    return "" if value is None else str(value)


@lru_cache(maxsize=256)
def _sources(service: str, sources: int) -> str:
    return " + ".join(source.value for source in sources_of(Service(service), sources))


@lru_cache(maxsize=4096)
def _rate(nanos: int) -> str:
    return decimal_text(nanos, NANO_DIGITS)


def _money(row: AnyRow, currency: str) -> Sequence[str]:
    """What it cost, and who paid."""
    service, sources, is_call = row.service, row.sources, row.service == Service.CALLING
    committed = decimal_text(row.commitment_micros) if sources & COMMITMENT_BIT else ""
    kind = _COMMITMENTS.get(service)
    return (
        _sources(service, sources),
        decimal_text(row.cost_micros),
        currency,
        _rate(row.rate_nanos),
        _RATE_UNITS[service],
        str(row.first_seconds) if is_call else "",
        str(row.next_seconds) if is_call else "",
        decimal_text(row.connection_fee_micros) if row.connection_fee_micros else "",
        _name_cell(row.destination),
        decimal_text(row.list_price_micros),
        _plan_quantity(row),
        decimal_text(row.plan_micros) if sources & PLAN_BIT else "",
        committed if kind is _CALLING else "",
        committed if kind is _AI_AGENT else "",
        decimal_text(row.universal_micros) if sources & UNIVERSAL_BIT else "",
    )


@lru_cache(maxsize=256)
def _month(number: int) -> str:
    return YearMonth.from_number(number).text


def _booking(row: AnyRow, state: str) -> Sequence[str]:
    return _month(row.month), "yes" if row.is_booked_late else "no", state


def _ends(row: AnyRow) -> Sequence[str]:
    from_, to = row.from_number, row.to_number
    return (
        address_cell(row.from_text, from_),
        number_uri(from_) if from_ else "",
        address_cell(row.to_text, to),
        number_uri(to) if to else "",
    )


def _plan_quantity(row: AnyRow) -> str:
    """Of the whole usage when nobody else paid, as `allocations` has it."""
    if not row.sources & PLAN_BIT:
        return ""
    return str(row.quantity if row.sources == PLAN_BIT else row.plan_quantity)


def _origin(row: AnyRow, zone: ZoneInfo) -> Sequence[str]:
    return (
        row.recorded_at.astimezone(zone).isoformat(),
        public_id(IdKind.USAGE_RECORD, row.id),
        public_id(IdKind.USAGE_RECORD, row.reverses_id) if row.reverses_id else "",
        _name_cell(row.source),
        text_cell(row.event_id),
    )
