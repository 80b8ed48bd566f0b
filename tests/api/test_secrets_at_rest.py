"""What is secret is shown once: in the database, all of it read as bytes, and in the log it is not to be found."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from persistence.database import Database
from tests.access.estate import SECRET, Estate, served, token
from tests.world import World, office

KEY = """mutation { createApiKey(input: { name: "Phones", scopes: [USAGE_READ] }) { apiKey { id } secret
  userErrors { message } } }"""
ENDPOINT = """mutation { createWebhookEndpoint(input: { url: "https://partner.example/hook", topics: [WALLET_LOW] }) {
  webhookEndpoint { id } secret userErrors { message } } }"""
ROTATE = """mutation ($id: ID!) { rotateWebhookSecret(input: { id: $id }) { secret userErrors { message } } }"""
EXPORT = """mutation { exportUsageHistory(input: { orderBy: OCCURRED_AT_DESC }) { export { downloadUrl }
  userErrors { message } } }"""
CARD = """mutation ($id: ID!) { startPaymentMethodSetup(input: { officeId: $id }) { setupId
  nextAction { redirectUrl } userErrors { message } } }"""
WEBHOOK_MARK, KEY_MARK = "whsec_", "fbx_"


async def everything_secret(house: Estate) -> dict[str, str]:
    """One of each kind that there is, made and used; by kind."""
    bearer = token()
    made = (await house.ask(bearer, KEY)).data["createApiKey"]
    endpoint = (await house.ask(bearer, ENDPOINT)).data["createWebhookEndpoint"]
    rotated = (await house.ask(bearer, ROTATE, id=endpoint["webhookEndpoint"]["id"])).data["rotateWebhookSecret"]
    export = (await house.ask(bearer, EXPORT)).data["exportUsageHistory"]["export"]["downloadUrl"]
    office_id = (await house.ask(bearer, "{ offices { nodes { id } } }")).data["offices"]["nodes"][0]["id"]
    card = (await house.ask(bearer, CARD, id=office_id)).data["startPaymentMethodSetup"]["nextAction"]["redirectUrl"]
    assert (await house.ask(made["secret"], "{ viewer { name } }")).data == {"viewer": {"name": "Phones"}}
    assert (await house.client.get(export)).status_code == 200
    assert (await house.client.get(card)).status_code == 200
    wrong = made["secret"][:-1] + ("A" if made["secret"][-1] != "A" else "E")
    assert (await house.ask(wrong, "{ viewer { name } }")).status == 401
    return {
        "the server's key": SECRET,
        "a bearer token": bearer,
        "its signature": bearer.rpartition(".")[2],
        "an API key": made["secret"],
        "an API key that is wrong": wrong,
        "a webhook's secret": endpoint["secret"],
        "its next secret": rotated["secret"],
        "a download's link": export.split("/")[-2],
        "a page's seal": card.rpartition("seal=")[2].partition("&")[0],
    }


def spellings(secret: str) -> Iterator[bytes]:
    """As text, without its mark, and as the bytes it stands for, which may also be written in hex."""
    bare = secret.removeprefix(WEBHOOK_MARK).removeprefix(KEY_MARK).rstrip("=")
    yield bare.encode()
    if "." not in bare and " " not in bare:
        raw = base64.urlsafe_b64decode(bare.translate(str.maketrans("+/", "-_")) + "=" * (-len(bare) % 4))
        yield raw
        yield raw.hex().encode()


async def test_nothing_secret_is_stored_or_logged_as_it_is(
    sqlite_database: Database, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG", logger="api")
    caplog.set_level("DEBUG", logger="persistence")
    caplog.set_level("DEBUG", logger="schema")
    await World(sqlite_database, now=datetime.now(UTC)).set_up(office())
    async with served(sqlite_database.url.render_as_string()) as house:
        secrets = await everything_secret(house)
    path = Path(str(sqlite_database.url.database))
    stored = b"".join(part.read_bytes() for part in sorted(path.parent.glob(f"{path.name}*")))
    printed = capfd.readouterr()
    logged = (caplog.text + printed.out + printed.err).encode()
    assert b"https://partner.example/hook" in stored, "it was looked where things are written"
    found = {
        (kind, place)
        for kind, secret in secrets.items()
        for place, content in (("stored", stored), ("logged", logged))
        if any(spelling in content for spelling in spellings(secret))
    }
    assert found == set()
