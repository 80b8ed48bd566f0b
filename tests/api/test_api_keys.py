"""API keys at the served application: who gets in, how soon nobody does, and when it was last used."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.key_ring import KeyRing
from domain.api_keys import SECRET_BYTES, make_secret
from persistence.database import Database
from persistence.tables.charging import CHARGE
from persistence.tables.partners import API_KEY
from tests.access.estate import Answer, Estate, served, token
from tests.proof import assert_books_hold
from tests.world import World, office

CREATE = """mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) {
  apiKey { id } secret userErrors { message } } }"""
REVOKE = "mutation ($id: ID!) { revokeApiKey(input: { id: $id }) { apiKey { revokedAt } } }"
VIEWER = "{ viewer { name role expiresAt permissions company { slug } } offices { nodes { slug } } }"
RECORD = """mutation ($at: DateTime!) { recordUsage(input: { events: [{ eventId: "e1", occurredAt: $at,
  usage: { fax: { direction: OUTBOUND, from: "+14155550100", to: "+12125550199", pageCount: 1 } } }] }) {
  results { outcome record { source } } userErrors { code message } } }"""
SECONDS = 2.0
"""A request that waits for a writer would take five times as long."""


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[Estate]:
    database = Database(database_url)
    world = World(database, now=datetime.now(UTC))
    await world.set_up(office(), office("annex"))
    await database.close()
    async with served(database_url) as estate:
        yield estate


async def make_key(house: Estate, *scopes: str, **given: Any) -> tuple[str, str]:
    """Id and secret."""
    input_ = {"name": "Phones", "scopes": scopes or ["USAGE_READ"], **given}
    made = (await house.ask(token(), CREATE, input=input_)).data["createApiKey"]
    assert made["userErrors"] == []
    return made["apiKey"]["id"], made["secret"]


async def office_id(house: Estate, slug: str = "hq") -> str:
    nodes = (await house.ask(token(), "{ offices { nodes { id slug } } }")).data["offices"]["nodes"]
    return next(str(node["id"]) for node in nodes if node["slug"] == slug)


async def last_used(house: Estate) -> datetime | None:
    [row] = await house.database.rows(API_KEY.select())
    found: datetime | None = row.last_used_at
    return found


async def noted(house: Estate, before: datetime | None = None) -> datetime:
    """When it was last used, once that is written; `before` is what was written earlier."""
    async with asyncio.timeout(10):
        while (found := await last_used(house)) in (None, before):  # noqa: ASYNC110 - another task's transaction
            await asyncio.sleep(0.02)
    assert found is not None
    return found


async def test_a_key_is_a_partner_of_its_scopes_and_offices_and_the_source_of_what_it_reports(house: Estate) -> None:
    _, secret = await make_key(house, "USAGE_WRITE", "USAGE_READ", officeIds=[await office_id(house)])
    told = (await house.ask(secret, VIEWER)).data
    assert told["viewer"] == {
        "name": "Phones",
        "role": "PARTNER",
        "expiresAt": None,
        "permissions": ["VIEW_USAGE", "RECORD_USAGE"],
        "company": {"slug": "acme"},
    }
    assert told["offices"]["nodes"] == [{"slug": "hq"}]
    reported = (await house.ask(secret, RECORD, at=datetime.now(UTC).isoformat())).data["recordUsage"]
    assert reported["results"] == [{"outcome": "CHARGED", "record": {"source": "Phones"}}]
    assert [row.source for row in await house.database.rows(CHARGE.select())] == ["Phones"]
    refused = await house.ask(secret, "{ wallets { id } }")
    assert refused.error["extensions"]["code"] == "FORBIDDEN"
    await assert_books_hold(house.database)


async def test_a_key_that_is_revoked_stops_at_once_in_every_process(house: Estate, database_url: str) -> None:
    key, secret = await make_key(house)
    async with served(database_url) as other:
        assert (await other.ask(secret, VIEWER)).status == 200
        assert (await house.ask(token(), REVOKE, id=key)).data["revokeApiKey"]["apiKey"]["revokedAt"]
        for process in (other, house):
            assert told(await process.ask(secret, VIEWER)) == "This key was revoked."


def told(answer: Answer) -> str:
    """Of a caller who is not let in."""
    assert answer.status == 401
    assert answer.error["extensions"] == {"code": "UNAUTHENTICATED"}
    message: str = answer.error["message"]
    return message


async def test_what_is_no_key_is_not_taken_for_a_token(house: Estate, caplog: pytest.LogCaptureFixture) -> None:
    _, secret = await make_key(house)
    caplog.set_level(logging.DEBUG)
    strangers = (
        make_secret(bytes(SECRET_BYTES)),
        secret[:-1],
        secret + "=",
        secret[:12],
        secret.swapcase().replace("FBX_", "fbx_"),
        "fbx_",
        f"fbx_{token()}",
    )
    answers = [await house.ask(stranger, VIEWER) for stranger in strangers]
    assert {told(answer) for answer in answers} == {"This API key is not known here."}
    assert not [stranger for stranger in (secret, *strangers[1:-2]) if stranger[12:] and stranger[12:] in caplog.text]
    assert told(await house.ask("FBX_" + secret[4:], VIEWER)) == "This token is malformed."
    assert (await house.ask(secret, VIEWER)).status == 200


async def test_the_last_use_is_told_to_the_minute(house: Estate) -> None:
    begin = datetime.now(UTC)
    _, secret = await make_key(house)
    assert await last_used(house) is None
    await asyncio.gather(*(house.ask(secret, VIEWER) for _ in range(10)))
    first = await noted(house)
    assert begin <= first <= datetime.now(UTC)
    for _ in range(3):
        await house.ask(secret, VIEWER)
    assert await last_used(house) == first
    minute_ago = first - timedelta(seconds=61)
    async with house.database.writing() as connection:
        await connection.execute(API_KEY.update().values(last_used_at=minute_ago))
    await house.ask(secret, VIEWER)
    assert await noted(house, minute_ago) >= first


@asynccontextmanager
async def busy(url: str) -> AsyncIterator[None]:
    """Somebody in another process writes, and takes his time."""
    database = Database(url)
    async with database.writing() as connection:
        await connection.execute(API_KEY.update().values(created_by="Somebody"))
        yield
    await database.close()


async def test_a_request_does_not_wait_for_the_note_that_a_key_was_used(house: Estate, database_url: str) -> None:
    _, secret = await make_key(house)
    async with busy(database_url):
        for _ in range(5):
            begin = time.monotonic()
            assert (await house.ask(secret, VIEWER)).status == 200
            assert time.monotonic() - begin < SECONDS
        assert await last_used(house) is None
    assert await noted(house) <= datetime.now(UTC)


async def test_a_server_that_stops_does_not_wait_long_for_it_either(
    house: Estate, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, secret = await make_key(house)
    monkeypatch.setattr("persistence.database.BUSY_MILLISECONDS", 500)
    monkeypatch.setattr("api.key_ring.CLOSE_SECONDS", 1.0)
    ring = KeyRing(Database(database_url))
    async with busy(database_url):
        await ring.viewer(secret, datetime.now(UTC))
        begin = time.monotonic()
        await ring.close()
        assert time.monotonic() - begin < SECONDS
    await ring._database.close()
    ring = KeyRing(Database(database_url))
    await ring.viewer(secret, datetime.now(UTC))
    await ring.close()
    assert await last_used(house) is not None
    await ring._database.close()


FULL = {
    "sqlite": ("CREATE TRIGGER full BEFORE UPDATE ON api_key BEGIN SELECT RAISE(ABORT, 'disk is full'); END",),
    "postgresql": (
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'disk is full'; END $$",
        "CREATE TRIGGER full_disk BEFORE UPDATE ON api_key FOR EACH ROW EXECUTE FUNCTION full_disk()",
    ),
}


async def test_a_note_that_cannot_be_written_fails_no_request(
    house: Estate, engine: str, caplog: pytest.LogCaptureFixture
) -> None:
    _, secret = await make_key(house)
    async with house.database.writing() as connection:
        for statement in FULL[engine]:
            await connection.exec_driver_sql(statement)
    async with asyncio.timeout(10):
        while "1 API keys were last used is not noted" not in caplog.text:
            assert (await house.ask(secret, VIEWER)).status == 200
            await asyncio.sleep(0.02)
    assert secret[12:] not in caplog.text
    assert await last_used(house) is None
