"""Batched reads of small objects, made anew for every request.

What a request asks for one by one (the offices behind `node`, the wallets of each office of a list) is read in one
statement. Lists themselves do not go through here: a page of history is one joined row a record.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Hashable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import Row

from domain.access import Scope
from domain.forecasts import Spending
from domain.money import Micros
from domain.top_ups import Billing
from persistence.activity import read_activities
from persistence.alerts import read_alerts_by_id, read_alerts_of_offices
from persistence.api_keys import read_api_keys
from persistence.auto_recharge import OfficeRecharge, read_auto_recharges
from persistence.database import Database
from persistence.directory import PartyKind, read_parties
from persistence.forecast import read_spending
from persistence.history import read_history_records
from persistence.holds import read_holds
from persistence.offices import read_billing_cycles, read_office_numbers, read_offices
from persistence.overview import read_plan_usage, read_plan_usage_by_id, read_wallet_cycles, read_wallets
from persistence.payment_methods import read_billings, read_payment_methods
from persistence.postings import read_postings
from persistence.rate_list import read_rate_cards, read_rates
from persistence.refunds import read_refundable
from persistence.rejections import read_rejections
from persistence.spendable import read_spendable
from persistence.top_up_list import read_top_ups
from persistence.webhooks import read_webhook_deliveries, read_webhook_endpoints
from schema.batching import Loader, OnBatch, batched

AnyRow = Row[Any]
K = TypeVar("K", bound=Hashable)
Side = TypeVar("Side")


ById = Loader[UUID, AnyRow | None]


class Newest(NamedTuple):
    """The newest cycles of one office or wallet."""

    id: UUID
    limit: int


class InMonth(NamedTuple):
    """One office's plan usage in a month (202603), None: in the current cycle."""

    office_id: UUID
    month: int | None


class AlertOf(NamedTuple):
    """An alert, or those of one office, as a viewer sees them: his subject says what he dismissed."""

    id: UUID
    subject: str


