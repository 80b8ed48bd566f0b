"""What one transaction on the books of one company can do, as the stories need it: kept by `persistence`."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from domain.access import Scope
from domain.activity import Activity
from domain.charging import Directory, OfficeCharged
from domain.known import Known
from domain.ledger import Books
from domain.rates import RateBook
from domain.reversal import PastCharge, Reversal
from domain.usage import UsageEvent


class UsedKey(NamedTuple):
    """An idempotency key that was used before (R32)."""

    operation: str
    facts: Mapping[str, str]
    result_id: UUID


class BookWork(Protocol):
    """What every change of an office's books needs."""

    async def lock_books(self, office_id: UUID, *, with_history: bool = False) -> Books:
        """The office's funds, locked until the end: whoever else writes to this office waits. Raises NotFound.

        The row is locked alone first and read afterwards, or a reader under READ COMMITTED would see it stale.
        `with_history` also loads the cycles that have closed, for an operator's backfill and for reversals.
        """

    async def save_books(self, books: Books) -> None:
        """Whatever the rules moved: cycles, balances, reservations, auto-recharge, new top-ups and postings."""

    async def find_wallet_office(self, wallet_id: UUID) -> UUID | None:
        """Whose wallet it is; None when the company has no such wallet."""

    async def used_key(self, key: str) -> UsedKey | None:
        """To be asked under the lock: of two requests with one key, the second waits and finds what the first did."""

    async def save_key(self, key: str, used: UsedKey) -> None: ...

    async def save_activity(self, activity: Activity) -> None:
        """The audit trail, in the transaction of the act itself."""


class ChargeWork(BookWork, Protocol):
    """Usage is charged and taken back."""

    async def known(self, keys: Sequence[tuple[str, str]]) -> Known:
        """What came under these keys (source, event id) before."""

    async def directory(self, events: Sequence[UsageEvent]) -> Directory:
        """Ids of everybody the events name, old or new; nobody is created yet."""

    async def lock_all_books(self, office_ids: Collection[UUID], *, with_history: bool = False) -> list[Books]:
        """As `lock_books`, of several offices in the order of their ids, which is also the order of the locks."""

    async def save_names(self, charges: Sequence[OfficeCharged], scope: Scope) -> None:
        """Of those whom `directory` was asked for: creates the unseen in the office that named them first, keeps names
        up to date (R17).

        A reporter does not rename the people of offices that are not his. Before the charges, which refer to them.
        """

    async def rate_book(self) -> RateBook:
        """Every rate of the company, as of this transaction."""

    async def save_charges(self, charges: Sequence[OfficeCharged]) -> None:
        """All of a batch at once: charges, postings, balances, rollups, rejections kept and consumed."""

    async def find_charge(self, charge_id: UUID) -> PastCharge | None: ...

    async def save_reversal(self, books: Books, reversal: Reversal) -> None: ...
