"""API keys: found by the hash of what a caller shows, listed for the company's admins."""

from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.access import PartnerScope, Scope
from domain.api_keys import LAST_USED_PRECISION, ApiKey
from persistence.database import Database
from persistence.tables.company import OFFICE
from persistence.tables.partners import API_KEY

MAX_LISTED = 200


async def find_key_by_hash(database: Database, key_hash: bytes) -> ApiKey | None:
    """Whichever company's it is. A read without a scope: it is what a scope is made of. One look-up in an index."""
    rows = await database.rows(select(API_KEY).where(API_KEY.c.key_hash == key_hash))
    return key_of(rows[0]) if rows else None


async def note_key_use(database: Database, used: Collection[ApiKey]) -> None:
    """When these keys were last used; each is written once in LAST_USED_PRECISION, however many processes note it."""
    table = API_KEY
    # In one order, so that no two processes wait for each other.
    in_order = sorted(used, key=lambda key: (key.company_id, key.id))
    for company_id, keys in groupby(in_order, key=lambda key: key.company_id):
        async with database.of(company_id).writing() as connection:
            for key in keys:
                assert key.last_used_at is not None
                is_old = table.c.last_used_at <= key.last_used_at - LAST_USED_PRECISION
                mine = and_(table.c.company_id == company_id, table.c.id == key.id)
                statement = update(table).where(mine, or_(table.c.last_used_at.is_(None), is_old))
                await connection.execute(statement.values(last_used_at=key.last_used_at))


async def insert_api_key(
    connection: AsyncConnection, key: ApiKey, *, prefix: str, key_hash: bytes, created_by: str, now: datetime
) -> None:
    await connection.execute(
        insert(API_KEY).values(
            company_id=key.company_id,
            id=key.id,
            name=key.name,
            prefix=prefix,
            key_hash=key_hash,
            scopes=[scope.value for scope in PartnerScope if scope in key.scopes],
            office_ids=None if key.office_ids is None else sorted(office.hex for office in key.office_ids),
            created_by=created_by,
            created_at=now,
        )
    )


async def working_key_names(connection: AsyncConnection, company_id: UUID) -> list[str]:
    statement = select(API_KEY.c.name).where(API_KEY.c.company_id == company_id, API_KEY.c.revoked_at.is_(None))
    return [row.name for row in (await connection.execute(statement)).all()]


async def office_slugs(connection: AsyncConnection, company_id: UUID, office_ids: Collection[UUID]) -> dict[UUID, str]:
    mine = and_(OFFICE.c.company_id == company_id, OFFICE.c.id.in_(sorted(office_ids)))
    rows = (await connection.execute(select(OFFICE.c.id, OFFICE.c.slug).where(mine))).all()
    return {row.id: row.slug for row in rows}


async def find_api_key(connection: AsyncConnection, company_id: UUID, key_id: UUID) -> ApiKey | None:
    mine = and_(API_KEY.c.company_id == company_id, API_KEY.c.id == key_id)
    row = (await connection.execute(select(API_KEY).where(mine))).one_or_none()
    return key_of(row) if row else None


async def revoke_api_key(connection: AsyncConnection, company_id: UUID, key_id: UUID, now: datetime) -> None:
    mine = and_(API_KEY.c.company_id == company_id, API_KEY.c.id == key_id)
    await connection.execute(update(API_KEY).where(mine).values(revoked_at=now))


def _of_company(scope: Scope) -> Select[Any]:
    """For those who see a whole company: whoever may manage keys does."""
    company_id = scope.company_id if scope.is_whole_company else None
    return select(API_KEY).where(API_KEY.c.company_id == company_id)


async def read_api_keys(database: Database, scope: Scope, *, ids: Collection[UUID]) -> Sequence[Row[Any]]:
    """The keys with these ids, in no order."""
    return await database.rows(_of_company(scope).where(API_KEY.c.id.in_(sorted(ids))))


async def read_company_keys(database: Database, scope: Scope) -> Sequence[Row[Any]]:
    """Those that work first, then those revoked; the newest of each first, MAX_LISTED in all."""
    order = (
        API_KEY.c.revoked_at.is_not(None),
        API_KEY.c.revoked_at.desc(),
        API_KEY.c.created_at.desc(),
        API_KEY.c.id.desc(),
    )
    return await database.rows(_of_company(scope).order_by(*order).limit(MAX_LISTED))


def key_of(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        company_id=row.company_id,
        name=row.name,
        scopes=frozenset(PartnerScope(scope) for scope in row.scopes),
        office_ids=offices_of(row),
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )


def offices_of(row: Row[Any]) -> frozenset[UUID] | None:
    """None: every office of the company."""
    return None if row.office_ids is None else frozenset(UUID(hex=office) for office in row.office_ids)
