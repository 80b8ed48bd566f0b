"""What a resolver is given of one request: who asks, what he may touch, the moment, the database, the loaders.

Made by the edge for every request. The clock is read there; all of a request sees one `now`.
"""

import logging
from asyncio import Task, ensure_future, shield
from collections.abc import Awaitable, Callable, Collection, Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime
from secrets import token_hex
from typing import Any, Protocol
from uuid import UUID

import strawberry
from graphql import OperationType

from domain.access import Permission, Scope, Viewer
from domain.payments import Processors
from domain.stories.watch import watch_on_demand
from persistence.begin import Begin
from persistence.changes import Changes
from persistence.database import Database
from persistence.outages import is_outage, told_briefly
from schema.batching import OnBatch
from schema.connections import CursorSeal
from schema.loaders import Loaders

logger = logging.getLogger(__name__)

RenewDue = Callable[[Scope, datetime], Coroutine[Any, Any, object]]
"""Runs the renewals that are due in a scope's company (R9); cheap when none is. Never called without a company."""

ExportUrl = Callable[[UUID, UUID, datetime, str], str]
"""The signed link of (company, export, expiry, file name)."""
CheckUrl = Callable[[str], Awaitable[None]]
"""That a webhook endpoint may be there. Raises InvalidInput."""


class SecretBox(Protocol):
    """Seals secrets that have to be read again, so that a copy of the database does not give them away."""

    def seal(self, secret: str) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    viewer: Viewer
    scope: Scope
    now: datetime
    """Aware UTC."""
    database: Database
    begin: Begin
    """The way into the database for stories."""
    cursor_keys: tuple[bytes, ...]
    """Secrets, the same in every process and after a restart: the first seals cursors, all open them."""
    renew_due: RenewDue
    processors: Processors
    """Where cards are saved and charged."""
    changes: Changes
    """Tells subscriptions when to look again."""
    export_url: ExportUrl
    secrets: SecretBox
    check_webhook_url: CheckUrl
    on_batch: OnBatch | None = None
    loaders: Loaders = field(init=False)
    _renewals: dict[Scope, Task[object]] = field(init=False, default_factory=dict)
    _watches: dict[UUID | None, Task[None]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        # An operator may enter any company; of everybody else the database is told whose rows there are.
        if not self.scope.is_operator:
            object.__setattr__(self, "database", self.database.of(self.scope.company_id))
        object.__setattr__(self, "loaders", Loaders(self.database, self.scope, self.now, self.on_batch))

    def renewed(self, scope: Scope | None = None) -> Awaitable[object]:
        """To be awaited before balances or cycles are read: once a request and scope, whoever asks first (R9).

        Shielded, as all that several fields wait for: the executor breaks off the siblings of a field that failed, and
        would break off with them what others still wait for.
        """
        scope = scope or self.scope
        if scope not in self._renewals:
            due = self.renew_due(scope, self.now) if scope.company_id else _nothing()
            self._renewals[scope] = ensure_future(due)
        return shield(self._renewals[scope])

    def watched(self, office_id: UUID | None = None) -> Awaitable[object]:
        """To be awaited before alerts are read: those that wait are judged first, of this office or of the caller's,
        once a request. Never raises: what cannot be judged now is shown as it is stored, and the worker tries again."""
        if office_id not in self._watches:
            office_ids = self.scope.office_ids if office_id is None else frozenset({office_id})
            self._watches[office_id] = ensure_future(self._watch(office_ids))
        return shield(self._watches[office_id])

    async def _watch(self, office_ids: Collection[UUID] | None) -> None:
        if self.scope.company_id is None:
            return
        try:
            await watch_on_demand(self.begin, self.scope.company_id, self.now, office_ids=office_ids)
        except Exception as error:
            number = token_hex(6)
            if is_outage(error):
                logger.error("Incident %s: alerts could not be judged: %s", number, told_briefly(error))
            else:
                logger.error("Incident %s: alerts could not be judged", number, exc_info=error)

    def forget(self) -> None:
        """To be called before a write: what was read so far may be out of date once it is done."""
        object.__setattr__(self, "loaders", Loaders(self.database, self.scope, self.now, self.on_batch))
        self._renewals.clear()
        self._watches.clear()

    def scope_of(self, company_id: UUID) -> Scope:
        """The scope for what hangs on a company object, which an operator may have got by its slug."""
        return self.scope.within(company_id)

    def within(self, company_id: UUID) -> "Context":
        """The same request inside one company, with loaders of its own unless it is the caller's. Raises NotFound."""
        if company_id == self.scope.company_id:
            return self
        return replace(self, scope=self.scope_of(company_id))

    def cursors(self, shape: tuple[type, ...], *list_name: object) -> CursorSeal:
        return CursorSeal(self.cursor_keys, shape, self.scope.company_id, *list_name)

    def may(self, permission: Permission) -> bool:
        return self.viewer.may(permission)


async def _nothing() -> None:
    """Who is in no company meets no office."""


def lagging(info: "Info") -> Database:
    """For what a query may show some seconds late. What a mutation or a subscription answers is about this moment."""
    database = info.context.database
    return database.lagging() if info.operation.operation is OperationType.QUERY else database


Info = strawberry.Info[Context, None]
