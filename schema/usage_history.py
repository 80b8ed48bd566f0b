"""The usage history: what to look for, the list, and its totals."""

from asyncio import Task, ensure_future, shield
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, NamedTuple, TypeVar
from uuid import UUID

import strawberry

from compiled import row_plan
from domain.access import Permission, Scope
from domain.errors import InvalidInput
from domain.money import Micros, parse_micros
from domain.periods import YearMonth
from persistence.database import Database
from persistence.history import HistoryFilter, Totals, read_history_page, read_history_totals
from persistence.history_rows import read_history_rows
from persistence.keyset import Slice, Window
from persistence.offices import read_company
from schema import ids
from schema.connections import After, Before, CountedConnection, CursorSeal, First, Last, page, page_info, window_of
from schema.context import Info, lagging
from schema.ids import IdKind
from schema.scalars import CountryCode, Decimal, Money, PhoneNumber, money
from schema.usage_record import UsageRecord, record_of
from schema.usage_rows import USAGE_RECORDS
from schema.words import Direction, Service, UsageType, WalletSource, describe

MAX_LIST_ENTRIES = 100
MAX_COLUMN = 2**63 - 1
ID_START = len("use_")
_NEWEST = (datetime, UUID)
_EMPTY_FINDS_NOTHING = " At most 100; an empty list finds nothing."

Word = TypeVar("Word", bound=str)


class UsageOrder(StrEnum):
    OCCURRED_AT_DESC = "OCCURRED_AT_DESC"
    OCCURRED_AT_ASC = "OCCURRED_AT_ASC"


describe(
    UsageOrder,
    "The order of the usage history.",
    {"OCCURRED_AT_DESC": "What happened last comes first.", "OCCURRED_AT_ASC": "What happened first comes first."},
)


@strawberry.input(description="A stretch of time; a side left out is open.")
class DateTimeRangeInput:
    from_: datetime | None = strawberry.field(name="from", default=None, description="The first moment, inclusive.")
    until: datetime | None = strawberry.field(default=None, description="The end, exclusive.")


@strawberry.input(description="A range of amounts; a side left out is open.")
class DecimalRangeInput:
    min: Decimal | None = strawberry.field(default=None, description="The least, inclusive; at most six decimals.")
    max: Decimal | None = strawberry.field(default=None, description="The most, inclusive; at most six decimals.")


@strawberry.input(description='The filter "User, group, or contact", or a phone number. Exactly one.', one_of=True)
class UsagePartyInput:
    member_id: strawberry.Maybe[strawberry.ID] = strawberry.field(description="Usage of this member.")
    group_id: strawberry.Maybe[strawberry.ID] = strawberry.field(description="Usage of this group.")
    contact_id: strawberry.Maybe[strawberry.ID] = strawberry.field(description="Usage with this contact.")
    phone_number: strawberry.Maybe[PhoneNumber] = strawberry.field(description="Usage with this number at either end.")


@strawberry.input(
    description="What a record must be like; what is left out does not matter. `month` and `occurredAt` may not be"
    " given together: a month is a billing cycle of each office, not a calendar month."
)
class UsageHistoryFilter:
    month: YearMonth | None = strawberry.field(
        default=None, description="Charged to the billing cycle with this label."
    )
    occurred_at: DateTimeRangeInput | None = strawberry.field(default=None, description="Happened within this time.")
    services: list[Service] | None = strawberry.field(
        default=None, description="One of these services." + _EMPTY_FINDS_NOTHING
    )
    usage_types: list[UsageType] | None = strawberry.field(
        default=None, description="One of these usage types." + _EMPTY_FINDS_NOTHING
    )
    wallet_sources: list[WalletSource] | None = strawberry.field(
        default=None, description="Any part of it was paid by one of these." + _EMPTY_FINDS_NOTHING
    )
    office_ids: list[strawberry.ID] | None = strawberry.field(
        default=None,
        description="Paid by one of these offices; ids that are unknown or not the caller's find nothing."
        + _EMPTY_FINDS_NOTHING,
    )
    party: UsagePartyInput | None = strawberry.field(default=None, description="Whose usage it is.")
    direction: Direction | None = strawberry.field(default=None, description="Inbound or outbound.")
    destination_regions: list[CountryCode] | None = strawberry.field(
        default=None,
        description="The number that decided the usage type is of one of these regions: where an outbound call or"
        " message went, where an inbound one came from." + _EMPTY_FINDS_NOTHING,
    )
    cost: DecimalRangeInput | None = strawberry.field(
        default=None, description="Bounds of `cost`, in the company's currency; a reversal's cost is negative."
    )
    booked_late: bool | None = strawberry.field(
        default=None, description="True: only usage charged to a later cycle than its own; false: only the rest."
    )


