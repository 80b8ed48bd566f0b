"""The secret key is changed: what the previous one made is good as long as it is named, and can be made anew."""

import asyncio
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from api.auth import AuthenticationError, Authenticator, issue_token
from api.deliveries import Deliveries
from api.downloads import DownloadLinks
from api.payments.sandbox_links import Place, SandboxLinks
from api.sealing import CannotOpen, FernetBox
from api.settings import Settings, SettingsError, load_settings
from domain.access import Role
from domain.errors import InvalidInput
from domain.stories.webhooks import rotate_secret
from persistence.database import Database
from persistence.sealed_secrets import Resealed, reseal_secrets
from schema.connections import CursorSeal
from schema.ids import IdKind, encode
from tests.access.estate import SECRET, served, token
from tests.api.edge import make_claims, resolve
from tests.api.test_commands import farebox
from tests.partners import Partner
from tests.receiver import Receiver
from tests.world import World, office

OLD = "the key that everything was made with so far, all of it"
NEW = "the key that everything is made with from now on, all of it"
TEST_KEY = "a key for tests"
"""What `tests.partners` seals with."""
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def keyed(*keys: str, **given: Any) -> Settings:
    """The newest first."""
    named = dict(zip(("secret_key", "previous_secret_key"), keys, strict=False))
    return Settings(_env_file=None, **named, **given)


def enter(settings: Settings, bearer: str) -> str:
    return asyncio.run(Authenticator(settings, resolve).viewer(f"Bearer {bearer}", now=NOW)).subject


# ---------- what is made of a key ----------


def test_tokens_of_the_previous_key_are_good_while_it_is_named_and_new_ones_are_the_new_key_s() -> None:
    before = issue_token(keyed(OLD), make_claims(expires_at=LATER), now=NOW)
    after = issue_token(keyed(NEW, OLD), make_claims(expires_at=LATER), now=NOW)
    assert [enter(keyed(NEW, OLD), bearer) for bearer in (before, after)] == ["u-1", "u-1"]
    assert enter(keyed(NEW), after) == "u-1"
    for settings, bearer in ((keyed(NEW), before), (keyed(OLD), after)):
        with pytest.raises(AuthenticationError, match="signature is not valid"):
            enter(settings, bearer)


def test_a_token_of_the_previous_key_has_to_be_right_in_everything_else() -> None:
    settings = keyed(NEW, OLD, token_audience="farebox")
    for audience, said in ((None, "lacks the claim aud"), ("others", "another audience")):
        made_for = keyed(OLD, token_audience=audience)
        with pytest.raises(AuthenticationError, match=said):
            enter(settings, issue_token(made_for, make_claims(expires_at=LATER), now=NOW))


def test_cursors_of_the_previous_key_are_good_while_it_is_named() -> None:
    def list_with(*keys: bytes) -> CursorSeal:
        return CursorSeal(keys, (int, UUID), "usage")

    position = (5, UUID(int=7))
    before, after = list_with(b"old").close(position), list_with(b"new", b"old").close(position)
    assert [list_with(b"new", b"old").open(cursor) for cursor in (before, after)] == [position, position]
    assert list_with(b"new").open(after) == position
    with pytest.raises(InvalidInput, match="another list"):
        list_with(b"new").open(before)
    with pytest.raises(InvalidInput, match="another list"):
        CursorSeal([b"new", b"old"], (int, UUID), "rates").open(before)


def test_download_links_of_the_previous_key_are_good_while_it_is_named() -> None:
    def made(*keys: str) -> str:
        return DownloadLinks(None, *keys).url(UUID(int=1), UUID(int=2), LATER, "usage.csv").split("/")[-2]

    before, after = made(OLD), made(NEW, OLD)
    both = DownloadLinks(None, NEW, OLD)
    assert both.read(before) == both.read(after) == (UUID(int=1), UUID(int=2), LATER)
    assert DownloadLinks(None, NEW).read(after) is not None
    assert DownloadLinks(None, NEW).read(before) is None


