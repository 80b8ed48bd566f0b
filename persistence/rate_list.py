"""Reads of the company's rates: what a unit of usage costs, by prefix, and the decks they come from (R18–R21).

Decks belong to the company; who may see rates at all sees every one.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select

from domain.access import Scope
from domain.catalogue import Service
from domain.rates import MAX_PREFIX_DIGITS
from persistence.database import Database
from persistence.keyset import Slice, Window, sliced, windowed
from persistence.tables.company import COMPANY
from persistence.tables.rates import RATE, RATE_CARD


@dataclass(frozen=True, slots=True, kw_only=True)
class RateFilter:
    """Which rates to list. None leaves a side open; an empty list finds nothing."""

    services: tuple[Service, ...] | None = None
    prefix: str | None = None
    """Digits that the rate's own prefix starts with."""
    digits: str | None = None
    """A whole number without `+`: rates whose prefix it starts with, the one without a prefix included."""
    in_force_at: datetime | None = None
    card_id: UUID | None = None


def _rates(scope: Scope) -> Select[Any]:
    return (
        select(
            RATE,
            COMPANY.c.currency,
            RATE_CARD.c.name.label("card_name"),
            RATE_CARD.c.effective_from,
            RATE_CARD.c.effective_until,
            RATE_CARD.c.rate_count,
        )
        .join(RATE_CARD, _of_card())
        .join(COMPANY, COMPANY.c.company_id == RATE.c.company_id)
        .where(RATE.c.company_id == scope.company_id)
    )


def _of_card() -> ColumnElement[bool]:
    return and_(RATE_CARD.c.company_id == RATE.c.company_id, RATE_CARD.c.id == RATE.c.card_id)


def _conditions(wanted: RateFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.services is not None:
        conditions.append(RATE.c.service.in_([service.value for service in wanted.services]))
    if wanted.prefix:
        # Prefixes are digits, so everything that starts like this one lies between it and it with nines.
        conditions.append(RATE.c.prefix.between(wanted.prefix, wanted.prefix + "9" * MAX_PREFIX_DIGITS))
    if wanted.digits is not None:
        longest = min(len(wanted.digits), MAX_PREFIX_DIGITS)
        conditions.append(RATE.c.prefix.in_([wanted.digits[:length] for length in range(longest + 1)]))
    if wanted.in_force_at is not None:
        conditions.append(RATE_CARD.c.effective_from <= wanted.in_force_at)
        conditions.append(or_(RATE_CARD.c.effective_until.is_(None), RATE_CARD.c.effective_until > wanted.in_force_at))
    if wanted.card_id is not None:
        conditions.append(RATE.c.card_id == wanted.card_id)
    return conditions


async def read_rate_page(database: Database, scope: Scope, *, wanted: RateFilter, window: Window) -> Slice:
    """Rates by prefix. Positions are (`prefix`, `id`)."""
    statement = windowed(_rates(scope).where(*_conditions(wanted)), (RATE.c.prefix, RATE.c.id), window)
    return sliced(await database.rows(statement), window)


async def count_rates(database: Database, scope: Scope, *, wanted: RateFilter) -> int:
    statement = (
        select(func.count())
        .select_from(RATE)
        .join(RATE_CARD, _of_card())
        .where(RATE.c.company_id == scope.company_id, *_conditions(wanted))
    )
    return int((await database.rows(statement))[0][0])


async def read_rates(database: Database, scope: Scope, *, ids: Collection[UUID]) -> Sequence[Row[Any]]:
    """The rates with these ids, in no order."""
    return await database.rows(_rates(scope).where(RATE.c.id.in_(sorted(ids))))


async def read_rate_cards(database: Database, scope: Scope, *, ids: Collection[UUID]) -> Sequence[Row[Any]]:
    """The decks' versions with these ids, in no order."""
    return await database.rows(
        select(RATE_CARD).where(RATE_CARD.c.company_id == scope.company_id, RATE_CARD.c.id.in_(sorted(ids)))
    )
