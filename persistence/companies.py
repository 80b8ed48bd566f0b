"""Which companies there are: for the operator's commands alone, which name one before they do anything."""

from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select

from domain.money import Currency
from persistence.database import Database
from persistence.tables.company import COMPANY, OFFICE
from persistence.tables.rates import RATE_CARD


class CompanyFacts(NamedTuple):
    id: UUID
    slug: str
    currency: Currency
    decks: tuple[str, ...]
    """Every deck that the company or one of its offices names; empty when none is named: then all count."""
    offices: tuple[str, ...]
    """Slugs."""


async def find_companies(database: Database) -> list[CompanyFacts]:
    companies = await database.rows(select(COMPANY).order_by(COMPANY.c.slug))
    offices = await database.rows(select(OFFICE.c.company_id, OFFICE.c.slug, OFFICE.c.decks).order_by(OFFICE.c.slug))
    return [
        CompanyFacts(
            company.company_id,
            company.slug,
            Currency(company.currency),
            _decks(company.decks, [office.decks for office in offices if office.company_id == company.company_id]),
            tuple(office.slug for office in offices if office.company_id == company.company_id),
        )
        for company in companies
    ]


async def find_deck_names(database: Database, company_id: UUID) -> set[str]:
    """Every deck that was ever loaded."""
    rows = await database.rows(select(RATE_CARD.c.name).where(RATE_CARD.c.company_id == company_id).distinct())
    return {row.name for row in rows}


def _decks(of_company: list[str], of_offices: list[list[str]]) -> tuple[str, ...]:
    """An office that names no deck uses the company's; where that names none either, every deck counts."""
    if not of_company and (not of_offices or any(not decks for decks in of_offices)):
        return ()
    return tuple(sorted({*of_company, *(name for decks in of_offices for name in decks)}))