def test_sandbox_pages_of_the_previous_key_are_good_while_it_is_named() -> None:
    row = uuid4()

    def seal(*keys: str) -> str:
        return SandboxLinks(None, *keys).write(Place.CARDS, UUID(int=1), row, None).split("seal=")[1]

    def leads_somewhere(sealed: str, *keys: str) -> bool:
        links = SandboxLinks(None, *keys)
        return links.read(Place.CARDS, row.hex, UUID(int=1).hex, None, sealed) is not None

    before, after = seal(OLD), seal(NEW, OLD)
    assert leads_somewhere(before, NEW, OLD)
    assert leads_somewhere(after, NEW, OLD)
    assert leads_somewhere(after, NEW)
    assert not leads_somewhere(before, NEW)


def test_sealed_secrets_of_the_previous_key_open_while_it_is_named_and_are_sealed_anew_once() -> None:
    before = FernetBox(OLD).seal("whsec_1")
    both = FernetBox(NEW, OLD)
    assert both.open(before) == "whsec_1"
    assert FernetBox(NEW).open(both.seal("whsec_2")) == "whsec_2"
    with pytest.raises(CannotOpen):
        FernetBox(NEW).open(before)
    anew = both.reseal(before)
    assert anew is not None
    assert FernetBox(NEW).open(anew) == "whsec_1"
    assert both.reseal(anew) == anew
    assert FernetBox(NEW).reseal(before) is None


# ---------- settings ----------


def test_both_keys_are_read_and_one_key_twice_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FAREBOX_SECRET_KEY", NEW)
    assert load_settings().signing_keys == (NEW,)
    monkeypatch.setenv("FAREBOX_PREVIOUS_SECRET_KEY", OLD)
    assert load_settings().signing_keys == (NEW, OLD)
    assert OLD not in repr(load_settings())
    for wrong, said in ((NEW, "it is the key of FAREBOX_SECRET_KEY"), ("short", "at least 32 bytes")):
        monkeypatch.setenv("FAREBOX_PREVIOUS_SECRET_KEY", wrong)
        with pytest.raises(SettingsError, match=f"FAREBOX_PREVIOUS_SECRET_KEY: .*{said}") as caught:
            load_settings()
        assert wrong not in str(caught.value)


def test_secrets_are_read_from_files_that_systemd_brings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FAREBOX_SECRET_KEY", raising=False)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "FAREBOX_SECRET_KEY").write_text(f"{NEW}\n")
    (tmp_path / "FAREBOX_DATABASE_URL").write_text("postgresql://farebox:pw@db/farebox\n")
    settings = load_settings(env="production")
    assert settings.signing_keys == (NEW,)
    assert settings.database_url == "postgresql+asyncpg://farebox:pw@db/farebox"
    monkeypatch.setenv("FAREBOX_SECRET_KEY", OLD)
    assert load_settings().signing_keys == (OLD,), "what is said in the environment wins"


# ---------- the whole house ----------


async def test_a_served_house_takes_tokens_and_cursors_of_both_keys(sqlite_database: Database) -> None:
    """What `token()` is signed with is the previous key."""
    await World(sqlite_database, now=datetime.now(UTC)).set_up(office(), office("annex"))
    url = sqlite_database.url.render_as_string()
    page = "query ($after: String) { offices(first: 1, after: $after) { edges { cursor } nodes { slug } } }"
    async with served(url) as house:
        first = (await house.ask(token(), page)).data["offices"]
    cursor = first["edges"][0]["cursor"]
    async with served(url, keyed(NEW, SECRET, database_url=url)) as house:
        second = (await house.ask(token(), page, after=cursor)).data["offices"]
        assert {first["nodes"][0]["slug"], second["nodes"][0]["slug"]} == {"hq", "annex"}
    async with served(url, keyed(NEW, database_url=url)) as house:
        assert (await house.ask(token(), page, after=cursor)).status == 401


# ---------- sealing anew ----------


