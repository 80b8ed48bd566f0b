"""Other processes on the same database: telling them of a commit, and hearing of theirs.

PostgreSQL: NOTIFY and LISTEN on one channel. Never sent by the transaction that charges: commits with a NOTIFY stand
in line for one lock of the whole PostgreSQL instance, and the payer would wait there and pay for the statement. It is
sent right after, so a notice can be lost, when a process dies in between or a pooler swallows the LISTEN: whoever
listens also looks by himself from time to time. SQLite: nobody is told; any commit at all shows in `data_version`.
"""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import NullPool, String, bindparam, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import create_async_engine

from persistence.database import Database
from persistence.sessions import CONNECT_SECONDS

CHANNEL = "farebox_changes"
CONNECTION_NAME = "farebox listens"
"""Shown to the operator in `pg_stat_activity`."""
MOST_OFFICES = 200
"""In one notice: 6,700 bytes, and PostgreSQL takes fewer than 8,000."""
GLANCE_SECONDS = 1.0
"""So often it is asked whether anybody still wants to hear."""
PROBE_SECONDS = 30.0
"""So often the connection is tried: one that died without a word would else look quiet for ever."""
POLL_SECONDS = 0.25

Offices = Collection[tuple[UUID, UUID]]
"""(company, office) of each."""


class Ear(Protocol):
    """Whoever wants to hear."""

    @property
    def is_wanted(self) -> bool: ...

    def wake(self, company_id: UUID, office_ids: Collection[UUID]) -> None: ...

    def wake_all(self) -> None: ...


class Elsewhere(Protocol):
    """The other processes. Raises what the database and its driver raise while it cannot be used."""

    is_told: bool
    """Whether they have to be told of a commit at all."""

    async def tell(self, offices: Offices) -> None: ...

    async def hear(self, ear: Ear) -> None:
        """Until the connection is lost, or nobody wants to hear any more. Wakes all when it begins: what came before
        was not heard."""


class Channel:
    """On PostgreSQL."""

    is_told = True

    def __init__(self, database: Database) -> None:
        self._database = database
        self._own = secrets.token_hex(8)

    async def tell(self, offices: Offices) -> None:
        """In a transaction of its own, on a connection of the pool."""
        told = func.unnest(bindparam("notices", list(self._notices(offices)), ARRAY(String))).column_valued("notice")
        async with self._database.writing() as connection:
            await connection.execute(select(func.pg_notify(literal(CHANNEL, String), told)))

    def _notices(self, offices: Offices) -> Iterator[str]:
        """`<sender> <company> <office> <office>…`, all in hex."""
        of_company: defaultdict[UUID, list[UUID]] = defaultdict(list)
        for company_id, office_id in offices:
            of_company[company_id].append(office_id)
        for company_id, ids in of_company.items():
            for start in range(0, len(ids), MOST_OFFICES):
                part = ids[start : start + MOST_OFFICES]
                yield " ".join((self._own, company_id.hex, *(office_id.hex for office_id in part)))

    async def hear(self, ear: Ear) -> None:
        def receive(_connection: object, _pid: int, _channel: str, notice: str) -> None:
            sender, _, changed = notice.partition(" ")
            if sender != self._own:
                _wake_named(ear, changed)

        # A connection of its own: one of the pool would be missing there, and would be reset when it goes back.
        options = {"timeout": CONNECT_SECONDS, "server_settings": {"application_name": CONNECTION_NAME}}
        engine = create_async_engine(self._database.url, poolclass=NullPool, hide_parameters=True, connect_args=options)
        async with engine.connect() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            lost = asyncio.Event()
            driver.add_termination_listener(lambda _connection: lost.set())
            await driver.add_listener(CHANNEL, receive)
            ear.wake_all()
            await _until_lost(driver, lost, ear)


def _wake_named(ear: Ear, changed: str) -> None:
    """A notice that is not ours to understand, as of a later version, may mean anything."""
    try:
        company_id, *office_ids = (UUID(hex=text) for text in changed.split())
    except ValueError:
        ear.wake_all()
    else:
        ear.wake(company_id, office_ids)


async def _until_lost(driver: Any, lost: asyncio.Event, ear: Ear) -> None:
    quiet_seconds = 0.0
    while ear.is_wanted and not lost.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(GLANCE_SECONDS):
                await lost.wait()
        quiet_seconds += GLANCE_SECONDS
        if quiet_seconds >= PROBE_SECONDS:
            quiet_seconds = 0.0
            await driver.execute("SELECT 1", timeout=CONNECT_SECONDS)


class FileWatch:
    """On SQLite, where a change cannot say whose it is: it wakes all."""

    is_told = False

    def __init__(self, database: Database) -> None:
        self._url = database.url

    async def tell(self, offices: Offices) -> None:
        raise AssertionError("Who opens the file sees what was committed.")

    async def hear(self, ear: Ear) -> None:
        """By a connection of its own, on which nothing is ever read or written: it holds no snapshot open."""
        engine = create_async_engine(self._url, poolclass=NullPool, hide_parameters=True)
        async with engine.connect() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            seen = None
            while ear.is_wanted:
                async with driver.execute("PRAGMA data_version") as cursor:
                    version = await cursor.fetchone()
                if version != seen:
                    seen = version
                    ear.wake_all()
                await asyncio.sleep(POLL_SECONDS)
