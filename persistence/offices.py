"""Reads of who pays: the company, its offices, their numbers and their billing cycles.

Every read takes the caller's scope first and returns plain rows; what lies outside is left out, silently.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, func, literal, or_, select

from domain.access import Scope
from domain.catalogue import Cadence
from persistence.database import Database
from persistence.keyset import Slice, Window, sliced, windowed
from persistence.samples import read_alike
from persistence.tables.company import COMPANY, OFFICE, OFFICE_NUMBER
from persistence.tables.funds import BILLING_CYCLE

_SORT_NAME = func.lower(OFFICE.c.name)


def visible(scope: Scope, office_id: ColumnElement[Any], company_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """That a row belongs to the scope's company and to one of its offices."""
    if scope.office_ids is None:
        return company_id == scope.company_id
    return and_(company_id == scope.company_id, office_id.in_(sorted(scope.office_ids)))


async def read_company(database: Database, scope: Scope, *, slug: str | None = None) -> Row[Any] | None:
    """The caller's company, or to an operator the one with this slug. None: not there, or not his."""
    statement = select(COMPANY)
    if slug is None or not scope.is_operator:
        statement = statement.where(COMPANY.c.company_id == scope.company_id)
    if slug is not None:
        statement = statement.where(COMPANY.c.slug == slug)
    rows = await database.rows(statement)
    return rows[0] if rows else None


def _offices(scope: Scope) -> Select[Any]:
    return (
        select(OFFICE, COMPANY.c.currency, _SORT_NAME.label("sort_name"))
        .join(COMPANY, COMPANY.c.company_id == OFFICE.c.company_id)
        .where(visible(scope, OFFICE.c.id, OFFICE.c.company_id))
    )


async def read_offices(database: Database, scope: Scope, *, ids: Collection[UUID]) -> Sequence[Row[Any]]:
    """The offices with these ids, in no order; each with the company's currency."""
    return await read_alike(database, _offices_named, scope, ids=tuple(sorted(ids)))


def _offices_named(scope: Scope, *, ids: Sequence[UUID]) -> Select[Any]:
    return _offices(scope).where(OFFICE.c.id.in_(ids))


def _search(search: str | None) -> list[ColumnElement[bool]]:
    if not search or not search.strip():
        return []
    text = search.strip().lower()
    return [or_(_SORT_NAME.contains(text, autoescape=True), OFFICE.c.slug.contains(text, autoescape=True))]


async def read_office_page(database: Database, scope: Scope, *, search: str | None, window: Window) -> Slice:
    """Offices by name. Positions are (`sort_name`, `id`). `search` is part of the name or slug."""
    statement = windowed(_offices(scope).where(*_search(search)), (_SORT_NAME, OFFICE.c.id), window)
    return sliced(await database.rows(statement), window)


async def count_offices(database: Database, scope: Scope, *, search: str | None = None) -> int:
    rows = await database.rows(
        select(func.count())
        .select_from(OFFICE)
        .where(visible(scope, OFFICE.c.id, OFFICE.c.company_id), *_search(search))
    )
    return int(rows[0][0])


async def read_office_numbers(database: Database, scope: Scope, *, office_ids: Collection[UUID]) -> Sequence[Row[Any]]:
    """(`office_id`, `phone_number`) of these offices, by number."""
    return await database.rows(
        select(OFFICE_NUMBER.c.office_id, OFFICE_NUMBER.c.phone_number)
        .where(
            visible(scope, OFFICE_NUMBER.c.office_id, OFFICE_NUMBER.c.company_id),
            OFFICE_NUMBER.c.office_id.in_(sorted(office_ids)),
        )
        .order_by(OFFICE_NUMBER.c.phone_number)
    )


async def read_billing_cycles(
    database: Database, scope: Scope, *, office_ids: Collection[UUID], now: datetime, limit: int
) -> Sequence[Row[Any]]:
    """The newest `limit` cycles of each office that have begun, newest first."""
    rank = func.row_number().over(partition_by=BILLING_CYCLE.c.office_id, order_by=BILLING_CYCLE.c.starts_at.desc())
    ranked = (
        select(BILLING_CYCLE, literal(Cadence.MONTHLY.value).label("cadence"), rank.label("rank"))
        .where(
            visible(scope, BILLING_CYCLE.c.office_id, BILLING_CYCLE.c.company_id),
            BILLING_CYCLE.c.office_id.in_(sorted(office_ids)),
            BILLING_CYCLE.c.starts_at <= now,
        )
        .subquery()
    )
    return await database.rows(select(ranked).where(ranked.c.rank <= limit).order_by(ranked.c.office_id, ranked.c.rank))


def current_cycle_of(scope: Scope, office_id: ColumnElement[Any], now: datetime) -> Any:
    """The join condition to the cycle of an office of the scope that began last: the current one, once renewals have
    been run. The company is named on the inside too: Citus does not find it out there."""
    company_id = scope.company_id
    cycle = BILLING_CYCLE.alias("begun")
    newest = (
        select(func.max(cycle.c.starts_at))
        .where(cycle.c.company_id == company_id, cycle.c.office_id == office_id, cycle.c.starts_at <= now)
        .scalar_subquery()
    )
    return and_(
        BILLING_CYCLE.c.company_id == company_id,
        BILLING_CYCLE.c.office_id == office_id,
        BILLING_CYCLE.c.starts_at == newest,
    )
