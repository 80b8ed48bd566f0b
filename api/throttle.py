"""What an operation has to pass before it runs: its price, the caller's bucket, and the line.

In this order, because each is dearer than the one before. Whoever is refused is told his price and what he has left, as
everybody is who is answered (`extensions.cost`, in Shopify's shape). Mutations that report usage pay too and are never
refused for want of points: what has happened has to be told, and reading too much must not keep anybody from it.
"""

from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from contextlib import asynccontextmanager
from math import ceil, floor
from time import monotonic
from typing import Any

import strawberry
from graphql import OperationDefinitionNode, OperationType

from api.buckets import Buckets
from api.costs import Costs, Price
from api.document import Document
from api.gate import Busy, Gate, Lane
from api.limits import Limits
from api.refusals import Code, Refused
from api.watch import seen
from domain.access import Viewer

REPORTS = frozenset({"recordUsage", "authorizeUsage", "extendHold", "captureHold", "releaseHold"})
"""The paying path."""


class Run:
    """One operation of one caller, from its price to its answer."""

    def __init__(
        self,
        price: Price,
        variables: Mapping[str, Any],
        *,
        who: Hashable,
        buckets: Buckets,
        lane: Lane,
        is_report: bool,
    ) -> None:
        self.requested = price.requested(variables)
        self.actual: int | None = None
        """None: nothing was answered yet."""
        self.lane = lane
        self.is_report = is_report
        self.who = who
        self._price = price
        self._buckets = buckets
        self._taken = 0.0
        self._lowest = -buckets.maximum

    def pay(self) -> float:
        """Takes the price; of a report, as much of it as there is. In how many seconds there will be enough, or 0."""
        price = min(self.requested, self._buckets.maximum)
        if self.is_report:
            self._taken = self._buckets.charge(self.who, price)
            return 0
        seconds = self._buckets.take(self.who, price)
        self._taken = 0 if seconds else price
        return seconds

    def count(self, data: Mapping[str, Any] | None) -> None:
        """What an answer is less than was feared is given back, and what it is more is owed: a list may be longer than
        was assumed. Of the events of a subscription each is paid for, as far as there are points."""
        self.actual = seen().actual_cost = self._price.actual(data)
        self._buckets.charge(self.who, self.actual - self._taken, lowest=self._lowest)
        self._taken = 0

    def keep(self) -> None:
        """What was taken stays taken: so much it costs to begin a subscription."""
        self._taken = self._lowest = 0

    def give_back(self) -> None:
        """Nothing was run."""
        self._buckets.charge(self.who, -self._taken)
        self._taken = 0

    def refused(
        self, status: int, message: str, code: Code, *, is_well_formed: bool = False, again_in: float | None = None
    ) -> Refused:
        """`again_in`: in how many seconds to come again."""
        told: dict[str, Any] = {"code": code}
        headers: dict[str, str] = {}
        if again_in is not None:
            told["retryAfterSeconds"] = wait = _whole(again_in)
            headers["Retry-After"] = str(wait)
        return Refused(
            status,
            [{"message": message, "extensions": told}],
            headers=headers,
            is_well_formed=is_well_formed,
            extensions=self.extensions(),
        )

    def extensions(self) -> dict[str, Any]:
        return {
            "cost": {
                "requestedQueryCost": self.requested,
                "actualQueryCost": self.actual,
                "throttleStatus": {
                    "maximumAvailable": self._buckets.maximum,
                    "currentlyAvailable": floor(self._buckets.available(self.who)),
                    "restoreRate": self._buckets.restore,
                },
            }
        }


class Throttle:
    """Of one process."""

    def __init__(self, schema: strawberry.Schema, limits: Limits, clock: Callable[[], float] = monotonic) -> None:
        self._costs = Costs(schema._schema)  # the graphql-core schema has no public name
        self._max_cost = limits.max_cost
        self.buckets = Buckets(limits, clock)
        self.gate = Gate(limits, clock)

    def begin(
        self, document: Document, operation: OperationDefinitionNode, variables: Mapping[str, Any], viewer: Viewer
    ) -> Run:
        """Takes the price. Raises Refused: it is too much, or more than the caller has left."""
        is_report = operation.operation is OperationType.MUTATION and document.root_names(operation) <= REPORTS
        lane = self._lane(operation, is_report=is_report)
        price = self._costs.of(operation, document.fragments)
        run = Run(price, variables, who=viewer.identity, buckets=self.buckets, lane=lane, is_report=is_report)
        seen().requested_cost = run.requested
        if run.requested > self._max_cost:
            told = (
                f"This operation costs {run.requested:,} points; {self._max_cost:,} are allowed. Ask for less at once."
            )
            raise run.refused(400, told, Code.QUERY_TOO_COMPLEX, is_well_formed=True)
        if seconds := run.pay():
            raise _put_off(run, seconds, "points", "You have asked for too much in a short time")
        return run

    def refuse_now(
        self, document: Document, operation: OperationDefinitionNode, variables: Mapping[str, Any], viewer: Viewer
    ) -> None:
        """Raises Refused if the operation would be refused in this moment, without running it. Takes nothing."""
        run = self.begin(document, operation, variables, viewer)
        run.give_back()
        try:
            run.lane.check(run.who)
        except Busy as busy:
            raise _busy(run, busy) from None

    @asynccontextmanager
    async def turn(self, run: Run) -> AsyncIterator[None]:
        """When it is the caller's turn. Raises Refused when that would take too long."""
        try:
            waiting = run.lane.turn(run.who)
            await waiting.__aenter__()
        except BaseException as error:
            run.give_back()
            if not isinstance(error, Busy):
                raise
            raise _busy(run, error) from None
        try:
            yield
        finally:
            await waiting.__aexit__(None, None, None)

    def _lane(self, operation: OperationDefinitionNode, *, is_report: bool) -> Lane:
        if operation.operation is OperationType.MUTATION:
            return self.gate.reports if is_report else self.gate.desk
        return self.gate.reads


def _busy(run: Run, busy: Busy) -> Refused:
    return _put_off(run, busy.seconds, "turns", "The server is busy")


def _put_off(run: Run, seconds: float, what: str, why: str) -> Refused:
    seen().throttled_by = what
    wait = _whole(seconds)
    told = f"{why}: come again in {wait} second{'s' if wait > 1 else ''}."
    return run.refused(429, told, Code.THROTTLED, again_in=seconds)


def _whole(seconds: float) -> int:
    return max(ceil(seconds), 1)
