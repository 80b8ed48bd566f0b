"""The command line, as an operator types it: real files, a real database, readable answers, exit codes."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import app
from api.database_url import DEFAULT_DATABASE_URL
from persistence.database import Database
from persistence.migrate import migrate
from tests.api.import_words import real_file

COMPANY = """
company: {slug: acme, name: Acme, currency: USD, domestic_regions: [US], decks: [flat]}
offices: [{slug: hq, name: Headquarters, time_zone: Asia/Kolkata, region: IN}]
"""
MAP = "from=call_num,to=rec_num,occurred_at=start,duration=duration"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_template: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "farebox.db").write_bytes(sqlite_template.read_bytes())
    monkeypatch.setenv("FAREBOX_DATABASE_URL", f"sqlite:///{tmp_path}/farebox.db")
    (tmp_path / "acme.yaml").write_text(COMPANY)
    (tmp_path / "flat.csv").write_text("service,rate,increment\nCALLING,0.036,60/60\n")
    return tmp_path


def farebox(*arguments: str, exit_code: int = 0) -> str:
    result = CliRunner().invoke(app, arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == exit_code, result.output
    return result.output


def set_up() -> None:
    farebox("apply", "acme.yaml")
    farebox("import-rates", "flat.csv", "--effective-from", "2016-01-01")


def import_calls(path: Path) -> str:
    return farebox(
        *("import-usage", str(path), "--format", "csv", "--office", "hq", "--timezone", "Asia/Kolkata"),
        *("--region", "IN", "--backfill", "--map", MAP),
    )


def test_a_company_goes_in_and_is_not_changed_twice(folder: Path) -> None:
    told = farebox("apply", "acme.yaml")
    assert "2 changed." in told
    assert "Note: no deck 'flat' is loaded yet" in told
    farebox("import-rates", "flat.csv")
    assert farebox("apply", "acme.yaml") == "Nothing to change.\n"


def rows_of(folder: Path) -> list[str]:
    """The whole database as SQL."""
    with closing(sqlite3.connect(folder / "farebox.db")) as database:
        return list(database.iterdump())


def test_a_dry_run_tells_what_a_real_one_tells_and_leaves_nothing(folder: Path) -> None:
    end = "Dry run: nothing was changed.\n"
    empty = rows_of(folder)
    told = farebox("apply", "acme.yaml", "--dry-run")
    assert rows_of(folder) == empty
    assert told.startswith("company acme: new\noffice hq: new\n2 would change.\nNote: no deck 'flat' is loaded yet")
    assert told == farebox("apply", "acme.yaml").replace("2 changed.", "2 would change.") + end
    assert farebox("apply", "acme.yaml", "--dry-run").startswith("Nothing to change.\n")
    stored = rows_of(folder)
    moment = "2016-01-01"
    told = farebox("import-rates", "flat.csv", "--effective-from", moment, "--dry-run")
    assert rows_of(folder) == stored
    assert "\n1 rates would be in force from 2016-01-01 00:00Z.\n" in told
    loaded = farebox("import-rates", "flat.csv", "--effective-from", moment)
    assert told == loaded.replace("rates in force", "rates would be in force") + end
    assert "nothing to load" in farebox("import-rates", "flat.csv", "--dry-run")
    (folder / "flat.csv").write_text("service,rate,increment\nCALLING,0.04,60/60\n")
    stored = rows_of(folder)
    told = farebox("import-rates", "flat.csv", "--effective-from", "2031-01-01T00:00:00+01:00", "--dry-run")
    assert "1 rates would be in force from 2030-12-31 23:00Z.\nThe deck's rates before them end there.\n" in told
    said = farebox("import-rates", "flat.csv", "--effective-from", moment, "--dry-run", exit_code=1)
    assert "may have priced usage" in said
    assert rows_of(folder) == stored


def test_a_dry_run_says_what_a_real_one_says_of_a_database_or_company_that_is_not_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for flag in ((), ("--dry-run",)):
        assert "There is no company 'acme'" in farebox(
            *("import-rates", "flat.csv", "--company", "acme", *flag), exit_code=1
        )
    monkeypatch.setenv("FAREBOX_DATABASE_URL", f"sqlite:///{folder}/new.db")
    monkeypatch.setenv("FAREBOX_ENV", "production")
    monkeypatch.setenv("FAREBOX_SECRET_KEY", "a secret key for tests, longer than thirty-two bytes")
    for flag in ((), ("--dry-run",)):
        assert "run `farebox migrate` first" in farebox("apply", "acme.yaml", *flag, exit_code=1)


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files alone, and no settings."""
    monkeypatch.chdir(tmp_path)
    for name in ("FAREBOX_DATABASE_URL", "FAREBOX_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "acme.yaml").write_text(COMPANY)
    (tmp_path / "wrong.yaml").write_text("company: {slug: acme}")
    (tmp_path / "flat.csv").write_text("service,rate,increment\nCALLING,0.036,60/60\n")
    return tmp_path


DRY_RUNS = (("apply", "acme.yaml"), ("import-rates", "flat.csv"))


@pytest.mark.parametrize("command", DRY_RUNS)
def test_a_dry_run_makes_no_database_and_no_key(empty: Path, command: tuple[str, ...]) -> None:
    before = sorted(empty.iterdir())
    told = farebox(*command, "--dry-run", exit_code=1)
    assert told == ("There is no database at var/farebox.db, and a dry run makes none: run `farebox migrate` first.\n")
    assert sorted(empty.iterdir()) == before
    farebox("migrate")
    assert [path.name for path in (empty / "var").iterdir()] == ["farebox.db"]
    farebox("apply", "acme.yaml", "--dry-run")
    farebox("apply", "acme.yaml")
    farebox(*command, "--dry-run")
    assert [path.name for path in (empty / "var").iterdir()] == ["farebox.db"], "nothing was signed"
    farebox("token", "--role", "company-admin")
    assert sorted(path.name for path in (empty / "var").iterdir()) == ["farebox.db", "secret_key"]


@pytest.mark.parametrize("command", DRY_RUNS)
@pytest.mark.parametrize("revision", [None, "0002"])
def test_a_dry_run_does_not_migrate(empty: Path, command: tuple[str, ...], revision: str | None) -> None:
    farebox("migrate") if revision is None else at_revision(revision)
    if revision is None:
        with closing(sqlite3.connect(empty / "var/farebox.db")) as database:
            database.execute("DROP TABLE alembic_version")
    content = (empty / "var/farebox.db").read_bytes()
    told = farebox(*command, "--dry-run", exit_code=1)
    assert told == "The database is not at the newest schema: run `farebox migrate` first.\n"
    assert (empty / "var/farebox.db").read_bytes() == content


def at_revision(revision: str) -> None:
    async def story() -> None:
        database = Database(DEFAULT_DATABASE_URL)
        await migrate(database, revision)
        await database.close()

    asyncio.run(story())


def test_a_company_file_s_own_mistakes_are_told_before_anything_is_made(empty: Path) -> None:
    before = sorted(empty.iterdir())
    for flag in ((), ("--dry-run",)):
        assert "wrong.yaml:1: company" in farebox("apply", "wrong.yaml", *flag, exit_code=1)
    assert sorted(empty.iterdir()) == before


def test_a_deck_is_loaded_once_and_its_bad_rows_are_listed(folder: Path) -> None:
    farebox("apply", "acme.yaml")
    (folder / "flat.csv").write_text("service,prefix,rate\nCALLING,1,0.02\nCALLING,*100,0.02\nCALLING,1,0.03\n")
    told = farebox("import-rates", "flat.csv")
    assert "line 3: '*100' is no prefix" in told
    assert "as line 2" in told
    assert [line.split()[0] for line in told.splitlines() if "rows read" in line or " good" in line] == ["3", "1"]
    assert "nothing to load" in farebox("import-rates", "flat.csv")
    assert "a deck in EUR cannot rate it" in farebox("import-rates", "flat.csv", "--currency", "EUR", exit_code=1)


def test_the_real_calls_cost_what_they_must_however_often_they_are_sent(folder: Path) -> None:
    set_up()
    calls = real_file("udacity_calls.csv")
    told = import_calls(calls)
    assert "    5,213 charged" in told
    assert "Charged now: 3022.452000 USD" in told
    told = import_calls(calls)
    assert "    5,213 replayed" in told
    assert "Charged now: 0.000000 USD" in told
    assert farebox("verify").endswith("Every invariant holds.\n")


def test_every_row_that_is_not_charged_has_a_line_and_the_summary_adds_up(folder: Path) -> None:
    set_up()
    path = folder / "calls.csv"
    path.write_text(
        "call_num,rec_num,start,duration\n"
        "78130 00821,98453 94494,2026-01-13 06:01:12,186\n"
        "78130 00821,98453 94494,2026-01-13 06:01:12,soon\n"
        "78130 00821,98453 94494,1950-01-13 06:01:12,186\n"
    )
    told = import_calls(path)
    assert "line 3: " in told
    assert "line 4: TOO_OLD" in told
    counts = {line.split()[1]: line.split()[0] for line in told.splitlines() if line.startswith("  ")}
    assert counts == {"rows": "3", "charged": "1", "replayed": "0", "conflict": "0", "rejected": "1", "unreadable": "1"}


def test_rejected_usage_is_replayed_when_a_rate_comes(folder: Path) -> None:
    farebox("apply", "acme.yaml")
    path = folder / "calls.csv"
    path.write_text("call_num,rec_num,start,duration\n78130 00821,98453 94494,2026-01-13 06:01:12,60\n")
    assert "NO_RATE" in import_calls(path)
    assert "0 charged, 1 still rejected." in farebox("replay")
    farebox("import-rates", "flat.csv", "--effective-from", "2016-12-31")
    assert "1 charged, 0 still rejected." in farebox("replay", "--backfill")


def test_verify_fails_loudly(folder: Path) -> None:
    set_up()
    with sqlite3.connect(folder / "farebox.db") as database:
        database.execute("UPDATE wallet SET balance_micros = 5")
    database.close()
    told = farebox("verify", exit_code=1)
    assert "BROKEN         1  Universal credits equal the sum of their postings" in told
    assert "balance_micros=5, posted=0" in told


def test_a_token_is_printed_alone_and_only_for_what_there_is(folder: Path) -> None:
    set_up()
    assert farebox("token", "--role", "office-admin", "--office", "hq").count(".") == 2
    assert "no office 'nowhere'" in farebox("token", "--role", "office-admin", "--office", "nowhere", exit_code=1)
    assert "name them with --office" in farebox("token", "--role", "office-admin", exit_code=1)
    assert "--scope" in farebox("token", "--role", "partner", exit_code=1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("apply", "nowhere.yaml"), "cannot be read"),
        (("import-rates", "flat.csv", "--format", "xls"), "Unknown format 'xls'"),
        (("import-rates", "flat.csv", "--effective-from", "0001-01-01"), "out of bounds"),
        (("import-rates", "flat.csv", "--effective-from", "soon"), "is no date or time"),
        (("import-usage", "flat.csv", "--format", "csv", "--office", "nowhere"), "no office 'nowhere'"),
        (("import-usage", "flat.csv", "--format", "csv", "--office", "hq"), "needs --map"),
        (("import-usage", "flat.csv", "--format", "ndjson", "--region", "XX"), "no region 'XX'"),
        (("import-usage", "flat.csv", "--format", "ndjson", "--source", "farebox:x"), "Farebox's own"),
        (("replay", "--company", "nobody"), "no company 'nobody'"),
        (("serve", "--workers", "2"), "one server process"),
    ],
)
def test_what_cannot_be_is_told_in_one_sentence(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    set_up()
    assert said in farebox(*arguments, exit_code=1)


def test_production_guesses_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAREBOX_ENV", "production")
    assert "FAREBOX_SECRET_KEY" in farebox("serve", exit_code=1)
    monkeypatch.setenv("FAREBOX_SECRET_KEY", "x" * 40)
    assert "local runs only" in farebox("serve", "--demo", exit_code=1)
    monkeypatch.setenv("FAREBOX_DATABASE_URL", f"sqlite:///{folder}/new.db")
    assert "farebox migrate" in farebox("serve", exit_code=1)
    assert "Migrated from nothing to" in farebox("migrate")
    assert "already" in farebox("migrate")
    with closing(sqlite3.connect(folder / "new.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    assert farebox("migrate") == "At 9999 already.\n"


def test_a_file_that_is_no_database_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "letter.db").write_text("hello")
    monkeypatch.setenv("FAREBOX_DATABASE_URL", f"sqlite:///{folder}/letter.db")
    assert "file is not a database" in farebox("verify", exit_code=1)


def test_looking_makes_no_database(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAREBOX_DATABASE_URL", f"sqlite:///{folder}/misspelt/farebox.db")
    assert "There is no database at" in farebox("verify", exit_code=1)
    assert not (folder / "misspelt").exists()
    monkeypatch.setenv("FAREBOX_DATABASE_URL", f"sqlite:///{folder}")
    assert "is a folder" in farebox("verify", exit_code=1)


def test_the_demo_stays_out_of_production(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAREBOX_ENV", "production")
    monkeypatch.setenv("FAREBOX_SECRET_KEY", "x" * 40)
    assert "local runs only" in farebox("demo", exit_code=1)
