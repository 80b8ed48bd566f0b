"""`farebox token`: for a database that is there, and of no other does it leave a trace."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import app
from api.commands.serving import TokenRole

TOLD = "There is no database at var/farebox.db: `farebox apply FILE` or `farebox demo` makes one.\n"
NEEDS = {TokenRole.OFFICE_ADMIN: ["--office", "hq"], TokenRole.PARTNER: ["--scope", "holds:write"]}
PAGE = (Path(__file__).parents[2] / "docs" / "clients.md").read_text(encoding="utf-8")
COMPANY = """
company: {slug: acme, name: Acme, currency: USD, domestic_regions: [US], decks: [flat]}
offices: [{slug: hq, name: Headquarters, time_zone: America/New_York, region: US}]
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with nothing in it, and no settings."""
    monkeypatch.chdir(tmp_path)
    for name in ("FAREBOX_DATABASE_URL", "FAREBOX_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize("role", TokenRole)
def test_in_a_folder_without_a_database_nothing_is_made(root: Path, role: TokenRole) -> None:
    """A key made there would sign tokens that no server knows."""
    result = CliRunner().invoke(app, ["token", "--role", role, *NEEDS.get(role, [])])
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", TOLD)
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("block", ["token-admin", "token-partner"])
def test_what_the_clients_page_types_in_the_root_makes_a_token(root: Path, block: str) -> None:
    (root / "acme.yaml").write_text(COMPANY)
    assert CliRunner().invoke(app, ["apply", "acme.yaml"]).exit_code == 0
    (root / ".venv").mkdir()
    (root / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    [commands] = re.findall(rf"^```sh {block}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    script = commands + 'printf "%s" "$FAREBOX_TOKEN"'
    done = subprocess.run(["bash", "-euc", script], cwd=root, capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout.count("."), done.stderr) == (2, "")
