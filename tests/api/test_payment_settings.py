"""Where cards are charged, by the settings: never half of Stripe, and play money in production only when it is said."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from api.commands.serving import serve
from api.payments.nowhere import NoProcessor
from api.payments.processors import build_processors, close_processors
from api.settings import Environment, Payments, Settings, SettingsError, load_settings
from domain.payments import ProcessorKind, ProcessorUnavailable
from persistence.database import Database
from tests.api.payment_words import order

KEY = "k" * 32
STRIPE_KEY = "sk_test_1"
WEBHOOK_SECRET = "whsec_1"
PRODUCTION = {"env": Environment.PRODUCTION}
STRIPE = {"stripe_api_key": STRIPE_KEY, "stripe_webhook_secret": WEBHOOK_SECRET}


@pytest.fixture(autouse=True)
def _empty_house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def settings(**given: Any) -> Settings:
    return load_settings(secret_key=KEY, **given)


@pytest.mark.parametrize(
    ("given", "default", "others"),
    [
        ({}, ProcessorKind.SANDBOX, []),
        ({"stripe_api_key": STRIPE_KEY}, ProcessorKind.STRIPE, []),
        (STRIPE | {"payments": "sandbox"}, ProcessorKind.SANDBOX, [ProcessorKind.STRIPE]),
        (STRIPE | {"payments": "stripe"}, ProcessorKind.STRIPE, []),
        (PRODUCTION | STRIPE, ProcessorKind.STRIPE, []),
        (PRODUCTION | {"payments": "sandbox"}, ProcessorKind.SANDBOX, []),
    ],
)
def test_the_settings_say_where_cards_are_charged(
    sqlite_database: Database, given: dict[str, Any], default: ProcessorKind, others: list[ProcessorKind]
) -> None:
    processors = build_processors(settings(**given), sqlite_database)

    assert processors.default.kind is default
    assert [other.kind for other in processors.others] == others
    close_processors(processors)


async def test_a_production_start_without_a_word_about_cards_charges_none(sqlite_database: Database) -> None:
    processors = build_processors(settings(**PRODUCTION), sqlite_database)

    assert isinstance(processors.default, NoProcessor)
    assert settings(**PRODUCTION).pays_with is None
    with pytest.raises(ProcessorUnavailable, match="FAREBOX_PAYMENTS"):
        await processors.default.prepare(order("sandbox_card_4242424242424242"))


def test_play_money_in_production_is_told_in_the_log(
    sqlite_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    build_processors(settings(**PRODUCTION, payments=Payments.SANDBOX), sqlite_database)
    assert "play money" in caplog.text


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"payments": "stripe"}, "FAREBOX_STRIPE_API_KEY: "),
        ({"stripe_webhook_secret": WEBHOOK_SECRET}, "FAREBOX_STRIPE_API_KEY: FAREBOX_STRIPE_WEBHOOK_SECRET is set"),
        ({"stripe_publishable_key": "pk_test_1"}, "FAREBOX_STRIPE_API_KEY: FAREBOX_STRIPE_PUBLISHABLE_KEY is set"),
        ({"stripe_api_base": "http://127.0.0.1:8420"}, "FAREBOX_STRIPE_API_KEY: FAREBOX_STRIPE_API_BASE is set"),
        (PRODUCTION | {"stripe_api_key": STRIPE_KEY}, "FAREBOX_STRIPE_WEBHOOK_SECRET: "),
        ({"stripe_api_key": "pk_live_hidden"}, "FAREBOX_STRIPE_API_KEY: write a secret key"),
        (STRIPE | {"stripe_publishable_key": "sk_live_hidden"}, "FAREBOX_STRIPE_PUBLISHABLE_KEY: write the pub"),
        (STRIPE | {"stripe_api_base": "http://stripe.example"}, "FAREBOX_STRIPE_API_BASE: write an https"),
        (STRIPE | {"stripe_api_base": "nonsense"}, "FAREBOX_STRIPE_API_BASE: write an https"),
        ({"payments": "cash"}, "FAREBOX_PAYMENTS: "),
    ],
)
def test_half_of_stripe_stops_the_start_and_shows_no_secret(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(**given)
    assert complaint in str(caught.value)
    assert not any(secret in str(caught.value) for secret in ("hidden", WEBHOOK_SECRET, STRIPE_KEY))


def test_secrets_of_stripe_are_not_shown_by_accident() -> None:
    shown = repr(settings(**STRIPE))
    assert STRIPE_KEY not in shown
    assert WEBHOOK_SECRET not in shown


def test_stripe_is_not_imported_where_it_is_not_used() -> None:
    code = "import sys, api.wiring; sys.exit('stripe' in sys.modules or 'requests' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], timeout=60).returncode == 0


@pytest.mark.parametrize(
    ("given", "port", "linked_to"),
    [
        ({}, 8123, "http://localhost:8123"),
        ({}, 0, None),
        ({"FAREBOX_PUBLIC_URL": "https://pay.example"}, 8123, "https://pay.example"),
    ],
)
def test_a_local_server_knows_where_its_pages_are(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], port: int, linked_to: str | None
) -> None:
    monkeypatch.setenv("FAREBOX_PUBLIC_URL", "")
    monkeypatch.setattr("api.server.run", lambda *_, **__: None)
    monkeypatch.setattr("api.logs.set_up", lambda *_: None)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    serve(host="127.0.0.1", port=port, workers=1, demo=False)
    assert load_settings(secret_key=KEY).public_url == linked_to