async def _total_cost(root: "UsageRecordConnection", info: Info) -> Money:
    company = await read_company(info.context.database, info.context.scope)
    if company is None:
        raise InvalidInput("This token names no company, so there is no currency to sum in.")
    return money((await root.sums.read()).cost_micros, company.currency)


class Sums:
    """The totals of one list, read once however many fields ask for them."""

    def __init__(self, database: Database, scope: Scope, wanted: HistoryFilter) -> None:
        self._database = database
        self._scope = scope
        self._wanted = wanted
        self._reading: Task[Totals] | None = None

    async def read(self) -> Totals:
        if self._reading is None:
            self._reading = ensure_future(read_history_totals(self._database, self._scope, wanted=self._wanted))
        return await shield(self._reading)

    async def count(self) -> int:
        return (await self.read()).record_count


@strawberry.type(description="A page of the usage history.")
class UsageRecordConnection(CountedConnection[UsageRecord]):
    sums: strawberry.Private[Sums]
    total_cost: Money = strawberry.field(
        resolver=_total_cost,
        description="Sum of `cost` over the whole list, exactly; summed only when asked for.",
    )


def wanted_by(filter: UsageHistoryFilter | None) -> HistoryFilter:
    """The filter in the database's terms. Raises InvalidInput, naming the field."""
    if filter is None:
        return HistoryFilter()
    if filter.month is not None and filter.occurred_at is not None:
        raise InvalidInput(
            "Give `month` or `occurredAt`, not both: a month is a billing cycle of each office, not a calendar month.",
            field=("filter", "occurredAt"),
        )
    occurred_from, occurred_until = _range(filter.occurred_at)
    cost_min, cost_max = _cost_range(filter.cost)
    offices = _limited(filter.office_ids, "officeIds")
    member_id, group_id, contact_id, phone_number = _party(filter.party)
    return HistoryFilter(
        month=filter.month.number if filter.month else None,
        occurred_from=occurred_from,
        occurred_until=occurred_until,
        services=_words(filter.services, "services"),
        usage_types=_words(filter.usage_types, "usageTypes"),
        wallet_sources=_words(filter.wallet_sources, "walletSources"),
        office_ids=None
        if offices is None
        else tuple(sorted(set(ids.require_all(IdKind.OFFICE, offices, "filter", "officeIds")))),
        member_id=member_id,
        group_id=group_id,
        contact_id=contact_id,
        phone_number=phone_number,
        direction=filter.direction,
        destination_regions=_words(filter.destination_regions, "destinationRegions"),
        cost_min_micros=cost_min,
        cost_max_micros=cost_max,
        is_booked_late=filter.booked_late,
    )


def _limited(values: Sequence[Word] | Sequence[strawberry.ID] | None, field: str) -> Any:
    if values is not None and len(values) > MAX_LIST_ENTRIES:
        raise InvalidInput(f"`{field}` may name at most {MAX_LIST_ENTRIES}.", field=("filter", field))
    return values


def _words(values: Sequence[Word] | None, field: str) -> tuple[Word, ...] | None:
    """Sorted and without doubles, so that the same filter is always the same list to a cursor."""
    return None if _limited(values, field) is None or values is None else tuple(sorted(set(values)))


def _range(range_: DateTimeRangeInput | None) -> tuple[datetime | None, datetime | None]:
    if range_ is None:
        return None, None
    if range_.from_ is not None and range_.until is not None and range_.from_ >= range_.until:
        raise InvalidInput("`from` must lie before `until`.", field=("filter", "occurredAt"))
    return range_.from_, range_.until


