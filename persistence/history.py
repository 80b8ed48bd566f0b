"""The usage history: pages by keyset, and totals that agree with them.

A page is one joined row a record, in one statement. An index leads to the newest rows of one office, member, group,
contact or number; several offices are read one by one up to the page's size and merged, never the whole company.
Totals come from the rollup where its keys can answer, else from an exact count over the same conditions.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Executable,
    Row,
    Select,
    and_,
    false,
    func,
    literal_column,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.access import Scope
from domain.catalogue import COMMITMENT_OF, Direction, Service, UsageType, WalletSource
from domain.money import Micros
from domain.waterfall import COMMITMENT_BIT, PLAN_BIT, UNIVERSAL_BIT
from persistence.database import Database
from persistence.keyset import Slice, Window, sliced, windowed
from persistence.offices import visible
from persistence.tables.charging import CHARGE, USAGE_BY_CYCLE
from persistence.tables.company import COMPANY, CONTACT, GROUP, MEMBER, OFFICE

_NEWEST = (CHARGE.c.occurred_at, CHARGE.c.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryFilter:
    """What a record must be like to be listed. None leaves a side open; an empty list finds nothing."""

    month: int | None = None
    """202603: a billing cycle of each office."""
    occurred_from: datetime | None = None
    occurred_until: datetime | None = None
    """Exclusive."""
    services: tuple[Service, ...] | None = None
    usage_types: tuple[UsageType, ...] | None = None
    wallet_sources: tuple[WalletSource, ...] | None = None
    """Found when any part of a record was paid by one of these."""
    office_ids: tuple[UUID, ...] | None = None
    member_id: UUID | None = None
    group_id: UUID | None = None
    contact_id: UUID | None = None
    phone_number: str | None = None
    """E.164; either end."""
    direction: Direction | None = None
    destination_regions: tuple[str, ...] | None = None
    """ISO 3166-1, of the number that decided the type."""
    cost_min_micros: Micros | None = None
    cost_max_micros: Micros | None = None
    """Inclusive, both."""
    is_booked_late: bool | None = None


class Totals(NamedTuple):
    record_count: int
    cost_micros: Micros


async def read_history_page(
    database: Database, scope: Scope, *, wanted: HistoryFilter, window: Window, is_descending: bool = True
) -> Slice:
    """A page of records, all they show but a reversal's other half. Positions are (`occurred_at`, `id`)."""
    is_narrow = has_index_of_its_own(scope, wanted)
    page = page_of(
        _records(),
        scope,
        wanted,
        window,
        is_descending=is_descending,
        is_narrow=is_narrow,
        is_sqlite=database.is_sqlite,
    )
    rows = await database.rows(page, may_lag=True)
    return sliced(rows, window)


def page_of(
    records: Select[Any],
    scope: Scope,
    wanted: HistoryFilter,
    window: Window,
    *,
    is_descending: bool,
    is_narrow: bool,
    is_sqlite: bool,
) -> Select[Any]:
    """`records`, narrowed to a page. `is_narrow`: see `has_index_of_its_own`."""
    conditions = [*narrowed(scope, wanted), *fitting(wanted)]
    if wanted.phone_number is not None:
        records = records.where(_keys_by_number(conditions, wanted.phone_number, window, is_descending))
    elif is_narrow:
        records = records.where(*conditions)
    else:
        keys = _keys_by_office(scope, wanted, window, is_descending=is_descending, is_sqlite=is_sqlite)
        records = records.where(CHARGE.c.company_id == scope.company_id, CHARGE.c.id.in_(keys))
    return windowed(records, _NEWEST, window, is_descending=is_descending)


async def read_history_totals(database: Database, scope: Scope, *, wanted: HistoryFilter) -> Totals:
    """How many records the filter finds, and the sum of their cost."""
    return await database.read(lambda connection: sum_history(connection, scope, wanted=wanted), may_lag=True)


async def sum_history(connection: AsyncConnection, scope: Scope, *, wanted: HistoryFilter) -> Totals:
    """The same, as the connection's transaction sees it."""
    statement: Executable
    if _is_in_rollup(wanted):
        statement = _rollup_totals(scope, wanted)
    else:
        counted = select(
            func.count().label("record_count"),
            func.coalesce(func.sum(CHARGE.c.cost_micros), 0).label("cost_micros"),
        ).where(*narrowed(scope, wanted), *fitting(wanted))
        if wanted.phone_number is not None:
            counted = counted.where(is_either_end(wanted.phone_number))
        statement = counted
    row = (await connection.execute(statement)).one()
    return Totals(int(row.record_count), int(row.cost_micros))


async def read_history_records(database: Database, scope: Scope, *, ids: Collection[UUID]) -> Sequence[Row[Any]]:
    """The records with these ids, as a page has them, in no order."""
    return await database.rows(
        _records().where(visible(scope, CHARGE.c.office_id, CHARGE.c.company_id), CHARGE.c.id.in_(sorted(ids)))
    )


