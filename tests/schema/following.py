"""The words to follow a subscription, as a transport does: each event is executed for itself, with a fresh context."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from time import monotonic
from typing import Any

import orjson

from api.document_reader import DocumentReader
from api.documents import Documents
from api.limits import Limits
from api.operations import Operations
from api.requests import GraphQLRequest
from domain.access import Role, Viewer
from persistence.begin import Begin
from schema.root import schema
from tests.schema.conftest import House

WALLETS = """subscription ($id: ID!) { walletChanged(officeId: $id) {
  id kind balance { amount } reserved { amount } available { amount } spent { amount } usedPercent
  billingCycle { month startsAt } office { slug canSpend billingCycle { month } } } }"""
TOP_UPS = """subscription ($id: ID!) { topUpChanged(officeId: $id) {
  id state reason paidAt refunded { amount } wallet { balance { amount } } } }"""
USAGE = """subscription ($id: ID!) { usageRecorded(officeId: $id) {
  office { slug } omittedCount records { id eventId state cost { amount } member { name } } } }"""
ALERTS = """subscription ($id: ID) { spendingAlertRaised(officeId: $id) {
  id kind message usedPercent office { slug } wallet { kind available { amount } } } }"""

LONG_SECONDS = 20.0
"""What is told at all is told long before that, on the slowest machine."""
QUIET_SECONDS = 0.7
"""What would be told is told within this."""


def telling(house: House) -> House:
    """Its commits are told of, and those of other processes are heard."""
    house.world.begin = Begin(house.database, changes=house.changes)
    return house


class Follower:
    """Somebody who reads everything at once, or slowly if he is told to."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        """The data of each answer, by the root field."""
        self.errors: list[Any] = []
        self.read_at: list[float] = []
        self.may_read = asyncio.Event()
        self.may_read.set()
        self._news = asyncio.Event()

    async def read(self, answers: AsyncIterator[bytes]) -> None:
        async for answer in answers:
            found = orjson.loads(answer)
            self.errors += found.get("errors", ())
            self.told += (found.get("data") or {}).values()
            self.read_at.append(monotonic())
            self._news.set()
            await self.may_read.wait()

    async def until(self, holds: Callable[[list[Any]], object]) -> list[Any]:
        """What was told, once it is so."""
        try:
            async with asyncio.timeout(LONG_SECONDS):
                while not holds(self.told):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"told so far: {self.told[-5:]}, {self.errors}") from None
        return self.told

    async def hears_nothing(self) -> None:
        count = len(self.told)
        await asyncio.sleep(QUIET_SECONDS)
        assert self.told[count:] == []
        assert self.errors == []


@asynccontextmanager
async def following(
    house: House, document: str, viewer: Viewer | None = None, **variables: Any
) -> AsyncIterator[Follower]:
    """Ready: what the subscription needs to know at its beginning was read."""
    viewer = viewer or house.world.viewer(Role.COMPANY_ADMIN)
    limits = Limits()
    documents = Documents(DocumentReader(schema, limits=limits, has_introspection=False), limits=limits)
    operations = Operations(schema, documents=documents, limits=limits, context_for=house.context)
    asked = GraphQLRequest(query=document, variables=variables, operation_name=None, body_bytes=0)
    answers = await operations.subscribe(operations.find(asked, viewer), lambda: viewer)
    follower = Follower()
    async with aclosing(answers):
        reading = asyncio.create_task(follower.read(answers))
        try:
            yield follower
        finally:
            reading.cancel()
            await asyncio.wait([reading])
    if not reading.cancelled():
        reading.result()


async def refusal(house: House, document: str, viewer: Viewer | None = None, **variables: Any) -> Any:
    """The one error of a subscription that must not begin."""
    async with following(house, document, viewer, **variables) as follower:
        await follower.until(lambda _told: follower.errors)
    assert follower.told == []
    [error] = follower.errors
    return error