def _cost_range(range_: DecimalRangeInput | None) -> tuple[Micros | None, Micros | None]:
    if range_ is None:
        return None, None
    least, most = (
        None if side is None else _micros(side, name) for side, name in ((range_.min, "min"), (range_.max, "max"))
    )
    if least is not None and most is not None and least > most:
        raise InvalidInput("`min` may not be above `max`.", field=("filter", "cost"))
    return least, most


def _micros(text: str, side: str) -> Micros:
    try:
        # Beyond what a column holds there is no cost: the widest bound finds the same.
        return max(-MAX_COLUMN, min(parse_micros(text), MAX_COLUMN))
    except InvalidInput as problem:
        raise InvalidInput(problem.message, field=("filter", "cost", side)) from None


def _party(party: UsagePartyInput | None) -> tuple[UUID | None, UUID | None, UUID | None, str | None]:
    if party is None:
        return None, None, None, None
    member, group, contact, number = party.member_id, party.group_id, party.contact_id, party.phone_number
    return (
        ids.require(IdKind.MEMBER, member.value, "filter", "party", "memberId") if member else None,
        ids.require(IdKind.GROUP, group.value, "filter", "party", "groupId") if group else None,
        ids.require(IdKind.CONTACT, contact.value, "filter", "party", "contactId") if contact else None,
        number.value if number else None,
    )


async def resolve_usage_history(
    info: Info,
    filter: Annotated[
        UsageHistoryFilter | None, strawberry.argument(description="What to look for; everything when left out.")
    ] = None,
    order_by: Annotated[
        UsageOrder | None, strawberry.argument(description="The order of the list.")
    ] = UsageOrder.OCCURRED_AT_DESC,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
) -> UsageRecordConnection:
    context = info.context
    context.viewer.require(Permission.VIEW_USAGE)
    wanted = wanted_by(filter)
    is_descending = order_by is not UsageOrder.OCCURRED_AT_ASC
    seal = context.cursors(_NEWEST, "usageHistory", is_descending, wanted)
    window = window_of(seal, first=first, after=after, last=last, before=before)
    database = lagging(info)
    sums = Sums(database, context.scope, wanted)
    asked = _Asked(database, context.scope, wanted, window, is_descending)
    found = await _written(info, asked, seal) or await _made(asked, seal)
    return UsageRecordConnection(sums=sums, count=sums.count, **found)


class _Asked(NamedTuple):
    database: Database
    scope: Scope
    wanted: HistoryFilter
    window: Window
    is_descending: bool


async def _made(asked: _Asked, seal: CursorSeal) -> dict[str, Any]:
    """Of objects."""
    found = await read_history_page(
        asked.database, asked.scope, wanted=asked.wanted, window=asked.window, is_descending=asked.is_descending
    )
    return page(seal, asked.window, found, map(record_of, found.rows), lambda row: (row.occurred_at, row.id))


async def _written(info: Info, asked: _Asked, seal: CursorSeal) -> dict[str, Any] | None:
    """Straight from the rows, where all that is selected can be; None where it cannot."""
    plan = row_plan(info._raw_info, USAGE_RECORDS)
    if plan is None:
        return None
    found = await read_history_rows(
        asked.database,
        asked.scope,
        columns=plan.columns,
        wanted=asked.wanted,
        window=asked.window,
        is_descending=asked.is_descending,
    )

    def cursor(moment: datetime | int, record_id: str) -> str:
        return seal.close((moment, record_id[ID_START:]))

    try:
        items = plan.written(found.rows, cursor)
    except (LookupError, TypeError, ArithmeticError):  # a row that objects will tell more of
        return None
    start, end = (cursor(row[0], row[1]) if row else None for row in (_end(found, 0), _end(found, -1)))
    return {"edges": items, "nodes": items, "page_info": page_info(asked.window, found, start, end)}


def _end(found: Slice, at: int) -> Any:
    return found.rows[at] if found.rows else None