def _records() -> Select[Any]:
    """One row a record: the charge, and what is shown of its company, office, member, group and contact."""
    return (
        select(
            CHARGE,
            COMPANY.c.currency,
            *(OFFICE.c[name].label(f"office_{name}") for name in OFFICE_COLUMNS),
            *(MEMBER.c[name].label(f"member_{name}") for name in MEMBER_COLUMNS),
            *(GROUP.c[name].label(f"group_{name}") for name in GROUP_COLUMNS),
            *(CONTACT.c[name].label(f"contact_{name}") for name in CONTACT_COLUMNS),
        )
        .outerjoin(COMPANY, COMPANY.c.company_id == CHARGE.c.company_id)
        .outerjoin(OFFICE, and_(OFFICE.c.company_id == CHARGE.c.company_id, OFFICE.c.id == CHARGE.c.office_id))
        .outerjoin(MEMBER, and_(MEMBER.c.company_id == CHARGE.c.company_id, MEMBER.c.id == CHARGE.c.member_id))
        .outerjoin(GROUP, and_(GROUP.c.company_id == CHARGE.c.company_id, GROUP.c.id == CHARGE.c.group_id))
        .outerjoin(CONTACT, and_(CONTACT.c.company_id == CHARGE.c.company_id, CONTACT.c.id == CHARGE.c.contact_id))
    )


OFFICE_COLUMNS = ("slug", "name", "time_zone", "region_code", "anchor_day", "payment_terms")
MEMBER_COLUMNS = ("external_id", "name", "email", "office_id", "is_active")
GROUP_COLUMNS = ("external_id", "name", "kind", "office_id", "is_active")
CONTACT_COLUMNS = ("external_id", "name", "phone_numbers", "is_active")
"""What of the joined rows is read, each labelled with the row it comes from: `member_name`."""


def narrowed(scope: Scope, wanted: HistoryFilter, table: Any = CHARGE) -> list[ColumnElement[bool]]:
    conditions = [visible(scope, table.c.office_id, table.c.company_id)]
    if wanted.office_ids is not None:
        conditions.append(table.c.office_id.in_(wanted.office_ids))
    return conditions


def narrowed_offices(scope: Scope, wanted: HistoryFilter) -> list[ColumnElement[bool]]:
    """The same of the offices themselves."""
    conditions = [visible(scope, OFFICE.c.id, OFFICE.c.company_id)]
    if wanted.office_ids is not None:
        conditions.append(OFFICE.c.id.in_(wanted.office_ids))
    return conditions


def _shared_conditions(wanted: HistoryFilter, table: Any) -> list[ColumnElement[bool]]:
    """What both the charges and the rollup can be asked."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.month is not None:
        conditions.append(table.c.month == wanted.month)
    if wanted.services is not None:
        conditions.append(table.c.service.in_([service.value for service in wanted.services]))
    if wanted.usage_types is not None:
        conditions.append(table.c.usage_type.in_([usage_type.value for usage_type in wanted.usage_types]))
    if wanted.wallet_sources is not None:
        conditions.append(or_(false(), *(_paid_by(source, table) for source in wanted.wallet_sources)))
    if wanted.member_id is not None:
        conditions.append(table.c.member_id == wanted.member_id)
    if wanted.group_id is not None:
        conditions.append(table.c.group_id == wanted.group_id)
    return conditions


def _paid_by(source: WalletSource, table: Any) -> ColumnElement[bool]:
    """A commitment's bit says "the commitment of this service"; which one that is, the service tells (R24)."""
    if source is WalletSource.PLAN:
        return _has_bit(table, PLAN_BIT)
    if source is WalletSource.UNIVERSAL:
        return _has_bit(table, UNIVERSAL_BIT)
    family = [service.value for service, kind in COMMITMENT_OF.items() if kind.value == source.value]
    return and_(_has_bit(table, COMMITMENT_BIT), table.c.service.in_(family))


def _has_bit(table: Any, bit: int) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = table.c.sources.bitwise_and(bit) != 0
    return condition


def fitting(wanted: HistoryFilter, table: Any = CHARGE) -> list[ColumnElement[bool]]:
    """All but offices and phone number, which decide by which index the rows are found."""
    conditions = _shared_conditions(wanted, table)
    if wanted.contact_id is not None:
        conditions.append(table.c.contact_id == wanted.contact_id)
    if wanted.occurred_from is not None:
        conditions.append(table.c.occurred_at >= wanted.occurred_from)
    if wanted.occurred_until is not None:
        conditions.append(table.c.occurred_at < wanted.occurred_until)
    if wanted.direction is not None:
        conditions.append(table.c.direction == wanted.direction.value)
    if wanted.destination_regions is not None:
        conditions.append(table.c.region_code.in_(wanted.destination_regions))
    if wanted.cost_min_micros is not None:
        conditions.append(table.c.cost_micros >= wanted.cost_min_micros)
    if wanted.cost_max_micros is not None:
        conditions.append(table.c.cost_micros <= wanted.cost_max_micros)
    if wanted.is_booked_late is not None:
        conditions.append(table.c.is_booked_late.is_(wanted.is_booked_late))
    return conditions