class Loaders:
    def __init__(self, database: Database, scope: Scope, now: datetime, on_batch: OnBatch | None = None) -> None:
        self._database = database
        self._scope = scope
        self._now = now
        self.on_batch = on_batch

    def _by_id(self, read: Callable[..., Awaitable[Sequence[AnyRow]]]) -> ById:
        async def load(ids: list[UUID]) -> list[AnyRow | None]:
            found = {row.id: row for row in await read(self._database, self._scope, ids=ids)}
            return [found.get(wanted) for wanted in ids]

        return Loader(load_fn=load)

    @batched
    def offices(self) -> ById:
        return self._by_id(read_offices)

    @batched
    def members(self) -> ById:
        return self._by_id(partial(read_parties, kind=PartyKind.MEMBER))

    @batched
    def groups(self) -> ById:
        return self._by_id(partial(read_parties, kind=PartyKind.GROUP))

    @batched
    def contacts(self) -> ById:
        return self._by_id(partial(read_parties, kind=PartyKind.CONTACT))

    @batched
    def wallets(self) -> ById:
        return self._by_id(partial(read_wallets, now=self._now))

    @batched
    def plan_usage(self) -> ById:
        return self._by_id(read_plan_usage_by_id)

    @batched
    def usage_records(self) -> ById:
        return self._by_id(read_history_records)

    @batched
    def rates(self) -> ById:
        return self._by_id(read_rates)

    @batched
    def rate_cards(self) -> ById:
        return self._by_id(read_rate_cards)

    @batched
    def rejections(self) -> ById:
        return self._by_id(read_rejections)

    @batched
    def postings(self) -> ById:
        return self._by_id(read_postings)

    @batched
    def activities(self) -> ById:
        return self._by_id(read_activities)

    @batched
    def api_keys(self) -> ById:
        return self._by_id(read_api_keys)

    @batched
    def top_ups(self) -> ById:
        return self._by_id(read_top_ups)

    @batched
    def refundable(self) -> Loader[UUID, Micros]:
        """By top-up."""

        async def load(ids: list[UUID]) -> list[Micros]:
            found = await read_refundable(self._database, self._scope, ids=ids)
            return [found.get(wanted, 0) for wanted in ids]

        return Loader(load_fn=load)

    @batched
    def payment_methods(self) -> ById:
        return self._by_id(read_payment_methods)

    @batched
    def holds(self) -> ById:
        return self._by_id(read_holds)

    @batched
    def webhook_endpoints(self) -> ById:
        return self._by_id(read_webhook_endpoints)

    @batched
    def webhook_deliveries(self) -> ById:
        return self._by_id(read_webhook_deliveries)

    @batched
    def can_spend(self) -> Loader[UUID, bool]:
        """By office; false for one that is not visible."""

        async def load(office_ids: list[UUID]) -> list[bool]:
            rows = await read_spendable(self._database, self._scope, office_ids=office_ids, now=self._now)
            found = {row.office_id: bool(row.can_spend) for row in rows}
            return [found.get(office_id, False) for office_id in office_ids]

        return Loader(load_fn=load)

    @batched
    def spending(self) -> Loader[UUID, Spending | None]:
        """By office: what forecasts are made from."""

        async def load(office_ids: list[UUID]) -> list[Spending | None]:
            found = await read_spending(self._database, self._scope, office_ids=office_ids, now=self._now)
            return [found.get(office_id) for office_id in office_ids]

        return Loader(load_fn=load)

    @batched
    def billings(self) -> Loader[UUID, Billing | None]:
        async def load(office_ids: list[UUID]) -> list[Billing | None]:
            found = await read_billings(self._database, self._scope, office_ids=office_ids, now=self._now)
            return [found.get(office_id) for office_id in office_ids]

        return Loader(load_fn=load)

    @batched
    def auto_recharges(self) -> Loader[UUID, OfficeRecharge | None]:
        """By office."""

        async def load(office_ids: list[UUID]) -> list[OfficeRecharge | None]:
            read = await read_auto_recharges(self._database, self._scope, office_ids=office_ids, now=self._now)
            found = {recharge.office_id: recharge for recharge in read}
            return [found.get(office_id) for office_id in office_ids]

        return Loader(load_fn=load)

    @batched
    def office_numbers(self) -> Loader[UUID, list[AnyRow]]:
        async def load(office_ids: list[UUID]) -> list[list[AnyRow]]:
            rows = await read_office_numbers(self._database, self._scope, office_ids=office_ids)
            return grouped(office_ids, rows, lambda row: row.office_id)

        return Loader(load_fn=load)

    @batched
    def wallets_of_office(self) -> Loader[UUID, list[AnyRow]]:
        async def load(office_ids: list[UUID]) -> list[list[AnyRow]]:
            rows = await read_wallets(self._database, self._scope, now=self._now, office_ids=office_ids)
            return grouped(office_ids, rows, lambda row: row.office_id)

        return Loader(load_fn=load)

    @batched
    def alerts_of_office(self) -> Loader[AlertOf, list[AnyRow]]:
        async def read(subject: str, keys: list[AlertOf]) -> list[list[AnyRow]]:
            ids = [key.id for key in keys]
            rows = await read_alerts_of_offices(self._database, self._scope, subject=subject, office_ids=ids)
            return grouped(ids, rows, lambda row: row.office_id)

        return Loader(load_fn=partial(_each, lambda key: key.subject, read))

    @batched
    def alerts(self) -> Loader[AlertOf, AnyRow | None]:
        async def load(keys: list[AlertOf]) -> list[AnyRow | None]:
            found: dict[AlertOf, AnyRow] = {}
            for subject in {key.subject for key in keys}:
                ids = {key.id for key in keys}
                rows = await read_alerts_by_id(self._database, self._scope, subject=subject, ids=ids)
                found |= {AlertOf(row.id, subject): row for row in rows}
            return [found.get(key) for key in keys]

        return Loader(load_fn=load)

    @batched
    def billing_cycles(self) -> Loader[Newest, list[AnyRow]]:
        async def read(limit: int, keys: list[Newest]) -> list[list[AnyRow]]:
            ids = [key.id for key in keys]
            rows = await read_billing_cycles(self._database, self._scope, office_ids=ids, now=self._now, limit=limit)
            return grouped(ids, rows, lambda row: row.office_id)

        return Loader(load_fn=partial(_each, lambda key: key.limit, read))

    @batched
    def wallet_cycles(self) -> Loader[Newest, list[AnyRow]]:
        async def read(limit: int, keys: list[Newest]) -> list[list[AnyRow]]:
            ids = [key.id for key in keys]
            rows = await read_wallet_cycles(self._database, self._scope, wallet_ids=ids, now=self._now, limit=limit)
            return grouped(ids, rows, lambda row: row.wallet_id)

        return Loader(load_fn=partial(_each, lambda key: key.limit, read))

    @batched
    def plan_usage_of_office(self) -> Loader[InMonth, list[AnyRow]]:
        async def read(month: int | None, keys: list[InMonth]) -> list[list[AnyRow]]:
            ids = [key.office_id for key in keys]
            rows = await read_plan_usage(self._database, self._scope, office_ids=ids, now=self._now, month=month)
            return grouped(ids, rows, lambda row: row.office_id)

        return Loader(load_fn=partial(_each, lambda key: key.month, read))


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
