"""What the stories ask of the world outside: small protocols, kept by `persistence`.

A story opens one unit of work a transaction: a clean exit commits, an exception rolls back, nobody else commits.
"""

from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import NamedTuple, Protocol, TypeVar
from uuid import UUID

from domain.alerts import Cause
from domain.cards import Cardholder
from domain.collection import Payer
from domain.funds import AllowanceTerms, CommitmentTerms
from domain.hold_work import HoldWork
from domain.holds import Hold
from domain.key_work import KeyWork
from domain.ledger import Books
from domain.payments import ProcessorKind
from domain.provisioning import (
    CompanyPlan,
    DirectoryContact,
    DirectoryGroup,
    DirectoryMember,
    OfficePlan,
)
from domain.purchases import Buyer
from domain.rate_cards import Card, Placement
from domain.rates import NewRate
from domain.refund_work import RefundWork
from domain.refunds import Refund
from domain.spending_rise import Comparison
from domain.top_ups import TopUp
from domain.usage import OfficeReference, RejectionCode, UsageEvent
from domain.watch_work import SettingsWork, WatchWork
from domain.webhook_work import WebhookWork

T = TypeVar("T")
R = TypeVar("R")


class DirectoryCounts(NamedTuple):
    created_count: int = 0
    updated_count: int = 0
    unchanged_count: int = 0
    deactivated_count: int = 0


class DirectorySync(NamedTuple):
    members: DirectoryCounts
    groups: DirectoryCounts
    contacts: DirectoryCounts


class Work(HoldWork, RefundWork, WatchWork, WebhookWork, Protocol):
    """One transaction on the books of one company: a story names the part of it that it needs."""


class PlanWork(KeyWork, SettingsWork, Protocol):
    """One transaction on the plans, the directory, the rates and the keys of one company, which it locks."""

    async def stored_plan(self) -> CompanyPlan | None:
        """The company as it is, told as a plan; None when there is none of this name."""

    async def save_company(self, plan: CompanyPlan) -> UUID:
        """Its id."""

    async def add_office(self, plan: OfficePlan) -> UUID: ...

    async def save_office(self, plan: OfficePlan) -> None: ...

    async def release_numbers(self, offices: Sequence[OfficePlan]) -> None:
        """Takes from the offices that exist the numbers their plans no longer give them: another may get them now."""

    async def office_id(self, slug: str) -> UUID: ...

    async def plan_terms(self, office_id: UUID) -> tuple[Sequence[CommitmentTerms], Sequence[AllowanceTerms]]:
        """What coming cycles will be granted, as it stands now in this transaction."""

    async def lock_books(self, office_id: UUID, *, with_history: bool = False) -> Books: ...

    async def save_books(self, books: Books) -> None: ...

    async def sync_directory(
        self,
        members: Sequence[DirectoryMember] | None,
        groups: Sequence[DirectoryGroup] | None,
        contacts: Sequence[DirectoryContact] | None,
        *,
        is_replace: bool,
    ) -> DirectorySync: ...

    async def cards(self, name: str) -> Sequence[Card]:
        """Every version of a deck."""

    async def save_card(self, name: str, rates: Sequence[NewRate], placement: Placement) -> UUID:
        """The id of the new version."""


class Door(Protocol):
    """The way into the database for stories."""

    def begin(self, company_id: UUID, now: datetime) -> AbstractAsyncContextManager[Work]:
        """One transaction."""

    def provision(
        self, company: UUID | str, now: datetime, *, is_dry_run: bool = False
    ) -> AbstractAsyncContextManager[PlanWork]:
        """One transaction that changes what a company is, by id or by slug. A dry run is rolled back on a clean exit
        too: nothing of it stays, and nobody is told."""

    async def again(self, story: Callable[[], Awaitable[T]]) -> T:
        """Runs a story that is one transaction, and runs it again when the database broke it off to order writers."""

    async def together(
        self, key: Hashable, items: Sequence[T], story: Callable[[Sequence[T]], Awaitable[Sequence[R]]]
    ) -> Sequence[R]:
        """As `again`, of a story that has one answer for each of its items. What is brought under a key while another
        one's is being done goes in one transaction next, in the order in which it came; each gets his own answers.

        The key says all on which an answer depends besides the items and the time: whose rights, and what is locked.
        Where those that go together are refused, each tries again by himself. No transaction may be open.
        """

    async def find_offices(
        self, company_id: UUID, references: Collection[OfficeReference]
    ) -> Mapping[OfficeReference, UUID]:
        """The offices that references mean; those that mean none are left out."""

    async def find_hold(self, company_id: UUID, hold_id: UUID) -> Hold | None:
        """As it was last written: whose office's it is never changes, whether it is active may."""

    async def due_offices(self, company_id: UUID | None, now: datetime) -> Sequence[tuple[UUID, UUID]]:
        """(company, office) of every office that a renewal waits for; of one company, or of all."""

    async def due_watches(
        self,
        company_id: UUID | None,
        until: datetime,
        *,
        office_ids: Collection[UUID] | None,
        limit: int | None,
    ) -> Sequence[tuple[UUID, UUID]]:
        """(company, office) of those whose alerts have to be judged by then, the longest due first; of one company, or
        of all, and within the offices unless None. Limit None: however many."""

    async def spending_by_party(self, company_id: UUID, office_id: UUID, compared: Comparison) -> Sequence[Cause]:
        """What an office's usage cost, by member and by group, without what belongs to nobody.

        Reads the charges of both periods, which may take a second: never to be called inside a transaction.
        """

    async def due_recharges(self, now: datetime) -> Sequence[tuple[UUID, UUID]]:
        """(company, office) of those whose auto-recharge has to be judged again by now; not all at once if many."""

    def new_id(self) -> UUID:
        """For what gets its id before it gets a row."""

    async def find_buyer(self, company_id: UUID, office_id: UUID, now: datetime) -> Buyer:
        """How the office buys and where it stands, for a quote: read without a lock. Raises NotFound."""

    async def find_cardholder(self, company_id: UUID, office_id: UUID, kind: ProcessorKind) -> Cardholder:
        """Raises NotFound."""

    async def find_top_up(self, company_id: UUID, top_up_id: UUID) -> TopUp | None: ...

    async def find_payer(self, top_up: TopUp) -> Payer:
        """Of a top-up that is paid by card."""

    async def claim_top_ups(self, now: datetime, until: datetime, *, limit: int) -> Sequence[TopUp]:
        """Top-ups of all companies that are in flight and due, each claimed by nobody else until `until`."""

    async def claim_refunds(self, now: datetime, until: datetime, *, limit: int) -> Sequence[Refund]:
        """Refunds of all companies that their processors have not answered and that are due; each claimed likewise."""

    async def find_payment(self, kind: ProcessorKind, payment_id: str) -> tuple[UUID, UUID] | None:
        """(company, top-up) that a processor's id of a payment belongs to."""

    async def rejected_events(
        self,
        company_id: UUID,
        office_ids: Collection[UUID] | None,
        *,
        code: RejectionCode | None,
        ids: Collection[UUID] | None,
    ) -> Sequence[tuple[UUID, UsageEvent]]:
        """(office, event) of kept rejections, oldest first; within the offices unless None."""
