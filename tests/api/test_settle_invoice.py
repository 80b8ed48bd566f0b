"""`farebox settle-invoice`, as an operator types it."""

import asyncio
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from api.clock import utc_now
from persistence.database import Database
from schema.ids import IdKind, encode
from tests.api.test_commands import farebox
from tests.persistence.giving_back import Till, invoiced
from tests.world import World


@pytest.fixture
def owed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_template: Path) -> list[UUID]:
    """Two top-ups that stand on an invoice."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "farebox.db").write_bytes(sqlite_template.read_bytes())
    monkeypatch.setenv("FAREBOX_DATABASE_URL", f"sqlite:///{tmp_path}/farebox.db")
    return asyncio.run(_buy(f"sqlite+aiosqlite:///{tmp_path}/farebox.db"))


async def _buy(url: str) -> list[UUID]:
    database = Database(url)
    till = Till(World(database, now=utc_now() - timedelta(minutes=5)))
    await till.world.apply(invoiced())
    bought = [await till.bought("20") for _ in range(2)]
    await database.close()
    return [top_up.id for top_up in bought]


def test_what_is_owed_is_paid_once(owed: list[UUID]) -> None:
    first, second = [encode(IdKind.TOP_UP, top_up_id) for top_up_id in owed]
    assert farebox("settle-invoice", "--office", "hq", "--top-up", second) == f"{second}\n21.78 USD paid.\n"
    assert farebox("settle-invoice", "--office", "hq", "--company", "acme") == f"{first}\n21.78 USD paid.\n"
    assert farebox("settle-invoice", "--office", "hq") == "Nothing was owed.\n"
    assert farebox("settle-invoice", "--office", "hq", "--top-up", first) == "Nothing was owed.\n"
    assert farebox("verify").endswith("Every invariant holds.\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--office", "nowhere"), "no office 'nowhere'. Known: hq."),
        (("--office", "hq", "--top-up", "invoice 7"), "is not the id of a top up"),
        (("--office", "hq", "--top-up", "top_00000000000000000000000000000000"), "no such top-up"),
        (("--office", "hq", "--company", "nobody"), "no company 'nobody'"),
    ],
)
def test_what_cannot_be_paid_is_told_in_one_sentence(owed: list[UUID], arguments: tuple[str, ...], said: str) -> None:
    assert said in farebox("settle-invoice", *arguments, exit_code=1)
