"""The export written by hand, a row at a time and in Python: what the databases' lines have to be, byte for byte."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, and_, bindparam, select

from domain.catalogue import COMMITMENT_OF, RATE_UNITS, USAGE_UNITS, Direction, Service, WalletKind
from domain.csv_cells import LINE_END, number_uri, text_cell
from domain.explanation import sources_of
from domain.money import NANO_DIGITS, decimal_text
from domain.periods import YearMonth
from domain.public_ids import IdKind, public_id
from domain.usage_records import state_of
from domain.waterfall import COMMITMENT_BIT, PLAN_BIT, UNIVERSAL_BIT
from persistence.database import Database
from persistence.exports import Selection
from persistence.tables.charging import CHARGE
from persistence.tables.company import CONTACT, GROUP, MEMBER
from persistence.usage_lines import COLUMNS
from tests.reference_csv_details import address_cell, detail_cells

_CACHED_NAMES = 16_384
_name_cell = lru_cache(maxsize=_CACHED_NAMES)(text_cell)
_UNITS = {service.value: USAGE_UNITS[service].value for service in Service}
_RATE_UNITS = {service.value: RATE_UNITS[USAGE_UNITS[service]].value for service in Service}
_CALLING, _AI_AGENT = WalletKind.CALLING, WalletKind.AI_AGENT
_COMMITMENTS = {service.value: kind for service, kind in COMMITMENT_OF.items()}

AnyRow = Any
"""A row of `_ROWS`."""


_SHOWN = (
    *("id", "office_id", "sequence", "source", "event_id", "reverses_id", "occurred_at", "recorded_at", "month"),
    *("is_booked_late", "service", "usage_type", "direction", "from_text", "from_number"),
    *("to_text", "to_number", "duration_seconds", "quantity", "rate_nanos", "first_seconds"),
    *("next_seconds", "connection_fee_micros", "destination", "list_price_micros", "cost_micros"),
    *("plan_quantity", "plan_micros", "commitment_micros", "universal_micros", "sources", "details"),
)


def _looked_up(table: Any, column: str, *, by: str) -> Any:
    row = and_(table.c.company_id == bindparam("company_id"), table.c.id == CHARGE.c[by])
    return select(table.c[column]).where(row).correlate(CHARGE).scalar_subquery()


_ROWS: Select[Any] = select(
    *(CHARGE.c[name] for name in _SHOWN),
    _looked_up(MEMBER, "name", by="member_id").label("member_name"),
    _looked_up(GROUP, "name", by="group_id").label("group_name"),
    _looked_up(CONTACT, "name", by="contact_id").label("contact_name"),
    _looked_up(CHARGE.alias("taken_back_by"), "sequence", by="reversed_by_id").label("taken_back_sequence"),
).where(CHARGE.c.company_id == bindparam("company_id"))
"""One row a record, with the names of who used it, and the number of the charge that took it back."""


async def reference_file(database: Database, chosen: Selection) -> bytes:
    """The whole file of a selection of a company, in memory."""
    found = await database.rows(_ROWS, {"company_id": chosen.company_id})
    write = line_writer(chosen)
    rows = [row for row in found if row.office_id in chosen.offices]
    rows = [row for row in rows if row.sequence < chosen.offices[row.office_id].watermark]
    rows.sort(key=lambda row: (row.occurred_at, row.id), reverse=chosen.is_descending)
    return "".join([",".join(COLUMNS) + LINE_END, *map(write, rows)]).encode("utf-8", "replace")


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
