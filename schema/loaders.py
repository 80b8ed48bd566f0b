"""Batched reads of small objects, made anew for every request.

What a request asks for one by one (the offices behind `node`, the wallets of each office of a list) is read in one
statement. Lists themselves do not go through here: a page of history is one joined row a record.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Hashable, Sequence
from datetime import datetime
from functools import cached_property, partial
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import Row
from strawberry.dataloader import DataLoader

from domain.access import Scope
from persistence.database import Database
from persistence.directory import PartyKind, read_parties
from persistence.history import read_history_records
from persistence.offices import read_billing_cycles, read_office_numbers, read_offices
from persistence.overview import read_plan_usage, read_plan_usage_by_id, read_wallet_cycles, read_wallets
from persistence.postings import read_postings
from persistence.rate_list import read_rate_cards, read_rates
from persistence.rejections import read_rejections

AnyRow = Row[Any]
ById = DataLoader[UUID, AnyRow | None]
K = TypeVar("K", bound=Hashable)
Side = TypeVar("Side")


class Newest(NamedTuple):
    """The newest cycles of one office or wallet."""

    id: UUID
    limit: int


class InMonth(NamedTuple):
    """One office's plan usage in a month (202603), None: in the current cycle."""

    office_id: UUID
    month: int | None


class Loaders:
    def __init__(self, database: Database, scope: Scope, now: datetime) -> None:
        self._database = database
        self._scope = scope
        self._now = now

    def _by_id(self, read: Callable[..., Awaitable[Sequence[AnyRow]]]) -> ById:
        async def load(ids: list[UUID]) -> list[AnyRow | None]:
            found = {row.id: row for row in await read(self._database, self._scope, ids=ids)}
            return [found.get(wanted) for wanted in ids]

        return DataLoader(load_fn=load)

    @cached_property
    def offices(self) -> ById:
        return self._by_id(read_offices)

    @cached_property
    def members(self) -> ById:
        return self._by_id(partial(read_parties, kind=PartyKind.MEMBER))

    @cached_property
    def groups(self) -> ById:
        return self._by_id(partial(read_parties, kind=PartyKind.GROUP))

    @cached_property
    def contacts(self) -> ById:
        return self._by_id(partial(read_parties, kind=PartyKind.CONTACT))

    @cached_property
    def wallets(self) -> ById:
        return self._by_id(partial(read_wallets, now=self._now))

    @cached_property
    def plan_usage(self) -> ById:
        return self._by_id(read_plan_usage_by_id)

    @cached_property
    def usage_records(self) -> ById:
        return self._by_id(read_history_records)

    @cached_property
    def rates(self) -> ById:
        return self._by_id(read_rates)

    @cached_property
    def rate_cards(self) -> ById:
        return self._by_id(read_rate_cards)

    @cached_property
    def rejections(self) -> ById:
        return self._by_id(read_rejections)

    @cached_property
    def postings(self) -> ById:
        return self._by_id(read_postings)

    @cached_property
    def office_numbers(self) -> DataLoader[UUID, list[AnyRow]]:
        async def load(office_ids: list[UUID]) -> list[list[AnyRow]]:
            rows = await read_office_numbers(self._database, self._scope, office_ids=office_ids)
            return grouped(office_ids, rows, lambda row: row.office_id)

        return DataLoader(load_fn=load)

    @cached_property
    def wallets_of_office(self) -> DataLoader[UUID, list[AnyRow]]:
        async def load(office_ids: list[UUID]) -> list[list[AnyRow]]:
            rows = await read_wallets(self._database, self._scope, now=self._now, office_ids=office_ids)
            return grouped(office_ids, rows, lambda row: row.office_id)

        return DataLoader(load_fn=load)

    @cached_property
    def billing_cycles(self) -> DataLoader[Newest, list[AnyRow]]:
        async def read(limit: int, keys: list[Newest]) -> list[list[AnyRow]]:
            ids = [key.id for key in keys]
            rows = await read_billing_cycles(self._database, self._scope, office_ids=ids, now=self._now, limit=limit)
            return grouped(ids, rows, lambda row: row.office_id)

        return DataLoader(load_fn=partial(_each, lambda key: key.limit, read))

    @cached_property
    def wallet_cycles(self) -> DataLoader[Newest, list[AnyRow]]:
        async def read(limit: int, keys: list[Newest]) -> list[list[AnyRow]]:
            ids = [key.id for key in keys]
            rows = await read_wallet_cycles(self._database, self._scope, wallet_ids=ids, now=self._now, limit=limit)
            return grouped(ids, rows, lambda row: row.wallet_id)

        return DataLoader(load_fn=partial(_each, lambda key: key.limit, read))

    @cached_property
    def plan_usage_of_office(self) -> DataLoader[InMonth, list[AnyRow]]:
        async def read(month: int | None, keys: list[InMonth]) -> list[list[AnyRow]]:
            ids = [key.office_id for key in keys]
            rows = await read_plan_usage(self._database, self._scope, office_ids=ids, now=self._now, month=month)
            return grouped(ids, rows, lambda row: row.office_id)

        return DataLoader(load_fn=partial(_each, lambda key: key.month, read))


async def _each(
    side: Callable[[K], Side], read: Callable[[Side, list[K]], Awaitable[list[list[AnyRow]]]], keys: list[K]
) -> list[list[AnyRow]]:
    """One read for each distinct side (limit, month) of the keys; requests rarely have more than one."""
    answers: dict[K, list[AnyRow]] = {}
    alike: defaultdict[Side, list[K]] = defaultdict(list)
    for key in keys:
        alike[side(key)].append(key)
    for value, members in alike.items():
        answers.update(zip(members, await read(value, members), strict=True))
    return [answers[key] for key in keys]


def grouped(keys: Collection[K], rows: Sequence[AnyRow], key_of: Callable[[AnyRow], K]) -> list[list[AnyRow]]:
    """The rows of each key, in the order of the keys."""
    of_key: defaultdict[K, list[AnyRow]] = defaultdict(list)
    for row in rows:
        of_key[key_of(row)].append(row)
    return [of_key[key] for key in keys]
