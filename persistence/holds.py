"""Holds as rows: found and saved with an office's books, read for the wire (R27, R28)."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.access import Scope
from domain.catalogue import Direction, Service, UsageType
from domain.holds import Hold, HoldState
from domain.ledger import Books
from domain.periods import YearMonth
from domain.rates import Increment
from domain.waterfall import Payment
from persistence.database import Database
from persistence.offices import visible
from persistence.tables.charging import CHARGE
from persistence.tables.company import COMPANY
from persistence.tables.holds import HOLD

KEYS_PER_QUERY = 400
_IS_ACTIVE = HOLD.c.state == HoldState.ACTIVE.value


def hold_of(row: Any) -> Hold:
    return Hold(
        id=row.id,
        office_id=row.office_id,
        source=row.source,
        event_id=row.event_id,
        service=Service(row.service),
        usage_type=UsageType(row.usage_type),
        direction=Direction(row.direction),
        from_=row.from_text,
        to=row.to_text,
        wanted_quantity=row.wanted_quantity,
        granted_quantity=row.granted_quantity,
        rate_id=row.rate_id,
        nanos_per_unit=row.rate_nanos,
        increment=Increment(row.first_seconds, row.next_seconds),
        connection_fee_micros=row.connection_fee_micros,
        destination=row.destination,
        month=YearMonth.from_number(row.month),
        payment=Payment(row.plan_quantity, row.plan_micros, row.commitment_micros, row.universal_micros),
        created_at=row.created_at,
        expires_at=row.expires_at,
        state=HoldState(row.state),
        resolved_at=row.resolved_at,
        charge_id=row.charge_id,
    )


def _row_of(hold: Hold, company_id: UUID) -> dict[str, Any]:
    return {
        "company_id": company_id,
        "id": hold.id,
        "office_id": hold.office_id,
        "source": hold.source,
        "event_id": hold.event_id,
        "service": hold.service.value,
        "usage_type": hold.usage_type.value,
        "direction": hold.direction.value,
        "from_text": hold.from_,
        "to_text": hold.to,
        "wanted_quantity": hold.wanted_quantity,
        "rate_id": hold.rate_id,
        "rate_nanos": hold.nanos_per_unit,
        "first_seconds": hold.increment.first_seconds,
        "next_seconds": hold.increment.next_seconds,
        "connection_fee_micros": hold.connection_fee_micros,
        "destination": hold.destination,
        "created_at": hold.created_at,
        **_movable(hold),
    }


def _movable(hold: Hold) -> dict[str, Any]:
    return {
        "state": hold.state.value,
        "granted_quantity": hold.granted_quantity,
        "month": hold.month.number,
        "plan_quantity": hold.payment.plan_quantity,
        "plan_micros": hold.payment.plan_micros,
        "commitment_micros": hold.payment.commitment_micros,
        "universal_micros": hold.payment.universal_micros,
        "expires_at": hold.expires_at,
        "resolved_at": hold.resolved_at,
        "charge_id": hold.charge_id,
    }


async def save_holds(connection: AsyncConnection, books: Books) -> None:
    """After the charges: a captured hold refers to its own."""
    company_id = books.funds.office.company_id
    if books.new_holds:
        await connection.execute(insert(HOLD), [_row_of(hold, company_id) for hold in books.new_holds])
    if books.changed_holds:
        changed = [{"hold_id": hold.id, **_movable(hold)} for hold in books.changed_holds.values()]
        values: dict[str, Any] = {name: bindparam(name) for name in changed[0] if name != "hold_id"}
        mine = and_(HOLD.c.company_id == company_id, HOLD.c.id == bindparam("hold_id"))
        await connection.execute(update(HOLD).where(mine).values(values), changed)


def first_ends(company_id: Any, of_office: ColumnElement[bool], now: Any) -> Select[Any]:
    """When the first of an office's active holds that is not over yet expires; no row: there is none."""
    running = and_(HOLD.c.company_id == company_id, of_office, _IS_ACTIVE, HOLD.c.expires_at > now)
    first = func.min(HOLD.c.expires_at).label("next_hold_ends_at")
    return select(HOLD.c.office_id, first).where(running).group_by(HOLD.c.office_id)


async def find_due_holds(connection: AsyncConnection, company_id: UUID, office_id: UUID, now: datetime) -> list[Hold]:
    """Active holds of an office that are over, first ended first."""
    due = and_(HOLD.c.company_id == company_id, HOLD.c.office_id == office_id, _IS_ACTIVE, HOLD.c.expires_at <= now)
    rows = await connection.execute(select(HOLD).where(due).order_by(HOLD.c.expires_at, HOLD.c.id))
    return [hold_of(row) for row in rows]


async def find_hold(connection: AsyncConnection, company_id: UUID, hold_id: UUID) -> Hold | None:
    mine = and_(HOLD.c.company_id == company_id, HOLD.c.id == hold_id)
    row = (await connection.execute(select(HOLD).where(mine))).one_or_none()
    return hold_of(row) if row else None


def _keyed(table: Any, company_id: UUID, keys: Sequence[tuple[str, str]]) -> Any:
    """That a row is of an event with one of these keys (source, event id)."""
    sources = {source for source, _ in keys}
    if len(sources) == 1:
        events = [event_id for _, event_id in keys]
        return and_(table.c.company_id == company_id, table.c.source == sources.pop(), table.c.event_id.in_(events))
    return and_(table.c.company_id == company_id, tuple_(table.c.source, table.c.event_id).in_(keys))


async def hold_with_key(connection: AsyncConnection, company_id: UUID, key: tuple[str, str]) -> Hold | None:
    row = (await connection.execute(select(HOLD).where(_keyed(HOLD, company_id, [key])))).one_or_none()
    return hold_of(row) if row else None


async def find_running_holds(
    connection: AsyncConnection,
    company_id: UUID,
    office_ids: Collection[UUID],
    keys: Sequence[tuple[str, str]],
    now: datetime,
) -> Mapping[tuple[str, str], Hold]:
    """The offices' active holds under these keys (source, event id) that are not over."""
    running = and_(HOLD.c.office_id.in_(sorted(office_ids)), _IS_ACTIVE, HOLD.c.expires_at > now)
    found: dict[tuple[str, str], Hold] = {}
    for start in range(0, len(keys), KEYS_PER_QUERY):
        some = sorted(set(keys[start : start + KEYS_PER_QUERY]))
        rows = await connection.execute(select(HOLD).where(_keyed(HOLD, company_id, some), running))
        found |= {(row.source, row.event_id): hold_of(row) for row in rows}
    return found


async def read_holds(database: Database, scope: Scope, *, ids: Collection[UUID]) -> Sequence[Row[Any]]:
    """The holds with these ids, in no order: with the company's `currency`, and `captured_micros`, the price of the
    charge it ended in. The caller has due renewals run first (R9), or a hold whose time is over looks active."""
    captured = and_(CHARGE.c.company_id == HOLD.c.company_id, CHARGE.c.id == HOLD.c.charge_id)
    return await database.rows(
        select(HOLD, COMPANY.c.currency, CHARGE.c.list_price_micros.label("captured_micros"))
        .join(COMPANY, COMPANY.c.company_id == HOLD.c.company_id)
        .outerjoin(CHARGE, captured)
        .where(visible(scope, HOLD.c.office_id, HOLD.c.company_id), HOLD.c.id.in_(sorted(ids)))
    )
