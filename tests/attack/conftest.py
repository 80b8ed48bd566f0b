"""A server as it runs in production, with the demo's companies in it: what strangers and bad neighbours attack."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attack.besieged import PRODUCTION, Besieged, told_tokens
from tests.fire.server import Server

MANY_NEW = {"FAREBOX_DOCUMENT_POINTS": "100000", "FAREBOX_DOCUMENT_RESTORE": "100000"}
"""Or most attacks would be put off for being many."""


@pytest.fixture(scope="session")
def besieged(demo_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Besieged]:
    folder = tmp_path_factory.mktemp("besieged")
    database = folder / "farebox.db"
    shutil.copy(demo_file, database)
    server = Server(f"sqlite:///{database}", folder)
    try:
        asyncio.run(server.start(env={**PRODUCTION, **MANY_NEW}))
        yield Besieged(server, told_tokens())
    finally:
        server.kill()
