"""Billing cycles end whether anybody looks or not; whoever looks first turns the page (R9)."""

from datetime import datetime
from functools import partial
from uuid import UUID

from domain.ports import Door
from domain.renewal import renew


async def renew_due(door: Door, company_id: UUID | None, now: datetime) -> int:
    """Renew every office that is due, of one company or of all; the number of offices. Safe to run at any time."""
    due = await door.due_offices(company_id, now)
    for company, office in due:
        await door.again(partial(_renew_office, door, company, office, now))
    return len(due)


async def _renew_office(door: Door, company_id: UUID, office_id: UUID, now: datetime) -> None:
    async with door.begin(company_id, now) as work:
        books = await work.lock_books(office_id)
        renew(books)
        await work.save_books(books)
