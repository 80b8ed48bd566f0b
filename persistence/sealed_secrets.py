"""All that is stored sealed, sealed anew when the server's key was changed. What opens and seals is handed in."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Row, and_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from persistence.database import Database
from persistence.tables.company import COMPANY
from persistence.tables.partners import WEBHOOK_ENDPOINT

Reseal = Callable[[str], str | None]
"""The same secret under the newest key, which may be the same text; None when no key opens it."""

_E = WEBHOOK_ENDPOINT


class Resealed(NamedTuple):
    """What became of one company's secrets."""

    changed_count: int
    unchanged_count: int
    """Under the newest key already."""
    unreadable: tuple[UUID, ...]
    """Endpoints whose secret no key opens: left as they are, they sign nothing."""


async def reseal_secrets(database: Database, company_id: UUID, reseal: Reseal, now: datetime) -> Resealed:
    """One transaction. A second run changes nothing.

    The secret that an endpoint had before does not sign any more once its day is over: whether it opens is all one.
    """
    changed = unchanged = 0
    unreadable = []
    async with database.writing() as connection:
        for endpoint in await _lock_endpoints(connection, company_id):
            values: dict[str, str] = {}
            for name, sealed in _signing(endpoint, now).items():
                resealed = reseal(sealed)
                if resealed is None:
                    unreadable.append(endpoint.id)
                elif resealed == sealed:
                    unchanged += 1
                else:
                    values[name] = resealed
            if values:
                mine = and_(_E.c.company_id == company_id, _E.c.id == endpoint.id)
                await connection.execute(update(_E).where(mine).values(values))
                changed += len(values)
    return Resealed(changed, unchanged, tuple(dict.fromkeys(unreadable)))


async def _lock_endpoints(connection: AsyncConnection, company_id: UUID) -> list[Row[tuple[object, ...]]]:
    """By the company's row, as whoever rotates a secret does."""
    mine = COMPANY.c.company_id == company_id
    await connection.execute(select(COMPANY.c.company_id).where(mine).with_for_update(key_share=True))
    theirs = select(_E).where(_E.c.company_id == company_id).order_by(_E.c.created_at, _E.c.id)
    return list((await connection.execute(theirs)).all())


def _signing(endpoint: Row[tuple[object, ...]], now: datetime) -> dict[str, str]:
    """The columns whose secrets sign now."""
    sealed = {"sealed_secret": endpoint.sealed_secret}
    if endpoint.earlier_until is not None and now < endpoint.earlier_until:
        sealed["earlier_sealed_secret"] = endpoint.earlier_sealed_secret
    return sealed
