"""A minute of documents made up from the schema; `make hostile` goes on for ten."""

import asyncio
import os
import shutil
from pathlib import Path

from tests.attack.besieged import PRODUCTION
from tests.attack.hostile_clients import OPEN_HANDED, besiege
from tests.fire.server import Server

SECONDS = float(os.environ.get("FAREBOX_TEST_HOSTILE_SECONDS", "60"))


def test_no_document_meets_a_fault_of_ours(demo_file: Path, tmp_path: Path) -> None:
    shutil.copy(demo_file, tmp_path / "farebox.db")
    server = Server(f"sqlite:///{tmp_path / 'farebox.db'}", tmp_path)
    try:
        asyncio.run(server.start(env={**PRODUCTION, **OPEN_HANDED}))
        besiegers = besiege(server, SECONDS)
    finally:
        server.kill()
    assert besiegers.faults == []
    assert "Traceback" not in server.log
    assert besiegers.counts["with data"] > 50, "it says nothing when all is refused"
    assert besiegers.counts["401"] > 0