def is_either_end(phone_number: str) -> ColumnElement[bool]:
    return or_(CHARGE.c.from_number == phone_number, CHARGE.c.to_number == phone_number)


def has_index_of_its_own(scope: Scope, wanted: HistoryFilter) -> bool:
    """Whether one index range holds the rows in order: a party's, or a single office's."""
    if wanted.member_id or wanted.group_id or wanted.contact_id:
        return True
    offices = _named_offices(scope, wanted)
    return offices is not None and len(offices) <= 1


def _named_offices(scope: Scope, wanted: HistoryFilter) -> frozenset[UUID] | None:
    if wanted.office_ids is None:
        return scope.office_ids
    named = frozenset(wanted.office_ids)
    return named if scope.office_ids is None else named & scope.office_ids


def _keys_by_number(
    conditions: Sequence[ColumnElement[bool]], phone_number: str, window: Window, is_descending: bool
) -> ColumnElement[bool]:
    """The page's ids from two indexes, one for each end; a record with the number at both ends is found twice."""
    ends = [
        windowed(
            select(CHARGE.c.id).where(*conditions, end == phone_number),
            _NEWEST,
            window,
            is_descending=is_descending,
        ).subquery()
        for end in (CHARGE.c.from_number, CHARGE.c.to_number)
    ]
    return and_(*conditions, CHARGE.c.id.in_(union_all(*(select(end.c.id) for end in ends))))


def _keys_by_office(
    scope: Scope, wanted: HistoryFilter, window: Window, *, is_descending: bool, is_sqlite: bool
) -> Select[Any]:
    """The page's ids, picked from the newest of each office by itself: among them are the newest of all.

    PostgreSQL reads them by LATERAL. SQLite has none, but runs a subquery behind IN once for each office.
    """
    own = CHARGE.alias("own")
    newest = (
        select(own.c.id)
        .where(own.c.company_id == OFFICE.c.company_id, own.c.office_id == OFFICE.c.id, *fitting(wanted, own))
        .correlate(OFFICE)
    )
    order = (own.c.occurred_at, own.c.id)
    offices = narrowed_offices(scope, wanted)
    if is_sqlite:
        found = CHARGE.alias("found")
        # By the number of a row, which is in every index: without statistics the planner would rather read all of a
        # company's than look up a hundred ids.
        newest = newest.with_only_columns(literal_column("own.rowid"))
        rows = windowed(newest, order, window, is_descending=is_descending)
        in_office = literal_column("found.rowid").in_(rows)
        # An outer join keeps the offices outermost: the other way round the subquery would run for every charge.
        picked = select(found.c.id, found.c.occurred_at).select_from(OFFICE).outerjoin(found, in_office).where(*offices)
        # Whatever narrowed these would make an inner join of it: they are read first, and narrowed then.
        some = picked.offset(literal_column("0")).subquery("some")
        newest_of_all = select(some.c.id).where(some.c.id.is_not(None))
        return windowed(newest_of_all, (some.c.occurred_at, some.c.id), window, is_descending=is_descending)
    dated = windowed(newest.add_columns(own.c.occurred_at), order, window, is_descending=is_descending)
    each = dated.lateral("each")
    picked = select(each.c.id).select_from(OFFICE).join(each, true()).where(*offices)
    return windowed(picked, (each.c.occurred_at, each.c.id), window, is_descending=is_descending)


def _is_in_rollup(wanted: HistoryFilter) -> bool:
    """Whether the filter asks for nothing but the keys that `usage_by_cycle` sums by."""
    return all(
        side is None
        for side in (
            wanted.occurred_from,
            wanted.occurred_until,
            wanted.contact_id,
            wanted.phone_number,
            wanted.direction,
            wanted.destination_regions,
            wanted.cost_min_micros,
            wanted.cost_max_micros,
            wanted.is_booked_late,
        )
    )


def _rollup_totals(scope: Scope, wanted: HistoryFilter) -> Select[Any]:
    sums = USAGE_BY_CYCLE.c
    return select(
        func.coalesce(func.sum(sums.charge_count), 0).label("record_count"),
        func.coalesce(func.sum(sums.commitment_micros + sums.universal_micros), 0).label("cost_micros"),
    ).where(*narrowed(scope, wanted, USAGE_BY_CYCLE), *_shared_conditions(wanted, USAGE_BY_CYCLE))
