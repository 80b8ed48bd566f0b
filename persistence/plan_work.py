"""One transaction that changes what a company is: `domain.ports.PlanWork` over one connection."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.activity import Activity
from domain.api_keys import ApiKey
from domain.errors import NotFound
from domain.funds import AllowanceTerms, CommitmentTerms
from domain.ledger import Books
from domain.ports import DirectorySync
from domain.provisioning import CompanyPlan, DirectoryContact, DirectoryGroup, DirectoryMember, OfficePlan
from domain.rate_cards import Card, Placement
from domain.rates import NewRate
from domain.spending_rise import Thresholds
from domain.watch_work import AlertSettings
from persistence import alert_facts, api_keys, provisioning, rate_index
from persistence.activity import insert_activity
from persistence.books import LoadedBooks, lock_books
from persistence.bulk import Writes
from persistence.directory_store import synchronise
from persistence.holds import save_holds
from persistence.save_books import insert_postings, save_funds
from persistence.save_news import save_news


class ProvisioningWork:
    """See `domain.ports.PlanWork`. Holds the lock on the company's row."""

    def __init__(self, connection: AsyncConnection, stored: Any | None, now: datetime) -> None:
        self._connection = connection
        self._stored = stored
        self._now = now
        self._company_id: UUID | None = stored.company_id if stored is not None else None
        self._loaded: dict[UUID, LoadedBooks] = {}

    @classmethod
    async def of(cls, connection: AsyncConnection, company: UUID | str, now: datetime) -> "ProvisioningWork":
        return cls(connection, await provisioning.lock_company(connection, company), now)

    @property
    def company_id(self) -> UUID:
        if self._company_id is None:
            raise NotFound("There is no such company yet: describe it in a file and apply that first.")
        return self._company_id

    async def stored_plan(self) -> CompanyPlan | None:
        if self._stored is None:
            return None
        return await provisioning.stored_plan(self._connection, self._stored)

    async def save_company(self, plan: CompanyPlan) -> UUID:
        company_id = await provisioning.save_company(self._connection, self._stored, plan, self._now)
        self._company_id = company_id
        return company_id

    async def add_office(self, plan: OfficePlan) -> UUID:
        return await provisioning.add_office(self._connection, self.company_id, plan, self._now)

    async def save_office(self, plan: OfficePlan) -> None:
        await provisioning.save_office(self._connection, self.company_id, plan)

    async def release_numbers(self, offices: Sequence[OfficePlan]) -> None:
        await provisioning.release_numbers(self._connection, self.company_id, offices)

    async def office_id(self, slug: str) -> UUID:
        return await provisioning.find_office_id(self._connection, self.company_id, slug)

    async def plan_terms(self, office_id: UUID) -> tuple[Sequence[CommitmentTerms], Sequence[AllowanceTerms]]:
        return await provisioning.plan_terms(self._connection, self.company_id, office_id)

    async def lock_books(self, office_id: UUID, *, with_history: bool = False) -> Books:
        [loaded] = await lock_books(
            self._connection, self.company_id, [office_id], self._now, with_history=with_history
        )
        self._loaded[office_id] = loaded
        return loaded.books

    async def save_books(self, books: Books) -> None:
        writes = Writes(self._connection)
        await save_funds(self._connection, self._loaded[books.funds.office.id], writes)
        await save_news(self._connection, books)
        insert_postings(writes, [books])
        await writes.send()
        await save_holds(self._connection, books)

    @property
    def office_ids(self) -> Collection[UUID]:
        """Those whose books were opened."""
        return self._loaded.keys()

    async def save_activity(self, activity: Activity) -> None:
        await insert_activity(self._connection, self.company_id, self._now, activity)

    async def sync_directory(
        self,
        members: Sequence[DirectoryMember] | None,
        groups: Sequence[DirectoryGroup] | None,
        contacts: Sequence[DirectoryContact] | None,
        *,
        is_replace: bool,
    ) -> DirectorySync:
        return await synchronise(self._connection, self.company_id, members, groups, contacts, is_replace=is_replace)

    async def cards(self, name: str) -> Sequence[Card]:
        return await rate_index.find_cards(self._connection, self.company_id, name)

    async def save_card(self, name: str, rates: Sequence[NewRate], placement: Placement) -> UUID:
        return await rate_index.save_card(self._connection, self.company_id, name, rates, placement, self._now)

    async def working_key_names(self) -> Collection[str]:
        return await api_keys.working_key_names(self._connection, self.company_id)

    async def office_slugs(self, office_ids: Collection[UUID]) -> Mapping[UUID, str]:
        return await api_keys.office_slugs(self._connection, self.company_id, office_ids)

    async def add_api_key(self, key: ApiKey, *, prefix: str, key_hash: bytes, created_by: str) -> None:
        await api_keys.insert_api_key(
            self._connection, key, prefix=prefix, key_hash=key_hash, created_by=created_by, now=self._now
        )

    async def find_api_key(self, key_id: UUID) -> ApiKey | None:
        return await api_keys.find_api_key(self._connection, self.company_id, key_id)

    async def revoke_api_key(self, key_id: UUID) -> None:
        await api_keys.revoke_api_key(self._connection, self.company_id, key_id, self._now)

    async def alert_settings(self) -> AlertSettings:
        return await alert_facts.read_alert_settings(self._connection, self.company_id)

    async def save_alert_thresholds(self, thresholds: Thresholds) -> None:
        await alert_facts.save_alert_thresholds(self._connection, self.company_id, thresholds)

    async def watch_offices(self) -> None:
        await alert_facts.watch_offices(self._connection, self.company_id, self._now)