async def sealed(partner: Partner) -> Mapping[UUID, tuple[str, str | None]]:
    return {
        endpoint_id: (row.sealed_secret, row.earlier_sealed_secret)
        for endpoint_id in partner.secrets
        for row in [await partner.shown(endpoint_id)]
    }


async def test_every_secret_that_signs_is_sealed_anew_and_goes_on_signing(partner: Partner, receiver: Receiver) -> None:
    world, database = partner.world, partner.world.database
    rotated, plain = await partner.endpoint(receiver.url("/rotated")), await partner.endpoint(receiver.url("/plain"))
    signing = {
        "/rotated": [partner.secrets[rotated], await partner.rotate(rotated)],
        "/plain": [partner.secrets[plain]],
    }
    both = FernetBox(NEW, TEST_KEY)

    assert await reseal_secrets(database, world.company_id, both.reseal, world.now) == Resealed(3, 0, ())

    once = await sealed(partner)
    assert await reseal_secrets(database, world.company_id, both.reseal, world.now) == Resealed(0, 3, ())
    assert await sealed(partner) == once
    await partner.happens()
    deliveries = Deliveries(database, FernetBox(NEW), allows_private=True)
    await deliveries.deliver_due(world.now)
    await deliveries.close()
    assert sorted(received.path for received in receiver.received) == ["/plain", "/rotated"]
    for received in receiver.received:
        assert all(received.is_signed_with(secret) for secret in signing[received.path])


async def test_what_no_key_opens_is_named_and_left_and_an_old_secret_that_signs_no_more_is_all_one(
    sqlite_database: Database,
) -> None:
    world = World(sqlite_database)
    await world.set_up(office())
    partner = Partner(world)
    lost, rotated = await partner.endpoint("https://a.example/"), await partner.endpoint("https://b.example/")
    await partner.rotate(rotated)
    before = await sealed(partner)
    alone = FernetBox(NEW)
    found = await reseal_secrets(sqlite_database, world.company_id, alone.reseal, world.now)
    assert found == Resealed(0, 0, (lost, rotated))
    assert await sealed(partner) == before
    admin, anew = world.viewer(Role.COMPANY_ADMIN), alone.seal("whsec_new")
    await rotate_secret(world.begin, admin, lost, sealed_secret=anew, now=world.now)
    a_day_later = world.now + timedelta(hours=25)
    found = await reseal_secrets(sqlite_database, world.company_id, alone.reseal, a_day_later)
    assert found == Resealed(0, 1, (rotated,))


def test_the_command_says_how_many_and_whose_cannot_be_opened(
    tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "farebox.db"
    path.write_bytes(sqlite_template.read_bytes())
    monkeypatch.setenv("FAREBOX_DATABASE_URL", f"sqlite:///{path}")

    async def story() -> UUID:
        database = Database(f"sqlite+aiosqlite:///{path}")
        world = World(database)
        await world.set_up(office())
        endpoint = await Partner(world).endpoint("https://a.example/")
        await database.close()
        return endpoint

    endpoint_id = asyncio.run(story())
    with closing(sqlite3.connect(path)) as direct, direct:
        direct.execute("UPDATE webhook_endpoint SET sealed_secret = ?", [FernetBox(OLD).seal("whsec_1")])
    monkeypatch.setenv("FAREBOX_SECRET_KEY", NEW)
    told = farebox("reseal", exit_code=1)
    assert f"company acme: {encode(IdKind.WEBHOOK_ENDPOINT, endpoint_id)} cannot be opened" in told
    assert "rotateWebhookSecret" in told
    monkeypatch.setenv("FAREBOX_PREVIOUS_SECRET_KEY", OLD)
    assert farebox("reseal") == "Sealed anew: 1. Under the newest key already: 0.\n"
    monkeypatch.delenv("FAREBOX_PREVIOUS_SECRET_KEY")
    assert farebox("reseal") == "Sealed anew: 0. Under the newest key already: 1.\n"
