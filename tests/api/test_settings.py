"""A setting that cannot be used is named, with what to write instead, and never repeated."""

import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from api.database_url import normalise_database_url
from api.settings import Environment, SettingsError, load_settings

KEY = "k" * 32


@pytest.fixture(autouse=True)
def _empty_house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DATABASE_URL", "SECRET_KEY", "ENV", "GRAPHIQL", "JWKS_URL"):
        monkeypatch.delenv(f"FAREBOX_{name}", raising=False)


def complaint(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> str:
    monkeypatch.setenv(f"FAREBOX_{name}", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert f"FAREBOX_{name}: " in str(caught.value)
    assert value not in str(caught.value)
    return str(caught.value)


def test_a_local_run_needs_no_settings() -> None:
    settings = load_settings()

    assert settings.env is Environment.LOCAL
    assert settings.database_url == "sqlite+aiosqlite:///var/farebox.db"
    assert settings.serves_graphiql
    assert settings.serves_introspection
    assert len(settings.signing_key) >= 32


def test_the_key_of_a_local_run_is_kept_and_readable_by_its_owner_alone() -> None:
    first, second = load_settings(), load_settings()

    assert first.signing_key == second.signing_key
    assert stat.S_IMODE(Path("var/secret_key").stat().st_mode) == 0o600
    assert [path.name for path in Path("var").iterdir()] == ["secret_key"]


def test_processes_that_start_together_agree_on_the_key() -> None:
    command = [sys.executable, "-c", "from api.settings import load_settings as s; print(s().signing_key)"]
    with ThreadPoolExecutor(4) as pool:
        keys = set(pool.map(lambda _: subprocess.check_output(command, text=True), range(4)))

    assert len(keys) == 1


def test_threads_that_start_together_agree_on_the_key() -> None:
    for attempt in range(20):
        with ThreadPoolExecutor(8) as pool:
            keys = set(pool.map(lambda _, n=attempt: load_settings(var=Path(f"v{n}")).signing_key, range(8)))
        assert len(keys) == 1


def test_a_kept_key_that_is_too_short_is_refused() -> None:
    Path("var").mkdir()
    Path("var/secret_key").write_text("short")

    with pytest.raises(SettingsError, match=r"FAREBOX_SECRET_KEY: .*delete the file"):
        load_settings()


def test_a_key_that_cannot_be_kept_is_asked_for() -> None:
    Path("var").write_text("a file where a directory should be")

    with pytest.raises(SettingsError, match="FAREBOX_SECRET_KEY: cannot keep a key"):
        load_settings()


def test_production_needs_a_key_and_keeps_graphiql_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAREBOX_ENV", "production")
    with pytest.raises(SettingsError, match="FAREBOX_SECRET_KEY: a production start needs one"):
        load_settings()
    assert not Path("var").exists()

    monkeypatch.setenv("FAREBOX_SECRET_KEY", KEY)
    assert load_settings().signing_key == KEY
    assert not load_settings().serves_graphiql
    monkeypatch.setenv("FAREBOX_GRAPHIQL", "true")
    assert load_settings().serves_graphiql


def test_a_short_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "at least 32 bytes" in complaint(monkeypatch, "SECRET_KEY", "hunter2")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENV", "staging-1"),
        ("DATABASE_URL", "mysql://root:hunter2@db/farebox"),
        ("DATABASE_URL", "sqlite:credits.db"),
        ("PUBLIC_URL", "money.example.org"),
        ("JWKS_URL", "http://id.example/keys"),
        ("JWKS_URL", "ftp://id.example/keys"),
        ("TRUSTED_PROXIES", "10.0.0.1, proxy.example"),
        ("GRAPHIQL", "perhaps"),
        ("PUBLIC_URL", "https://someone@money.example.org"),
        ("PUBLIC_URL", "https://m\u00fcnchen.example"),
        ("ALLOWED_ORIGINS", "*"),
        ("ALLOWED_ORIGINS", "null"),
        ("ALLOWED_ORIGINS", "https://*.example.com"),
        ("ALLOWED_ORIGINS", "https://app.example.com, https://user@b.example"),
        ("ALLOWED_ORIGINS", "https://m\u00fcnchen.example"),
        ("ALLOWED_ORIGINS", "https://a.example https://b.example"),
        ("ALLOWED_ORIGINS", "https://a.example/path"),
        ("ALLOWED_ORIGINS", "https://a.example/"),
        ("ALLOWED_ORIGINS", "ftp://a.example"),
        ("ALLOWED_ORIGINS", "https://a.example:443"),
        ("ALLOWED_ORIGINS", "http://a.example:80"),
        ("INTROSPECTION", "perhaps"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    complaint(monkeypatch, name, value)


def test_origins_are_taken_as_a_browser_sends_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "FAREBOX_ALLOWED_ORIGINS",
        "https://App.Example.com,http://[::1]:3000, https://a.example:80,http://localhost:8080",
    )
    assert load_settings().allowed_origins == (
        "https://app.example.com",
        "http://[::1]:3000",
        "https://a.example:80",
        "http://localhost:8080",
    )


def test_several_complaints_are_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAREBOX_ENV", "staging")
    monkeypatch.setenv("FAREBOX_PUBLIC_URL", "nowhere")
    with pytest.raises(SettingsError) as caught:
        load_settings()

    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "FAREBOX_ENV",
        "FAREBOX_PUBLIC_URL",
    ]


def test_settings_come_from_the_file_and_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text(
        f"FAREBOX_SECRET_KEY={KEY}\nFAREBOX_PUBLIC_URL=https://a.example/\nFAREBOX_JWKS_URL=\nOTHER=1\n"
        "FAREBOX_TRUSTED_PROXIES=10.0.0.1, 10.1.0.4/16\n"
    )
    settings = load_settings()

    assert settings.public_url == "https://a.example"
    assert settings.jwks_url is None
    assert settings.trusted_proxies == ("10.0.0.1", "10.1.0.0/16")
    monkeypatch.setenv("FAREBOX_PUBLIC_URL", "https://b.example")
    assert load_settings().public_url == "https://b.example"


def test_a_secret_is_not_shown_by_accident() -> None:
    assert load_settings(secret_key=KEY, demo_token="ey.token").signing_key == KEY
    assert KEY not in repr(load_settings(secret_key=KEY))
    assert "ey.token" not in repr(load_settings(secret_key=KEY, demo_token="ey.token"))


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("sqlite:///var/farebox.db", "sqlite+aiosqlite:///var/farebox.db"),
        ("sqlite:////data/farebox.db", "sqlite+aiosqlite:////data/farebox.db"),
        ("sqlite+aiosqlite:///x.db", "sqlite+aiosqlite:///x.db"),
        ("postgres://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgresql://u:p@h:5433/d", "postgresql+asyncpg://u:p@h:5433/d"),
        ("postgresql+asyncpg://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgresql://u:p%40@h/d?sslmode=require", "postgresql+asyncpg://u:p%40@h/d?ssl=require"),
        ("postgresql:///d?host=/var/run/postgresql", "postgresql+asyncpg:///d?host=%2Fvar%2Frun%2Fpostgresql"),
    ],
)
def test_every_usual_spelling_of_a_database_is_understood(written: str, used: str) -> None:
    assert normalise_database_url(written) == used


@pytest.mark.parametrize(
    "written",
    ["", "farebox.db", "sqlite:farebox.db", "sqlite://farebox.db", "sqlite:///:memory:", "sqlite:///",
     "sqlite:///file:x?mode=memory", "postgresql+psycopg://u@h/d", "mysql://u:hunter2@h/d"],
)  # fmt: skip
def test_a_database_that_would_not_work_is_refused(written: str) -> None:
    with pytest.raises(ValueError) as caught:
        normalise_database_url(written)
    assert "hunter2" not in str(caught.value)
