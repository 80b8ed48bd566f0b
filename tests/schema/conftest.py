"""A small company with usage of every service, and a way to ask about it as anybody."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import pytest
from strawberry.types import ExecutionResult

from api.deliveries import Deliveries
from api.downloads import DownloadLinks
from api.payments.sandbox import SandboxProcessor
from api.payments.sandbox_links import SandboxLinks
from api.sealing import FernetBox
from domain.access import Role, Scope, Viewer
from domain.catalogue import Cadence, Direction, Service, UsageType, WalletKind
from domain.payments import Processors
from domain.stories.renew import renew_due
from domain.usage import (
    AiAgentMode,
    AiAgentSession,
    Call,
    CallLocation,
    DirectoryReference,
    Fax,
    FaxStatus,
    Message,
    MessageStatus,
    Session,
    Traffic,
    UsageEvent,
)
from persistence.changes import Changes
from persistence.database import Database
from persistence.sandbox_store import SandboxStore
from persistence.tables.company import COMPANY
from schema.context import Context
from schema.root import schema
from tests.conftest import FreshDatabases, ToldOnce
from tests.world import START, World, allowance, call, commitment, office, usage_event

CURSOR_KEY = b"a key for tests, thirty-two bytes"
NOON = START + timedelta(hours=12)
HOUR = timedelta(hours=1)
FRONT_DESK = DirectoryReference("u1", "Front desk")
SUPPORT = DirectoryReference("g1", "Support")
DEPOT = DirectoryReference("c1", "Zürich's depot 100%")


@dataclass
class House:
    """The company `acme` (offices hq, berlin, lone), its neighbour, and the questions asked about them."""

    world: World
    neighbour: World
    statements: list[str] = field(default_factory=list)

    @property
    def database(self) -> Database:
        return self.world.database

    @cached_property
    def changes(self) -> Changes:
        return Changes(self.database)

    @property
    def processors(self) -> Processors:
        links = SandboxLinks("https://farebox.example", CURSOR_KEY.decode())
        return Processors(SandboxProcessor(SandboxStore(self.database), links, clock=lambda: self.world.now))

    def context(self, viewer: Viewer | None = None) -> Context:
        async def renew(scope: Scope, now: datetime) -> int:
            return await renew_due(self.world.begin, scope.company_id, now)

        viewer = viewer or self.world.viewer(Role.COMPANY_ADMIN)
        return Context(
            viewer=viewer,
            scope=Scope.of(viewer),
            now=self.world.now,
            database=self.database,
            begin=self.world.begin,
            cursor_keys=(CURSOR_KEY,),
            renew_due=renew,
            processors=self.processors,
            changes=self.changes,
            export_url=DownloadLinks("https://farebox.example", CURSOR_KEY.decode()).url,
            secrets=FernetBox(CURSOR_KEY.decode()),
            check_webhook_url=Deliveries(self.database, FernetBox(CURSOR_KEY.decode())).check_url,
        )

    async def run(
        self, query: str, variables: Mapping[str, Any] | None = None, viewer: Viewer | None = None, **more: Any
    ) -> ExecutionResult:
        result = await schema.execute(
            query, variable_values=dict(variables or {}), context_value=self.context(viewer), **more
        )
        assert isinstance(result, ExecutionResult)
        return result

    async def ask(self, query: str, variables: Mapping[str, Any] | None = None, viewer: Viewer | None = None) -> Any:
        """The data of a query that must succeed."""
        result = await self.run(query, variables, viewer)
        assert result.errors is None, result.errors
        return result.data

    async def refusal(
        self, query: str, variables: Mapping[str, Any] | None = None, viewer: Viewer | None = None
    ) -> str:
        """The one error of a query that must fail."""
        result = await self.run(query, variables, viewer)
        assert result.errors is not None, result.data
        return result.errors[0].message

    async def office_admin(self, *slugs: str) -> Viewer:
        ids = [await self.world.office_id(slug) for slug in slugs]
        return self.world.viewer(Role.OFFICE_ADMIN, office_ids=frozenset(ids))

    async def office(self, slug: str = "hq") -> str:
        return f"off_{(await self.world.office_id(slug)).hex}"


def usage_of_every_service() -> list[UsageEvent]:
    return [
        *_calls(),
        *_messages_and_faxes(),
        *_sessions(),
        *(call(f"berlin-{n}", NOON + n * HOUR / 7, office="berlin", from_="1002") for n in range(12)),
        call("barred", NOON, to="+900123456789"),
    ]


def _calls() -> list[UsageEvent]:
    """One with all that can be told of a call, one abroad, one nobody answered."""
    told = Call(
        direction=Direction.OUTBOUND,
        from_="+14155550100",
        to="+12125550123",
        duration_seconds=600,
        call_id="sip-1",
        location=CallLocation("US", "NY", "New York"),
        quality_tenths=43,
    )
    return [
        replace(usage_event("call", NOON, told), member=FRONT_DESK, group=SUPPORT, contact=DEPOT),
        replace(call("abroad", NOON + HOUR, to="+442071234567", seconds=61), member=FRONT_DESK),
        call("missed", NOON + HOUR, from_="anonymous", to="+14155550100", seconds=0, direction=Direction.INBOUND),
    ]


def _messages_and_faxes() -> list[UsageEvent]:
    message = Message(
        direction=Direction.OUTBOUND,
        traffic=Traffic.A2P,
        from_="+14155550100",
        to="+12125550123",
        segment_count=1,
        delivery_status=MessageStatus.DELIVERED,
    )
    fax = Fax(
        direction=Direction.OUTBOUND,
        from_="+14155550100",
        to="+12125550199",
        page_count=5,
        status=FaxStatus.PARTIAL,
    )
    return [
        replace(usage_event("sms", NOON + 2 * HOUR, message), group=SUPPORT),
        usage_event("fax", NOON + 3 * HOUR, fax),
    ]


def _sessions() -> list[UsageEvent]:
    agent = AiAgentSession(
        mode=AiAgentMode.VOICE,
        session_count=1,
        duration_seconds=90,
        skills_triggered=("booking",),
        actions_executed=("mail", "book"),
    )
    return [
        usage_event("ai", NOON + 4 * HOUR, agent),
        usage_event("ivr", NOON + 5 * HOUR, Session(service=Service.SPEECH_IVR, session_count=2)),
        usage_event("chat", NOON + 6 * HOUR, Session(service=Service.OMNICHANNEL, channel="web chat")),
    ]


@pytest.fixture
async def house(engine: str, told_once: ToldOnce, fresh_databases: FreshDatabases) -> AsyncIterator[House]:
    async with copied_house(engine, told_once, fresh_databases) as house:
        yield house


@pytest.fixture
async def small_house(told_once: ToldOnce, fresh_databases: FreshDatabases) -> AsyncIterator[House]:
    """The same, for what does not depend on the engine."""
    async with copied_house("sqlite", told_once, fresh_databases) as house:
        yield house


@asynccontextmanager
async def copied_house(engine: str, told_once: ToldOnce, fresh_databases: FreshDatabases) -> AsyncIterator[House]:
    database = Database(await fresh_databases.copy_of(await told_once.original(engine, build_house)))
    yield await open_house(database)
    await database.close()


async def build_house(database: Database) -> House:
    world = World(database)
    await world.set_up(
        office(
            allowances=(allowance(240), allowance(3, Service.FAX, *FAX_TYPES)),
            commitments=(commitment("1"), commitment("12", WalletKind.AI_AGENT, Cadence.ANNUAL)),
            opening_credits_micros=5_000_000,
        ),
        office("berlin", time_zone="Europe/Berlin", region="DE", anchor_day=31, phone_numbers=("+493012345678",)),
        office("lone", opening_credits_micros=2_000_000),
    )
    neighbour = World(database, slug="globex")
    await neighbour.set_up(office(phone_numbers=("+13125550100",), opening_credits_micros=1_000_000))
    world.now = neighbour.now = START + timedelta(days=2)
    await world.record(*usage_of_every_service())
    await neighbour.record(replace(call("theirs", NOON), member=DirectoryReference("u1", "Reception")))
    return House(world, neighbour)


async def open_house(database: Database) -> House:
    """The house as it was built in this database."""
    worlds = []
    for slug in ("acme", "globex"):
        world = World(database, now=START + timedelta(days=2), slug=slug)
        world.company_id = (await database.rows(COMPANY.select().where(COMPANY.c.slug == slug)))[0].company_id
        worlds.append(world)
    return House(*worlds)


FAX_TYPES = (UsageType.FAX_SENT, UsageType.FAX_RECEIVED)
