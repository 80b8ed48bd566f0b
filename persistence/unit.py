"""What every transaction on a company's books shares: see `domain.works.BookWork`."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.activity import Activity
from domain.ledger import Books
from domain.works import UsedKey
from persistence.activity import insert_activity
from persistence.books import LoadedBooks, lock_books
from persistence.bulk import Writes
from persistence.holds import save_holds
from persistence.rate_index import RateBooks
from persistence.save_books import insert_postings, save_funds
from persistence.save_news import save_news
from persistence.tables.funds import IDEMPOTENCY_KEY, WALLET
from persistence.tally import Tally


class Unit:
    """One transaction over one connection. Rows are saved in the order in which they refer to each other."""

    def __init__(self, connection: AsyncConnection, company_id: UUID, now: datetime, rate_books: RateBooks) -> None:
        self._connection = connection
        self._company_id = company_id
        self._now = now
        self._rate_books = rate_books
        self._loaded: dict[UUID, LoadedBooks] = {}
        self._news_count = 0
        self.tally = Tally()

    async def lock_books(self, office_id: UUID, *, with_history: bool = False) -> Books:
        [books] = await self.lock_all_books([office_id], with_history=with_history)
        return books

    async def lock_all_books(self, office_ids: Collection[UUID], *, with_history: bool = False) -> list[Books]:
        found = await lock_books(self._connection, self._company_id, office_ids, self._now, with_history=with_history)
        self._loaded |= {loaded.books.funds.office.id: loaded for loaded in found}
        return [loaded.books for loaded in found]

    @property
    def has_intents(self) -> bool:
        """Whether a worker has something to do once this is committed."""
        moments = [loaded.books.funds.recharge.judge_at for loaded in self._loaded.values()]
        moments += [top_up.due_at for loaded in self._loaded.values() for top_up in loaded.books.new_top_ups]
        return self._news_count > 0 or any(moment is not None and moment <= self._now for moment in moments)

    @property
    def office_ids(self) -> Collection[UUID]:
        """Those whose books were opened: what a listener may have to look at again once this is committed."""
        return self._loaded.keys()

    async def save_books(self, books: Books) -> None:
        await self._save_postings(await self._save_funds([books]), [books])

    async def _save_funds(self, all_books: Sequence[Books]) -> Writes:
        """What is new; the rest waits in what comes back, for `_save_postings`."""
        writes = Writes(self._connection)
        for books in all_books:
            await save_funds(self._connection, self._loaded[books.funds.office.id], writes)
            self.tally.add_top_ups(books.new_top_ups)
            self._news_count += await save_news(self._connection, books)
        return writes

    async def _save_postings(self, writes: Writes, all_books: Sequence[Books]) -> None:
        """Also what else waits, and then the holds: a captured one refers to its charge."""
        insert_postings(writes, all_books)
        await writes.send()
        for books in all_books:
            await save_holds(self._connection, books)

    async def find_wallet_office(self, wallet_id: UUID) -> UUID | None:
        mine = and_(WALLET.c.company_id == self._company_id, WALLET.c.id == wallet_id)
        row = (await self._connection.execute(select(WALLET.c.office_id).where(mine))).one_or_none()
        return row.office_id if row else None

    async def used_key(self, key: str) -> UsedKey | None:
        table = IDEMPOTENCY_KEY
        mine = and_(table.c.company_id == self._company_id, table.c.key == key)
        row = (await self._connection.execute(select(table).where(mine))).one_or_none()
        return None if row is None else UsedKey(row.operation, row.facts, row.result_id)

    async def save_key(self, key: str, used: UsedKey) -> None:
        await self._connection.execute(
            insert(IDEMPOTENCY_KEY).values(
                company_id=self._company_id,
                key=key,
                operation=used.operation,
                facts=dict(used.facts),
                result_id=used.result_id,
                created_at=self._now,
            )
        )

    async def save_activity(self, activity: Activity) -> None:
        await insert_activity(self._connection, self._company_id, self._now, activity)
