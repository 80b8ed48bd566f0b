"""How long a run may take, where its files lie, and what a server of it is told."""

import tempfile
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL

from tests.fire.server import Server
from tests.postgresql import postgresql_server

DURABLE = """
fsync = on
synchronous_commit = on
full_page_writes = on
autovacuum = on
jit = off
shared_buffers = 512MB
max_wal_size = 4GB
max_connections = 200
"""
"""What a careful installation has. Nothing committed is lost in a crash."""
WIDE = {
    "FAREBOX_THROTTLE_POINTS": "1000000000",
    "FAREBOX_THROTTLE_RESTORE": "1000000000",
    "FAREBOX_MAX_WAIT_SECONDS": "60",
}
"""All limits stay on; the bucket of the principal is wide enough that it never asks for patience, and nobody is sent
away because the machine is busy with something else."""
PRODUCTION = {"FAREBOX_ENV": "production", "FAREBOX_LOG_LEVEL": "warning", **WIDE}


@dataclass(frozen=True, kw_only=True)
class Run:
    folder: Path
    is_full: bool = False
    is_tiny: bool = False
    """One round of next to nothing: whether everything starts, answers and ends."""

    def of(self, *, tiny: float, short: float, full: float) -> float:
        return tiny if self.is_tiny else full if self.is_full else short

    def count(self, *, tiny: int, short: int, full: int) -> int:
        return int(self.of(tiny=tiny, short=short, full=full))

    @property
    def rounds(self) -> int:
        return self.count(tiny=1, short=3, full=7)

    @property
    def load_seconds(self) -> float:
        return self.of(tiny=0.2, short=1.5, full=5)

    def sqlite_url(self, name: str) -> str:
        return f"sqlite+aiosqlite:///{self.folder}/{name}.db"

    def postgresql(self) -> AbstractContextManager[URL]:
        return postgresql_server(DURABLE, Path(tempfile.gettempdir()))


async def serve(run: Run, name: str, url: str, *program: str, workers: int = 1, **env: str) -> Server:
    """A server of a folder of its own, ready; whoever started it kills it. Without a program: Farebox itself."""
    folder = run.folder / name
    folder.mkdir(parents=True, exist_ok=True)
    server = Server(url, folder, workers=workers)
    await server.start(*program, env=PRODUCTION | env)
    return server
